package vfs

import (
	"errors"
	"syscall"
)

const (
	errHandleDiskFull = syscall.Errno(39)
	errDiskFull       = syscall.Errno(112)
)

// NoSpace tells whether an error says that the disk, or what this user may have of it, is full.
func NoSpace(err error) bool {
	return errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull) || errors.Is(err, syscall.ENOSPC)
}

// dirSyncUnknown is not asked here: directories are not synced at all.
func dirSyncUnknown(error) bool { return false }
