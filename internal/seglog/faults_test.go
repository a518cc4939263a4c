package seglog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// Row 48: an fsync fails. It is never tried again on that file: what it was for goes to another one, or the caller hears of it. The memory file system
// forgets what a failed fsync was to write, as Linux does, so that a second fsync that says "fine" would be found out.
func TestFault48SyncFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		after int
		times int
		fails bool
	}{
		{"once, in a new segment", 0, 1, false},
		{"once, in a segment with records", 2, 1, false},
		{"twice", 2, 2, true},
		{"always", 2, 0, true},
		{"always, from the first on", 0, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := vfstest.NewMem()
			faults := vfstest.NewFaults(mem)
			l, _ := mustOpen(t, faults, Config{})
			fault := faults.Inject(&vfstest.Fault{Ops: vfstest.Sync, Name: "*.seg", After: test.after, Times: test.times, Err: syscall.EIO})
			want := map[Seq]string{}
			failed := false
			for i := range 6 {
				record := fmt.Sprintf("record %d", i)
				seq, err := l.Append([]byte(record))
				if err == nil {
					want[seq] = record
					continue
				}
				failed = true
				if !errors.Is(err, syscall.EIO) {
					t.Fatalf("Append: %v", err)
				}
			}
			if faults.Hits(fault) == 0 || failed != test.fails || l.Stats().SyncFailures != int64(faults.Hits(fault)) {
				t.Fatalf("%d hits, failed: %v, %+v", faults.Hits(fault), failed, l.Stats())
			}
			requireRecords(t, l, want)
			for seed := range uint64(20) {
				cut, found := mustOpen(t, mem.PowerCut(seed), Config{})
				got, _ := readAllRecords(t, cut)
				for seq, record := range want {
					if got[seq] != record {
						t.Fatalf("seed %d: record %d is %q", seed, seq, got[seq])
					}
				}
				if found.QuarantinedRegions > 0 || found.Missing > 0 {
					t.Fatalf("seed %d: %+v", seed, found)
				}
				mustClose(t, cut)
			}
			if n := len(segments(mem)); n > 3 {
				t.Errorf("%d segments are left", n)
			}
			faults.Mend(fault)
			want[mustAppend(t, l, "mended")] = "mended"
			requireRecords(t, l, want)
			mustClose(t, l)
			l, _ = mustOpen(t, mem, Config{})
			requireRecords(t, l, want)
		})
	}
}

// Row 48 in Interval mode: Append has returned already when the sync fails, so what it was for is read back and moved.
func TestFault48SyncFailsInIntervalMode(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mem := vfstest.NewMem()
			faults := vfstest.NewFaults(mem)
			config := Config{Mode: Interval, Interval: time.Second}
			if rotate {
				config.SegmentBytes = 150
			}
			l, _ := mustOpen(t, faults, config)
			want := map[Seq]string{}
			want[mustAppend(t, l, "synced")] = "synced"
			time.Sleep(1100 * time.Millisecond)
			fault := faults.Inject(&vfstest.Fault{Ops: vfstest.Sync, Name: "*.seg", Times: 1, Err: syscall.EIO})
			want[mustAppend(t, l, "in doubt")] = "in doubt"
			want[mustAppend(t, l, "in doubt too")] = "in doubt too"
			r := l.Reader(2)
			if records, err := r.Next(1); err != nil || len(records) != 1 || string(records[0].Payload) != "in doubt" {
				t.Fatalf("%v, %v", records, err)
			}
			time.Sleep(1100 * time.Millisecond)
			if faults.Hits(fault) != 1 || l.Stats().Unsafe != 0 {
				t.Fatalf("%d hits, %+v", faults.Hits(fault), l.Stats())
			}
			requireRecords(t, l, want)
			if records, err := r.Next(1); err != nil || len(records) != 1 || string(records[0].Payload) != "in doubt too" {
				t.Fatalf("where the reader was: %v, %v", records, err)
			}
			for seed := range uint64(20) {
				cut, _ := mustOpen(t, mem.PowerCut(seed), config)
				requireRecords(t, cut, want)
				mustClose(t, cut)
			}
			always := faults.Inject(&vfstest.Fault{Ops: vfstest.Sync, Name: "*.seg", Err: syscall.EIO})
			want[mustAppend(t, l, "cannot be synced")] = "cannot be synced"
			time.Sleep(1100 * time.Millisecond)
			if l.Stats().Unsafe == 0 {
				t.Errorf("%+v: nothing is said of what could not be synced", l.Stats())
			}
			requireRecords(t, l, want)
			faults.Mend(always)
			want[mustAppend(t, l, "mended")] = "mended"
			mustClose(t, l)
			l, _ = mustOpen(t, mem, config)
			requireRecords(t, l, want)
			mustClose(t, l)
		})
	}
}

// Row 48: random faults of all kinds, over and over; then a power cut.
func TestFault48RandomErrors(t *testing.T) {
	hits := 0
	for seed := range uint64(max(*cuts/10, 20)) {
		random := rand.New(rand.NewPCG(seed, 48))
		mem := vfstest.NewMem()
		faults := vfstest.NewFaults(mem)
		l, _ := mustOpen(t, faults, Config{SegmentBytes: 1500})
		b := newLedger()
		kinds := []vfstest.Op{vfstest.Write, vfstest.Sync, vfstest.SyncDir, vfstest.Create, vfstest.Rename, vfstest.Remove, vfstest.Truncate, vfstest.Mutating, vfstest.Verify}
		var injected []*vfstest.Fault
		for range 6 {
			injected = append(injected, faults.Inject(&vfstest.Fault{Ops: kinds[random.IntN(len(kinds))], After: random.IntN(60), Times: 1 + random.IntN(4),
				Err: []error{syscall.EIO, syscall.ENOSPC}[random.IntN(2)], Short: random.IntN(1000)}))
		}
		never := func() bool { return false }
		if err := b.live(l, random, 120, never); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, fault := range injected {
			hits += faults.Hits(fault)
			faults.Mend(fault)
		}
		requireRecords(t, l, b.promised)
		if err := b.live(l, random, 20, never); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		faults.PowerOff(1)
		cut, found, err := Open(mem.PowerCut(seed), Config{SegmentBytes: 1500})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := b.settle(t, cut, true); err != nil || found.QuarantinedRegions > 0 || found.Missing > 0 {
			t.Fatalf("seed %d: %v, %+v", seed, err, found)
		}
		cut.Close()
		l.Close()
	}
	if hits < 100 {
		t.Errorf("%d faults in all", hits)
	}
}

// Row 53: the directory is moved or removed while it is in use.
func TestFault53DirectoryGone(t *testing.T) {
	for name, mode := range map[string]Mode{"sync": Sync, "interval": Interval, "memory": Memory} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "queue")
			dir, err := vfs.OpenDir(path)
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			l, _ := mustOpen(t, dir, Config{Mode: mode})
			mustAppend(t, l, "before")
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Skip("this system does not rename a directory that is in use")
			}
			gone := (*vfs.GoneError)(nil)
			for range 3 {
				if _, err := l.Append([]byte("nowhere")); !errors.As(err, &gone) {
					t.Fatalf("Append: %v", err)
				}
			}
			if err := os.Rename(path+".moved", path); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, "after")
			requireRecords(t, l, map[Seq]string{1: "before", 2: "after"})
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Append([]byte("nowhere")); err == nil {
				t.Fatal("Append returned nil without a directory")
			}
			if _, err := l.Reader(0).Next(100); err == nil {
				t.Error("Next returned nil without a directory")
			}
			l.Close()
		})
	}
}

// Row 53: the segment alone is removed.
func TestFault53SegmentGone(t *testing.T) {
	mem, l := newMemLog(t, Config{})
	mustAppend(t, l, "before")
	mem.Remove(segments(mem)[0])
	if seq, err := l.Append([]byte("after")); err != nil || seq != 2 {
		t.Fatalf("%d, %v: another segment would have done", seq, err)
	}
	if _, err := l.Reader(0).Next(100); err == nil {
		t.Error("Next returned nil though a segment is gone")
	}
	r := l.Reader(2)
	if records, err := r.Next(100); err != nil || len(records) != 1 {
		t.Errorf("%v, %v", records, err)
	}
}

// Row 48: the file of a segment that could not be made cannot be removed either, and stays. It keeps no later Append from working, and does not
// void what these append.
func TestFault48SegmentThatCannotBeMadeOrRemoved(t *testing.T) {
	mem := vfstest.NewMem()
	faults := vfstest.NewFaults(mem)
	l, _ := mustOpen(t, faults, Config{SegmentBytes: 50}) // a segment for each record
	mustAppend(t, l, "the first one")
	l.Ack(1)
	var injected []*vfstest.Fault
	for _, fault := range []vfstest.Fault{
		{Ops: vfstest.Sync, Name: "0000000000000002-0000.seg", Times: 1, Err: syscall.EIO},
		{Ops: vfstest.Remove, Name: "0000000000000002-000?.seg", Times: 2, Err: syscall.EIO},
		{Ops: vfstest.SyncDir, After: 1, Times: 1, Err: syscall.EIO},
	} {
		injected = append(injected, faults.Inject(&fault))
	}
	if _, err := l.Append([]byte("this one fails")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Append: %v", err)
	}
	for i, fault := range injected {
		if faults.Hits(fault) == 0 {
			t.Errorf("fault %d did not strike", i)
		}
	}
	if names := segments(mem); len(names) != 3 {
		t.Fatalf("%v: two files should be left of the second segment", names)
	}
	if err := l.SyncAcks(); err != nil {
		t.Fatal(err)
	}
	if names := segments(mem); len(names) != 1 || names[0] != "0000000000000002-0001.seg" {
		t.Fatalf("%v: only the one that the log does not know should be left", names)
	}
	want := map[Seq]string{}
	for _, record := range []string{"the second one", "the third one"} {
		want[mustAppend(t, l, record)] = record
	}
	requireRecords(t, l, want)
	for seed := range uint64(10) {
		crashed := mem.PowerCut(seed)
		if seed == 0 {
			crashed = mem.Kill()
		}
		l, found := mustOpen(t, crashed, Config{SegmentBytes: 50})
		if found.Missing > 0 || found.QuarantinedRegions > 0 {
			t.Fatalf("%+v", found)
		}
		requireRecords(t, l, want)
		mustClose(t, l)
	}
	mustClose(t, l)
}
