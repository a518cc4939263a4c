package seglog

import (
	"errors"
	"slices"
)

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
