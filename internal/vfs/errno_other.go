//go:build !unix && !windows

package vfs

// NoSpace tells whether an error says that the disk is full. These platforms do not say.
func NoSpace(error) bool { return false }

// dirSyncUnknown is true here: what a platform without a file system of its own answers is not an error of the disk.
func dirSyncUnknown(error) bool { return true }
