package seglog

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

func TestLifeOfARecord(t *testing.T) {
	mem := vfstest.NewMem()
	l, found := mustOpen(t, mem, Config{Identity: []byte("EU"), Version: 7})
	if found != (Recovery{}) {
		t.Errorf("a new log recovers %+v", found)
	}
	before := time.Now()
	if first := mustAppend(t, l, "a", "", "c"); first != 1 {
		t.Fatalf("the first number is %d", first)
	}
	if next := mustAppend(t, l, "d"); next != 4 {
		t.Fatalf("the next number is %d", next)
	}
	records, err := l.Reader(0).Next(1 << 20)
	if err != nil || len(records) != 4 {
		t.Fatalf("%v, %v", records, err)
	}
	for i, want := range []string{"a", "", "c", "d"} {
		rec := records[i]
		if rec.Seq != Seq(i+1) || string(rec.Payload) != want || rec.Version != 7 || rec.AppendedAt.Before(before) || rec.AppendedAt.After(time.Now()) {
			t.Errorf("%+v, want %q", rec, want)
		}
	}
	l.Ack(2, 3, 3, 99, 0)
	requireRecords(t, l, map[Seq]string{1: "a", 4: "d"})
	salt, id := l.Salt(), l.ID()
	if salt == [32]byte{} || id == [16]byte{} {
		t.Error("no salt or no id")
	}
	mustClose(t, l)

	info, err := Inspect(mem)
	if err != nil || info.ID != id || string(info.Identity) != "EU" || info.Version != 7 || info.Records != 2 || info.First != 1 || info.Next != 5 || len(info.Files) != 1 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	l, found = mustOpen(t, mem, Config{Identity: []byte("EU"), Version: 7})
	if found.Records != 2 || found.Segments != 1 || found.Bytes != 2*frameHeader+2 || found.TornBytes != 0 {
		t.Errorf("%+v", found)
	}
	if l.Salt() != salt || l.ID() != id {
		t.Error("another salt or id than before")
	}
	requireRecords(t, l, map[Seq]string{1: "a", 4: "d"})
	l.Ack(1, 4)
	mustClose(t, l)
	if n := len(segments(mem)); n != 0 {
		t.Errorf("%d segments are left of a log that is empty", n)
	}
	l, _ = mustOpen(t, mem, Config{Identity: []byte("EU"), Version: 7})
	if next := mustAppend(t, l, "e"); next != 5 {
		t.Errorf("after everything was removed, the next number is %d", next)
	}
}

func TestClosedLog(t *testing.T) {
	_, l := newMemLog(t, Config{})
	mustAppend(t, l, "a")
	r := l.Reader(0)
	mustClose(t, l)
	mustClose(t, l)
	l.Ack(1)
	_, appended := l.Append([]byte("b"))
	_, read := r.Next(1)
	_, purged := l.Purge()
	for what, err := range map[string]error{"Append": appended, "Next": read, "Purge": purged, "SyncAcks": l.SyncAcks(), "Wait": l.Wait(t.Context(), 1, 1)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestRecordTooLarge(t *testing.T) {
	_, l := newMemLog(t, Config{MaxRecordBytes: 100, SegmentBytes: 50})
	large := (*TooLargeError)(nil)
	if _, err := l.Append([]byte("small"), make([]byte, 101)); !errors.As(err, &large) || large.Size != 101 || large.Max != 100 {
		t.Errorf("Append: %v", err)
	}
	requireRecords(t, l, nil)
	mustAppend(t, l, strings.Repeat("m", 100), "n")
	mustAppend(t, l, "o") // each in a segment that is smaller than they are
	requireRecords(t, l, map[Seq]string{1: strings.Repeat("m", 100), 2: "n", 3: "o"})
	if seq, err := l.Append(); seq != 0 || err != nil {
		t.Errorf("Append of nothing: %d, %v", seq, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"Mode": {Mode: 3}, "Interval": {Interval: -1}, "SegmentBytes": {SegmentBytes: -1}, "MaxBytes": {MaxBytes: -1},
		"MaxRecords": {MaxRecords: -1}, "MaxRecordBytes": {MaxRecordBytes: LargestRecord + 1},
	} {
		mem := vfstest.NewMem()
		if _, _, err := Open(mem, c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if len(mem.Names()) > 0 {
			t.Errorf("%s: %v was made", name, mem.Names())
		}
	}
}

func TestInspectNothing(t *testing.T) {
	mem := vfstest.NewMem()
	if _, err := Inspect(mem); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Inspect: %v", err)
	}
	if len(mem.Names()) > 0 {
		t.Errorf("Inspect made %v", mem.Names())
	}
}

func TestInspectWhileInUse(t *testing.T) {
	mem, l := newMemLog(t, small)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			seq, err := l.Append(make([]byte, 300))
			if err != nil {
				t.Error(err)
				return
			}
			l.Ack(seq)
			if err := l.SyncAcks(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 200 {
		if _, err := Inspect(mem); err != nil {
			t.Errorf("Inspect: %v", err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestPurge(t *testing.T) {
	mem, want := filled(t)
	data := must(mem.ReadFile(segments(mem)[0]))
	data[segmentHeader+frameHeader+2] ^= 1
	mem.WriteFile(segments(mem)[0], data)
	l, _ := mustOpen(t, mem, Config{SegmentBytes: 600})
	mustAppend(t, l, "canary")
	purged, err := l.Purge()
	if err != nil || purged != int64(len(want)+1) { // the damaged one is not known to be
		t.Fatalf("%d, %v", purged, err)
	}
	requireRecords(t, l, nil)
	for _, name := range mem.Names() {
		if data := must(mem.ReadFile(name)); strings.Contains(string(data), "canary") || strings.Contains(string(data), "xxxx") {
			t.Errorf("%s still has records", name)
		}
	}
	if seq := mustAppend(t, l, "after"); seq != 12 {
		t.Errorf("the number after is %d", seq)
	}
	mustClose(t, l)
	l, _ = mustOpen(t, mem, Config{})
	requireRecords(t, l, map[Seq]string{12: "after"})
}

func TestReaders(t *testing.T) {
	_, l := newMemLog(t, Config{SegmentBytes: 400})
	for i := range 30 {
		mustAppend(t, l, fmt.Sprintf("%03d%s", i+1, strings.Repeat(".", 47)))
	}
	next := func(r *Reader, bytes int) string {
		t.Helper()
		records, err := r.Next(bytes)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rec := range records {
			got = append(got, string(rec.Payload[:3]))
		}
		return strings.Join(got, " ")
	}
	a, b := l.Reader(0), l.Reader(28)
	for _, step := range []struct{ got, want string }{
		{next(a, 100), "001 002"},
		{next(b, 1<<20), "028"}, // the end of a segment
		{next(a, 1), "003"},     // one, however small the page
		{next(b, 100), "029 030"},
		{next(b, 100), ""},
	} {
		if step.got != step.want {
			t.Errorf("%q, want %q", step.got, step.want)
		}
	}
	l.Ack(4, 5, 7)
	for seq := Seq(8); seq < 29; seq++ {
		l.Ack(seq)
	}
	if got := next(a, 1<<20); got != "006" {
		t.Errorf("past what is acknowledged: %q", got)
	}
	if got := next(a, 1<<20); got != "029 030" || a.Position() != 31 {
		t.Errorf("past whole segments: %q, at %d", got, a.Position())
	}
	mustAppend(t, l, "031")
	if got := next(b, 100) + next(a, 100); got != "031031" {
		t.Errorf("what was appended since: %q", got)
	}
	a.Reset(2)
	if got := next(a, 1<<20); got != "002 003" {
		t.Errorf("after Reset: %q", got)
	}
	a.Reset(1000)
	if got := next(a, 100); got != "" {
		t.Errorf("after the end: %q", got)
	}
	a.Reset(30)
	if got := next(a, 1); got != "030" {
		t.Errorf("after another Reset: %q", got)
	}
}

// A payload is the caller's: writing to it changes nothing else.
func TestPayloadsAreCopies(t *testing.T) {
	_, l := newMemLog(t, Config{})
	record := []byte("as it was")
	if _, err := l.Append(record, record); err != nil {
		t.Fatal(err)
	}
	copy(record, "XXXXXXXXX")
	records, err := l.Reader(0).Next(100)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(records[0].Payload, "YYYYYYYYY"...)
	copy(records[0].Payload, "ZZZZ")
	if got := string(records[1].Payload); got != "as it was" {
		t.Errorf("%q", got)
	}
	requireRecords(t, l, map[Seq]string{1: "as it was", 2: "as it was"})
}

func TestIntervalSyncsAndThenRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfstest.NewMem()
		faults := vfstest.NewFaults(mem)
		l, _ := mustOpen(t, faults, Config{Mode: Interval, Interval: time.Second})
		syncs := func() int64 { return l.Stats().Syncs }
		mustAppend(t, l, "a")
		time.Sleep(900 * time.Millisecond)
		mustAppend(t, l, "b")
		if syncs() != 0 {
			t.Errorf("%d syncs before the interval has passed", syncs())
		}
		time.Sleep(200 * time.Millisecond)
		if syncs() != 1 {
			t.Errorf("%d syncs, want 1", syncs())
		}
		cut, _ := mustOpen(t, mem.PowerCut(1), Config{})
		requireRecords(t, cut, map[Seq]string{1: "a", 2: "b"})
		mustClose(t, cut)
		time.Sleep(time.Hour)
		if syncs() != 1 {
			t.Errorf("%d syncs of a log that does nothing", syncs())
		}
		mustAppend(t, l, "c")
		mustClose(t, l) // with the timer running
		cut, _ = mustOpen(t, mem.PowerCut(2), Config{})
		requireRecords(t, cut, map[Seq]string{1: "a", 2: "b", 3: "c"})
		mustClose(t, cut)
	})
}

func TestMemoryModeNeverSyncsRecords(t *testing.T) {
	mem := vfstest.NewMem()
	faults := vfstest.NewFaults(mem)
	l, _ := mustOpen(t, faults, Config{Mode: Memory, SegmentBytes: 300})
	before := faults.Count(vfstest.Sync | vfstest.SyncDir)
	for i := range 20 {
		l.Ack(mustAppend(t, l, fmt.Sprint(i, strings.Repeat("m", 100))) - 1)
	}
	if err := l.SyncAcks(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if n := faults.Count(vfstest.Sync|vfstest.SyncDir) - before; n != 0 {
		t.Errorf("%d syncs", n)
	}
	killed, _ := mustOpen(t, mem.Kill(), Config{})
	requireRecords(t, killed, map[Seq]string{20: "19" + strings.Repeat("m", 100)})
}

// Acknowledgements are synced about every second while there is something to do, and not by anything that runs by itself.
func TestAcksAreSyncedByTheNextOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem, l := newMemLog(t, Config{})
		for i := range 10 {
			mustAppend(t, l, fmt.Sprint(i))
		}
		before := l.Stats().Syncs
		l.Ack(1)
		l.Ack(2)
		killed, found := mustOpen(t, mem.Kill(), Config{})
		if found.Records != 8 {
			t.Errorf("after a kill there are %d records, want 8", found.Records)
		}
		mustClose(t, killed)
		time.Sleep(time.Hour)
		l.Ack(3)
		after := l.Stats().Syncs
		if _, found = mustOpen(t, mem.PowerCut(1), Config{}); found.Records > 8 {
			t.Errorf("after a power cut there are %d records, want 8 at most", found.Records)
		}
		l.Ack(4)
		if now := l.Stats().Syncs; now != after || after-before > 2 {
			t.Errorf("%d, %d, %d syncs", before, after, now)
		}
	})
}

// The acknowledgement file does not grow for ever, and is whole at any time while it is replaced.
func TestAckFileIsCompacted(t *testing.T) {
	mem, l := newMemLog(t, Config{Mode: Memory, MaxRecordBytes: 10})
	records := make([][]byte, 1000)
	for i := range records {
		records[i] = []byte{byte(i)}
	}
	var largest int64
	acked := 0
	for range 300 {
		first, err := l.Append(records...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			if i%3 == 0 { // as patchy as it gets
				l.Ack(first + Seq(i))
				acked++
			}
		}
		for _, name := range named(mem, ackSuffix) {
			f, err := mem.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			size, _ := f.Size()
			largest = max(largest, size)
		}
	}
	if largest > 3<<20 || len(named(mem, ackSuffix)) != 1 {
		t.Errorf("%d bytes for %d acknowledgements, in %v", largest, acked, named(mem, ackSuffix))
	}
	killed, found := mustOpen(t, mem.Kill(), Config{MaxRecordBytes: 10})
	if found.Records != int64(300*1000-acked) {
		t.Errorf("%d records, want %d", found.Records, 300*1000-acked)
	}
	mustClose(t, killed)
}
