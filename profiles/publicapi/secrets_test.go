package publicapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

// printed returns a value in all the ways in which it could come into a log, with what errors wrap.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	text, err := json.Marshal(v)
	fmt.Fprintln(&b, string(text), err)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("v", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("v", "v", v)
	if err, ok := v.(error); ok {
		if cause := errors.Unwrap(err); cause != nil {
			b.WriteString(printed(t, cause))
		}
	}
	return b.String()
}

func requireHidden(t *testing.T, what string, v any, secrets ...string) {
	t.Helper()
	text := printed(t, v)
	for _, secret := range secrets {
		for _, form := range []string{secret, url.PathEscape(secret), fmt.Sprintf("%x", secret)} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows %s:\n%s", what, form, text)
			}
		}
	}
}

const tokenText = "sgp_a/secret/token"

func TestValuesAreHidden(t *testing.T) {
	token := publicapi.NewToken(tokenText)
	cfg := publicapi.Config{Endpoint: "https://example.com", Token: token}
	client, err := publicapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	space := publicapi.Space{Name: "Production", Key: production}
	hidden := struct {
		t publicapi.Token
		s *publicapi.Space
	}{token, &space}
	for _, v := range []any{token, &token, cfg, &cfg, client, *client, space, hidden, []publicapi.Space{space}, map[publicapi.Token]int{token: 1}} {
		requireHidden(t, fmt.Sprintf("%T", v), v, tokenText, production.Reveal())
	}
}

// What a server repeats of the token, and what a RoundTripper says, does not come into errors.
func TestErrorsAreHidden(t *testing.T) {
	token := publicapi.NewToken(tokenText)
	half := tokenText[:5] + "\u200b" + tokenText[5:]
	bodies := []string{
		`{"errors":[{"type":"` + tokenText + `","message":"token ` + tokenText + ` is bad","field":"` + tokenText + `","data":"` + tokenText + `"}]}`,
		`{"errors":[{"message":"` + strings.Repeat("x", 190) + tokenText + `"}]}`,
		`{"errors":[{"message":"` + half + `"}]}`,
		tokenText,
	}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 422, 429, 500} {
		for _, body := range bodies {
			synctest.Test(t, func(t *testing.T) {
				client, err := publicapi.New(publicapi.Config{Endpoint: "https://example.com", Token: token, HTTPClient: &http.Client{
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						w := httptest.NewRecorder()
						w.Header().Set("X-Request-Id", r.Header.Get("Authorization"))
						w.WriteHeader(status)
						_, _ = w.WriteString(body)
						return w.Result(), nil
					}),
				}})
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.Space(t.Context(), "x")
				requireHidden(t, fmt.Sprint(status, " ", body), err, tokenText)
				failure := apiError(t, err)
				for _, text := range []string{failure.Type, failure.Field, failure.Message, failure.RequestID} {
					if len(text) > publicapi.MaxMessageLen {
						t.Errorf("%d bytes: %q", len(text), text)
					}
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		client, err := publicapi.New(publicapi.Config{Endpoint: "https://example.com", Token: token, HTTPClient: &http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("could not send %v", r.Header)
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Space(t.Context(), "x")
		requireHidden(t, "the RoundTripper's error", err, tokenText)
		if apiError(t, err).Attempts != publicapi.MaxAttempts {
			t.Errorf("got %+v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	server := publicapitest.NewServer(t)
	tests := []struct {
		status int
		is     error
		advice string
	}{
		{401, publicapi.ErrUnauthorized, "region"},
		{403, publicapi.ErrForbidden, "Source Admin"},
		{404, publicapi.ErrNotFound, "check the id"},
		{422, nil, "not valid"},
	}
	client := newClient(t, server)
	all := []error{publicapi.ErrUnauthorized, publicapi.ErrForbidden, publicapi.ErrNotFound, publicapi.ErrTooManyRequests}
	for _, tt := range tests {
		server.Fail(publicapitest.Answer(tt.status, http.Header{"X-Request-Id": {"r-1"}},
			`{"errors":[{"type":7},{"type":"input-validation","message":"no\nway","field":"id","status":1}]}`))
		_, err := client.Space(t.Context(), "x")
		want := publicapi.Error{
			Call: "GET /sources", Host: strings.TrimPrefix(server.URL(), "http://"), Status: tt.status, Attempts: 1,
			Type: "input-validation", Field: "id", Message: "no way", RequestID: "r-1",
		}
		got := *apiError(t, err)
		want.Reason = got.Reason
		if got != want || !strings.Contains(got.Reason, tt.advice) {
			t.Errorf("%d: got %#v", tt.status, got)
		}
		for _, is := range all {
			if errors.Is(err, is) != (is == tt.is) {
				t.Errorf("%d: Is(%v) is %v", tt.status, is, errors.Is(err, is))
			}
		}
		if !strings.Contains(err.Error(), `(the API says "no way" of id)`) {
			t.Errorf("got %v", err)
		}
	}
	wrong := newClient(t, server, func(c *publicapi.Config) { c.Token = publicapi.NewToken("other") })
	if _, err := wrong.Space(t.Context(), "x"); !errors.Is(err, publicapi.ErrUnauthorized) {
		t.Errorf("another token: %v", err)
	}
}

func TestRedirectToNowhere(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.Fail(publicapitest.Redirect("http://[not a url/" + server.Token().Reveal()))
	_, err := newClient(t, server).Space(t.Context(), "x")
	if failure := apiError(t, err); failure.Status != 302 || failure.Attempts != 1 {
		t.Errorf("got %+v", failure)
	}
	requireHidden(t, "the error", err, server.Token().Reveal())
}

// Neither the token nor a write key follows a redirect to another host.
func TestRedirectToAnotherHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed: %s, Authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, follow := range []func(*http.Request, []*http.Request) error{nil, func(*http.Request, []*http.Request) error { return nil }} {
			server := publicapitest.NewServer(t)
			server.Fail(publicapitest.Answer(status, http.Header{"Location": {other.URL}}, ""), publicapitest.Answer(status, http.Header{"Location": {other.URL}}, ""))
			transport := new(http.Transport)
			user := &http.Client{Transport: transport, CheckRedirect: follow}
			client := newClient(t, server, func(c *publicapi.Config) { c.HTTPClient = user })
			if _, err := client.Space(t.Context(), "x"); apiError(t, err).Status != status {
				t.Errorf("%d: %v", status, err)
			}
			cdn := publicapi.CDN{URL: server.CDN().URL, HTTPClient: user}
			if exists, err := cdn.CheckWriteKey(t.Context(), production); exists || apiError(t, err).Status != status {
				t.Errorf("%d: CheckWriteKey: %v, %v", status, exists, err)
			}
			if (user.CheckRedirect == nil) != (follow == nil) {
				t.Error("the user's client was written to")
			}
			transport.CloseIdleConnections()
		}
	}
}

func TestCheckWriteKeyHidesKey(t *testing.T) {
	key := profiles.NewWriteKey("a/key?of#signs%20")
	for _, status := range []int{0, 200, 302, 401, 418, 429, 503} {
		synctest.Test(t, func(t *testing.T) {
			cdn := publicapi.CDN{URL: "https://cdn.example.com/v1", HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if want := "/v1/projects/a%2Fkey%3Fof%23signs%2520/settings"; r.URL.EscapedPath() != want || r.Header.Get("Authorization") != "" {
						t.Errorf("asked for %s with %v", r.URL, r.Header)
					}
					if status == 0 {
						return nil, fmt.Errorf("no way to %s", r.URL)
					}
					w := httptest.NewRecorder()
					w.Header().Set("X-Request-Id", r.URL.String())
					w.Header().Set("Content-Type", "text/html")
					w.WriteHeader(status)
					if status == 200 {
						fmt.Fprintf(w, "<html>%s %s", r.URL, key.Reveal())
					} else {
						fmt.Fprintf(w, `{"errors":[{"message":%q}]}`, "of the key "+key.Reveal()[:8])
					}
					return w.Result(), nil
				}),
			}}
			exists, err := cdn.CheckWriteKey(t.Context(), key)
			if exists || err == nil {
				t.Fatalf("%d: %v, %v", status, exists, err)
			}
			requireHidden(t, fmt.Sprint("the error of ", status), err, key.Reveal())
			if failure := apiError(t, err); failure.Message != "" {
				t.Errorf("%d: what the CDN says is told: %+v", status, failure)
			}
		})
	}
}
