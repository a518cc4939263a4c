package dispatch

import (
	"context"
	"errors"
	"time"
)

// flushNowAndThen calls Flush, and holds that all that was admitted before the call has its outcome when it returns.
func (l *life) flushNowAndThen() {
	s := l.s
	for {
		s.mu.Lock()
		wait, limit := s.upTo(40*time.Minute), time.Second+s.upTo(10*time.Minute)
		s.mu.Unlock()
		if !sleep(l.ctx, wait) {
			return
		}
		s.mu.Lock()
		calm := s.calm
		var open []*offering
		for _, o := range l.offered {
			if o.state == "admitted" && o.sink != nil && len(o.told) == 0 {
				open = append(open, o)
			}
		}
		s.mu.Unlock()
		if calm {
			continue
		}
		ctx, cancel := context.WithTimeout(l.ctx, limit)
		err := l.d.Flush(ctx)
		cancel()
		s.mu.Lock()
		switch {
		case err == nil:
			s.note("flush")
			for _, o := range open {
				if len(o.told) == 0 && !l.over && !o.sink.canceling { // who cancels is told at about the same time
					s.failf("message %s has no outcome after a Flush", o.p.id)
				}
			}
		case errors.Is(err, context.DeadlineExceeded):
			s.note("flush cut short")
		case !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed):
			s.failf("Flush: %v", err)
		}
		s.mu.Unlock()
	}
}

// cancelNowAndThen cancels sinks, and forgets those that have heard of everything.
func (l *life) cancelNowAndThen() {
	s := l.s
	for {
		s.mu.Lock()
		wait := s.upTo(20 * time.Minute)
		s.mu.Unlock()
		if !sleep(l.ctx, wait) {
			return
		}
		s.mu.Lock()
		var victim *soakSink
		if len(l.sinks) > 0 && !s.calm {
			victim = l.sinks[max(0, len(l.sinks)-1-s.chance.IntN(8))]
		}
		var over []*soakSink
		for i := 0; i < len(l.sinks); i++ {
			if k := l.sinks[i]; !k.canceledAt.IsZero() && k.open == 0 && !k.inUse {
				over = append(over, k)
				l.sinks = append(l.sinks[:i:i], l.sinks[i+1:]...)
				i--
			}
		}
		s.mu.Unlock()
		for _, k := range over {
			l.d.Forget(k)
		}
		if victim != nil {
			victim.cancel()
		}
	}
}
