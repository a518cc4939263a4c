//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package vfs

import (
	"os"
	"syscall"
)

// lock takes an exclusive lock on an open file, and tells whether somebody has it already. flock belongs to this opening of the
// file, so that a second one in the same process meets it too, and ends with the process.
func lock(f *os.File) (held bool, err error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil:
			return false, nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return true, nil
		default:
			return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}
