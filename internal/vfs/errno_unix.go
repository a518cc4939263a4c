//go:build unix

package vfs

import (
	"errors"
	"syscall"
)

// NoSpace tells whether an error says that the disk, or what this user may have of it, is full.
func NoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// dirSyncUnknown tells whether a file system has said that it does not sync directories.
func dirSyncUnknown(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP)
}
