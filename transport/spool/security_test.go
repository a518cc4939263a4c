//go:build unix

package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Row 74: with a umask of 0 and in a directory that was there before, nothing in a spool is for others to read.
func TestFault74NothingInASpoolIsForOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	top := t.TempDir()
	there := filepath.Join(top, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{there, filepath.Join(top, "new", "spool")} {
		s := open(t, Config{Dir: dir})
		drain(t, fill(t, s, key, 3))
		fill(t, s, otherKey, 3)
		if err := s.Close(); err != nil { // writes the acknowledgements
			t.Fatal(err)
		}
		files := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			} else {
				files++
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %#o, want %#o", path, got, want)
			}
			return nil
		})
		if err != nil || files < 6 {
			t.Errorf("%d files, %v", files, err)
		}
	}
	if info, err := os.Stat(filepath.Join(top, "new")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a directory above a new spool: %v, %v", info.Mode(), err)
	}
}

// Row 74: who may write to any part of a spool could read or change what is put there, and a link leads elsewhere. Both are refused
// with advice, and nothing is written through them.
func TestFault74OpenToOthersOrElsewhere(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir, queue string) error{
		"the directory is for a group": func(t *testing.T, dir, _ string) error { return os.Chmod(dir, 0o770) },
		"the directory is for all":     func(t *testing.T, dir, _ string) error { return os.Chmod(dir, fs.ModeSticky|0o777) },
		"the catalog is for all":       func(t *testing.T, dir, _ string) error { return os.Chmod(filepath.Join(dir, catalogName), 0o707) },
		"a queue is for a group":       func(t *testing.T, _, queue string) error { return os.Chmod(queue, 0o770) },
		"a segment is for a group": func(t *testing.T, _, queue string) error {
			return os.Chmod(segmentOf(t, queue), 0o660)
		},
		"the directory is a link": func(t *testing.T, dir, _ string) error { return replaceWithLink(dir) },
		"the catalog is a link":   func(t *testing.T, dir, _ string) error { return replaceWithLink(filepath.Join(dir, catalogName)) },
		"a queue is a link":       func(t *testing.T, _, queue string) error { return replaceWithLink(queue) },
		"a segment is a link":     func(t *testing.T, _, queue string) error { return replaceWithLink(segmentOf(t, queue)) },
		"the lock is a link": func(t *testing.T, dir, _ string) error {
			return replaceWithLink(filepath.Join(dir, catalogName, "LOCK"))
		},
		"a MANIFEST is a link": func(t *testing.T, _, queue string) error { return replaceWithLink(filepath.Join(queue, "MANIFEST")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			s := open(t, Config{Dir: dir})
			fill(t, s, key, 3)
			queue := filepath.Join(dir, s.name(key))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := spoil(t, dir, queue); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			s, err := Open(Config{Dir: dir}, endpoint)
			if err == nil {
				_, err = s.Queue(key)
				if closeErr := s.Close(); closeErr != nil {
					t.Error(closeErr)
				}
			}
			var of *OpenError
			if !errors.As(err, &of) || of.Advice == "" || !strings.Contains(err.Error(), "0700") && !strings.Contains(err.Error(), "restore") {
				t.Errorf("it opens, or says: %v", err)
			}
			if after := contents(t, dir); after != before {
				t.Errorf("the spool was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

func segmentOf(t *testing.T, queue string) string {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(queue, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	return segments[0]
}

// replaceWithLink moves what is at path aside, and puts a link to it there.
func replaceWithLink(path string) error {
	if err := os.Rename(path, path+".real"); err != nil {
		return err
	}
	return os.Symlink(path+".real", path)
}

// contents returns the names and bytes of all files below a directory, links followed at the top alone.
func contents(t *testing.T, dir string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			err = nil // a link to a directory, which comes by its own name
		}
		all.WriteString(path + " " + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
