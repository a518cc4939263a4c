package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// What is not the checkpoint of this input is refused, and stays as it is.
func TestCheckpointsThatAreRefused(t *testing.T) {
	events := file(t, "events.ndjson", `{"type":"identify","userId":"u1"}`)
	tests := []struct{ name, text, said string }{
		{"of another input", `{"input":"/var/other.ndjson","records":1}`, "is of another input, /var/other.ndjson"},
		{"empty", ``, "is not a checkpoint, or was damaged: restore it, or remove it"},
		{"broken off", `{"input":"` + events + `","rec`, "is not a checkpoint, or was damaged"},
		{"without records", `{"input":"` + events + `"}`, "is not a checkpoint, or was damaged"},
		{"without an input", `{"records":1}`, "is not a checkpoint, or was damaged"},
		{"of less than nothing", `{"input":"` + events + `","records":-1}`, "is not a checkpoint, or was damaged"},
		{"records in words", `{"input":"` + events + `","records":"one"}`, "is not a checkpoint, or was damaged"},
		{"followed by something", `{"input":"` + events + `","records":1}{}`, "is not a checkpoint, or was damaged"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := transporttest.NewServer(t)
			path := file(t, "checkpoint.json", test.text)
			runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL(), "-checkpoint", path).require(t, 1, path, test.said)
			if got := read(t, path); got != test.text {
				t.Errorf("the file is now %q", got)
			}
			if n := server.Stats().Requests; n != 0 {
				t.Errorf("%d requests came", n)
			}
		})
	}
}

// A run goes on from the checkpoint as if there had been one run: the same ids, the same places, all dead letters.
func TestCheckpoint(t *testing.T) {
	server := transporttest.NewServer(t)
	d := file(t, "d.json", identify)
	events := file(t, "events.ndjson", strings.Join([]string{
		`{"type":"identify","userId":"u0"}`, `{no JSON`, ``, `{"type":"identify"}`, `{"type":"page"}`, `{"type":"identify","userId":"u4"}`, `{no JSON either`,
	}, "\n"))
	dead, report, path := newFile(t, "dead.ndjson"), newFile(t, "report.json"), newFile(t, "checkpoint.json")
	whole := []string{"-destination", d, "-events", events, "-endpoint", server.URL(), "-dead-letter", dead, "-report", report}
	args := slices.Concat(whole, []string{"-checkpoint", path})

	runSync(t, args...).require(t, 2, "6 records, 5 messages: 2 accepted, 3 invalid")
	done := fmt.Sprintf(`{"input":%q,"records":6}`+"\n", events)
	if got := read(t, path); got != done {
		t.Errorf("the checkpoint is %s, want %s", got, done)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the checkpoint has the mode %v, %v", info.Mode(), err)
	}
	runSync(t, args...).require(t, 0, "0 records, 0 messages", "6 records before them were left out")

	if err := os.WriteFile(path, []byte(strings.Replace(done, ":6}", ":3}", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	dry := runSync(t, append(args, "-dry-run")...)
	dry.require(t, 2, "3 records, 2 messages: none sent")
	if strings.Count(dry.stdout, "\n") != 1 || !strings.Contains(read(t, path), `"records":3`) {
		t.Errorf("a dry run printed %q and left the checkpoint %s", dry.stdout, read(t, path))
	}
	runSync(t, args...).require(t, 2, "3 records, 2 messages: 1 accepted, 1 invalid", "events.ndjson:7: is not JSON")
	if r := readReport(t, report); r.Start != 3 || r.Records != 3 || r.Skipped != 1 || r.BadLines != 1 {
		t.Errorf("the report is %s", read(t, report))
	}
	if s := server.Stats(); s.Kept != 2 || s.Duplicates != 1 {
		t.Errorf("%d messages were kept and %d duplicates, want 2 and 1", s.Kept, s.Duplicates)
	}
	var places []string
	for _, l := range readDeadLetters(t, dead) {
		places = append(places, fmt.Sprint(l.Line, ":", *l.Record))
	}
	// The dry run has its letters there as well.
	if want := []string{"2:1", "4:2", "7:5", "7:5", "7:5"}; !slices.Equal(places, want) {
		t.Errorf("dead letters of %v, want %v", places, want)
	}
	runSync(t, whole...).require(t, 2)
	if n := len(readDeadLetters(t, dead)); n != 3 {
		t.Errorf("without a checkpoint there are %d dead letters, want 3 of this run", n)
	}
}

// The checkpoint stops before what has to be read again.
func TestCheckpointStops(t *testing.T) {
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{WriteKeys: []profiles.WriteKey{profiles.NewWriteKey("space-2")}})
	path := newFile(t, "checkpoint.json")
	events := file(t, "events.ndjson", `{"type":"page"}`+"\n"+`{"type":"identify","userId":"u1"}`+"\n"+`{"type":"page"}`)
	runSync(t, "-destination", file(t, "d.json", identify), "-events", events, "-endpoint", server.URL(), "-checkpoint", path).require(t, 2, "status 401")
	if got := read(t, path); !strings.Contains(got, `"records":1}`) {
		t.Errorf("the checkpoint is %s, want 1 record: the key may be accepted another time", got)
	}
}

func TestCheckpointBeyondTheInput(t *testing.T) {
	events := file(t, "events.ndjson", "{}\n{}\n")
	path := file(t, "checkpoint.json", fmt.Sprintf(`{"input":%q,"records":5}`, events))
	before := read(t, path)
	runSync(t, "-events", events, "-checkpoint", path).require(t, 2, "reading stopped: it has 3 records fewer than its checkpoint says")
	if got := read(t, path); got != before {
		t.Errorf("the checkpoint is now %s", got)
	}
}

func TestAdaptive(t *testing.T) {
	j, err := prepare(options{adaptive: true, dryRun: true}, strings.NewReader(""), newScreen(new(strings.Builder)))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if !j.config.Adaptive {
		t.Error("the client does not adapt its rate")
	}
	runSync(t, "-adaptive").require(t, 0, "all accepted")
}
