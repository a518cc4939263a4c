package transporttest_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

var privateKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func signer(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	private, err := privateKey()
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// sign makes a JSON Web Token.
func sign(t *testing.T, private *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func askForToken(t *testing.T, s *transporttest.Server, form url.Values) (int, string) {
	t.Helper()
	response, body, err := send(t, s, call{path: "/token", noKey: true, body: form.Encode(), header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func TestToken(t *testing.T) {
	private := signer(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	tests := []struct {
		name                 string
		header, claims, form m // what is other than good; nil values are left out
		signed               *rsa.PrivateKey
		complaint            string // "": a token is given out
	}{
		{"good", nil, nil, nil, private, ""},
		{"several audiences", nil, m{"aud": []string{"x", "https://token.example"}}, nil, private, ""},
		{"several scopes", nil, nil, m{"scope": "a tracking_api:write"}, private, ""},
		{"an iat a little ahead", nil, m{"iat": 4}, nil, private, ""},
		{"another algorithm", m{"alg": "HS256"}, nil, nil, private, "alg"},
		{"no kid", m{"kid": nil}, nil, nil, private, "kid"},
		{"another kid", m{"kid": "k2"}, nil, nil, private, "kid"},
		{"another app", nil, m{"sub": "app2"}, nil, private, "sub"},
		{"another audience", nil, m{"aud": "https://example.com"}, nil, private, "aud"},
		{"no audience", nil, m{"aud": nil}, nil, private, "aud"},
		{"no jti", nil, m{"jti": nil}, nil, private, "jti"},
		{"an iat far ahead", nil, m{"iat": 60}, nil, private, "iat"},
		{"an exp that is past", nil, m{"exp": -1}, nil, private, "exp"},
		{"no exp", nil, m{"exp": nil}, nil, private, "exp"},
		{"an exp too far ahead", nil, m{"exp": 90}, nil, private, "exp"},
		{"signed by another", nil, nil, nil, other, "signature"},
		{"another grant", nil, nil, m{"grant_type": "password"}, private, "invalid_request"},
		{"another assertion type", nil, nil, m{"client_assertion_type": "x"}, private, "invalid_request"},
		{"no scope", nil, nil, m{"scope": nil}, private, "invalid_scope"},
		{"no JWT", nil, nil, m{"client_assertion": "a.b"}, private, "JWT"},
		{"a JWT that is none", nil, nil, m{"client_assertion": "a.b.c"}, private, "JWT"},
	}
	s := transporttest.NewServerWith(t, transporttest.ServerConfig{OAuth: transporttest.OAuth{
		PublicKey: &private.PublicKey, KeyID: "k1", AppID: "app1", Audience: "https://token.example", Lifetime: time.Hour,
	}})
	given := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := m{"alg": "RS256", "kid": "k1", "typ": "JWT"}
			claims := m{"sub": "app1", "aud": "https://token.example", "iat": -5, "exp": 55, "jti": tt.name}
			maps.Copy(header, tt.header)
			maps.Copy(claims, tt.claims)
			for _, name := range []string{"iat", "exp"} {
				if seconds, ok := claims[name].(int); ok {
					claims[name] = time.Now().Unix() + int64(seconds)
				}
			}
			form := m{
				"grant_type": "client_credentials", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
				"scope": "tracking_api:write", "client_assertion": sign(t, tt.signed, header, claims),
			}
			maps.Copy(form, tt.form)
			values := url.Values{}
			for name, v := range form {
				if text, ok := v.(string); ok {
					values.Set(name, text)
				}
			}
			status, body := askForToken(t, s, values)
			if tt.complaint != "" {
				if status != 400 || !strings.Contains(body, tt.complaint) {
					t.Errorf("status %d: %s, want a complaint of %s", status, body, tt.complaint)
				}
				return
			}
			given++
			var answer struct {
				AccessToken string `json:"access_token"`
				ExpiresIn   int    `json:"expires_in"`
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.AccessToken == "" || answer.ExpiresIn != 3600 {
				t.Fatalf("status %d: %s", status, body)
			}
			if s.Stats().Tokens != given {
				t.Errorf("%d tokens counted, want %d", s.Stats().Tokens, given)
			}
			if status, body := askForToken(t, s, values); status != 400 || !strings.Contains(body, "jti") {
				t.Errorf("the same assertion again: status %d: %s", status, body)
			}
			bearer := http.Header{"Authorization": {"Bearer " + answer.AccessToken}}
			for body, want := range map[string]int{`{"writeKey":"write-key-1","batch":[]}`: 200, `{"batch":[]}`: 401} {
				response, _, err := send(t, s, call{noKey: true, header: bearer, body: body})
				if err != nil || response.StatusCode != want {
					t.Errorf("%s with the token: %v, %v, want %d", body, response, err, want)
				}
			}
			s.RevokeTokens()
			response, _, err := send(t, s, call{noKey: true, header: bearer, body: `{"writeKey":"write-key-1","batch":[]}`})
			if err != nil || response.StatusCode != 401 {
				t.Errorf("with a token that was revoked: %v, %v", response, err)
			}
		})
	}
}

// The library's own transport, with tokens.
func TestTransportWithTokens(t *testing.T) {
	private := signer(t)
	bubble(t, transporttest.ServerConfig{OAuth: transporttest.OAuth{PublicKey: &private.PublicKey, Lifetime: time.Hour, Required: true}},
		func(t *testing.T, s *transporttest.Server) {
			h, err := transport.NewHTTP(transport.HTTPConfig{
				Endpoint: s.URL(), Client: s.Client(),
				OAuth: &transport.OAuthConfig{AppID: "app1", KeyID: "k1", PrivateKey: private, TokenServer: s.URL()},
			})
			if err != nil {
				t.Fatal(err)
			}
			b := &transport.Batch{WriteKey: key}
			b.Append([]byte(`{"type":"identify","userId":"u1"}`))
			deliver := func() {
				t.Helper()
				if result := h.Deliver(t.Context(), b); result.Class != transport.Accepted {
					t.Fatalf("got %+v", result)
				}
			}
			deliver()
			deliver()
			if got := s.Stats(); got.Tokens != 1 || got.Kept != 2 {
				t.Errorf("%d tokens for %d messages", got.Tokens, got.Kept)
			}
			time.Sleep(2 * time.Hour)
			deliver()
			if got := s.Stats(); got.Tokens != 2 || got.Kept != 3 {
				t.Errorf("after the token's end: %d tokens for %d messages", got.Tokens, got.Kept)
			}
			s.FailToken(transporttest.Status(503))
			s.RevokeTokens()
			deliver()
			if got := s.Stats(); got.Faults[transporttest.FaultStatus] != 1 || got.Kept != 4 {
				t.Errorf("with a token server that fails once: %+v", got)
			}
			post(t, s, 401, `{"type":"identify","userId":"u1"}`) // Basic authentication will not do
		})
}
