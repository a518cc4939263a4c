//go:build unix

package vfs_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// withUmask runs f under another umask. Tests that use it do not run in parallel.
func withUmask(t *testing.T, mask int, f func()) {
	t.Helper()
	defer syscall.Umask(syscall.Umask(mask))
	f()
}

// A pipe in a file's place is refused without being opened, which would wait for ever.
func TestPipeIsRefused(t *testing.T) {
	d := openDir(t, t.TempDir())
	if err := syscall.Mkfifo(filepath.Join(d.Path(), "pipe"), 0o600); err != nil {
		t.Skip("this system makes no pipes")
	}
	denied := (*vfs.PermissionError)(nil)
	if _, err := d.Open("pipe"); !errors.As(err, &denied) {
		t.Errorf("Open: %v", err)
	}
	if _, err := d.Lock("pipe"); !errors.As(err, &denied) {
		t.Errorf("Lock: %v", err)
	}
}

func TestNoSpace(t *testing.T) {
	if !vfs.NoSpace(&vfsError{syscall.ENOSPC}) || !vfs.NoSpace(syscall.EDQUOT) || vfs.NoSpace(syscall.EIO) || vfs.NoSpace(nil) {
		t.Error("NoSpace")
	}
}

type vfsError struct{ err error }

func (e *vfsError) Error() string { return e.err.Error() }
func (e *vfsError) Unwrap() error { return e.err }
