package retl

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A baseInfo is what is known of a base. Its zero value stands for no base.
type baseInfo struct {
	id, parent  uint64
	start, size int64
	crc         uint32
}

// load finds out what there is, and puts what an earlier sync has left into the base.
//
// A log belongs to the base whose id it has. One that has the id of the base's parent was put into this base already: the crash came
// before it was removed. With any other id, files were put back that do not belong together.
func (s *FileState) load() error {
	if err := s.loadBase(); err != nil {
		return err
	}
	leftHead, err := s.loadHead()
	if err != nil {
		return err
	}
	leftSends, err := s.loadLog(&s.sends, sendFile)
	if err != nil {
		return err
	}
	leftMarks, err := s.loadLog(&s.marks, sentFile)
	if err != nil {
		return err
	}
	// What is of no use goes for good before there is a new base, whose parent is not its own.
	endings := []string{".new", ".head.new"}
	if leftHead {
		endings = append(endings, ".head")
	}
	if leftSends {
		endings = append(endings, ".sending")
	}
	if leftMarks {
		endings = append(endings, ".sent")
	}
	if err := s.removeAll(endings...); err != nil {
		return err
	}
	if s.sends != nil || s.marks != nil {
		return s.rewrite(context.Background(), s.head, true)
	}
	return nil
}

// open opens a file that may not be there: then the file is nil.
func (s *FileState) open(ending string) (vfs.File, int64, error) {
	f, err := s.files.Open(s.name + ending)
	if missing(err) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, s.damaged(err, s.name+ending)
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, 0, s.damaged(err, s.name+ending)
	}
	return f, size, nil
}

func (s *FileState) loadBase() error {
	f, size, err := s.open("")
	if f == nil {
		return err
	}
	defer f.Close()
	head, err := readFileHead(f, size, baseFile)
	if err == nil {
		err = checkEnd(f, head, size)
	}
	if err == nil {
		s.head, err = parseHead(head.body)
	}
	if err != nil {
		return s.damaged(err, s.name)
	}
	s.base = baseInfo{head.id, head.parent, head.size(), size, head.crc}
	return nil
}

// checkEnd makes sure that a base ends as one does: all of it cannot be read each time it is opened.
func checkEnd(f vfs.File, head fileHead, size int64) error {
	if size < head.size()+endFrameBytes {
		return damage("it is cut short")
	}
	payload, end, err := newFrameReader(f, size-endFrameBytes, size, head.crc).next()
	if err != nil {
		return err
	}
	if !end || len(payload) != 8 {
		return damage("it is cut short")
	}
	return nil
}

// loadHead reads the head that was written after the base. left tells whether there is one of no use any more.
func (s *FileState) loadHead() (left bool, err error) {
	f, size, err := s.open(".head")
	if f == nil {
		return false, err
	}
	defer f.Close()
	head, err := readFileHead(f, size, headFile)
	if err == nil && size != head.size() {
		err = damage("something follows its end")
	}
	if err == nil && head.id != s.base.id {
		if s.base.id != 0 && head.id == s.base.parent {
			return true, nil
		}
		err = s.stray()
	}
	if err == nil {
		s.head, err = parseHead(head.body)
	}
	return false, s.damaged(err, s.name+".head")
}

func parseHead(body []byte) (head Head, err error) {
	if json.Unmarshal(body, &head) != nil {
		return Head{}, damage("its header is damaged")
	}
	return head, nil
}

// loadLog opens a log and finds where its good part ends. left tells whether there is a file that is of no use any more.
func (s *FileState) loadLog(log **stateLog, kind fileKind) (left bool, err error) {
	ending := logEnding(kind)
	f, size, err := s.open(ending)
	if f == nil {
		return false, err
	}
	left, err = s.adopt(log, f, size, kind)
	if *log == nil {
		f.Close()
	}
	return left, s.damaged(err, s.name+ending)
}

func (s *FileState) adopt(log **stateLog, f vfs.File, size int64, kind fileKind) (left bool, err error) {
	head, err := readFileHead(f, size, kind)
	if _, torn := err.(damage); torn {
		return true, nil // nothing in it was promised: it was synced together with what was
	}
	if err != nil {
		return false, err
	}
	if head.id != s.base.id {
		if s.base.id == 0 || head.id != s.base.parent {
			return false, s.stray()
		}
		return true, nil
	}
	l := &stateLog{file: f, crc: head.crc, start: head.size(), size: size}
	if kind == sendFile {
		l.size, err = validSends(l)
	} else {
		sent := int64(0)
		if s.sends != nil {
			sent = s.sends.size
		}
		l.size, err = validMarks(l, sent)
	}
	if err != nil {
		return false, err
	}
	if l.size == l.start {
		return true, nil
	}
	*log = l
	return false, nil
}

// stray is what is wrong with a file that belongs to another base.
func (s *FileState) stray() error {
	if s.base.id == 0 {
		return damage("the state's file that it belongs to is missing")
	}
	return damage("it belongs to another version of the state's file")
}

// forget removes all but the base, whatever it is. The base is written anew afterwards.
func (s *FileState) forget() error {
	s.base, s.head = baseInfo{}, Head{}
	if err := s.closeLogs(); err != nil {
		return err
	}
	return s.removeAll(".new", ".head.new", ".sending", ".sent", ".head")
}

// removeAll removes the files with these endings that are there, for good.
func (s *FileState) removeAll(endings ...string) error {
	removed := false
	for _, ending := range endings {
		err := s.files.Remove(s.name + ending)
		if missing(err) {
			continue
		}
		if err != nil {
			return s.damaged(err, s.name+ending)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.damaged(s.files.SyncDir(), s.name)
}

// newID returns an id for a base, which is not 0.
func newID() uint64 {
	var p [8]byte
	for {
		rand.Read(p[:]) // never fails
		if id := binary.LittleEndian.Uint64(p[:]); id != 0 {
			return id
		}
	}
}

func encodeHead(head Head) ([]byte, error) {
	body, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("retl: the head of the state: %w", err)
	}
	if len(body) > headBytes {
		return nil, fmt.Errorf("retl: the head of the state has %d bytes, more than %d", len(body), headBytes)
	}
	return body, nil
}
