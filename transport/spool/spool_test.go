package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const endpoint = "https://api.example.com/v1"

var (
	key      = transport.NewWriteKey("space-write-key")
	otherKey = transport.NewWriteKey("other-write-key")
)

// open opens a spool in dir that is closed when the test ends.
func open(t *testing.T, c Config) *Spool {
	t.Helper()
	s, err := Open(c, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// fill appends n messages to a key's queue.
func fill(t *testing.T, s *Spool, key transport.WriteKey, n int) dispatch.Queue {
	t.Helper()
	q, err := s.Queue(key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := q.Append(t.Context(), [][]byte{fmt.Appendf(nil, "message %d", i)}, true); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

// drain reads all that a queue has, and says that it is done.
func drain(t *testing.T, q dispatch.Queue) []string {
	t.Helper()
	var got []string
	for {
		stored, err := q.Next(64)
		if err != nil {
			t.Fatal(err)
		}
		if len(stored) == 0 {
			return got
		}
		var seqs []uint64
		for _, s := range stored {
			got = append(got, string(s.Payload))
			seqs = append(seqs, s.Seq)
		}
		q.Done(seqs)
	}
}

func TestQueuesSurviveTheSpool(t *testing.T) {
	for _, mode := range []Mode{Sync, Interval, Memory} {
		c := Config{Dir: filepath.Join(t.TempDir(), "spool"), Mode: mode}
		s := open(t, c)
		q := fill(t, s, key, 10)
		fill(t, s, otherKey, 3)
		stored, err := q.Next(1)
		if err != nil || len(stored) != 1 {
			t.Fatalf("Next: %v, %v", stored, err)
		}
		q.Done([]uint64{stored[0].Seq})
		if q.First() != 2 || q.Last() != 10 || q.Len() != 9 {
			t.Errorf("the queue goes from %d to %d, and has %d", q.First(), q.Last(), q.Len())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}

		s = open(t, c)
		q, err = s.Queue(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := drain(t, q); len(got) != 9 || got[0] != "message 1" || got[8] != "message 9" {
			t.Errorf("mode %d: the queue holds %q", mode, got)
		}
		if q.First() != 11 || q.Len() != 0 {
			t.Errorf("the empty queue begins at %d and has %d", q.First(), q.Len())
		}
	}
}

// The queue of a key that nobody names stays as it is, and is counted.
func TestQueueOfAKeyThatIsNotKnownStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, Config{Dir: dir})
	fill(t, s, key, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	fill(t, s, otherKey, 1)
	info, err := Inspect(dir) // while it is open
	if err != nil || len(info.Queues) != 2 || info.Queues[0].Messages+info.Queues[1].Messages != 6 || info.Endpoint != endpoint {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(path+string(text), "write-key") {
			t.Errorf("%s shows a key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFullQueueBlocksOrRefusesAndLosesNothing(t *testing.T) {
	s := open(t, Config{Dir: filepath.Join(t.TempDir(), "spool"), Mode: Memory, MaxBytes: 1 << 20})
	q, err := s.Queue(key)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 30_000)
	n := 0
	for ; ; n++ {
		if err = q.Append(t.Context(), [][]byte{payload}, false); err != nil {
			break
		}
	}
	if !errors.Is(err, dispatch.ErrQueueFull) || n < 20 || n > 35 {
		t.Errorf("after %d messages: %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := q.Append(ctx, [][]byte{payload}, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Append that waits: %v", err)
	}
	added := make(chan error)
	go func() { added <- q.Append(t.Context(), [][]byte{payload}, true) }()
	if got := drain(t, q); len(got) < n {
		t.Errorf("%d of %d messages came back", len(got), n)
	}
	if err := <-added; err != nil {
		t.Errorf("Append after room was made: %v", err)
	}
}

func TestSpoolsThatDoNotOpenSayWhatToDo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	first := open(t, Config{Dir: dir})
	fill(t, first, key, 3)
	check := func(name string, err error, advice string) {
		t.Helper()
		var of *OpenError
		if !errors.As(err, &of) || of.Dir != dir || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: %v, want the advice %q", name, err, advice)
		}
	}
	_, err := Open(Config{Dir: dir}, endpoint)
	check("a second process", err, "end the other process")
	_, err = Purge(dir)
	check("purging what is in use", err, "end the other process")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: dir}, "https://elsewhere.example.com/v1")
	check("another endpoint", err, "another endpoint or region")
	if runtime.GOOS != "windows" {
		if err := os.Chmod(filepath.Join(dir, catalogName), 0o777); err != nil {
			t.Fatal(err)
		}
		_, err = Open(Config{Dir: dir}, endpoint)
		check("a directory that others may write to", err, "0700")
		if err := os.Chmod(filepath.Join(dir, catalogName), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := Inspect(dir); err != nil || len(info.Queues) != 1 || info.Queues[0].Messages != 3 {
		t.Errorf("after all that the spool holds %+v, %v", info, err)
	}
	if n, err := Purge(dir); n != 3 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	if _, err := Inspect(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Inspect of nothing: %v", err)
	}
}

func TestConfigCheck(t *testing.T) {
	for field, c := range map[string]Config{
		"Dir":      {},
		"Mode":     {Dir: "x", Mode: 3},
		"Interval": {Dir: "x", Interval: -1},
		"MaxBytes": {Dir: "x", MaxBytes: 1},
		"MaxAge":   {Dir: "x", MaxAge: -1},
	} {
		var of *ConfigError
		if err := c.Check(); !errors.As(err, &of) || of.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if _, err := Open(c, endpoint); err == nil {
			t.Errorf("%s: it opens", field)
		}
	}
	if err := (Config{Dir: "x"}).Check(); err != nil {
		t.Error(err)
	}
}

func TestDamagedMessageIsCountedAndTheOthersCome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, Config{Dir: dir})
	fill(t, s, key, 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, s.name(key), "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), "message 4")
	text[at]++
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	q, err := s.Queue(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, q); len(got) != 9 || strings.Contains(fmt.Sprint(got), "nessage") {
		t.Errorf("%d messages came: %q", len(got), got)
	}
	if s.Quarantined() != 1 {
		t.Errorf("%d messages are counted as damaged", s.Quarantined())
	}
}

// A message is damaged in a part of the queue that is not read when it is opened: Verify finds it, and so does the client that comes to it, as if it
// had been found at once. The queue ends up empty, also where nothing else was left in it.
func TestDamageThatIsFoundWhenItIsRead(t *testing.T) {
	for _, alone := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "spool")
		c := Config{Dir: dir, MaxBytes: 1 << 20}
		s := open(t, c)
		const n = 30
		q, err := s.Queue(key)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := q.Append(t.Context(), [][]byte{fmt.Appendf(nil, "message %02d %s", i, strings.Repeat("x", 10_000))}, true); err != nil {
				t.Fatal(err)
			}
		}
		left := n
		for seq := uint64(1); alone && seq <= n; seq++ {
			if seq != 5 {
				q.Done([]uint64{seq})
				left = 1
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		segments, err := filepath.Glob(filepath.Join(dir, s.name(key), "*.seg"))
		if err != nil || len(segments) < 1 || !alone && len(segments) < 3 {
			t.Fatalf("segments %v, %v", segments, err)
		}
		text, err := os.ReadFile(segments[0])
		if err != nil {
			t.Fatal(err)
		}
		text[strings.Index(string(text), "message 04")]++
		if err := os.WriteFile(segments[0], text, 0o600); err != nil {
			t.Fatal(err)
		}

		if info, err := Inspect(dir); err != nil || info.Queues[0].Messages != int64(left) || info.Queues[0].Quarantined != 0 {
			t.Errorf("Inspect: %+v, %v", info, err)
		}
		if info, err := Verify(dir); err != nil || info.Queues[0].Messages != int64(left-1) || info.Queues[0].Quarantined != 1 {
			t.Errorf("Verify: %+v, %v", info, err)
		}
		s = open(t, c)
		if q, err = s.Queue(key); err != nil {
			t.Fatal(err)
		}
		if q.Len() != left || s.Quarantined() != 0 {
			t.Errorf("opened, the queue has %d messages, and %d were damaged", q.Len(), s.Quarantined())
		}
		got := drain(t, q)
		if len(got) != left-1 || strings.Contains(fmt.Sprint(got), "nessage") {
			t.Errorf("%d messages came, want %d", len(got), left-1)
		}
		if q.Len() != 0 || q.First() != n+1 || s.Quarantined() != 1 {
			t.Errorf("at the end it has %d messages from %d on, and %d were damaged", q.Len(), q.First(), s.Quarantined())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := Verify(dir)
		if err != nil || info.Queues[0].Messages != 0 || info.Queues[0].Quarantined != 0 || info.Queues[0].BrokenBytes < 10_000 {
			t.Errorf("Verify, afterwards: %+v, %v", info, err)
		}
	}
	if _, err := Verify(filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify of nothing: %v", err)
	}
}
