package retl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// load gives the world another destination.
func (w *world) load(destination string) {
	w.t.Helper()
	var err error
	if w.dest, err = profiles.ParseDestination([]byte(destination)); err != nil {
		w.t.Fatal(err)
	}
}

// of is a destination of mappings.
func of(mappings ...string) string {
	return `{"name": "D", "mappings": [` + strings.Join(mappings, ",") + `]}`
}

// a mapping that identifies rows by their key: its id, its trigger, and the traits.
func mapping(id, trigger, traits string) string {
	return fmt.Sprintf(`{"id": %q, "action": "sendIdentify", "trigger": %q, "fields": {"user_id": {"@path": "$.properties.__segment_id"}, "traits": {%s}}}`, id, trigger, traits)
}

const email = `"email": {"@path": "$.properties.email"}`

func off(mapping string) string { return strings.Replace(mapping, "{", `{"enabled": false, `, 1) }

func tableRow(id int, value any) profiles.Record { return profiles.Record{"id": id, "email": value} }

// What would have rows taken for sent that nobody was sent cannot be run.
func TestSyncsThatWouldSendNothing(t *testing.T) {
	for what, destination := range map[string]string{
		"switched off":         strings.Replace(people, `"name"`, `"enabled": false, "name"`, 1),
		"has no id":            strings.Replace(people, `"id": "people", `, "", 1),
		"that is switched on":  of(off(mapping("a", `type = "track"`, email))),
		"must be from 0 to 1":  people,
		"the field State is r": people,
	} {
		w := newWorld(t, destination, nil)
		w.table(2)
		s := w.sync()
		if strings.Contains(what, "0 to 1") {
			s.MaxFailureRate = -1
		}
		if strings.Contains(what, "State") {
			s.State = nil
		}
		var config *retl.ConfigError
		r, err := s.Run(t.Context())
		if !errors.As(err, &config) || !strings.Contains(err.Error(), what) || r.Destination == "" && w.dest.Name() != "" {
			t.Errorf("%s: %v, %+v", what, err, r)
		}
		same(t, what, w.sent(), nil)
	}
}

// Versions go past the count of syncs where these are not completed; a reset goes past all of them.
func TestSyncResetGoesPastAllVersions(t *testing.T) {
	w := newWorld(t, of(mapping("a", `type = "track"`, email)), nil)
	for _, value := range []string{"A", "B", "A"} {
		w.rows = []profiles.Record{tableRow(1, value), tableRow(2, "x"), tableRow(3, "x")}
		s := w.sync()
		s.Limit = 1
		w.run(s)
	}
	if err := w.sync().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.rows[0] = tableRow(1, "B")
	w.run(w.sync())
	if got := w.server.Profile("1").Traits["email"]; got != "B" {
		t.Errorf("the profile has %v", got)
	}
}

// A replay that is limited goes on where it stood, and each row is sent once.
func TestReplayGoesOn(t *testing.T) {
	w := newWorld(t, of(mapping("a", `event = "new"`, email)), nil)
	w.table(6)
	w.run(w.sync())
	w.sent()
	var sent []string
	for i := range 4 {
		s := w.sync()
		s.Limit, s.Replay = 2, i == 0
		w.run(s)
		sent = append(sent, w.sent()...)
	}
	if len(sent) != 6 || len(slices.Compact(slices.Sorted(slices.Values(sent)))) != 6 {
		t.Errorf("the replay sent %q", sent)
	}
}

// Of a deleted row all columns are null that it had, whatever has become of the syncs that saw them.
func TestDeletedRowsHaveNullColumns(t *testing.T) {
	for _, hashOnly := range []bool{false, true} {
		w := newWorld(t, of(mapping("a", `type = "track"`, `"plan": {"@path": "$.properties.plan"}`)), nil)
		state := &badState{MemoryState: new(retl.MemoryState), fails: "Commit"}
		w.state = state
		w.rows = []profiles.Record{{"id": 1, "plan": "pro"}, {"id": 2}}
		run := func() (retl.Report, error) {
			s := w.sync()
			s.HashOnly = hashOnly
			return s.Run(t.Context())
		}
		state.fails = "Sent"
		if _, err := run(); err == nil {
			t.Fatal("it did not fail")
		}
		state.fails = ""
		for range 2 {
			if _, err := run(); err != nil {
				t.Fatal(err)
			}
			w.rows = w.rows[len(w.rows)-1:]
		}
		if got, is := w.server.Profile("1").Traits["plan"]; is || got != nil {
			t.Errorf("hashOnly %v: the profile keeps %v", hashOnly, got)
		}
	}
}

// A row that an earlier sync has sent, and whose marks were lost, is deleted also where it was Invalid since.
func TestDeletionOfARowThatIsInvalidByNow(t *testing.T) {
	good := of(mapping("a", `event != "deleted"`, email), mapping("gone", `event = "deleted"`, `"deleted": true`))
	w := newWorld(t, good, nil)
	state := &badState{MemoryState: new(retl.MemoryState), fails: "Sent"}
	w.state, w.rows = state, []profiles.Record{tableRow(1, "a"), tableRow(2, "b")}
	if _, err := w.sync().Run(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	state.fails = ""
	w.load(strings.Replace(good, `"$.properties.__segment_id"`, `"$.properties.none"`, 1))
	if r, _ := w.sync().Run(t.Context()); r.Failed != 2 {
		t.Errorf("%+v", r)
	}
	w.load(good)
	w.rows = w.rows[1:]
	w.run(w.sync())
	if p := w.server.Profile("1"); p.Traits["deleted"] != true {
		t.Errorf("the profile has %v", p.Traits)
	}
}

// A mapping that is switched off for some syncs hears of everything when it is switched on again.
func TestMappingThatWasSwitchedOff(t *testing.T) {
	a := mapping("a", `event != "deleted"`, email)
	gone := mapping("gone", `event = "deleted"`, `"deleted": true`)
	b := mapping("b", `event = "new"`, `"b": true`)
	w := newWorld(t, of(a, gone), nil)
	w.rows = []profiles.Record{tableRow(1, "a"), tableRow(2, "b")}
	w.run(w.sync())
	w.load(of(off(a), off(gone), b))
	w.rows = w.rows[1:]
	for range 3 {
		w.run(w.sync())
	}
	w.load(of(a, gone, b))
	w.run(w.sync())
	if p := w.server.Profile("1"); p.Traits["deleted"] != true {
		t.Errorf("the profile of the deleted row has %v", p.Traits)
	}

	w = newWorld(t, of(a, b), nil)
	w.rows = []profiles.Record{tableRow(1, "a")}
	w.server.FailAlways(transporttest.Status(401))
	if _, err := w.sync().Run(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	w.server.Heal()
	w.client.Close()
	w.client = reopened(t, w)
	w.load(of(a, off(b)))
	w.rows[0] = tableRow(1, "c")
	w.run(w.sync())
	w.load(of(a, b))
	w.run(w.sync())
	if p := w.server.Profile("1"); p.Traits["b"] != true {
		t.Errorf("the mapping for new rows was not sent the row: %v", p.Traits)
	}
}

// reopened is another client of the world's server, which does not remember that a key was refused.
func reopened(t *testing.T, w *world) *profiles.Client {
	t.Helper()
	c, err := profiles.New(w.client.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A state in the wrong order would make rows look deleted.
func TestStateInTheWrongOrder(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(5)
	w.run(w.sync())
	w.sent()
	w.state = backwards{w.state.(*retl.MemoryState)}
	if _, err := w.sync().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("Run: %v", err)
	}
	same(t, "the sync", w.sent(), nil)
}

type backwards struct{ *retl.MemoryState }

func (b backwards) Entries(ctx context.Context) iter.Seq2[retl.Entry, error] {
	return func(yield func(retl.Entry, error) bool) {
		var all []retl.Entry
		for e := range b.MemoryState.Entries(ctx) {
			all = append(all, e)
		}
		for _, e := range slices.Backward(all) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestFailureRateCountsWhatCannotBeRead(t *testing.T) {
	w := newWorld(t, people, nil)
	s := w.sync()
	read := 0
	s.MaxFailureRate = 0.01
	s.Model.Records = func(yield func(profiles.Record, error) bool) {
		for range 1000 {
			if read++; !yield(nil, &profiles.BadRecord{Err: errors.New("torn")}) {
				return
			}
		}
	}
	var rate *retl.FailureRateError
	if r, err := s.Run(t.Context()); !errors.As(err, &rate) || read > 200 {
		t.Errorf("%v after %d rows, %+v", err, read, r)
	}
}

// A sync that has ended early does not go on reading.
func TestSyncThatEndsStopsReading(t *testing.T) {
	w := newWorld(t, people, func(c *profiles.Config) { c.Window = 100 })
	w.table(3)
	w.run(w.sync())
	w.server.FailAlways(transporttest.Status(401))
	s, read := w.sync(), 0
	s.Model.Ordered = true
	s.Model.Records = func(yield func(profiles.Record, error) bool) {
		for i := range 20_000 { // changed ones, and then a source that has no end
			if read++; !yield(tableRow(i+10, "x"), nil) {
				return
			}
		}
		for i := 20_000; ; i++ {
			if read++; !yield(profiles.Record{"id": i + 10, "email": strings.Repeat("x", retl.MaxColumnBytes)}, nil) { // which none is sent of
				return
			}
		}
	}
	var undelivered *retl.UndeliveredError
	if _, err := s.Run(t.Context()); !errors.As(err, &undelivered) {
		t.Errorf("%v after %d rows", err, read)
	}
}

// A Profile Space that is refused does not keep the rows of others.
func TestOneRefusedSpace(t *testing.T) {
	good, bad := profiles.NewWriteKey("good"), "bad"
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1, WriteKeys: []profiles.WriteKey{good}})
	w := newWorld(t, of(`{"id": "a", "action": "sendIdentify", "trigger": "type = \"track\"", "fields": {"engage_space": {"@path": "$.properties.space"}, "user_id": {"@path": "$.properties.__segment_id"}}}`),
		func(c *profiles.Config) { c.Endpoint = server.URL() })
	for i := range 5000 {
		space := "good"
		if i%1000 == 0 {
			space = bad
		}
		w.rows = append(w.rows, profiles.Record{"id": i, "space": space})
	}
	var undelivered *retl.UndeliveredError
	r, err := w.sync().Run(t.Context())
	if !errors.As(err, &undelivered) || r.Loaded != 4995 || r.Undelivered != 5 {
		t.Errorf("%v, %+v", err, r)
	}
}

// A mapping that comes later has all of its tries, and what is given up is counted, and tried again where that is wanted.
func TestTriesOfEachMapping(t *testing.T) {
	a := `{"id": "a", "action": "sendTrack", "trigger": "type = \"track\"", "fields": {"user_id": {"@path": "$.properties.id"}, "event_name": {"@path": "$.properties.name"}}}`
	w := newWorld(t, of(a), nil)
	w.rows = []profiles.Record{{"id": "1", "name": ""}, {"id": "2", "name": "ok"}}
	for range retl.DefaultMaxTries {
		if r := w.run(w.sync()); r.Failed != 1 {
			t.Errorf("%+v", r)
		}
	}
	if r := w.run(w.sync()); r.LeftAlone != 1 || r.Failed != 0 || !strings.Contains(r.String(), "given up by earlier syncs") {
		t.Errorf("after all tries: %+v", r)
	}
	w.load(of(a, strings.Replace(a, `"a"`, `"b"`, 1)))
	for range retl.DefaultMaxTries {
		if r := w.run(w.sync()); r.Failed != 1 {
			t.Errorf("the mapping that came later: %+v", r)
		}
	}
	w.load(of(strings.Replace(a, `{"@path": "$.properties.name"}`, `"Mended"`, 1)))
	s := w.sync()
	s.RetryGivenUp = true
	if r := w.run(s); r.Loaded != 1 || r.LeftAlone != 0 {
		t.Errorf("what was given up: %+v", r)
	}
	if r := w.run(w.sync()); r.Unchanged != 2 || r.LeftAlone != 0 {
		t.Errorf("after it: %+v", r)
	}
}

func TestRowsWhoseSizeShowsLate(t *testing.T) {
	w := newWorld(t, people, nil)
	w.rows = []profiles.Record{{"id": 1, "tags": slices.Repeat([]string{strings.Repeat("x", 1000)}, 40_000)}, {"id": 2}}
	if r := w.run(w.sync()); r.Failed != 1 || r.Loaded != 1 {
		t.Errorf("%+v", r)
	}
}

func TestEveryEnds(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(1)
	var config *retl.ConfigError
	if err := w.sync().Every(t.Context(), 0, nil); !errors.As(err, &config) {
		t.Errorf("without an interval: %v", err)
	}
	runs := 0
	if err := (retl.Sync{}).Every(t.Context(), time.Hour, func(retl.Report, error) { runs++ }); !errors.As(err, &config) || runs != 1 {
		t.Errorf("a sync that cannot be run: %v after %d", err, runs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := w.sync().Every(ctx, time.Hour, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("without anybody who is told: %v", err)
	}
}

// A dry run shows each message, under the id that it will have.
func TestDryRunShowsMessages(t *testing.T) {
	a, b := mapping("a", `event != "new"`, email), mapping("b", `event = "new"`, email)
	w := newWorld(t, of(a), nil)
	w.rows = []profiles.Record{tableRow(1, "a")}
	w.run(w.sync())
	w.load(of(a, b))
	w.rows[0] = tableRow(1, "c")
	w.server.Reset()
	want := map[string]bool{}
	for c, err := range w.sync().DryRun(t.Context()) {
		if err != nil || len(c.Messages) != 2 || c.Event != retl.EventUpdated {
			t.Fatalf("%v, %+v", err, c)
		}
		for _, m := range c.Messages {
			want[m.MessageID] = true
		}
	}
	w.run(w.sync())
	for _, e := range w.server.Events() {
		if !want[e.MessageID] {
			t.Errorf("message %s was not shown", e.MessageID)
		}
	}
	if len(w.server.Events()) != 2 {
		t.Errorf("%d messages were sent", len(w.server.Events()))
	}

	// Leaving it ends the reading, also at a row that cannot be sent, which has its key.
	for _, ordered := range []bool{false, true} {
		s, read := w.sync(), 0
		s.Model.Ordered = ordered
		s.Model.Records = func(yield func(profiles.Record, error) bool) {
			for i := range 1000 {
				if read++; !yield(profiles.Record{"id": i + 5, "email": strings.Repeat("x", retl.MaxColumnBytes)}, nil) {
					return
				}
			}
		}
		for c, err := range s.DryRun(t.Context()) {
			if err != nil || c.Err == nil || c.Key != "5" {
				t.Errorf("%v, %+v", err, c)
			}
			break
		}
		if read != 1 {
			t.Errorf("%d rows were read", read)
		}
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t, of(mapping("a", `type = "track"`, email)), nil)
	for _, key := range []any{"0.10", json.Number("0.10000000000000000001"), json.Number("0.10000000000000000002"), json.Number("1e400"), json.Number("1e401"), uint64(1 << 63), 1.5, "Ä"} {
		w.rows = append(w.rows, profiles.Record{"id": key, "email": "x"})
	}
	for _, key := range []any{time.Now(), []byte("x"), map[string]any{}, math.Inf(1)} {
		w.rows = append(w.rows, profiles.Record{"id": key})
	}
	if r := w.run(w.sync()); r.Loaded != 8 || r.Failed != 4 {
		t.Errorf("%s", r)
	}
}
