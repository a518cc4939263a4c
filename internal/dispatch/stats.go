package dispatch

// Stats counts what a Dispatcher has done, and what it holds.
type Stats struct {
	Queued, QueuedBytes int // now
	Lanes, InFlight     int // now

	Admitted, Joined                        int // messages; Joined are those that shared another's outcome
	Accepted, Rejected, Exhausted, Canceled int // messages

	Attempts, Retries, Splits, Pauses, Throttled, Ambiguous int
	Requests                                                int
	BytesBody, BytesWire                                    int64
	Stored, Unreadable, StoreErrors                         int // with a store: messages in it now, messages in it that could not be read, failed calls of it
	DeadLetters, DeadLetterErrors                           int // messages kept as such, and calls that failed
	HookPanics, HotEvents                                   int
}

// Stats returns the counters as they are now.
func (d *Dispatcher) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Queued, s.QueuedBytes = d.room.messages, d.room.bytes
	s.Lanes, s.InFlight = d.lanes, len(d.flying)
	s.HotEvents = d.hot.total()
	for _, k := range d.keys {
		if k.queue != nil {
			s.Stored += k.queue.Len()
		}
	}
	return s
}
