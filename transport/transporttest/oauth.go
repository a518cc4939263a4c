package transporttest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OAuth says how a Server gives out tokens, by client credentials, and asks for them.
type OAuth struct {
	// PublicKey verifies the signature of an assertion. Without one, only its form and claims are checked.
	PublicKey *rsa.PublicKey
	// KeyID, AppID and Audience are what an assertion has to say in kid, sub and aud. Default to taking anything but "".
	KeyID, AppID, Audience string
	// Lifetime is how long a token serves. Defaults to 24 hours.
	Lifetime time.Duration
	// Required has tracking requests without a token answered 401.
	Required bool
}

const (
	defaultTokenLifetime = 24 * time.Hour
	assertionLifetime    = time.Minute     // what exp may be ahead
	clockLeeway          = 5 * time.Second // between the clocks of client and server
	assertionType        = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	tokenScope           = "tracking_api:write"
)

// issued is what the token endpoint remembers: tokens with their ends, and the ids of assertions that were used.
type issued struct {
	tokens     map[string]time.Time
	assertions map[string]struct{}
}

// RevokeTokens ends all tokens that were given out: requests with one are answered 401.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued.tokens = nil
}

func (s *Server) accepts(token string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.issued.tokens[token])
}

// issue checks a request for a token and makes one, which the answer then holds.
func (x *exchange) issue() *refusal {
	if x.r.Method != http.MethodPost || x.readErr != nil {
		return badRequest("invalid_request")
	}
	form, err := url.ParseQuery(string(x.body))
	if err != nil || form.Get("grant_type") != "client_credentials" || form.Get("client_assertion_type") != assertionType {
		return badRequest("invalid_request")
	}
	if !slices.Contains(strings.Fields(form.Get("scope")), tokenScope) {
		return badRequest("invalid_scope")
	}
	config := x.s.config.OAuth
	claims, err := config.verify(form.Get("client_assertion"), x.at)
	if err != nil {
		return badRequest("invalid_client: " + err.Error())
	}

	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if _, used := x.s.issued.assertions[claims.ID]; used {
		return badRequest("invalid_client: jti was used before")
	}
	if x.s.issued.assertions == nil {
		x.s.issued.assertions = make(map[string]struct{})
	}
	if x.s.issued.tokens == nil {
		x.s.issued.tokens = make(map[string]time.Time)
	}
	lifetime := config.Lifetime
	if lifetime <= 0 {
		lifetime = defaultTokenLifetime
	}
	token := rand.Text()
	x.s.issued.assertions[claims.ID] = struct{}{}
	x.s.issued.tokens[token] = x.at.Add(lifetime)
	x.s.stats.Tokens++
	x.success = fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d,"scope":%q}`,
		token, int64(lifetime/time.Second), tokenScope)
	return nil
}

// claims are what an assertion says.
type claims struct {
	ID       string   `json:"jti"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	IssuedAt float64  `json:"iat"`
	Expires  float64  `json:"exp"`
}

// An audience is one string or several.
type audience []string

func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// verify checks a JSON Web Token as the token server does.
func (o OAuth) verify(assertion string, now time.Time) (claims, error) {
	var c claims
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return c, errors.New("the assertion is no JWT")
	}
	var header struct{ Alg, Kid string }
	if decodePart(parts[0], &header) != nil || decodePart(parts[1], &c) != nil {
		return c, errors.New("the assertion is no JWT")
	}
	if header.Alg != "RS256" {
		return c, errors.New("alg has to be RS256")
	}
	if o.PublicKey != nil {
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err != nil || rsa.VerifyPKCS1v15(o.PublicKey, crypto.SHA256, digest[:], signature) != nil {
			return c, errors.New("the signature is not valid")
		}
	}
	issuedAt, expires := time.Unix(int64(c.IssuedAt), 0), time.Unix(int64(c.Expires), 0)
	switch {
	case !is(header.Kid, o.KeyID):
		return c, errors.New("kid is not known")
	case !is(c.Subject, o.AppID):
		return c, errors.New("sub is not known")
	case !slices.ContainsFunc(c.Audience, func(aud string) bool { return is(aud, o.Audience) }):
		return c, errors.New("aud is another")
	case c.ID == "":
		return c, errors.New("jti is required")
	case issuedAt.After(now.Add(clockLeeway)):
		return c, errors.New("iat lies ahead")
	case !expires.After(now):
		return c, errors.New("exp is past")
	case expires.After(now.Add(assertionLifetime + clockLeeway)):
		return c, errors.New("exp is more than 60 seconds ahead")
	}
	return c, nil
}

// is tells whether a claim says what is wanted; anything will do where nothing is.
func is(claim, want string) bool { return claim != "" && (want == "" || claim == want) }

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
