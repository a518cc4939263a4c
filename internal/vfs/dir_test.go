package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

func openDir(t *testing.T, path string) *vfs.Dir {
	t.Helper()
	d, err := vfs.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func create(t *testing.T, d vfs.FS, name, text string) vfs.File {
	t.Helper()
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func skipWithoutModes(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("this system has no modes")
	}
}

func requireMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %#o, want %#o", filepath.Base(path), got, want)
	}
}

func TestLifeOfAFile(t *testing.T) {
	d := openDir(t, t.TempDir())
	f := create(t, d, "a", "some text")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4); err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); size != 4 || err != nil {
		t.Errorf("Size is %d, %v", size, err)
	}
	if err := d.Rename("a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDir(); err != nil {
		t.Fatal(err)
	}
	entries, err := d.List()
	if err != nil || len(entries) != 1 || entries[0].Name != "b" || entries[0].Size != 4 || !entries[0].Regular {
		t.Errorf("%+v, %v", entries, err)
	}
	if _, err := d.Create("b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of a file that is there: %v", err)
	}
	edited, err := d.Edit("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edited.WriteAt([]byte("!"), 4); err != nil {
		t.Error(err)
	}
	edited.Close()
	read, err := d.Open("b")
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 5)
	if _, err := read.ReadAt(text, 0); err != nil || string(text) != "some!" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := read.WriteAt(text, 0); err == nil {
		t.Error("a file that was opened for reading was written to")
	}
	read.Close()
	f.Close()
	if err := d.Remove("b"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Open": second(d.Open("b")), "Edit": second(d.Edit("b")), "Remove": d.Remove("b"), "Rename": d.Rename("b", "c")} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a file that is not there: %v", what, err)
		}
	}
}

func second(_ vfs.File, err error) error { return err }

func TestNamesThatLeadElsewhere(t *testing.T) {
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "outside"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, filepath.Join(top, "queue"))
	create(t, d, "inside", "")
	for _, name := range []string{"", ".", "..", "../outside", "a/b", `a\b`, "/etc/passwd", "C:x", filepath.Join(top, "outside")} {
		for what, err := range map[string]error{"Create": second(d.Create(name)), "Open": second(d.Open(name)), "Edit": second(d.Edit(name)),
			"Remove": d.Remove(name), "Rename from": d.Rename(name, "c"), "Rename to": d.Rename("inside", name)} {
			if err == nil {
				t.Errorf("%s(%q) returned nil", what, name)
			}
		}
		if _, err := d.Lock(name); err == nil {
			t.Errorf("Lock(%q) returned nil", name)
		}
	}
}

func TestLinksAreRefused(t *testing.T) {
	top := t.TempDir()
	d := openDir(t, filepath.Join(top, "queue"))
	create(t, d, "file", "text")
	outside := filepath.Join(top, "outside")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"to-outside": outside, "to-inside": "file", "to-nothing": "nothing"} {
		if err := os.Symlink(to, filepath.Join(d.Path(), name)); err != nil {
			t.Skip("this system makes no links")
		}
		if _, err := d.Create(name); err == nil {
			t.Errorf("%s: Create returned nil", name)
		}
		denied := (*vfs.PermissionError)(nil)
		if _, err := d.Open(name); !errors.As(err, &denied) {
			t.Errorf("%s: Open: %v", name, err)
		}
		if _, err := d.Edit(name); !errors.As(err, &denied) {
			t.Errorf("%s: Edit: %v", name, err)
		}
		if _, err := d.Lock(name); err == nil {
			t.Errorf("%s: Lock returned nil", name)
		}
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.Symlink(d.Path(), filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	denied := (*vfs.PermissionError)(nil)
	if _, err := vfs.OpenDir(filepath.Join(top, "link")); !errors.As(err, &denied) {
		t.Errorf("OpenDir of a link: %v", err)
	}
	if _, err := vfs.OpenDir(filepath.Join(d.Path(), "file")); !errors.As(err, &denied) {
		t.Errorf("OpenDir of a file: %v", err)
	}
}

// Row 74.
func TestFault74Modes(t *testing.T) {
	skipWithoutModes(t)
	withUmask(t, 0, func() {
		top := t.TempDir()
		d := openDir(t, filepath.Join(top, "a", "b", "queue"))
		create(t, d, "file", "")
		lock, err := d.Lock("LOCK")
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		for _, name := range []string{"a", "a/b", "a/b/queue"} {
			requireMode(t, filepath.Join(top, name), 0o700)
		}
		requireMode(t, filepath.Join(d.Path(), "file"), 0o600)
		requireMode(t, filepath.Join(d.Path(), "LOCK"), 0o600)
	})
	withUmask(t, 0o777, func() {
		top := t.TempDir()
		if err := os.Chmod(top, 0o700); err != nil {
			t.Fatal(err)
		}
		d := openDir(t, filepath.Join(top, "queue"))
		create(t, d, "file", "")
		requireMode(t, d.Path(), 0o700)
		requireMode(t, filepath.Join(d.Path(), "file"), 0o600)
	})
	for mode, allowed := range map[fs.FileMode]bool{0o700: true, 0o755: true, 0o500: true, 0o770: false, 0o702: false, 0o777: false, fs.ModeSticky | 0o777: false} {
		path := filepath.Join(t.TempDir(), "queue")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		d, err := vfs.OpenDir(path)
		if denied := (*vfs.PermissionError)(nil); !allowed && !errors.As(err, &denied) {
			t.Errorf("a directory of mode %#o: %v", mode, err)
		}
		if allowed && err != nil {
			t.Errorf("a directory of mode %#o: %v", mode, err)
		}
		if d != nil {
			requireMode(t, path, 0o700)
			d.Close()
		}
	}
	d := openDir(t, t.TempDir())
	for mode, allowed := range map[fs.FileMode]bool{0o600: true, 0o644: true, 0o660: false, 0o606: false} {
		f := create(t, d, "file", "")
		f.Close()
		path := filepath.Join(d.Path(), "file")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		f, err := d.Edit("file")
		if denied := (*vfs.PermissionError)(nil); !allowed && !errors.As(err, &denied) || allowed && err != nil {
			t.Errorf("a file of mode %#o: %v", mode, err)
		}
		if f != nil {
			requireMode(t, path, 0o600)
			f.Close()
		}
		os.Remove(path)
	}
}

func TestLock(t *testing.T) {
	path := t.TempDir()
	a, b := openDir(t, path), openDir(t, path)
	held, err := a.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*vfs.Dir{a, b} {
		locked := (*vfs.LockedError)(nil)
		if _, err := d.Lock("LOCK"); !errors.As(err, &locked) || locked.Name != "LOCK" || !strings.Contains(locked.Error(), locked.Dir) {
			t.Errorf("a second Lock: %v", err)
		}
	}
	held.Close()
	again, err := b.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestVerify(t *testing.T) {
	top := t.TempDir()
	d := openDir(t, filepath.Join(top, "queue"))
	f := create(t, d, "file", "text")
	gone := (*vfs.GoneError)(nil)
	if err := d.Verify("file", f); err != nil {
		t.Fatal(err)
	}
	create(t, d, "new", "text")
	if err := d.Rename("new", "file"); err != nil {
		t.Fatal(err)
	}
	if err := d.Verify("file", f); !errors.As(err, &gone) {
		t.Errorf("with another file in its place: %v", err)
	}
	f = create(t, d, "removed", "text")
	if err := d.Remove("removed"); err != nil {
		t.Fatal(err)
	}
	if err := d.Verify("removed", f); !errors.As(err, &gone) || filepath.Base(gone.Path) != "removed" {
		t.Errorf("after it was removed: %v", err)
	}
	f = create(t, d, "other", "text")
	if err := os.Rename(d.Path(), filepath.Join(top, "moved")); err != nil {
		t.Skip("this system does not rename a directory that is in use")
	}
	if err := d.Verify("other", f); !errors.As(err, &gone) || gone.Path != d.Path() {
		t.Errorf("after the directory was renamed: %v", err)
	}
	if err := os.Mkdir(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Verify("other", f); !errors.As(err, &gone) {
		t.Errorf("with another directory of its name: %v", err)
	}
}

func TestReadDirChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue")
	if _, err := vfs.ReadDir(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("ReadDir of nothing: %v", err)
	}
	create(t, openDir(t, path), "file", "text")
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := vfs.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for what, err := range map[string]error{"Create": second(d.Create("new")), "Edit": second(d.Edit("file")), "Remove": d.Remove("file"), "Rename": d.Rename("file", "c")} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := d.Lock("LOCK"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Lock: %v", err)
	}
	f, err := d.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := make([]byte, 4)
	if _, err := f.ReadAt(text, 0); err != nil || !bytes.Equal(text, []byte("text")) {
		t.Errorf("%q, %v", text, err)
	}
	if runtime.GOOS != "windows" {
		requireMode(t, path, 0o755)
	}
}
