package seglog

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// golden returns a copy of a directory that was written once, and is not written again.
func golden(t *testing.T, dir string) *vfstest.Mem {
	t.Helper()
	mem := vfstest.NewMem()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		mem.WriteFile(f.Name(), data)
	}
	return mem
}

var goldenConfig = Config{Identity: []byte("https://api.segment.io/v1"), Version: 1}

// Row 54: what version 1 has written is read by all later ones. This is how the package was first released, without footers.
func TestFault54GoldenDirectory(t *testing.T) {
	l, found := mustOpen(t, golden(t, "testdata/golden-v1"), goldenConfig)
	if found.TornBytes != 5 || found.DamagedAckBytes != 0 || found.Records != 3 {
		t.Errorf("%+v", found)
	}
	requireRecords(t, l, map[Seq]string{1: "the first", 4: "the fourth", 5: "the fifth"})
}

// Row 54, with footers: they are not only read past, but understood, those of thinned segments too.
func TestFault54GoldenFooters(t *testing.T) {
	mem := golden(t, "testdata/golden-v1-footers")
	want := map[Seq]string{}
	for _, seq := range []Seq{3, 9, 12, 13, 14, 15, 30, 31, 32, 34, 35, 36, 37, 38, 39, 40} {
		want[seq] = strings.Repeat(string(rune('a'+(seq-1)%26)), int(seq)+19)
	}
	if n := len(footers(mem)); n != 5 || len(segments(mem)) != 6 {
		t.Fatalf("%d of %d segments have footers", n, len(segments(mem)))
	}
	requireSameSurvey(t, "as it was written", mem)
	unread := mem.Kill()
	for _, name := range footers(unread) {
		data := must(unread.ReadFile(name))
		data[segmentHeader+frameHeader] ^= 1
		unread.WriteFile(name, data)
	}
	if _, found := mustOpen(t, unread, goldenConfig); found.Records != int64(len(want)) || found.QuarantinedRecords != 0 {
		t.Errorf("%+v: segments were read that have footers", found)
	}
	l, found := mustOpen(t, mem, goldenConfig)
	if found.Records != int64(len(want)) || found.TornBytes != 0 {
		t.Errorf("%+v", found)
	}
	requireRecords(t, l, want)
}

// Row 55: a long backlog opens fast and in little memory: segments that were full are taken for what their footers say.
func TestFault55Backlog(t *testing.T) {
	dir, err := vfs.OpenDir(filepath.Join(t.TempDir(), "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := Config{Mode: Interval}
	l, _ := mustOpen(t, dir, c)
	records := make([][]byte, 1024)
	for i := range records {
		records[i] = make([]byte, 1024)
	}
	var seqs []Seq
	for range *backlog {
		first, err := l.Append(records...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			if i%2 == 0 { // the worst case for what is kept of acknowledgements
				seqs = append(seqs, first+Seq(i))
			}
		}
		l.Ack(seqs...)
		seqs = seqs[:0]
	}
	mustClose(t, l)

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	gauge := &heapGauge{FS: dir}
	started := time.Now()
	l, found := mustOpen(t, gauge, c)
	took := time.Since(started)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if found.Records != *backlog*512 {
		t.Errorf("%+v", found)
	}
	grown, peak := int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(gauge.peak)-int64(before.HeapAlloc)
	t.Logf("%d MB: opened in %v, heap grown by %d KB, by %d KB at most on the way", *backlog, took, grown>>10, peak>>10)
	if max(grown, peak) > 64<<20 || peak <= 0 {
		t.Errorf("the heap has grown by %d bytes, by %d at most", grown, peak)
	}
	if allowed := 2*time.Second + time.Duration(*backlog)*2*time.Second/1024; took > allowed {
		t.Errorf("it took %v, and may take %v", took, allowed)
	}
	r := l.Reader(0)
	read := int64(0)
	for {
		page, err := r.Next(500_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		read += int64(len(page))
	}
	if read != found.Records {
		t.Errorf("%d records were read of %d", read, found.Records)
	}
}

// A heapGauge looks at how much memory is in use whenever a file is opened or made.
type heapGauge struct {
	vfs.FS
	peak uint64
}

func (g *heapGauge) look() {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	g.peak = max(g.peak, now.HeapAlloc)
}

func (g *heapGauge) Open(name string) (vfs.File, error) {
	g.look()
	return g.FS.Open(name)
}

func (g *heapGauge) Create(name string) (vfs.File, error) {
	g.look()
	return g.FS.Create(name)
}
