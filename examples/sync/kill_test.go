package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// binary is the program, built once, in a directory that TestMain removes.
var binary struct {
	once sync.Once
	dir  string
	out  []byte
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary.dir != "" {
		os.RemoveAll(binary.dir)
	}
	os.Exit(code)
}

// build returns the program's path.
func build(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "sync"); binary.err == nil {
			binary.out, binary.err = exec.Command("go", "build", "-o", filepath.Join(binary.dir, "sync.exe"), ".").CombinedOutput()
		}
	})
	if binary.err != nil {
		t.Fatalf("go build: %v\n%s", binary.err, binary.out)
	}
	return filepath.Join(binary.dir, "sync.exe")
}

// until waits for what another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not come to this: " + what)
		}
	}
}

// spooledMessages returns how many messages a spool holds, 0 where there is none yet.
func spooledMessages(dir string) (n int) {
	info, err := spool.Inspect(dir)
	if err != nil {
		return 0
	}
	for _, q := range info.Queues {
		n += int(q.Messages)
	}
	return n
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// What was spooled while the server was down outlives a kill, and is delivered by a run that has no events of its own.
func TestKillWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	program, dir, address, d := build(t), newFile(t, "spool"), closedPort(t), file(t, "d.json", identify)
	var events strings.Builder
	for i := range 50 {
		fmt.Fprintf(&events, `{"type":"identify","userId":"u%d"}`+"\n", i)
	}
	cmd := exec.CommandContext(t.Context(), program, "-destination", d, "-events", file(t, "events.ndjson", events.String()),
		"-endpoint", "http://"+address, "-spool", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "50 messages in the spool", func() bool { return spooledMessages(dir) == 50 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed

	server := transporttest.NewServerWith(t, transporttest.ServerConfig{Address: address})
	report := newFile(t, "report.json")
	cmd = exec.CommandContext(t.Context(), program, "-destination", d, "-events", os.DevNull, "-endpoint", server.URL(), "-spool", dir, "-report", report)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "50 messages that a former run had left in the spool were accepted") {
		t.Fatalf("the run without events: %v\n%s", err, out)
	}
	if stats := server.Stats(); stats.Kept != 50 || stats.Dropped != 0 {
		t.Errorf("the server kept %d messages and dropped %d, want 50 and none", stats.Kept, stats.Dropped)
	}
	if r := readReport(t, report); r.Records != 0 || r.Kept != 0 || spooledMessages(dir) != 0 {
		t.Errorf("the report is %s, and %d messages are in the spool", read(t, report), spooledMessages(dir))
	}
}

// Twelve kills at random moments, against a server that fails in every way: every record arrives, under one id, in its profile's order.
func TestKills(t *testing.T) {
	t.Parallel()
	const records, people, bad = 2000, 40, 5
	program := build(t)
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	err := server.SetFaults(transporttest.Faults{Seed: seed, ServerError: 0.03, TooManyRequests: 0.02, ResetBefore: 0.02, ResetAfter: 0.04, ErrorAfter: 0.04})
	if err != nil {
		t.Fatal(err)
	}
	var events strings.Builder
	for i := range records {
		if i%(records/bad) == 7 { // they count as records: else ids would be others after a kill
			events.WriteString("\n{no JSON\n")
		}
		fmt.Fprintf(&events, `{"type":"track","event":"E","userId":"u%d","properties":{"n":%d}}`+"\n", rng.IntN(people), i)
	}
	destination := `{"mappings": [{"id": "m", "action": "sendTrack", "trigger": "type = \"track\"", "fields": {"engage_space": "space-1",
	  "user_id": {"@path": "$.userId"}, "event_name": {"@path": "$.event"}, "properties": {"@path": "$.properties"}}}]}`
	dead, report := newFile(t, "dead.ndjson"), newFile(t, "report.json")
	args := []string{
		"-destination", file(t, "d.json", destination), "-events", file(t, "events.ndjson", events.String()), "-endpoint", server.URL(),
		"-rate", "600", "-spool", newFile(t, "spool"), "-checkpoint", newFile(t, "checkpoint.json"), "-dead-letter", dead, "-report", report,
	}

	midway := 0
	for kill := range 12 {
		cmd := exec.CommandContext(t.Context(), program, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until, limit := records, time.Duration(rng.IntN(400))*time.Millisecond
		if kill%2 == 1 { // when a request has just been answered
			until, limit = server.Stats().Kept+1+rng.IntN(100), 5*time.Second
		}
		moment, cancel := context.WithTimeout(t.Context(), limit)
		_ = server.WaitFor(moment, func(s transporttest.Stats) bool { return s.Kept >= until })
		cancel()
		_ = cmd.Process.Kill() // which may have ended
		_ = cmd.Wait()
		if n := server.Stats().Kept; n > 0 && n < records {
			midway++
		}
	}
	if midway == 0 {
		t.Error("no kill came in the middle")
	}
	t.Logf("%d kills in the middle, the last after %d records", midway, server.Stats().Kept)
	for range 2 { // the first has the rest, which may be lines that are not JSON; the second nothing
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if code := exitCode(err); code != 0 && code != 2 {
			t.Fatalf("exit status %d\n%s", code, out)
		}
	}
	if r := readReport(t, report); r.Start != records+bad || r.Records != 0 || r.Kept != 0 || r.Messages != 0 || r.Interrupted {
		t.Errorf("the last report is %s", read(t, report))
	}

	ids, last, kept := make(map[string]string), make(map[string]int), 0
	for _, e := range server.Events() {
		n := string(e.Message["properties"].(map[string]any)["n"].(json.Number))
		if id, seen := ids[n]; seen && id != e.MessageID {
			t.Errorf("record %s came under two ids", n)
		}
		ids[n] = e.MessageID
		if e.Status != transporttest.EventKept {
			continue
		}
		kept++
		var at int
		fmt.Sscan(n, &at)
		if before, seen := last[e.UserID]; seen && before >= at {
			t.Errorf("record %d of %s came after %d", at, e.UserID, before)
		}
		last[e.UserID] = at
	}
	if len(ids) != records || kept != records {
		t.Errorf("%d records came, and %d were kept, want %d", len(ids), kept, records)
	}
	lines := make(map[int]bool)
	for _, l := range readDeadLetters(t, dead) {
		lines[l.Line] = true
		if l.Text != "{no JSON" {
			t.Errorf("a dead letter of a record that was accepted: %+v", l)
		}
	}
	if len(lines) != bad {
		t.Errorf("%d lines have dead letters, want %d", len(lines), bad)
	}
}

// exitCode returns how a program ended: -1 where it could not run.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}
