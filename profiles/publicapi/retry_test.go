package publicapi_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

type step = publicapitest.Step

// bubble runs a test against a pipe server with one space, in a bubble of its own.
func bubble(t *testing.T, f func(*testing.T, *publicapitest.Server, *publicapi.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := publicapitest.NewPipeServer(t)
		server.AddSpace("Production", production)
		f(t, server, newClient(t, server))
	})
}

func TestRetries(t *testing.T) {
	date := func(after time.Duration) string { return time.Now().Add(after).UTC().Format(http.TimeFormat) }
	const ms = time.Millisecond
	tests := []struct {
		name     string
		steps    func() []step
		requests int
		status   int           // of the error, 0: none
		min, max time.Duration // what it takes
	}{
		{"nothing goes wrong", func() []step { return nil }, 1, 0, 0, 0},
		{"a 500, then a 503", func() []step { return []step{publicapitest.Status(500), publicapitest.Status(503)} }, 3, 0, 750 * ms, 1_500 * ms},
		{"cut off", func() []step { return []step{publicapitest.Reset(), publicapitest.Truncated()} }, 3, 0, 750 * ms, 1_500 * ms},
		{"four 502", func() []step {
			return []step{publicapitest.Status(502), publicapitest.Status(502), publicapitest.Status(502), publicapitest.Status(502)}
		}, 4, 502, 1_750 * ms, 3_500 * ms},
		{"no answer", func() []step { return []step{publicapitest.Hang()} }, 2, 0, 30_250 * ms, 30_500 * ms},
		{"401", func() []step { return []step{publicapitest.Status(401)} }, 1, 401, 0, 0},
		{"422", func() []step { return []step{publicapitest.Status(422)} }, 1, 422, 0, 0},
		{"501", func() []step { return []step{publicapitest.Status(501)} }, 1, 501, 0, 0},
		{"505", func() []step { return []step{publicapitest.Status(505)} }, 1, 505, 0, 0},
		{"511", func() []step { return []step{publicapitest.Status(511)} }, 1, 511, 0, 0},
		{"302", func() []step { return []step{publicapitest.Redirect("/sources")} }, 1, 302, 0, 0},
		{"204", func() []step { return []step{publicapitest.Answer(204, nil, "")} }, 1, 204, 0, 0},
		{"429 with the API's own account", func() []step { return []step{publicapitest.TooManyRequests(7_500 * ms)} }, 2, 0, 7_500 * ms, 7_600 * ms},
		{"429 with X-RateLimit-Reset alone", func() []step {
			return []step{publicapitest.Answer(429, http.Header{"X-Ratelimit-Reset": {time.Now().Add(9 * time.Second).Format(time.RFC1123Z)}}, "")}
		}, 2, 0, 9_000 * ms, 9_100 * ms},
		{"429 with Retry-After", func() []step { return []step{publicapitest.RetryAfter(429, 20*time.Second)} }, 2, 0, 20_000 * ms, 20_100 * ms},
		{"503 with Retry-After", func() []step { return []step{publicapitest.RetryAfter(503, 3*time.Second)} }, 2, 0, 3_000 * ms, 3_100 * ms},
		{"a date", func() []step {
			return []step{publicapitest.Answer(429, http.Header{"Retry-After": {date(12 * time.Second)}}, "")}
		}, 2, 0, 12_000 * ms, 12_100 * ms},
		{"Retry-After of an hour", func() []step { return []step{publicapitest.RetryAfter(429, time.Hour)} }, 2, 0, 60_000 * ms, 60_100 * ms},
		{"Retry-After beyond all numbers", func() []step {
			return []step{publicapitest.Answer(429, http.Header{"Retry-After": {"99999999999999999999999"}}, "")}
		}, 2, 0, 60_000 * ms, 60_100 * ms},
		{"Retry-After of 0", func() []step { return []step{publicapitest.Answer(429, http.Header{"Retry-After": {"0"}}, "")} }, 2, 0, 1_000 * ms, 1_100 * ms},
		{"Retry-After that says nothing", func() []step {
			return []step{publicapitest.Answer(429, http.Header{"Retry-After": {"-1"}}, `{"errors":[{"data":{"msBeforeNext":-5}}]}`)}
		}, 2, 0, 250 * ms, 500 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, server *publicapitest.Server, client *publicapi.Client) {
				server.Fail(tt.steps()...)
				start := time.Now()
				all, err := spaces(t, client)
				took := time.Since(start)
				if n := len(server.Requests()); n != tt.requests {
					t.Errorf("%d requests, want %d", n, tt.requests)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("it took %v, want %v to %v", took, tt.min, tt.max)
				}
				if tt.status == 0 {
					if err != nil || len(all) != 1 {
						t.Errorf("got %v, %v", all, err)
					}
					return
				}
				if failure := apiError(t, err); failure.Status != tt.status || failure.Attempts != tt.requests {
					t.Errorf("got %+v", failure)
				}
			})
		})
	}
}

func TestDeadlineBeforeRetry(t *testing.T) {
	bubble(t, func(t *testing.T, server *publicapitest.Server, client *publicapi.Client) {
		server.Fail(publicapitest.RetryAfter(429, 20*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Space(ctx, "Production")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, publicapi.ErrTooManyRequests) || apiError(t, err).Message != "scripted" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it waited %v for what could not come", took)
		}
	})
}

func TestCancelInWait(t *testing.T) {
	bubble(t, func(t *testing.T, server *publicapitest.Server, client *publicapi.Client) {
		server.Fail(publicapitest.RetryAfter(503, 20*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		start := time.Now()
		_, err := client.Space(ctx, "Production")
		if !errors.Is(err, context.Canceled) || apiError(t, err).Status != 503 {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestCanceledBefore(t *testing.T) {
	server := publicapitest.NewServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, server).Space(ctx, "Production"); !errors.Is(err, context.Canceled) || len(server.Requests()) != 0 {
		t.Errorf("got %v", err)
	}
	if _, err := server.CDN().CheckWriteKey(ctx, production); !errors.Is(err, context.Canceled) {
		t.Errorf("CheckWriteKey: %v", err)
	}
}

func TestEndlessAnswer(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.Fail(publicapitest.Endless())
	_, err := spaces(t, newClient(t, server))
	if failure := apiError(t, err); failure.Status != 200 || failure.Attempts != 1 || failure.Reason != "the answer is larger than 32000000 bytes" {
		t.Errorf("got %+v", failure)
	}
}

func TestRefusedConnection(t *testing.T) {
	server := publicapitest.NewServer(t)
	cfg := server.Config()
	cfg.HTTPClient = nil
	server.Close()
	client, err := publicapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // less than the first wait
	defer cancel()
	_, err = client.Space(ctx, "Production")
	if failure := apiError(t, err); failure.Status != 0 || failure.Host == "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v", failure)
	}
}

// What is the same a moment later is not tried again.
func TestTrust(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for endpoint, reason := range map[string]string{
		secure.URL: "certificate is not trusted",
		"https://" + plain.Listener.Addr().String(): "in plain HTTP",
	} {
		client, err := publicapi.New(publicapi.Config{Endpoint: endpoint, Token: publicapi.NewToken("t")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = spaces(t, client)
		if failure := apiError(t, err); failure.Attempts != 1 || failure.Err == nil || !strings.Contains(failure.Reason, reason) {
			t.Errorf("got %+v", failure)
		}
		client.CloseIdleConnections()
	}
}
