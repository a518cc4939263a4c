package retl

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A baseWriter writes a base.
type baseWriter struct {
	file  vfs.File
	head  fileHead
	buf   []byte // what is still to be written
	off   int64
	block entryEncoder
	count uint64
}

func newBaseWriter(file vfs.File, head fileHead) *baseWriter {
	w := &baseWriter{file: file, head: head}
	w.buf = w.head.append(nil)
	return w
}

func (w *baseWriter) add(e *Entry) error {
	w.block.add(e)
	w.count++
	if len(w.block.buf) < blockBytes {
		return nil
	}
	return w.closeBlock()
}

func (w *baseWriter) closeBlock() error {
	w.buf = appendFrame(w.buf, w.block.buf, w.head.crc, 0)
	w.block.reset()
	if len(w.buf) < writeBytes {
		return nil
	}
	return w.flush()
}

func (w *baseWriter) flush() error {
	n, err := w.file.WriteAt(w.buf, w.off)
	w.off += int64(n)
	w.buf = w.buf[:0]
	return err
}

// finish writes what makes the base whole, and brings it to the disk.
func (w *baseWriter) finish() error {
	if w.block.count > 0 {
		if err := w.closeBlock(); err != nil {
			return err
		}
	}
	w.buf = appendFrame(w.buf, binary.LittleEndian.AppendUint64(nil, w.count), w.head.crc, endOfFrames)
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Sync()
}

// A merge is base, what was sent, and what became of it, read side by side.
type merge struct {
	base  source[Entry]
	sends source[Entry]
	marks source[Mark]
}

// A source is a reader and what it has read last.
type source[T any] struct {
	now  T
	more bool
	read func(*T) error
}

func (s *source[T]) next() error {
	if s.read == nil {
		return nil
	}
	err := s.read(&s.now)
	s.more = err == nil
	if err == io.EOF {
		s.read = nil
		return nil
	}
	return err
}

// run writes all entries as they are now. It stops where ctx ends.
func (m *merge) run(ctx context.Context, w *baseWriter) error {
	if err := m.start(); err != nil {
		return err
	}
	for n := 0; m.base.more || m.sends.more; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		from, order := &m.base, -1
		switch {
		case !m.base.more:
			from, order = &m.sends, 1
		case m.sends.more:
			if order = compareSorted(m.base.now.Key, m.sends.now.Key); order >= 0 {
				from = &m.sends
			}
		}
		if err := m.mark(&from.now); err != nil {
			return err
		}
		if !from.now.Gone {
			if err := w.add(&from.now); err != nil {
				return err
			}
		}
		if order <= 0 {
			if err := m.base.next(); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := m.sends.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *merge) start() error {
	if err := m.base.next(); err != nil {
		return err
	}
	if err := m.sends.next(); err != nil {
		return err
	}
	return m.marks.next()
}

// mark applies the mark that an entry has, if there is one, and passes over those whose entry is not there.
func (m *merge) mark(e *Entry) error {
	for m.marks.more {
		order := compareSorted(m.marks.now.Key, e.Key)
		if order > 0 {
			return nil
		}
		if order == 0 {
			m.marks.now.apply(e)
		}
		if err := m.marks.next(); err != nil {
			return err
		}
	}
	return nil
}
