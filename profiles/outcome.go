package profiles

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// Why a message was not taken into the queue: the cause of an *Error with status NotQueued. Use errors.Is.
var (
	// ErrClosed: the client has been shut down.
	ErrClosed = errors.New("client is closed")
	// ErrQueueFull: TryEnqueue found no room.
	ErrQueueFull = errors.New("queue is full")
)

// An Outcome is what became of one message. Every message that was admitted has exactly one.
type Outcome struct {
	Status    Status
	MessageID string
	// Space is the Profile Space that the message was for. It does not print.
	Space WriteKey
	// Mapping is the id of the mapping that gave the message, empty for a typed action.
	Mapping string
	// Attempts is how many attempts were made with the message, and HTTPStatus what the last of them was answered; 0 without one. With
	// a spool, attempts count from when the message was last read from there.
	// A message that was Rejected because its key had just been refused was not sent for that: see Rejected in the package comment.
	Attempts, HTTPStatus int
	// Ambiguous is true where a message that is not Accepted may have been taken all the same: a request with it broke off. With a
	// spool, requests count from when the message was last read from there, as Attempts do.
	Ambiguous bool
	// Err is why the message was not accepted, an *Error; nil where it was.
	Err error

	// A closure, so that no dump of an Outcome shows what is in it: traits are personal data.
	message func() []byte
	// class is that of the answer that ended it.
	class transport.Class
	// unburied is true where its dead letter should have been kept, and is not.
	unburied bool
}

// Message returns the wire message of an outcome that is not Accepted, for a dead-letter file: one JSON object, or nil where
// none was made. It is a copy. It holds personal data: nothing else of an Outcome does.
func (o Outcome) Message() []byte {
	if o.message == nil {
		return nil
	}
	return bytes.Clone(o.message())
}

// An Error tells why a message was not accepted.
type Error struct {
	// Status is Canceled, Exhausted, Rejected, Invalid, Pending, Kept or NotQueued.
	Status    Status
	MessageID string // empty where the message had none yet
	// Err is the cause: an *actions.Error or a *mapping.ResolveError for a message that is Invalid for what it holds, and another
	// error where it is its Profile Space's key, or its messageId is queued already with other content; what the transport said of the
	// last attempt, a *transport.Error of HTTP, for one that is Rejected, Exhausted or Canceled; a context's error, ErrClosed or ErrQueueFull for one that is
	// Pending or NotQueued.
	Err error
}

// Error names the status, the message's id and the cause, never a value of the message.
func (e *Error) Error() string {
	s := "message"
	if e.MessageID != "" {
		s = fmt.Sprintf("message %q", e.MessageID)
	}
	s += " " + e.Status.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// errShutdown is the cause of a Canceled message.
var errShutdown = errors.New("given up before it was accepted")

// errKept is the cause of a Kept message.
var errKept = errors.New("in the spool, for another run to deliver")

// errDeadline is the cause of an Exhausted message without a better one.
var errDeadline = errors.New("not accepted before its deadline")

// outcomeOf makes the outcome of a settled message, whose id is given where it is at hand.
func outcomeOf(s *dispatch.Settlement, id string) Outcome {
	if id == "" {
		id = s.ID()
	}
	o := Outcome{
		Status:     statusOf(s.Status),
		MessageID:  id,
		Space:      s.Key,
		Attempts:   s.Attempts,
		HTTPStatus: s.Result.Status,
		Ambiguous:  s.Ambiguous,
		class:      s.Result.Class,
	}
	if o.Status == Accepted {
		return o
	}
	cause := s.Result.Err
	switch {
	case s.Fault != nil:
		o.class = s.Fault.Class
		cause = fmt.Errorf("not sent, because an earlier request with the same write key failed: %w", orClass(s.Fault.Err, *s.Fault))
	case o.Status == Kept:
		cause = errKept
	case s.Status == dispatch.Unstored:
		cause = notQueued(cause)
	case o.Status == Canceled && cause == nil:
		cause = errShutdown
	case o.Status == Canceled:
		cause = fmt.Errorf("%w; the last attempt: %w", errShutdown, cause)
	case cause == nil && o.Status == Exhausted:
		cause = errDeadline
	default:
		cause = orClass(cause, s.Result)
	}
	if s.NotBuried != nil {
		cause = fmt.Errorf("%w; %w", cause, s.NotBuried)
		o.unburied = true
	}
	o.Err = &Error{Status: o.Status, MessageID: o.MessageID, Err: cause}
	body := bytes.Clone(s.Body)
	o.message = func() []byte { return body }
	return o
}

// named gives an outcome its messageId where the settlement did not have the message at hand.
func (o Outcome) named(id string) Outcome {
	if o.MessageID != "" {
		return o
	}
	o.MessageID = id
	if e, ok := o.Err.(*Error); ok {
		e.MessageID = id
	}
	return o
}

// orClass returns a result's error, or one that names its class where a transport gave none.
func orClass(err error, r transport.Result) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("answered with class %s", r.Class)
}

func statusOf(s dispatch.Status) Status {
	switch s {
	case dispatch.Accepted:
		return Accepted
	case dispatch.Rejected:
		return Rejected
	case dispatch.Exhausted:
		return Exhausted
	case dispatch.Kept:
		return Kept
	}
	return Canceled
}

// WriteKey is the write key of a Profile Space's source. See transport.WriteKey: it never prints. Its method Err tells whether
// Segment could take it: New checks Config.WriteKey, and a program with several keys can check the others at its start.
type WriteKey = transport.WriteKey

// NewWriteKey makes a WriteKey of its text. It does not fail; New, and the methods of a Space, report a key that Segment could
// not take.
func NewWriteKey(text string) WriteKey { return transport.NewWriteKey(text) }
