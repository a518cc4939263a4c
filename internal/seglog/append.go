package seglog

import (
	"runtime"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A batch is what one group commit writes: the frames of the Appends that came while the one before it was being written. The first
// of them is its leader, and writes it; the others wait.
type batch struct {
	buf   []byte
	count int // of records
	calls int
	done  chan struct{} // closed when first and err are there
	first Seq
	err   error
}

// Append appends records, all of them or none, and returns the first one's number; the others have the following ones. When it returns nil the
// records are on the disk as Config.Mode says. Records are copied. Calls at the same time share one write and one sync.
//
// Errors: *FullError and *TooLargeError, for limits; ErrClosed; else what the file system said, wrapped. After an error no record was
// appended as far as this Log is concerned, and the log can be used further: the next Append tries again. Where the process is killed or
// power fails before Append has returned, or after the disk has failed it, some of the records, from the first on, may be found by the
// next Open.
func (l *Log) Append(records ...[]byte) (Seq, error) {
	if len(records) == 0 {
		return 0, nil
	}
	size := int64(0)
	var few [8]uint32
	sums := few[:0]
	for _, r := range records {
		if len(r) > l.cfg.MaxRecordBytes {
			return 0, &TooLargeError{Limit: "MaxRecordBytes", Size: int64(len(r)), Max: int64(l.cfg.MaxRecordBytes)}
		}
		size += frameHeader + int64(len(r))
		sums = append(sums, checksum(r)) // here rather than by the leader: callers do it side by side
	}
	if err := l.fits(size, int64(len(records))); err != nil {
		return 0, err
	}
	b, index, err := l.join(records, sums, size)
	if err != nil {
		return 0, err
	}
	defer l.users.Done()
	if index == 0 {
		l.lead(b)
	} else {
		<-b.done
	}
	if b.err != nil {
		if vfs.NoSpace(b.err) && l.reclaim() {
			return l.Append(records...) // what filled the disk was done with
		}
		return 0, b.err
	}
	return b.first + Seq(index), nil
}

// join puts records into the open batch, and returns it with their place in it. Place 0 makes the caller the leader. Where there is no
// room it frees what acknowledgements allow to, as often as that helps.
func (l *Log) join(records [][]byte, sums []uint32, size int64) (*batch, int, error) {
	for {
		b, index, err := l.tryJoin(records, sums, size)
		if _, full := err.(*FullError); !full || !l.reclaim() {
			return b, index, err
		}
	}
}

func (l *Log) tryJoin(records [][]byte, sums []uint32, size int64) (*batch, int, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, ErrClosed
	}
	if err := l.full(size, int64(len(records))); err != nil {
		l.refused = true
		l.stats.Full++
		return nil, 0, err
	}
	l.refused = false
	b := l.open
	if b == nil || b.count > 0 && int64(len(b.buf))+size > maxBatch {
		// A batch that is full keeps its leader, and waits for its turn.
		b = &batch{done: make(chan struct{})}
		if n := len(l.spare); n > 0 {
			b.buf, l.spare = l.spare[n-1][:0], l.spare[:n-1]
		}
		l.open = b
	}
	index := b.count
	for i, r := range records {
		b.buf = appendFrame(b.buf, r, sums[i], now, l.cfg.Version)
	}
	b.count += len(records)
	b.calls++
	l.pendingBytes += size
	l.pendingRecords += int64(len(records))
	l.users.Add(1)
	return b, index, nil
}

// maxTurns is how often a leader lets others run before it writes.
const maxTurns = 16

// lead writes a batch at its turn, makes its records readable, and tells those who wait.
func (l *Log) lead(b *batch) {
	l.disk.Lock()
	l.mu.Lock()
	// Those whose batch has just been written are about to come back: with them in this one, fewer syncs do. Each turn lets some of them
	// run; when one brings nobody they are all here, or busy with something else.
	for before, turns := 0, 0; b.calls != before && b.calls < l.write.calls && turns < maxTurns; turns++ {
		before = b.calls
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	l.write.calls = b.calls
	if l.open == b {
		l.open = nil // nobody joins from here on
	}
	b.first = l.next
	l.mu.Unlock()

	number(b.buf, b.first, l.seed)
	b.err = l.commit(b)

	l.mu.Lock()
	l.pendingBytes -= int64(len(b.buf))
	l.pendingRecords -= int64(b.count)
	if b.err == nil {
		l.publish(b)
	} else {
		l.stats.AppendFailures++
		l.refused = vfs.NoSpace(b.err)
		l.freed()
	}
	if cap(b.buf) <= maxBatch && len(l.spare) < 2 {
		l.spare = append(l.spare, b.buf)
	}
	b.buf = nil
	l.mu.Unlock()
	l.disk.Unlock()
	close(b.done)
	l.flushAcksIfDue()
}

// publish makes a batch that has been written part of the log. It is called with disk and mu held.
func (l *Log) publish(b *batch) {
	seg, n := l.write.seg, int64(len(b.buf))
	seg.size += n
	seg.disk += n
	seg.end += Seq(b.count)
	seg.unacked += int64(b.count)
	l.bytes += n
	l.next = seg.end
	l.unackedCount += int64(b.count)
	l.stats.Appended += int64(b.count)
	l.stats.Commits++
	switch l.cfg.Mode {
	case Sync:
		l.durable = l.next
		l.write.synced = seg.size
	case Interval:
		l.arm()
	}
}

// arm starts the timer after which what was written is synced. It is called with mu held.
func (l *Log) arm() {
	if l.armed || l.closed {
		return // Close syncs
	}
	l.armed = true
	l.users.Add(1)
	if l.timer == nil {
		l.timer = time.AfterFunc(l.cfg.Interval, l.onInterval)
	} else {
		l.timer.Reset(l.cfg.Interval)
	}
}

func (l *Log) onInterval() {
	defer l.users.Done()
	l.mu.Lock()
	l.armed = false
	l.mu.Unlock()
	// What fails here is in Stats; the records stay readable, and are moved to another segment where that can be done.
	_ = l.syncSegments()
}
