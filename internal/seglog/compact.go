package seglog

import (
	"errors"
)

// thin returns a segment most of whose records are acknowledged, though some are not and may not be for long: acknowledgements have moved on by
// several segments, or there is no room left. One record would else keep a whole segment on the disk. It is called with mu held.
func (l *Log) thin() *segment {
	starved := l.starved()
	for i, seg := range l.segments {
		if !seg.sealed || seg.void || seg.doomed || seg.damaged || seg.readers > 0 || seg.unacked == 0 || i > 0 && l.segments[i-1].void {
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
	with, err := l.copyOwed(seg, old, tmp)
	if errors.Is(err, errDamaged) {
		l.mu.Lock()
		seg.damaged = true
		l.mu.Unlock()
	}
	if err == nil {
		err = l.flushFile(true, false)
	}
	if err == nil && l.beginMoving(seg) {
		err = l.move(seg, tmp, with)
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
func (l *Log) move(seg *segment, tmp string, with compacted) error {
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
	l.bytes -= seg.disk - with.disk
	seg.attempt++
	seg.moved++
	seg.size, seg.disk = with.size, with.disk
	seg.dropped = int64(seg.end-seg.base) - with.records
	l.freed()
	return nil
}

// errDamaged says that a segment has damage that a reader has not met. It is left as it is until one has, and has written it off.
var errDamaged = errors.New("a damaged segment is left as it is")

// A compacted file is what a segment is replaced by.
type compacted struct {
	size, disk int64 // as in a segment
	records    int64
}

// copyOwed writes the records of a segment that are not acknowledged to another file, with a footer, and syncs it.
func (l *Log) copyOwed(seg *segment, from, to string) (compacted, error) {
	src, err := l.fs.Open(from)
	if err != nil {
		return compacted{}, err
	}
	defer src.Close()
	var with compacted
	x := newIndex(seg.base)
	buf := appendSegmentHead(nil, segmentHead{l.cfg.Mode, seg.attempt + 1, seg.base}, l.manifest.id, l.seed)
	sc := scanner{r: src, seed: l.seed, size: seg.size, limit: seg.end, off: segmentHeader, seq: seg.base}
	for {
		got, err := sc.next()
		if err != nil {
			return compacted{}, err
		}
		if got.kind == foundEnd {
			break
		}
		if got.kind == foundDamage {
			if l.stillOwed(got) {
				return compacted{}, errDamaged
			}
			continue
		}
		if l.isAcked(got.head.seq) {
			continue
		}
		frame, err := sc.bytes(got.off, got.size)
		if err != nil {
			return compacted{}, err
		}
		buf = append(buf, frame...)
		x.addFrames(frame)
		with.records++
	}
	if owed := l.owedFrom(seg, sc.seq); owed {
		return compacted{}, errDamaged
	}
	with.size = int64(len(buf))
	if l.cfg.Mode != Memory && x.lists(with.size) {
		buf = appendFooter(buf, &x, seg.base, seg.attempt+1, l.seed) // it gets its name when all of it is on the disk
	}
	with.disk = int64(len(buf))
	return with, writeFile(l.fs, to, buf)
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
