package transport

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
	"strings"
	"sync"
	"testing"
	"time"
)

// testKey returns the key of all tests: making one takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, MinKeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// A tokenServer gives tokens to whoever proves to hold testKey, and knows which of them are good.
type tokenServer struct {
	t     testing.TB
	ahead time.Duration // of its clock
	life  string        // expires_in, as JSON

	mu       sync.Mutex
	audience string
	seen     map[string]bool // ids of assertions
	given    int
	good     string
	requests int
	refused  int
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	now := time.Now().Add(s.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if err := s.verify(r, now); err != nil {
		s.refused++
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, err.Error()+canaryMail)
		return
	}
	s.given++
	s.good = fmt.Sprintf("%s-%d", canaryToken, s.given)
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%s}`, s.good, s.life)
}

func (s *tokenServer) verify(r *http.Request, now time.Time) error {
	r.ParseForm()
	for name, want := range map[string]string{
		"grant_type": "client_credentials", "scope": DefaultScope,
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	} {
		if got := r.PostForm.Get(name); got != want {
			s.t.Errorf("%s is %q", name, got)
		}
	}
	if r.Method != http.MethodPost || r.URL.Path != "/token" || r.Header.Get("Authorization") != "" {
		s.t.Errorf("%s %s with Authorization %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
	}
	parts := strings.Split(r.PostForm.Get("client_assertion"), ".")
	if len(parts) != 3 {
		return errors.New("no assertion")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&testKey().PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	var header map[string]string
	var claims struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return err
		}
	}
	if header["alg"] != "RS256" || header["kid"] != "key-1" || header["typ"] != "JWT" {
		s.t.Errorf("the assertion's header is %v", header)
	}
	if claims.Sub != "app-1" || claims.Aud != s.audience || claims.Iss != s.audience {
		s.t.Errorf("the claims are %+v, the audience is %s", claims, s.audience)
	}
	if claims.Exp-claims.Iat >= 60 {
		s.t.Errorf("the assertion is good for %d s", claims.Exp-claims.Iat)
	}
	if s.seen[claims.Jti] || len(claims.Jti) < 16 {
		return errors.New("the assertion was used before")
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[claims.Jti] = true
	if claims.Iat > now.Unix() || claims.Exp <= now.Unix() {
		return errors.New("the assertion is not good at this time")
	}
	return nil
}

// accepts tells whether a request has the token that was given last, and its write key in the body.
func (s *tokenServer) accepts(got request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good != "" && got.header.Get("Authorization") == "Bearer "+s.good && got.envelope.WriteKey != nil && *got.envelope.WriteKey == canaryKey
}

func (s *tokenServer) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = ""
}

func (s *tokenServer) counts() (requests, given, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.given, s.refused
}

func newTokenServer(t testing.TB, life string, ahead time.Duration) (*tokenServer, string) {
	s := &tokenServer{t: t, life: life, ahead: ahead}
	server := newServer(t, s.ServeHTTP)
	s.audience = server.URL
	return s, server.URL
}

func oauthConfig(tokens string) *OAuthConfig {
	return &OAuthConfig{AppID: "app-1", KeyID: "key-1", PrivateKey: testKey(), TokenServer: tokens}
}

// inMemory answers token requests by a token server after a while, and accepts all else that has its token.
func inMemory(tokens *tokenServer, delay time.Duration) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/token" {
			got, err := readRequest(r)
			if err != nil {
				return nil, err
			}
			if !tokens.accepts(got) {
				return answer(401, ""), nil
			}
			return answer(200, `{"success":true}`), nil
		}
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w := &memoryWriter{header: http.Header{}, status: 200}
		tokens.ServeHTTP(w, r)
		resp := answer(w.status, w.body.String())
		resp.Header = w.header
		return resp, nil
	}
}

type memoryWriter struct {
	header http.Header
	status int
	body   strings.Builder
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(status int)      { w.status = status }
func (w *memoryWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
