package seglog

import (
	"time"
)

// A Record is a record as it was appended.
type Record struct {
	Seq     Seq
	Payload []byte
	// AppendedAt is when, by the wall clock of that time.
	AppendedAt time.Time
	// Version is the Config.Version that it was appended with.
	Version uint8
}

// A Reader reads the records that are not acknowledged, in the order of their numbers. One goroutine at a time may use it; a log may
// have any number of readers, and they need no closing.
type Reader struct {
	log *Log
	pos Seq // the least seq that is to be read

	seg   *segment // where the reader was last, so that it does not begin at the segment's start again
	moved int
	off   int64
	seq   Seq // the least seq that can be at off

	window []byte
}

// Reader returns a reader that begins at a number: 0 or 1 for the first record that is there.
func (l *Log) Reader(from Seq) *Reader {
	r := &Reader{log: l}
	r.Reset(from)
	return r
}

// Position returns the least number that Next may return.
func (r *Reader) Position() Seq { return r.pos }

// Reset moves the reader to a number, forward or back.
func (r *Reader) Reset(to Seq) {
	r.pos = max(to, 1)
	if r.pos < r.seq {
		r.seg = nil
	}
}

// Next returns records with up to maxBytes of payload in all, at least one where there is one, and moves past them. It passes over what is
// acknowledged, and ends a page where a segment ends. It does not wait: where it returns none and no error, the reader has come to the end, and will go on from there when more is
// appended. The payloads are the caller's.
//
// A *DamageError stands for records that can no longer be read; the reader has moved past them, and goes on at the next call. After
// another error, ErrClosed or one of the file system, it has not moved.
func (r *Reader) Next(maxBytes int) ([]Record, error) {
	for {
		seg, size, end, err := r.log.hold(r)
		if seg == nil || err != nil {
			return nil, err
		}
		records, err := r.read(seg, size, end, maxBytes)
		records = r.log.release(seg, records)
		if err != nil {
			r.log.writeAcks() // damage that was written off may have been all that was left
		}
		if len(records) > 0 || err != nil {
			return records, err
		}
	}
}

// hold finds the segment that a reader is to go on with, and keeps it from being removed.
func (l *Log) hold(r *Reader) (*segment, int64, Seq, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, 0, ErrClosed
	}
	for r.pos < l.next {
		seg := l.segmentOf(r.pos)
		if seg == nil {
			r.pos = l.next
			break
		}
		if seg.unacked == 0 || seg.doomed {
			r.pos = max(r.pos, seg.end)
			continue
		}
		if moving := seg.moving; moving != nil {
			l.mu.Unlock()
			<-moving
			l.mu.Lock()
			continue
		}
		r.pos = max(r.pos, seg.base)
		seg.readers++
		if r.seg != seg || r.moved != seg.moved || r.seq > r.pos {
			r.seg, r.moved, r.off, r.seq = seg, seg.moved, segmentHeader, seg.base
		}
		return seg, seg.size, seg.end, nil
	}
	return nil, 0, 0, nil
}

// release lets a segment go and leaves out the records that have been acknowledged.
func (l *Log) release(seg *segment, records []Record) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.readers--
	if seg.readers == 0 && seg.unacked == 0 {
		l.freed() // it can be removed now
	}
	kept := records[:0]
	for _, rec := range records {
		if !l.acked.has(rec.Seq) {
			kept = append(kept, rec)
		}
	}
	return kept
}

// read reads on in a segment, of which the first size bytes are there to be read, with the seqs below end.
func (r *Reader) read(seg *segment, size int64, end Seq, maxBytes int) ([]Record, error) {
	file, err := r.log.fs.Open(seg.name())
	if err != nil {
		return nil, failed("reading", err)
	}
	defer file.Close()
	sc := scanner{r: file, seed: r.log.seed, size: size, limit: end, off: r.off, seq: r.seq, window: r.window[:0]}
	defer func() { r.window = sc.window }()
	var page pageful
	for {
		got, err := sc.next()
		switch {
		case err != nil:
			return nil, failed("reading", err)
		case got.kind == foundRecord && got.head.seq >= r.pos:
			if !page.add(got, maxBytes) {
				return page.records, nil
			}
		case got.kind != foundRecord:
			if got.kind == foundEnd { // what should be there and is not is damage too
				got.first, got.lost, got.size = sc.seq, uint64(end-sc.seq), size-got.off
				sc.off, sc.seq = size, end
			}
			lost := r.log.stillOwed(got)
			if lost && len(page.records) > 0 {
				return page.records, nil // and the damage next time
			}
			r.move(sc.off, sc.seq)
			if lost {
				return nil, r.log.writeOff(seg, got)
			}
		}
		r.move(sc.off, sc.seq)
		if r.seq == end {
			return page.records, nil
		}
	}
}

// move moves the reader past what it has read.
func (r *Reader) move(off int64, seq Seq) {
	r.off, r.seq = off, seq
	r.pos = max(r.pos, seq)
}

// A pageful is the records of one Next, their payloads side by side.
type pageful struct {
	records []Record
	arena   []byte
	bytes   int
}

// add copies a record, and tells whether it fits.
func (p *pageful) add(f found, maxBytes int) bool {
	if p.bytes += len(f.record); len(p.records) > 0 && p.bytes > maxBytes {
		return false
	}
	if cap(p.arena)-len(p.arena) < len(f.record) {
		p.arena = make([]byte, 0, max(len(f.record), min(maxBytes, 64<<10)))
	}
	start := len(p.arena)
	p.arena = append(p.arena, f.record...)
	p.records = append(p.records, Record{
		Seq:        f.head.seq,
		Payload:    p.arena[start:len(p.arena):len(p.arena)],
		AppendedAt: time.Unix(0, f.head.at),
		Version:    f.head.version,
	})
	return true
}
