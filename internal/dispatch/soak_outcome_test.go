package dispatch

import "time"

// untold is how many admitted messages have a sink that has not heard of them. The lock is held.
func (l *life) untold() (n int) {
	for _, o := range l.offered {
		if o.state == "admitted" && o.sink != nil && len(o.told) == 0 {
			n++
		}
	}
	return n
}

// told is how many sinks have heard of a message that ended so. The lock is held.
func (l *life) told(status Status) (n int) {
	for _, o := range l.offered {
		if len(o.told) > 0 && o.told[0] == status {
			n++
		}
	}
	return n
}

// checkOutcomes holds that each message that was admitted has one outcome, and that the counters say the same.
func (l *life) checkOutcomes(left Remainder) {
	s, stats := l.s, l.d.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	admitted, anonymous := 0, 0
	for _, o := range l.offered {
		switch {
		case o.state == "":
			s.failf("an Offer of message %s has not returned", o.p.id)
		case o.state == "admitted" && o.sink != nil && len(o.told) != 1:
			s.failf("message %s has the outcomes %v", o.p.id, o.told)
		}
		if o.state == "admitted" {
			admitted++
			if o.sink == nil {
				anonymous++
			}
		}
	}
	s.seen["joined"] += stats.Joined
	if s.store != nil {
		l.checkStored(stats, left)
		return
	}
	if stats.Admitted != admitted || stats.Accepted+stats.Rejected+stats.Exhausted+stats.Canceled != admitted {
		s.failf("%d messages were admitted, and the counters say %+v", admitted, stats)
	}
	if l.cfg.Observer != nil && l.observed != admitted {
		s.failf("%d messages were admitted, and the observer was told of %d", admitted, l.observed)
	}
	for status, n := range map[Status]int{Accepted: stats.Accepted, Rejected: stats.Rejected, Exhausted: stats.Exhausted, Canceled: stats.Canceled} {
		if told := l.told(status); told > n || told+anonymous < n {
			s.failf("%d messages ended with %d, and the sinks have heard of %d", n, status, told)
		}
	}
}

// canceledSince tells whether a sink was canceled since a time.
func (l *life) canceledSince(begin time.Time) bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return len(l.cancels) > 0 && !l.cancels[len(l.cancels)-1].Before(begin)
}

// checkStored is checkOutcomes for what only a store has.
func (l *life) checkStored(stats Stats, left Remainder) {
	s := l.s
	if left.Canceled != 0 {
		s.failf("Shutdown canceled %d stored messages", left.Canceled)
	}
	if left.Unreported > 0 { // their hooks came back after the store was closed
		return
	}
	ended := stats.Accepted + stats.Rejected + stats.Exhausted + stats.Canceled + stats.Unreadable
	unread := 0 // canceled, and not read up to the end
	for _, k := range l.d.keys {
		unread += len(k.dropped)
	}
	lacking := ended - l.dones - unread // those that were canceled while they were written, which failed then
	if lacking < 0 || lacking > l.unwritten || l.unreadable != stats.Unreadable {
		s.failf("%d messages are done in the store, %d of them unreadable, %d canceled ones not read, and the counters say %+v", l.dones, l.unreadable, unread, stats)
	}
}
