package transporttest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

const identify = `{"type":"identify","userId":"u1"}`

func TestSteps(t *testing.T) {
	tests := []struct {
		name   string
		step   transporttest.Step
		kind   transporttest.FaultKind
		status int    // 0: no answer
		body   string // that the answer begins with
		taken  bool
	}{
		{"TooManyRequests", transporttest.TooManyRequests(90 * time.Second), transporttest.FaultTooManyRequests, 429, `{"success":false`, false},
		{"Status", transporttest.Status(503), transporttest.FaultStatus, 503, `{"success":false`, false},
		{"Status beyond HTTP's own", transporttest.Status(600), transporttest.FaultStatus, 600, `{"success":false`, false},
		{"Status without a body", transporttest.Status(204), transporttest.FaultStatus, 204, "", false},
		{"StatusWithHeader", transporttest.StatusWithHeader(529, http.Header{"Retry-After": {"abc", "1"}}), transporttest.FaultStatus, 529, `{"success":false`, false},
		{"EarlyStatus", transporttest.EarlyStatus(400), transporttest.FaultEarlyStatus, 400, `{"success":false`, false},
		{"AcceptThenStatus", transporttest.AcceptThenStatus(500), transporttest.FaultAcceptThenStatus, 500, `{"success":false`, true},
		{"ResetBeforeRead", transporttest.ResetBeforeRead(), transporttest.FaultResetBeforeRead, 0, "", false},
		{"ResetAfterRead", transporttest.ResetAfterRead(), transporttest.FaultResetAfterRead, 0, "", true},
		{"Drip", transporttest.Drip(time.Nanosecond), transporttest.FaultDrip, 200, `{"success":true}`, true},
		{"HTMLPortal", transporttest.HTMLPortal(), transporttest.FaultHTMLPortal, 200, "<!DOCTYPE html>", false},
		{"Redirect", transporttest.Redirect("http://example.invalid/"), transporttest.FaultRedirect, 302, `{"success":false`, false},
		{"SuccessFalse", transporttest.SuccessFalse(), transporttest.FaultSuccessFalse, 200, `{"success":false}`, false},
		{"Pass", transporttest.Pass(), "", 200, `{"success":true}`, true},
		{"the zero Step", transporttest.Step{}, "", 200, `{"success":true}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := transporttest.NewServer(t)
			s.Fail(tt.step)
			response, body, err := send(t, s, call{body: batchOf(identify)})
			if (tt.status == 0) != (err != nil) {
				t.Fatalf("answered with %v, %v", response, err)
			}
			if err == nil && (response.StatusCode != tt.status || !strings.HasPrefix(body, tt.body)) {
				t.Errorf("status %d, body %q", response.StatusCode, body)
			}
			stats := s.Stats()
			if got := stats.Kept == 1; got != tt.taken {
				t.Errorf("taken: %v, want %v", got, tt.taken)
			}
			if tt.kind != "" && stats.Faults[tt.kind] != 1 {
				t.Errorf("faults counted: %v", stats.Faults)
			}
			if r := s.Requests()[0]; r.Fault != tt.kind || r.Status != tt.status {
				t.Errorf("noted as status %d, fault %q", r.Status, r.Fault)
			}
			post(t, s, 200, identify) // one-shot
			if got := s.Stats(); len(got.Faults) > 1 || got.Faults[tt.kind] > 1 {
				t.Errorf("faults after another request: %v", got.Faults)
			}
		})
	}
}

func TestResetIsAReset(t *testing.T) {
	s := transporttest.NewServer(t)
	for _, step := range []transporttest.Step{transporttest.ResetBeforeRead(), transporttest.ResetAfterRead()} {
		s.Fail(step)
		_, _, err := send(t, s, call{body: batchOf(identify)})
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}

func TestStepHeaders(t *testing.T) {
	tests := []struct {
		name string
		step transporttest.Step
		want http.Header
	}{
		{"seconds", transporttest.TooManyRequests(2 * time.Second), http.Header{"Retry-After": {"2"}, "X-Ratelimit-Reset": {"2"}}},
		{"rounded up", transporttest.TooManyRequests(2*time.Second + 1), http.Header{"Retry-After": {"3"}, "X-Ratelimit-Reset": {"3"}}},
		{"none", transporttest.TooManyRequests(0), http.Header{}},
		{"as given", transporttest.StatusWithHeader(429, http.Header{"Retry-After": {"-1", "x"}}), http.Header{"Retry-After": {"-1", "x"}}},
		{"a location", transporttest.Redirect("http://example.invalid/x"), http.Header{"Location": {"http://example.invalid/x"}}},
		{"no Content-Type", transporttest.StatusWithHeader(200, http.Header{"Content-Type": nil}), http.Header{"Content-Type": nil}},
	}
	for _, tt := range tests {
		s := transporttest.NewServer(t)
		s.Fail(tt.step)
		response, _, err := send(t, s, call{body: batchOf(identify)})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Retry-After", "X-Ratelimit-Reset", "Location"} {
			if got, want := fmt.Sprint(response.Header[name]), fmt.Sprint(tt.want[name]); got != want {
				t.Errorf("%s: %s is %s, want %s", tt.name, name, got, want)
			}
		}
		if _, named := tt.want["Content-Type"]; named == (response.Header.Get("Content-Type") == "application/json") {
			t.Errorf("%s: Content-Type is %q", tt.name, response.Header.Get("Content-Type"))
		}
	}
}

func TestTruncatedBody(t *testing.T) {
	s := transporttest.NewServer(t)
	s.Fail(transporttest.TruncatedBody())
	response, body, err := send(t, s, call{body: batchOf(identify)})
	if !errors.Is(err, io.ErrUnexpectedEOF) || response.StatusCode != 200 || body == "" {
		t.Errorf("got body %q, error %v", body, err)
	}
	if got := s.Stats(); got.Kept != 1 || got.Faults[transporttest.FaultTruncatedBody] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestEndlessBody(t *testing.T) {
	s := transporttest.NewServer(t)
	s.Fail(transporttest.EndlessBody())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v1/batch", strings.NewReader(batchOf(identify)))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(key.Reveal(), "")
	request.Header.Set("Content-Type", "application/json")
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.CopyN(io.Discard, response.Body, 4<<20); err != nil {
		t.Errorf("the body ended after %d bytes: %v", n, err)
	}
	if got := s.Stats(); got.Kept != 1 || got.Faults[transporttest.FaultEndlessBody] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestHanging(t *testing.T) {
	for _, tt := range []struct {
		step transporttest.Step
		kind transporttest.FaultKind
		read bool
	}{{transporttest.Hang(), transporttest.FaultHang, true}, {transporttest.HangBeforeRead(), transporttest.FaultHangBeforeRead, false}} {
		bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
			s.Fail(tt.step)
			start := time.Now()
			_, _, err := send(t, s, call{body: batchOf(identify)})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
				t.Errorf("%s: %v after %v", tt.kind, err, time.Since(start))
			}
			synctest.Wait()
			if got := s.Stats(); got.Messages != 0 || got.Faults[tt.kind] != 1 || (got.BytesBody > 0) != tt.read {
				t.Errorf("%s: got %+v", tt.kind, got)
			}
		})
	}
}

func TestDripTakesItsTime(t *testing.T) {
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		s.Fail(transporttest.Drip(time.Second))
		start := time.Now()
		if _, body, err := send(t, s, call{body: batchOf(identify)}); err != nil || body != `{"success":true}` {
			t.Errorf("body %q, error %v", body, err)
		}
		if d := time.Since(start); d != 16*time.Second {
			t.Errorf("it took %v, want 16s", d)
		}
	})
}

// An early answer comes although the body has not been sent.
func TestEarlyStatusDoesNotReadTheBody(t *testing.T) {
	s := transporttest.NewServer(t)
	s.Fail(transporttest.EarlyStatus(413))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n{")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 413 || s.Requests()[0].BytesWire != 0 {
		t.Errorf("status %d after %d bytes", response.StatusCode, s.Requests()[0].BytesWire)
	}
}

// A step that takes the batch waits where the server would refuse the request in any case.
func TestStepThatTakesWaitsForARequestThatIsTaken(t *testing.T) {
	s := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: 1})
	s.Fail(transporttest.AcceptThenStatus(500))
	post(t, s, 400, `1`)
	post(t, s, 429, identify, identify)
	if got := s.Stats(); len(got.Faults) != 0 {
		t.Errorf("faults: %v", got.Faults)
	}
	post(t, s, 500, identify)
	if got := s.Stats(); got.Kept != 1 || got.Faults[transporttest.FaultAcceptThenStatus] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestScriptsInOrder(t *testing.T) {
	s := transporttest.NewServer(t)
	s.FailAlways(transporttest.Status(502))
	if err := s.SetFaults(transporttest.Faults{ServerError: 1}); err != nil {
		t.Fatal(err)
	}
	s.Fail(transporttest.Status(501), transporttest.Pass())
	s.Fail(transporttest.Status(503))
	for _, status := range []int{501, 200, 503, 502, 502} {
		post(t, s, status, identify)
	}
	s.Fail(transporttest.Status(501))
	s.Heal()
	post(t, s, 200, identify)
	if got := s.Stats(); got.Faults[transporttest.FaultStatus] != 4 || got.Statuses[502] != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestRejectWhere(t *testing.T) {
	s := transporttest.NewServer(t)
	s.RejectWhere(func(m map[string]any) bool { return m["messageId"] == "bad" })
	post(t, s, 400, identify, `{"type":"identify","userId":"u2","messageId":"bad"}`)
	post(t, s, 200, identify)
	if got := s.Stats(); got.Kept != 1 || got.Faults[transporttest.FaultRejected] != 1 {
		t.Errorf("got %+v", got)
	}
	s.Heal()
	post(t, s, 200, `{"type":"identify","userId":"u2","messageId":"bad"}`)
}

func TestFaultMix(t *testing.T) {
	run := func(seed uint64) (statuses []int, stats transporttest.Stats) {
		s := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
		err := s.SetFaults(transporttest.Faults{
			Seed: seed, ServerError: 0.2, TooManyRequests: 0.1, RetryAfter: time.Second, ResetBefore: 0.1, ResetAfter: 0.1, ErrorAfter: 0.1,
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 400 {
			_, _, _ = send(t, s, call{body: batchOf(`{"type":"identify","userId":"u1","messageId":"m` + strconv.Itoa(i) + `"}`)})
		}
		for _, r := range s.Requests() {
			statuses = append(statuses, r.Status)
		}
		return statuses, s.Stats()
	}
	a, stats := run(1)
	b, _ := run(1)
	c, _ := run(2)
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(c) {
		t.Error("the same seed gives another run, or another seed the same")
	}
	for kind, want := range map[transporttest.FaultKind]int{
		transporttest.FaultStatus: 80, transporttest.FaultTooManyRequests: 40, transporttest.FaultResetBeforeRead: 40,
		transporttest.FaultResetAfterRead: 40, transporttest.FaultAcceptThenStatus: 40,
	} {
		if got := stats.Faults[kind]; got < want/2 || got > want*3/2 {
			t.Errorf("%s: %d of 400, want about %d", kind, got, want)
		}
	}
	refused := stats.Faults[transporttest.FaultStatus] + stats.Faults[transporttest.FaultTooManyRequests] + stats.Faults[transporttest.FaultResetBeforeRead]
	if stats.Kept != stats.Requests-refused {
		t.Errorf("%d kept of %d requests with %d that take nothing", stats.Kept, stats.Requests, refused)
	}
}

func TestSetFaultsErrors(t *testing.T) {
	s := transporttest.NewServer(t)
	nan := 0.0
	nan /= nan
	for name, f := range map[string]transporttest.Faults{
		"below 0": {ServerError: -0.1}, "above 1": {ResetAfter: 1.1}, "no number": {ErrorAfter: nan}, "more than 1 in sum": {ResetBefore: 0.6, ResetAfter: 0.6},
	} {
		if s.SetFaults(f) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	post(t, s, 200, identify)
}
