package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Recorder is a transport.Transport in memory: it accepts every batch and keeps a copy. Script and Fail make it answer
// otherwise, once for each step; Hold keeps batches in flight until Release.
//
// The zero value is ready to use. A Recorder is safe for concurrent use.
type Recorder struct {
	mu       sync.Mutex
	attempts []*Attempt
	script   []transport.Result
	gate     chan struct{} // closed by Release; nil while nothing is held
	held     int
	accepted int
	epoch    int // raised by Reset, so that an attempt still held then is not counted after it
	changes  changes
}

var _ transport.Transport = (*Recorder)(nil)

// An Attempt is one call of Deliver.
type Attempt struct {
	// Batch is a copy of the batch as it was delivered.
	Batch *transport.Batch
	// At is when Deliver was called.
	At time.Time
	// Done tells whether Deliver has returned: false while Hold keeps the batch in flight.
	Done bool
	// Result is what Deliver returned.
	Result transport.Result
}

// A Message is one message that a Recorder accepted.
type Message struct {
	// WriteKey is the Profile Space that the message went to.
	WriteKey transport.WriteKey
	// Raw is the message as it was sent.
	Raw []byte
	// Fields is Raw decoded, numbers as json.Number; nil where Raw is no JSON object.
	Fields map[string]any
	// Retry is how many attempts went before the one that was accepted.
	Retry int
}

// Deliver records the batch and returns the script's next result, or that the batch was accepted with status 200. While
// Hold is on it waits for Release; where ctx ends before that, it returns an ambiguous result to be retried, as of a server
// that took the request and did not answer. A context that has ended before the call records nothing.
func (r *Recorder) Deliver(ctx context.Context, batch *transport.Batch) transport.Result {
	if ctx.Err() != nil {
		return transport.Result{Err: context.Cause(ctx)}
	}
	attempt, result, gate, epoch := r.begin(batch)
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			result = transport.Result{Ambiguous: true, Err: context.Cause(ctx), Requests: result.Requests}
		}
	}
	r.end(attempt, result, gate != nil, epoch)
	return result
}

func (r *Recorder) begin(batch *transport.Batch) (*Attempt, transport.Result, <-chan struct{}, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(batch.Bytes())
	result := transport.Result{Class: transport.Accepted, Status: http.StatusOK, Requests: 1, BytesBody: n, BytesWire: n}
	if len(r.script) > 0 {
		result, r.script = r.script[0], r.script[1:]
	}
	attempt := &Attempt{Batch: batch.Clone(), At: time.Now()}
	r.attempts = append(r.attempts, attempt)
	if r.gate != nil {
		r.held++
	}
	r.changes.notify()
	return attempt, result, r.gate, r.epoch
}

func (r *Recorder) end(attempt *Attempt, result transport.Result, held bool, epoch int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	attempt.Done, attempt.Result = true, result
	if held {
		r.held--
	}
	if result.Class == transport.Accepted && epoch == r.epoch {
		r.accepted += attempt.Batch.Len()
	}
	r.changes.notify()
}

// Script has the next attempts answered with the results, one each in their order, after those scripted before. They are
// returned as they are.
func (r *Recorder) Script(results ...transport.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = append(r.script, results...)
}

// Fail scripts one result for each class, with a status that the Tracking API answers in such a case and a *transport.Error.
func (r *Recorder) Fail(classes ...transport.Class) {
	results := make([]transport.Result, len(classes))
	for i, class := range classes {
		status := statusOf(class)
		results[i] = transport.Result{Class: class, Status: status, Requests: 1}
		if class != transport.Accepted {
			results[i].Err = &transport.Error{Class: class, Status: status, Reason: "scripted by a transporttest.Recorder"}
		}
	}
	r.Script(results...)
}

func statusOf(class transport.Class) int {
	switch class {
	case transport.Accepted:
		return http.StatusOK
	case transport.Split:
		return http.StatusBadRequest
	case transport.Credentials:
		return http.StatusUnauthorized
	case transport.Configuration:
		return http.StatusNotFound
	case transport.Final:
		return http.StatusNotImplemented
	}
	return http.StatusServiceUnavailable
}

// Hold keeps every batch that is delivered from now on in flight, until Release or the end of its context.
func (r *Recorder) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gate == nil {
		r.gate = make(chan struct{})
	}
}

// Release lets go of all batches that are held and ends Hold. Without Hold it does nothing.
func (r *Recorder) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gate != nil {
		close(r.gate)
		r.gate = nil
	}
}

// Attempts returns all attempts in the order in which they began, whatever came of them.
func (r *Recorder) Attempts() []Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	attempts := make([]Attempt, len(r.attempts))
	for i, a := range r.attempts {
		attempts[i] = *a
		attempts[i].Batch = a.Batch.Clone()
	}
	return attempts
}

// Batches returns the batches that were accepted, in the order in which their delivery began.
func (r *Recorder) Batches() []*transport.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batches []*transport.Batch
	for _, a := range r.attempts {
		if a.Done && a.Result.Class == transport.Accepted {
			batches = append(batches, a.Batch.Clone())
		}
	}
	return batches
}

// Messages returns the messages of all batches that were accepted, in the order of Batches.
func (r *Recorder) Messages() []Message {
	var messages []Message
	for _, b := range r.Batches() {
		for i := range b.Len() {
			m := Message{WriteKey: b.WriteKey, Raw: bytes.Clone(b.Message(i)), Retry: b.Retry}
			m.Fields, _ = decode(m.Raw)
			messages = append(messages, m)
		}
	}
	return messages
}

// Wait returns nil as soon as at least n messages have been accepted since the Recorder was made or Reset, or an error that
// wraps the context's.
func (r *Recorder) Wait(ctx context.Context, n int) error {
	var have int
	err := await(ctx, func() (bool, <-chan struct{}) {
		r.mu.Lock()
		defer r.mu.Unlock()
		have = r.accepted
		return have >= n, r.changes.next()
	})
	if err != nil {
		return fmt.Errorf("transporttest: %d of %d messages accepted: %w", have, n, err)
	}
	return nil
}

// WaitHeld returns nil as soon as at least n batches are held in flight, or an error that wraps the context's.
func (r *Recorder) WaitHeld(ctx context.Context, n int) error {
	var have int
	err := await(ctx, func() (bool, <-chan struct{}) {
		r.mu.Lock()
		defer r.mu.Unlock()
		have = r.held
		return have >= n, r.changes.next()
	})
	if err != nil {
		return fmt.Errorf("transporttest: %d of %d batches held: %w", have, n, err)
	}
	return nil
}

// Reset forgets what was recorded and scripted, and lets go of what is held.
func (r *Recorder) Reset() {
	r.Release()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts, r.script, r.accepted = nil, nil, 0
	r.epoch++
	r.changes.notify()
}
