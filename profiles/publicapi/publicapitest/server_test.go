package publicapitest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// get makes a request and returns its answer.
func get(t testing.TB, s *publicapitest.Server, method, path, token string) (int, string, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return response.StatusCode, err.Error(), response.Header
	}
	return response.StatusCode, string(body), response.Header
}

func TestServer(t *testing.T) {
	s := publicapitest.NewServer(t)
	key := profiles.NewWriteKey("key-1")
	s.AddSpace("Production", key)
	s.AddSource(publicapitest.Source{Name: "Site", Kind: "javascript"})
	s.AddSource(publicapitest.Source{Name: "Off", Disabled: true, WriteKeys: []profiles.WriteKey{profiles.NewWriteKey("key-2")}})
	s.AddDestination(publicapitest.Destination{ID: "d1", Subscriptions: []json.RawMessage{json.RawMessage(`{"id":"s1"}`)}})
	s.AddDestination(publicapitest.Destination{ID: "bad", Subscriptions: []json.RawMessage{json.RawMessage(`{`)}})
	token := s.Token().Reveal()
	const page = "/sources?pagination.count=2"
	tests := []struct {
		method, path, token string
		status              int
		parts               []string
	}{
		{"GET", page, token, 200, []string{`"name":"Production"`, `"writeKeys":["key-1"]`, `"slug":"personas-compute"`, `"next":"Mg=="`, `"totalEntries":3`}},
		{"GET", page + "&pagination.cursor=Mg%3D%3D", token, 200, []string{`"name":"Off"`, `"enabled":false`, `"previous":"MA=="`}},
		{"GET", page + "&pagination.cursor=OTk%3D", token, 200, []string{`"sources":[]`}},
		{"GET", page, "", 401, []string{`"errors"`}},
		{"GET", page, "other", 401, nil},
		{"POST", page, token, 405, nil},
		{"GET", "/sources", token, 422, []string{`"field":"pagination.count"`}},
		{"GET", "/sources?pagination.count=0", token, 422, nil},
		{"GET", "/sources?pagination.count=1001", token, 422, nil},
		{"GET", page + "&pagination.cursor=x", token, 422, []string{`"field":"pagination.cursor"`}},
		{"GET", page + "&pagination.cursor=LTE%3D", token, 422, nil},
		{"GET", "/destinations/d1", token, 200, []string{`"name":"d1"`, `"actions-segment-profiles"`}},
		{"GET", "/destinations/d1/subscriptions?pagination.count=1", token, 200, []string{`"subscriptions":[{"id":"s1"}]`}},
		{"GET", "/destinations/bad/subscriptions?pagination.count=1", token, 500, nil},
		{"GET", "/destinations/d2", token, 404, nil},
		{"GET", "/nothing", token, 404, nil},
		{"GET", "/v1/projects/key-1/settings", "", 200, nil},
		{"GET", "/v1/projects/key-2/settings", "", 404, nil},
		{"GET", "/v1/projects/key-3/settings", "", 404, nil},
	}
	for _, tt := range tests {
		status, body, _ := get(t, s, tt.method, tt.path, tt.token)
		if status != tt.status {
			t.Errorf("%s %s: status %d: %s", tt.method, tt.path, status, body)
		}
		for _, part := range tt.parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %s is not in %s", tt.path, part, body)
			}
		}
	}
	requests := s.Requests()
	if len(requests) != len(tests) {
		t.Fatalf("%d requests, want %d", len(requests), len(tests))
	}
	if r := requests[0]; !r.Authorized || r.Path != "/sources" || r.Query.Get("pagination.count") != "2" || r.Status != 200 {
		t.Errorf("the first request is %+v", r)
	}
	if r := requests[16]; r.Authorized || r.Path != "/v1/projects/{writeKey}/settings" || r.WriteKey != key {
		t.Errorf("the request of the CDN is %+v", r)
	}
	s.HideWriteKeys()
	if _, body, _ := get(t, s, "GET", page, token); !strings.Contains(body, `"writeKeys":[]`) {
		t.Errorf("write keys are shown: %s", body)
	}
}

func TestSteps(t *testing.T) {
	s := publicapitest.NewServer(t)
	s.Fail(publicapitest.Status(503), publicapitest.Pass(), publicapitest.TooManyRequests(1500*time.Millisecond),
		publicapitest.RetryAfter(429, 1500*time.Millisecond), publicapitest.Redirect("http://127.0.0.1:1/x"), publicapitest.HTMLPortal(),
		publicapitest.Truncated(), publicapitest.Reset())
	s.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, want := range []int{503, 404, 429, 429, 302, 200, 200, 0, 404} {
		s.Client().CloseIdleConnections()
		status, body, header := get(t, s, "GET", "/nothing", s.Token().Reveal())
		if status != want {
			t.Errorf("request %d: status %d: %s", i, status, body)
		}
		switch i {
		case 2:
			if !strings.Contains(body, `"msBeforeNext":1500`) || header.Get("X-RateLimit-Reset") == "" || header.Get("Retry-After") != "" {
				t.Errorf("429 with %v: %s", header, body)
			}
		case 3:
			if header.Get("Retry-After") != "2" {
				t.Errorf("429 with %v", header)
			}
		case 4:
			if header.Get("Location") == "" {
				t.Errorf("302 with %v", header)
			}
		case 5:
			if header.Get("Content-Type") != "text/html" {
				t.Errorf("a page with %v", header)
			}
		}
	}
}

// Close lets go of what hangs, and of bodies that do not end.
func TestClose(t *testing.T) {
	s, err := publicapitest.StartServer()
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(publicapitest.Hang(), publicapitest.Endless())
	done := make(chan int, 2)
	for range 2 {
		go func() {
			status, _, _ := get(t, s, "GET", "/nothing", "")
			done <- status
		}()
	}
	for len(s.Requests()) < 2 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	s.Close()
	<-done
	<-done
	if status, _, _ := get(t, s, "GET", "/nothing", ""); status != 0 {
		t.Errorf("closed, it answers %d", status)
	}
}

func TestPipeServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := publicapitest.NewPipeServer(t)
		start := time.Now()
		s.Fail(publicapitest.Hang())
		if status, _, _ := get(t, s, "GET", "/nothing", ""); status != 0 || time.Since(start) != 30*time.Second {
			t.Errorf("status %d after %v", status, time.Since(start))
		}
		if status, _, _ := get(t, s, "GET", "/nothing", ""); status != 401 {
			t.Errorf("status %d", status)
		}
		s.Close()
		if status, _, _ := get(t, s, "GET", "/nothing", ""); status != 0 {
			t.Errorf("closed, it answers %d", status)
		}
	})
}
