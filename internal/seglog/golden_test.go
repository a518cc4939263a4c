package seglog

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// Row 54: what version 1 has written is read by all later ones. The directory was written once, by this package as it was first released.
func TestFault54GoldenDirectory(t *testing.T) {
	mem := vfstest.NewMem()
	files, err := os.ReadDir("testdata/golden-v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join("testdata/golden-v1", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		mem.WriteFile(f.Name(), data)
	}
	l, found := mustOpen(t, mem, Config{Identity: []byte("https://api.segment.io/v1"), Version: 1})
	if found.TornBytes != 5 || found.DamagedAckBytes != 0 || found.Records != 3 {
		t.Errorf("%+v", found)
	}
	requireRecords(t, l, map[Seq]string{1: "the first", 4: "the fourth", 5: "the fifth"})
}

// Row 55: a long backlog opens fast and in little memory.
func TestFault55Backlog(t *testing.T) {
	dir, err := vfs.OpenDir(filepath.Join(t.TempDir(), "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := Config{Mode: Memory}
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
	started := time.Now()
	l, found := mustOpen(t, dir, c)
	took := time.Since(started)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if found.Records != *backlog*512 {
		t.Errorf("%+v", found)
	}
	grown, allocated := int64(after.HeapAlloc)-int64(before.HeapAlloc), after.TotalAlloc-before.TotalAlloc
	t.Logf("%d MB: opened in %v, heap grown by %d KB, %d KB allocated on the way", *backlog, took, grown>>10, allocated>>10)
	if grown > 64<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
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
