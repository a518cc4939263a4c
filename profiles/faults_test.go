package profiles_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The files faults_*_test.go take one fault of the network, the server or the clock after another, as a program meets it that uses
// the whole library: a client, all three ways in, a server over real HTTP. What has to hold whatever the fault is in trial; a test
// says what its own fault must come to.

// inMemoryAndSpooled runs a test on loopback with a queue in memory and with one on disk, and fails it where a goroutine is left.
func inMemoryAndSpooled(t *testing.T, f func(t *testing.T, dir string)) {
	t.Run("memory", func(t *testing.T) {
		noLeaks(t)
		f(t, "")
	})
	t.Run("spool", func(t *testing.T) {
		noLeaks(t)
		f(t, filepath.Join(t.TempDir(), "spool"))
	})
}

// noLeaks fails the test if it ends with more goroutines than it began with. It has to come before what the test's own cleanups end.
func noLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// inBubbles is inMemoryAndSpooled in bubbles of testing/synctest, where the server has to be a pipe server. A bubble does not end
// while a goroutine is left.
func inBubbles(t *testing.T, f func(t *testing.T, dir string)) {
	for _, way := range []string{"memory", "spool"} {
		t.Run(way, func(t *testing.T) {
			dir := ""
			if way == "spool" {
				dir = filepath.Join(t.TempDir(), "spool")
			}
			synctest.Test(t, func(t *testing.T) { f(t, dir) })
		})
	}
}

// unlimited is a server without limits of rate.
var unlimited = transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1}

// people is how many profiles the messages of each way in are of, in turn.
const people = 5

// A trial is a client that meets a fault, and the record of what it took, what it told and what it could have printed.
type trial struct {
	t      *testing.T
	server *transporttest.Server
	cfg    profiles.Config
	client *profiles.Client
	closed bool
	ways   sync.WaitGroup // Send and Process under way

	mu      sync.Mutex
	sent    int                           // messages made so far, each way
	queued  map[string]bool               // ids of messages that were taken
	told    map[string][]profiles.Outcome // to the hook
	kept    map[string]bool               // of those who waited for an outcome: Kept
	printed bytes.Buffer                  // what a program could print of all that
	secrets map[string]bool               // credentials that went out
}

// newTrial makes a client of the server. With a directory it has a spool there.
func newTrial(t *testing.T, server *transporttest.Server, dir string, change ...func(*profiles.Config)) *trial {
	t.Helper()
	r := &trial{
		t: t, server: server,
		queued: make(map[string]bool), told: make(map[string][]profiles.Outcome), kept: make(map[string]bool),
		secrets: make(map[string]bool),
	}
	r.cfg = profiles.Config{
		Endpoint: server.URL(), WriteKey: profiles.NewWriteKey(canaryKey), EventsPerSecond: -1, RequestsPerSecond: -1,
		BatchMessages: 10, Linger: 20 * time.Millisecond, CloseTimeout: 5 * time.Second,
		Logger: slog.New(slog.NewJSONHandler(lockedWriter{r}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks:  profiles.Hooks{Outcome: r.outcome, Attempt: r.attempt},
	}
	if server.URL() == pipeURL {
		r.cfg.HTTPClient = server.Client()
	}
	if dir != "" {
		r.cfg.Spool = &spool.Config{Dir: dir}
	}
	for _, f := range change {
		f(&r.cfg)
	}
	r.watch()
	r.open()
	t.Cleanup(func() {
		if !r.closed {
			_ = r.close()
		}
		r.requireDiscreet()
	})
	return r
}

// pipeURL is the address of every pipe server.
const pipeURL = "http://127.0.0.1:1"

// open makes the client.
func (r *trial) open() {
	r.t.Helper()
	client, err := profiles.New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.client, r.closed = client, false
}

// close ends the client and returns what it has left.
func (r *trial) close() error {
	r.closed = true
	err := r.client.Close()
	r.ways.Wait()
	r.print("close", err)
	return err
}

// watch puts a RoundTripper before the user's, if there is one, that notes the credentials which must not show anywhere else.
func (r *trial) watch() {
	if r.cfg.HTTPClient == nil {
		return
	}
	client := *r.cfg.HTTPClient
	client.Transport = &noting{next: client.Transport, r: r}
	r.cfg.HTTPClient = &client
}

type noting struct {
	next http.RoundTripper
	r    *trial
}

func (n *noting) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, credentials, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		n.r.mu.Lock()
		n.r.secrets[credentials] = true
		n.r.mu.Unlock()
	}
	return n.next.RoundTrip(req)
}

func (n *noting) CloseIdleConnections() {
	if c, ok := n.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// lockedWriter is where the client logs to.
type lockedWriter struct{ r *trial }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.printed.Write(p)
}

// print notes what a program would print of a value.
func (r *trial) print(what string, v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.printed, "%s: %v %+v %#v\n", what, v, v, v)
	err, _ := v.(error)
	for _, e := range chain(err) {
		fmt.Fprintf(&r.printed, "%s: %v %+v %#v\n", what, e, e, e)
	}
}

// logged tells whether the log, or an error, has said something.
func (r *trial) logged(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.printed.Bytes(), []byte(text))
}

// outcome is the client's hook.
func (r *trial) outcome(o profiles.Outcome) {
	r.mu.Lock()
	r.told[o.MessageID] = append(r.told[o.MessageID], o)
	r.mu.Unlock()
	r.print("outcome", o)
	r.print("reason", o.Err)
}

func (r *trial) attempt(a profiles.Attempt) {
	r.print("attempt", a)
	r.print("failure", a.Err)
}

// track is the message of a way in that has this number, of one of its profiles.
func track(way string, n int) actions.SendTrack {
	return actions.SendTrack{
		UserID: fmt.Sprint(way, "-", n%people), MessageID: fmt.Sprint(way, n), Event: "E",
		Properties: actions.Properties{"n": n, "email": canaryEmail},
	}
}

// trackMapping makes the same message of a record.
const trackMapping = `{"mappings": [{"id": "tracks", "action": "sendTrack", "trigger": "type = \"track\"", "fields": {
	"user_id": {"@path": "$.userId"}, "message_id": {"@path": "$.messageId"}, "event_name": {"@path": "$.event"},
	"properties": {"@path": "$.properties"}}}]}`

// start brings n messages in each way: Enqueue, which has returned for all when start returns, Process, and one by Send.
func (r *trial) start(n int) {
	r.t.Helper()
	from := r.sent
	r.sent += n
	r.ways.Go(func() { r.process(from, n) })
	r.ways.Go(func() { r.send(from) })
	for i := range n {
		r.enqueue(from + i)
	}
}

func (r *trial) enqueue(n int) {
	r.t.Helper()
	a := track("e", n)
	if err := r.client.Enqueue(r.t.Context(), a); err != nil {
		r.t.Errorf("Enqueue: %v", err)
		return
	}
	r.took(a.MessageID)
}

func (r *trial) took(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued[id] = true
}

func (r *trial) send(n int) {
	id := track("s", n).MessageID
	r.took(id)
	o, err := r.client.Send(context.WithoutCancel(r.t.Context()), track("s", n))
	r.print("send", err)
	r.same(id, o)
}

func (r *trial) process(from, n int) {
	dest, err := profiles.ParseDestination([]byte(trackMapping))
	if err != nil {
		r.t.Error(err)
		return
	}
	next := from
	records := func(yield func(profiles.Record, error) bool) {
		for i := from; i < from+n; i++ {
			m := track("p", i)
			r.took(m.MessageID)
			if !yield(profiles.Record{
				"type": "track", "userId": m.UserID, "messageId": m.MessageID, "event": m.Event, "properties": map[string]any(m.Properties),
			}, nil) {
				return
			}
		}
	}
	for o, err := range r.client.Process(context.WithoutCancel(r.t.Context()), dest.For(profiles.Input{Start: from}), records) {
		if err != nil {
			if !errors.Is(err, profiles.ErrClosed) {
				r.t.Errorf("Process: %v", err)
			}
			break
		}
		if o.Index != next || len(o.Outcomes) != 1 {
			r.t.Errorf("record %d came with index %d and %d outcomes", next, o.Index, len(o.Outcomes))
			return
		}
		r.same(fmt.Sprint("p", next), o.Outcomes[0])
		next++
	}
	if next != from+n {
		r.t.Errorf("%d records of %d had an outcome", next-from, n)
	}
}

// same holds the outcome that was told to whoever waited for it against the hook's.
func (r *trial) same(id string, o profiles.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.MessageID != id {
		r.t.Errorf("the outcome of %s is of %q", id, o.MessageID)
	}
	told := r.told[id]
	if o.Status == profiles.Kept {
		if r.kept[id] = true; len(told) > 0 {
			r.t.Errorf("message %s is kept, and the hook was told %s", id, told[0].Status)
		}
		return
	}
	if len(told) != 1 || told[0].Status != o.Status || told[0].Ambiguous != o.Ambiguous || told[0].Attempts != o.Attempts {
		r.t.Errorf("message %s ended %s, and the hook was told %v", id, o.Status, told)
	}
}

// finish waits until every message has its outcome, for no longer than any test takes.
func (r *trial) finish() {
	r.t.Helper()
	most := 30 * time.Second
	if r.server.URL() == pipeURL {
		most = 100 * time.Hour
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), most)
	defer cancel()
	if err := r.client.Flush(ctx); err != nil {
		r.t.Fatalf("Flush: %v, with the counters %+v", err, r.client.Stats())
	}
	r.ways.Wait()
}

// deliver is start and finish. It brings in each(n) messages.
func (r *trial) deliver(n int) {
	r.t.Helper()
	r.start(n)
	r.finish()
}

// each is how many messages start(n) brings in.
func each(n int) int { return 2*n + 1 }

// Ends is how many messages ended in which way. Left is how many have no outcome: they have to be in the spool.
type ends struct{ accepted, rejected, exhausted, canceled, left int }

// require holds what became of all messages against want, and against what a client promises whatever happens: that each message
// it took has one outcome or is still there, that its counters say the same, and that the server has what was accepted, once, in the
// order of each profile, and nothing else but what an outcome calls ambiguous.
func (r *trial) require(want ends) {
	r.t.Helper()
	r.mu.Lock()
	var got ends
	for id := range r.told {
		if !r.queued[id] {
			r.t.Errorf("an outcome of %s, which was not queued", id)
		}
	}
	for id := range r.queued {
		told := r.told[id]
		if len(told) > 1 {
			r.t.Errorf("message %s had %d outcomes", id, len(told))
		}
		if len(told) == 0 {
			got.left++
			continue
		}
		switch told[0].Status {
		case profiles.Accepted:
			got.accepted++
		case profiles.Rejected:
			got.rejected++
		case profiles.Exhausted:
			got.exhausted++
		case profiles.Canceled:
			got.canceled++
		default:
			r.t.Errorf("message %s ended %s", id, told[0].Status)
		}
	}
	r.mu.Unlock()
	if got != want {
		r.t.Errorf("the messages ended %+v, want %+v", got, want)
	}
	r.requireArrived()
	r.requireSameBytes()
}

// requireCounted holds the counters of a client that has lived through the whole trial against want.
func (r *trial) requireCounted(want ends) {
	r.t.Helper()
	s := r.client.Stats()
	got := ends{s.Accepted, s.Rejected, s.Exhausted, s.Canceled, max(s.Queued, s.Stored)}
	if got != want || s.Admitted != want.accepted+want.rejected+want.exhausted+want.canceled+want.left {
		r.t.Errorf("the client counts %+v, want %+v", s, want)
	}
}

// requireArrived looks at what the server has kept.
func (r *trial) requireArrived() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, last := make(map[string]int), make(map[string]int)
	for _, e := range r.server.Events() {
		if e.Status == transporttest.EventDropped {
			r.t.Errorf("the server dropped %s: %s", e.MessageID, e.Reason)
		}
		if !r.queued[e.MessageID] {
			r.t.Errorf("the server has %s, which was not queued", e.MessageID)
		}
		if e.Status != transporttest.EventKept {
			continue
		}
		kept[e.MessageID]++
		if e.WriteKey.Reveal() != canaryKey {
			r.t.Errorf("message %s came under another key", e.MessageID)
		}
		var n int
		if _, err := fmt.Sscan(e.MessageID[1:], &n); err != nil {
			r.t.Errorf("messageId %s: %v", e.MessageID, err)
		}
		if before, seen := last[e.UserID]; seen && before >= n {
			r.t.Errorf("message %s of %s came after number %d", e.MessageID, e.UserID, before)
		}
		last[e.UserID] = n
	}
	for id := range r.queued {
		told := r.told[id]
		switch n := kept[id]; {
		case n > 1:
			r.t.Errorf("a server that drops repeats has %s %d times", id, n)
		case n == 0 && len(told) > 0 && told[0].Status == profiles.Accepted:
			r.t.Errorf("message %s is accepted, and the server does not have it", id)
		case n == 1 && len(told) > 0 && told[0].Status != profiles.Accepted && !told[0].Ambiguous:
			r.t.Errorf("message %s is %s and not ambiguous, and the server has it", id, told[0].Status)
		}
	}
}

// An envelope is the body of a request.
type envelope struct {
	Batch  []json.RawMessage `json:"batch"`
	SentAt time.Time         `json:"sentAt"`
}

// requireSameBytes fails the test where a message came in two forms, or a request with the sentAt of another: the server moves
// timestamps by it.
func (r *trial) requireSameBytes() {
	r.t.Helper()
	bytesOf, sentAt := make(map[string]string), make(map[string]time.Time)
	for _, req := range r.server.Requests() {
		body := req.Body()
		if req.Path != "/v1/batch" || len(body) == 0 {
			continue
		}
		var e envelope
		if json.Unmarshal(body, &e) != nil {
			continue // broken off
		}
		for _, raw := range e.Batch {
			var m struct{ MessageID string }
			if err := json.Unmarshal(raw, &m); err != nil {
				r.t.Fatalf("a message is no JSON: %v", err)
			}
			if before, seen := bytesOf[m.MessageID]; seen && before != string(raw) {
				r.t.Errorf("message %s came as %s, and before as %s", m.MessageID, raw, before)
			}
			bytesOf[m.MessageID] = string(raw)
			if before, seen := sentAt[m.MessageID]; seen && e.SentAt.Before(before) { // halves may go within the same millisecond
				r.t.Errorf("message %s came again with sentAt %v, before %v", m.MessageID, e.SentAt, before)
			}
			sentAt[m.MessageID] = e.SentAt
		}
		if r.server.URL() == pipeURL && req.At.Sub(e.SentAt).Abs() > time.Millisecond { // one clock, which stands still while nobody waits
			r.t.Errorf("a request of %v says sentAt %v", req.At, e.SentAt)
		}
	}
}

// requireDiscreet fails the test where a secret shows in what was, or could have been, printed.
func (r *trial) requireDiscreet() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.printed.Len() == 0 {
		r.t.Error("nothing was noted of what could be printed")
	}
	s := &spy{t: r.t}
	s.out.Write(r.printed.Bytes())
	s.check("the log or an error")
	for secret := range r.secrets {
		if bytes.Contains(r.printed.Bytes(), []byte(secret)) {
			r.t.Error("the log or an error shows credentials")
		}
	}
}

// requireFault fails the test where the server never did what it is to be tested with.
func (r *trial) requireFault(kinds ...transporttest.FaultKind) {
	r.t.Helper()
	for _, kind := range kinds {
		if r.server.Stats().Faults[kind] == 0 {
			r.t.Errorf("the fault was not injected: %s", kind)
		}
	}
}

// requireRequests fails the test where there were more requests than it may take.
func (r *trial) requireRequests(most int) {
	r.t.Helper()
	if n := r.server.Stats().Requests; n > most {
		r.t.Errorf("%d requests, want %d at most", n, most)
	}
}

// requireLeft closes the client, and fails the test unless it says that so many messages are left.
func (r *trial) requireLeft(canceled, kept int) *profiles.ShutdownError {
	r.t.Helper()
	var left *profiles.ShutdownError
	if err := r.close(); !errors.As(err, &left) || left.Canceled != canceled || left.Kept != kept || left.Unreported != 0 {
		r.t.Fatalf("Close: %v, want %d canceled and %d kept", err, canceled, kept)
	}
	return left
}

// idsOf returns the messageIds of a request, none where its body did not come whole.
func idsOf(t *testing.T, req transporttest.Request) []string {
	t.Helper()
	var e struct{ Batch []struct{ MessageID string } }
	if json.Unmarshal(req.Body(), &e) != nil {
		return nil
	}
	ids := make([]string, len(e.Batch))
	for i, m := range e.Batch {
		ids[i] = m.MessageID
	}
	return ids
}
