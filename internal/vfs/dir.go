package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// A Dir is a directory of the operating system. It keeps the directory itself open, so that no link put in its path later leads
// it elsewhere, and follows no link inside.
type Dir struct {
	path string
	root *os.Root
	id   identity
	edit bool
}

// OpenDir opens a directory for reading and writing, making it and those above it where they are missing, and forces its mode to
// 0700. It returns a *PermissionError where path is a link, is not a directory, or may be written to by others.
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDirs(path); err != nil {
		return nil, err
	}
	return open(path, true)
}

// ReadDir opens a directory that is there for reading only, and changes nothing about it.
func ReadDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return open(path, false)
}

func open(path string, edit bool) (*Dir, error) {
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !seen.IsDir() {
		return nil, &PermissionError{path, "is not a directory, or is a link to one"}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, root: root, edit: edit}
	if err := d.settle(seen); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// settle makes sure that what was opened is what was looked at, and is for its owner alone.
func (d *Dir) settle(seen fs.FileInfo) error {
	self, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(seen, self) {
		return &GoneError{d.path}
	}
	d.id = identify(self)
	if !hasModes || !d.edit {
		return nil
	}
	mode := self.Mode().Perm()
	if mode&0o022 != 0 {
		return &PermissionError{d.path, fmt.Sprintf("mode %#o: others may write to the directory", mode)}
	}
	if mode == 0o700 {
		return nil
	}
	return d.root.Chmod(".", 0o700)
}

// makeDirs makes the directories that are missing, and syncs each one's parent: a new directory that is not in its parent on the
// disk takes all of its files with it in a power cut.
func makeDirs(path string) error {
	_, err := os.Lstat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return err
	}
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster
			return nil
		}
		return err
	}
	if err := os.Chmod(path, 0o700); err != nil { // the umask may have taken some of it
		return err
	}
	return syncDir(parent)
}

func syncDir(path string) error {
	if !hasDirSync {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !dirSyncUnknown(err) {
		return err
	}
	return nil
}

// Path returns the directory's absolute path.
func (d *Dir) Path() string { return d.path }

// Close gives the directory back. Files and locks that are open stay so.
func (d *Dir) Close() error { return d.root.Close() }

// Create implements FS. It follows no link: a name that is there is an error.
func (d *Dir) Create(name string) (File, error) {
	if err := d.check("create", name, true); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if hasModes {
		if err := f.Chmod(0o600); err != nil { // the umask may have taken some of it
			f.Close()
			return nil, err
		}
	}
	return osFile{f}, nil
}

// Open implements FS.
func (d *Dir) Open(name string) (File, error) { return d.open(name, os.O_RDONLY, false) }

// Edit implements FS.
func (d *Dir) Edit(name string) (File, error) { return d.open(name, os.O_RDWR, true) }

func (d *Dir) open(name string, flag int, write bool) (File, error) {
	if err := d.check("open", name, write); err != nil {
		return nil, err
	}
	seen, err := d.root.Lstat(name) // before it is opened: opening a pipe would block
	if err != nil {
		return nil, err
	}
	f, err := d.openSeen(name, flag, seen)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// openSeen opens a file that was seen to be there under its own name, not a link, and that nobody else may write to.
func (d *Dir) openSeen(name string, flag int, seen fs.FileInfo) (*os.File, error) {
	path := filepath.Join(d.path, name)
	if !seen.Mode().IsRegular() {
		return nil, &PermissionError{path, "is a link, or not a file"}
	}
	f, err := d.root.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	got, err := f.Stat()
	if err == nil && !os.SameFile(seen, got) {
		err = &GoneError{path}
	}
	if err == nil && hasModes && d.edit {
		switch mode := got.Mode().Perm(); {
		case mode&0o022 != 0:
			err = &PermissionError{path, fmt.Sprintf("mode %#o: others may write to the file", mode)}
		case mode != 0o600:
			err = f.Chmod(0o600)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Rename implements FS.
func (d *Dir) Rename(from, to string) error {
	if err := d.check("rename", from, true); err != nil {
		return err
	}
	if err := d.check("rename", to, true); err != nil {
		return err
	}
	return d.root.Rename(from, to)
}

// Remove implements FS.
func (d *Dir) Remove(name string) error {
	if err := d.check("remove", name, true); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// List implements FS.
func (d *Dir) List() ([]Entry, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	entries := make([]Entry, 0, len(names))
	for _, name := range names {
		info, err := d.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{name, info.Size(), info.ModTime(), info.Mode().IsRegular()})
	}
	return entries, nil
}

// SyncDir implements FS. It does nothing on Windows.
func (d *Dir) SyncDir() error {
	if !hasDirSync {
		return nil
	}
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !dirSyncUnknown(err) {
		return err
	}
	return nil
}

// Lock implements FS: flock, or LockFileEx on Windows. On platforms that have neither it returns errors.ErrUnsupported.
func (d *Dir) Lock(name string) (io.Closer, error) {
	if err := d.check("lock", name, true); err != nil {
		return nil, err
	}
	if f, err := d.Create(name); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	seen, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	f, err := d.openSeen(name, os.O_RDWR, seen)
	if err != nil {
		return nil, err
	}
	held, err := lock(f)
	if err == nil && held {
		err = &LockedError{Dir: d.path, Name: name}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil // closing the file gives the lock back
}

// check refuses names that lead elsewhere, and changes to a directory that was opened for reading.
func (d *Dir) check(op, name string, write bool) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\:`) || !filepath.IsLocal(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if write && !d.edit {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
	}
	return nil
}

const (
	hasModes   = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js"
	hasDirSync = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js"
)

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
