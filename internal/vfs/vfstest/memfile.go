package vfstest

import (
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

type memFile struct {
	m      *Mem
	name   string
	node   *inode
	edit   bool
	closed bool
}

// use locks the directory for an operation on the file.
func (f *memFile) use(op string, edit bool) error {
	f.m.mu.Lock()
	if f.closed {
		f.m.mu.Unlock()
		return pathError(op, f.name, fs.ErrClosed)
	}
	if edit && !f.edit {
		f.m.mu.Unlock()
		return pathError(op, f.name, syscall.EBADF)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.use("write", true); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	n := int64(len(p))
	var err error
	if more := off + n - int64(len(f.node.data)); f.m.capacity > 0 && more > 0 {
		if left := max(f.m.capacity-f.m.used(), 0); more > left {
			n, err = max(n-(more-left), 0), pathError("write", f.name, syscall.ENOSPC)
		}
	}
	f.node.grow(off + n)
	copy(f.node.data[off:], p[:n])
	f.node.touch(off, off+n)
	return int(n), err
}

// grow makes a file at least size long.
func (n *inode) grow(size int64) {
	if more := size - int64(len(n.data)); more > 0 {
		n.touch(int64(len(n.data)), size)
		n.data = append(n.data, make([]byte, more)...)
	}
}

// touch notes that bytes were written.
func (n *inode) touch(from, to int64) {
	n.modified = time.Now()
	if from >= to {
		return
	}
	i := len(n.dirty) - 1
	if i >= 0 && n.dirty[i].from <= from && from <= n.dirty[i].to {
		n.dirty[i].to = max(n.dirty[i].to, to)
		return
	}
	n.dirty = append(n.dirty, span{from, to})
}

func (f *memFile) Size() (int64, error) {
	if err := f.use("stat", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.use("truncate", true); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	n := f.node
	n.modified = time.Now()
	if size >= int64(len(n.data)) {
		n.grow(size)
		return nil
	}
	n.data = slices.Clip(n.data[:size])
	for i := range n.dirty {
		n.dirty[i].to = min(n.dirty[i].to, size)
	}
	n.dirty = slices.DeleteFunc(n.dirty, func(s span) bool { return s.from >= s.to })
	return nil
}

func (f *memFile) Sync() error {
	if err := f.use("sync", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	n := f.node
	disk := make([]byte, len(n.data))
	copy(disk, n.disk)
	for _, s := range n.dirty {
		copy(disk[s.from:s.to], n.data[s.from:s.to])
	}
	n.disk, n.dirty = disk, nil
	return nil
}

// FailSync is what a Sync does that returns an error: what was unsynced is forgotten, and no later Sync brings it to the disk.
func (f *memFile) FailSync() {
	if f.use("sync", false) == nil {
		f.node.dirty = nil
		f.m.mu.Unlock()
	}
}

func (f *memFile) Close() error {
	if err := f.use("close", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.closed = true
	return nil
}
