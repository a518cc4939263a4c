// Package transport carries batches of encoded messages to Segment's Tracking API. It knows bytes, not actions.
//
// Transport is the seam: one method, one attempt. HTTP is the transport that most programs use; package transporttest has a
// recorder, a server that behaves as the Tracking API does, and a suite that any Transport can be held against. Who retries,
// and when, is the client's business (package profiles): a Transport never waits and never tries again by itself what may
// have been taken.
//
// Beside the seam stand what a client needs to fill and pace requests: Batch, the limits with their sources, the write key
// that never prints, and the Limiter.
package transport

import (
	"context"
	"time"
)

// A Transport delivers batches. Implementations must be safe for concurrent use.
type Transport interface {
	// Deliver makes one attempt to deliver the batch and tells what came of it. It does not wait for another attempt, keeps
	// nothing of the batch once it has returned, and does not write into it. Where ctx ends it returns soon, with a Result
	// that says whether the server may have taken the batch.
	Deliver(ctx context.Context, batch *Batch) Result
}

// A Class tells what a client has to do after an attempt.
type Class uint8

const (
	// Retry: not accepted, or not known to be: the same batch is sent again later. The zero value, so that a Result that
	// says nothing never counts as accepted.
	Retry Class = iota
	// Accepted: the server took the batch. It says nothing about what becomes of the messages.
	Accepted
	// Split: the server refused the batch for its form or size (400, 413). One message may be the cause: a batch of several
	// is sent in halves, a batch of one is rejected.
	Split
	// Credentials: the write key or the token is not accepted (401, 403). The key's messages would all fare the same.
	Credentials
	// Configuration: it is not the Tracking API that answered, or not over a connection that may be trusted (404, 3xx,
	// certificate faults, a page instead of JSON).
	Configuration
	// Final: refused for good for another reason; sending the batch again would not help.
	Final
)

// String returns the class in lower case, as errors and logs show it.
func (c Class) String() string {
	switch c {
	case Retry:
		return "retry"
	case Accepted:
		return "accepted"
	case Split:
		return "split"
	case Credentials:
		return "credentials"
	case Configuration:
		return "configuration"
	case Final:
		return "final"
	}
	return "unknown"
}

// A Result is what came of one attempt.
type Result struct {
	// Class tells what has to be done now.
	Class Class
	// Status is the HTTP status, 0 where no answer came.
	Status int
	// RetryAfter is how long the server asks all requests of this client to be held back, 0 where it does not ask. It is
	// between 0 and MaxRetryAfter; a client clamps what is not.
	RetryAfter time.Duration
	// Ambiguous is true where the server may have taken the batch without its answer having arrived.
	Ambiguous bool
	// Err is why the batch was not accepted, an *Error from this package's own transport; nil where it was.
	Err error
	// Requests is the number of HTTP requests that were begun, retries of the connection included.
	Requests int
	// BytesBody and BytesWire are the sizes of the bodies of those requests, before and after compression.
	BytesBody, BytesWire int64
}

// A PanicError is the panic of a Transport, or of what it calls, as the error of its Result.
type PanicError struct {
	Type  string // the type of the value that was panicked with; the value is left out, it may hold what was being sent
	Stack []byte // where
}

// Error names the type of the panic's value, not the value.
func (e *PanicError) Error() string { return "transport panicked with a value of type " + e.Type }
