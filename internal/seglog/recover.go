package seglog

import (
	"io"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// recover makes the log of what was found. The order is that of the package's promise: what is damaged is copied first; then it is written
// down that it is lost, in the same new file that takes over all acknowledgements; only then is anything cut or removed. A crash
// in between finds everything again.
func (l *Log) recover(s *survey) (Recovery, error) {
	found := l.adopt(s)
	l.acks.generation = s.lastAck
	l.acks.old = s.ackFiles
	l.acks.reserved = s.reserved
	if s.fresh {
		return found, nil
	}
	for _, step := range []func(*survey) error{l.quarantineAll, l.takeOverAcks, l.trimSegments, l.removeLeftover} {
		err := step(s)
		if vfs.NoSpace(err) {
			found.Postponed = err
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
	l.addFooters(s)
	return found, nil
}

// adopt takes over what the survey found, in memory.
func (l *Log) adopt(s *survey) Recovery {
	found := s.found()
	l.acked, l.next, l.durable = s.acked, s.next, s.durable
	l.unackedCount = s.records
	l.ackSyncedAt = time.Now()
	at := Seq(1)
	for _, seg := range s.segments {
		if at < seg.base {
			l.acked.addRange(at, seg.base-1)
		}
		for _, d := range seg.damage {
			l.acked.addRange(d.first, d.last)
		}
		at = max(at, seg.end)
		l.segments = append(l.segments, &segment{base: seg.base, attempt: seg.attempt, end: seg.end, size: seg.good,
			disk: seg.bytes, unacked: seg.unacked, sealed: true,
			void: seg.limit != 0 && seg.torn > 0, dropped: int64(seg.end-seg.base) - seg.frames})
		l.bytes += seg.bytes
	}
	if at < l.next {
		l.acked.addRange(at, l.next-1)
	}
	l.stats.QuarantinedRecords = found.QuarantinedRecords
	l.stats.QuarantinedRegions = int64(found.QuarantinedRegions)
	l.stats.QuarantinedBytes = found.QuarantinedBytes
	return found
}

func (l *Log) quarantineAll(s *survey) error {
	copied := false
	for _, seg := range s.segments {
		for _, d := range seg.damage {
			if d.size == 0 {
				continue
			}
			if err := l.quarantine(seg.name, brokenName(seg.base, seg.attempt, d.off), d.off, d.size); err != nil {
				return failed("keeping a damaged part of "+seg.name, err)
			}
			copied = true
		}
	}
	if copied {
		return l.fs.SyncDir()
	}
	return nil
}

// quarantine copies a part of a segment to a file of its own, and syncs that. A copy that a crash has left half done is made anew.
func (l *Log) quarantine(from, to string, off, size int64) error {
	src, err := l.fs.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := l.fs.Remove(to); err != nil && !vanished(err) {
		return err
	}
	dst, err := l.fs.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	buf := make([]byte, min(size, scanWindow))
	for done := int64(0); done < size; {
		n, err := src.ReadAt(buf[:min(size-done, int64(len(buf)))], off+done)
		if n == 0 {
			if err == io.EOF {
				break
			}
			return err
		}
		if _, err := dst.WriteAt(buf[:n], done); err != nil {
			return err
		}
		done += int64(n)
	}
	return dst.Sync()
}

// takeOverAcks writes all that is acknowledged to a new file. Where the disk is full it syncs the files that there are instead, frees what they
// allow to, and tries once more.
func (l *Log) takeOverAcks(s *survey) error {
	if len(s.segments) == 0 && len(s.ackFiles) == 0 {
		return nil
	}
	// What was read may be in the system's cache alone.
	if err := l.syncLast(s); err != nil {
		return err
	}
	err := l.flushAcksWith(true, true)
	if !vfs.NoSpace(err) {
		return err
	}
	for _, name := range s.ackFiles {
		if err := syncFile(l.fs, name); err != nil {
			return failed("syncing "+name, err)
		}
	}
	for i, seg := range s.segments {
		if seg.skipped && !l.segments[i].void && (i == 0 || !l.segments[i-1].void) {
			l.segments[i].doomed = true
		}
	}
	l.removeDoomed()
	return l.flushAcksWith(true, true)
}

// syncLast syncs the last segment with its torn end cut off: all others were synced before the one after them was begun.
func (l *Log) syncLast(s *survey) error {
	if len(s.segments) == 0 {
		return nil
	}
	last := s.segments[len(s.segments)-1]
	if err := l.trim(last, l.segments[len(s.segments)-1]); err != nil {
		return err
	}
	if l.cfg.Mode != Memory {
		l.durable = l.next
	}
	return nil
}

// trimSegments cuts what does not count off the other segments, and mends headers.
func (l *Log) trimSegments(s *survey) error {
	for i, seg := range s.segments {
		kept := l.segmentNamed(seg.name)
		if i == len(s.segments)-1 || kept == nil || seg.torn == 0 && !seg.badHead {
			continue
		}
		if err := l.trim(seg, kept); err != nil {
			return err
		}
	}
	return nil
}

// segmentNamed returns the segment of that name, or nil where it was removed.
func (l *Log) segmentNamed(name string) *segment {
	for _, seg := range l.segments {
		if seg.name() == name {
			return seg
		}
	}
	return nil
}

// trim cuts a segment's torn end off, gives it a header where its own is damaged, and syncs it.
func (l *Log) trim(seg *surveyed, kept *segment) error {
	f, err := l.fs.Edit(seg.name)
	if err != nil {
		return failed("opening "+seg.name, err)
	}
	defer f.Close()
	if seg.torn > 0 {
		if err := f.Truncate(seg.good); err != nil {
			return failed("cutting "+seg.name, err)
		}
		l.bytes -= kept.disk - seg.good
		kept.disk, kept.void = seg.good, false
	}
	if seg.badHead && seg.good > segmentHeader {
		head := appendSegmentHead(nil, segmentHead{l.cfg.Mode, seg.attempt, seg.base}, l.manifest.id, l.seed)
		if _, err := f.WriteAt(head, 0); err != nil {
			return failed("mending "+seg.name, err)
		}
	}
	if err := f.Sync(); err != nil {
		return failed("syncing "+seg.name, err)
	}
	return nil
}

// addFooters gives the segments that had to be read their footers, so that they need not be read again. Where that cannot be done they are.
func (l *Log) addFooters(s *survey) {
	if l.cfg.Mode == Memory {
		return
	}
	for _, seg := range s.segments {
		kept := l.segmentNamed(seg.name)
		if seg.index == nil || kept == nil || kept.unacked == 0 || kept.disk != kept.size {
			continue
		}
		f, err := l.fs.Edit(seg.name)
		if err != nil {
			continue
		}
		// What was read may be in the system's cache alone, and is to be on the disk before anything vouches for it.
		if l.syncFile(f) == nil {
			l.finish(f, kept, seg.index)
		}
		f.Close()
	}
}

func (l *Log) removeLeftover(s *survey) error {
	for _, name := range s.leftover {
		if err := l.fs.Remove(name); err != nil && !vanished(err) {
			return failed("removing "+name, err)
		}
	}
	return nil
}

func syncFile(fsys vfs.FS, name string) error {
	f, err := fsys.Edit(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
