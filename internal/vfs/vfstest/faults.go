package vfstest

import (
	"errors"
	"io"
	"path"
	"slices"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// An Op is a kind of operation, or several of them.
type Op uint16

// The operations of vfs.FS and vfs.File.
const (
	Create Op = 1 << iota
	Open
	Rename
	Remove
	List
	SyncDir
	Lock
	Verify
	Read
	Write
	Truncate
	Sync

	// Mutating are those that change what is on the disk.
	Mutating = Create | Rename | Remove | SyncDir | Write | Truncate | Sync
	// Any are all of them.
	Any = 1<<iota - 1
)

// ErrPowerOff is what every operation returns from the one on at which PowerOff took the power.
var ErrPowerOff = errors.New("vfstest: the power is off")

// A Fault is what goes wrong. It counts how often it has: a test whose fault has no hits proves nothing.
type Fault struct {
	// Ops are the operations that fail.
	Ops Op
	// Name is a pattern of path.Match for the files that it is about, "" all.
	Name string
	// After lets that many of them pass first.
	After int
	// Times is how often it strikes, 0 for ever.
	Times int
	// Err is what they return.
	Err error
	// Short is for writes and reads: this many thousandths of the bytes go through first.
	Short int
	// Lie makes Sync, SyncDir and Truncate return nil, having done nothing: a defect for a test to find.
	Lie bool

	hits, passed int
}

// Faults passes operations on to another file system, except for those that are to fail.
type Faults struct {
	fs vfs.FS

	mu      sync.Mutex
	faults  []*Fault
	counts  map[Op]int
	changes int // mutating operations so far
	offAt   int // the mutating operation at which the power goes off, 0 never
	off     bool
	before  func(change int, op Op, name string)
}

// NewFaults returns a file system on fs that does not fail yet.
func NewFaults(fs vfs.FS) *Faults { return &Faults{fs: fs, counts: map[Op]int{}} }

// Inject lets a fault happen from now on.
func (f *Faults) Inject(fault *Fault) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault)
	return fault
}

// Mend ends a fault.
func (f *Faults) Mend(fault *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = slices.DeleteFunc(f.faults, func(other *Fault) bool { return other == fault })
}

// Hits returns how often a fault has struck.
func (f *Faults) Hits(fault *Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fault.hits
}

// Count returns how many operations of these kinds there were, those that failed included.
func (f *Faults) Count(ops Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for op, n := range f.counts {
		if op&ops != 0 {
			total += n
		}
	}
	return total
}

// PowerOff makes the nth mutating operation from now, counted from 1, and all after it return ErrPowerOff without doing anything.
func (f *Faults) PowerOff(nth int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offAt = f.changes + nth
}

// IsOff tells whether the power has gone off.
func (f *Faults) IsOff() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.off
}

// Before has hook called before each mutating operation, with its number, counted from 1.
func (f *Faults) Before(hook func(change int, op Op, name string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = hook
}

// strike returns the fault that an operation meets, or nil.
func (f *Faults) strike(op Op, name string) *Fault {
	f.mu.Lock()
	f.counts[op]++
	hook := f.before
	if op&Mutating == 0 {
		hook = nil
	} else {
		f.changes++
		f.off = f.off || f.changes == f.offAt
	}
	change := f.changes
	fault := f.choose(op, name)
	f.mu.Unlock()
	if hook != nil {
		hook(change, op, name)
	}
	return fault
}

func (f *Faults) choose(op Op, name string) *Fault {
	if f.off {
		return &Fault{Err: ErrPowerOff}
	}
	for _, fault := range f.faults {
		if fault.Ops&op == 0 {
			continue
		}
		if fault.Name != "" {
			if ok, _ := path.Match(fault.Name, name); !ok {
				continue
			}
		}
		if fault.passed < fault.After {
			fault.passed++
			continue
		}
		if fault.Times > 0 && fault.hits >= fault.Times {
			continue
		}
		fault.hits++
		return fault
	}
	return nil
}

// fail returns the error that an operation meets, or nil.
func (f *Faults) fail(op Op, name string) error {
	return f.err(f.strike(op, name), op, name)
}

func (f *Faults) err(fault *Fault, op Op, name string) error {
	if fault == nil || fault.Lie {
		return nil
	}
	return pathError(opNames[op], name, fault.Err)
}

var opNames = map[Op]string{Create: "create", Open: "open", Rename: "rename", Remove: "remove", List: "list", SyncDir: "sync",
	Lock: "lock", Verify: "verify", Read: "read", Write: "write", Truncate: "truncate", Sync: "sync"}

func (f *Faults) wrap(file vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, faults: f, name: name}, nil
}

// Create implements vfs.FS.
func (f *Faults) Create(name string) (vfs.File, error) {
	if err := f.fail(Create, name); err != nil {
		return nil, err
	}
	file, err := f.fs.Create(name)
	return f.wrap(file, name, err)
}

// Open implements vfs.FS.
func (f *Faults) Open(name string) (vfs.File, error) {
	if err := f.fail(Open, name); err != nil {
		return nil, err
	}
	file, err := f.fs.Open(name)
	return f.wrap(file, name, err)
}

// Edit implements vfs.FS.
func (f *Faults) Edit(name string) (vfs.File, error) {
	if err := f.fail(Open, name); err != nil {
		return nil, err
	}
	file, err := f.fs.Edit(name)
	return f.wrap(file, name, err)
}

// Rename implements vfs.FS.
func (f *Faults) Rename(from, to string) error {
	if err := f.fail(Rename, from); err != nil {
		return err
	}
	return f.fs.Rename(from, to)
}

// Remove implements vfs.FS.
func (f *Faults) Remove(name string) error {
	if err := f.fail(Remove, name); err != nil {
		return err
	}
	return f.fs.Remove(name)
}

// List implements vfs.FS.
func (f *Faults) List() ([]vfs.Entry, error) {
	if err := f.fail(List, "."); err != nil {
		return nil, err
	}
	return f.fs.List()
}

// SyncDir implements vfs.FS.
func (f *Faults) SyncDir() error {
	if fault := f.strike(SyncDir, "."); fault != nil {
		return f.err(fault, SyncDir, ".")
	}
	return f.fs.SyncDir()
}

// Lock implements vfs.FS.
func (f *Faults) Lock(name string) (io.Closer, error) {
	if err := f.fail(Lock, name); err != nil {
		return nil, err
	}
	return f.fs.Lock(name)
}

// Verify implements vfs.FS.
func (f *Faults) Verify(name string, file vfs.File) error {
	if err := f.fail(Verify, name); err != nil {
		return err
	}
	return f.fs.Verify(name, file.(*faultFile).File)
}

type faultFile struct {
	vfs.File
	faults *Faults
	name   string
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if fault := f.faults.strike(Read, f.name); fault != nil {
		n, _ := f.File.ReadAt(p[:len(p)*fault.Short/1000], off)
		return n, pathError("read", f.name, fault.Err)
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if fault := f.faults.strike(Write, f.name); fault != nil {
		n, _ := f.File.WriteAt(p[:len(p)*fault.Short/1000], off)
		return n, pathError("write", f.name, fault.Err)
	}
	return f.File.WriteAt(p, off)
}

func (f *faultFile) Truncate(size int64) error {
	if fault := f.faults.strike(Truncate, f.name); fault != nil {
		return f.faults.err(fault, Truncate, f.name)
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Sync() error {
	if fault := f.faults.strike(Sync, f.name); fault != nil {
		if file, ok := f.File.(interface{ FailSync() }); ok && !fault.Lie && !errors.Is(fault.Err, ErrPowerOff) {
			file.FailSync()
		}
		return f.faults.err(fault, Sync, f.name)
	}
	return f.File.Sync()
}
