package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A started run is one whose standard input the test feeds.
type started struct {
	stdin      *io.PipeWriter
	interrupts chan os.Signal
	ended      chan result
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	in, out := io.Pipe()
	t.Cleanup(func() { out.Close() })
	s := &started{stdin: out, interrupts: make(chan os.Signal, 2), ended: make(chan result, 1)}
	go func() {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), s.interrupts, args, in, &stdout, &stderr)
		s.ended <- result{code, stdout.String(), stderr.String()}
	}()
	return s
}

func (s *started) feed(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := fmt.Fprintf(s.stdin, `{"type":"identify","userId":"u%d"}`+"\n", i); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInterrupt(t *testing.T) {
	server := transporttest.NewServer(t)
	report := newFile(t, "report.json")
	s := start(t, "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL(), "-report", report)
	s.feed(t, 25)
	if err := server.Wait(t.Context(), 25); err != nil {
		t.Fatal(err)
	}
	s.interrupts <- os.Interrupt // standard input stays open, and nothing more comes
	r := <-s.ended
	r.require(t, 2, "interrupted: delivering what was read", "25 records, 25 messages, all accepted", "not all of the input was read")
	if got := readReport(t, report); !got.Interrupted || got.Accepted != 25 || got.Canceled != 0 {
		t.Errorf("the report is %s", read(t, report))
	}
}

// What was read when the interrupt comes is delivered, although the server is not willing at that moment.
func TestInterruptDelivers(t *testing.T) {
	server := transporttest.NewServer(t)
	server.Fail(transporttest.TooManyRequests(time.Second))
	report := newFile(t, "report.json")
	s := start(t, "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL(), "-report", report)
	s.feed(t, 10)
	wait(t, server, func(stats transporttest.Stats) bool { return stats.Statuses[429] > 0 })
	s.interrupts <- syscall.SIGTERM
	r := <-s.ended
	r.require(t, 2, "will be sent again after 1s")
	if got := readReport(t, report); got.Accepted != got.Messages || got.Accepted == 0 || got.Throttled != 1 || !got.Interrupted {
		t.Errorf("the report is %s", read(t, report))
	}
}

func TestSecondInterrupt(t *testing.T) {
	server := transporttest.NewServer(t)
	server.FailAlways(transporttest.TooManyRequests(time.Minute))
	report, dead := newFile(t, "report.json"), newFile(t, "dead.ndjson")
	s := start(t, "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL(), "-report", report, "-dead-letter", dead)
	s.feed(t, 10)
	wait(t, server, func(stats transporttest.Stats) bool { return stats.Statuses[429] > 0 })
	s.interrupts <- os.Interrupt
	s.interrupts <- os.Interrupt
	r := <-s.ended
	r.require(t, 2, "giving up what is left")
	got := readReport(t, report)
	if got.Canceled == 0 || got.Canceled != got.Messages || !got.Interrupted {
		t.Errorf("the report is %s", read(t, report))
	}
	if n := len(readDeadLetters(t, dead)); n != got.Canceled {
		t.Errorf("%d dead letters of %d canceled messages", n, got.Canceled)
	}
}

func wait(t *testing.T, server *transporttest.Server, done func(transporttest.Stats) bool) {
	t.Helper()
	if err := server.WaitFor(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

// The program as it is run: a real signal, a real pipe that stays open.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM to send")
	}
	program := build(t)

	t.Run("SIGTERM", func(t *testing.T) {
		server := transporttest.NewServer(t)
		report := newFile(t, "report.json")
		cmd := exec.CommandContext(t.Context(), program, "-destination", file(t, "d.json", identify), "-events", "-", "-endpoint", server.URL(), "-report", report)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			fmt.Fprintf(stdin, `{"type":"identify","userId":"u%d"}`+"\n", i)
		}
		if err := server.Wait(t.Context(), 40); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its error is the exit status
		result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}.require(t, 2, "40 records, 40 messages, all accepted")
		if got := readReport(t, report); !got.Interrupted || got.Accepted != 40 {
			t.Errorf("the report is %s", read(t, report))
		}
	})

	t.Run("closed standard output", func(t *testing.T) {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		reader.Close()
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), program, "-dry-run")
		cmd.Stdout, cmd.Stderr = writer, &stderr
		_ = cmd.Run()
		writer.Close()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "standard output: ") {
			t.Errorf("exit status %d, and on standard error:\n%s", code, stderr.String())
		}
	})
}
