package seglog

import (
	"errors"
)

// thin returns a segment most of whose records are acknowledged, though some are not and may not be for long: acknowledgements have moved on by
// several segments, or there is no room left. One record would else keep a whole segment on the disk. It is called with mu held.
func (l *Log) thin() *segment {
	starved := l.starved()
	for i, seg := range l.segments {
		if !seg.sealed || seg.void || seg.doomed || seg.readers > 0 || seg.unacked == 0 || i > 0 && l.segments[i-1].void {
			continue
		}
		records := int64(seg.end-seg.base) - seg.dropped
		passed := l.acked.top >= seg.end+4*(seg.end-seg.base)
		if starved && seg.unacked*2 <= records || passed && seg.unacked*4 <= records {
			return seg
		}
	}
	return nil
}

// compact replaces a thin segment, if there is one, by a file of the records that are left in it. The new file has the same first seq and a
// later attempt, which makes the old one void. It gets that name when it is whole and on the disk, and when the acknowledgements of what it leaves out
// are: either file is right at any time. compact is called with the turn at the acknowledgements.
func (l *Log) compact() {
	l.mu.Lock()
	seg := l.thin()
	l.mu.Unlock()
	if seg == nil {
		return
	}
	old := seg.name()
	tmp := old + tmpSuffix
	size, kept, err := l.copyOwed(seg, old, tmp)
	if err == nil {
		err = l.flushFile(true, false)
	}
	if err == nil && l.beginMoving(seg) {
		err = l.move(seg, tmp, size, kept)
	} else {
		l.fs.Remove(tmp) // else recovery does
		return
	}
	if err == nil {
		l.fs.Remove(old) // else recovery does
	}
}

// beginMoving keeps readers from a segment, unless one is at it.
func (l *Log) beginMoving(seg *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seg.readers > 0 || seg.unacked == 0 {
		return false
	}
	seg.moving = make(chan struct{})
	return true
}

// move gives a segment its new file, and lets readers go on.
func (l *Log) move(seg *segment, tmp string, size, kept int64) error {
	name := segmentName(seg.base, seg.attempt+1)
	err := l.fs.Rename(tmp, name)
	if err == nil {
		err = l.fs.SyncDir()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	close(seg.moving)
	seg.moving = nil
	if err != nil {
		return err
	}
	l.bytes -= seg.disk - size
	seg.attempt++
	seg.moved++
	seg.size, seg.disk = size, size
	seg.dropped = int64(seg.end-seg.base) - kept
	l.freed()
	return nil
}

var errDamaged = errors.New("a damaged segment is left as it is")

// copyOwed writes the records of a segment that are not acknowledged to another file, and syncs it. It returns its size and how many they are.
func (l *Log) copyOwed(seg *segment, from, to string) (size, kept int64, err error) {
	src, err := l.fs.Open(from)
	if err != nil {
		return 0, 0, err
	}
	defer src.Close()
	buf := appendSegmentHead(nil, segmentHead{l.cfg.Mode, seg.attempt + 1, seg.base}, l.manifest.id, l.seed)
	sc := scanner{r: src, seed: l.seed, size: seg.size, limit: seg.end, off: segmentHeader, seq: seg.base}
	for {
		got, err := sc.next()
		if err != nil {
			return 0, 0, err
		}
		if got.kind == foundEnd {
			break
		}
		if got.kind == foundDamage {
			if l.stillOwed(got) {
				return 0, 0, errDamaged // for a reader to report
			}
			continue
		}
		if l.isAcked(got.head.seq) {
			continue
		}
		frame, err := sc.bytes(got.off, got.size)
		if err != nil {
			return 0, 0, err
		}
		buf = append(buf, frame...)
		kept++
	}
	if owed := l.owedFrom(seg, sc.seq); owed {
		return 0, 0, errDamaged
	}
	return int64(len(buf)), kept, writeFile(l.fs, to, buf)
}

func (l *Log) isAcked(seq Seq) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked.has(seq)
}

// owedFrom tells whether records of a segment are owed from a seq on.
func (l *Log) owedFrom(seg *segment, from Seq) bool {
	if from >= seg.end {
		return false
	}
	return l.stillOwed(found{first: from, lost: uint64(seg.end - from)})
}
