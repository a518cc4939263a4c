package retl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// stateFiles is what a state needs of the directory that it is in. A vfs.FS has it all, and so the doubles of vfstest.
type stateFiles interface {
	Create(name string) (vfs.File, error)
	Open(name string) (vfs.File, error)
	Rename(from, to string) error
	Remove(name string) error
	SyncDir() error
	Lock(name string) (io.Closer, error)
}

// A userDir is a directory that belongs to somebody else: unlike vfs.OpenDir it makes no demands on its mode and does not change it.
// What reads comes from a vfs.Dir for reading only.
type userDir struct {
	*vfs.Dir
	root *os.Root
}

func openUserDir(path string) (*userDir, error) {
	dir, err := vfs.ReadDir(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir.Path())
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &userDir{dir, root}, nil
}

func (d *userDir) Close() error { return errors.Join(d.Dir.Close(), d.root.Close()) }

// Create makes a file that is not there yet, for its owner alone whatever the umask.
func (d *userDir) Create(name string) (vfs.File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js" {
		if err := f.Chmod(0o600); err != nil {
			f.Close()
			return nil, err
		}
	}
	return userFile{f}, nil
}

func (d *userDir) Rename(from, to string) error { return d.root.Rename(from, to) }

func (d *userDir) Remove(name string) error { return d.root.Remove(name) }

// Lock takes a lock that is in a directory of its own: vfs offers locks only where it may see to the modes.
func (d *userDir) Lock(name string) (io.Closer, error) {
	home, err := vfs.OpenDir(filepath.Join(d.Path(), name))
	if err != nil {
		return nil, err
	}
	defer home.Close()
	return home.Lock("owner")
}

type userFile struct{ *os.File }

func (f userFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// locate returns the directory and the name of a state's file, with links followed.
func locate(path string) (dir, name string, err error) {
	if path == "" {
		return "", "", errors.New("retl: the path of the state is empty")
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return "", "", fmt.Errorf("retl: the state %s is not a file", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("retl: the state: %w", err)
	}
	dir, name = filepath.Split(path)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", "", fmt.Errorf("retl: the directory of the state %s has to be there: %w", path, err)
	}
	return dir, name, nil
}

// missing tells whether a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
