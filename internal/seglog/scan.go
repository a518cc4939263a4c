package seglog

import (
	"bytes"
	"errors"
	"io"
)

// A scanner reads a segment's frames one after the other, and finds its way past damage.
type scanner struct {
	r     io.ReaderAt
	seed  uint32
	size  int64 // what is to be read of the file
	limit Seq   // frames with this seq or a later one are void; 0: none are
	off   int64 // where the next frame should be
	seq   Seq   // the least seq that it may have

	window []byte // bytes of the file from start on
	start  int64
}

// What a scanner finds.
const (
	foundRecord = iota // a frame
	foundDamage        // bytes or seqs that should be frames and are not
	foundEnd           // nothing more; bytes that are left over are no frames, or void
)

type found struct {
	kind   int
	off    int64
	size   int64
	head   header
	record []byte // valid until the next call
	first  Seq    // of the seqs that damage has cost
	lost   uint64 // how many, acknowledged ones included
}

const scanWindow = 512 << 10

// next returns what comes next. An error is one of reading the file.
func (s *scanner) next() (found, error) {
	h, ok, err := s.header(s.off)
	if err != nil {
		return found{}, err
	}
	if ok && s.void(h) {
		return found{kind: foundEnd, off: s.off, size: s.size - s.off}, nil
	}
	if ok && h.seq > s.seq { // without a damaged byte in between
		gap := found{kind: foundDamage, off: s.off, first: s.seq, lost: uint64(h.seq - s.seq)}
		s.seq = h.seq
		return gap, nil
	}
	if ok {
		return s.frame(h)
	}
	if s.off >= s.size {
		return found{kind: foundEnd, off: s.off}, nil
	}
	to, h, ok, err := s.find(s.off + 1)
	if err != nil {
		return found{}, err
	}
	if !ok {
		return found{kind: foundEnd, off: s.off, size: s.size - s.off}, nil
	}
	damage := found{kind: foundDamage, off: s.off, size: to - s.off, first: s.seq, lost: uint64(h.seq - s.seq)}
	s.off, s.seq = to, h.seq
	return damage, nil
}

// frame takes the frame at s.off, whose header is good.
func (s *scanner) frame(h header) (found, error) {
	all, err := s.bytes(s.off, h.size())
	if err != nil {
		return found{}, err
	}
	f := found{kind: foundRecord, off: s.off, size: h.size(), head: h, record: all[frameHeader:]}
	if checksum(f.record) != h.crc {
		f = found{kind: foundDamage, off: s.off, size: h.size(), first: h.seq, lost: 1}
	}
	s.off += h.size()
	s.seq = h.seq + 1
	return f, nil
}

func (s *scanner) void(h header) bool { return s.limit != 0 && h.seq >= s.limit }

// header returns the header at off, if a valid one is there that may follow what was read so far, and whose record is there too.
func (s *scanner) header(off int64) (header, bool, error) {
	p, err := s.bytes(off, frameHeader)
	if err != nil {
		return header{}, false, err
	}
	h, ok := parseHeader(p, s.seed)
	return h, ok && h.seq >= s.seq && off+h.size() <= s.size, nil
}

// find returns the first valid header at off or after it.
func (s *scanner) find(off int64) (int64, header, bool, error) {
	for off+frameHeader <= s.size {
		p, err := s.bytes(off, min(scanWindow, s.size-off))
		if err != nil {
			return 0, header{}, false, err
		}
		if len(p) < frameHeader {
			break
		}
		at := bytes.Index(p, frameMagic)
		if at < 0 {
			off += int64(len(p) - len(frameMagic) + 1)
			continue
		}
		off += int64(at)
		h, ok, err := s.header(off)
		if err != nil || ok && !s.void(h) {
			return off, h, ok, err
		}
		if ok {
			break // void from here on
		}
		off++
	}
	return 0, header{}, false, nil
}

// bytes returns n bytes of the file from off on, or as many as there are. They are valid until the next call.
func (s *scanner) bytes(off, n int64) ([]byte, error) {
	n = min(n, s.size-off)
	if n <= 0 {
		return nil, nil
	}
	if off >= s.start && off+n <= s.start+int64(len(s.window)) {
		return s.window[off-s.start:][:n], nil
	}
	want := max(n, min(scanWindow, s.size-off))
	if int64(cap(s.window)) < want {
		s.window = make([]byte, want)
	}
	s.window, s.start = s.window[:want], off
	got, err := s.r.ReadAt(s.window, off)
	s.window = s.window[:got]
	if err != nil && !errors.Is(err, io.EOF) {
		s.window = s.window[:0]
		return nil, err
	}
	if int64(got) < want { // shorter than it was said to be
		s.size = off + int64(got)
	}
	return s.window[:min(n, int64(got))], nil
}
