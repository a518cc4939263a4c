package dispatch

import (
	"errors"
	"runtime"
	"strings"
	"time"
)

// observe is the life's observer: it hears of everything once, and fails in every way.
func (l *life) observe(st *Settlement) {
	s := l.s
	s.mu.Lock()
	if l.over {
		s.mu.Unlock()
		return
	}
	p := s.parcels[st.ID()]
	if p == nil {
		s.failf("the observer was told of a message that nobody has offered")
		s.mu.Unlock()
		return
	}
	l.examine(p, st)
	l.observed++
	if p.observed++; p.observed > 1 && !p.again {
		s.failf("the observer was told of message %s again, %d", p.id, st.Status)
	}
	l.hooks++
	if most := l.mostGoroutines(); l.hooks > most {
		s.failf("%d hooks run at once, and at most %d should", l.hooks, most)
	}
	l.misbehave()
}

// watch is the life's hook for attempts.
func (l *life) watch(AttemptInfo) {
	l.s.mu.Lock()
	l.hooks++
	l.misbehave()
}

// bury keeps dead letters, or does not.
func (l *life) bury(dead []Dead) error {
	s := l.s
	s.mu.Lock()
	if l.over {
		s.mu.Unlock()
		return nil
	}
	if s.roll(0.2) {
		s.note("dead letter fails")
		s.mu.Unlock()
		return errors.New("no place for a dead letter")
	}
	l.hooks++
	l.misbehave() // where it does not come back, nothing is kept
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range dead {
		st := &dead[i].Settlement
		if st.Status != Rejected && st.Status != Exhausted {
			s.failf("a dead letter of a message that ended with %d", st.Status)
		}
		p := s.parcels[st.ID()]
		p.enter(l)
		if p.buried++; p.buried > 1 && !p.again {
			s.failf("message %s is buried twice", p.id)
		}
	}
	return nil
}

// misbehave is what a hook does that its author did not think through. It is called with the lock held and the hook counted.
func (l *life) misbehave() {
	s := l.s
	var wait time.Duration
	what := "hook "
	switch {
	case s.roll(0.002):
		what, wait = "hook panics", -1
	case s.roll(0.002):
		what, wait = "hook ends its goroutine", -1
	case s.roll(0.001):
		what, wait = "hook blocks", s.upTo(longestHook)
	case s.roll(0.02):
		what, wait = "hook slow", s.upTo(50*time.Millisecond)
	}
	if wait != 0 {
		s.note(what)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.hooks--
	}()
	switch {
	case wait > 0:
		time.Sleep(wait)
	case what == "hook panics":
		panic("hook")
	case what == "hook ends its goroutine":
		runtime.Goexit()
	}
}

// mostGoroutines is how many goroutines a dispatcher may have: one for each lane, and for each key one that reads and one that writes
// the store; and for each sink that was canceled lately one for each lane and key that had messages of it, and one for graves. Messages that are too
// old when they are read have one for each time that there was room for some.
// The lock is held.
func (l *life) mostGoroutines() int {
	lanes := len(l.s.keys) * l.cfg.Lanes
	most := lanes + 2*len(l.s.keys) + 2
	if l.cfg.MaxAge > 0 {
		most += l.cfg.MaxMessages
	}
	for _, at := range l.cancels {
		if time.Since(at) < 2*longestHook {
			most += lanes + len(l.s.keys)
		}
	}
	return most
}

// sample looks at a dispatcher all of whose goroutines wait: what it holds is within its bounds.
func (l *life) sample() {
	s, d := l.s, l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	most := l.mostGoroutines()
	if text, n := s.tooMany(most); n > 0 {
		s.failf("%d goroutines, and at most %d should be:\n%s", n, most, text)
	}
	r := &d.room
	if r.messages < 0 || r.bytes < 0 || r.messages > 1 && (r.messages > r.maxMessages || r.bytes > r.maxBytes) {
		s.failf("%d messages, %d bytes take room where there is %d, %d", r.messages, r.bytes, r.maxMessages, r.maxBytes)
	}
	if r.messages > d.pending {
		s.failf("%d messages take room, and %d have no outcome", r.messages, d.pending)
	}
	if len(d.index) > r.messages && l.cfg.Observer == nil {
		s.failf("%d messages, and %d ids in the index", r.messages, len(d.index))
	}
	if lanes := len(s.keys) * l.cfg.Lanes; d.lanes > lanes || len(d.flying) > lanes || len(d.keys) > len(s.keys) {
		s.failf("%d lanes, %d attempts, %d keys", d.lanes, len(d.flying), len(d.keys))
	}
	open := 0
	for _, k := range l.sinks {
		open += k.open
	}
	for _, k := range d.keys {
		carried := 0
		for _, m := range k.carry {
			carried += len(m.Payload)
		}
		if carried > feedBytes+40_000 || k.appends.bytes > groupBytes+40_000 {
			s.failf("%d bytes were read and have no room, %d are to be written", carried, k.appends.bytes)
		}
		if len(k.claims) > open+4 { // and those with a caller and no sink
			s.failf("%d claims for %d messages", len(k.claims), open)
		}
	}
}

// mustBeIdle holds that a dispatcher with nothing queued owns no goroutine and no timer, and remembers nothing.
func (l *life) mustBeIdle() {
	s, d := l.s, l.d
	if text, n := s.tooMany(0); n > 0 {
		s.mu.Lock()
		s.failf("nothing is queued, and there are %d goroutines:\n%s", n, text)
		s.mu.Unlock()
	}
	d.mu.Lock()
	runs := !d.armed.IsZero() || d.timer != nil && d.timer.Stop()
	d.mu.Unlock()
	if runs {
		s.mu.Lock()
		s.failf("nothing is queued, and a timer runs")
		s.mu.Unlock()
	}
	l.mustBeEmpty()
}

// mustBeEmpty holds that a dispatcher with nothing queued remembers nothing.
func (l *life) mustBeEmpty() {
	s, d := l.s, l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.room.messages != 0 || d.room.bytes != 0 || d.room.waiting.Len() != 0 || d.pending != 0 || d.appending != 0 {
		s.failf("nothing is queued, and the room is %d, %d, %d wait for some, %d pend, %d are being stored",
			d.room.messages, d.room.bytes, d.room.waiting.Len(), d.pending, d.appending)
	}
	if len(d.index)+d.lanes+len(d.ready)+len(d.waiting)+len(d.flying)+len(d.past)+len(d.graves.waiting) != 0 {
		s.failf("nothing is queued, and it has %d ids, %d lanes, %d ready, %d waiting, %d attempts, %d epochs, %d graves",
			len(d.index), d.lanes, len(d.ready), len(d.waiting), len(d.flying), len(d.past), len(d.graves.waiting))
	}
	if d.gate.reserved != nil {
		s.failf("nothing is queued, and the gate has a reservation")
	}
	for _, k := range d.keys {
		if d.aborted { // what is in the store stays there
			continue
		}
		if len(k.claims)+len(k.dropped)+len(k.carry)+len(k.appends.waiting)+k.appends.bytes != 0 || k.feeding || k.hungry || k.evicted {
			s.failf("nothing is queued, and a key has %d claims, %d dropped, %d carried, %d to be stored; reads %v, would %v, let go %v",
				len(k.claims), len(k.dropped), len(k.carry), len(k.appends.waiting), k.feeding, k.hungry, k.evicted)
		}
		if k.flying != 0 {
			s.failf("nothing is queued, and %d batches of a key fly", k.flying)
		}
	}
}

// stacks returns the stacks of those goroutines that are a dispatcher's, and how many they are.
func stacks() (string, int) {
	buf := make([]byte, 1<<20)
	var theirs []string
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "(*Dispatcher)") {
			theirs = append(theirs, g)
		}
	}
	return strings.Join(theirs, "\n\n"), len(theirs)
}

// tooMany returns the stacks of a dispatcher's goroutines, and how many they are, where those are more than a bound. All of them have
// to wait. The runtime has goroutines of its own at times: what tells is the stacks, and those are looked at where there are many.
func (s *soak) tooMany(bound int) (string, int) {
	if runtime.NumGoroutine()-s.base-int(s.mine.Load()) <= bound {
		return "", 0
	}
	if text, n := stacks(); n > bound {
		return text, n
	}
	return "", 0
}
