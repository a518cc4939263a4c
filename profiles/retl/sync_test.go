package retl_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// people sends rows as identifies, and deleted ones with a trait that says so.
const people = `{"name": "People", "mappings": [
  {"id": "people", "action": "sendIdentify", "trigger": "event = \"new\" or event = \"updated\"", "fields": {
    "user_id": {"@path": "$.properties.id"}, "timestamp": {"@path": "$.timestamp"},
    "traits": {"email": {"@path": "$.properties.email"}, "event": {"@path": "$.event"}}}},
  {"id": "gone", "action": "sendIdentify", "trigger": "event = \"deleted\"", "fields": {
    "user_id": {"@path": "$.properties.__segment_id"}, "traits": {"deleted": true, "email": {"@path": "$.properties.email"}}}}]}`

// A world is a server, a state, and the rows of a table that change from sync to sync.
type world struct {
	t      *testing.T
	server *transporttest.Server
	client *profiles.Client
	dest   *profiles.Destination
	state  retl.State
	rows   []profiles.Record
}

func newWorld(t *testing.T, destination string, change func(*profiles.Config)) *world {
	t.Helper()
	w := &world{t: t, server: transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1}), state: new(retl.MemoryState)}
	cfg := profiles.Config{Endpoint: w.server.URL(), WriteKey: profiles.NewWriteKey("space"), EventsPerSecond: -1, RequestsPerSecond: -1}
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.client, err = profiles.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	if w.dest, err = profiles.ParseDestination([]byte(destination)); err != nil {
		t.Fatal(err)
	}
	return w
}

// table fills the table with n rows.
func (w *world) table(n int) {
	for i := range n {
		w.rows = append(w.rows, profiles.Record{"id": int64(i + 1), "email": fmt.Sprintf("u%d@example.com", i+1)})
	}
}

func (w *world) records() iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for _, r := range w.rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (w *world) sync() retl.Sync {
	return retl.Sync{Client: w.client, Destination: w.dest, State: w.state, Model: retl.Model{Name: "people", Key: "id", Records: w.records()}}
}

// run runs a sync that must go to its end.
func (w *world) run(s retl.Sync) retl.Report {
	w.t.Helper()
	r, err := s.Run(w.t.Context())
	if err != nil {
		w.t.Fatalf("Run: %v\n%s", err, r)
	}
	return r
}

// sent returns the events that the server got since the last call: "identify 7 new a@example.com", in order of the users' ids.
func (w *world) sent() []string {
	var all []string
	for _, e := range w.server.Events() {
		if e.Status != transporttest.EventKept {
			all = append(all, "not kept: "+string(e.Status))
			continue
		}
		traits, _ := e.Message["traits"].(map[string]any)
		all = append(all, fmt.Sprintf("%v %v %v", e.UserID, traits["event"], traits["email"]))
	}
	w.server.Reset()
	slices.Sort(all)
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestSyncSendsWhatHasChanged(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered ", ordered), func(t *testing.T) {
			w := newWorld(t, people, nil)
			w.table(12)
			s := func() retl.Sync {
				s := w.sync()
				s.Model.Ordered = ordered
				return s
			}
			first := w.run(s())
			if first.Status != retl.Successful || first.Extracted != 12 || first.Added != 12 || first.Loaded != 12 {
				t.Errorf("the first sync: %+v", first)
			}
			if got := w.sent(); len(got) != 12 || got[0] != "1 new u1@example.com" {
				t.Errorf("the first sync sent %q", got)
			}
			second := w.run(s())
			same(t, "the second sync", w.sent(), nil)
			if second.Unchanged != 12 || second.Added+second.Updated+second.Deleted != 0 {
				t.Errorf("the second sync: %+v", second)
			}
			w.rows[4] = profiles.Record{"id": int64(5), "email": "new@example.com"}
			w.rows = slices.Delete(w.rows, 9, 10)
			third := w.run(s())
			same(t, "the third sync", w.sent(), []string{"10 <nil> <nil>", "5 updated new@example.com"})
			if third.Updated != 1 || third.Deleted != 1 || third.Unchanged != 10 || third.Loaded != 2 {
				t.Errorf("the third sync: %+v", third)
			}
			w.run(s())
			same(t, "the fourth sync", w.sent(), nil)
			w.rows = append(w.rows, profiles.Record{"id": int64(10), "email": "u10@example.com"})
			if ordered {
				slices.SortFunc(w.rows, func(a, b profiles.Record) int { return int(a["id"].(int64) - b["id"].(int64)) })
			}
			w.run(s())
			same(t, "a row that came back", w.sent(), []string{"10 new u10@example.com"})
		})
	}
}

// An e-mail that goes A, B, A in three syncs of one day, against a server that de-duplicates.
func TestSyncOfABackAndForth(t *testing.T) {
	w := newWorld(t, people, nil)
	for i, email := range []string{"a@example.com", "b@example.com", "a@example.com", "a@example.com", "b@example.com"} {
		w.rows = []profiles.Record{{"id": int64(1), "email": email}}
		w.run(w.sync())
		if got := w.server.Profile("1").Traits["email"]; got != email {
			t.Errorf("after sync %d the profile has %v, want %s", i+1, got, email)
		}
	}
	if n := len(w.server.Events()); n != 4 {
		t.Errorf("%d events for four changes", n)
	}
}

// Without its state a sync is the same once more: the same messageIds.
func TestSyncTwiceWithoutStateIsOne(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(5)
	w.run(w.sync())
	w.state = new(retl.MemoryState)
	w.run(w.sync())
	kept := 0
	for _, e := range w.server.Events() {
		if e.Status == transporttest.EventKept {
			kept++
		}
	}
	if kept != 5 {
		t.Errorf("%d events were new to the server", kept)
	}
}

func TestSyncResetAndReplay(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(3)
	w.run(w.sync())
	w.sent()
	s := w.sync()
	s.Replay = true
	if r := w.run(s); r.Added != 3 {
		t.Errorf("a replay: %+v", r)
	}
	same(t, "a replay", w.sent(), []string{"1 new u1@example.com", "2 new u2@example.com", "3 new u3@example.com"})
	if r := w.run(w.sync()); r.Unchanged != 3 {
		t.Errorf("after the replay: %+v", r)
	}
	if err := w.sync().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.run(w.sync()); r.Added != 3 {
		t.Errorf("after a reset: %+v", r)
	}
	same(t, "after a reset", w.sent(), []string{"1 new u1@example.com", "2 new u2@example.com", "3 new u3@example.com"})
}

func TestSyncLimit(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(10)
	var got []string
	for i, want := range []int{4, 4, 2, 0} {
		s := w.sync()
		s.Limit = 4
		r := w.run(s)
		sent := w.sent()
		if len(sent) != want || r.Limited != (want == 4) {
			t.Errorf("sync %d sent %d rows: %+v", i+1, len(sent), r)
		}
		got = append(got, sent...)
	}
	if slices.Sort(got); len(slices.Compact(got)) != 10 {
		t.Errorf("in all %q", got)
	}
}

func TestSyncOfAnEmptyModel(t *testing.T) {
	w := newWorld(t, people, nil)
	w.run(w.sync()) // nothing was there before: that is fine
	w.table(3)
	w.run(w.sync())
	w.sent()
	w.rows = nil
	r, err := w.sync().Run(t.Context())
	if !errors.Is(err, retl.ErrEmptyModel) || r.Status != retl.Failed || r.Error == "" {
		t.Errorf("an empty model: %v, %+v", err, r)
	}
	same(t, "an empty model", w.sent(), nil)
	s := w.sync()
	s.AllowEmpty = true
	if r := w.run(s); r.Deleted != 3 {
		t.Errorf("an empty model that is allowed: %+v", r)
	}
}

// A row that fails is sent again by the next sync, in the version that it has then, until it has had its tries.
func TestSyncTriesFailedRowsAgain(t *testing.T) {
	const poison = `{"name": "P", "mappings": [
	  {"id": "a", "action": "sendIdentify", "trigger": "type = \"track\"", "fields": {"user_id": {"@path": "$.properties.id"}, "traits": {"event": {"@path": "$.event"}, "email": {"@path": "$.properties.email"}}}},
	  {"id": "b", "action": "sendTrack", "trigger": "event != \"deleted\"", "fields": {"user_id": {"@path": "$.properties.id"}, "event_name": {"@path": "$.properties.name"}, "properties": {}}}]}`
	w := newWorld(t, poison, nil)
	w.rows = []profiles.Record{{"id": int64(1), "email": "a@example.com", "name": nil}, {"id": int64(2), "email": "b@example.com", "name": "ok"}}
	r := w.run(w.sync())
	if r.Status != retl.PartiallySuccessful || r.Failed != 1 || r.Loaded != 1 || len(r.Reasons) != 1 || r.Reasons[0].Mapping != "b" || r.Reasons[0].Samples[0].Key != "1" {
		t.Fatalf("%+v", r)
	}
	if got := w.sent(); len(got) != 3 {
		t.Errorf("sent %q", got)
	}
	r = w.run(w.sync())
	if r.Retried != 1 || r.Failed != 1 || r.Unchanged != 1 {
		t.Errorf("the second sync: %+v", r)
	}
	same(t, "the second sync", w.sent(), nil)
	w.rows[0] = profiles.Record{"id": int64(1), "email": "a@example.com", "name": "mended"}
	w.run(w.sync())
	same(t, "the row in its newest version", w.sent(), []string{"1 <nil> <nil>", "1 updated a@example.com"})
	w.rows[0] = profiles.Record{"id": int64(1), "email": "a@example.com", "name": nil}
	tries := 0
	for range 8 {
		if r = w.run(w.sync()); r.Failed == 0 {
			break
		}
		tries++
	}
	if tries != retl.DefaultMaxTries {
		t.Errorf("a row was tried %d times", tries)
	}
}

// A mapping that is added later is sent every row, and the others nothing.
func TestSyncOfANewMapping(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(3)
	w.run(w.sync())
	w.sent()
	var err error
	w.dest, err = profiles.ParseDestination([]byte(strings.Replace(people, `"mappings": [`, `"mappings": [{"id": "third", "action": "sendTrack", "trigger": "event != \"deleted\"", "fields": {
	  "user_id": {"@path": "$.properties.id"}, "event_name": {"@path": "$.event"}}},`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	w.rows[0] = profiles.Record{"id": int64(1), "email": "x@example.com"}
	r := w.run(w.sync())
	names := map[string]int{}
	for _, e := range w.server.Events() {
		names[e.Type+" "+e.Name]++
	}
	if names["track new"] != 3 || names["identify "] != 1 || r.Failed != 0 {
		t.Errorf("sent %v, %+v", names, r)
	}
}

func TestSyncConfig(t *testing.T) {
	var config *retl.ConfigError
	if _, err := (retl.Sync{MaxFailureRate: 2, Limit: -1}).Run(t.Context()); !errors.As(err, &config) || len(config.Problems) != 8 {
		t.Errorf("%v", err)
	}
	w := newWorld(t, people, nil)
	w.table(1)
	w.run(w.sync())
	s := w.sync()
	s.Model.Name = "other"
	var mismatch *retl.MismatchError
	if _, err := s.Run(t.Context()); !errors.As(err, &mismatch) || mismatch.What != "model" {
		t.Errorf("%v", err)
	}
}

func TestDryRunShowsChangesAndMovesNothing(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(4)
	w.run(w.sync())
	w.sent()
	w.rows[0] = profiles.Record{"id": int64(1), "email": "new@example.com", "plan": "pro"}
	w.rows[3] = profiles.Record{"id": int64(5), "email": "u5@example.com"}
	var got []string
	ids := map[string]bool{}
	for range 2 { // the second run shows the same
		got = nil
		for c, err := range w.sync().DryRun(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Messages) != 1 || c.Messages[0].Err != nil {
				t.Fatalf("row %s gives %+v", c.Key, c.Messages)
			}
			ids[c.Messages[0].MessageID] = true
			got = append(got, fmt.Sprint(c.Event, " ", c.Key, " ", c.Columns(), " ", c.Messages[0].Mapping.ID()))
		}
	}
	same(t, "the dry run", got, []string{
		"updated 1 [{email u1@example.com new@example.com} {plan <nil> pro}] people",
		"deleted 4 [{email u4@example.com <nil>} {id 4 <nil>}] gone",
		"new 5 [{email <nil> u5@example.com} {id <nil> 5}] people",
	})
	same(t, "what was sent", w.sent(), nil)
	if r := w.run(w.sync()); r.Added != 1 || r.Updated != 1 || r.Deleted != 1 {
		t.Errorf("the sync after it: %+v", r)
	}
	for _, e := range w.server.Events() {
		if !ids[e.MessageID] {
			t.Errorf("the message of %s has another id than the dry run said", e.UserID)
		}
	}
}

func TestSyncIgnoresColumns(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		w := newWorld(t, people, nil)
		w.rows = []profiles.Record{{"id": int64(1), "email": "a", "touched": "monday"}}
		run := func() {
			s := w.sync()
			s.Model.Ignore, s.Model.Ordered = []string{"touched"}, ordered
			w.run(s)
		}
		run()
		w.sent()
		w.rows = []profiles.Record{{"id": int64(1), "email": "a", "touched": "tuesday"}}
		run()
		same(t, "a change that does not count", w.sent(), nil)
		w.rows = []profiles.Record{{"id": int64(1), "email": "b", "touched": "tuesday"}}
		run()
		same(t, "one that does", w.sent(), []string{"1 updated b"})
	}
}
