package retl

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
)

// A MemoryState is a State in memory, for tests and for models so small that sending all of them again after a restart does no harm. Its
// zero value is empty and ready. It must not be copied after its first use.
//
// It does what a FileState does, down to the order that it insists on, and its methods may be called by any number of goroutines,
// also after a sync to look at what it has left.
type MemoryState struct {
	mu      sync.Mutex
	head    Head
	entries []Entry // sorted, and never written to once they are here: ranges read them
	sends   map[string]Entry
	marks   map[string]Mark
	last    [2]string // the last keys of Sending and Sent
}

// Head implements State.
func (s *MemoryState) Head(ctx context.Context) (Head, error) {
	if err := ctx.Err(); err != nil {
		return Head{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloneHead(s.head), nil
}

// Entries implements State. The entries are the caller's.
func (s *MemoryState) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Entry{}, err)
			return
		}
		s.mu.Lock()
		s.fold()
		entries := s.entries
		s.mu.Unlock()
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(own(e), nil) {
				return
			}
		}
	}
}

// Sending implements State. Where an entry has no key, is out of order or is too large, nothing is kept of any.
func (s *MemoryState) Sending(ctx context.Context, entries []Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(entries) == 0 {
		return nil
	}
	if err := checkSending(s.last[0], entries); err != nil {
		return err
	}
	if s.sends == nil {
		s.sends = map[string]Entry{}
	}
	for _, e := range entries {
		e.Row = bytes.Clone(e.Row)
		if !e.Found.IsZero() {
			e.Found = e.Found.Round(0).UTC()
		}
		s.sends[e.Key] = e
	}
	s.last[0] = entries[len(entries)-1].Key
	return nil
}

// Sent implements State. A mark whose key neither Sending nor the state has is passed over.
func (s *MemoryState) Sent(ctx context.Context, marks []Mark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(marks) == 0 {
		return nil
	}
	if err := checkSent(s.last[1], marks); err != nil {
		return err
	}
	if s.marks == nil {
		s.marks = map[string]Mark{}
	}
	for _, m := range marks {
		s.marks[m.Key] = m
	}
	s.last[1] = marks[len(marks)-1].Key
	return nil
}

// Commit implements State.
func (s *MemoryState) Commit(ctx context.Context, head Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fold()
	s.head = cloneHead(head)
	return nil
}

// Reset implements State.
func (s *MemoryState) Reset(ctx context.Context, head Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.sends, s.marks, s.last = nil, nil, nil, [2]string{}
	s.head = cloneHead(head)
	return nil
}

// fold puts what Sending and Sent were told into new entries.
func (s *MemoryState) fold() {
	if len(s.sends) == 0 && len(s.marks) == 0 {
		return
	}
	now := make(map[string]Entry, len(s.entries)+len(s.sends))
	for _, e := range s.entries {
		now[e.Key] = e
	}
	maps.Copy(now, s.sends)
	for key, m := range s.marks {
		if e, ok := now[key]; ok {
			m.apply(&e)
			now[key] = e
		}
	}
	maps.DeleteFunc(now, func(_ string, e Entry) bool { return e.Gone })
	s.entries = slices.SortedFunc(maps.Values(now), func(a, b Entry) int { return CompareKeys(a.Key, b.Key) })
	s.sends, s.marks, s.last = nil, nil, [2]string{}
}
