package retl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// fill writes n entries in batches, as a first sync does.
func fill(t testing.TB, s State, n int, row bool) {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	batch := make([]Entry, 0, 10_000)
	for i := range n {
		e := Entry{Key: fmt.Sprint(1_000_000 + i), Sum: [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}, Version: 1, Seen: 3, Found: at}
		if row {
			e.Row = fmt.Appendf(nil, `{"id":%d,"email":"person%d@example.com","plan":"free"}`, i, i)
		}
		batch = append(batch, e)
		if len(batch) == cap(batch) || i == n-1 {
			if err := s.Sending(bg, batch); err != nil {
				t.Fatal(err)
			}
			marks := make([]Mark, len(batch))
			for j := range batch {
				marks[j] = Mark{Key: batch[j].Key, Accepted: 3, Seen: 3}
			}
			if err := s.Sent(bg, marks); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

func openTemp(t testing.TB) *FileState {
	t.Helper()
	s, err := OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sizeOf(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// BenchmarkStateEntries ranges over a million entries.
func BenchmarkStateEntries(b *testing.B) {
	for _, row := range []bool{false, true} {
		b.Run(fmt.Sprintf("row=%t", row), func(b *testing.B) {
			const n = 1_000_000
			s := openTemp(b)
			fill(b, s, n, row)
			if err := s.Commit(bg, Head{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ReportMetric(float64(sizeOf(b, s.path))/n, "B/entry")
			for b.Loop() {
				count := 0
				for _, err := range s.Entries(bg) {
					if err != nil {
						b.Fatal(err)
					}
					count++
				}
				if count != n {
					b.Fatal(count)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(sizeOf(b, s.path))/n, "B/entry")
		})
	}
}

// BenchmarkStateCommit commits one changed row in 100 of a million.
func BenchmarkStateCommit(b *testing.B) {
	const n = 1_000_000
	s := openTemp(b)
	fill(b, s, n, false)
	if err := s.Commit(bg, Head{}); err != nil {
		b.Fatal(err)
	}
	var entries []Entry
	for i := 0; i < n; i += 100 {
		entries = append(entries, Entry{Key: fmt.Sprint(1_000_000 + i), Version: 2})
	}
	for b.Loop() {
		b.StopTimer()
		if err := s.Sending(bg, entries); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := s.Commit(bg, Head{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkStateSending is one call with 1,000 entries, on the disk.
func BenchmarkStateSending(b *testing.B) {
	s := openTemp(b)
	entries := make([]Entry, 1000)
	next := 0
	for b.Loop() {
		for i := range entries {
			next++
			entries[i] = Entry{Key: fmt.Sprint(next), Version: 2, Found: time.Unix(1, 0)}
		}
		if err := s.Sending(bg, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// heapInUse returns the bytes that are in use after a collection.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a fold and a range have in use does not grow with the entries. The long run, of a million: go test -run StateMemory -statecuts=1000000.
func TestStateMemory(t *testing.T) {
	n := max(100_000, int(min(*stateCuts, 1_000_000)))
	s := openTemp(t)
	fill(t, s, n, true)
	before := heapInUse()
	most := uint64(0)
	ctx := &countingContext{Context: bg, every: max(n/4096/8, 1), call: func() { most = max(most, heapInUse()) }}
	if err := s.Commit(ctx, Head{}); err != nil {
		t.Fatal(err)
	}
	if ctx.hits < 2 {
		t.Fatal("the fold was not looked at")
	}
	count := 0
	for _, err := range s.Entries(bg) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count%(n/8) == 0 {
			most = max(most, heapInUse())
		}
	}
	if count != n {
		t.Fatalf("%d entries, want %d", count, n)
	}
	const ceiling = 4 << 20
	if most > before+ceiling {
		t.Errorf("%d KiB are in use for %d entries, more than %d", (most-before)>>10, n, ceiling>>10)
	}
	t.Logf("%d KiB are in use for %d entries in %d KiB", int64(most-before)>>10, n, sizeOf(t, s.path)>>10)
}

// A countingContext calls back when its Err is asked for so many times.
type countingContext struct {
	context.Context
	every, asked, hits int
	call               func()
}

func (c *countingContext) Err() error {
	if c.asked++; c.asked%c.every == 0 {
		c.hits++
		c.call()
	}
	return nil
}

// Where nothing but the head changes, the entries are not written again.
func TestHeadAloneIsSmall(t *testing.T) {
	s := openTemp(t)
	fill(t, s, 1000, false)
	if err := s.Commit(bg, Head{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := s.Commit(bg, Head{Generation: 2 + i}); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.Stat(s.path)
	if err != nil || !os.SameFile(before, after) {
		t.Error("the file was written again", err)
	}
	path := s.path
	s.Close()
	if s, err = OpenState(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if head, err := s.Head(bg); err != nil || head.Generation != 4 {
		t.Error(head, err)
	}
}
