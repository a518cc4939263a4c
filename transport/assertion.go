package transport

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"
)

const (
	// assertionAge is how far in the past an assertion begins, for a server whose clock is a little behind.
	assertionAge = 5 * time.Second
	// assertionLife is from an assertion's beginning to its end. Segment takes less than a minute.
	assertionLife = 59 * time.Second
)

// An assertionSigner makes the signed JSON Web Tokens that a token is asked for with.
type assertionSigner struct {
	header   string // encoded
	subject  string
	audience string
	// Behind a function, so that no dumper finds the key.
	signature func(digest []byte) ([]byte, error)
}

func newAssertionSigner(c OAuthConfig, audience string) assertionSigner {
	key := c.PrivateKey
	return assertionSigner{
		header:   segment(map[string]string{"alg": "RS256", "typ": "JWT", "kid": c.KeyID}),
		subject:  c.AppID,
		audience: audience,
		signature: func(digest []byte) ([]byte, error) {
			return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
		},
	}
}

// sign returns an assertion for a server whose clock shows now. Each has an id of its own, since servers refuse one that they
// have seen.
func (s assertionSigner) sign(now time.Time) (string, error) {
	var id [16]byte
	rand.Read(id[:])
	begin := now.Add(-assertionAge)
	text := s.header + "." + segment(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
	}{s.audience, s.subject, s.audience, begin.Unix(), begin.Add(assertionLife).Unix(), hex.EncodeToString(id[:])})
	digest := sha256.Sum256([]byte(text))
	signature, err := s.signature(digest[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// segment encodes a part of a JSON Web Token. Strings and numbers always have a JSON form.
func segment(v any) string {
	text, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text)
}
