package seglog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// The model: a log does what a map and a counter do, over random operations, clean restarts and kills.
func TestModel(t *testing.T) {
	for seed := range uint64(max(*cuts/20, 20)) {
		random := rand.New(rand.NewPCG(seed, 7))
		mem := vfstest.NewMem()
		c := Config{Mode: Mode(random.IntN(3)), SegmentBytes: int64(200 + random.IntN(5000))}
		l, _ := mustOpen(t, mem, c)
		want := map[Seq]string{}
		next := Seq(1)
		for step := range 150 {
			switch random.IntN(12) {
			case 0, 1, 2, 3, 4:
				var records []string
				for range 1 + random.IntN(5) {
					records = append(records, payload(random, int(next)+len(records)))
				}
				first := mustAppend(t, l, records...)
				if first != next {
					t.Fatalf("seed %d, step %d: number %d, want %d", seed, step, first, next)
				}
				for _, r := range records {
					want[next] = r
					next++
				}
			case 5, 6, 7:
				from := Seq(1 + random.IntN(int(next)))
				for seq := from; seq < from+Seq(random.IntN(20)); seq++ {
					l.Ack(seq)
					if seq < next {
						delete(want, seq)
					}
				}
			case 8:
				if err := l.SyncAcks(); err != nil {
					t.Fatal(err)
				}
			case 9:
				requireRecords(t, l, want)
			case 10:
				mustClose(t, l)
				l, _ = mustOpen(t, mem, c)
			case 11:
				if random.IntN(5) == 0 {
					if purged, err := l.Purge(); err != nil || purged != int64(len(want)) {
						t.Fatalf("Purge: %d, %v", purged, err)
					}
					clear(want)
					continue
				}
				mem = mem.Kill()
				var found Recovery
				l, found = mustOpen(t, mem, c)
				if found.Records != int64(len(want)) || found.QuarantinedRegions+int(found.Missing)+int(found.TornBytes)+int(found.DamagedAckBytes) > 0 {
					t.Fatalf("seed %d, step %d: %+v, want %d records", seed, step, found, len(want))
				}
			}
		}
		requireRecords(t, l, want)
		mustClose(t, l)
	}
}

// Everything at once, for the race detector, on a real disk.
func TestConcurrentUse(t *testing.T) {
	dir, err := vfs.OpenDir(filepath.Join(t.TempDir(), "a", "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, mode := range []Mode{Sync, Interval, Memory} {
		l, _ := mustOpen(t, dir, Config{Mode: mode, Interval: time.Millisecond, SegmentBytes: 20_000, MaxBytes: 200_000})
		const producers, each = 8, 200
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := 0; i < each; {
					_, err := l.Append(fmt.Appendf(nil, "%d/%d %s", p, i, strings.Repeat("c", i)))
					full := (*FullError)(nil)
					switch {
					case errors.As(err, &full):
						if err := l.Wait(t.Context(), 1, 300); err != nil {
							t.Error(err)
							return
						}
					case err != nil:
						t.Error(err)
						return
					default:
						i++
					}
				}
			})
		}
		var got sync.Map
		var consumed sync.WaitGroup
		for range 2 {
			consumed.Go(func() {
				r := l.Reader(0)
				for l.Stats().Acked < producers*each {
					records, err := r.Next(5000)
					if err != nil {
						t.Error(err)
						return
					}
					if len(records) == 0 {
						runtime.Gosched()
					}
					for _, rec := range records {
						got.Store(string(rec.Payload[:strings.IndexByte(string(rec.Payload), ' ')]), true)
						l.Ack(rec.Seq)
					}
				}
			})
		}
		wg.Wait()
		consumed.Wait()
		for p := range producers {
			for i := range each {
				if _, ok := got.Load(fmt.Sprintf("%d/%d", p, i)); !ok {
					t.Fatalf("record %d of producer %d was not read", i, p)
				}
			}
		}
		mustClose(t, l)
		if left, _ := filepath.Glob(filepath.Join(dir.Path(), "*"+segSuffix)); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
	}
}

// Append and Close at the same time: an Append returns a number, and its record is there, or ErrClosed, and it is not.
func TestAppendWhileClosing(t *testing.T) {
	for range 60 {
		mem, l := newMemLog(t, Config{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		want := map[Seq]string{}
		for p := range 4 {
			wg.Go(func() {
				for i := range 20 {
					record := fmt.Sprint(p, "/", i)
					seq, err := l.Append([]byte(record))
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					want[seq] = record
					mu.Unlock()
				}
			})
		}
		wg.Go(func() { l.Close() })
		wg.Wait()
		mustClose(t, l)
		l, _ = mustOpen(t, mem, Config{})
		requireRecords(t, l, want)
		mustClose(t, l)
	}
}
