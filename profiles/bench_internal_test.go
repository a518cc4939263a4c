package profiles

import (
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
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
