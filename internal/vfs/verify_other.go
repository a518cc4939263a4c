//go:build !unix

package vfs

import (
	"fmt"
	"os"
	"path/filepath"
)

// Verify implements FS.
func (d *Dir) Verify(name string, f File) error {
	of, ok := f.(osFile)
	if !ok {
		return fmt.Errorf("vfs: a file of %T is not one of Dir's", f)
	}
	now, err := os.Lstat(d.path)
	if err != nil || !os.SameFile(now, d.id.info) {
		return &GoneError{d.path}
	}
	open, err := of.Stat()
	if err != nil {
		return err
	}
	if now, err = d.root.Lstat(name); err != nil || !os.SameFile(now, open) {
		return &GoneError{filepath.Join(d.path, name)}
	}
	return nil
}

// An identity tells a directory from all others.
type identity struct{ info os.FileInfo }

func identify(info os.FileInfo) identity { return identity{info} }
