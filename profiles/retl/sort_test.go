package retl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

type plainRow struct {
	key     string
	payload []byte
}

// requireSorted adds rows to a sorter, and checks that they come out as a stable sort in memory has them.
func requireSorted(t *testing.T, s *sorter, rows []plainRow) {
	t.Helper()
	for _, r := range rows {
		if err := s.add(r.key, r.payload); err != nil {
			t.Fatal(err)
		}
	}
	want := slices.Clone(rows)
	slices.SortStableFunc(want, func(a, b plainRow) int { return CompareKeys(a.key, b.key) })
	at := 0
	for r, err := range s.sorted() {
		if err != nil {
			t.Fatal(err)
		}
		if at == len(want) {
			t.Fatal("there are more rows than were added")
		}
		if r.Key != want[at].key || !bytes.Equal(r.Payload, want[at].payload) {
			t.Fatalf("row %d is %.20q of %d bytes, want %.20q of %d", at, r.Key, len(r.Payload), want[at].key, len(want[at].payload))
		}
		at++
	}
	if at != len(want) {
		t.Fatalf("%d rows, want %d", at, len(want))
	}
}

func randomRows(random *rand.Rand, n, keys, most int) []plainRow {
	rows := make([]plainRow, n)
	for i := range rows {
		key := fmt.Sprint(random.IntN(keys))
		if random.IntN(2) == 0 {
			key = "k" + key
		}
		if random.IntN(50) == 0 {
			key = ""
		}
		rows[i] = plainRow{key, make([]byte, random.IntN(most))}
		for j := range rows[i].payload {
			rows[i].payload[j] = byte(i >> (j % 4 * 8))
		}
	}
	return rows
}

func TestSorter(t *testing.T) {
	for _, test := range []struct {
		name          string
		n, keys, most int
		memory        int
		spills        bool
	}{
		{name: "nothing", n: 0, keys: 1, most: 1, memory: 1 << 20},
		{name: "one", n: 1, keys: 1, most: 10, memory: 1 << 20},
		{name: "fits", n: 5000, keys: 1000, most: 50, memory: 1 << 20},
		{name: "empty rows", n: 5000, keys: 2, most: 2, memory: 1 << 20},
		{name: "a few runs", n: 20_000, keys: 5000, most: 50, memory: 256 << 10, spills: true},
		{name: "many runs", n: 40_000, keys: 100, most: 60, memory: 16 << 10, spills: true},
		{name: "rows as large as the memory", n: 100, keys: 30, most: 40 << 10, memory: 16 << 10, spills: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSorter(dir, test.memory)
			requireSorted(t, s, randomRows(rand.New(rand.NewPCG(1, 2)), test.n, test.keys, test.most))
			if spilled := s.runs != nil; spilled != test.spills {
				t.Errorf("spilled: %t", spilled)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
			if err := s.close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%d files are left, %v", len(left), err)
			}
		})
	}
}

// Runs are made and merged in several passes: TestSorter's numbers of them are real.
func TestSorterSpills(t *testing.T) {
	dir := t.TempDir()
	s := newSorter(dir, 16<<10)
	defer s.close()
	for i := range 40_000 {
		if err := s.add(fmt.Sprint(i*7919%40_000), []byte("payload")); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) <= 2*mergeWays {
		t.Errorf("%d runs", len(s.runs))
	}
	if runtime.GOOS == "linux" {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%d files have a name, %v", len(left), err)
		}
	}
	next := 0
	for r, err := range s.sorted() {
		if err != nil || r.Key != fmt.Sprint(next) {
			t.Fatal(r.Key, next, err)
		}
		next++
	}
	if next != 40_000 || len(s.runs) > s.ways() {
		t.Errorf("%d rows of %d runs", next, len(s.runs))
	}
}

func TestSorterFails(t *testing.T) {
	s := newSorter(filepath.Join(t.TempDir(), "missing"), 16<<10)
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = s.add(fmt.Sprint(i), nil)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if again := s.add("a", nil); again != err {
		t.Error(again)
	}
	n := 0
	for _, got := range s.sorted() {
		if n++; got != err {
			t.Error(got)
		}
	}
	if n != 1 {
		t.Errorf("%d yields", n)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}

	s = newSorter(t.TempDir(), 16<<10)
	for i := range 5000 {
		if err := s.add(fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.runs[0].size -= 10 // the file ends early
	err = nil
	for _, got := range s.sorted() {
		if err != nil {
			t.Fatal("something came after an error")
		}
		err = got
	}
	if err == nil {
		t.Error("a run that was cut short was read")
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if err := s.add("a", nil); err == nil {
		t.Error("a closed sorter took a row")
	}
}

// A range that is left early, and rows that were never asked for, leave nothing behind.
func TestSorterLeftEarly(t *testing.T) {
	dir := t.TempDir()
	for _, memory := range []int{16 << 10, 1 << 20} {
		s := newSorter(dir, memory)
		for i := range 5000 {
			if err := s.add(fmt.Sprint(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		for r, err := range s.sorted() {
			if err != nil || r.Key != "0" {
				t.Fatal(r, err)
			}
			break
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestSorterMemory(t *testing.T) {
	const memory = 1 << 20
	s := newSorter(t.TempDir(), memory)
	defer s.close()
	before, most := heapInUse(), uint64(0)
	payload := make([]byte, 100)
	for i := range 200_000 {
		if err := s.add(fmt.Sprint(i*7919%200_000), payload); err != nil {
			t.Fatal(err)
		}
		if i%20_000 == 0 {
			most = max(most, heapInUse())
		}
	}
	n := 0
	for _, err := range s.sorted() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20_000 == 0 {
			most = max(most, heapInUse())
		}
	}
	if n != 200_000 {
		t.Errorf("%d rows", n)
	}
	if most > before+memory+memory/2 {
		t.Errorf("%d KiB are in use, of %d", (most-before)>>10, memory>>10)
	}
}

func BenchmarkSorter(b *testing.B) {
	const n = 1_000_000
	payload := make([]byte, 60)
	for b.Loop() {
		s := newSorter(b.TempDir(), 16<<20)
		for i := range n {
			if err := s.add(fmt.Sprint(i*7919%n), payload); err != nil {
				b.Fatal(err)
			}
		}
		for _, err := range s.sorted() {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := s.close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
