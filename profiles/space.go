package profiles

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
)

// A Space is a client's handle on one Profile Space. Its methods do what the client's do, and are safe for concurrent use.
type Space struct {
	client *Client
	key    WriteKey
}

// Send is Client.Send for this Profile Space.
func (s Space) Send(ctx context.Context, a actions.Action) (Outcome, error) {
	answer := make(sendSink, 1)
	id, err := s.offer(ctx, a, answer, true)
	if err != nil {
		return s.refused(err), err
	}
	select {
	case o := <-answer:
		return o.named(id), o.Err
	case <-ctx.Done():
	}
	select {
	case o := <-answer: // it came at the same moment
		return o.named(id), o.Err
	default:
	}
	err = &Error{Status: Pending, MessageID: id, Err: ctx.Err()}
	return Outcome{Status: Pending, MessageID: id, Space: s.key, Err: err}, err
}

// Enqueue is Client.Enqueue for this Profile Space.
func (s Space) Enqueue(ctx context.Context, a actions.Action) error {
	_, err := s.offer(ctx, a, nil, true)
	return err
}

// TryEnqueue is Client.TryEnqueue for this Profile Space.
func (s Space) TryEnqueue(a actions.Action) error {
	_, err := s.offer(context.Background(), a, nil, false)
	return err
}

// refused is the outcome of a Send that was not admitted.
func (s Space) refused(err error) Outcome {
	o := Outcome{Space: s.key, Err: err}
	var refusal *Error
	if errors.As(err, &refusal) {
		o.Status, o.MessageID = refusal.Status, refusal.MessageID
	}
	return o
}

// scratch keeps the buffers in which messages are encoded before they are copied into a batch.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// offer validates and encodes an action and admits it. It returns the message's id where somebody waits for the outcome.
func (s Space) offer(ctx context.Context, a actions.Action, wait sendSink, block bool) (string, error) {
	if s.client == nil || s.client.dispatcher == nil {
		return "", &Error{Status: NotQueued, Err: errNoClient}
	}
	if s.key.IsZero() {
		return "", &Error{Status: Invalid, Err: errNoSpace}
	}
	if s.key != s.client.cfg.WriteKey {
		if err := s.key.Err(); err != nil {
			return "", &Error{Status: Invalid, Err: err}
		}
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	// Sorted where the id is the user's: the queue compares such messages by their bytes.
	body, enc, err := actions.Append((*buf)[:0], a, actions.AppendOptions{SortedOwn: true, Stamp: time.Now()})
	if err != nil {
		return "", &Error{Status: Invalid, MessageID: actions.MessageID(a), Err: err}
	}
	*buf = body
	m := dispatch.Message{
		Key: s.key, Profile: enc.Profile, Body: body, IDStart: enc.IDStart, IDEnd: enc.IDEnd,
	}
	if !enc.GeneratedID {
		m.Unique = unique(enc, body)
	}
	var id string
	if wait != nil {
		m.Sink, m.Urgent = wait, true
		if id = actions.MessageID(a); enc.GeneratedID {
			id = string(body[enc.IDStart:enc.IDEnd])
		}
	}
	if err = s.client.dispatcher.Offer(ctx, &m, block); err != nil {
		return id, refusal(err, actions.MessageID(a))
	}
	return id, nil
}

// unique returns how much of an encoded message tells it from another under the same id: all but the time of the call.
func unique(enc actions.Encoded, body []byte) int {
	if enc.StampStart > 0 {
		return enc.StampStart
	}
	return len(body)
}

// errNoClient is what the zero Client and the zero Space answer.
var errNoClient = errors.New("not made by profiles.New")

// errNoSpace is the cause of an Invalid message without a Profile Space.
var errNoSpace = errors.New("no Profile Space: set Config.WriteKey or use Client.Space")

// refusal turns why the queue did not take a message into the client's words.
func refusal(err error, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, dispatch.ErrConflict):
		return &Error{Status: Invalid, MessageID: id, Err: err}
	}
	return &Error{Status: NotQueued, MessageID: id, Err: notQueued(err)}
}

// notQueued is the cause of a message that the queue, or the spool, did not take.
func notQueued(err error) error {
	switch {
	case errors.Is(err, dispatch.ErrClosed):
		return ErrClosed
	case errors.Is(err, dispatch.ErrQueueFull):
		return ErrQueueFull
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("waiting for room in the queue: %w", err)
	}
	return fmt.Errorf("storing it in the spool: %w", err)
}

// A sendSink hands the outcome of one message to the Send that waits for it.
type sendSink chan Outcome

// Settle implements dispatch.Sink.
func (c sendSink) Settle(_ uint64, s *dispatch.Settlement) { c <- outcomeOf(s, "") }
