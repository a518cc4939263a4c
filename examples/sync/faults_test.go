package main

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// tracks is a destination of one mapping, whose Profile Space each record names.
const tracks = `{"mappings": [{"id": "tracks", "action": "sendTrack", "trigger": "type = \"track\"", "fields": {
  "engage_space": {"@path": "$.space"}, "user_id": {"@path": "$.userId"}, "event_name": {"@path": "$.event"},
  "properties": {"@path": "$.properties"}}}]}`

// trackRecords writes n records of so many people, in turn, each person of one of so many Profile Spaces.
func trackRecords(n, people, spaces int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"type":"track","event":"E","userId":"u%d","space":"%s-%d","properties":{"n":%d,"email":"%s"}}`+"\n",
			i%people, secretKey, i%people%spaces, i, secret)
	}
	return b.String()
}

// inMemoryAndSpooled runs a test without a spool and with one.
func inMemoryAndSpooled(t *testing.T, f func(t *testing.T, args ...string)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t)
	})
	t.Run("spool", func(t *testing.T) {
		t.Parallel()
		f(t, "-spool", newFile(t, "spool"))
	})
}

// number returns the place in the input of the record that an event was made of.
func number(t *testing.T, e transporttest.Event) int {
	t.Helper()
	properties, _ := e.Message["properties"].(map[string]any)
	n, err := properties["n"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// A server that fails one request in ten, refuses one in thirty for its limits and resets one in twenty before and one in twenty
// after it has taken the batch: every record is accepted, is there once, and in its profile's order.
func TestFaultsOfAllKinds(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, args ...string) {
		const people, spaces = 400, 1
		records := 20_000
		if testing.Short() {
			records = 2_000
		}
		server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
		err := server.SetFaults(transporttest.Faults{
			Seed: 4, ServerError: 0.10, TooManyRequests: 0.03, RetryAfter: time.Second, ResetBefore: 0.05, ResetAfter: 0.05,
		})
		if err != nil {
			t.Fatal(err)
		}
		// How many requests there are depends on how fast the machine is: one of each kind is certain.
		server.Fail(
			transporttest.Status(502), transporttest.Pass(), transporttest.ResetBeforeRead(), transporttest.Pass(),
			transporttest.ResetAfterRead(), transporttest.Pass(), transporttest.TooManyRequests(time.Second),
		)
		report, dead := newFile(t, "report.json"), newFile(t, "dead.ndjson")
		r := runSync(t, append([]string{
			"-destination", file(t, "d.json", tracks), "-events", file(t, "events.ndjson", trackRecords(records, people, spaces)),
			"-endpoint", server.URL(), "-rate", "-1", "-report", report, "-dead-letter", dead,
		}, args...)...)
		r.require(t, 0, fmt.Sprintf("%d records, %d messages, all accepted", records, records))
		r.requireDiscreet(t)
		if got := readReport(t, report); got.Accepted != records || got.Failed() != 0 || got.Kept != 0 || got.Retries == 0 || got.Throttled == 0 {
			t.Errorf("the report is %s", read(t, report))
		}
		if text := read(t, dead); text != "" {
			t.Errorf("there are dead letters: %.200s", text)
		}

		stats := server.Stats()
		t.Logf("%d requests, %v, %d messages came again", stats.Requests, stats.Faults, stats.Duplicates)
		for _, kind := range []transporttest.FaultKind{
			transporttest.FaultStatus, transporttest.FaultTooManyRequests, transporttest.FaultResetBeforeRead, transporttest.FaultResetAfterRead,
		} {
			if stats.Faults[kind] == 0 {
				t.Errorf("the fault was not injected: %s", kind)
			}
		}
		if stats.Kept != records || stats.Dropped != 0 || stats.Duplicates == 0 {
			t.Errorf("the server kept %d messages, dropped %d, and %d came again", stats.Kept, stats.Dropped, stats.Duplicates)
		}
		requireOrder(t, server, records)
	})
}

// requireOrder fails the test unless the server has each record once, behind those of its profile that were before it in the input.
func requireOrder(t *testing.T, server *transporttest.Server, records int) {
	t.Helper()
	seen, last := make(map[int]bool), make(map[string]int)
	for _, e := range server.Events() {
		if e.Status != transporttest.EventKept {
			continue
		}
		n := number(t, e)
		if seen[n] {
			t.Errorf("record %d is there under two ids", n)
		}
		if before, ok := last[e.UserID]; ok && before >= n {
			t.Errorf("record %d of %s came after %d", n, e.UserID, before)
		}
		seen[n], last[e.UserID] = true, n
	}
	if len(seen) != records {
		t.Errorf("%d records of %d are there", len(seen), records)
	}
}

// Five records in 5,000 are of a kind that makes the server refuse the whole batch: they, and only they, are dead letters, each with
// its reason, and they are found by halving, not by asking for each record.
func TestFaultPoisonedRecordsAmongMany(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, args ...string) {
		const records = 5_000
		poisoned := map[int]bool{0: true, 1234: true, 1235: true, 3000: true, 4999: true}
		server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
		server.RejectWhere(func(m map[string]any) bool {
			n, err := m["properties"].(map[string]any)["n"].(json.Number).Int64()
			return err == nil && poisoned[int(n)]
		})
		report, dead := newFile(t, "report.json"), newFile(t, "dead.ndjson")
		r := runSync(t, append([]string{
			"-destination", file(t, "d.json", tracks), "-events", file(t, "events.ndjson", trackRecords(records, 100, 1)),
			"-endpoint", server.URL(), "-rate", "-1", "-report", report, "-dead-letter", dead,
		}, args...)...)
		r.require(t, 2, "5000 records, 5000 messages: 4995 accepted, 5 rejected", "mapping tracks: rejected: ")
		r.requireDiscreet(t)
		if got := readReport(t, report); got.Accepted != records-len(poisoned) || got.Rejected != len(poisoned) || got.Failed() != len(poisoned) || got.Kept != 0 {
			t.Errorf("the report is %s", read(t, report))
		}

		letters := readDeadLetters(t, dead)
		found := make(map[int]bool)
		for _, l := range letters {
			var m struct{ Properties struct{ N int } }
			if err := json.Unmarshal(l.Message, &m); err != nil {
				t.Fatalf("the message of a dead letter: %v", err)
			}
			found[m.Properties.N] = true
			if !poisoned[m.Properties.N] || l.Status != profiles.Rejected || l.HTTPStatus != 400 || l.MessageID == "" || !strings.Contains(l.Reason, "400") {
				t.Errorf("the dead letter of record %d is %s with %d, for %q", m.Properties.N, l.Status, l.HTTPStatus, l.Reason)
			}
		}
		if len(letters) != len(poisoned) || len(found) != len(poisoned) {
			t.Errorf("%d dead letters of %d records, want %d", len(letters), len(found), len(poisoned))
		}

		stats := server.Stats()
		largest, refused := 0, stats.Faults[transporttest.FaultRejected]
		for _, req := range server.Requests() {
			largest = max(largest, req.Messages)
		}
		steps := bits.Len(uint(largest - 1)) // of halving
		t.Logf("%d requests of at most %d messages, %d refused", stats.Requests, largest, refused)
		if refused == 0 || refused > len(poisoned)*(steps+1) {
			t.Errorf("%d requests were refused, want %d at most", refused, len(poisoned)*(steps+1))
		}
		const batches = 40 // into which the records were put at first, generously
		if most := len(poisoned)*2*steps + batches; stats.Requests > most {
			t.Errorf("%d requests, want %d at most", stats.Requests, most)
		}
		if stats.Kept != records-len(poisoned) || stats.Duplicates != 0 {
			t.Errorf("the server kept %d messages, and %d came again", stats.Kept, stats.Duplicates)
		}
		requireOrder(t, server, records-len(poisoned))
	})
}
