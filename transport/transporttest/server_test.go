package transporttest_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestRequestRules(t *testing.T) {
	const good = `{"batch":[{"type":"identify","userId":"u1"}]}`
	// padded is a good message of a size.
	padded := func(bytes int) string {
		const around = `{"type":"identify","userId":"u1","traits":{"t":""}}`
		return strings.Replace(around, `""`, `"`+strings.Repeat("x", bytes-len(around))+`"`, 1)
	}
	// sized is a good body of a size.
	sized := func(bytes int) string {
		body := `{"batch":[` + strings.TrimSuffix(strings.Repeat(padded(30_000)+",", 16), ",") + `]}`
		return body + strings.Repeat(" ", bytes-len(body))
	}
	tests := []struct {
		name   string
		call   call
		status int
	}{
		{"a good batch", call{body: good}, 200},
		{"a charset beside the media type", call{body: good, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}, 200},
		{"an empty batch", call{body: `{"batch":[]}`}, 200},
		{"a single identify", call{path: "/v1/identify", body: `{"userId":"u1"}`}, 200},
		{"a single group", call{path: "/v1/group", body: `{"userId":"u1","groupId":"g1"}`}, 200},
		{"a single track", call{path: "/v1/track", body: `{"userId":"u1","event":"e"}`}, 200},
		{"a single call that is no object", call{path: "/v1/track", body: `[]`}, 400},
		{"another method", call{method: http.MethodGet}, 400},
		{"another Content-Type", call{body: good, header: http.Header{"Content-Type": {"text/plain"}}}, 400},
		{"no Content-Type", call{body: good, header: http.Header{"Content-Type": nil}}, 400},
		{"malformed JSON", call{body: `{"batch":[`}, 400},
		{"a malformed message", call{body: batchOf(`{"a":}`)}, 400},
		{"a message that is no object", call{body: batchOf(`1`)}, 400},
		{"no batch", call{body: `{}`}, 400},
		{"a batch that is no array", call{body: `{"batch":{}}`}, 400},
		{"a message of the greatest size", call{body: batchOf(padded(transport.MaxMessageBytes))}, 200},
		{"a message over the size", call{body: batchOf(padded(transport.MaxMessageBytes + 1))}, 400},
		{"a body of the greatest size", call{body: sized(transport.MaxBatchBytes)}, 200},
		{"a body over the size", call{body: sized(transport.MaxBatchBytes + 1)}, 400},
		{"a body far over the size", call{body: sized(4 << 20)}, 400},
		{"gzip", call{body: zipped(t, good), header: http.Header{"Content-Encoding": {"gzip"}}}, 200},
		{"gzip of the greatest size", call{body: zipped(t, sized(transport.MaxBatchBytes)), header: http.Header{"Content-Encoding": {"gzip"}}}, 200},
		{"gzip over the size", call{body: zipped(t, sized(transport.MaxBatchBytes+1)), header: http.Header{"Content-Encoding": {"gzip"}}}, 400},
		{"a gzip bomb", call{body: zipped(t, sized(16<<20)), header: http.Header{"Content-Encoding": {"gzip"}}}, 400},
		{"gzip that is none", call{body: good, header: http.Header{"Content-Encoding": {"gzip"}}}, 400},
		{"gzip that breaks off", call{body: zipped(t, good)[:30], header: http.Header{"Content-Encoding": {"gzip"}}}, 400},
		{"a write key in the body", call{noKey: true, body: `{"writeKey":"write-key-1","batch":[]}`}, 200},
		{"a write key in a single call", call{noKey: true, path: "/v1/identify", body: `{"writeKey":"write-key-1","userId":"u1"}`}, 200},
		{"no write key", call{noKey: true, body: good}, 401},
		{"an unknown write key", call{noKey: true, body: `{"writeKey":"write-key-2","batch":[]}`}, 401},
		{"a token that was not given out", call{noKey: true, header: http.Header{"Authorization": {"Bearer t"}}, body: `{"writeKey":"write-key-1","batch":[]}`}, 401},
		{"the settings of a key", call{method: http.MethodGet, path: "/v1/projects/write-key-1/settings"}, 200},
		{"the settings of an unknown key", call{method: http.MethodGet, path: "/v1/projects/write-key-2/settings"}, 404},
		{"another path", call{path: "/v1/import", body: good}, 404},
		{"a path without version", call{path: "/batch", body: good}, 404},
	}
	s := transporttest.NewServerWith(t, transporttest.ServerConfig{WriteKeys: []transport.WriteKey{key}, EventsPerSecond: -1, RequestsPerSecond: -1})
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response, body, err := send(t, s, tt.call)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("status %d (%s), want %d", response.StatusCode, body, tt.status)
			}
			if ok := strings.HasPrefix(body, `{"success":true`); !strings.HasSuffix(tt.call.path, "/settings") && ok != (tt.status == 200) {
				t.Errorf("body %s with status %d", body, tt.status)
			}
			requests := s.Requests()
			if len(requests) != i+1 {
				t.Fatalf("%d requests, want %d", len(requests), i+1)
			}
			r := requests[i]
			if r.Number != i+1 || r.Status != tt.status || r.Fault != "" {
				t.Errorf("request noted as number %d, status %d, fault %q", r.Number, r.Status, r.Fault)
			}
			if strings.Contains(fmt.Sprintf("%+v", r), "write-key-1") {
				t.Errorf("the request's record shows the write key")
			}
		})
	}
}

func TestDroppedBehindA200(t *testing.T) {
	long := strings.Repeat("é", 500)
	tests := []struct {
		name, message string
		reason        transporttest.DropReason
	}{
		{"a good identify", `{"type":"identify","userId":"u1"}`, ""},
		{"an anonymous identify", `{"type":"identify","anonymousId":"a1"}`, ""},
		{"a page and a screen", `{"type":"page","anonymousId":"a1"}`, ""},
		{"no type", `{"userId":"u1"}`, transporttest.DropUnknownType},
		{"an unknown type", `{"type":"Identify","userId":"u1"}`, transporttest.DropUnknownType},
		{"no id", `{"type":"identify","traits":{"email":"a@b.co"}}`, transporttest.DropNoIdentity},
		{"empty ids", `{"type":"track","event":"e","userId":"","anonymousId":""}`, transporttest.DropNoIdentity},
		{"a null id", `{"type":"track","event":"e","userId":null}`, transporttest.DropNoIdentity},
		{"a number for an id", `{"type":"track","event":"e","userId":12345678901234567890}`, ""},
		{
			"subscriptions with an external id alone",
			`{"type":"identify","context":{"messaging_subscriptions":[],"externalIds":[{"id":"a@b.co","type":"email"}]}}`, "",
		},
		{"subscriptions without external ids", `{"type":"identify","userId":"u1","context":{"messaging_subscriptions":[]}}`, transporttest.DropNoExternalID},
		{
			"subscriptions with an empty external id",
			`{"type":"identify","userId":"u1","context":{"messaging_subscriptions":[],"externalIds":[{"id":"","type":"email"}]}}`,
			transporttest.DropNoExternalID,
		},
		{"an external id without subscriptions", `{"type":"identify","context":{"externalIds":[{"id":"a@b.co","type":"email"}]}}`, transporttest.DropNoIdentity},
		{"track without event", `{"type":"track","userId":"u1"}`, transporttest.DropNoEventName},
		{"track with an empty event", `{"type":"track","userId":"u1","event":""}`, transporttest.DropNoEventName},
		{"a messageId of 99 characters", `{"type":"identify","userId":"u1","messageId":"` + long[:198] + `"}`, ""},
		{"a messageId of 100 characters", `{"type":"identify","userId":"u1","messageId":"` + long[:200] + `"}`, transporttest.DropLongMessageID},
		{"group without groupId", `{"type":"group","userId":"u1"}`, transporttest.DropNoGroupID},
		{"a groupId of 500 characters", `{"type":"group","userId":"u1","groupId":"` + long + `"}`, ""},
		{"a groupId of 501 characters", `{"type":"group","userId":"u1","groupId":"` + long + `x"}`, transporttest.DropLongGroupID},
		{"a groupId of 501 characters in a track's context", `{"type":"track","event":"e","userId":"u1","context":{"groupId":"` + long + `x"}}`, transporttest.DropLongGroupID},
		{"299 traits", `{"type":"identify","userId":"u1","traits":` + members(t, 299) + `}`, ""},
		{"300 traits", `{"type":"identify","userId":"u1","traits":` + members(t, 300) + `}`, transporttest.DropTooManyTraits},
		{"300 properties", `{"type":"track","event":"e","userId":"u1","properties":` + members(t, 300) + `}`, transporttest.DropTooManyTraits},
		{"the first second", `{"type":"identify","userId":"u1","timestamp":"1970-01-01T00:00:00Z"}`, ""},
		{"a timestamp before 1970", `{"type":"identify","userId":"u1","timestamp":"1969-12-31T23:59:59.999Z"}`, transporttest.DropBeforeEpoch},
	}
	s := transporttest.NewServer(t)
	dropped := 0
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			post(t, s, 200, tt.message)
			events := s.Events()
			if len(events) != i+1 {
				t.Fatalf("%d events, want %d", len(events), i+1)
			}
			e := events[i]
			status := transporttest.EventKept
			if tt.reason != "" {
				status = transporttest.EventDropped
				dropped++
			}
			if e.Status != status || e.Reason != tt.reason {
				t.Errorf("%s for %q, want %s for %q", e.Status, e.Reason, status, tt.reason)
			}
			stats := s.Stats()
			if stats.Messages != i+1 || stats.Dropped != dropped || stats.Kept != i+1-dropped {
				t.Errorf("counted %d messages, %d dropped, %d kept", stats.Messages, stats.Dropped, stats.Kept)
			}
			if tt.reason != "" && stats.Reasons[tt.reason] == 0 {
				t.Errorf("the reason is not counted")
			}
		})
	}
	if got := len(s.Dropped()); got != dropped {
		t.Errorf("Dropped has %d events, want %d", got, dropped)
	}
}

func TestMoreThan2500EventsAreDropped(t *testing.T) {
	for _, discard := range []bool{false, true} {
		s := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: 10_000, Discard: discard})
		messages := make([]string, transport.MaxBatchMessages+1)
		for i := range messages {
			messages[i] = fmt.Sprintf(`{"type":"identify","userId":"u%d"}`, i)
		}
		post(t, s, 200, messages...)
		if got := s.Stats(); got.Dropped != 2501 || got.Kept != 0 || got.Reasons[transporttest.DropTooManyEvents] != 2501 {
			t.Errorf("2,501 events: %d dropped, %d kept", got.Dropped, got.Kept)
		}
		post(t, s, 200, messages[1:]...)
		if got := s.Stats(); got.Dropped != 2501 || got.Kept != 2500 {
			t.Errorf("2,500 events: %d dropped, %d kept", got.Dropped, got.Kept)
		}
	}
}

func TestEventHoldsTheMessageWithWhatStandsBesideTheBatch(t *testing.T) {
	s := transporttest.NewServer(t)
	const message = `{"type":"track","messageId":"m1","userId":"u1","anonymousId":"a1","groupId":"g1","event":"e",` +
		`"integrations":{"All":false},"context":{"ip":"1.2.3.4"},"properties":{"n":12345678901234567890}}`
	body := `{"context":{"ip":"0.0.0.0","library":{"name":"l"}},"integrations":{"All":true,"X":true},"batch":[` + message + `,{"type":"identify","userId":"u2"}]}`
	if _, _, err := send(t, s, call{body: body, header: http.Header{"X-Retry-Count": {"3"}}}); err != nil {
		t.Fatal(err)
	}
	events := s.Space(key).Events()
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	e := events[0]
	if string(e.Raw) != message {
		t.Errorf("Raw = %s", e.Raw)
	}
	if e.Type != "track" || e.MessageID != "m1" || e.UserID != "u1" || e.AnonymousID != "a1" || e.GroupID != "g1" || e.Name != "e" ||
		e.WriteKey != key || e.Request != 1 || e.Retry != 3 {
		t.Errorf("got %+v", e)
	}
	want := map[string]any{"ip": "1.2.3.4", "library": map[string]any{"name": "l"}}
	if diff := cmp.Diff(want, e.Message["context"]); diff != "" {
		t.Errorf("context (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"All": false, "X": true}, e.Message["integrations"]); diff != "" {
		t.Errorf("integrations (-want +got):\n%s", diff)
	}
	if n := fmt.Sprint(e.Message["properties"]); n != "map[n:12345678901234567890]" {
		t.Errorf("properties = %s, want all digits", n)
	}
	if diff := cmp.Diff(map[string]any{"ip": "0.0.0.0", "library": map[string]any{"name": "l"}}, events[1].Message["context"]); diff != "" {
		t.Errorf("context of a message without one (-want +got):\n%s", diff)
	}
	if r := s.Requests()[0]; string(r.Body()) != body || r.Retry != 3 || r.Messages != 2 || r.Auth != "Basic" || r.WriteKey != key {
		t.Errorf("request noted as %+v", r)
	}
}

func TestWhatIsReturnedIsACopy(t *testing.T) {
	s := transporttest.NewServer(t)
	post(t, s, 200, `{"type":"identify","userId":"u1","traits":{"a":{"b":[1]}},"context":{"consent":{"c":{"d":true}}}}`,
		`{"type":"group","userId":"u1","groupId":"g1","traits":{"a":{"b":[1]}}}`, `{"type":"track","userId":"u1","event":"e"}`)
	type snapshot struct {
		Profile  transporttest.Profile
		Profiles []transporttest.Profile
		Group    transporttest.Group
		Events   []transporttest.Event
		Stats    transporttest.Stats
		Body     string
		Header   http.Header
	}
	take := func() snapshot {
		r := s.Requests()[0]
		return snapshot{s.Profile("u1"), s.Space(key).Profiles(), s.Group("g1"), s.Events(), s.Stats(), string(r.Body()), r.Header}
	}
	before, mine := take(), take()
	for _, p := range append(mine.Profiles, mine.Profile) {
		p.Traits["a"].(map[string]any)["b"].([]any)[0] = "x"
		p.Consent["c"] = nil
		p.Groups[0] = "x"
		p.Events[0].Message["event"] = "x"
		p.Events[0].Raw[0] = 'x'
	}
	mine.Group.Traits["a"] = nil
	mine.Group.Members[0] = "x"
	mine.Events[0].Message["type"] = "x"
	mine.Stats.Statuses[200] = 7
	mine.Header["X"] = nil
	s.Requests()[0].Body()[0] = 'x'
	if diff := cmp.Diff(before, take(), cmp.Comparer(func(a, b transport.WriteKey) bool { return a == b })); diff != "" {
		t.Errorf("changed from outside (-before +after):\n%s", diff)
	}
}

func TestResetForgets(t *testing.T) {
	s := transporttest.NewServer(t)
	const message = `{"type":"identify","userId":"u1","messageId":"m1"}`
	post(t, s, 200, message)
	s.Fail(transporttest.Status(500))
	s.RejectWhere(func(map[string]any) bool { return true })
	s.Reset()
	if s.Stats().Requests != 0 || len(s.Events()) != 0 || len(s.Requests()) != 0 || s.Profile("u1").ID != "" || len(s.Spaces()) != 0 {
		t.Errorf("something was kept: %+v", s.Stats())
	}
	post(t, s, 200, message)
	if got := s.Stats(); got.Kept != 1 || got.Requests != 1 {
		t.Errorf("after Reset: %+v", got)
	}
}

func TestDiscardCountsAndKeepsNothing(t *testing.T) {
	s := transporttest.NewServerWith(t, transporttest.ServerConfig{Discard: true, EventsPerSecond: 4})
	body := batchOf(`{"type":"identify","messageId":"m"}`, `{"type":"identify","messageId":"m"}`)
	for range 2 {
		response, _, err := send(t, s, call{body: zipped(t, body), header: http.Header{"Content-Encoding": {"gzip"}}})
		if err != nil || response.StatusCode != 200 {
			t.Fatal(response, err)
		}
	}
	s.Fail(transporttest.Status(503))
	post(t, s, 503, `{}`)
	post(t, s, 429, `{}`, `{}`, `{}`, `{}`)
	post(t, s, 400, `{"a":"`+strings.Repeat("x", transport.MaxMessageBytes)+`"}`)
	got := s.Stats()
	if got.Kept != 4 || got.Messages != 4 || got.Requests != 5 || got.Throttled != 1 || got.Faults[transporttest.FaultStatus] != 1 {
		t.Errorf("got %+v", got)
	}
	if len(s.Events())+len(s.Requests())+len(s.Spaces()) != 0 {
		t.Error("something was kept")
	}
}

func TestClosing(t *testing.T) {
	s, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	post(t, s, 200, `{"type":"identify","userId":"u1"}`)
	s.Fail(transporttest.Hang(), transporttest.HangBeforeRead(), transporttest.Drip(time.Hour), transporttest.EndlessBody())
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			_, _, err := send(t, s, call{body: batchOf(`{"type":"identify","userId":"u1"}`)})
			ended <- err
		}()
	}
	if err := s.WaitFor(t.Context(), func(c transporttest.Stats) bool { return len(c.Faults) == 4 }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	for range cap(ended) {
		if err := <-ended; err == nil {
			t.Error("a request that hung was answered")
		}
	}
	if _, _, err := send(t, s, call{}); err == nil {
		t.Error("a closed server answers")
	}
	if s.Profile("u1").ID != "u1" {
		t.Error("a closed server has forgotten")
	}
}

func TestStartServerErrors(t *testing.T) {
	bad := transport.NewWriteKey("two words")
	_, err := transporttest.StartServer(transporttest.ServerConfig{WriteKeys: []transport.WriteKey{key, bad}})
	if err == nil || !strings.Contains(err.Error(), "WriteKeys[1]") || strings.Contains(err.Error(), "two words") {
		t.Errorf("bad key: %v", err)
	}
	if _, err := transporttest.StartServer(transporttest.ServerConfig{Address: "nowhere"}); err == nil {
		t.Error("an address that is none: no error")
	}
}

// A program that embeds the server must not get flags from it. The flags of package testing are those of this test binary.
func TestNoFlags(t *testing.T) {
	flag.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			t.Errorf("flag -%s", f.Name)
		}
	})
}

func TestLatencyHoldsBackAnswers(t *testing.T) {
	bubble(t, transporttest.ServerConfig{Latency: 3 * time.Second}, func(t *testing.T, s *transporttest.Server) {
		start := time.Now()
		post(t, s, 200, `{"type":"identify","userId":"u1"}`)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("answered after %v, want 3s", d)
		}
	})
}
