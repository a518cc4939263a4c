package profiles

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// benchDestination has a trigger and a mapping of six directives: paths, a case, a template and a condition.
const benchDestination = `{"mappings": [{"id": "people", "action": "sendIdentify", "trigger": "type = \"identify\" and traits.plan != \"free\"", "fields": {
  "user_id": {"@path": "$.userId"},
  "message_id": {"@path": "$.messageId"},
  "traits": {
    "email": {"@case": {"operator": "lower", "value": {"@path": "$.traits.email"}}},
    "name": {"@template": "{{traits.first_name}} {{traits.last_name}}"},
    "tier": {"@if": {"exists": {"@path": "$.traits.mrr"}, "then": "paying", "else": "free"}},
    "mrr": {"@path": "$.traits.mrr"}
  }}}]}`

func benchRecord() Record {
	return Record{
		"type": "identify", "userId": "user-100001", "messageId": "message-100001",
		"traits": map[string]any{
			"email": "Ada.Lovelace@example.com", "first_name": "Ada", "last_name": "Lovelace", "company": "Analytical Engines",
			"plan": "enterprise", "lifecycle_stage": "customer", "city": "London", "country": "GB", "seats": 25, "mrr": 1249.5,
			"trial": false, "created_at": "2024-03-01T09:30:00Z",
		},
	}
}

// BenchmarkRecord is a record on its way to a message: trigger, mapping, validation, encoding.
func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name string
		id   any
	}{{"own id", "message-100001"}, {"derived id", nil}} {
		b.Run(c.name, func(b *testing.B) {
			dest, err := ParseDestination([]byte(benchDestination))
			if err != nil {
				b.Fatal(err)
			}
			rec := benchRecord()
			rec["messageId"] = c.id
			space := NewWriteKey("benchmark-write-key")
			var drafts []draft
			var objects mapping.Objects
			var body []byte
			var h messageid.Hasher
			b.ReportAllocs()
			for b.Loop() {
				drafts, _ = dest.drafts(rec, origin{space: space}, drafts[:0], &objects)
				if body, _, err = dest.encode(body[:0], &drafts[0], &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The ceilings hold on every machine: what is measured is not time.
func TestAllocationsOfARecord(t *testing.T) {
	dest, err := ParseDestination([]byte(benchDestination))
	if err != nil {
		t.Fatal(err)
	}
	rec := benchRecord()
	space := NewWriteKey("benchmark-write-key")
	var drafts []draft
	var objects mapping.Objects
	var body []byte
	var h messageid.Hasher
	n := testing.AllocsPerRun(1000, func() {
		drafts, _ = dest.drafts(rec, origin{space: space}, drafts[:0], &objects)
		body, _, err = dest.encode(body[:0], &drafts[0], &h)
	})
	if err != nil || n > 5 {
		t.Errorf("a record takes %v allocations, want 5 at most; %v", n, err)
	}
}

// A typed message from Enqueue to its outcome, the hook's included, once its action is made: what there is of allocations is shared by many
// messages. The race detector lets go of pooled memory at random, which costs some more.
func TestAllocationsOfATypedMessage(t *testing.T) {
	told := 0
	c, err := New(Config{
		Transport: allTaken{}, WriteKey: NewWriteKey("benchmark-write-key"), EventsPerSecond: -1, RequestsPerSecond: -1, Lanes: 1,
		Hooks: Hooks{Outcome: func(o Outcome) {
			if o.MessageID != "" && o.Status == Accepted {
				told++
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var event actions.Action = actions.SendIdentify{UserID: "user-100001", Traits: actions.Traits{"email": "ada@example.com", "plan": "enterprise", "seats": 25}}
	send := func(n int) {
		for range n {
			if err := c.Enqueue(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const n = 20_000
	send(n) // the memory that is used again
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	send(n)
	runtime.ReadMemStats(&after)
	ceiling := 0.5
	if raceDetector() {
		ceiling = 4
	}
	each := float64(after.Mallocs-before.Mallocs) / n
	t.Logf("%.2f allocations a message", each)
	if each > ceiling || told != 2*n {
		t.Errorf("a message takes %.2f allocations, want %v at most; %d outcomes of %d", each, ceiling, told, 2*n)
	}
}

// raceDetector tells whether this was built with it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// allTaken takes every batch.
type allTaken struct{}

func (allTaken) Deliver(context.Context, *transport.Batch) transport.Result {
	return transport.Result{Class: transport.Accepted, Status: 200}
}
