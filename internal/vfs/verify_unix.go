//go:build unix

package vfs

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Verify implements FS, with two system calls and no allocation: it is called for each group commit. A file that was moved to another
// directory, and not removed, passes.
func (d *Dir) Verify(name string, f File) error {
	of, ok := f.(osFile)
	if !ok {
		return fmt.Errorf("vfs: a file of %T is not one of Dir's", f)
	}
	var now syscall.Stat_t
	if err := syscall.Lstat(d.path, &now); err != nil || uint64(now.Dev) != d.id.dev || uint64(now.Ino) != d.id.ino {
		return &GoneError{d.path}
	}
	if err := syscall.Fstat(int(of.Fd()), &now); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if now.Nlink == 0 {
		return &GoneError{filepath.Join(d.path, name)}
	}
	return nil
}

// An identity tells a directory from all others.
type identity struct{ dev, ino uint64 }

func identify(info os.FileInfo) identity {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{uint64(stat.Dev), uint64(stat.Ino)}
	}
	return identity{}
}
