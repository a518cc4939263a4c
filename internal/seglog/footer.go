package seglog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A footer stands at the end of a segment that nothing more is appended to. It lists the frames, so that opening a log need not read them. First
// comes the index, varints for each frame:
//
//	twice the record's length, and 1 more where seqs are left out before it
//	how many are left out, where some are
//
// and then 30 bytes that end the file:
//
//	0  magic    4
//	4  CRC      4  of the index and of what follows this field, from the log's seed on
//	8  base     8  the segment's
//	16 size     8  of the segment's header and frames: where the index begins
//	24 length   4  of the index
//	28 attempt  2  the segment's
//
// A footer is written once the frames are on the disk, so that a good one vouches for them; in Memory mode, where nobody knows that, there is
// none. It is a help and no more: a segment without one, or with one that is not right in every byte, is read from end to end. To a reader
// that knows no footers it is a torn end.
const (
	trailerSize = 30
	largestFoot = 1 << 20 // an index that is longer is not written
)

var footerMagic = []byte{0xf8, 'S', 'P', 'F'}

// An index lists frames that lie one after the other, from the segment's header on.
type index struct {
	list []byte
	size int64 // where the next frame begins
	next Seq   // the least seq that it may have
}

func newIndex(base Seq) index { return index{size: segmentHeader, next: base} }

// add adds a frame, as long as the list is not too long for a footer: then it is no longer that of the whole segment.
func (x *index) add(seq Seq, length int) {
	if len(x.list) > largestFoot {
		return
	}
	if left := uint64(seq - x.next); left > 0 {
		x.list = binary.AppendUvarint(x.list, uint64(length)<<1|1)
		x.list = binary.AppendUvarint(x.list, left)
	} else {
		x.list = binary.AppendUvarint(x.list, uint64(length)<<1)
	}
	x.size += frameHeader + int64(length)
	x.next = seq + 1
}

// addFrames adds the frames in buf, which are numbered.
func (x *index) addFrames(buf []byte) {
	for len(buf) > 0 {
		length := int(binary.LittleEndian.Uint32(buf[4:]))
		x.add(Seq(binary.LittleEndian.Uint64(buf[16:])), length)
		buf = buf[frameHeader+length:]
	}
}

// lists tells whether x lists all frames of a segment that has so many bytes, and can be a footer's.
func (x *index) lists(size int64) bool {
	return x.size == size && len(x.list) > 0 && len(x.list) <= largestFoot
}

// each calls visit with the seq and the size of every frame, and returns the seq after the last one. ok is false where the list, which may be
// anything, makes no sense.
func (x *index) each(base Seq, visit func(seq Seq, size int64)) (next Seq, ok bool) {
	list, size, next := x.list, int64(segmentHeader), base // as far as it was read
	for len(list) > 0 {
		length, n := binary.Uvarint(list)
		if n <= 0 || length>>1 > LargestRecord {
			return 0, false
		}
		list = list[n:]
		if length&1 != 0 {
			left, n := binary.Uvarint(list)
			if n <= 0 || left == 0 || next+Seq(left) < next {
				return 0, false
			}
			list = list[n:]
			next += Seq(left)
		}
		if next == ^Seq(0) {
			return 0, false
		}
		frame := frameHeader + int64(length>>1)
		visit(next, frame)
		size += frame
		next++
	}
	return next, size == x.size && next > base
}

// appendFooter appends a segment's footer.
func appendFooter(dst []byte, x *index, base Seq, attempt uint16, seed uint32) []byte {
	start := len(dst)
	dst = append(dst, x.list...)
	trailer := len(dst)
	dst = append(dst, footerMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(base))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(x.size))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(x.list)))
	dst = binary.LittleEndian.AppendUint16(dst, attempt)
	binary.LittleEndian.PutUint32(dst[trailer+4:], footerCRC(dst[start:], seed))
	return dst
}

// footerCRC is that of a footer, of which p is all.
func footerCRC(p []byte, seed uint32) uint32 {
	trailer := len(p) - trailerSize
	return crc32.Update(crc32.Update(seed, castagnoli, p[:trailer]), castagnoli, p[trailer+8:])
}

// footerLength returns how long the footer says it is that ends with p, or 0 where that cannot be one of this segment with so many bytes in all.
func footerLength(p []byte, base Seq, attempt uint16, all int64) int64 {
	if len(p) < trailerSize {
		return 0
	}
	p = p[len(p)-trailerSize:]
	size, length := int64(binary.LittleEndian.Uint64(p[16:])), int64(binary.LittleEndian.Uint32(p[24:]))
	if !bytes.Equal(p[:4], footerMagic) || Seq(binary.LittleEndian.Uint64(p[8:])) != base || binary.LittleEndian.Uint16(p[28:]) != attempt ||
		length > largestFoot || size != all-length-trailerSize || size <= segmentHeader {
		return 0
	}
	return length + trailerSize
}

// parseFooter reads a footer, of which p is all, as footerLength says, and tells whether it is a good one. The index is a part of p.
func parseFooter(p []byte, base Seq, seed uint32) (index, bool) {
	trailer := p[len(p)-trailerSize:]
	if binary.LittleEndian.Uint32(trailer[4:]) != footerCRC(p, seed) {
		return index{}, false
	}
	x := index{list: p[:len(p)-trailerSize], size: int64(binary.LittleEndian.Uint64(trailer[16:]))}
	var ok bool
	x.next, ok = x.each(base, func(Seq, int64) {})
	return x, ok
}

// readFooter returns what a segment's footer says, if it has a good one. The index is valid until the window is used again.
func (s *survey) readFooter(f vfs.File, seg *surveyed) (index, bool, error) {
	const guess = 32 << 10 // long enough for most
	p, err := s.readEnd(f, seg, min(guess, seg.bytes))
	if err != nil {
		return index{}, false, err
	}
	length := footerLength(p, seg.base, seg.attempt, seg.bytes)
	if length > int64(len(p)) {
		p, err = s.readEnd(f, seg, length)
	}
	if err != nil || length == 0 || length > int64(len(p)) {
		return index{}, false, err
	}
	x, ok := parseFooter(p[int64(len(p))-length:], seg.base, s.manifest.seed())
	return x, ok, nil
}

// readEnd reads the last n bytes of a segment into the window, or none where the file has become shorter.
func (s *survey) readEnd(f vfs.File, seg *surveyed, n int64) ([]byte, error) {
	if int64(cap(s.window)) < n {
		s.window = make([]byte, max(n, scanWindow))
	}
	p := s.window[:n]
	if got, err := f.ReadAt(p, seg.bytes-n); int64(got) == n {
		return p, nil
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, failed("reading "+seg.name, err)
	}
	return nil, nil
}

// trust takes a segment for what its footer says. Seqs that are left out cost what they would if the frames had been read.
func (s *survey) trust(seg *surveyed, x *index) {
	at := seg.good
	seg.end = seg.base
	x.each(seg.base, func(seq Seq, size int64) {
		if seq > seg.end {
			if d := s.cost(seg.end, seq-1); d.records > 0 {
				d.off = at
				seg.damage = append(seg.damage, d)
			}
		}
		seg.end = seq + 1
		s.count(seg, seq, size)
		at += size
	})
	seg.good = x.size
}

// keep keeps the index of a segment that was read, unless there is something else in it than frames, or much is kept already: then it is read again
// the next time.
func (s *survey) keep(seg *surveyed, x index) {
	const most = 8 << 20 // bytes: 4 GB of segments with records of 1 KB
	if s.indexed < 0 || seg.foot > 0 || !x.lists(seg.good) || s.indexed+len(x.list) > most {
		return
	}
	s.indexed += len(x.list)
	x.list = bytes.Clone(x.list) // no longer than it has to be
	seg.index = &x
}

// finish writes a segment's footer behind its frames, which have to be on the disk. Where that fails, or where there is no room for it, opening the log
// will take longer, and that is all.
func (l *Log) finish(f vfs.File, seg *segment, x *index) {
	if l.cfg.Mode == Memory || !x.lists(seg.size) {
		return
	}
	foot := appendFooter(nil, x, seg.base, seg.attempt, l.seed)
	n := int64(len(foot))
	if !l.takeRoom(seg, n) {
		return
	}
	if _, err := f.WriteAt(foot, seg.size); err != nil {
		f.Truncate(seg.size) // else it is a torn end
		l.takeRoom(seg, -n)
		return
	}
	_ = l.syncFile(f) // counted
}

// takeRoom counts n bytes more for a segment, where the limit allows it besides what comes next: the beginning of another segment.
func (l *Log) takeRoom(seg *segment, n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := l.cfg.MaxBytes; n > 0 && most > 0 && l.bytes+l.pendingBytes+n+segmentHeader > most {
		return false
	}
	seg.disk += n
	l.bytes += n
	return true
}
