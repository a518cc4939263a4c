package seglog

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// park appends so many records, acknowledges all but every nth, and returns those that stay.
func park(t testing.TB, l *Log, count, nth int) map[Seq]string {
	t.Helper()
	parked := map[Seq]string{}
	for i := range count {
		record := fmt.Sprintf("%04d%s", i, strings.Repeat("p", 80))
		seq, err := l.Append([]byte(record))
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if i%nth == 0 {
			parked[seq] = record
			continue
		}
		l.Ack(seq)
	}
	return parked
}

// Records that stay for long do not keep the segments of all others: within MaxBytes, a hundred times as much passes.
func TestParkedRecordsDoNotFillTheLog(t *testing.T) {
	mem := vfstest.NewMem()
	c := Config{MaxBytes: 16_000, SegmentBytes: 1000}
	l, _ := mustOpen(t, mem, c)
	parked := park(t, l, 3000, 40)
	requireRecords(t, l, parked)
	used := int64(0)
	for _, name := range segments(mem) {
		used += int64(len(must(mem.ReadFile(name))))
	}
	if s := l.Stats(); used > 16_000 || s.Bytes != used {
		t.Errorf("%+v, %d bytes in use", s, used)
	}
	for _, crashed := range []*vfstest.Mem{mem.Kill(), mem.PowerCut(1), mem.PowerCut(2)} {
		l, found := mustOpen(t, crashed, c)
		if found.QuarantinedRegions > 0 || found.Missing > 0 {
			t.Errorf("%+v", found)
		}
		got, _ := readAllRecords(t, l)
		for seq, record := range parked {
			if got[seq] != record {
				t.Fatalf("record %d is lost", seq)
			}
		}
		mustClose(t, l)
	}
	mustClose(t, l)
	l, found := mustOpen(t, mem, c)
	if found.Records != int64(len(parked)) {
		t.Errorf("%+v", found)
	}
	requireRecords(t, l, parked)
	for seq := range maps.Keys(parked) {
		l.Ack(seq)
	}
	mustClose(t, l)
	if n := len(segments(mem)); n > 0 {
		t.Errorf("%d segments are left", n)
	}
}

// Without a limit, segments are thinned out when acknowledgements have moved on.
func TestParkedRecordsAreMovedTogether(t *testing.T) {
	mem, l := newMemLog(t, Config{SegmentBytes: 4000})
	parked := map[Seq]string{}
	for range 20 {
		maps.Copy(parked, park(t, l, 200, 100))
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
	}
	requireRecords(t, l, parked)
	if s := l.Stats(); s.Bytes > 4000*10 {
		t.Errorf("%d records take %d bytes", len(parked), s.Bytes)
	}
	killed, _ := mustOpen(t, mem.Kill(), Config{})
	requireRecords(t, killed, parked)
	mustClose(t, killed)
}

// The power goes off at every operation while segments are thinned out.
func TestPowerCutWhileThinningOut(t *testing.T) {
	c := Config{MaxBytes: 6000, SegmentBytes: 1000}
	thinned := 0
	for at := 1; ; at++ {
		mem := vfstest.NewMem()
		faults := vfstest.NewFaults(mem)
		l, _ := mustOpen(t, faults, c)
		faults.PowerOff(at)
		parked, acked := map[Seq]string{}, map[Seq]bool{}
		for i := range 90 {
			record := fmt.Sprintf("%04d%s", i, strings.Repeat("p", 80))
			seq, err := l.Append([]byte(record))
			if err != nil {
				break
			}
			if i%9 == 0 {
				parked[seq] = record
			} else {
				acked[seq] = true
				l.Ack(seq)
			}
		}
		off := faults.IsOff()
		faults.PowerOff(1)
		for _, name := range mem.Names() {
			if strings.HasSuffix(name, "-0001.seg") {
				thinned++
			}
		}
		for seed := range uint64(4) {
			cut, found := mustOpen(t, mem.PowerCut(seed), c)
			got, _ := readAllRecords(t, cut)
			for seq, record := range parked {
				if got[seq] != record {
					t.Fatalf("at %d, seed %d: record %d is lost", at, seed, seq)
				}
			}
			if found.QuarantinedRegions > 0 || found.Missing > 0 {
				t.Fatalf("at %d, seed %d: %+v", at, seed, found)
			}
			mustClose(t, cut)
		}
		l.Close()
		if !off {
			break
		}
	}
	if thinned == 0 {
		t.Error("nothing was thinned out")
	}
}

// Readers go on while segments are replaced under them.
func TestReadWhileThinningOut(t *testing.T) {
	_, l := newMemLog(t, Config{MaxBytes: 30_000, SegmentBytes: 1000})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			r := l.Reader(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				records, err := r.Next(500)
				if err != nil {
					t.Error(err)
					return
				}
				if len(records) == 0 {
					r.Reset(0)
				}
			}
		})
	}
	parked := map[Seq]string{}
	for i := range 3000 {
		record := fmt.Sprintf("%04d%s", i, strings.Repeat("p", 80))
		seq, err := l.Append([]byte(record))
		for full := (*FullError)(nil); errors.As(err, &full); {
			if err := l.Wait(t.Context(), 1, int64(len(record))); err != nil {
				t.Fatal(err)
			}
			seq, err = l.Append([]byte(record))
			full = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%60 == 0 {
			parked[seq] = record
		} else {
			l.Ack(seq)
		}
	}
	close(stop)
	wg.Wait()
	requireRecords(t, l, parked)
}
