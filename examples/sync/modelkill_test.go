package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A sync that is killed at random moments, while the server fails in every way and the table changes between two runs: every row arrives
// in its last version, and no version under two ids.
func TestModelKills(t *testing.T) {
	t.Parallel()
	const rows = 1500
	program, w := build(t), newTable(t, rows)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	err := w.server.SetFaults(transporttest.Faults{Seed: seed, ServerError: 0.03, TooManyRequests: 0.02, ResetBefore: 0.02, ResetAfter: 0.04, ErrorAfter: 0.04})
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[string]int)
	midway := 0
	for kill := range 12 {
		cmd := exec.CommandContext(t.Context(), program, w.args("-rate", "600")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until, limit := 10*rows, time.Duration(rng.IntN(400))*time.Millisecond
		if kill%2 == 1 { // when a request has just been answered
			until, limit = w.server.Stats().Kept+1+rng.IntN(100), 5*time.Second
		}
		moment, cancel := context.WithTimeout(t.Context(), limit)
		_ = w.server.WaitFor(moment, func(s transporttest.Stats) bool { return s.Kept >= until })
		cancel()
		_ = cmd.Process.Kill() // which may have ended
		_ = cmd.Wait()
		if n := w.server.Stats().Kept; n > 0 && n < rows {
			midway++
		}
		id := fmt.Sprint(1 + rng.IntN(rows))
		versions[id]++
		w.exec(`UPDATE people SET n = n + 1 WHERE id = ` + id)
	}
	if midway == 0 {
		t.Error("no kill came in the middle")
	}
	t.Logf("%d kills in the middle, the last after %d rows", midway, w.server.Stats().Kept)
	var out []byte
	for range 2 { // the first has the rest, the second nothing
		if out, err = exec.CommandContext(t.Context(), program, w.args()...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if !strings.Contains(string(out), fmt.Sprintf("0 added, 0 updated, 0 deleted, %d unchanged", rows)) {
		t.Errorf("the last run:\n%s", out)
	}

	ids, last, kept := make(map[string]string), make(map[string]int), make(map[string]int)
	for _, e := range w.server.Events() {
		var n int
		fmt.Sscan(string(e.Message["traits"].(map[string]any)["n"].(json.Number)), &n)
		version := fmt.Sprint(e.UserID, " ", n)
		if id, seen := ids[version]; seen && id != e.MessageID {
			t.Errorf("version %s came under two ids", version)
		}
		ids[version] = e.MessageID
		if e.Status != transporttest.EventKept {
			continue
		}
		if kept[version]++; kept[version] > 1 || n < last[e.UserID] {
			t.Errorf("version %s was kept %d times, after version %d", version, kept[version], last[e.UserID])
		}
		last[e.UserID] = n
	}
	if len(last) != rows {
		t.Errorf("%d rows came, want %d", len(last), rows)
	}
	for id, n := range versions {
		if last[id] != n {
			t.Errorf("row %s arrived in version %d, and is %d", id, last[id], n)
		}
	}
}

// An interrupt ends a sync in order: what was accepted is known, and the next run sends the rest.
func TestModelInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM to send")
	}
	w, report := newTable(t, 300), newFile(t, "report.json")
	cmd := exec.CommandContext(t.Context(), build(t), w.args("-rate", "100", "-report", report)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, w.server, func(s transporttest.Stats) bool { return s.Kept >= 30 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error is the exit status
	result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}.require(t, 2, "interrupted: ", "sync of people to People: canceled")
	if text := read(t, report); !strings.Contains(text, `"status": "canceled"`) {
		t.Errorf("the report is %s", text)
	}
	first := w.server.Stats().Kept
	if first == 300 {
		t.Error("nothing was left for the next run")
	}
	runSync(t, w.args()...).require(t, 0)
	if s := w.server.Stats(); s.Kept != 300 || s.Duplicates != 0 {
		t.Errorf("%d were kept, %d of them by the first run, and %d duplicates", s.Kept, first, s.Duplicates)
	}
}

// A second interrupt waits for no answer.
func TestModelSecondInterrupt(t *testing.T) {
	w := newTable(t, 5)
	w.server.FailAlways(transporttest.TooManyRequests(time.Minute))
	s := start(t, w.args()...)
	wait(t, w.server, func(stats transporttest.Stats) bool { return stats.Statuses[429] > 0 })
	s.interrupts <- syscall.SIGTERM
	s.interrupts <- syscall.SIGTERM
	(<-s.ended).require(t, 2, "interrupted: ", "not delivered 5: the next sync sends them")
	w.server.Heal()
	runSync(t, w.args()...).require(t, 0)
	w.sent()
	runSync(t, w.args()...).require(t, 0, "5 unchanged")
}
