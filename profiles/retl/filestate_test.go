package retl_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

func openState(t *testing.T, path string) *retl.FileState {
	t.Helper()
	s, err := retl.OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sending(t *testing.T, s retl.State, keys ...string) {
	t.Helper()
	var entries []retl.Entry
	for _, key := range keys {
		entries = append(entries, retl.Entry{Key: key, Version: 1})
	}
	if err := s.Sending(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func keysOf(t *testing.T, s retl.State) string {
	t.Helper()
	var keys []string
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return strings.Join(keys, " ")
}

func TestOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := openState(t, path)
	inUse := (*retl.StateInUseError)(nil)
	if _, err := retl.OpenState(path); !errors.As(err, &inUse) || inUse.Path != path {
		t.Errorf("a second OpenState: %v", err)
	}
	if err := retl.ResetState(path); !errors.As(err, &inUse) {
		t.Errorf("ResetState: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openState(t, path)
}

func TestClosedState(t *testing.T) {
	s := openState(t, filepath.Join(t.TempDir(), "state"))
	sending(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, headErr := s.Head(ctx)
	var entriesErr error
	for _, err := range s.Entries(ctx) {
		entriesErr = err
	}
	for what, err := range map[string]error{"Close": s.Close(), "Head": headErr, "Entries": entriesErr, "Commit": s.Commit(ctx, retl.Head{}),
		"Reset": s.Reset(ctx, retl.Head{}), "Sending": s.Sending(ctx, []retl.Entry{{Key: "b"}}), "Sent": s.Sent(ctx, []retl.Mark{{Key: "b"}})} {
		if !errors.Is(err, retl.ErrStateClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStateIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := openState(t, path)
	sending(t, s, "a")
	if err := s.Commit(t.Context(), retl.Head{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	sending(t, s, "b") // and no Commit
	s.Close()
	s = openState(t, path)
	if keys := keysOf(t, s); keys != "a b" {
		t.Errorf("the keys are %s", keys)
	}
	if head, err := s.Head(t.Context()); err != nil || head.Generation != 1 {
		t.Error(head, err)
	}
}

func TestDirectoryIsMissing(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "nothing", "state"), ""} {
		_, err := retl.OpenState(path)
		if err == nil || path != "" && (!errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "directory")) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := retl.OpenState(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a directory: %v", err)
	}
}

// The user's directory is left as it is, and what is in it is the user's alone.
func TestStateModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no modes")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o775); err != nil {
		t.Fatal(err)
	}
	s := openState(t, filepath.Join(dir, "state"))
	sending(t, s, "a")
	if err := s.Commit(t.Context(), retl.Head{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), retl.Head{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	sending(t, s, "b")
	if err := s.Sent(t.Context(), []retl.Mark{{Key: "b"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o775, "state": 0o600, "state.sending": 0o600, "state.sent": 0o600, "state.head": 0o600, "state.lock": 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %#o, want %#o", name, got, want)
		}
	}
	if err := s.Commit(t.Context(), retl.Head{}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 2 {
		t.Errorf("after a Commit there are %q, %v", names, err)
	}
}

// A state behind a link is written where the link leads, and the link stays.
func TestStateBehindALink(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "link")
	s := openState(t, real)
	sending(t, s, "a")
	if err := s.Commit(t.Context(), retl.Head{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Symlink(real, link); err != nil {
		t.Skip("this system makes no links")
	}
	s = openState(t, link)
	inUse := (*retl.StateInUseError)(nil)
	if _, err := retl.OpenState(real); !errors.As(err, &inUse) {
		t.Errorf("the same state by its other name: %v", err)
	}
	sending(t, s, "b")
	if err := s.Commit(t.Context(), retl.Head{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is gone", err)
	}
	if keys := keysOf(t, openState(t, real)); keys != "a b" {
		t.Errorf("the keys are %s", keys)
	}
}

func TestResetState(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	head := retl.Head{Model: "m", Generation: 3}
	for what, spoil := range map[string]func() error{
		"nothing there": func() error { return os.RemoveAll(path) },
		"whole":         func() error { return nil },
		"no state":      func() error { return os.WriteFile(path, []byte("something else"), 0o600) },
		"cut short":     func() error { return os.Truncate(path, 40) },
		"no base": func() error {
			s, err := retl.OpenState(path)
			if err != nil {
				return err
			}
			err = s.Sending(t.Context(), []retl.Entry{{Key: "z"}})
			return errors.Join(err, s.Close(), os.Remove(path))
		},
	} {
		if err := retl.ResetState(path); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s := openState(t, path)
		sending(t, s, "a")
		if err := s.Commit(t.Context(), head); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := retl.ResetState(path); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s = openState(t, path)
		if keys := keysOf(t, s); keys != "" {
			t.Errorf("%s: the keys are %s", what, keys)
		}
		if got, err := s.Head(t.Context()); err != nil || got.Generation < 1_700_000_000 || got.Model != "" {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		s.Close()
	}
}

// No error shows a key: keys are data of people.
func TestErrorsShowNoKeys(t *testing.T) {
	for _, s := range []retl.State{openState(t, filepath.Join(t.TempDir(), "state")), new(retl.MemoryState)} {
		for _, keys := range [][2]string{{"secret", "secret"}, {"secret", "a-secret"}} {
			err := s.Sending(t.Context(), []retl.Entry{{Key: keys[0]}, {Key: keys[1]}})
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		}
		large := retl.Entry{Key: "secret", Row: make([]byte, 32<<20)}
		if err := s.Sending(t.Context(), []retl.Entry{large}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		sending(t, s, "a")
	}
}
