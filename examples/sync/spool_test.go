package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestSpoolNeedsAnEndpoint(t *testing.T) {
	dir := newFile(t, "spool")
	runSync(t, "-spool", dir).require(t, 1, "-spool: needs -endpoint or -region")
	runSync(t, "-spool", dir, "-dry-run").require(t, 0)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a dry run made the spool, or: %v", err)
	}
}

// interrupted runs n events against a server that is not willing, interrupts once they are in the spool, and then again as often as
// it is told.
func interrupted(t *testing.T, server *transporttest.Server, n, again int, dir string, args ...string) result {
	t.Helper()
	server.FailAlways(transporttest.Status(503))
	var events strings.Builder
	for i := range n {
		fmt.Fprintf(&events, `{"type":"identify","userId":"u%d"}`+"\n", i)
	}
	s := start(t, append([]string{
		"-destination", file(t, "d.json", identify), "-events", file(t, "events.ndjson", events.String()), "-endpoint", server.URL(), "-spool", dir,
	}, args...)...)
	until(t, "all events in the spool", func() bool { return spooledMessages(dir) == n })
	for range 1 + again {
		s.interrupts <- os.Interrupt
	}
	return <-s.ended
}

// What an interrupt leaves is kept, done with for the checkpoint, no failure, and delivered by the next run.
func TestSpoolKeeps(t *testing.T) {
	server := transporttest.NewServer(t)
	dir, report, dead, path := newFile(t, "spool"), newFile(t, "report.json"), newFile(t, "dead.ndjson"), newFile(t, "checkpoint.json")
	r := interrupted(t, server, 30, 1, dir, "-report", report, "-dead-letter", dead, "-checkpoint", path)
	r.require(t, 2, "stays in the spool", "30 messages are kept in the spool")
	if got := readReport(t, report); got.Kept != 30 || got.Accepted+got.Canceled+got.Exhausted+got.Rejected != 0 {
		t.Errorf("the report is %s", read(t, report))
	}
	if n := len(readDeadLetters(t, dead)); n != 0 {
		t.Errorf("there are %d dead letters", n)
	}
	if got := read(t, path); !strings.Contains(got, `"records":30}`) {
		t.Errorf("the checkpoint is %s, want 30 records", got)
	}
	server.Heal()
	args := []string{"-destination", file(t, "d.json", identify), "-events", os.DevNull, "-endpoint", server.URL(), "-spool", dir}
	runSync(t, args...).require(t, 0, "30 messages that a former run had left in the spool were accepted")
	if n := server.Stats().Kept; n != 30 {
		t.Errorf("the server kept %d messages, want 30", n)
	}
	runSync(t, args...).require(t, 0, "0 records, 0 messages\n")
}

// One interrupt is enough: the end comes by itself.
func TestSpoolDrainEnds(t *testing.T) {
	t.Parallel()
	server := transporttest.NewServer(t)
	begun := time.Now()
	interrupted(t, server, 5, 0, newFile(t, "spool")).require(t, 2, "5 messages are kept in the spool")
	if took := time.Since(begun); took < drainTime || took > 2*drainTime {
		t.Errorf("it took %s, want about %s", took, drainTime)
	}
}

// What a former run left and the server refuses is a failure of this run, with its message.
func TestSpoolOfRefusedMessages(t *testing.T) {
	server := transporttest.NewServer(t)
	dir, dead, report := newFile(t, "spool"), newFile(t, "dead.ndjson"), newFile(t, "report.json")
	interrupted(t, server, 10, 1, dir).require(t, 2)
	server.Heal()
	server.RejectWhere(func(m map[string]any) bool { return m["userId"] == "u3" || m["userId"] == "new" })
	events := file(t, "more.ndjson", `{"type":"identify","userId":"new"}`)
	r := runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL(), "-spool", dir, "-dead-letter", dead, "-report", report)
	r.require(t, 2, "more.ndjson:1: mapping people: rejected: ", "and 1 messages failed that a former run had left in the spool", "9 messages that a former run had left")
	letters := readDeadLetters(t, dead)
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	for _, l := range letters {
		own := strings.Contains(string(l.Message), `"new"`) // and the other is of a record that only the former run knew
		if l.HTTPStatus != 400 || l.MessageID == "" || l.Message == nil || (l.Line == 1) != own || (l.Record != nil) != own {
			t.Errorf("a dead letter is %+v", l)
		}
	}
	if got := readReport(t, report); got.Rejected != 1 || got.Kept != 0 || server.Stats().Kept != 9 {
		t.Errorf("the report is %s", read(t, report))
	}
}
