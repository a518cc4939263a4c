package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A result is what a run of the program left behind.
type result struct {
	code           int
	stdout, stderr string
}

// runSync runs the program with an empty standard input.
func runSync(t *testing.T, args ...string) result {
	t.Helper()
	return runSyncFrom(t, strings.NewReader(""), args...)
}

func runSyncFrom(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), nil, args, stdin, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// require ends the test unless the program ended with code and said each of the texts somewhere.
func (r result) require(t *testing.T, code int, said ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit status %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.stdout, r.stderr)
	}
	for _, text := range said {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("it did not say %q\nstdout:\n%s\nstderr:\n%s", text, r.stdout, r.stderr)
		}
	}
}

// file writes a file of the test's own and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newFile returns the path of a file that is not there yet.
func newFile(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), name)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readReport reads what -report wrote.
func readReport(t *testing.T, path string) syncReport {
	t.Helper()
	var r syncReport
	if err := json.Unmarshal([]byte(read(t, path)), &r); err != nil {
		t.Fatalf("the report: %v", err)
	}
	return r
}

// readDeadLetters reads what -dead-letter wrote.
func readDeadLetters(t *testing.T, path string) []profiles.DeadLetter {
	t.Helper()
	var letters []profiles.DeadLetter
	for l, err := range profiles.ReadDeadLetters(strings.NewReader(read(t, path))) {
		if err != nil {
			t.Fatalf("dead letter %d: %v", len(letters)+1, err)
		}
		letters = append(letters, l)
	}
	return letters
}

// identify is a destination of one mapping, which sends a record's userId and traits.
const identify = `{"region": "europe", "mappings": [
  {"id": "people", "action": "sendIdentify", "trigger": "type = \"identify\"", "fields": {
    "engage_space": "space-1", "user_id": {"@path": "$.userId"}, "traits": {"@path": "$.traits"}
  }}
]}`

var space1 = profiles.NewWriteKey("space-1")

func TestSample(t *testing.T) {
	r := runSync(t, "-events", "sample")
	r.require(t, 0, "13 records, 13 messages, all accepted", "Nothing leaves this machine")
	_, arrived, _ := strings.Cut(r.stdout, "Arrived")
	compareGolden(t, "sample.golden", "Arrived"+arrived)
}

func TestDryRun(t *testing.T) {
	server := transporttest.NewServer(t)
	report := newFile(t, "report.json")
	r := runSync(t, "-dry-run", "-endpoint", server.URL(), "-report", report)
	r.require(t, 0, "13 records, 13 messages: none sent")
	compareGolden(t, "dry-run.golden", r.stdout)
	if n := server.Stats().Requests; n != 0 {
		t.Errorf("%d requests came in a dry run", n)
	}
	got := readReport(t, report)
	if !got.DryRun || got.Messages != 13 || got.Accepted != 0 || got.Skipped != 3 {
		t.Errorf("the report is %+v with %+v", got, *got.Report)
	}
}

// What a dry run prints is what a real one sends.
func TestDryRunIsWhatIsSent(t *testing.T) {
	server := transporttest.NewServer(t)
	dry := runSync(t, "-dry-run")
	runSync(t, "-endpoint", server.URL()).require(t, 0)
	sent := make(map[string]bool)
	for _, e := range server.Events() {
		sent[string(e.Raw)] = true
	}
	lines := strings.Split(strings.TrimSuffix(dry.stdout, "\n"), "\n")
	if len(lines) != len(sent) {
		t.Errorf("%d messages were printed and %d sent", len(lines), len(sent))
	}
	for _, line := range lines {
		if !sent[line] {
			t.Errorf("printed, but not sent: %s", line)
		}
	}
}

func TestDryRunOfInvalid(t *testing.T) {
	dead := newFile(t, "dead.ndjson")
	events := `{"type":"identify","traits":{"a":1}}` + "\n" + `{"type":"identify","userId":"u1"}` + "\n"
	r := runSyncFrom(t, strings.NewReader(events), "-dry-run", "-destination", file(t, "d.json", identify), "-events", "-", "-dead-letter", dead)
	r.require(t, 2, "standard input:1: mapping people: User ID", "1 invalid")
	if n := strings.Count(r.stdout, "\n"); n != 1 {
		t.Errorf("%d lines on standard output, want one message:\n%s", n, r.stdout)
	}
	if letters := readDeadLetters(t, dead); len(letters) != 1 || string(letters[0].Event) == "" {
		t.Errorf("dead letters are %+v", letters)
	}
}

func TestHelp(t *testing.T) {
	r := runSync(t, "-h")
	r.require(t, 0, "Nothing leaves this machine unless -endpoint or -region is given")
	if r.stdout != usage {
		t.Errorf("-h printed %q", r.stdout)
	}
}

func TestStdin(t *testing.T) {
	server := transporttest.NewServer(t)
	events := "\ufeff" + `{"type":"identify","userId":"u1","traits":{"big":9007199254740993}}` + "\r\n\r\n" + `{"type":"identify","userId":"u2"}`
	for range 2 { // standard input has no name, so that the ids are new and nothing is taken for a duplicate
		r := runSyncFrom(t, strings.NewReader(events), "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL())
		r.require(t, 0, "2 records, 2 messages, all accepted")
	}
	if got := server.Space(space1).Profile("u1").Traits["big"]; got != json.Number("9007199254740993") {
		t.Errorf("the integer arrived as %v", got)
	}
	if stats := server.Stats(); stats.Kept != 4 || stats.Duplicates != 0 {
		t.Errorf("%d kept and %d duplicates, want 4 and none", stats.Kept, stats.Duplicates)
	}
}

// A file has a name, and so its records have the same ids each time: Segment drops the repeats.
func TestFileAgain(t *testing.T) {
	server := transporttest.NewServer(t)
	events := file(t, "events.ndjson", `{"type":"identify","userId":"u1"}`+"\n"+`{"type":"identify","userId":"u1"}`)
	for range 2 {
		runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL()).require(t, 0)
	}
	if stats := server.Stats(); stats.Kept != 2 || stats.Duplicates != 2 {
		t.Errorf("%d kept and %d duplicates, want 2 and 2", stats.Kept, stats.Duplicates)
	}
}

// Two mappings that pass one record's messageId on: neither message is lost as a repeat of the other.
func TestTwoMappingsOfOneRecord(t *testing.T) {
	server := transporttest.NewServer(t)
	destination := `{"mappings": [
	  {"id": "name", "action": "sendIdentify", "trigger": "type = \"identify\"", "fields": {"engage_space": "space-1",
	    "user_id": {"@path": "$.userId"}, "message_id": {"@path": "$.messageId"}, "traits": {"name": {"@path": "$.traits.name"}}}},
	  {"id": "plan", "action": "sendIdentify", "trigger": "type = \"identify\"", "fields": {"engage_space": "space-1",
	    "user_id": {"@path": "$.userId"}, "message_id": {"@path": "$.messageId"}, "traits": {"plan": {"@path": "$.traits.plan"}}}}
	]}`
	events := file(t, "events.ndjson", `{"type":"identify","userId":"u1","messageId":"m1","traits":{"name":"Ada","plan":"pro"}}`)
	r := runSync(t, "-destination", file(t, "d.json", destination), "-events", events, "-endpoint", server.URL())
	r.require(t, 0, "1 records, 2 messages, all accepted")
	if n := len(server.Events()); n != 2 || server.Stats().Kept != 2 {
		t.Errorf("the server has %d events, want two that are kept", n)
	}
	if p := server.Profile("u1"); p.Traits["name"] != "Ada" || p.Traits["plan"] != "pro" {
		t.Errorf("the profile has %v", p.Traits)
	}
}

func TestWriteKey(t *testing.T) {
	server := transporttest.NewServer(t)
	d := file(t, "d.json", strings.Replace(identify, `"engage_space": "space-1", `, "", 1))
	events := file(t, "events.ndjson", `{"type":"identify","userId":"u1"}`)
	runSync(t, "-destination", d, "-events", events, "-endpoint", server.URL()).require(t, 1, d+`: mapping "people" has no Profile Space`, "-write-key")
	if n := server.Stats().Requests; n != 0 {
		t.Errorf("%d requests came without a write key", n)
	}
	runSync(t, "-destination", d, "-events", events, "-endpoint", server.URL(), "-write-key", "space-2").require(t, 0)
	if p := server.Space(profiles.NewWriteKey("space-2")).Profile("u1"); p.ID != "u1" {
		t.Error("the message did not reach the Profile Space of -write-key")
	}
}

func TestRegion(t *testing.T) {
	d := file(t, "d.json", identify)
	events := file(t, "events.ndjson", `{"type":"identify","userId":"u1"}`)
	runSync(t, "-dry-run", "-destination", d, "-events", events, "-region", "north_america").require(t, 1, d+": /region: is europe, and the client's is north_america")
	runSync(t, "-dry-run", "-destination", d, "-events", events, "-region", "europe").require(t, 0)
	server := transporttest.NewServer(t)
	runSync(t, "-destination", d, "-events", events, "-region", "north_america", "-endpoint", server.URL()).require(t, 0)
	if server.Stats().Kept != 1 {
		t.Error("with -endpoint the destination's region need not match, but nothing came")
	}
}

func TestRate(t *testing.T) {
	server := transporttest.NewServer(t)
	events := file(t, "events.ndjson", strings.Repeat(`{"type":"identify","userId":"u1"}`+"\n", 60))
	report := newFile(t, "report.json")
	runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL(), "-rate", "60", "-report", report).require(t, 0)
	// The first quarter of a second's worth goes at once.
	if r := readReport(t, report); r.DurationSeconds < 0.7 {
		t.Errorf("60 messages at 60 a second took %.2f s", r.DurationSeconds)
	}
	runSync(t, "-rate", "-1").require(t, 0)
}

func TestSkippedIsNotFailed(t *testing.T) {
	server := transporttest.NewServer(t)
	events := file(t, "events.ndjson", `{"type":"page"}`)
	runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL()).require(t, 0, "1 records, 0 messages\n", "1 were skipped")
	runSync(t, "-destination", file(t, "d.json", identify), "-events", os.DevNull, "-endpoint", server.URL()).require(t, 0, "0 records, 0 messages\n")
}

// compareGolden compares with a file of testdata; UPDATE_GOLDEN=1 writes it instead.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); got != want {
		t.Errorf("%s differs; it was\n%s", name, got)
	}
}
