package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestOAuthDelivers(t *testing.T) {
	tokens, tokenURL := newTokenServer(t, "3600", 0)
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := readRequest(r)
		if err != nil || !tokens.accepts(got) || got.writeKey != "" {
			t.Errorf("refused: %v", err)
			w.WriteHeader(401)
			return
		}
		success(w)
	})
	for _, c := range []HTTPConfig{
		{Endpoint: server.URL, OAuth: oauthConfig(tokenURL + "/")},
		{Endpoint: server.URL, OAuth: oauthConfig(tokenURL + "/token"), Gzip: true},
	} {
		h := newTestHTTP(t, c)
		for range 5 {
			result := h.Deliver(t.Context(), newBatch(3, "m"))
			check(t, result, Accepted, 200)
			if result.Requests != 1 {
				t.Errorf("%d requests", result.Requests)
			}
		}
		requireNoCanary(t, h, *c.OAuth, c)
	}
	if requests, given, _ := tokens.counts(); requests != 2 || given != 2 {
		t.Errorf("%d token requests, %d tokens", requests, given)
	}
}

// Row 12: a refused token is dropped, and one new one is tried within the attempt.
func TestFault12RefusedTokens(t *testing.T) {
	for _, status := range []int{401, 403, 511} {
		t.Run(fmt.Sprintf("%d until the token is new", status), func(t *testing.T) {
			tokens, tokenURL := newTokenServer(t, "3600", 0)
			var rec recorder
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if !tokens.accepts(rec.take(t, r)) {
					w.WriteHeader(status)
					return
				}
				success(w)
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, OAuth: oauthConfig(tokenURL)})
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
			tokens.revoke()
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Accepted, 200)
			if _, given, _ := tokens.counts(); given != 2 || result.Requests != 2 {
				t.Errorf("%d tokens, %d requests", given, result.Requests)
			}
		})
		t.Run(fmt.Sprintf("%d always", status), func(t *testing.T) {
			tokens, tokenURL := newTokenServer(t, "3600", 0)
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				io.WriteString(w, r.Header.Get("Authorization"))
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, OAuth: oauthConfig(tokenURL)})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			failure := check(t, result, Credentials, status)
			if _, given, _ := tokens.counts(); given != 2 || result.Requests != 2 {
				t.Errorf("%d tokens, %d requests", given, result.Requests)
			}
			requireNoCanary(t, failure.ServerText())
		})
	}
	t.Run("400 drops the token for the next request", func(t *testing.T) {
		tokens, tokenURL := newTokenServer(t, "3600", 0)
		server := newServer(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400) })
		h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, OAuth: oauthConfig(tokenURL)})
		for range 2 {
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Split, 400)
			if result.Requests != 1 {
				t.Errorf("%d requests", result.Requests)
			}
		}
		if _, given, _ := tokens.counts(); given != 2 {
			t.Errorf("%d tokens", given)
		}
	})
}

// Row 75: what a token server may do.
func TestFault75TokenServers(t *testing.T) {
	token := func(members string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"access_token":"%s"%s}`, canaryToken, members)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "40")
			w.WriteHeader(code)
			io.WriteString(w, canaryToken+canaryMail)
		}
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }
	}
	for _, c := range []struct {
		name     string
		handler  http.HandlerFunc
		want     Class
		status   int
		wait     time.Duration
		requests int // of tokens
	}{
		{"a token", token(`,"expires_in":3600`), Accepted, 200, 0, 1},
		{"no expires_in", token(``), Accepted, 200, 0, 1},
		{"expires_in in quotes", token(`,"expires_in":"3600"`), Accepted, 200, 0, 1},
		{"expires_in 0", token(`,"expires_in":0`), Accepted, 200, 0, 1},
		{"expires_in below 0", token(`,"expires_in":-1`), Accepted, 200, 0, 1},
		{"expires_in 10^18", token(`,"expires_in":1000000000000000000`), Accepted, 200, 0, 1},
		{"expires_in null", token(`,"expires_in":null`), Accepted, 200, 0, 1},
		{"expires_in an object", token(`,"expires_in":{}`), Accepted, 200, 0, 1},
		{"another type of token", token(`,"token_type":"mac"`), Configuration, 200, 0, 1},
		{"a token with CRLF", text(`{"access_token":"` + canaryToken + `\r\nX-Injected: 1"}`), Configuration, 200, 0, 1},
		{"a token with a space", text(`{"access_token":"` + canaryToken + ` "}`), Configuration, 200, 0, 1},
		{"a token beyond ASCII", text(`{"access_token":"` + canaryToken + `é"}`), Configuration, 200, 0, 1},
		{"a token of 20 KB", text(`{"access_token":"` + strings.Repeat("x", 20<<10) + `"}`), Configuration, 200, 0, 1},
		{"no token", text(`{}`), Configuration, 200, 0, 1},
		{"a page", text(`<html>` + canaryMail), Configuration, 200, 0, 1},
		{"cut off", text(`{"access_token":"` + canaryToken), Retry, 200, 0, 1},
		{"nothing", text(``), Retry, 200, 0, 1},
		{"a body without end", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"access_token":"`)
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, Retry, 200, 0, 1},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, Configuration, 307, 0, 1},
		{"400", status(400), Credentials, 400, 0, 1},
		{"401", status(401), Credentials, 401, 0, 1},
		{"403", status(403), Credentials, 403, 0, 1},
		{"404", status(404), Configuration, 404, 0, 1},
		{"429", status(429), Retry, 429, 40 * time.Second, 1},
		{"503 with Retry-After", status(503), Retry, 503, 40 * time.Second, 1},
		{"500", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, Retry, 500, 0, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests, sent atomic.Int64
			tokens := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				c.handler(w, r)
			})
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				success(w)
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, OAuth: oauthConfig(tokens.URL)})
			var result Result
			allocated := allocatedBy(func() { result = h.Deliver(t.Context(), newBatch(1, "m")) })
			failure := check(t, result, c.want, c.status)
			if allocated > 16<<20 {
				t.Errorf("%d MB were allocated", allocated>>20)
			}
			if result.RetryAfter != c.wait || result.Ambiguous {
				t.Errorf("%+v", result)
			}
			if got := requests.Load(); got != int64(c.requests) {
				t.Errorf("%d token requests", got)
			}
			if failure != nil {
				if sent.Load() != 0 || result.Requests != 0 || result.BytesWire != 0 {
					t.Errorf("%d requests were made without a token", sent.Load())
				}
				if failure.ServerText() != "" || !strings.Contains(failure.Reason, "token") {
					t.Errorf("%v, with the text %s", failure, failure.ServerText())
				}
				return
			}
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
			if requests.Load() != 1 {
				t.Errorf("the second batch took %d token requests", requests.Load())
			}
			requireNoCanary(t, h)
		})
	}
}

func TestTokenServerThatIsNotThere(t *testing.T) {
	h := newTestHTTP(t, HTTPConfig{Endpoint: "http://127.0.0.1:1", OAuth: oauthConfig("http://127.0.0.1:1")})
	result := h.Deliver(t.Context(), newBatch(1, "m"))
	failure := check(t, result, Retry, 0)
	if result.Ambiguous || result.Requests != 0 || failure.Err == nil {
		t.Errorf("%+v", result)
	}
	quoting := roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		return nil, errors.New("could not send " + form.Get("client_assertion"))
	})
	h = newTestHTTP(t, HTTPConfig{Region: region.Europe, OAuth: oauthConfig(""), Client: &http.Client{Transport: quoting}})
	failure = check(t, h.Deliver(t.Context(), newBatch(1, "m")), Retry, 0)
	if failure.Host != "oauth2.eu1.segmentapis.com" || strings.Contains(failure.Err.Error(), "eyJ") {
		t.Errorf("%v because of %v", failure, failure.Err)
	}
}

// Row 75: twenty callers at once make one request.
func TestFault75OneRequestForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := &tokenServer{t: t, life: "3600", audience: region.Europe.OAuth()}
		tokens.seen = map[string]bool{}
		h := newTestHTTP(t, HTTPConfig{Region: region.Europe, OAuth: oauthConfig(""), Client: &http.Client{Transport: inMemory(tokens, time.Second)}})
		// The first gives up while the token is on its way: another has to ask again, and the rest wait for that one.
		impatient, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if i == 0 {
					result := h.Deliver(impatient, newBatch(1, "m"))
					check(t, result, Retry, 0)
					if !errors.Is(result.Err, context.DeadlineExceeded) {
						t.Errorf("the first ended with %v", result.Err)
					}
					return
				}
				check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
			})
		}
		wg.Wait()
		if requests, given, _ := tokens.counts(); requests != 1 || given != 1 {
			t.Errorf("%d token requests, %d tokens", requests, given)
		}
	})
}

// They share a failure as well.
func TestFault75OneFailureForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		h := newTestHTTP(t, HTTPConfig{Region: region.Europe, OAuth: oauthConfig(""), Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			time.Sleep(time.Second)
			return answer(403, ""), nil
		})}})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				check(t, h.Deliver(t.Context(), newBatch(1, "m")), Credentials, 403)
			})
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("%d token requests", asked.Load())
		}
	})
}

// A token is refreshed from half of its life on; a refresh that fails costs nothing as long as the token is good.
func TestTokenIsRefreshedAtHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := &tokenServer{t: t, life: "1000", audience: region.Europe.OAuth()}
		var down, asked atomic.Int64
		memory := inMemory(tokens, 0)
		h := newTestHTTP(t, HTTPConfig{Region: region.Europe, OAuth: oauthConfig(""), Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/token" {
				asked.Add(1)
				if down.Load() != 0 {
					return answer(int(down.Load()), ""), nil
				}
			}
			return memory(r)
		})}})
		deliver := func(want Class, status int, asks int64) {
			t.Helper()
			before := asked.Load()
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), want, status)
			if got := asked.Load() - before; got != asks {
				t.Errorf("%d token requests, want %d", got, asks)
			}
		}
		deliver(Accepted, 200, 1)
		time.Sleep(499 * time.Second)
		deliver(Accepted, 200, 0)
		time.Sleep(time.Second)
		down.Store(400)
		deliver(Accepted, 200, 1)
		deliver(Accepted, 200, 0) // not at once again
		time.Sleep(earlyRefreshPause)
		down.Store(0)
		deliver(Accepted, 200, 1)
		deliver(Accepted, 200, 0)
		time.Sleep(1_000 * time.Second)
		down.Store(400)
		deliver(Credentials, 400, 1)
		down.Store(0)
		deliver(Accepted, 200, 1)
	})
}

// Row 34: a token that slept with its host is old by the clock on the wall, though the monotonic clock stood still.
func TestFault34TokenAge(t *testing.T) {
	begin := time.Now()
	wall := begin.Round(0)
	for _, c := range []struct {
		name string
		now  time.Time
		want time.Duration
	}{
		{"both clocks", begin.Add(time.Minute), time.Minute},
		{"the wall clock alone goes on", wall.Add(8 * time.Hour), 8 * time.Hour},
	} {
		if got := (&token{fetched: begin}).age(c.now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Row 76: the token server's clock is not ours.
func TestFault76SkewedClocks(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Second, -3 * time.Second, time.Hour, -time.Hour, 20 * 365 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			tokens, tokenURL := newTokenServer(t, "3600", ahead)
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if got, err := readRequest(r); err != nil || !tokens.accepts(got) {
					w.WriteHeader(401)
				}
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, OAuth: oauthConfig(tokenURL)})
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
			tokens.revoke()
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
			_, given, refused := tokens.counts()
			most := 0
			if ahead.Abs() > minSkew {
				most = 1 // once it is known it is known
			}
			if given != 2 || refused != most {
				t.Errorf("%d tokens, %d assertions refused", given, refused)
			}
		})
	}
}

func TestParsePrivateKey(t *testing.T) {
	key := testKey()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for kind, der := range map[string][]byte{"PRIVATE KEY": pkcs8, "RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(key)} {
		got, err := ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		if err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKCS8PrivateKey(elliptic)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing":     nil,
		"not PEM":     []byte(canaryKey),
		"not a key":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(canaryKey)}),
		"another key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: other}),
	} {
		got, err := ParsePrivateKey(text)
		var config *ConfigError
		if !errors.As(err, &config) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
		requireNoCanary(t, err)
	}
}

func TestOAuthKeysThatAreRefused(t *testing.T) {
	short, err := x509.ParsePKCS1PrivateKey(shortKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*rsa.PrivateKey{
		"none": nil, "empty": {}, "public": {PublicKey: testKey().PublicKey}, "without primes": {PublicKey: testKey().PublicKey, D: big.NewInt(3)}, "short": short,
	} {
		t.Run(name, func(t *testing.T) {
			config := oauthConfig("")
			config.PrivateKey = key
			_, err := NewHTTP(HTTPConfig{Region: region.Europe, OAuth: config})
			var problems *ConfigError
			if !errors.As(err, &problems) || len(problems.Fields) != 1 || problems.Fields[0].Field != "OAuth.PrivateKey" {
				t.Errorf("%v", err)
			}
		})
	}
}

// shortKey returns a key of 1,024 bits.
func shortKey(t *testing.T) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 1_024)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(key)
}

// The private key is as little to be seen as the token.
func TestPrivateKeyNeverPrints(t *testing.T) {
	key := testKey()
	config := HTTPConfig{Region: region.Europe, OAuth: oauthConfig("")}
	h := newTestHTTP(t, config)
	var forms []string
	for _, v := range []any{*config.OAuth, config.OAuth, config, &config, h} {
		// A dumper that follows pointers finds the key where the user's own configuration points to it, and only there.
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, string(text), fmt.Sprintf("%v %+v %#v", v, v, v))
	}
	forms = append(forms, dump(h.oauth.signer)...)
	for _, secret := range []string{key.D.String(), key.D.Text(16), key.Primes[0].String(), key.Primes[1].String()} {
		for _, form := range forms {
			if strings.Contains(form, secret[:40]) {
				t.Fatalf("the key shows in %s", form)
			}
		}
	}
	if strings.Contains(strings.Join(forms, ""), "PrivateKey\":") {
		t.Error("the key is a member of the JSON")
	}
}
