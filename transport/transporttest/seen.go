package transporttest

import "time"

// seen remembers messageIds for a window of time.
type seen struct {
	window time.Duration // 0: nothing is remembered
	ids    map[string]struct{}
	order  []expiry // of ids, the earliest first: the window is the same for all
}

type expiry struct {
	id string
	at time.Time
}

// before tells whether the id has come within the window, and remembers it where it has not. A message without an id is
// never one that came before.
func (s *seen) before(now time.Time, id string) bool {
	if s.window == 0 || id == "" {
		return false
	}
	for len(s.order) > 0 && !now.Before(s.order[0].at) {
		delete(s.ids, s.order[0].id)
		s.order = s.order[1:]
	}
	if _, ok := s.ids[id]; ok {
		return true
	}
	if s.ids == nil {
		s.ids = make(map[string]struct{})
	}
	s.ids[id] = struct{}{}
	s.order = append(s.order, expiry{id, now.Add(s.window)})
	return false
}
