package profiles

import "time"

// Hooks are functions that a client calls while it works. Each may be nil. They are called without any lock held, from the
// goroutine of the request that they are about, so several may run at once. A hook that panics, or ends its goroutine as
// t.FailNow does, is contained and counted in Stats.HookPanics. A hook that blocks holds up its lane, and its message keeps its room in the queue: back-pressure, not loss.
// A hook may call TryEnqueue and Stats. It must not call what waits, such as Enqueue, Send, Flush, Close or Process: that would wait
// for the hook itself.
type Hooks struct {
	// Outcome is called once for each message that was queued, typed or from a record, and also where a Send or a Process is told
	// the same. It is not told of a message that is Kept in a spool: its outcome comes in a later run. What was Invalid or NotQueued
	// never was queued, and is not told here.
	Outcome func(Outcome)
	// Attempt is called after each request.
	Attempt func(Attempt)
}

// An Attempt is one request that carried a batch, and what came of it.
type Attempt struct {
	Space      WriteKey
	Messages   int
	Bytes      int // of the messages, before compression
	Number     int // 1 for the batch's first attempt
	Duration   time.Duration
	HTTPStatus int // 0 where no answer came
	// RetryAfter is how long the server asked for quiet, 0 where it did not.
	RetryAfter time.Duration
	// Err is nil where the batch was accepted.
	Err error
}
