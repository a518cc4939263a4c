package vfs

import (
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

const (
	lockFailImmediately = 1
	lockExclusive       = 2
	errLockViolation    = syscall.Errno(33)
)

// lock takes an exclusive lock on an open file, and tells whether somebody has it already. The lock belongs to the handle, so that
// a second one in the same process meets it too, and ends with the process.
func lock(f *os.File) (held bool, err error) {
	var where syscall.Overlapped
	ok, _, errno := lockFileEx.Call(f.Fd(), lockExclusive|lockFailImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&where)))
	if ok != 0 {
		return false, nil
	}
	if errno == errLockViolation || errno == syscall.ERROR_IO_PENDING {
		return true, nil
	}
	return false, &os.PathError{Op: "lock", Path: f.Name(), Err: errno}
}
