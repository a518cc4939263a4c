package benchmarks

import (
	"os"
	"sync"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// A groupCommit is a bare loop of group commits: who finds no leader becomes it, writes what has gathered, and syncs.
type groupCommit struct {
	file    *os.File
	disk    sync.Mutex
	mu      sync.Mutex
	waiting *commit
}

type commit struct {
	buf  []byte
	done chan struct{}
	err  error
}

func (g *groupCommit) append(record []byte) error {
	g.mu.Lock()
	c, leads := g.waiting, false
	if c == nil {
		c, leads = &commit{done: make(chan struct{})}, true
		g.waiting = c
	}
	c.buf = append(c.buf, record...)
	g.mu.Unlock()
	if !leads {
		<-c.done
		return c.err
	}
	g.disk.Lock()
	g.mu.Lock()
	g.waiting = nil
	g.mu.Unlock()
	if _, c.err = g.file.Write(c.buf); c.err == nil {
		c.err = g.file.Sync()
	}
	g.disk.Unlock()
	close(c.done)
	return c.err
}

// BenchmarkBareGroupCommit is the least that a durable queue takes: 256 producers encode the event and wait for it to be on the disk.
func BenchmarkBareGroupCommit(b *testing.B) {
	file, err := os.Create(b.TempDir() + "/log")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	g := &groupCommit{file: file}
	events := identifies()
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range 256 {
		wg.Go(func() {
			var buf []byte
			for i := p; i < b.N; i += 256 {
				var err error
				if buf, _, err = actions.Append(buf[:0], events[i%people], actions.AppendOptions{}); err == nil {
					err = g.append(buf)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
