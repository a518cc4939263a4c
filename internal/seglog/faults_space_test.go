package seglog

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
