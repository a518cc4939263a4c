package seglog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A bareLoop is the least that a group commit can be: what comes while a write and its fsync are under way is written next, as it is, with nothing
// around it. It is what Append is measured against, on the same disk.
type bareLoop struct {
	file  *os.File
	disk  sync.Mutex
	mu    sync.Mutex
	open  *bareBatch
	spare []byte
}

type bareBatch struct {
	buf  []byte
	done chan struct{}
	err  error
}

func (l *bareLoop) append(record []byte) error {
	l.mu.Lock()
	b, leader := l.open, false
	if b == nil {
		b, leader = &bareBatch{buf: l.spare[:0], done: make(chan struct{})}, true
		l.open, l.spare = b, nil
	}
	b.buf = append(b.buf, record...)
	l.mu.Unlock()
	if !leader {
		<-b.done
		return b.err
	}
	l.disk.Lock()
	l.mu.Lock()
	l.open = nil
	l.mu.Unlock()
	if _, b.err = l.file.Write(b.buf); b.err == nil {
		b.err = l.file.Sync()
	}
	l.mu.Lock()
	l.spare = b.buf
	l.mu.Unlock()
	l.disk.Unlock()
	close(b.done)
	return b.err
}

// produce calls appends from so many goroutines, b.N times in all.
func produce(b *testing.B, producers int, append func(record []byte) error) {
	b.Helper()
	b.SetBytes(1024)
	var wg sync.WaitGroup
	b.ResetTimer()
	for p := range producers {
		n := b.N / producers
		if p < b.N%producers {
			n++
		}
		wg.Go(func() {
			record := make([]byte, 1024)
			for range n {
				if err := append(record); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// benchDir is on the disk of SEGLOG_BENCH_DIR, where that is set: the temporary directory may be memory.
func benchDir(b *testing.B) string {
	b.Helper()
	path, err := os.MkdirTemp(os.Getenv("SEGLOG_BENCH_DIR"), "seglog")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(path) })
	return path
}

func benchLog(b *testing.B, c Config) *Log {
	b.Helper()
	dir, err := vfs.OpenDir(benchDir(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dir.Close() })
	l, _ := mustOpen(b, dir, c)
	return l
}

func BenchmarkAppend(b *testing.B) {
	for _, producers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("log=bare/producers=%d", producers), func(b *testing.B) {
			file, err := os.Create(filepath.Join(benchDir(b), "bare"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			l := &bareLoop{file: file}
			produce(b, producers, l.append)
		})
		for name, mode := range map[string]Mode{"sync": Sync, "interval": Interval, "memory": Memory} {
			b.Run(fmt.Sprintf("log=%s/producers=%d", name, producers), func(b *testing.B) {
				l := benchLog(b, Config{Mode: mode})
				produce(b, producers, func(record []byte) error {
					_, err := l.Append(record)
					return err
				})
				if s := l.Stats(); s.Commits > 0 {
					b.ReportMetric(float64(s.Appended)/float64(s.Commits), "records/commit")
				}
			})
		}
	}
}

// BenchmarkLifeCycle appends 50 records at a time, reads them and acknowledges 100 at a time.
func BenchmarkLifeCycle(b *testing.B) {
	l := benchLog(b, Config{})
	records := make([][]byte, 50)
	for i := range records {
		records[i] = make([]byte, 1024)
	}
	r := l.Reader(0)
	var seqs []Seq
	b.SetBytes(1024)
	b.ResetTimer()
	for n := 0; n < b.N; n += len(records) {
		if _, err := l.Append(records...); err != nil {
			b.Fatal(err)
		}
		for {
			read, err := r.Next(100 << 10)
			if err != nil {
				b.Fatal(err)
			}
			if len(read) == 0 {
				break
			}
			for _, rec := range read {
				if seqs = append(seqs, rec.Seq); len(seqs) == 100 {
					l.Ack(seqs...)
					seqs = seqs[:0]
				}
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	if s := l.Stats(); s.Records > 200 {
		b.Errorf("%d records are left", s.Records)
	}
}

// BenchmarkOpen recovers a log of 256 MB: one whose segments have footers, and one of Memory mode, which is read from end to end.
func BenchmarkOpen(b *testing.B) {
	for name, mode := range map[string]Mode{"interval": Interval, "memory": Memory} {
		b.Run("log="+name, func(b *testing.B) {
			dir, err := vfs.OpenDir(benchDir(b))
			if err != nil {
				b.Fatal(err)
			}
			defer dir.Close()
			l, _ := mustOpen(b, dir, Config{Mode: mode})
			records := make([][]byte, 1000)
			for i := range records {
				records[i] = make([]byte, 1024)
			}
			for range 256 {
				if _, err := l.Append(records...); err != nil {
					b.Fatal(err)
				}
			}
			mustClose(b, l)
			b.SetBytes(256 << 20)
			var took time.Duration
			for b.Loop() {
				started := time.Now()
				l, _ := mustOpen(b, dir, Config{Mode: mode})
				took += time.Since(started)
				mustClose(b, l)
			}
			b.ReportMetric(took.Seconds()*4/float64(b.N), "s/GB")
		})
	}
}

// BenchmarkAgainstBare runs the log and the bare loop in turns, so that what else the machine does meets both, and reports how many times as many
// records a second the log takes.
func BenchmarkAgainstBare(b *testing.B) {
	for _, producers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			file, err := os.Create(filepath.Join(benchDir(b), "bare"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			bare, l := &bareLoop{file: file}, benchLog(b, Config{})
			appended := func(record []byte) error {
				_, err := l.Append(record)
				return err
			}
			var ratios []float64
			for b.Loop() {
				of := timeRound(b, producers, bare.append)
				ratios = append(ratios, of.Seconds()/timeRound(b, producers, appended).Seconds())
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "of-bare")
		})
	}
}

// timeRound has each of so many producers append a few records.
func timeRound(b *testing.B, producers int, append func(record []byte) error) time.Duration {
	started := time.Now()
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			record := make([]byte, 1024)
			for range 40 {
				if err := append(record); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}
