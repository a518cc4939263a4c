package seglog

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// Ack notes that records are done with: they are not read again, now or after a restart. It writes them down without waiting for the disk; a
// kill loses nothing of that, a power cut up to a second's worth, and what is lost comes back as records. Numbers that were not
// appended, or were acknowledged before, are passed over.
//
// What it cannot write, because the disk is full or broken, it keeps in memory (a bit a record) and tries again about every second;
// Stats.AckFailures counts, and SyncAcks and Close return the error. After Close it does nothing.
func (l *Log) Ack(seqs ...Seq) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	acked := int64(0)
	var seg *segment
	for _, seq := range seqs {
		if seq == 0 || seq >= l.next || !l.acked.add(seq) {
			continue
		}
		acked++
		if seg == nil || seq < seg.base || seq >= seg.end {
			seg = l.segmentOf(seq)
		}
		seg.unacked--
		l.noteAck(seq)
	}
	if acked > 0 {
		l.unackedCount -= acked
		l.stats.Acked += acked
		l.freed()
	}
	reclaim := acked > 0 && l.starved() && l.reclaimable()
	l.mu.Unlock()
	if reclaim {
		l.reclaim()
		return
	}
	l.flushAcksIfDue()
	l.writeAcks()
}

// noteAck puts a seq on the list of what is to be written. It is called with mu held.
func (l *Log) noteAck(seq Seq) {
	if n := len(l.toAck); n > 0 && l.toAck[n-1].last+1 == seq {
		l.toAck[n-1].last = seq
		return
	}
	l.toAck = append(l.toAck, seqRange{seq, seq})
}

// SyncAcks returns once all acknowledgements are on the disk. It removes the segments that they have emptied.
func (l *Log) SyncAcks() error {
	if l.isClosed() {
		return ErrClosed
	}
	return l.flushAcks(true)
}

// flushAcksIfDue syncs acknowledgements where some have waited for long enough.
func (l *Log) flushAcksIfDue() {
	l.mu.Lock()
	due := !l.closed && l.ackUnsynced && time.Since(l.ackSyncedAt) >= ackEvery
	l.mu.Unlock()
	if due && l.acks.turn.TryLock() { // somebody who has the turn is at it
		_ = l.flush(true, false) // counted; it will be due again
		l.acks.turn.Unlock()
	}
}

// writeAcks writes what is to be acknowledged, unless somebody is at it, who then writes this too.
func (l *Log) writeAcks() {
	for l.hasAcks() && l.acks.turn.TryLock() {
		err := l.flush(false, false)
		l.acks.turn.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *Log) hasAcks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.toAck) > 0
}

func (l *Log) flushAcks(sync bool) error { return l.flushAcksWith(sync, false) }

func (l *Log) flushAcksWith(sync, snapshot bool) error {
	l.sealIfAcked()
	l.acks.turn.Lock()
	defer l.acks.turn.Unlock()
	return l.flush(sync, snapshot)
}

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

// flush writes what is to be acknowledged, to a new file with everything in it where the present one is broken or too long, or where snapshot
// asks for it. With sync it then removes what that allows to. It is called with the turn.
func (l *Log) flush(sync, snapshot bool) error {
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

// doom marks segments for removal, those apart that somebody has begun to read. It is called with mu held.
func (l *Log) doom(segs []*segment) {
	for _, seg := range segs {
		seg.doomed = seg.readers == 0
	}
}

// emptied returns the segments that may go once all that is acknowledged now is on the disk. A segment must not go before one that has void
// frames in front of it: they are void because of its first seq. It is called with mu held.
func (l *Log) emptied() []*segment {
	var list []*segment
	for i, seg := range l.segments {
		if seg.sealed && seg.unacked == 0 && seg.readers == 0 && !(i > 0 && l.segments[i-1].void && !slices.Contains(list, l.segments[i-1])) {
			list = append(list, seg)
		}
	}
	return list
}

// removeDoomed removes segments, in order: where one stays, those after it that depend on it do too.
func (l *Log) removeDoomed() {
	l.mu.Lock()
	var doomed []*segment
	for i, seg := range l.segments {
		if seg.doomed && (i == 0 || !l.segments[i-1].void || l.segments[i-1].doomed) {
			doomed = append(doomed, seg)
		}
		seg.doomed = seg.doomed && slices.Contains(doomed, seg)
	}
	l.mu.Unlock()
	for _, seg := range doomed {
		err := l.fs.Remove(seg.name())
		l.mu.Lock()
		if err != nil && !vanished(err) {
			seg.doomed = false // until the next time
			l.stats.RemoveFailures++
			l.mu.Unlock()
			if seg.void {
				l.spareRest(doomed)
				return
			}
			continue
		}
		l.forget(seg)
		l.freed()
		l.mu.Unlock()
	}
}

// spareRest gives up removing segments that are still there.
func (l *Log) spareRest(segs []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seg := range segs {
		seg.doomed = false
	}
}

// sealIfAcked ends the active segment where all of it is acknowledged and somebody needs the room, or the log is being closed.
func (l *Log) sealIfAcked() {
	l.mu.Lock()
	wanted := l.sealAcked || l.starved()
	l.mu.Unlock()
	if !wanted {
		return
	}
	l.disk.Lock()
	defer l.disk.Unlock()
	l.mu.Lock()
	seg := l.write.seg
	if seg == nil || seg.unacked > 0 || seg.end == seg.base && !l.sealAcked {
		l.mu.Unlock()
		return
	}
	seg.sealed = true
	l.mu.Unlock()
	l.write.close()
}

// Purge acknowledges all records and removes what there is of them, quarantined parts included. It returns how many records there were.
// Records that are appended meanwhile may stay.
func (l *Log) Purge() (int64, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, ErrClosed
	}
	purged := l.unackedCount
	l.acked.addRange(1, l.next-1)
	for _, seg := range l.segments {
		seg.unacked = 0
	}
	l.unackedCount = 0
	if l.next > 1 {
		l.toAck = append(l.toAck[:0], seqRange{1, l.next - 1})
	}
	l.stats.Acked += purged
	l.sealAcked = true
	l.freed()
	l.mu.Unlock()
	err := l.flushAcks(true)
	l.mu.Lock()
	l.sealAcked = l.closed
	l.mu.Unlock()
	return purged, errors.Join(err, l.removeBroken())
}

func (l *Log) removeBroken() error {
	entries, err := l.fs.List()
	if err != nil {
		return failed("listing the directory", err)
	}
	for _, e := range entries {
		if isBrokenName(e.Name) {
			if err := l.fs.Remove(e.Name); err != nil && !vanished(err) {
				return failed("removing "+e.Name, err)
			}
		}
	}
	return nil
}
