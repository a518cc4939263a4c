package seglog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A segmentWriter is the segment that is appended to. It is guarded by Log.disk.
type segmentWriter struct {
	seg    *segment // nil where the next batch begins a new one
	file   vfs.File
	synced int64 // bytes of it that are on the disk
	index  index // of its frames, for its footer

	calls int // how many callers the last batch had
}

func (w *segmentWriter) close() {
	if w.file != nil {
		w.file.Close() // what matters is synced
	}
	*w = segmentWriter{calls: w.calls}
}

// errAbandoned marks a failure after which the segment cannot be trusted with more, and another one may.
var errAbandoned = errors.New("the segment was left behind")

// commit writes a batch, and syncs it in Sync mode. A segment that fails at that is never synced again: after a failed fsync the kernel may
// have thrown the pages away, and would report success. The batch goes to a new segment, once. commit is called with disk held.
func (l *Log) commit(b *batch) error {
	err := l.tryCommit(b)
	if errors.Is(err, errAbandoned) {
		err = l.tryCommit(b)
	}
	if err != nil {
		return failed("appending", err)
	}
	l.write.index.addFrames(b.buf)
	return nil
}

func (l *Log) tryCommit(b *batch) error {
	if err := l.ready(int64(len(b.buf)), b.first); err != nil {
		return err
	}
	w := &l.write
	off := w.seg.size
	if _, err := w.file.WriteAt(b.buf, off); err != nil {
		if vfs.NoSpace(err) && w.file.Truncate(off) == nil {
			return err // the same segment will do when there is space
		}
		return l.abandon(err)
	}
	if l.cfg.Mode == Sync {
		if err := l.syncFile(w.file); err != nil {
			return l.abandon(err)
		}
	}
	if err := l.fs.Verify(w.seg.name(), w.file); err != nil {
		return l.abandon(err)
	}
	return nil
}

func (l *Log) syncFile(f vfs.File) error {
	err := f.Sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Syncs++
	if err != nil {
		l.stats.SyncFailures++
	}
	return err
}

// ready makes sure that there is a segment with room for n bytes. first is the seq of what comes.
func (l *Log) ready(n int64, first Seq) error {
	if w := &l.write; w.seg != nil {
		if w.seg.size+n <= l.cfg.SegmentBytes || w.seg.end == w.seg.base {
			return nil
		}
		if err := l.seal(); err != nil {
			return err
		}
	}
	return l.begin(first)
}

// seal ends the active segment, with a footer. All of it is on the disk before a later one is begun, so that only the last one can be torn.
func (l *Log) seal() error {
	if err := l.syncActive(); err != nil {
		return err
	}
	if w := &l.write; w.seg != nil {
		l.finish(w.file, w.seg, &w.index)
		l.mu.Lock()
		w.seg.sealed = true
		l.mu.Unlock()
	}
	l.write.close()
	return nil
}

// begin makes the segment that is appended to from now on.
func (l *Log) begin(first Seq) error {
	if err := l.make(first); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adoptActive()
	return nil
}

// adoptActive puts the segment that was made among the others. It is called with mu held.
func (l *Log) adoptActive() {
	l.segments = append(l.segments, l.write.seg)
	l.bytes += l.write.seg.disk
}

// make makes a segment's file, with its name on the disk. Its attempt is later than that of every file that may be there.
func (l *Log) make(first Seq) error {
	seg := &segment{base: first, end: first, size: segmentHeader, disk: segmentHeader, attempt: l.strays[first]}
	l.mu.Lock()
	for _, other := range l.segments {
		if other.base == first {
			seg.attempt = max(seg.attempt, other.attempt+1)
		}
	}
	l.mu.Unlock()
	file, err := l.create(seg)
	if err != nil {
		return err
	}
	l.write = segmentWriter{seg: seg, file: file, index: newIndex(first)}
	return nil
}

func (l *Log) create(seg *segment) (vfs.File, error) {
	name := seg.name()
	file, err := l.fs.Create(name)
	if err != nil {
		return nil, err
	}
	head := appendSegmentHead(nil, segmentHead{l.cfg.Mode, seg.attempt, seg.base}, l.manifest.id, l.seed)
	if _, err = file.WriteAt(head, 0); err == nil {
		err = l.fs.SyncDir()
	}
	if err != nil {
		file.Close()
		if removed := l.fs.Remove(name); removed != nil && !vanished(removed) { // recovery does
			l.strays[seg.base] = seg.attempt + 1
		}
		return nil, err
	}
	return file, nil
}

// abandon leaves the active segment behind, with what is in it from before. What was just written to it is cut off where that works; where
// it does not, the next segment voids it by beginning with the same seq.
func (l *Log) abandon(cause error) error {
	w := l.write
	l.write = segmentWriter{}
	w.file.Truncate(w.seg.size)
	w.file.Close()
	removed := w.seg.end == w.seg.base && l.fs.Remove(w.seg.name()) == nil
	l.mu.Lock()
	defer l.mu.Unlock()
	w.seg.sealed, w.seg.void = true, true
	if removed {
		l.forget(w.seg)
	}
	return fmt.Errorf("%w: %w", errAbandoned, cause)
}

// forget takes a segment out whose file is gone. It is called with mu held.
func (l *Log) forget(seg *segment) {
	if i := slices.Index(l.segments, seg); i >= 0 {
		l.segments = slices.Delete(l.segments, i, i+1)
		l.bytes -= seg.disk
	}
}

// syncSegments syncs what is written and not yet on the disk.
func (l *Log) syncSegments() error {
	l.disk.Lock()
	defer l.disk.Unlock()
	if err := l.syncActive(); err != nil {
		return failed("syncing", err)
	}
	return nil
}

// syncActive syncs the active segment where it has something unsynced. It is called with disk held.
func (l *Log) syncActive() error {
	w := &l.write
	if w.seg == nil || l.cfg.Mode != Interval || w.synced >= w.seg.size {
		return nil
	}
	if err := l.syncFile(w.file); err != nil {
		return l.rescue(err)
	}
	w.synced = w.seg.size
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable = max(l.durable, w.seg.end)
	return nil
}

// rescue moves the frames that a failed sync has left in doubt to a new segment: what was written can still be read, from the system's
// cache, though it may never reach the disk. Where the new segment fails too, the frames stay where they are, as good as that is.
func (l *Log) rescue(cause error) error {
	old := l.write
	l.write = segmentWriter{}
	defer old.file.Close()

	from := max(old.synced, segmentHeader)
	tail, first, err := l.reread(old, from)
	if err == nil {
		err = l.make(first)
	}
	if err == nil {
		err = l.fill(tail, from, first, old.seg)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old.seg.sealed = true
	if err != nil {
		l.stats.Unsafe += int64(old.seg.end - l.durable)
		return fmt.Errorf("%w, and what was not synced could not be moved: %w", cause, err)
	}
	return nil
}

// reread reads the frames from an offset on, and makes sure that they are what was written.
func (l *Log) reread(w segmentWriter, from int64) (tail []byte, first Seq, err error) {
	tail = make([]byte, w.seg.size-from)
	if _, err := w.file.ReadAt(tail, from); err != nil {
		return nil, 0, err
	}
	for at := 0; at < len(tail); {
		h, ok := parseHeader(tail[at:], l.seed)
		if !ok || int64(len(tail)-at) < h.size() || checksum(tail[at+frameHeader:][:h.length]) != h.crc {
			return nil, 0, errors.New("what was written reads otherwise")
		}
		if at == 0 {
			first = h.seq
		}
		at += int(h.size())
	}
	return tail, first, nil
}

// fill writes moved frames to the segment that was made for them, syncs them, and gives them to it. Where that fails, the file has to go:
// its first seq would void the frames where they are.
func (l *Log) fill(tail []byte, from int64, first Seq, old *segment) error {
	w := &l.write
	_, err := w.file.WriteAt(tail, w.seg.size)
	if err == nil {
		err = l.syncFile(w.file)
	}
	if err != nil {
		return l.abandon(err)
	}
	w.index.addFrames(tail)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(len(tail))
	w.seg.size += n
	w.seg.disk += n
	w.seg.end = old.end
	w.seg.unacked = int64(old.end-first) - l.acked.count(first, old.end-1)
	old.unacked -= w.seg.unacked
	old.size, old.end, old.void = from, first, true
	old.moved++
	l.adoptActive()
	w.synced = w.seg.size
	l.durable = max(l.durable, w.seg.end)
	return nil
}
