package retl_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

var (
	lives     = flag.Int("lives", 60, "runs of TestSyncsThroughEverything")
	firstLife = flag.Uint64("firstlife", 0, "the seed of the first of them")
)

// TestSyncsThroughEverything plays a table that changes, back and forth too, and syncs of it that meet everything: a server that refuses, takes
// and does not answer, or is down; processes that die at any moment with what the state was told last; limits, replays, mappings that
// come later, rows that cannot be read, contexts that end. In the end, when all is calm, each profile holds what its row holds, by a
// server that drops what it has seen, and who is gone is known to be gone.
func TestSyncsThroughEverything(t *testing.T) {
	seen := map[string]int{}
	for i := range *lives {
		seed := *firstLife + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &life{t: t, rng: rand.New(rand.NewPCG(seed, 3)), state: new(retl.MemoryState), server: &segment{
					rng: rand.New(rand.NewPCG(seed, 5)), ids: map[string]bool{}, profiles: map[string]map[string]any{}, seen: seen,
				}, table: map[int]string{}, seen: seen}
				w.play()
			})
		})
	}
	for _, what := range []string{
		"died", "died before marks were kept", "context ended", "limit", "replay", "unreadable", "taken, no answer", "refused", "down", "row given back its value", "second mapping", "mapping off", "empty",
	} {
		if seen[what] == 0 && *lives >= 60 {
			t.Errorf("%q has never happened", what)
		}
	}
	t.Log(seen)
}

// A segment is what Segment is, as far as this test can see: it drops what it has seen, and merges traits.
type segment struct {
	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool
	down     time.Time
	ids      map[string]bool
	profiles map[string]map[string]any
	seen     map[string]int
}

// Deliver implements transport.Transport.
func (s *segment) Deliver(_ context.Context, b *transport.Batch) transport.Result {
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	chance := s.rng.Float64()
	switch {
	case s.calm:
	case time.Now().Before(s.down) || chance < 0.05:
		if time.Now().After(s.down) {
			s.down = time.Now().Add(time.Duration(s.rng.IntN(int(10 * time.Minute))))
		}
		s.seen["down"]++
		return transport.Result{Class: transport.Retry, Status: 503, Err: errors.New("down")}
	case chance < 0.15:
		s.take(b)
		s.seen["taken, no answer"]++
		return transport.Result{Class: transport.Retry, Ambiguous: true, Err: errors.New("connection lost")}
	case chance < 0.25:
		s.seen["refused"]++
		return transport.Result{Class: transport.Final, Status: 413, Err: errors.New("refused")}
	}
	s.take(b)
	return transport.Result{Class: transport.Accepted, Status: 200}
}

// rest ends all faults.
func (s *segment) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

func (s *segment) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calm
}

func (s *segment) take(b *transport.Batch) {
	for i := range b.Len() {
		var m struct {
			MessageID, UserID string
			Traits            map[string]any
		}
		if err := json.Unmarshal(b.Message(i), &m); err != nil {
			panic(err)
		}
		if s.ids[m.MessageID] {
			continue
		}
		s.ids[m.MessageID] = true
		p := s.profiles[m.UserID]
		if p == nil {
			p = map[string]any{}
			s.profiles[m.UserID] = p
		}
		for name, v := range m.Traits {
			p[name] = v
		}
	}
}

// A life is a table and the syncs of it.
type life struct {
	t      *testing.T
	rng    *rand.Rand
	server *segment
	state  *retl.MemoryState
	table  map[int]string
	second bool // the second mapping is there
	seen   map[string]int
}

const firstMapping = `{"id": "email", "action": "sendIdentify", "trigger": "event != \"deleted\"", "fields": {"user_id": {"@path": "$.properties.__segment_id"},
  "timestamp": {"@path": "$.timestamp"}, "traits": {"email": {"@path": "$.properties.email"}, "gone": false}}},
  {"id": "gone", "action": "sendIdentify", "trigger": "event = \"deleted\"", "fields": {"user_id": {"@path": "$.properties.__segment_id"}, "traits": {"gone": true}}}`

const secondMapping = `, {"id": "copy", "action": "sendIdentify", "trigger": "event != \"deleted\"", "fields": {"user_id": {"@path": "$.properties.__segment_id"},
  "traits": {"copy": {"@path": "$.properties.email"}}}}`

func (w *life) play() {
	for range 25 {
		w.change()
		w.sync()
		time.Sleep(time.Duration(w.rng.IntN(60)) * time.Minute)
	}
	w.server.rest()
	w.second = true
	for i := 0; ; i++ {
		r, err := w.runIn(w.t.Context(), w.state, func(s *retl.Sync) { s.AllowEmpty = true })
		if err == nil && r.Failed+r.Undelivered+r.Held == 0 && r.Added+r.Updated+r.Deleted+r.Retried == 0 {
			break
		}
		if i == 10 {
			w.t.Fatalf("the syncs do not come to rest: %v, %s", err, r)
		}
	}
	for id, email := range w.table {
		if p := w.server.profiles[fmt.Sprint(id)]; p["email"] != email || p["gone"] != false || p["copy"] != email {
			w.t.Errorf("the profile of row %d has %v, and its row %q", id, p, email)
		}
	}
	for id, p := range w.server.profiles {
		var n int
		fmt.Sscan(id, &n)
		if _, there := w.table[n]; !there && p["gone"] != true {
			w.t.Errorf("row %s is gone, and its profile has %v", id, p)
		}
	}
}

// change changes some rows, often to a value that they have had.
func (w *life) change() {
	for range w.rng.IntN(8) {
		id := w.rng.IntN(30)
		if w.rng.IntN(4) == 0 {
			delete(w.table, id)
			continue
		}
		value := fmt.Sprint("v", w.rng.IntN(3))
		if w.table[id] != "" {
			w.seen["row given back its value"]++
		}
		w.table[id] = value
	}
	if w.rng.IntN(40) == 0 {
		clear(w.table)
	}
	if w.rng.IntN(25) == 0 && !w.second {
		w.second = true
		w.seen["second mapping"]++
	}
}

// sync runs a sync that may meet anything.
func (w *life) sync() {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	state := retl.State(w.state)
	dies := w.rng.IntN(3) == 0
	if dies {
		state = &mortal{MemoryState: w.state, kept: copyOf(w.t, w.state), ops: w.rng.IntN(6), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 2)), die: cancel}
	} else if w.rng.IntN(5) == 0 {
		w.seen["context ended"]++
		after := time.Duration(w.rng.IntN(2000)) * time.Millisecond
		time.AfterFunc(after, cancel)
	}
	_, err := w.runIn(ctx, state, func(s *retl.Sync) {
		s.Model.Ordered = w.rng.IntN(2) == 0
		if w.rng.IntN(5) == 0 {
			s.Limit = 1 + w.rng.IntN(5)
			w.seen["limit"]++
		}
		if w.rng.IntN(12) == 0 {
			s.Replay = true
			w.seen["replay"]++
		}
		if w.rng.IntN(6) == 0 {
			s.Model.Records = unreadable(s.Model.Records, rand.New(rand.NewPCG(w.rng.Uint64(), 1)))
			w.seen["unreadable"]++
		}
		s.HashOnly = w.rng.IntN(2) == 0
		s.MaxTries = 1000
	})
	if errors.Is(err, retl.ErrEmptyModel) {
		w.seen["empty"]++
	}
	if m, ok := state.(*mortal); ok && m.dead {
		w.seen["died"]++
		if m.forgot {
			w.seen["died before marks were kept"]++
		}
		w.state = m.kept
	}
}

func (w *life) runIn(ctx context.Context, state retl.State, change func(*retl.Sync)) (retl.Report, error) {
	client, err := profiles.New(profiles.Config{
		Transport: w.server, WriteKey: profiles.NewWriteKey("space"), EventsPerSecond: -1, RequestsPerSecond: -1, BatchMessages: 1 + w.rng.IntN(4),
		Window: 1 + w.rng.IntN(6), Lanes: 1 + w.rng.IntN(3), Deadline: time.Minute, CloseTimeout: time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	mappings := firstMapping
	if !w.server.resting() && w.rng.IntN(8) == 0 {
		mappings = strings.Replace(mappings, `"id": "email"`, `"enabled": false, "id": "email"`, 1)
		w.seen["mapping off"]++
	}
	if w.second {
		mappings += secondMapping
	}
	dest, err := profiles.ParseDestination([]byte(`{"name": "D", "mappings": [` + mappings + `]}`))
	if err != nil {
		w.t.Fatal(err)
	}
	s := retl.Sync{Client: client, Destination: dest, State: state, Model: retl.Model{Name: "people", Key: "id", Records: w.rows()}}
	change(&s)
	return s.Run(ctx)
}

// rows yields the table as it is now, by key.
func (w *life) rows() iter.Seq2[profiles.Record, error] {
	var ids []int
	for id := range w.table {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var rows []profiles.Record
	for _, id := range ids {
		rows = append(rows, profiles.Record{"id": id, "email": w.table[id]})
	}
	return func(yield func(profiles.Record, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// unreadable makes some rows unreadable.
func unreadable(rows iter.Seq2[profiles.Record, error], rng *rand.Rand) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for r, err := range rows {
			if rng.IntN(5) == 0 {
				r, err = nil, &profiles.BadRecord{Err: errors.New("torn")}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// A mortal state dies after some operations, and the process with it. What it was told by Sending is kept; marks that were not followed by
// one may be lost.
type mortal struct {
	*retl.MemoryState
	mu     sync.Mutex
	kept   *retl.MemoryState // what will be there afterwards
	ops    int
	rng    *rand.Rand
	die    func()
	dead   bool
	forgot bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) alive() error {
	if m.ops--; m.ops < 0 && !m.dead {
		m.dead = true
		m.die()
	}
	if m.dead {
		return errDead
	}
	return nil
}

func (m *mortal) Sending(ctx context.Context, entries []retl.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.alive(); err != nil {
		return err
	}
	_ = m.kept.Sending(ctx, entries)
	return m.MemoryState.Sending(ctx, entries)
}

func (m *mortal) Sent(ctx context.Context, marks []retl.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.alive(); err != nil {
		return err
	}
	if m.rng.IntN(2) == 0 {
		_ = m.kept.Sent(ctx, marks)
	} else {
		m.forgot = true
	}
	return m.MemoryState.Sent(ctx, marks)
}

func (m *mortal) Commit(ctx context.Context, head retl.Head) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.alive(); err != nil {
		return err
	}
	m.kept = m.MemoryState
	return m.MemoryState.Commit(ctx, head)
}

func TestReportAsText(t *testing.T) {
	w := newWorld(t, people, nil)
	w.rows = []profiles.Record{{"id": "secret-key", "email": "secret@example.com"}, {"id": nil, "email": "secret@example.com"}}
	r := w.run(w.sync())
	text := r.String()
	if strings.Contains(text, "secret") || !strings.Contains(text, "partially successful") || !strings.Contains(text, `key column "id" is null`) {
		t.Errorf("the text is %s", text)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back retl.Report
	if err := json.Unmarshal(data, &back); err != nil || back.Status != r.Status || len(back.Reasons) != 1 {
		t.Errorf("read back from %s: %v, %+v", data, err, back)
	}
}

// copyOf is another state that holds the same.
func copyOf(t *testing.T, s *retl.MemoryState) *retl.MemoryState {
	t.Helper()
	c := new(retl.MemoryState)
	var all []retl.Entry
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	head, err := s.Head(t.Context())
	if err == nil {
		err = errors.Join(c.Sending(t.Context(), all), c.Commit(t.Context(), head))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
