package profiles

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

// A run is one Process at work. Its reader fills slots from the source, the dispatcher settles their messages, and the consumer
// takes them in order.
type run struct {
	client *Client
	dest   *Destination
	name   string // tells runs over an input without a name apart
	start  int    // place of the first record in its input
	input  string // what that is called

	// drafts makes messages of the record at a place of the run, stillborn the dead letter of one that could not be made. Only the
	// reader calls them.
	drafts    func(rec Record, index int, out []draft) ([]draft, Skip)
	stillborn func(rec Record, o *Outcome) DeadLetter

	ctx    context.Context // ends with the caller's, and when the consumer stops
	cancel context.CancelFunc
	ended  func() bool   // takes back what happens when ctx ends
	gone   chan struct{} // closed when that has happened

	wake chan struct{} // for the consumer: the oldest slot is complete, or all is over
	room chan struct{} // for the reader: a slot has become free

	// Only the reader uses these.
	made    []draft
	objects mapping.Objects
	body    []byte
	hasher  messageid.Hasher

	mu      sync.Mutex
	slots   []slot // a ring: the slot of record i is slots[i % len(slots)]
	head    int    // the oldest record whose outcome is not taken
	tail    int    // the next record to be read
	pending int    // messages that the dispatcher has
	over    bool   // the reader has ended
	err     error  // why
	lost    bool   // an outcome is Canceled
	fault   error  // why a message could not be stored, or a dead letter not be written: nothing is read after it

	unburied      []unburied // for the burier
	unburiedBytes int
	burying       bool // it works
	thrown        any  // what the source panicked with
}

// A slot is a record between being read and being taken.
type slot struct {
	outcome RecordOutcome
	pending int         // messages without an outcome, and one more while the record is being read
	from    *DeadLetter // that the record comes from, nil where it comes from none; what it holds is left out
}

func newRun(ctx context.Context, c *Client, dest *Destination) *run {
	r := &run{
		client: c, dest: dest, name: rand.Text(),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		slots: make([]slot, min(c.cfg.Window, 64)),
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.gone = make(chan struct{})
	r.ended = context.AfterFunc(r.ctx, func() {
		c.dispatcher.CancelSink(r)
		close(r.gone)
	})
	return r
}

// run is the loop of a Process.
func (r *run) run(records iter.Seq2[Record, error], yield func(RecordOutcome, error) bool) {
	go r.read(records)
	defer r.stop() // which raises a panic of the source again
	for {
		outcome, ok := r.next()
		if !ok {
			break
		}
		if !yield(outcome, nil) {
			return
		}
	}
	if err := r.end(); err != nil {
		yield(RecordOutcome{}, err)
	}
}

// read is the reader goroutine.
func (r *run) read(records iter.Seq2[Record, error]) {
	var err error
	defer func() {
		thrown := recover()
		r.client.dispatcher.Hurry() // nothing comes that a batch could wait for
		r.mu.Lock()
		r.over, r.err, r.thrown = true, err, thrown
		r.mu.Unlock()
		signal(r.wake)
	}()
	if err = r.ready(); err != nil {
		return
	}
	err = errSourceExit
	for rec, recErr := range records {
		var bad *BadRecord
		switch {
		case errors.As(recErr, &bad):
			r.refuse(bad)
			err = nil
		case recErr != nil:
			err = recErr
		default:
			err = r.take(rec)
		}
		if err == nil { // nothing is read before there is a place for it
			err = r.ready()
		}
		if err != nil {
			return
		}
		err = errSourceExit
	}
	err = nil
}

// errSourceExit is why the range ends where the source ends its goroutine.
var errSourceExit = errors.New("the source called runtime.Goexit")

// take runs one record. Its error is why no more are to be read.
func (r *run) take(rec Record) error {
	index := r.open()
	var skip Skip
	r.made, skip = r.drafts(rec, index, r.made[:0])
	defer clear(r.made)
	outcomes := make([]Outcome, len(r.made))
	for i := range r.made {
		d := &r.made[i]
		outcomes[i] = Outcome{MessageID: d.id, Mapping: d.mappingID, Space: d.space}
	}
	r.mu.Lock()
	s := r.slot(index)
	s.outcome.Outcomes = outcomes
	s.outcome.Skip = skip
	r.mu.Unlock()

	var stop error
	for i := range r.made {
		err := stop
		if err == nil {
			err = r.offer(&r.made[i], uint64(index)<<8|uint64(i))
		}
		if err != nil {
			err = r.fail(index, i, rec, err, nil)
		}
		if stop == nil {
			stop = err // the client is closed, or the context has ended
		}
	}
	r.done(index, 1)
	return stop
}

// refuse takes a record that the source could not read.
func (r *run) refuse(bad *BadRecord) {
	index := r.open()
	r.mu.Lock()
	r.slot(index).outcome.Outcomes = make([]Outcome, 1)
	r.mu.Unlock()
	r.fail(index, 0, nil, &Error{Status: Invalid, Err: &BadRecord{Err: bad.Err}}, bad.Text)
	r.done(index, 1)
}

// ready waits until there is a slot for another record.
func (r *run) ready() error {
	hurried := false
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		r.mu.Lock()
		if fault := r.fault; fault != nil {
			r.mu.Unlock()
			return fault
		}
		free := r.tail-r.head < r.client.cfg.Window && r.unburiedBytes < maxUnburied
		stuck := !free && r.head < r.tail && r.slot(r.head).pending > 0
		r.mu.Unlock()
		if free {
			return nil
		}
		if stuck && !hurried {
			hurried = true
			r.client.dispatcher.Hurry() // no batch gets any fuller while the window is full
		}
		select {
		case <-r.room:
		case <-r.ctx.Done():
		}
	}
}

// open gives the next slot to a record.
func (r *run) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tail-r.head == len(r.slots) {
		r.grow()
	}
	index := r.tail
	r.tail++
	*r.slot(index) = slot{outcome: RecordOutcome{Index: r.start + index}, pending: 1}
	return index
}

// grow doubles the ring.
func (r *run) grow() {
	old := r.slots
	r.slots = make([]slot, min(2*len(old), r.client.cfg.Window))
	for i := r.head; i < r.tail; i++ {
		*r.slot(i) = old[i%len(old)]
	}
}

func (r *run) slot(index int) *slot { return &r.slots[index%len(r.slots)] }

// offer encodes a draft and admits it. An *Error is about this message alone.
func (r *run) offer(d *draft, token uint64) error {
	if d.err != nil {
		return &Error{Status: Invalid, MessageID: d.id, Err: d.err}
	}
	if d.space.IsZero() {
		return &Error{Status: Invalid, MessageID: d.id, Err: errNoSpace}
	}
	body, enc, err := r.dest.encode(r.body[:0], d, &r.hasher)
	if err != nil {
		return &Error{Status: Invalid, MessageID: d.id, Err: err}
	}
	r.body = body
	m := dispatch.Message{
		Key: d.space, Profile: enc.Profile, Body: body, IDStart: enc.IDStart, IDEnd: enc.IDEnd, Unique: len(body),
		Sink: r, Token: token,
	}
	r.mu.Lock()
	r.pending++
	s := r.slot(int(token >> 8))
	s.pending++
	s.outcome.Outcomes[token&0xff].MessageID = d.id
	r.mu.Unlock()
	err = r.client.dispatcher.Submit(r.ctx, &m)
	if err != nil {
		r.mu.Lock()
		r.pending--
		r.slot(int(token>>8)).pending--
		r.mu.Unlock()
	}
	return refusal(err, d.id)
}

// fail gives a message that was not admitted its outcome. Its error is why no more records are to be read. text is what was read where
// that is no record.
func (r *run) fail(index, i int, rec Record, err error, text []byte) (stop error) {
	r.mu.Lock()
	o := &r.slot(index).outcome.Outcomes[i] // which is the reader's until the record is done
	r.mu.Unlock()
	switch {
	case !isInvalid(err):
		if stop = errors.Unwrap(err); stop == nil {
			stop = err
		}
		r.mu.Lock()
		r.giveUp(o, stop)
		r.mu.Unlock()
	case r.client.cfg.DeadLetters == nil:
		o.Status, o.Err = Invalid, err
	default:
		o.Status, o.Err = Invalid, err
		l := r.stillborn(rec, o)
		if text != nil {
			l.Text = string(text)
		}
		r.bury(unburied{index, i, l})
	}
	return stop
}

// giveUp makes an outcome Canceled.
func (r *run) giveUp(o *Outcome, cause error) {
	o.Status, o.Err = Canceled, &Error{Status: Canceled, MessageID: o.MessageID, Err: cause}
	r.lost = true
}

// trace says in a dead letter where its message comes from.
func (r *run) trace(l *DeadLetter, token uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traceLocked(l, token)
}

func (r *run) traceLocked(l *DeadLetter, token uint64) {
	index := int(token >> 8)
	s := r.slot(index)
	l.Mapping = s.outcome.Outcomes[token&0xff].Mapping
	if s.from != nil {
		l.Record, l.Input, l.Line = s.from.Record, s.from.Input, s.from.Line
		return
	}
	place := r.start + index
	l.Record, l.Input = &place, r.input
}

// isInvalid tells whether an error is about its message alone.
func isInvalid(err error) bool {
	var of *Error
	return errors.As(err, &of) && of.Status == Invalid
}

// done counts messages of a record as settled.
func (r *run) done(index, n int) {
	r.mu.Lock()
	s := r.slot(index)
	s.pending -= n
	next := index == r.head && s.pending == 0
	r.mu.Unlock()
	if next {
		signal(r.wake)
	}
}

// Settle implements dispatch.Sink.
func (r *run) Settle(token uint64, s *dispatch.Settlement) {
	index, i := int(token>>8), int(token&0xff)
	r.mu.Lock()
	slot := r.slot(index)
	o := &slot.outcome.Outcomes[i]
	of := o.Mapping
	*o = outcomeOf(s, o.MessageID)
	o.Mapping = of
	slot.pending--
	r.pending--
	r.lost = r.lost || o.Status == Canceled
	if s.Status == dispatch.Unstored && r.fault == nil {
		r.fault = notQueued(s.Result.Err)
		signal(r.room) // the reader may be waiting there
	}
	wanted := index == r.head && slot.pending == 0 || r.pending == 0
	r.mu.Unlock()
	if wanted {
		signal(r.wake)
	}
}

// next returns the outcome of the oldest record, and waits for it; ok is false where there are no more.
func (r *run) next() (o RecordOutcome, ok bool) {
	for {
		r.mu.Lock()
		if r.head < r.tail && r.slot(r.head).pending == 0 {
			s := r.slot(r.head)
			o = s.outcome
			*s = slot{}
			r.head++
			r.mu.Unlock()
			signal(r.room)
			o.Status = worst(o.Outcomes)
			return o, true
		}
		if r.over && r.head == r.tail {
			r.mu.Unlock()
			return RecordOutcome{}, false
		}
		r.mu.Unlock()
		<-r.wake
	}
}

// worst returns the status of a record whose messages ended so.
func worst(outcomes []Outcome) Status {
	status := Skipped
	for _, o := range outcomes {
		status = max(status, o.Status)
	}
	return status
}

// end returns why the run has ended. A run that has canceled messages has not ended well, even if the source had no more records.
func (r *run) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err == nil && r.fault != nil:
		return r.fault
	case r.err == nil && r.lost && r.ctx.Err() != nil:
		return r.ctx.Err()
	case r.err == nil && r.lost:
		return ErrClosed
	}
	return r.err
}

// stop ends the run: it waits for the reader and for every message, and panics with what the source panicked with.
func (r *run) stop() {
	if r.settled() && r.ended() {
		r.cancel()
	} else {
		r.cancel() // which cancels what is not on the wire
		for !r.settled() {
			<-r.wake
		}
		<-r.gone
		r.client.dispatcher.Forget(r)
	}
	if r.thrown != nil {
		panic(r.thrown)
	}
}

// settled tells whether the reader has ended and every message has its outcome.
func (r *run) settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over && r.pending == 0
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
