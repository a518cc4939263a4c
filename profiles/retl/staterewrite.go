package retl

import (
	"context"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// openBase opens the base for reading its entries.
func (s *FileState) openBase() (*baseReader, error) {
	if s.base.id == 0 {
		return &baseReader{entryReader: entryReader{frames: &frameReader{}}}, nil
	}
	f, err := s.files.Open(s.name)
	if missing(err) {
		return nil, &StateError{s.path, "it was removed while it was in use"}
	}
	if err != nil {
		return nil, s.damaged(err, s.name)
	}
	frames := newFrameReader(f, s.base.start, s.base.size, s.base.crc)
	return &baseReader{entryReader{frames: frames, base: true}, f}, nil
}

// rewrite writes a new base: with what the logs hold, or empty. Until it is in the old one's place and the directory is synced, the logs
// stay; afterwards they are of no use, which their id tells. The order of these steps is what a crash relies on.
func (s *FileState) rewrite(ctx context.Context, head Head, keep bool) error {
	body, err := encodeHead(head)
	if err != nil {
		return err
	}
	now := fileHead{kind: baseFile, id: newID(), parent: s.base.id, body: body}
	size, err := s.writeFile(".new", func(f vfs.File) (int64, error) {
		w := newBaseWriter(f, now)
		if keep {
			if err := s.merge(ctx, w); err != nil {
				return 0, err
			}
		}
		err := w.finish()
		now = w.head
		return w.off, err
	})
	if err != nil {
		return err
	}
	if err := s.place(".new", ""); err != nil {
		return err
	}
	s.base, s.head = baseInfo{now.id, now.parent, now.size(), size, now.crc}, cloneHead(head)
	if err := s.closeLogs(); err != nil {
		return s.fail("close", err)
	}
	// The directory is synced once more: a log that comes back after the next rewrite would belong to no base.
	if err := s.removeAll(".sending", ".sent", ".head"); err != nil {
		return s.fail("remove", err)
	}
	return nil
}

// writeHead writes the head alone.
func (s *FileState) writeHead(head Head) error {
	body, err := encodeHead(head)
	if err != nil {
		return err
	}
	_, err = s.writeFile(".head.new", func(f vfs.File) (int64, error) {
		h := fileHead{kind: headFile, id: s.base.id, body: body}
		n, err := f.WriteAt(h.append(nil), 0)
		if err != nil {
			return 0, err
		}
		return int64(n), f.Sync()
	})
	if err != nil {
		return err
	}
	if err := s.place(".head.new", ".head"); err != nil {
		return err
	}
	s.head = cloneHead(head)
	return nil
}

// writeFile makes a file, and removes it again where write fails.
func (s *FileState) writeFile(ending string, write func(vfs.File) (int64, error)) (int64, error) {
	name := s.name + ending
	f, err := s.files.Create(name)
	if err != nil {
		return 0, s.damaged(err, name)
	}
	size, err := write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		return size, nil
	}
	err = s.damaged(err, name)
	if removed := s.files.Remove(name); removed != nil {
		s.fail("remove", removed)
	}
	return 0, err
}

// place gives a file that is on the disk the name of another.
func (s *FileState) place(from, to string) error {
	if err := s.files.Rename(s.name+from, s.name+to); err != nil {
		return s.fail("rename", err)
	}
	if err := s.files.SyncDir(); err != nil {
		return s.fail("sync", err)
	}
	return nil
}

// merge writes the entries of the base and the logs.
func (s *FileState) merge(ctx context.Context, w *baseWriter) error {
	base, err := s.openBase()
	if err != nil {
		return err
	}
	defer base.close()
	m := merge{base: source[Entry]{read: readFrom(base.next, s, "")}}
	sent := int64(0)
	if s.sends != nil {
		r := &entryReader{frames: s.sends.frames()}
		m.sends.read = readFrom(r.next, s, logEnding(sendFile))
		sent = s.sends.size
	}
	if s.marks != nil {
		r := &markReader{frames: s.marks.frames(), sent: sent}
		m.marks.read = readFrom(r.next, s, logEnding(sentFile))
	}
	return m.run(ctx, w)
}

// readFrom reads with next, and says which file is damaged where one is.
func readFrom[T any](next func(*T) error, s *FileState, ending string) func(*T) error {
	return func(v *T) error {
		err := next(v)
		if _, bad := err.(damage); bad {
			return s.damaged(err, s.name+ending)
		}
		return err
	}
}
