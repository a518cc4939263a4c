package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The bounds of the client that is used where none is given. What they do is in the tests of faults; here is that they are set.
func TestTransportIsBounded(t *testing.T) {
	own := newTransport()
	if c := own.TLSClientConfig; c.MinVersion < tls.VersionTLS12 || c.InsecureSkipVerify || c.VerifyConnection != nil || c.VerifyPeerCertificate != nil {
		t.Errorf("TLS from version %#x on, without looking at certificates: %v", c.MinVersion, c.InsecureSkipVerify)
	}
	if own.MaxResponseHeaderBytes != 64<<10 || !own.DisableCompression || own.TLSHandshakeTimeout == 0 || own.IdleConnTimeout == 0 {
		t.Errorf("at most %d bytes of header, compression disabled: %v, a handshake may take %v, a connection be idle for %v",
			own.MaxResponseHeaderBytes, own.DisableCompression, own.TLSHandshakeTimeout, own.IdleConnTimeout)
	}
	h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com"})
	if wrapped, ok := h.client.HTTPClient.Transport.(roundTripper); !ok {
		t.Errorf("the transport is a %T", h.client.HTTPClient.Transport)
	} else if _, ok := wrapped.next.(*http.Transport); !ok || h.timeout != DefaultAttemptTimeout {
		t.Errorf("the transport is a %T, and an attempt may take %v", wrapped.next, h.timeout)
	}
	if err := h.client.HTTPClient.CheckRedirect(nil, nil); err != http.ErrUseLastResponse {
		t.Errorf("redirects: %v", err)
	}
}

// An endless is a body without end that counts what is read of it.
type endless struct {
	read   atomic.Int64
	closed atomic.Bool
}

func (b *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read.Add(int64(len(p)))
	return len(p), nil
}

func (b *endless) Close() error {
	b.closed.Store(true)
	return nil
}

// Of an answer that does not end a bounded part is read, whatever its status, and then it is closed.
func TestAnswerIsReadUpToABound(t *testing.T) {
	for _, c := range []struct {
		status int
		want   Class
	}{{200, Accepted}, {400, Split}, {401, Credentials}, {503, Retry}, {302, Configuration}} {
		body := new(endless)
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			resp := answer(c.status, "")
			resp.Body = body
			return resp, nil
		})}})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), c.want, c.status)
		if n := body.read.Load(); n < 1 || n > MaxResponseBytes+maxDrain || !body.closed.Load() {
			t.Errorf("of the answer with %d, %d bytes were read; closed: %v", c.status, n, body.closed.Load())
		}
	}
}

// A proxy's address has a password in it, and net/http's own errors have the address: neither shows, whatever is wrong with the proxy.
func TestPasswordOfAProxyIsNotShown(t *testing.T) {
	user := url.UserPassword(canaryMail, canaryKey)
	for name, proxy := range map[string]*url.URL{
		"is not there":           {Scheme: "http", Host: "127.0.0.1:1", User: user},
		"is not there, with TLS": {Scheme: "https", Host: "127.0.0.1:1", User: user},
		"speaks SOCKS":           {Scheme: "socks5", Host: "127.0.0.1:1", User: user},
		"is of no known kind":    {Scheme: "gopher", Host: "127.0.0.1:1", User: user},
	} {
		for _, own := range []*http.Transport{newTransport(), {}} {
			own.Proxy = http.ProxyURL(proxy)
			h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: own}, AttemptTimeout: 5 * time.Second})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			if result.Err == nil || result.Class == Accepted {
				t.Fatalf("a proxy that %s: %+v", name, result)
			}
			for err := result.Err; err != nil; err = errors.Unwrap(err) {
				requireNoCanary(t, err, err.Error())
			}
		}
	}
}

// An error of the user's RoundTripper that quotes what was to be sent, wrapped in a url.Error with the URL as some clients do it.
func TestErrorsWithURLsAreNotShown(t *testing.T) {
	for _, say := range []func(r *http.Request) string{
		func(r *http.Request) string { return r.Header.Get("Authorization") },
		func(r *http.Request) string { return "https://" + canaryKey + "@" + r.URL.Host },
		func(r *http.Request) string { return fmt.Sprint(r.Header) },
	} {
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "https://" + canaryKey + ":x@segment.example.com/?k=" + canaryKey, Err: errors.New("refused: " + say(r))}
		})}})
		result := h.Deliver(t.Context(), newBatch(1, "m"))
		check(t, result, Retry, 0)
		for err := result.Err; err != nil; err = errors.Unwrap(err) {
			requireNoCanary(t, err, err.Error())
		}
	}
}

// The token server's clock is an hour off, and it asks to be left alone for 40 seconds: those are 40 seconds of anybody's clock.
func TestSkewDoesNotChangeARelativeWait(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		tokens := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
			w.Header().Set("Retry-After", "40")
			w.WriteHeader(429)
		})
		h := newTestHTTP(t, HTTPConfig{Endpoint: "http://127.0.0.1:1", OAuth: oauthConfig(tokens.URL)})
		for range 2 { // the skew is known the second time
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Retry, 429)
			if result.RetryAfter != 40*time.Second {
				t.Errorf("with a skew of %v the wait is %v", skew, result.RetryAfter)
			}
		}
	}
}

// The private key shows in no form that the standard library prints a configuration in.
func TestPrivateKeyShowsInNoForm(t *testing.T) {
	key, config := testKey(), HTTPConfig{Endpoint: "https://segment.example.com", OAuth: oauthConfig("https://segment.example.com")}
	for name, v := range map[string]any{"OAuthConfig": *config.OAuth, "a pointer to it": config.OAuth, "HTTPConfig": config} {
		for _, text := range printed(v) {
			for _, secret := range []string{key.D.String(), key.D.Text(16), key.Primes[0].String(), key.Primes[1].Text(16)} {
				if strings.Contains(strings.ToLower(text), secret[:40]) {
					t.Fatalf("%s shows the key: %.200s", name, text)
				}
			}
		}
	}
}
