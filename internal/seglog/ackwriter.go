package seglog

import (
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// An ackWriter is the file that acknowledgements are appended to.
type ackWriter struct {
	turn sync.Mutex // turns at writing; guards all fields

	file       vfs.File // nil where the next flush begins a new one
	name       string
	generation uint64
	size       int64
	snapshot   int64     // its size when it was begun
	old        []string  // files whose removal is due
	reserved   bool      // the reserve was made, or could not be
	failedAt   time.Time // when writing failed; zero while it works
	failure    error
	buf        []byte
}

func (w *ackWriter) close() {
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}

// flush writes what is to be acknowledged, and with sync removes and thins out what that allows to. It is called with the turn.
func (l *Log) flush(sync, snapshot bool) error {
	if err := l.flushFile(sync, snapshot); err != nil || !sync {
		return err
	}
	l.compact()
	return nil
}

// flushFile writes what is to be acknowledged, to a new file with everything in it where the present one is broken or too long, or where snapshot
// asks for it. With sync it then removes the segments that are empty.
func (l *Log) flushFile(sync, snapshot bool) error {
	w := &l.acks
	if !sync && !w.failedAt.IsZero() && time.Since(w.failedAt) < ackEvery {
		l.mu.Lock()
		l.toAck = l.toAck[:0] // the new file will have them
		l.mu.Unlock()
		return w.failure
	}
	e := ackEncoder{seed: l.seed, buf: w.buf[:0], open: -1}
	l.mu.Lock()
	written := len(l.toAck) > 0
	if idle := !written && !l.ackUnsynced && w.failedAt.IsZero() && !(l.closed && l.horizon < l.durable); idle && !snapshot {
		l.doom(l.emptied())
		l.mu.Unlock()
		l.removeDoomed()
		return nil
	}
	snapshot = snapshot || w.file == nil || w.size > 2*w.snapshot+1<<20
	horizon := l.durable
	if snapshot {
		l.acked.each(1, l.next-1, e.add)
	} else {
		for _, r := range l.toAck {
			e.add(r)
		}
	}
	if sync || snapshot {
		e.durable(horizon)
	}
	e.close()
	l.toAck = l.toAck[:0]
	l.ackUnsynced = l.ackUnsynced || written || snapshot
	doomed := l.emptied()
	l.mu.Unlock()
	if cap(e.buf) <= 1<<20 {
		w.buf = e.buf
	}

	err := l.writeAckFile(e.buf, sync, snapshot)
	l.mu.Lock()
	if err != nil {
		l.stats.AckFailures++
		l.mu.Unlock()
		w.failedAt, w.failure = time.Now(), failed("writing acknowledgements", err)
		return w.failure
	}
	w.failedAt = time.Time{}
	if !sync && !snapshot {
		l.mu.Unlock()
		return nil
	}
	l.ackUnsynced, l.ackSyncedAt, l.horizon = false, time.Now(), horizon
	l.doom(doomed)
	l.mu.Unlock()
	l.removeDoomed()
	l.keepReserve()
	return nil
}

// writeAckFile writes frames, to a new file for a snapshot. A file that fails is not written to again: the next flush begins a new one.
func (l *Log) writeAckFile(frames []byte, sync, snapshot bool) error {
	w := &l.acks
	var err error
	if snapshot {
		err = l.replaceAckFile(frames)
		if vfs.NoSpace(err) && l.fs.Remove(reserveName) == nil {
			w.reserved = false
			err = l.replaceAckFile(frames)
		}
	} else {
		err = l.extendAckFile(frames, sync)
	}
	if err != nil && w.file != nil {
		w.file.Close()
		w.file = nil
		w.old = append(w.old, w.name)
	}
	return err
}

func (l *Log) extendAckFile(frames []byte, sync bool) error {
	w := &l.acks
	if _, err := w.file.WriteAt(frames, w.size); err != nil {
		return err
	}
	w.size += int64(len(frames))
	if !sync {
		return nil
	}
	if err := l.syncFile(w.file); err != nil {
		return err
	}
	return l.fs.Verify(w.name, w.file)
}

// replaceAckFile makes a file with everything that is acknowledged. The old ones are removed when it is in place for good.
func (l *Log) replaceAckFile(frames []byte) error {
	w := &l.acks
	w.generation++
	name := ackName(w.generation)
	if err := replaceFile(l.fs, name, frames); err != nil {
		l.fs.Remove(name + tmpSuffix) // it may be what fills the disk; else recovery does
		w.old = append(w.old, name)   // it may have its name already
		return err
	}
	file, err := l.fs.Edit(name)
	if err != nil {
		w.old = append(w.old, name)
		return err
	}
	old := w.old
	if w.file != nil {
		w.file.Close()
		old = append(old, w.name)
	}
	w.file, w.name, w.size, w.snapshot, w.old = file, name, int64(len(frames)), int64(len(frames)), nil
	for _, name := range old {
		if err := l.fs.Remove(name); err != nil && !vanished(err) {
			w.old = append(w.old, name) // it does no harm
		}
	}
	return nil
}

// keepReserve makes a file that is there to be removed: where the disk is full, its space is what acknowledgements are written to, and they are what
// lets segments go.
func (l *Log) keepReserve() {
	w := &l.acks
	if w.reserved || l.isClosed() {
		return
	}
	w.reserved = true // or there is no space for it, and trying each time would not help
	if err := writeFile(l.fs, reserveName, make([]byte, reserveBytes)); err != nil {
		l.fs.Remove(reserveName)
	}
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
