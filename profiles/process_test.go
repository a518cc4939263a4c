package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestProcessReachesProfiles(t *testing.T) {
	client, server := newServed(t)
	outcomes := process(t, client, shop(t), records(t,
		`{"type":"identify","messageId":"m1","userId":"u1","timestamp":"2024-01-02T03:04:05Z","traits":{"email":"A@B.co","plan":"pro","newsletter":true}}`,
		`{"type":"group","userId":"u1","groupId":"g1","traits":{"name":"Acme"}}`,
		`{"type":"track","event":"Order Completed","userId":"u1","properties":{"total":9007199254740993}}`,
		`{"type":"track","event":"Page Viewed","userId":"u1"}`,
	))
	var got []string
	for _, o := range outcomes {
		got = append(got, fmt.Sprint(o.Index, " ", o.Status, " ", len(o.Outcomes)))
	}
	if want := "[0 accepted 2 1 accepted 1 2 accepted 1 3 skipped 0]"; fmt.Sprint(got) != want {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	own, orders := server.Space(spaceKey), server.Space(profiles.NewWriteKey("orders-write-key"))
	p := own.Profile("u1")
	if p.Traits["email"] != "a@b.co" || p.Traits["plan"] != "pro" || p.Subscription("EMAIL", "A@B.co").Status != "SUBSCRIBED" {
		t.Errorf("the profile is %+v", p)
	}
	if g := own.Group("g1"); g.Traits["name"] != "Acme" {
		t.Errorf("the group is %+v", g)
	}
	events := orders.Profile("u1").Events
	if len(events) != 1 || fmt.Sprint(events[0].Message["properties"]) != "map[total:9007199254740993]" {
		t.Errorf("the orders' space has %+v", events)
	}
}

// Every mapping is pre-filled with the record's messageId: two that match one record must not lose one message to the server's
// de-duplication.
func TestOneRecordTwoMappingsTwoMessages(t *testing.T) {
	client, server := newServed(t)
	o := process(t, client, shop(t), records(t,
		`{"type":"identify","messageId":"m1","userId":"u1","traits":{"email":"a@b.co","plan":"pro","newsletter":"false"}}`))[0]
	var ids []string
	for _, m := range o.Outcomes {
		ids = append(ids, m.Mapping+"="+m.MessageID)
	}
	if fmt.Sprint(ids) != "[people=m1 consent=m1.consent]" {
		t.Errorf("ids %v", ids)
	}
	p := server.Profile("u1")
	if s := server.Stats(); s.Kept != 2 || p.Traits["plan"] != "pro" || p.Subscription("EMAIL", "a@b.co").Status != "UNSUBSCRIBED" {
		t.Errorf("the server kept %d messages, the profile is %+v", s.Kept, p)
	}
}

func TestLongIDOfASecondMessageIsHashed(t *testing.T) {
	long := strings.Repeat("m", 99)
	payload := `{"type":"identify","messageId":"` + long + `","userId":"u1","traits":{"email":"a@b.co","newsletter":"true"}}`
	p := shop(t).Preview(record(t, payload), 0)
	if len(p.Messages) != 2 || p.Messages[0].MessageID != long || p.Messages[1].Err != nil {
		t.Fatalf("preview %+v", p)
	}
	second := p.Messages[1].MessageID
	if len(second) > 99 || second == long || second != shop(t).Preview(record(t, payload), 7).Messages[1].MessageID {
		t.Errorf("the second id is %q", second)
	}
}

func TestDerivedIDs(t *testing.T) {
	id := func(in profiles.Input, ordinal int, payload string) string {
		t.Helper()
		p := shop(t).For(in).Preview(record(t, payload), ordinal)
		if len(p.Messages) != 1 || p.Messages[0].Err != nil {
			t.Fatalf("preview %+v", p)
		}
		return p.Messages[0].MessageID
	}
	file := profiles.Input{Name: "events.ndjson"}
	const group = `{"type":"group","userId":"u1","groupId":"g1","traits":{"a":1,"b":[1,{"c":null}]}}`
	const row = `{"type":"group","userId":"u1","groupId":"g1","properties":{"__segment_id":"k1"}}`
	base := id(file, 3, group)
	for _, c := range []struct {
		name string
		got  string
		same bool
	}{
		{"the same again", id(file, 3, group), true},
		{"with members in another order", id(file, 3, `{"groupId":"g1","traits":{"b":[1,{"c":null}],"a":1},"userId":"u1","type":"group"}`), true},
		{"at another place", id(file, 4, group), false},
		{"with other content", id(file, 3, strings.Replace(group, `"a":1`, `"a":2`, 1)), false},
		{"of another input", id(profiles.Input{Name: "other.ndjson"}, 3, group), false},
		{"of another generation", id(profiles.Input{Name: "events.ndjson", Generation: 1}, 3, group), false},
		{"of an input without a name", id(profiles.Input{}, 3, group), false},
	} {
		if (c.got == base) != c.same {
			t.Errorf("the id %s: same is %v", c.name, c.got == base)
		}
	}
	if id(file, 1, row) != id(file, 2, row) {
		t.Error("the id of a row depends on its place, not on its key")
	}
	if first, second := id(profiles.Input{}, 1, group), id(profiles.Input{}, 1, group); first == second {
		t.Error("two runs over an input without a name give the same id")
	}
}

func TestResumedInputGivesTheSameIDs(t *testing.T) {
	client, server := newServed(t)
	d := shop(t)
	rows := []string{
		`{"type":"group","userId":"u1","groupId":"g1"}`, `{"type":"group","userId":"u2","groupId":"g1"}`, `{"type":"group","userId":"u3","groupId":"g1"}`,
	}
	process(t, client, d.For(profiles.Input{Name: "rows"}), records(t, rows...))
	resumed := process(t, client, d.For(profiles.Input{Name: "rows", Start: 1}), records(t, rows[1:]...))
	if resumed[0].Index != 1 || resumed[1].Index != 2 {
		t.Errorf("the records of the resumed run are at %d and %d", resumed[0].Index, resumed[1].Index)
	}
	if s := server.Stats(); s.Kept != 3 || s.Duplicates != 2 {
		t.Errorf("the server kept %d and found %d duplicates, want 3 and 2", s.Kept, s.Duplicates)
	}
}

func TestRunsOverANamelessInputDoNotCollide(t *testing.T) {
	client, server := newServed(t)
	d := shop(t)
	for range 2 {
		process(t, client, d, records(t, `{"type":"group","userId":"u1","groupId":"g1"}`))
	}
	if s := server.Stats(); s.Kept != 2 || s.Duplicates != 0 {
		t.Errorf("the server kept %d and dropped %d as duplicates", s.Kept, s.Duplicates)
	}
}

func TestSkipReasons(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	for _, c := range []struct {
		name, integrations string
		want               profiles.Status
	}{
		{"none", ``, profiles.Accepted},
		{"empty", `{}`, profiles.Accepted},
		{"switched off by name", `{"Segment Profiles":false}`, profiles.Skipped},
		{"all off", `{"All":false}`, profiles.Skipped},
		{"all off but this", `{"All":false,"Segment Profiles":true}`, profiles.Accepted},
		{"all off, this with options", `{"All":false,"Segment Profiles":{"a":1}}`, profiles.Accepted},
		{"all on but this", `{"All":true,"Segment Profiles":false}`, profiles.Skipped},
		{"another off", `{"Slack":false}`, profiles.Accepted},
		{"no object", `[false]`, profiles.Accepted},
	} {
		payload := `{"type":"group","userId":"u","groupId":"g"`
		if c.integrations != "" {
			payload += `,"integrations":` + c.integrations
		}
		o := process(t, client, shop(t), records(t, payload+"}"))[0]
		if o.Status != c.want || (c.want == profiles.Skipped && o.Skip != profiles.SkipIntegrations) {
			t.Errorf("integrations %s: %s, %s", c.name, o.Status, o.Skip)
		}
	}
	if o := process(t, client, shop(t), records(t, `{"type":"page"}`))[0]; o.Skip != profiles.SkipNoMapping || o.Err() != nil {
		t.Errorf("a record that nothing matches: %+v", o)
	}
	off := parse(t, `{"enabled":false,"mappings":[{"action":"sendTrack","trigger":"type = \"track\"","fields":{"event_name":"E","user_id":"u"}}]}`)
	if o := process(t, client, off, records(t, `{"type":"track"}`))[0]; o.Skip != profiles.SkipDisabled {
		t.Errorf("a destination that is switched off: %+v", o)
	}
}

func TestModels(t *testing.T) {
	client, sent := profilestest.NewClient(t)
	d := parse(t, `{"mappings":[
		{"id":"a","model":"contacts","action":"sendTrack","trigger":"type = \"track\"","fields":{"event_name":"A","user_id":"u"}},
		{"id":"b","model":"orders","action":"sendTrack","trigger":"type = \"track\"","fields":{"event_name":"B","user_id":"u"}},
		{"id":"c","action":"sendTrack","trigger":"type = \"track\"","fields":{"event_name":"C","user_id":"u"}}]}`)
	process(t, client, d.For(profiles.Input{Model: "orders"}), records(t, `{"type":"track"}`))
	var got []any
	for _, m := range sent.Messages(t) {
		got = append(got, m.Fields["event"])
	}
	if fmt.Sprint(got) != "[B C]" {
		t.Errorf("sent %v, want those of the model and of none", got)
	}
	if err := client.Check(d.For(profiles.Input{Model: "oders"})); err == nil {
		t.Error("a model that no mapping has passes")
	}
}

func TestInvalidRecordsDoNotStopTheRest(t *testing.T) {
	client, server := newServed(t)
	outcomes := process(t, client, shop(t), records(t,
		`{"type":"group","userId":"u1"}`,
		`{"type":"group","userId":"u1","groupId":"g1","traits":"a@b.co"}`,
		`{"type":"identify","messageId":"m","userId":"u2","timestamp":"a@b.co","traits":{"email":"x@y.z"}}`,
		`{"type":"group","userId":"u3","groupId":"g1"}`,
	))
	var got []profiles.Status
	for _, o := range outcomes {
		got = append(got, o.Status)
		if err := o.Err(); err != nil && strings.Contains(err.Error(), "a@b.co") {
			t.Errorf("the error shows a value: %v", err)
		}
	}
	if fmt.Sprint(got) != "[invalid invalid invalid accepted]" {
		t.Errorf("statuses %v", got)
	}
	if len(outcomes[2].Outcomes) != 2 {
		t.Errorf("the third record has %d outcomes, want one for each mapping", len(outcomes[2].Outcomes))
	}
	if s := server.Stats(); s.Kept != 1 {
		t.Errorf("the server kept %d messages, want 1", s.Kept)
	}
}

// numbered is a source of n records that counts how many were read.
func numbered(n int, read *int) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for i := range n {
			*read++
			r := profiles.Record{"type": "identify", "messageId": fmt.Sprint("m", i), "userId": fmt.Sprint("u", i%7), "traits": map[string]any{"n": i}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestOutcomesComeInOrderWithinTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 100, EventsPerSecond: -1, RequestsPerSecond: -1})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Fail(transport.Retry, transport.Accepted, transport.Retry, transport.Retry)
		read, next := 0, 0
		for o, err := range client.Process(t.Context(), shop(t), numbered(1000, &read)) {
			if err != nil {
				t.Fatal(err)
			}
			if o.Index != next || o.Status != profiles.Accepted {
				t.Fatalf("outcome %d is of record %d, %s", next, o.Index, o.Status)
			}
			next++
			synctest.Wait()
			if read > o.Index+102 {
				t.Fatalf("%d records were read when the outcome of record %d came, with a window of 100", read, o.Index)
			}
		}
		if next != 1000 {
			t.Errorf("%d outcomes of 1000 records", next)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOutcomesDoNotWaitForTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := profiles.New(profiles.Config{Transport: new(transporttest.Recorder), WriteKey: spaceKey})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		slow := func(yield func(profiles.Record, error) bool) {
			for i := range 2 {
				if !yield(profiles.Record{"type": "identify", "userId": fmt.Sprint(i)}, nil) {
					return
				}
				time.Sleep(time.Hour)
			}
		}
		var at []time.Duration
		for _, err := range client.Process(t.Context(), shop(t), slow) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(start))
		}
		if len(at) != 2 || at[0] > time.Second || at[1] > time.Hour+time.Second {
			t.Errorf("outcomes came after %v, want soon after their records", at)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakCancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		outcomes := make(map[profiles.Status]int)
		client, err := profiles.New(profiles.Config{
			Transport: recorder, WriteKey: spaceKey, Lanes: 1, BatchMessages: 50, EventsPerSecond: -1, RequestsPerSecond: -1,
			Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) { outcomes[o.Status]++ }},
		})
		if err != nil {
			t.Fatal(err)
		}
		source := func(yield func(profiles.Record, error) bool) {
			read := 0
			for r, err := range numbered(1000, &read) {
				if read == 100 {
					time.Sleep(time.Second) // the first ones are accepted meanwhile
				}
				if !yield(r, err) {
					return
				}
			}
		}
		for range client.Process(t.Context(), shop(t), source) {
			recorder.Hold()
			time.Sleep(2 * time.Second) // all the others are queued, some of them are on the wire
			go func() {
				time.Sleep(time.Second)
				recorder.Release()
			}()
			break
		}
		synctest.Wait()
		sent := len(recorder.Messages())
		if sent < 99 || outcomes[profiles.Accepted] != sent || outcomes[profiles.Canceled] == 0 || outcomes[profiles.Accepted]+outcomes[profiles.Canceled] != client.Stats().Admitted {
			t.Errorf("outcomes %v, with %d sent and %d admitted", outcomes, sent, client.Stats().Admitted)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 100})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			time.Sleep(2 * time.Second)
			recorder.Release()
		}()
		read := 0
		var last error
		var statuses []profiles.Status
		for o, err := range client.Process(ctx, shop(t), numbered(1000, &read)) {
			if last = err; err == nil {
				statuses = append(statuses, o.Status)
			}
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("the range ended with %v", last)
		}
		if len(statuses) != 100 {
			t.Errorf("%d outcomes came for the 100 records that were read", len(statuses))
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The source had no more records when the context ended, but not all of them were accepted: that is not a good end.
func TestContextEndsTheRangeOfADrainedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, AttemptTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		read, checkpoint := 0, 0
		var last error
		for o, err := range client.Process(ctx, shop(t), numbered(50, &read)) {
			if last = err; err == nil && o.Done() {
				checkpoint++
			}
		}
		if !errors.Is(last, context.DeadlineExceeded) || checkpoint != 0 {
			t.Errorf("the range ended with %v, the checkpoint at %d", last, checkpoint)
		}
		recorder.Release()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownEndsTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = client.Shutdown(ctx) // gives up everything: that is the point
		}()
		read := 0
		var last error
		for _, err := range client.Process(t.Context(), shop(t), numbered(50, &read)) {
			last = err
		}
		if !errors.Is(last, profiles.ErrClosed) {
			t.Errorf("the range ended with %v", last)
		}
	})
}

func TestDoneSaysWhetherACheckpointMayMove(t *testing.T) {
	for _, c := range []struct {
		name string
		fail transport.Class
		send string
		want bool
	}{
		{"accepted", transport.Accepted, `{"type":"group","userId":"u","groupId":"g"}`, true},
		{"skipped", transport.Accepted, `{"type":"page"}`, true},
		{"invalid", transport.Accepted, `{"type":"group","userId":"u"}`, true},
		{"rejected for what it holds", transport.Split, `{"type":"group","userId":"u","groupId":"g"}`, true},
		{"rejected for the key", transport.Credentials, `{"type":"group","userId":"u","groupId":"g"}`, false},
		{"rejected for the endpoint", transport.Configuration, `{"type":"group","userId":"u","groupId":"g"}`, false},
	} {
		client, sent := profilestest.NewClient(t)
		sent.Recorder().Fail(c.fail)
		if o := process(t, client, shop(t), records(t, c.send))[0]; o.Done() != c.want {
			t.Errorf("%s (%s): Done is %v", c.name, o.Status, o.Done())
		}
	}
}

func TestBadRecordsAreInvalidAndTheRestGoOn(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	broken := errors.New("line 2: not JSON")
	source := func(yield func(profiles.Record, error) bool) {
		_ = yield(profiles.Record{"type": "identify", "userId": "u1"}, nil) &&
			yield(nil, &profiles.BadRecord{Err: broken}) &&
			yield(profiles.Record{"type": "identify", "userId": "u2"}, nil)
	}
	outcomes := process(t, client, shop(t), source)
	if len(outcomes) != 3 || outcomes[1].Status != profiles.Invalid || outcomes[1].Index != 1 || !errors.Is(outcomes[1].Err(), broken) || !outcomes[1].Done() {
		t.Errorf("outcomes %+v", outcomes)
	}
	if outcomes[0].Status != profiles.Accepted || outcomes[2].Status != profiles.Accepted {
		t.Errorf("the good records ended %s and %s", outcomes[0].Status, outcomes[2].Status)
	}
}

// carrier is a transport made of a function.
type carrier func(ctx context.Context, b *transport.Batch) transport.Result

func (c carrier) Deliver(ctx context.Context, b *transport.Batch) transport.Result { return c(ctx, b) }

func TestRecordsThatWereNeverSentAreNotDone(t *testing.T) {
	for _, c := range []struct {
		name   string
		result transport.Result
	}{
		{"everything is refused", transport.Result{Class: transport.Split, Status: 400}},
		{"the key is refused by a transport with errors of its own", transport.Result{Class: transport.Credentials, Err: errors.New("no such key")}},
		{"the key is refused by a transport without an error", transport.Result{Class: transport.Credentials}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int32
			client, err := profiles.New(profiles.Config{WriteKey: spaceKey, Transport: carrier(func(context.Context, *transport.Batch) transport.Result {
				requests.Add(1)
				time.Sleep(time.Millisecond)
				return c.result
			})})
			if err != nil {
				t.Fatal(err)
			}
			read, unsent := 0, 0
			for o, err := range client.Process(t.Context(), shop(t), numbered(3000, &read)) {
				if err != nil {
					t.Fatal(err)
				}
				if o.Done() && o.Outcomes[0].Attempts == 0 {
					unsent++
				}
			}
			if unsent > 0 || requests.Load() > 110 {
				t.Errorf("%s: %d records are done that were never sent; %d requests were made", c.name, unsent, requests.Load())
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A loop body that is slower than the rate keeps the window full: that must not cut batches small.
func TestSlowLoopBodyDoesNotCutBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := profiles.New(profiles.Config{Transport: new(transporttest.Recorder), WriteKey: spaceKey, Window: 1000})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		start := time.Now()
		for range client.Process(t.Context(), shop(t), numbered(10_000, &read)) {
			time.Sleep(time.Millisecond)
		}
		if s := client.Stats(); s.Requests > 400 {
			t.Errorf("10,000 records took %d requests", s.Requests)
		}
		if took := time.Since(start); took > 13*time.Second {
			t.Errorf("10,000 records at 1,000 a second took %v", took)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsWhileTheLoopBodyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, EventsPerSecond: 10})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		read, first := 0, true
		for range client.Process(ctx, shop(t), numbered(2000, &read)) {
			if first {
				first = false
				time.Sleep(time.Minute)
				synctest.Wait()
				if sent := len(recorder.Messages()); sent > 40 {
					t.Errorf("%d messages were sent, though the context ended after 2 s at 10 a second", sent)
				}
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryRecordThatWasReadHasAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 5, AttemptTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		read, outcomes := 0, 0
		for _, err := range client.Process(ctx, shop(t), numbered(100, &read)) {
			if err == nil {
				outcomes++
			}
		}
		if read != outcomes || read != 5 {
			t.Errorf("%d records were read, and %d had an outcome, with a window of 5", read, outcomes)
		}
		recorder.Release()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSourceThatEndsItsGoroutineHasNotEndedWell(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	for _, before := range []int{0, 3} {
		source := func(yield func(profiles.Record, error) bool) {
			for range before {
				yield(profiles.Record{"type": "identify", "userId": "u"}, nil)
			}
			runtime.Goexit()
		}
		outcomes := 0
		var last error
		for _, err := range client.Process(t.Context(), shop(t), source) {
			if last = err; err == nil {
				outcomes++
			}
		}
		if last == nil || outcomes != before {
			t.Errorf("after %d records: %d outcomes, then %v", before, outcomes, last)
		}
	}
}

func TestIDsDependOnTheProfileSpace(t *testing.T) {
	_, server := newServed(t)
	for _, key := range []string{"staging-key", "production-key"} {
		client := newClient(t, profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey(key)})
		process(t, client, shop(t).For(profiles.Input{Name: "rows"}), records(t, `{"type":"group","userId":"u1","groupId":"g1"}`))
	}
	if s := server.Stats(); s.Kept != 2 || s.Duplicates != 0 {
		t.Errorf("the server kept %d messages and took %d for duplicates", s.Kept, s.Duplicates)
	}
}

func TestSourceErrorEndsTheRangeAfterTheOutcomes(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	broken := errors.New("disk on fire")
	source := func(yield func(profiles.Record, error) bool) {
		for i := range 10 {
			if !yield(profiles.Record{"type": "identify", "userId": fmt.Sprint(i)}, nil) {
				return
			}
		}
		yield(nil, broken)
	}
	var accepted int
	var last error
	for o, err := range client.Process(t.Context(), shop(t), source) {
		if err != nil {
			last = err
		} else if o.Status == profiles.Accepted {
			accepted++
		}
	}
	if last != broken || accepted != 10 {
		t.Errorf("accepted %d, then %v", accepted, last)
	}
}

func TestSourcePanicReachesTheCaller(t *testing.T) {
	client, sent := profilestest.NewClient(t)
	source := func(yield func(profiles.Record, error) bool) {
		yield(profiles.Record{"type": "identify", "userId": "u"}, nil)
		panic("source")
	}
	defer func() {
		if p := recover(); p != "source" {
			t.Errorf("recovered %v", p)
		}
		if got := len(sent.Messages(t)); got != 1 {
			t.Errorf("%d messages were sent", got)
		}
	}()
	for range client.Process(t.Context(), shop(t), source) {
	}
	t.Error("Process returned")
}

func TestSourcePanicReachesTheCallerAfterABreak(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	source := func(yield func(profiles.Record, error) bool) {
		for yield(profiles.Record{"type": "identify", "userId": "u"}, nil) {
		}
		panic("clean-up")
	}
	defer func() {
		if p := recover(); p != "clean-up" {
			t.Errorf("recovered %v", p)
		}
	}()
	for range client.Process(t.Context(), shop(t), source) {
		break
	}
	t.Error("Process returned")
}

func TestRecordsAreNotWrittenTo(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	payload := `{"type":"identify","messageId":"m","userId":"u","traits":{"email":"A@B.co","plan":null,"newsletter":"true"}}`
	r := record(t, payload)
	process(t, client, shop(t), func(yield func(profiles.Record, error) bool) { yield(r, nil) })
	if diff := cmp.Diff(record(t, payload), r); diff != "" {
		t.Errorf("the record has changed:\n%s", diff)
	}
}

func TestRepeatedRecordIsSentOnceAndBothAreAccepted(t *testing.T) {
	client, server := newServed(t)
	same := `{"type":"identify","messageId":"m","userId":"u","traits":{"plan":"a"}}`
	other := `{"type":"identify","messageId":"m","userId":"u","traits":{"plan":"b"}}`
	var got []profiles.Status
	for _, o := range process(t, client, shop(t), records(t, same, same, other)) {
		got = append(got, o.Status)
	}
	if fmt.Sprint(got) != "[accepted accepted invalid]" || server.Stats().Messages != 1 {
		t.Errorf("statuses %v, and the server was sent %d messages", got, server.Stats().Messages)
	}
}

func TestReport(t *testing.T) {
	client, _ := newServed(t)
	d := shop(t)
	before := client.Stats()
	r := profiles.NewReport(d)
	for o, err := range client.Process(t.Context(), d, records(t,
		`{"type":"identify","messageId":"m","userId":"u","traits":{"email":"a@b.co","newsletter":"nonsense"}}`,
		`{"type":"group","userId":"u","groupId":"g"}`,
		`{"type":"page"}`,
	)) {
		if err != nil {
			t.Fatal(err)
		}
		r.Add(o)
	}
	r.Finish(before, client.Stats(), 2*time.Second)
	want := profiles.Report{Records: 3, Matched: 2, Messages: 3, Accepted: 2, Invalid: 1, Skipped: 1, DurationSeconds: 2}
	got := *r
	got.Mappings, got.Requests, got.BytesBody, got.BytesWire = nil, 0, 0, 0
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".places" }, cmp.Ignore())); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if r.Requests == 0 || r.BytesBody == 0 || r.Failed() != 1 || len(r.Mappings) != 5 || r.Mappings[1].Invalid != 1 {
		t.Errorf("report %+v", r)
	}
}
