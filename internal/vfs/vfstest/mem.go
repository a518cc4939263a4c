// Package vfstest has file systems for tests: Mem, which loses power as disks do, and Faults, which fails on demand.
package vfstest

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"sort"
	"sync"
	"syscall"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// Mem is a directory in memory that knows what of it would be on the disk. Its zero value is not usable; NewMem makes one.
//
// Power cuts (PowerCut) are modelled unkindly, within what a disk that honours fsync may do:
//
//   - of the bytes written since a file's last Sync, each unit of 512 bytes or 4 KiB is, independently, on the disk, not there,
//     zero, or garbage; the file's new length may be there or not;
//   - bytes that were synced stay as they are, also where a later write shares their sector;
//   - a name that was created, renamed or removed since the last SyncDir is, independently, in its new or its old state; a rename is
//     one step.
//
// A Sync that failed (FailSync) takes what was unsynced out of reach: it can still be read, and no later Sync brings it to the disk,
// as with Linux's page cache.
type Mem struct {
	mu       sync.Mutex
	names    map[string]*inode
	disk     map[string]*inode // the names as they are on the disk
	pending  []dirOp           // what leads from disk to names
	locked   map[string]bool
	capacity int64 // 0: no limit
	gone     bool
}

type dirOp struct {
	set    string
	to     *inode // nil where set is removed
	remove string // "" or the old name of a rename
}

type inode struct {
	data     []byte
	disk     []byte
	dirty    []span // of data, written since the last Sync
	modified time.Time
}

type span struct{ from, to int64 }

// NewMem returns an empty directory.
func NewMem() *Mem {
	return &Mem{names: map[string]*inode{}, disk: map[string]*inode{}, locked: map[string]bool{}}
}

// SetCapacity bounds the bytes of all files together: a write past it is short and ends in ENOSPC. 0 is no bound.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used returns the bytes of all files together.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

func (m *Mem) used() int64 {
	total := int64(0)
	for _, node := range m.names {
		total += int64(len(node.data))
	}
	return total
}

// SetGone makes Verify say that the directory is gone, or that it is back.
func (m *Mem) SetGone(gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = gone
}

// Kill returns a copy of the directory as another process finds it after this one was killed: all that was written is there,
// synced or not, and no lock is held.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.copy()
	return c
}

// copy copies the directory with what it knows of the disk.
func (m *Mem) copy() *Mem {
	c := NewMem()
	c.capacity = m.capacity
	nodes := map[*inode]*inode{}
	same := func(n *inode) *inode {
		if n == nil {
			return nil
		}
		if nodes[n] == nil {
			nodes[n] = &inode{data: append([]byte(nil), n.data...), disk: append([]byte(nil), n.disk...),
				dirty: append([]span(nil), n.dirty...), modified: n.modified}
		}
		return nodes[n]
	}
	for name, n := range m.names {
		c.names[name] = same(n)
	}
	for name, n := range m.disk {
		c.disk[name] = same(n)
	}
	for _, op := range m.pending {
		c.pending = append(c.pending, dirOp{op.set, same(op.to), op.remove})
	}
	return c
}

// PowerCut returns what is on the disk after a power cut now. The seed decides over all that is left to chance.
func (m *Mem) PowerCut(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	left := m.copy()
	survives := chance(random)
	for _, op := range left.pending {
		if survives() {
			op.apply(left.disk)
		}
	}
	left.names = left.disk
	left.disk, left.pending = map[string]*inode{}, nil
	seen := map[*inode]bool{}
	for _, name := range left.sorted() {
		node := left.names[name]
		left.disk[name] = node
		if !seen[node] {
			seen[node] = true
			node.powerCut(random)
		}
	}
	return left
}

// chance returns a coin for one power cut: always heads, always tails, or even.
func chance(random *rand.Rand) func() bool {
	p := []float64{0, 0.5, 0.9, 1}[random.IntN(4)]
	return func() bool { return random.Float64() < p }
}

func (op dirOp) apply(names map[string]*inode) {
	if op.remove != "" {
		delete(names, op.remove)
	}
	if op.to == nil {
		delete(names, op.set)
		return
	}
	names[op.set] = op.to
}

func (n *inode) powerCut(random *rand.Rand) {
	size := int64(len(n.disk))
	if now := int64(len(n.data)); now != size && random.IntN(3) > 0 {
		size = now
	}
	left := make([]byte, size)
	copy(left, n.disk)
	unit := []int64{512, 4096}[random.IntN(2)]
	survives := chance(random)
	for _, s := range n.dirty {
		for from := s.from; from < min(s.to, size); {
			to := min((from/unit+1)*unit, s.to, size)
			n.cutUnit(left[from:to], from, survives(), random)
			from = to
		}
	}
	n.data = left
	n.disk = append([]byte(nil), left...)
	n.dirty = nil
}

func (n *inode) cutUnit(unit []byte, at int64, survives bool, random *rand.Rand) {
	switch {
	case survives:
		if at < int64(len(n.data)) {
			copy(unit, n.data[at:])
		}
	case random.IntN(3) == 0:
		clear(unit)
	case random.IntN(2) == 0:
		for i := range unit {
			unit[i] = byte(random.Uint32())
		}
	}
}

// ReadFile returns a copy of a file's bytes, and false where there is none of that name.
func (m *Mem) ReadFile(name string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, ok := m.names[name]
	if !ok {
		return nil, false
	}
	return append([]byte(nil), node.data...), true
}

// WriteFile puts a file in place, on the disk too, as somebody else might have.
func (m *Mem) WriteFile(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := &inode{data: append([]byte(nil), data...), disk: append([]byte(nil), data...), modified: time.Now()}
	m.names[name], m.disk[name] = node, node
}

// Names returns the names of the files, sorted.
func (m *Mem) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sorted()
}

func (m *Mem) sorted() []string {
	names := make([]string, 0, len(m.names))
	for name := range m.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// change makes a change to the names that is not on the disk yet.
func (m *Mem) change(op dirOp) {
	op.apply(m.names)
	m.pending = append(m.pending, op)
}

// Create implements vfs.FS.
func (m *Mem) Create(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, pathError("create", name, syscall.EEXIST)
	}
	node := &inode{modified: time.Now()}
	m.change(dirOp{set: name, to: node})
	return &memFile{m: m, name: name, node: node, edit: true}, nil
}

// Open implements vfs.FS.
func (m *Mem) Open(name string) (vfs.File, error) { return m.open(name, false) }

// Edit implements vfs.FS.
func (m *Mem) Edit(name string) (vfs.File, error) { return m.open(name, true) }

func (m *Mem) open(name string, edit bool) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	if node == nil {
		return nil, pathError("open", name, syscall.ENOENT)
	}
	return &memFile{m: m, name: name, node: node, edit: edit}, nil
}

// Rename implements vfs.FS.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[from]
	if node == nil {
		return pathError("rename", from, syscall.ENOENT)
	}
	m.change(dirOp{set: to, to: node, remove: from})
	return nil
}

// Remove implements vfs.FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return pathError("remove", name, syscall.ENOENT)
	}
	m.change(dirOp{set: name})
	return nil
}

// List implements vfs.FS.
func (m *Mem) List() ([]vfs.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []vfs.Entry
	for _, name := range m.sorted() {
		node := m.names[name]
		entries = append(entries, vfs.Entry{Name: name, Size: int64(len(node.data)), Modified: node.modified, Regular: true})
	}
	return entries, nil
}

// SyncDir implements vfs.FS.
func (m *Mem) SyncDir() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range m.pending {
		op.apply(m.disk)
	}
	m.pending = nil
	return nil
}

// Lock implements vfs.FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[name] {
		return nil, &vfs.LockedError{Dir: "memory", Name: name}
	}
	if m.names[name] == nil {
		m.change(dirOp{set: name, to: &inode{modified: time.Now()}})
	}
	m.locked[name] = true
	return &memLock{m: m, name: name}, nil
}

type memLock struct {
	m    *Mem
	name string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		delete(l.m.locked, l.name)
	})
	return nil
}

// Verify implements vfs.FS.
func (m *Mem) Verify(name string, f vfs.File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return &vfs.GoneError{Path: "memory"}
	}
	if of, ok := f.(*memFile); !ok || m.names[name] != of.node {
		return &vfs.GoneError{Path: name}
	}
	return nil
}
