package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// What must never be printed: it stands in every input of these tests.
const (
	secretKey = "k3y-that-must-not-show"
	secret    = "someone.private@example.com"
)

func (r result) requireDiscreet(t *testing.T) {
	t.Helper()
	for _, s := range []string{secretKey, secret, "someone.private"} {
		if strings.Contains(r.stdout, s) || strings.Contains(r.stderr, s) {
			t.Errorf("%q was printed\nstdout:\n%s\nstderr:\n%s", s, r.stdout, r.stderr)
		}
	}
}

// What keeps the program from running is told with the file, line and field, and nothing is sent.
func TestCannotRun(t *testing.T) {
	mapping := func(fields string) string {
		return `{"mappings": [{"id": "m", "action": "sendIdentify", "trigger": "type = \"identify\"",
 "fields": {"engage_space": "` + secretKey + `", "user_id": "` + secret + `", ` + fields + `}}]}`
	}
	destination := func(text string) []string { return []string{"-destination", file(t, "d.json", text)} }
	good := file(t, "good.ndjson", `{"type":"identify","userId":"`+secret+`"}`)
	missing := filepath.Join(t.TempDir(), "no", "such")
	tests := []struct {
		name string
		args []string
		said string
	}{
		{"a flag that there is not", []string{"-wirte-key=" + secretKey}, "flag provided but not defined: -wirte-key"},
		{"a flag of bad syntax", []string{"---write-key=" + secretKey}, "bad flag syntax"},
		{"a flag without its value", []string{"-write-key"}, "flag needs an argument: -write-key"},
		{"an argument", []string{secretKey}, "an argument that belongs to no flag"},
		{"a value for -dry-run", []string{"-dry-run=" + secretKey}, "-dry-run: takes no value"},
		{"a value for -adaptive", []string{"-adaptive=" + secretKey}, "-adaptive: takes no value"},
		{"an empty spool", []string{"-spool="}, "-spool: is empty"},
		{"a file for a spool", []string{"-spool", good}, "-spool: "},
		{"a checkpoint of standard input", []string{"-events", "-", "-checkpoint", missing}, "-checkpoint: needs an input that is the same each time"},
		{"no checkpoint directory", []string{"-checkpoint", missing}, "-checkpoint: open " + filepath.Dir(missing)},
		{"the events as checkpoint", []string{"-events", good, "-checkpoint", good}, good + ": is not a checkpoint, or was damaged"},
		{"one file for checkpoint and dead letters", []string{"-checkpoint", good + ".both", "-dead-letter", good + ".both"}, "-dead-letter: write " + good + ".both: is in use"},
		{"a rate in words", []string{"-rate", secretKey}, "-rate: must be a number"},
		{"a rate without end", []string{"-rate", "inf"}, "-rate: must be a number"},
		{"a region that there is not", []string{"-region", secretKey}, "-region: must be north_america or europe"},
		{"a write key with a space", []string{"-write-key", secretKey + " x"}, "-write-key: write key has a character that is not allowed"},
		{"an empty write key", []string{"-write-key", ""}, "-write-key: is empty"},
		{"an empty endpoint", []string{"-endpoint="}, "-endpoint: is empty"},
		{"several flags", []string{"-rate", "x", "-region", "y"}, "-region: must be north_america or europe\n-rate: must be a number"},
		{"an endpoint with credentials", []string{"-endpoint", "https://" + secretKey + "@example.com"}, "-endpoint: "},
		{"an endpoint without TLS", []string{"-endpoint", "http://example.com/" + secretKey}, "-endpoint: "},
		{"no events file", []string{"-events", missing}, "-events: open " + missing},
		{"a directory for events", []string{"-events", t.TempDir()}, "is a directory"},
		{"no destination file", []string{"-destination", missing}, "destination: open " + missing},
		{"no report directory", []string{"-report", missing}, "-report: open " + missing},
		{"no dead-letter directory", []string{"-dead-letter", missing}, "-dead-letter: open " + missing},
		{"the events as report", []string{"-events", good, "-report", good}, "is in use for another flag"},
		{"the events as dead letters", []string{"-events", good, "-dead-letter", good}, "is in use for another flag"},
		{"one file for both outputs", []string{"-report", good + ".out", "-dead-letter", good + ".out"}, "-dead-letter: write " + good + ".out: is in use"},
		{"a destination that is not JSON", destination("{\n\"name\": \"" + secretKey + "\",\n" + secret), "d.json:3: is not JSON"},
		{"an empty destination", destination(""), "d.json:1: is not JSON: it is empty"},
		{"a destination without mappings", destination(`{"name": "` + secretKey + `"}`), "has neither mappings nor subscriptions"},
		{"an unknown region of a destination", destination("{\n\"region\": \"" + secretKey + "\",\"mappings\":[]}"), "d.json:2: /region: must be north_america or europe"},
		{"a field that there is not", destination(mapping(`"usr": "` + secret + `"`)), "d.json:2: /mappings/0/fields/usr: is not a field of sendIdentify"},
		{"a directive that there is not", destination(mapping(`"traits": {"email": {"@lower": "` + secret + `"}}`)), "d.json:2: /mappings/0/fields/traits/email"},
		{"a trigger that does not compile", destination(`{"mappings": [{"action": "sendIdentify", "trigger": "type ~ ` + secret + `", "fields": {}}]}`), "d.json:1: /mappings/0/trigger: "},
		{"a key that Segment could not take", destination(`{"mappings": [{"action": "sendIdentify", "trigger": "type = \"x\"", "fields": {"engage_space": "` + secretKey + ` "}}]}`), "/mappings/0/fields/engage_space: write key has a character"},
		{"a mapping of one model", destination(`{"mappings": [{"id": "m", "model": "people", "action": "sendIdentify", "trigger": "type = \"x\"", "fields": {"engage_space": "` + secretKey + `"}}]}`), `mapping "m" takes the records of one model`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := transporttest.NewServer(t)
			args := test.args
			if !strings.Contains(strings.Join(args, " "), "-endpoint") {
				args = append([]string{"-endpoint", server.URL()}, args...)
			}
			r := runSync(t, args...)
			r.require(t, 1, test.said)
			r.requireDiscreet(t)
			if r.stdout != "" {
				t.Errorf("standard output has %q", r.stdout)
			}
			if n := server.Stats().Requests; n != 0 {
				t.Errorf("%d requests came", n)
			}
		})
	}
	if !strings.Contains(read(t, good), secret) {
		t.Error("a file that was read and to be written has lost its content")
	}
}

// A line that holds no record, and a record that cannot be mapped, are told, counted and kept; the rest go on.
func TestBadLinesAndInvalidRecords(t *testing.T) {
	server := transporttest.NewServer(t)
	events := file(t, "events.ndjson", strings.Join([]string{
		`{"type":"identify","userId":"u1","traits":{"email":"` + secret + `"}}`,
		`{"type":"identify","userId":` + secret,
		``,
		`{"type":"identify","traits":{"email":"` + secret + `"}}`,
		`["` + secret + `"]`,
		`{"type":"identify","userId":"u2"} ` + secret,
		`{"type":"identify","userId":"` + strings.Repeat("x", maxLine) + `"}`,
		`{"type":"identify","userId":"u3","traits":["` + secret + `"]}`,
		`{"type":"page"}`,
		`{"type":"identify","userId":"u4"}`,
	}, "\n"))
	report, dead := newFile(t, "report.json"), file(t, "dead.ndjson", "of the last run\n")
	if err := os.Chmod(dead, 0o644); err != nil {
		t.Fatal(err)
	}
	r := runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL(), "-report", report, "-dead-letter", dead)
	r.require(t, 2,
		"events.ndjson:2: is not JSON: syntax error at byte 29",
		"events.ndjson:4: mapping people: User ID (user_id) or Anonymous ID (anonymous_id) is required [identity_required]",
		"events.ndjson:5: is not a JSON object",
		"events.ndjson:6: something follows the JSON object",
		"events.ndjson:7: the line is longer than 1048576 bytes",
		"events.ndjson:8: mapping people: Traits (traits) must be an object [wrong_type]",
		"9 records, 8 messages: 2 accepted, 6 invalid",
		"4 of the invalid are lines that hold no record",
	)
	r.requireDiscreet(t)

	got := readReport(t, report)
	want := profiles.Report{Records: 9, Matched: 4, Messages: 8, Accepted: 2, Invalid: 6, Skipped: 1}
	if got.Records != want.Records || got.Matched != want.Matched || got.Messages != want.Messages || got.Accepted != want.Accepted ||
		got.Invalid != want.Invalid || got.Skipped != want.Skipped || got.BadLines != 4 || got.Interrupted {
		t.Errorf("the report is %s", read(t, report))
	}
	if m := got.Mappings; len(m) != 1 || m[0].ID != "people" || m[0].Messages != 4 || m[0].Accepted != 2 || m[0].Invalid != 2 {
		t.Errorf("the report's mappings are %+v", m)
	}

	letters := make(map[int]profiles.DeadLetter)
	for _, l := range readDeadLetters(t, dead) {
		letters[l.Line] = l
		if l.Status != profiles.Invalid || l.Reason == "" {
			t.Errorf("line %d has status %v and reason %q", l.Line, l.Status, l.Reason)
		}
	}
	if len(letters) != 6 {
		t.Fatalf("%d dead letters, want 6", len(letters))
	}
	if l := letters[2]; l.Text != `{"type":"identify","userId":`+secret || *l.Record != 1 {
		t.Errorf("the dead letter of a line that is not JSON is %+v", l)
	}
	if l := letters[4]; string(l.Event) != `{"traits":{"email":"`+secret+`"},"type":"identify"}` || *l.Record != 2 || l.Mapping != "people" || l.Message != nil {
		t.Errorf("the dead letter of a record without an id is %+v", l)
	}
	if l := letters[7]; l.Text != "" {
		t.Errorf("%d bytes of a line that is too long are kept", len(l.Text))
	}
	for _, path := range []string{report, dead} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s has the mode %v, want 0600", filepath.Base(path), mode)
		}
	}
}

// Of a batch with poisoned messages the others are accepted; the poisoned are dead letters that can be sent again.
func TestPoisonedRecords(t *testing.T) {
	server := transporttest.NewServer(t)
	server.RejectWhere(func(m map[string]any) bool { return m["userId"] == "poison" })
	var events strings.Builder
	for i := range 100 {
		id := fmt.Sprint("u", i)
		if i == 30 || i == 77 {
			id = "poison"
		}
		fmt.Fprintf(&events, `{"type":"identify","userId":"%s","traits":{"n":%d,"email":"%s"}}`+"\n", id, i, secret)
	}
	dead := newFile(t, "dead.ndjson")
	r := runSync(t, "-destination", file(t, "d.json", strings.ReplaceAll(identify, "space-1", secretKey)),
		"-events", file(t, "events.ndjson", events.String()), "-endpoint", server.URL(), "-dead-letter", dead)
	r.require(t, 2, "100 records, 100 messages: 98 accepted, 2 rejected", "events.ndjson:31: mapping people: rejected: ", "events.ndjson:78: ")
	r.requireDiscreet(t)
	letters := readDeadLetters(t, dead)
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	for i, at := range []int{30, 77} {
		l := letters[i]
		if l.Line != at+1 || *l.Record != at || l.Status != profiles.Rejected || l.HTTPStatus != 400 || l.Attempts == 0 || l.Event != nil {
			t.Errorf("dead letter %d is %+v", i, l)
		}
		var m struct {
			UserID, MessageID string
			Traits            map[string]any
		}
		if err := json.Unmarshal(l.Message, &m); err != nil || m.UserID != "poison" || m.MessageID != l.MessageID || m.Traits["n"] != float64(at) {
			t.Errorf("the message of dead letter %d is %s", i, l.Message)
		}
	}
	if n := server.Stats().Kept; n != 98 {
		t.Errorf("the server has %d messages, want 98", n)
	}
}

// A key that is not accepted ends all messages of its Profile Space, each with its dead letter.
func TestUnknownWriteKey(t *testing.T) {
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{WriteKeys: []profiles.WriteKey{space1}})
	dead := newFile(t, "dead.ndjson")
	events := strings.Repeat(`{"type":"identify","userId":"`+secret+`"}`+"\n", 30)
	r := runSync(t, "-destination", file(t, "d.json", strings.ReplaceAll(identify, "space-1", secretKey)),
		"-events", file(t, "events.ndjson", events), "-endpoint", server.URL(), "-dead-letter", dead)
	r.require(t, 2, "30 records, 30 messages: 30 rejected", "status 401", "and 10 more failures")
	r.requireDiscreet(t)
	if n := strings.Count(r.stderr, "events.ndjson:"); n != maxTold {
		t.Errorf("%d failures were told in full, want %d", n, maxTold)
	}
	if n := len(readDeadLetters(t, dead)); n != 30 {
		t.Errorf("%d dead letters, want 30", n)
	}
}

// A server that is busy for a moment is told of, and changes nothing.
func TestBusyServer(t *testing.T) {
	server := transporttest.NewServer(t)
	server.Fail(transporttest.TooManyRequests(1), transporttest.Status(503))
	report := newFile(t, "report.json")
	r := runSync(t, "-endpoint", server.URL(), "-report", report)
	r.require(t, 0, "messages will be sent again", "all accepted")
	if got := readReport(t, report); got.Retries == 0 || got.Throttled != 1 || got.Requests < 3 || got.BytesBody == 0 || got.BytesWire == 0 {
		t.Errorf("the report is %s", read(t, report))
	}
}

// A full disk under the dead letters ends the sync: a failure that is not kept would be lost.
func TestDeadLettersThatCannotBeWritten(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); runtime.GOOS != "linux" || err != nil {
		t.Skip("there is no " + full)
	}
	d := file(t, "d.json", identify)
	job := start(t, "-destination", d, "-events", "-", "-dead-letter", full)
	if _, err := io.WriteString(job.stdin, "{\n"); err != nil { // and the pipe stays open
		t.Fatal(err)
	}
	r := <-job.ended
	r.require(t, 1, "-dead-letter: dead letters: write /dev/full", "the sync was stopped")
	runSync(t, "-destination", d, "-report", full).require(t, 1, "-report: write /dev/full")
}

// A closedPipe is a standard output that nobody reads.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClosedStdout(t *testing.T) {
	for _, args := range [][]string{{}, {"-dry-run"}} {
		var stderr strings.Builder
		code := run(t.Context(), nil, args, strings.NewReader(""), closedPipe{}, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "standard output: "+io.ErrClosedPipe.Error()) {
			t.Errorf("%v: exit status %d, and on standard error:\n%s", args, code, stderr.String())
		}
	}
}

// A brokenReader gives its text and then fails.
type brokenReader struct{ text io.Reader }

func (r brokenReader) Read(p []byte) (int, error) {
	if n, err := r.text.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("the disk is gone")
}

// An input that breaks off: what was read is delivered and counted, the torn line is not a record.
func TestInputThatBreaksOff(t *testing.T) {
	server := transporttest.NewServer(t)
	report := newFile(t, "report.json")
	in := brokenReader{strings.NewReader(`{"type":"identify","userId":"u1"}` + "\n" + `{"type":"identify"`)}
	r := runSyncFrom(t, in, "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL(), "-report", report)
	r.require(t, 2, "standard input: reading stopped: the disk is gone", "1 records, 1 messages, all accepted", "not all of the input was read")
	if got := readReport(t, report); !got.Interrupted || got.Accepted != 1 || got.BadLines != 0 {
		t.Errorf("the report is %s", read(t, report))
	}
}

// A record larger than a message may be is refused by the library, with its limit, and kept as it came.
func TestRecordTooLarge(t *testing.T) {
	dead := newFile(t, "dead.ndjson")
	event := `{"traits":{"bio":"` + strings.Repeat("<a> ", 10_000) + `"},"type":"identify","userId":"u1"}`
	r := runSync(t, "-destination", file(t, "d.json", identify), "-events", file(t, "events.ndjson", event), "-dead-letter", dead)
	r.require(t, 2, "events.ndjson:1: mapping people: the message must have at most 32000 bytes when encoded [message_too_large]")
	if letters := readDeadLetters(t, dead); len(letters) != 1 || string(letters[0].Event) != event {
		t.Errorf("the record was not kept as it came: %d dead letters", len(letters))
	}
}

// A payload may be nested as deeply as encoding/json reads, but then it cannot stand inside a dead letter: its text can.
func TestRecordTooDeep(t *testing.T) {
	dead := newFile(t, "dead.ndjson")
	const depth = 10_000 - 2
	event := `{"traits":{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `},"type":"identify","userId":"u1"}`
	r := runSync(t, "-destination", file(t, "d.json", identify), "-events", file(t, "events.ndjson", event+"\n"+`{"type":"identify","userId":"u2"}`), "-dead-letter", dead)
	r.require(t, 2, "2 records, 2 messages: 1 accepted, 1 invalid", "events.ndjson:1: mapping people: ")
	if letters := readDeadLetters(t, dead); len(letters) != 1 || letters[0].Text != event {
		t.Errorf("the record was not kept as it came: %d dead letters", len(letters))
	}
}
