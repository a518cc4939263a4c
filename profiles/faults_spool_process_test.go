package profiles_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The test binary runs itself for tests that need another process: these variables say what it does then.
const (
	jobEnv      = "PROFILES_TEST_JOB"
	jobDir      = "PROFILES_TEST_DIR"
	jobEndpoint = "PROFILES_TEST_ENDPOINT"
	said        = "says " // what a line begins with that is for the parent
)

var jobs = map[string]func(t *testing.T, cfg profiles.Config){
	"hold": hold, "terminate": terminate, "exit": exitInAHook, "small": smallMemory, "leak": tellAll,
}

// TestJob does what another test asks for in a process of its own.
func TestJob(t *testing.T) {
	job := jobs[os.Getenv(jobEnv)]
	if job == nil {
		t.Skip("nobody has asked for anything")
	}
	job(t, profiles.Config{
		Endpoint: os.Getenv(jobEndpoint), WriteKey: spaceKey, EventsPerSecond: -1, RequestsPerSecond: -1,
		Spool: &spool.Config{Dir: os.Getenv(jobDir)},
	})
}

// A process does a job, and is killed at the end of the test if it still does.
type subprocess struct {
	cmd *exec.Cmd
	out *bufio.Reader
	all bytes.Buffer // all that it has printed
}

func start(t *testing.T, job, dir, endpoint string, env ...string) *subprocess {
	t.Helper()
	p := &subprocess{cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestJob$")}
	p.cmd.Env = append(append(os.Environ(), jobEnv+"="+job, jobDir+"="+dir, jobEndpoint+"="+endpoint), env...)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	defer write.Close()
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if _, err := p.cmd.StdinPipe(); err != nil { // which ends with this process
		t.Fatal(err)
	}
	p.out = bufio.NewReader(io.TeeReader(read, &p.all))
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	return p
}

// hear returns what the process says next to its parent, "" where it has ended.
func (p *subprocess) hear() string {
	for {
		line, err := p.out.ReadString('\n')
		if text, ok := strings.CutPrefix(line, said); ok {
			return strings.TrimSpace(text)
		}
		if err != nil {
			return ""
		}
	}
}

// end waits for the process, and returns its exit code.
func (p *subprocess) end() int {
	for p.hear() != "" {
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func say(args ...any) { fmt.Print(said, fmt.Sprintln(args...)) }

// hold takes three messages and keeps its spool.
func hold(t *testing.T, cfg profiles.Config) {
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	say("open")
	io.Copy(io.Discard, os.Stdin)
}

// Rows 51 and 52: the spool belongs to another process. New says so at once, what to do too, and changes nothing; Inspect looks all the
// same. When the other process is killed, the spool is free, and its messages are delivered.
func TestFault51And52AnotherProcessHasTheSpool(t *testing.T) {
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	dir := filepath.Join(t.TempDir(), "spool")
	other := start(t, "hold", dir, server.URL())
	if got := other.hear(); got != "open" {
		t.Fatalf("the other process says %q\n%s", got, other.all.String())
	}
	before := snapshot(t, dir)
	_, err := profiles.New(spooled(server, dir))
	var of *spool.OpenError
	if !errors.As(err, &of) || of.Dir != dir || !strings.Contains(err.Error(), "end the other process, or give this one a directory of its own") {
		t.Errorf("New: %v", err)
	}
	if _, err := spool.Purge(dir); !errors.As(err, &of) {
		t.Errorf("Purge: %v", err)
	}
	if info, err := spool.Inspect(dir); err != nil || len(info.Queues) != 1 || info.Queues[0].Messages != 3 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	requireSame(t, before, dir)

	if err := other.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	other.end()
	server.Heal()
	client := newClient(t, spooled(server, dir))
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, 3)
}

// terminate takes messages and closes its client when it is told to end.
func terminate(t *testing.T, cfg profiles.Config) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	cfg.CloseTimeout = 300 * time.Millisecond
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := client.Enqueue(ctx, actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	say("queued")
	<-ctx.Done()
	var left *profiles.ShutdownError
	if err := client.Close(); errors.As(err, &left) {
		say("kept", left.Kept, "canceled", left.Canceled, "unreported", left.Unreported)
	}
}

// Row 57: the process is told to end while the server is down. It ends by itself, everything is on disk, and the next one delivers it.
func TestFault57Terminated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no such signal")
	}
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	dir := filepath.Join(t.TempDir(), "spool")
	p := start(t, "terminate", dir, server.URL())
	if got := p.hear(); got != "queued" {
		t.Fatalf("it says %q\n%s", got, p.all.String())
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.hear(); got != "kept 50 canceled 0 unreported 0" {
		t.Errorf("it says %q", got)
	}
	if code := p.end(); code != 0 {
		t.Errorf("it ended with %d\n%s", code, p.all.String())
	}
	if server.Stats().Faults[transporttest.FaultStatus] == 0 {
		t.Error("the server was not asked")
	}
	server.Heal()
	client := newClient(t, spooled(server, dir))
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, 50)
}

// exitInAHook ends the process in the midst of telling outcomes.
func exitInAHook(t *testing.T, cfg profiles.Config) {
	var told atomic.Int64
	cfg.BatchMessages = 5
	cfg.Hooks.Outcome = func(profiles.Outcome) {
		if told.Add(1) == 13 {
			os.Exit(3)
		}
	}
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	say("queued")
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Row 58: a hook calls os.Exit. All that was taken and not told is delivered by the next process; what was told may come twice, under its id.
func TestFault58ExitInAHook(t *testing.T) {
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	dir := filepath.Join(t.TempDir(), "spool")
	p := start(t, "exit", dir, server.URL())
	if got := p.hear(); got != "queued" {
		t.Fatalf("it says %q\n%s", got, p.all.String())
	}
	server.Heal()
	if code := p.end(); code != 3 {
		t.Fatalf("it ended with %d\n%s", code, p.all.String())
	}
	var told atomic.Int64
	cfg := spooled(server, dir)
	cfg.Hooks.Outcome = func(o profiles.Outcome) {
		if told.Add(1); o.Status != profiles.Accepted {
			t.Errorf("message %s ended %s", o.MessageID, o.Status)
		}
	}
	client := newClient(t, cfg)
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, 40)
	// Ten had been told for good, and three of a batch of which not all had been.
	if n := told.Load(); n < 27 || n > 40 {
		t.Errorf("the second process was told of %d messages", n)
	}
}

// smallMemory delivers more than the memory that it may have.
func smallMemory(t *testing.T, cfg profiles.Config) {
	const messages = 6_000
	cfg.Spool.Mode = spool.Interval
	cfg.QueueBytes = 2_000_000
	var most atomic.Uint64
	var told atomic.Int64
	cfg.Hooks.Outcome = func(profiles.Outcome) {
		if told.Add(1)%500 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapAlloc))
		}
	}
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		a := actions.SendTrack{UserID: fmt.Sprint("u", i%100), Event: "E", Properties: actions.Properties{"pad": pad[:4_000]}}
		if err := client.Enqueue(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	say("queued")
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	say("told", told.Load(), "within the limit", most.Load() > 0 && most.Load() < 20<<20)
}

// Row 70: one processor and little memory. 24 MB go through a client that may keep 2 MB of them in memory, within a heap of 20 MB.
func TestFault70LittleMemory(t *testing.T) {
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1, Discard: true})
	p := start(t, "small", filepath.Join(t.TempDir(), "spool"), server.URL(), "GOMEMLIMIT=64MiB", "GOMAXPROCS=1")
	if got := p.hear(); got != "queued" {
		t.Fatalf("it says %q\n%s", got, p.all.String())
	}
	if got := p.hear(); got != "told 6000 within the limit true" {
		t.Errorf("it says %q", got)
	}
	if code := p.end(); code != 0 || server.Stats().Kept != 6_000 {
		t.Errorf("it ended with %d, and the server has %d messages\n%s", code, server.Stats().Kept, p.all.String())
	}
}
