package main

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Rows that the server refuses are kept with their reason, and tried again by the next sync.
func TestModelFailures(t *testing.T) {
	w := newTable(t, 20)
	w.server.RejectWhere(func(m map[string]any) bool { return m["userId"] == "7" })
	dead := newFile(t, "dead.ndjson")
	for range 2 {
		r := runSync(t, w.args("-dead-letter", dead)...)
		r.require(t, 2, "partially successful", "failed 1", "mapping people: rejected: ")
	}
	letters := readDeadLetters(t, dead) // of both runs: a row that is given up has its letter
	if len(letters) != 2 || letters[0].Status != profiles.Rejected || letters[0].MessageID != letters[1].MessageID {
		t.Errorf("dead letters are %+v", letters)
	}
	w.server.RejectWhere(func(map[string]any) bool { return false })
	runSync(t, w.args()...).require(t, 0, "1 tried again", "loaded 1, failed 0")
}

// A dry run shows what could not be sent.
func TestModelDryRunOfInvalid(t *testing.T) {
	w := newTable(t, 1)
	w.dest = file(t, "d.json", strings.Replace(people, `"user_id": {"@path": "$.properties.__segment_id"}`, `"user_id": {"@path": "$.properties.nobody"}`, 1))
	r := runSync(t, w.args("-dry-run")...)
	r.require(t, 2, "1 rows would be sent: 1 new", "1 could not be", "  mapping people cannot send it: User ID (user_id)")
}

func TestModelFailureRate(t *testing.T) {
	w := newTable(t, 3000)
	w.dest = file(t, "d.json", strings.Replace(people, `"user_id": {"@path": "$.properties.__segment_id"}`, `"user_id": {"@path": "$.properties.nobody"}`, 1))
	runSync(t, w.args("-max-failure-rate", "0.5", "-rate", "-1")...).require(t, 2, "-max-failure-rate: retl: ", "ended early")
}

func TestModelOfAnEmptyTable(t *testing.T) {
	w := newTable(t, 3)
	runSync(t, w.args()...).require(t, 0)
	w.exec(`DELETE FROM people`)
	w.sent()
	r := runSync(t, w.args()...)
	r.require(t, 1, "the model returned no rows", "-allow-empty")
	if r.stdout != "" {
		t.Errorf("standard output has %q", r.stdout)
	}
	w.requireSent()
	runSync(t, w.args("-allow-empty")...).require(t, 0, "3 deleted")
	w.requireSent("1 deleted", "2 deleted", "3 deleted")
}

// A key that is refused: nothing is lost, and the sync ends at once.
func TestModelOfAnUnknownWriteKey(t *testing.T) {
	w := newTable(t, 3)
	w.server = transporttest.NewServerWith(t, transporttest.ServerConfig{WriteKeys: []profiles.WriteKey{profiles.NewWriteKey("space-2")}})
	runSync(t, w.args()...).require(t, 2, "not delivered 3: the next sync sends them", "status 401")
}

// What a spool holds is delivered, under the ids that the state has.
func TestModelWithSpool(t *testing.T) {
	w := newTable(t, 30)
	dir := newFile(t, "spool")
	w.server.Fail(transporttest.Status(503))
	runSync(t, w.args("-spool", dir)...).require(t, 0, "30 added", "loaded 30")
	if got := w.sent(); len(got) != 30 {
		t.Errorf("it sent %q", got)
	}
	if n := spooledMessages(dir); n != 0 {
		t.Errorf("%d messages are left in the spool", n)
	}
}

// A full disk under the dead letters ends the sync.
func TestModelDeadLettersThatCannotBeWritten(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); runtime.GOOS != "linux" || err != nil {
		t.Skip("there is no " + full)
	}
	w := newTable(t, 3)
	w.server.RejectWhere(func(map[string]any) bool { return true })
	runSync(t, w.args("-dead-letter", full)...).require(t, 1, "-dead-letter: dead letters: write /dev/full")
	runSync(t, w.args("-report", full)...).require(t, 1, "-report: write /dev/full")
}

func TestModelClosedStdout(t *testing.T) {
	w := newTable(t, 3)
	for _, flag := range []string{"-dry-run", "-preflight", "-ordered"} {
		var stderr strings.Builder
		code := run(t.Context(), nil, w.args(flag), strings.NewReader(""), closedPipe{}, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "standard output: ") {
			t.Errorf("%s: exit status %d, and on standard error:\n%s", flag, code, stderr.String())
		}
	}
}

func TestPreflight(t *testing.T) {
	w, report := newTable(t, 3), newFile(t, "report.json")
	runSync(t, w.args("-preflight", "-report", report)...).require(t, 0, "preflight of people to People: 0 problems", "3 of the first 3 rows can be sent")
	if text := read(t, report); !strings.Contains(text, `"checks"`) {
		t.Errorf("the report is %s", text)
	}
	runSync(t, w.args("-preflight", "-key", "nr")...).require(t, 2, `key column "nr" is missing`)
	runSync(t, "-sqlite", w.path, "-query", "SELECT nobody FROM people", "-key", "id", "-destination", w.dest, "-endpoint", w.server.URL(), "-preflight").
		require(t, 2, "rows: "+w.path+": SQL logic error: no such column: nobody")
	if w.requireSent(); exists(w.state) {
		t.Error("a preflight made the state")
	}
}
