package main

import (
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// What the server has refused is sent again once it does not, under the same messageId; what it refuses still is a dead letter again.
func TestReplay(t *testing.T) {
	server := transporttest.NewServer(t)
	refuse := func(ids ...string) {
		server.RejectWhere(func(m map[string]any) bool {
			id, _ := m["userId"].(string)
			return strings.Contains(strings.Join(ids, " "), id)
		})
	}
	d, dead, again := file(t, "d.json", identify), newFile(t, "dead.ndjson"), newFile(t, "again.ndjson")
	events := file(t, "events.ndjson", strings.Join([]string{
		`{"type":"identify","userId":"u1"}`, `{"type":"identify","userId":"u2","traits":{"n":12345678901234567890}}`, `{"type":"identify"}`, `{"type":"identify","userId":"u3"}`,
	}, "\n"))
	refuse("u2", "u3")
	runSync(t, "-destination", d, "-events", events, "-endpoint", server.URL(), "-dead-letter", dead).require(t, 2, "1 accepted, 1 invalid, 2 rejected")

	refuse("u3")
	r := runSync(t, "-destination", d, "-replay", dead, "-endpoint", server.URL(), "-dead-letter", again)
	r.require(t, 2, "3 records, 3 messages: 1 accepted, 1 invalid, 1 rejected", "has no message: process its event")
	first, second := readDeadLetters(t, dead), readDeadLetters(t, again)
	ids := make(map[string]bool)
	for _, l := range first {
		ids[l.MessageID] = true
	}
	if len(second) != 2 {
		t.Fatalf("%d dead letters of the replay", len(second))
	}
	for _, l := range second {
		if !ids[l.MessageID] || l.Line == 0 || l.Mapping != "people" || (l.Status == profiles.Rejected) != strings.Contains(string(l.Message), "u3") {
			t.Errorf("a dead letter of the replay is %#v", l)
		}
	}
	if n := server.Space(space1).Profile("u2").Traits["n"]; n == nil {
		t.Error("the message that was sent again is not there")
	}
	server.Heal()
	runSync(t, "-destination", d, "-replay", again, "-endpoint", server.URL()).require(t, 2, "1 accepted, 1 invalid")
	runSync(t, "-replay", again, "-dead-letter", again).require(t, 1, "is in use for another flag")
	runSync(t, "-replay", again, "-events", events).require(t, 1, "-replay: must not be given beside -events")
	runSync(t, "-replay", events, "-destination", d).require(t, 2, "events.ndjson:1: is no dead letter")
}
