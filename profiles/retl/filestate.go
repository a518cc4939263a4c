package retl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A FileState is a State in a file, with what a sync in progress adds beside it. OpenState makes one. Its memory does not grow with the
// number of entries.
//
// After a crash or a power cut at any moment the state holds all that Sending returned nil for; of what Sent was told, the end may be
// missing. A damaged file is found by its checksums: it is a *StateError, of OpenState or of the method that has met it, and never an
// entry that nobody has put there.
//
// Times come back in UTC. A key and a row may have 32 MiB together. Once a write or a sync has failed, all methods but Head return that
// error: Close the state and open it again, which sorts out what is on the disk. A context that has ended is returned as its error,
// before anything is written.
//
// All methods may be called by any number of goroutines. A range over Entries reads what was there when it began; one that begins after
// Sending shows what Sending was told, with or without a Commit, unless it begins within another range. On Windows, Commit and Reset fail
// while a range is under way.
type FileState struct {
	path  string // for people
	name  string
	files stateFiles
	lock  io.Closer
	close func() error

	mu     sync.Mutex
	base   baseInfo
	head   Head
	sends  *stateLog // nil where Sending was not called since the base was written
	marks  *stateLog // as for Sent
	last   [2]string // the last keys of Sending and Sent
	ranges int
	failed error // of the write that nobody knows the outcome of
	closed bool
}

// OpenState opens the state in the file path, whose directory has to be there; the file need not be. Beside it there are, with path's name
// and an ending, a directory ".lock" that stays, and files ".sending", ".sent", ".head" and ".new" that come and go: a copy of the
// state is a copy of all of them. All have mode 0600. What an earlier sync has left is put into path's file first.
//
// The error is a *StateInUseError where the state is open already, a *StateError where it is damaged or of a later version; the files
// are left as they are then.
func OpenState(path string) (*FileState, error) {
	return openPath(path, (*FileState).load)
}

// ResetState makes an empty state of whatever is in the file path and beside it, also where OpenState returns a *StateError, and of no file
// at all. All rows count as new afterwards, and are sent under new messageIds. It returns a *StateInUseError where somebody has the state
// open.
func ResetState(path string) error {
	s, err := openPath(path, func(s *FileState) error {
		head := emptied(Head{})
		err := s.load()
		if err == nil {
			head = emptied(s.head)
		}
		if bad := (*StateError)(nil); errors.As(err, &bad) {
			err = s.forget()
		}
		if err != nil {
			return err
		}
		return s.rewrite(context.Background(), head, false)
	})
	if err != nil {
		return err
	}
	return s.Close()
}

func openPath(path string, load func(*FileState) error) (*FileState, error) {
	dir, name, err := locate(path)
	if err != nil {
		return nil, err
	}
	files, err := openUserDir(dir)
	if err != nil {
		return nil, fmt.Errorf("retl: the directory of the state %s: %w", path, err)
	}
	s, err := openFiles(files, name, path, load)
	if err != nil {
		files.Close()
		return nil, err
	}
	s.close = files.Close
	return s, nil
}

func openFiles(files stateFiles, name, path string, load func(*FileState) error) (*FileState, error) {
	lock, err := files.Lock(name + ".lock")
	if held := (*vfs.LockedError)(nil); errors.As(err, &held) {
		return nil, &StateInUseError{path}
	}
	if err != nil {
		return nil, fmt.Errorf("retl: the lock of the state %s: %w", path, err)
	}
	s := &FileState{path: path, name: name, files: files, lock: lock, close: func() error { return nil }}
	if err := load(s); err != nil {
		s.closeLogs()
		lock.Close()
		return nil, err
	}
	return s, nil
}

// Close lets others open the state. What was not committed is kept, and is in the state when it is opened again. Methods that are called
// afterwards return ErrStateClosed, and so does a second Close.
func (s *FileState) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrStateClosed
	}
	s.closed = true
	return errors.Join(s.closeLogs(), s.lock.Close(), s.close())
}

func (s *FileState) closeLogs() error {
	var errs []error
	for _, l := range []**stateLog{&s.sends, &s.marks} {
		if *l != nil {
			errs = append(errs, (*l).file.Close())
			*l = nil
		}
	}
	s.last = [2]string{}
	return errors.Join(errs...)
}

// use is asked before anything else is done, with mu held.
func (s *FileState) use(ctx context.Context) error {
	if s.closed {
		return ErrStateClosed
	}
	return ctx.Err()
}

// Head implements State.
func (s *FileState) Head(ctx context.Context) (Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.use(ctx); err != nil {
		return Head{}, err
	}
	return cloneHead(s.head), nil
}

func cloneHead(h Head) Head {
	h.Mappings = slices.Clone(h.Mappings)
	return h
}

// Entries implements State. The entries are the caller's.
func (s *FileState) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r, err := s.begin(ctx)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer s.end(r)
		var e Entry
		for {
			if err = ctx.Err(); err == nil {
				err = s.damaged(r.next(&e), s.name)
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(own(e), nil) {
				return
			}
		}
	}
}

// begin begins a range.
func (s *FileState) begin(ctx context.Context) (*baseReader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.use(ctx); err != nil {
		return nil, err
	}
	if s.failed != nil {
		return nil, s.failed
	}
	if s.ranges == 0 && (s.sends != nil || s.marks != nil) {
		if err := s.rewrite(ctx, s.head, true); err != nil {
			return nil, err
		}
	}
	r, err := s.openBase()
	if err != nil {
		return nil, err
	}
	s.ranges++
	return r, nil
}

func (s *FileState) end(r *baseReader) {
	r.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges--
}

// Commit implements State. Where nothing was sent or marked since the last one, it writes the head alone. A failure before the new file has
// taken the old one's place, of a full disk say, leaves all as it was, and Commit may be called again.
func (s *FileState) Commit(ctx context.Context, head Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if s.sends != nil || s.marks != nil || s.base.id == 0 {
		return s.rewrite(ctx, head, true)
	}
	return s.writeHead(head)
}

// Reset implements State. What Sending and Sent were told since the last Commit is forgotten too.
func (s *FileState) Reset(ctx context.Context, head Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	return s.rewrite(ctx, head, false)
}

func (s *FileState) writable(ctx context.Context) error {
	if err := s.use(ctx); err != nil {
		return err
	}
	return s.failed
}

// damaged makes a StateError of what is wrong with a file's bytes, and says of other errors which file they are about.
func (s *FileState) damaged(err error, name string) error {
	if err == nil || err == io.EOF || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if known := (*StateError)(nil); errors.As(err, &known) {
		return err
	}
	path := s.path + name[len(s.name):]
	if bad := damage(""); errors.As(err, &bad) {
		return &StateError{path, string(bad)}
	}
	if errors.Is(err, errLaterFormat) {
		return &StateError{path, err.Error()}
	}
	return fmt.Errorf("retl: the state %s: %w", path, err)
}
