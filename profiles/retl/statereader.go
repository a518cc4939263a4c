package retl

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// An entryReader reads the entries of a base or of a log of Sending, in their order. It holds one frame in memory.
type entryReader struct {
	frames *frameReader
	from   decoder
	base   bool  // the last frame says how many entries there are, and must be there
	count  int64 // entries so far
	last   string
	begun  bool
	ended  bool
}

// next reads the next entry, whose Row is good until next is called again. The error is io.EOF after the last one, a damage, or one of
// reading.
func (r *entryReader) next(e *Entry) error {
	for !r.from.entry(e) {
		if r.from.bad {
			return damage("an entry is damaged")
		}
		if err := r.nextFrame(); err != nil {
			return err
		}
	}
	if r.begun && compareSorted(r.last, e.Key) >= 0 {
		return damage("its entries are not in order")
	}
	r.last, r.begun = e.Key, true
	r.count++
	return nil
}

func (r *entryReader) nextFrame() error {
	payload, end, err := r.frames.next()
	switch {
	case err == io.EOF && r.base && !r.ended:
		return damage("it is cut short")
	case err != nil:
		return err
	case r.ended || end && !r.base:
		return damage("something follows its end")
	case !end:
		r.from.reset(payload)
		return nil
	}
	r.ended = true
	if len(payload) != 8 || int64(binary.LittleEndian.Uint64(payload)) != r.count {
		return damage("a part of it is missing")
	}
	return r.nextFrame() // there is none
}

// compareSorted is CompareKeys with a short cut: numbers without a sign that are equally long are in the order of their bytes, and so are
// keys that are no numbers. What begins above '0' is a number only where all of it is digits.
func compareSorted(a, b string) int {
	if len(a) == len(b) && len(a) > 0 && a[0] > '0' && b[0] > '0' && onlyDigits(a) == onlyDigits(b) {
		return strings.Compare(a, b)
	}
	return CompareKeys(a, b)
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// A markReader reads the marks of a log of Sent, in their order. The first number in each of its frames is how long the log of Sending
// was: what a mark is about was on the disk by then, and where it is not there any more, the mark is about nothing.
type markReader struct {
	frames *frameReader
	from   decoder
	sent   int64 // how long the log of Sending is
	last   string
	begun  bool
}

// next reads the next mark. The error is io.EOF after the last one, a damage, or one of reading.
func (r *markReader) next(m *Mark) error {
	for !r.from.mark(m) {
		if r.from.bad {
			return damage("a mark is damaged")
		}
		payload, end, err := r.frames.next()
		if err != nil {
			return err
		}
		r.from.reset(payload)
		if place := r.from.uvarint(); end || r.from.bad || place > uint64(r.sent) {
			r.from.reset(nil)
			return damage("it is about rows that are not there")
		}
	}
	if r.begun && compareSorted(r.last, m.Key) >= 0 {
		return damage("its marks are not in order")
	}
	r.last, r.begun = m.Key, true
	return nil
}

// A baseReader is an open base.
type baseReader struct {
	entryReader
	file vfs.File
}

func (r *baseReader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// own gives the entry a row of its own.
func own(e Entry) Entry {
	e.Row = bytes.Clone(e.Row)
	return e
}

// A stateLog is a log of Sending or of Sent that belongs to the base.
type stateLog struct {
	file  vfs.File
	crc   uint32 // of its header
	start int64  // where its frames begin
	size  int64  // where the next one goes
}

func (l *stateLog) frames() *frameReader { return newFrameReader(l.file, l.start, l.size, l.crc) }

// validSends returns where the good part of a log of Sending ends.
func validSends(l *stateLog) (int64, error) {
	r := entryReader{frames: l.frames()}
	return validUntil(r.frames, l, func() (bool, error) {
		var e Entry
		err := r.next(&e)
		return len(r.from.left) == 0, err
	})
}

// validMarks returns where the good part of a log of Sent ends, beside a log of Sending of that length.
func validMarks(l *stateLog, sent int64) (int64, error) {
	r := markReader{frames: l.frames(), sent: sent}
	return validUntil(r.frames, l, func() (bool, error) {
		var m Mark
		err := r.next(&m)
		return len(r.from.left) == 0, err
	})
}

// validUntil reads a log with next, which tells whether a frame has been read to its end, and returns the end of the last frame that is
// good as a whole.
func validUntil(frames *frameReader, l *stateLog, next func() (whole bool, err error)) (int64, error) {
	good := l.start
	for {
		whole, err := next()
		if _, torn := err.(damage); torn || err == io.EOF {
			return good, nil
		}
		if err != nil {
			return 0, err
		}
		if whole {
			good = l.size - frames.left
		}
	}
}
