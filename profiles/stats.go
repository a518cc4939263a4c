package profiles

// Stats is what a client holds now and what it has done since it was made. Counters only grow.
type Stats struct {
	Queued      int // messages without an outcome now
	QueuedBytes int // what they take of Config.QueueBytes
	InFlight    int // requests on the wire now

	Admitted int // messages taken into the queue
	// Joined is how many of them were the same, by messageId and content, as one that was queued already. They were not sent
	// again, and ended as that one did.
	Joined                                  int
	Accepted, Rejected, Exhausted, Canceled int // messages with that outcome

	Attempts  int   // attempts at batches
	Retries   int   // of those, the second and later ones of a batch
	Splits    int   // batches that were cut in halves because the server refused them
	Throttled int   // attempts answered 429
	Pauses    int   // times that the server asked for quiet and the whole client kept it
	Ambiguous int   // attempts that the server may have taken without an answer having arrived
	Requests  int   // HTTP requests begun
	BytesBody int64 // bodies of those requests before compression
	BytesWire int64 // and after it

	Stored      int // messages in the spool now of the keys that the client knows, those in memory included
	Unclaimed   int // messages in the spool of keys that the client has not been told: they stay there
	Quarantined int // messages that were damaged on the spool's disk: lost, and put aside in files that end in .broken
	Unreadable  int // messages in the spool that could not be read, and are lost
	StoreErrors int // reads of the spool that failed, and are tried again

	DeadLetters      int // messages that Config.DeadLetters has kept, those of records that gave none not counted
	DeadLetterErrors int // calls of it that failed

	HookPanics int // hooks that panicked, or ended their goroutine
	// HotEvents is about how many messages were sent for one profile beyond the 25 a second that Segment takes for it.
	HotEvents int
}

// Stats returns the counters as they are now.
func (c *Client) Stats() Stats {
	if c.dispatcher == nil {
		return Stats{}
	}
	s := c.dispatcher.Stats()
	quarantined, unclaimed := 0, 0
	if c.spool != nil {
		quarantined, unclaimed = int(c.spool.Quarantined()), int(c.spool.Unclaimed())
	}
	return Stats{
		Queued: s.Queued, QueuedBytes: s.QueuedBytes, InFlight: s.InFlight,
		Admitted: s.Admitted, Joined: s.Joined,
		Accepted: s.Accepted, Rejected: s.Rejected, Exhausted: s.Exhausted, Canceled: s.Canceled,
		Attempts: s.Attempts, Retries: s.Retries, Splits: s.Splits, Throttled: s.Throttled, Pauses: s.Pauses, Ambiguous: s.Ambiguous,
		Requests: s.Requests, BytesBody: s.BytesBody, BytesWire: s.BytesWire,
		Stored: s.Stored, Unclaimed: unclaimed, Quarantined: quarantined, Unreadable: s.Unreadable, StoreErrors: s.StoreErrors,
		DeadLetters: s.DeadLetters, DeadLetterErrors: s.DeadLetterErrors,
		HookPanics: s.HookPanics, HotEvents: s.HotEvents,
	}
}
