package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// carrier is a transport made of a function.
type carrier func(ctx context.Context, b *transport.Batch) transport.Result

func (c carrier) Deliver(ctx context.Context, b *transport.Batch) transport.Result { return c(ctx, b) }

// accept takes every batch after a round trip of 20 ms.
func accept(context.Context, *transport.Batch) transport.Result {
	time.Sleep(20 * time.Millisecond)
	return transport.Result{Class: transport.Accepted, Status: 200, Requests: 1}
}

// notes keeps what was settled, as a Sink and as an observer.
type notes struct {
	mu      sync.Mutex
	settled map[string][]Status // by id
	order   []string
	at      map[string]time.Time
	last    map[string]Settlement
}

func newNotes() *notes {
	return &notes{settled: make(map[string][]Status), at: make(map[string]time.Time), last: make(map[string]Settlement)}
}

func (n *notes) Settle(_ uint64, s *Settlement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := s.ID()
	n.settled[id] = append(n.settled[id], s.Status)
	n.order = append(n.order, id)
	n.at[id] = time.Now()
	n.last[id] = *s
}

// is fails the test unless the message was settled once, with that status.
func (n *notes) is(t *testing.T, id string, want Status) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.settled[id]; !slices.Equal(got, []Status{want}) {
		t.Errorf("message %s was settled with %v, want once with %v", id, got, want)
	}
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.order)
}

var testKey = transport.NewWriteKey("key-1")

// config is a small dispatcher's, without a limit of rate.
func config(deliver carrier) Config {
	return Config{
		Transport: deliver, Lanes: 4, BatchMessages: 100, Linger: 250 * time.Millisecond,
		MaxMessages: 1000, MaxBytes: 1_000_000, Deadline: 5 * time.Minute, AttemptTime: 10 * time.Second,
	}
}

// message makes a message of a profile with an id that nobody else has.
func message(id, profile string, sink Sink) *Message {
	return keyed(testKey, id, profile, sink)
}

func keyed(key transport.WriteKey, id, profile string, sink Sink) *Message {
	const before = `{"messageId":"`
	body := fmt.Sprintf(before+`%s","userId":"%s"}`, id, profile)
	return &Message{Key: key, Profile: profile, Body: []byte(body), IDStart: len(before), IDEnd: len(before) + len(id), Sink: sink}
}

// unique makes a message whose id is the user's, with content.
func unique(id, content string, sink Sink) *Message {
	const before = `{"messageId":"`
	body := fmt.Sprintf(before+`%s","userId":"u","content":"%s"}`, id, content)
	return &Message{
		Key: testKey, Profile: "u", Body: []byte(body), IDStart: len(before), IDEnd: len(before) + len(id),
		Unique: len(body), Sink: sink,
	}
}

func offer(t *testing.T, d *Dispatcher, m *Message) {
	t.Helper()
	if err := d.Offer(t.Context(), m, true); err != nil {
		t.Fatalf("Offer: %v", err)
	}
}

// ids returns the ids of a batch's messages.
func ids(b *transport.Batch) []string {
	var all []string
	for i := range b.Len() {
		var m struct{ MessageID string }
		if err := json.Unmarshal(b.Message(i), &m); err != nil {
			panic(err)
		}
		all = append(all, m.MessageID)
	}
	return all
}

// shutdown ends a dispatcher that should have nothing left.
func shutdown(t *testing.T, d *Dispatcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if left := d.Shutdown(ctx); left != (Remainder{}) {
		t.Errorf("Shutdown left %+v", left)
	}
	if s := d.Stats(); s.Queued != 0 || s.QueuedBytes != 0 || s.Lanes != 0 || s.InFlight != 0 {
		t.Errorf("after Shutdown the dispatcher holds %+v", s)
	}
}
