package retl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sending implements State. Where an entry has no key, is out of order or is too large, nothing is written.
func (s *FileState) Sending(ctx context.Context, entries []Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	if err := checkSending(s.last[0], entries); err != nil {
		return err
	}
	created, err := s.ready(&s.sends, sendFile)
	if err != nil {
		return err
	}
	if err := s.appendEntries(entries); err != nil {
		return s.fail("write", err)
	}
	if err := s.sends.file.Sync(); err != nil {
		return s.fail("sync", err)
	}
	if created {
		if err := s.files.SyncDir(); err != nil {
			return s.fail("sync", err)
		}
	}
	s.last[0] = entries[len(entries)-1].Key
	return nil
}

func (s *FileState) appendEntries(entries []Entry) error {
	var block entryEncoder
	var buf []byte
	for i := range entries {
		block.add(&entries[i])
		last := i == len(entries)-1
		if !last && len(block.buf) < blockBytes {
			continue
		}
		buf = appendFrame(buf, block.buf, s.sends.crc, 0)
		block.reset()
		if last || len(buf) >= writeBytes {
			if err := s.sends.write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

// Sent implements State. A mark whose key neither Sending nor the state has is passed over. Where a mark has no key or is out of order,
// nothing is written. It does not wait for the disk.
func (s *FileState) Sent(ctx context.Context, marks []Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if len(marks) == 0 {
		return nil
	}
	if err := checkSent(s.last[1], marks); err != nil {
		return err
	}
	if _, err := s.ready(&s.marks, sentFile); err != nil {
		return err
	}
	place := uint64(0)
	if s.sends != nil {
		place = uint64(s.sends.size)
	}
	var block, buf []byte
	before := ""
	for i := range marks {
		if len(block) == 0 {
			block, before = binary.AppendUvarint(block, place), ""
		}
		block = appendMark(block, before, &marks[i])
		before = marks[i].Key
		if i == len(marks)-1 || len(block) >= blockBytes {
			buf = appendFrame(buf, block, s.marks.crc, 0)
			block = block[:0]
		}
	}
	if err := s.marks.write(buf); err != nil {
		return s.fail("write", err)
	}
	s.last[1] = before
	return nil
}

func checkSending(last string, entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if err := checkKey("Sending", last, e.Key); err != nil {
			return err
		}
		if len(e.Key)+len(e.Row) > entryBytes {
			return fmt.Errorf("retl: Sending: an entry's key and row have %d bytes, more than %d", len(e.Key)+len(e.Row), entryBytes)
		}
		last = e.Key
	}
	return nil
}

func checkSent(last string, marks []Mark) error {
	for i := range marks {
		if err := checkKey("Sent", last, marks[i].Key); err != nil {
			return err
		}
		if len(marks[i].Key) > entryBytes {
			return fmt.Errorf("retl: Sent: a key has %d bytes, more than %d", len(marks[i].Key), entryBytes)
		}
		last = marks[i].Key
	}
	return nil
}

// checkKey checks a key that follows the key last, which is empty before the first one. Keys are data of people: they are not shown.
func checkKey(of, last, key string) error {
	switch {
	case key == "":
		return errors.New("retl: " + of + ": a key is empty")
	case last == "":
	case last == key:
		return errors.New("retl: " + of + ": a key is given twice in one sync")
	case CompareKeys(last, key) > 0:
		return errors.New("retl: " + of + ": a key is not in the order of CompareKeys")
	}
	return nil
}

// ready makes a log where there is none yet.
func (s *FileState) ready(log **stateLog, kind fileKind) (created bool, err error) {
	if *log != nil {
		return false, nil
	}
	name := s.name + logEnding(kind)
	f, err := s.files.Create(name)
	if err != nil {
		return false, s.fail("make", err)
	}
	head := fileHead{kind: kind, id: s.base.id}
	l := &stateLog{file: f}
	*log = l
	if err := l.write(head.append(nil)); err != nil {
		return false, s.fail("write", err)
	}
	l.crc, l.start = head.crc, l.size
	return true, nil
}

func logEnding(kind fileKind) string {
	if kind == sendFile {
		return ".sending"
	}
	return ".sent"
}

func (l *stateLog) write(p []byte) error {
	n, err := l.file.WriteAt(p, l.size)
	l.size += int64(n)
	return err
}

// fail notes that nobody knows what is on the disk.
func (s *FileState) fail(doing string, err error) error {
	s.failed = fmt.Errorf("retl: the state %s: %s: %w", s.path, doing, err)
	return s.failed
}
