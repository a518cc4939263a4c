package seglog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// The test binary runs itself as a child that uses a log and is killed. The parent keeps what the child has said.
const (
	childEnv  = "SEGLOG_TEST_CHILD" // the directory
	childKill = "SEGLOG_TEST_KILL"  // the mutating operation before which the child kills itself
	childMode = "SEGLOG_TEST_MODE"
)

var killConfig = Config{SegmentBytes: 20_000}

// child appends from several goroutines and acknowledges what it reads, and says so on its standard output: "+ <seq> <number>" once Append has
// returned, "- <seq>" before Ack is called. With "hold" for a mode it only opens the log.
func child() {
	dir, err := vfs.OpenDir(os.Getenv(childEnv))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fsys := vfs.FS(dir)
	if at, _ := strconv.Atoi(os.Getenv(childKill)); at > 0 {
		faults := vfstest.NewFaults(dir)
		faults.Before(func(change int, op vfstest.Op, name string) {
			if change == at {
				killSelf()
			}
		})
		fsys = faults
	}
	config := killConfig
	if os.Getenv(childMode) == "interval" {
		config.Mode = Interval
	}
	l, _, err := Open(fsys, config)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("open")
	if os.Getenv(childMode) == "hold" {
		io.Copy(io.Discard, os.Stdin)
		l.Close()
		return
	}
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	var mu sync.Mutex
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		os.Stdout.WriteString(line)
	}
	for range 3 {
		go func() {
			for {
				n := rand.Uint64()
				seq, err := l.Append(killRecord(n))
				if err != nil {
					say(fmt.Sprintln("error", err))
					os.Exit(1)
				}
				say(fmt.Sprintln("+", seq, n))
			}
		}()
	}
	r := l.Reader(0)
	for {
		records, err := r.Next(20_000)
		if err != nil {
			say(fmt.Sprintln("error", err))
			os.Exit(1)
		}
		for _, rec := range records {
			if random.IntN(3) > 0 {
				say(fmt.Sprintln("-", rec.Seq))
				l.Ack(rec.Seq)
			}
		}
		runtime.Gosched()
	}
}

// killRecord is a record that its number decides over, some of them of many pages.
func killRecord(n uint64) []byte {
	record := make([]byte, 8+n%1000)
	if n%16 == 0 {
		record = make([]byte, 16<<10)
	}
	binary.LittleEndian.PutUint64(record, n)
	for i := 8; i < len(record); i++ {
		record[i] = byte(n) + byte(i)
	}
	return record
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// A told is what a child has said before it died.
type told struct {
	appended map[Seq]uint64
	acked    map[Seq]bool
}

// run runs a child until it dies: by itself, or after a time, which begins when it is started, or when it first says that it has done
// something: on a busy machine the one may be long after the other.
func (b *told) run(t *testing.T, dir, mode string, at int, after time.Duration, working bool) (failure string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childMode+"="+mode, childKill+"="+strconv.Itoa(at))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	begin := func() {
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		t.Cleanup(func() { timer.Stop() })
	}
	if !working {
		once.Do(begin)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // what was not said to its end does not count
			break
		}
		once.Do(begin)
		var seq Seq
		var n uint64
		switch {
		case strings.HasPrefix(line, "error"):
			failure = line
		case strings.HasPrefix(line, "+"):
			if _, err := fmt.Sscanf(line, "+ %d %d", &seq, &n); err != nil {
				t.Fatal(err)
			}
			b.appended[seq] = n
		case strings.HasPrefix(line, "-"):
			if _, err := fmt.Sscanf(line, "- %d", &seq); err != nil {
				t.Fatal(err)
			}
			b.acked[seq] = true
		}
	}
	cmd.Wait()
	return failure
}

// settle holds the log that was left behind against what was said.
func (b *told) settle(t *testing.T, dir string) {
	t.Helper()
	fsys, err := vfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	l, found := mustOpen(t, fsys, killConfig)
	got, damages := readAllRecords(t, l)
	if len(damages) > 0 || found.QuarantinedRegions > 0 || found.Missing > 0 {
		t.Fatalf("%v, %+v", damages, found)
	}
	for seq, record := range got {
		n := binary.LittleEndian.Uint64([]byte(record))
		if record != string(killRecord(n)) {
			t.Fatalf("record %d has other bytes than were appended", seq)
		}
		if said, ok := b.appended[seq]; ok && said != n {
			t.Fatalf("record %d is another one", seq)
		}
	}
	for seq := range b.appended {
		if _, ok := got[seq]; !ok && !b.acked[seq] {
			t.Fatalf("record %d is lost", seq)
		}
	}
	if len(got) > 500 { // keep it short
		if _, err := l.Purge(); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
}

// Row 37: kill -9 at any time.
func TestFault37Kill(t *testing.T) {
	for _, mode := range []string{"sync", "interval"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			appended := 0
			for i := range *kills {
				b := told{map[Seq]uint64{}, map[Seq]bool{}}
				if failure := b.run(t, dir, mode, 0, time.Duration(5+rand.IntN(40))*time.Millisecond, i%2 == 0); failure != "" {
					t.Fatal(failure)
				}
				b.settle(t, dir)
				appended += len(b.appended)
			}
			if appended == 0 {
				t.Error("nothing was appended")
			}
			t.Logf("%d kills, %d records appended", *kills, appended)
		})
	}
}

// Row 38: kill -9 before each operation that changes the disk, from the first one of a new log on.
func TestFault38KillAtEachOperation(t *testing.T) {
	dir := t.TempDir()
	for at := 1; at <= max(40, *kills); at++ {
		b := told{map[Seq]uint64{}, map[Seq]bool{}}
		if failure := b.run(t, dir, "sync", at, 10*time.Second, false); failure != "" {
			t.Fatal(failure)
		}
		b.settle(t, dir)
	}
}

// Rows 51 and 52: a second process is refused at once, and finds the log free when the first one was killed.
func TestFault51LockedByAnotherProcess(t *testing.T) {
	path := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path, childMode+"=hold")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "open\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	dir, err := vfs.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	started := time.Now()
	locked := (*LockedError)(nil)
	if _, _, err := Open(dir, killConfig); !errors.As(err, &locked) {
		t.Fatalf("Open: %v", err)
	}
	if waited := time.Since(started); waited > time.Second {
		t.Errorf("it took %v to say so", waited)
	}
	if info, err := Inspect(dir); err != nil || info.Next != 1 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	l, _ := mustOpen(t, dir, killConfig)
	if _, _, err := Open(dir, killConfig); !errors.As(err, &locked) {
		t.Fatalf("Open twice in one process: %v", err)
	}
	mustClose(t, l)
	l, _ = mustOpen(t, dir, killConfig)
	mustClose(t, l)
}
