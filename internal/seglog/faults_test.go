package seglog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// Row 46: the disk is full at every size it can have, with short writes. Appends fail and lose nothing older; when there is space they work.
func TestFault46NoSpaceOnAppend(t *testing.T) {
	refused := 0
	for spare := int64(1); spare < 6000; spare += 37 {
		mem, l := newMemLog(t, Config{SegmentBytes: 2500})
		want := map[Seq]string{}
		record := strings.Repeat("r", 180)
		want[mustAppend(t, l, record)] = record
		mem.SetCapacity(mem.Used() + spare)
		for range 40 {
			seq, err := l.Append([]byte(record), []byte(record))
			if err == nil {
				want[seq], want[seq+1] = record, record
				continue
			}
			refused++
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%d to spare: %v", spare, err)
			}
			requireRecords(t, l, want)
		}
		mem.SetCapacity(0)
		want[mustAppend(t, l, record)] = record
		requireRecords(t, l, want)
		if s := l.Stats(); s.AppendFailures == 0 || s.Bytes > mem.Used() {
			t.Fatalf("%d to spare: %+v, %d bytes in use", spare, s, mem.Used())
		}
		killed, _ := mustOpen(t, mem.Kill(), Config{})
		requireRecords(t, killed, want)
		cut, found := mustOpen(t, mem.PowerCut(uint64(spare)), Config{})
		requireRecords(t, cut, want)
		if found.QuarantinedRegions > 0 {
			t.Fatalf("%d to spare: %+v", spare, found)
		}
		killed.Close()
		cut.Close()
		mustClose(t, l)
	}
	if refused < 500 {
		t.Errorf("%d appends were refused", refused)
	}
}

// Row 46: a short write that cannot even be cut back.
func TestFault46ShortWriteThatStays(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for short := 0; short <= 1000; short += 50 {
			mem := vfstest.NewMem()
			faults := vfstest.NewFaults(mem)
			l, _ := mustOpen(t, faults, Config{})
			want := map[Seq]string{}
			want[mustAppend(t, l, "before")] = "before"
			cut := faults.Inject(&vfstest.Fault{Ops: vfstest.Truncate, Err: syscall.EIO})
			write := faults.Inject(&vfstest.Fault{Ops: vfstest.Write, Name: "*.seg", Times: 3, Err: errno, Short: short})
			_, err := l.Append([]byte("this one fails"), []byte("and so does this"))
			if err == nil || !errors.Is(err, errno) || faults.Hits(cut) == 0 || faults.Hits(write) < 2 {
				t.Fatalf("short %d: %v, %d and %d hits", short, err, faults.Hits(cut), faults.Hits(write))
			}
			faults.Mend(cut)
			faults.Mend(write)
			requireRecords(t, l, want)
			want[mustAppend(t, l, "after", "and after")] = "after"
			want[3] = "and after"
			requireRecords(t, l, want)
			for _, crashed := range []*vfstest.Mem{mem.Kill(), mem.PowerCut(uint64(short))} {
				l, found := mustOpen(t, crashed, Config{})
				requireRecords(t, l, want)
				if found.QuarantinedRegions > 0 || found.Missing > 0 {
					t.Fatalf("short %d: %+v", short, found)
				}
				mustClose(t, l)
			}
			mustClose(t, l)
		}
	}
}

// Row 47: acknowledgements cannot be written. Delivery goes on, none of them is forgotten while the process lives, and the log mends itself.
func TestFault47NoSpaceOnAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfstest.NewMem()
		faults := vfstest.NewFaults(mem)
		l, _ := mustOpen(t, faults, Config{SegmentBytes: 1000})
		want := map[Seq]string{}
		for i := range 40 {
			record := fmt.Sprint(i, strings.Repeat("y", 100))
			want[mustAppend(t, l, record)] = record
		}
		fault := faults.Inject(&vfstest.Fault{Ops: vfstest.Write, Name: "*.ack*", Err: syscall.ENOSPC, Short: 300})
		for seq := Seq(1); seq <= 30; seq += 2 {
			l.Ack(seq)
			delete(want, seq)
			requireRecords(t, l, want)
			time.Sleep(300 * time.Millisecond)
		}
		if err := l.SyncAcks(); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("SyncAcks: %v", err)
		}
		if hits := faults.Hits(fault); hits < 3 || hits > 20 {
			t.Errorf("%d attempts to write in 4.5 s", hits)
		}
		for seq := Seq(2); seq <= 30; seq += 2 {
			l.Ack(seq)
			delete(want, seq)
		}
		before := l.Stats()
		faults.Mend(fault)
		time.Sleep(time.Second)
		record := "appended when there is space"
		want[mustAppend(t, l, record)] = record // an operation that finds it due
		requireRecords(t, l, want)
		if now := l.Stats(); now.Segments >= before.Segments || now.AckFailures == 0 {
			t.Errorf("%+v, and before %+v", now, before)
		}
		cut, _ := mustOpen(t, mem.PowerCut(1), Config{})
		requireRecords(t, cut, want)
		mustClose(t, cut)
		mustClose(t, l)
	})
}

// Row 47: a disk that is full of records that are all done with frees itself: the reserve is what the acknowledgements are written to.
func TestFault47FullDiskFreesItself(t *testing.T) {
	for _, restart := range []bool{false, true} {
		mem, l := newMemLog(t, Config{SegmentBytes: 1000})
		mustAppend(t, l, "one")
		l.Ack(1)
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
		var seqs []Seq
		for range 50 {
			seqs = append(seqs, mustAppend(t, l, strings.Repeat("z", 150)))
		}
		mem.SetCapacity(mem.Used())
		if _, err := l.Append([]byte("more")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Append: %v", err)
		}
		if restart {
			mem = mem.Kill()
			var found Recovery
			l, found = mustOpen(t, mem, Config{SegmentBytes: 1000})
			if found.Records != 50 || found.Postponed != nil {
				t.Fatalf("%+v", found)
			}
		}
		l.Ack(seqs...)
		if err := l.SyncAcks(); err != nil {
			t.Fatalf("SyncAcks: %v", err)
		}
		mustAppend(t, l, "there is space again")
		requireRecords(t, l, map[Seq]string{52: "there is space again"})
		mustClose(t, l)
	}
}

// A disk without a byte to spare, and without the reserve, does not keep a log from being opened and read.
func TestFault47FullDiskAtOpen(t *testing.T) {
	mem, want := filled(t)
	mem.Remove(reserveName)
	mem.SetCapacity(mem.Used())
	l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
	if !vfs.NoSpace(found.Postponed) {
		t.Fatalf("%+v", found)
	}
	requireRecords(t, l, want)
	for seq := range want {
		l.Ack(seq)
	}
	requireRecords(t, l, nil)
	mem.SetCapacity(0)
	mustClose(t, l)
	l, _ = mustOpen(t, mem, Config{SegmentBytes: 600})
	requireRecords(t, l, nil)
}

// Row 47: there is no space for a new segment.
func TestFault47NoSpaceOnRotate(t *testing.T) {
	for _, op := range []vfstest.Op{vfstest.Create, vfstest.Write, vfstest.SyncDir} {
		mem := vfstest.NewMem()
		faults := vfstest.NewFaults(mem)
		l, _ := mustOpen(t, faults, Config{SegmentBytes: 300})
		want := map[Seq]string{}
		record := strings.Repeat("s", 200)
		want[mustAppend(t, l, record)] = record
		fault := faults.Inject(&vfstest.Fault{Ops: op, Err: syscall.ENOSPC})
		for range 3 {
			if _, err := l.Append([]byte(record)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Append: %v", err)
			}
		}
		if faults.Hits(fault) < 3 {
			t.Errorf("%d hits", faults.Hits(fault))
		}
		faults.Mend(fault)
		requireRecords(t, l, want)
		want[mustAppend(t, l, record)] = record
		requireRecords(t, l, want)
		if n := len(segments(mem)); n != 2 {
			t.Errorf("%d segments, want 2", n)
		}
		cut, _ := mustOpen(t, mem.PowerCut(3), Config{})
		requireRecords(t, cut, want)
		mustClose(t, cut)
		mustClose(t, l)
	}
}

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

// Row 56: the log's own limits.
func TestFault56Quota(t *testing.T) {
	t.Run("MaxRecords", func(t *testing.T) {
		_, l := newMemLog(t, Config{MaxRecords: 3})
		mustAppend(t, l, "1", "2")
		_, err := l.Append([]byte("3"), []byte("4"))
		full := (*FullError)(nil)
		if !errors.As(err, &full) || full.Limit != "MaxRecords" || full.Max != 3 {
			t.Fatalf("Append: %v", err)
		}
		l.Ack(1)
		mustAppend(t, l, "3", "4")
		large := (*TooLargeError)(nil)
		if _, err := l.Append(make([][]byte, 4)...); !errors.As(err, &large) || large.Limit != "MaxRecords" {
			t.Fatalf("Append: %v", err)
		}
		if s := l.Stats(); s.Full != 1 || s.Records != 3 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("MaxBytes", func(t *testing.T) {
		mem, l := newMemLog(t, Config{MaxBytes: 10_000})
		want := map[Seq]string{}
		record := strings.Repeat("q", 300)
		full := (*FullError)(nil)
		for round := range 5 {
			for {
				seq, err := l.Append([]byte(record))
				if errors.As(err, &full) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				want[seq] = record
			}
			used := int64(0)
			for _, name := range segments(mem) {
				used += int64(len(must(mem.ReadFile(name))))
			}
			if used > 10_000 || used < 9000 || used != l.Stats().Bytes {
				t.Fatalf("round %d: %d bytes, and it says %d", round, used, l.Stats().Bytes)
			}
			seqs := slices.Sorted(maps.Keys(want))
			for _, seq := range seqs[:len(seqs)-round%2] {
				l.Ack(seq)
				delete(want, seq)
			}
		}
		requireRecords(t, l, want)
	})
	t.Run("waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, l := newMemLog(t, Config{MaxBytes: 4000})
			record := make([]byte, 500)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					for range 20 {
						for {
							_, err := l.Append(record)
							if err == nil {
								break
							}
							if full := (*FullError)(nil); !errors.As(err, &full) {
								t.Errorf("Append: %v", err)
								return
							}
							if err := l.Wait(t.Context(), 1, 500); err != nil {
								t.Errorf("Wait: %v", err)
								return
							}
						}
					}
				})
			}
			r := l.Reader(0)
			read := 0
			for read < 200 {
				synctest.Wait()
				records, err := r.Next(1000)
				if err != nil || len(records) == 0 {
					t.Fatalf("after %d: %d records, %v", read, len(records), err)
				}
				read += len(records)
				for _, rec := range records {
					l.Ack(rec.Seq)
				}
			}
			wg.Wait()
			if err := l.Wait(t.Context(), 1, 5000); err == nil {
				t.Error("Wait for more than the log may hold returned nil")
			}
			for {
				if _, err := l.Append(record); err != nil {
					break
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := l.Wait(ctx, 1, 500); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Wait: %v", err)
			}
			wg.Go(func() {
				if err := l.Wait(t.Context(), 1, 500); !errors.Is(err, ErrClosed) {
					t.Errorf("Wait: %v", err)
				}
			})
			synctest.Wait()
			mustClose(t, l)
			wg.Wait()
		})
	})
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
