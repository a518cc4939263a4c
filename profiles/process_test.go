package profiles_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
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

// The source had no more records when the context ended, but not all of them were accepted: that is not a good end.
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

// A loop body that is slower than the rate keeps the window full: that must not cut batches small.
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
