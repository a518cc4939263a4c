// Package vfs is the little of a file system that a durable queue needs: one flat directory, and files that are read, written
// and synced at offsets. Dir is the real one; package vfstest has doubles that fail on demand and that lose power.
//
// What the queue rests on, and what a platform gives:
//
//   - File.Sync returns once the file's bytes are on the disk. On macOS that is F_FULLFSYNC, which waits for the drive's cache too;
//     elsewhere it is fsync or FlushFileBuffers, and the drive has to honour it.
//   - FS.SyncDir does the same for the names: a file that was created, renamed or removed may be found in its old state after a power
//     cut until then. Windows has nothing of the kind: SyncDir does nothing there, and NTFS orders names by its own journal. A
//     file system that answers that directories cannot be synced (some network and FUSE ones) is taken at its word.
//   - FS.Lock is held by the process and dies with it. It does not reach across machines: a directory on a network share must have
//     one machine using it.
//   - Directories have mode 0700 and files 0600, whatever the umask. Windows has no such modes: a directory inherits the access
//     list of the one it is made in.
package vfs

import (
	"io"
	"time"
)

// An FS is one directory without directories in it. Names have no separators. Its methods may be called by any number of goroutines.
// An error is an *fs.PathError, an *os.LinkError, or one of this package's types.
type FS interface {
	// Create makes a file that is not there yet and opens it for reading and writing.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Edit opens a file that is there for reading and writing.
	Edit(name string) (File, error)
	// Rename gives a file another name, in the place of a file that has it.
	Rename(from, to string) error
	// Remove takes a file's name away.
	Remove(name string) error
	// List returns the directory's entries, sorted by name.
	List() ([]Entry, error)
	// SyncDir returns once the names are on the disk.
	SyncDir() error
	// Lock takes the lock of that name, or returns a *LockedError at once where somebody has it, in this process or another.
	// Closing what it returns gives the lock back.
	Lock(name string) (io.Closer, error)
	// Verify returns a *GoneError where the directory's path no longer leads to the one that was opened, or f, whose name is name, was
	// removed: what is written to f would not be found again. It is cheap enough to be asked after each write.
	Verify(name string, f File) error
}

// A File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns how long the file is.
	Size() (int64, error)
	// Truncate cuts the file, or lengthens it with zeros.
	Truncate(size int64) error
	// Sync returns once the file's bytes and length are on the disk. After an error nobody can say which of them are, and a
	// second Sync that returns nil does not mean that they are.
	Sync() error
}

// An Entry is a name in the directory.
type Entry struct {
	Name string
	Size int64
	// Modified is when the file was last written.
	Modified time.Time
	// Regular is false for directories, links, pipes and devices.
	Regular bool
}

// A LockedError says that somebody else has the lock.
type LockedError struct {
	// Dir is the directory, Name the lock's.
	Dir, Name string
}

func (e *LockedError) Error() string {
	return "the lock " + e.Name + " of " + e.Dir + " is held by another process, or twice by this one"
}

// A PermissionError says that a directory or file is not safe to keep messages in.
type PermissionError struct {
	Path   string
	Reason string
}

func (e *PermissionError) Error() string { return e.Path + ": " + e.Reason }

// A GoneError says that a directory or file was moved, replaced or removed while it was in use.
type GoneError struct {
	Path string
}

func (e *GoneError) Error() string { return e.Path + ": moved or removed while in use" }
