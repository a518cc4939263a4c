package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
)

// openFiles returns the numbers of the process's open files.
func openFiles(t *testing.T) []string {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// withFiles calls f while the process may have that many open files.
func withFiles(t *testing.T, limit uint64, f func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// Rows 50 and 69: a process that may open no more files fails to open a spool at every step there is, one after the other. The error
// says so, nothing is left open, and the messages stay as they are; what is known to be done may have been written anew.
func TestFault50And69NoMoreFilesAtEachStep(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collector would close what was forgotten
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, Config{Dir: dir})
	fill(t, s, key, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment, files := segmentOf(t, filepath.Join(dir, s.name(key))), openFiles(t)
	stored, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	failures := 0
	for limit := uint64(3); ; limit++ {
		var err error
		withFiles(t, limit, func() {
			if s, err = Open(Config{Dir: dir}, endpoint); err == nil {
				if _, err = s.Queue(key); err != nil {
					if closeErr := s.Close(); closeErr != nil {
						t.Error(closeErr)
					}
				}
			}
		})
		if err == nil {
			break
		}
		failures++
		var of *OpenError
		if !errors.As(err, &of) || !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("with %d files: %v", limit, err)
		}
		if now := openFiles(t); !slices.Equal(now, files) {
			t.Fatalf("with %d files, those that are open were %v and are %v", limit, files, now)
		}
		if now, err := os.ReadFile(segment); err != nil || !bytes.Equal(now, stored) {
			t.Fatalf("with %d files, the segment was %q and is %q, %v", limit, stored, now, err)
		}
	}
	if failures < 5 {
		t.Errorf("it failed at %d steps only", failures)
	}
	q, err := s.Queue(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, q); len(got) != 5 {
		t.Errorf("%d of 5 messages came", len(got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now := openFiles(t); !slices.Equal(now, files) {
		t.Errorf("after Close those that are open were %v and are %v", files, now)
	}
}
