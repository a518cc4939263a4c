package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A producer offers messages of its own profiles: in bursts, with long silences, some of them to a profile that gets many, some of them
// again, and some under an id that another message has.
type producer struct {
	l      *life
	rng    *rand.Rand
	number int
	groups bool // submits, where another producer offers
	sink   *soakSink
	left   int // messages for the sink
	recent []*parcel
}

func newProducer(l *life, rng *rand.Rand, number int) *producer {
	return &producer{l: l, rng: rng, number: number, groups: rng.IntN(3) == 0}
}

func (q *producer) run() {
	defer q.dropSink()
	for {
		if !sleep(q.l.ctx, time.Duration(q.rng.Int64N(int64(25*time.Minute)))) {
			return
		}
		for range q.rng.IntN(1 << q.rng.IntN(9)) {
			if q.calm() {
				break
			}
			if errors.Is(q.offer(), ErrClosed) || q.l.ctx.Err() != nil {
				return
			}
			if q.rng.IntN(4) == 0 && !sleep(q.l.ctx, time.Duration(q.rng.IntN(500))*time.Millisecond) {
				return
			}
		}
	}
}

func (q *producer) calm() bool {
	q.l.s.mu.Lock()
	defer q.l.s.mu.Unlock()
	return q.l.s.calm
}

// offer offers one message, in one of the ways that there are.
func (q *producer) offer() error {
	l := q.l
	p, m := q.compose()
	o := q.register(p, m)
	ctx, cancel := context.WithTimeout(l.ctx, time.Duration(1+q.rng.IntN(120))*time.Second)
	defer cancel()
	var err error
	switch n := q.rng.IntN(10); {
	case q.groups:
		err = l.d.Submit(ctx, m)
		q.finish(o, err, false)
		return err
	case n < 2:
		err = l.d.Offer(ctx, m, false)
	case n == 2 && o.sink != nil:
		m.Urgent = true
		if err = l.d.Offer(ctx, m, true); err == nil {
			select {
			case <-o.done:
			case <-ctx.Done():
			}
		}
	case n == 3:
		err = l.d.Offer(l.ctx, m, true)
	default:
		err = l.d.Offer(ctx, m, true)
	}
	q.finish(o, err, true)
	return err
}

// compose makes a message, or takes one from before.
func (q *producer) compose() (*parcel, *Message) {
	s := q.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := q.rng.IntN(100); n < 4 && len(q.recent) > 0 {
		p := q.recent[q.rng.IntN(len(q.recent))]
		p.again = true
		body := p.bodies[0]
		if n == 0 { // another message under the same id
			body = strings.Replace(body, `"content":"`, `"content":"other `, 1)
			p.bodies = append(p.bodies, body)
		} else {
			s.note("repeat")
		}
		return p, q.message(p, body, true)
	}
	key := q.rng.IntN(len(s.keys))
	profile := fmt.Sprintf("hot-%d", q.number)
	switch n := q.rng.IntN(10); {
	case n < 4:
		profile = fmt.Sprintf("warm-%d-%d", q.number, q.rng.IntN(20))
	case n < 6:
		profile = fmt.Sprintf("cold-%d-%d", q.number, q.rng.IntN(1<<20))
	}
	profile = fmt.Sprintf("%s@%d", profile, key)
	p := &parcel{key: s.keys[key], profile: profile, number: s.next[profile], id: fmt.Sprintf("m%d", len(s.parcels))}
	p.poison = !s.calm && q.rng.IntN(100) == 0
	s.next[profile]++
	size := q.rng.IntN(100)
	if !s.calm {
		switch q.rng.IntN(400) {
		case 0:
			size = 25_000
		case 1, 2, 3:
			size = q.rng.IntN(4000)
		}
	}
	p.bodies = []string{fmt.Sprintf(`{"messageId":"%s","userId":"%s","content":"%s"}`, p.id, profile, filler[:size])}
	s.parcels[p.id] = p
	unique := q.rng.IntN(2) == 0
	if unique {
		if q.recent = append(q.recent, p); len(q.recent) > 30 {
			q.recent = q.recent[1:]
		}
	}
	return p, q.message(p, p.bodies[0], unique)
}

var filler = strings.Repeat("all work and no play makes for long messages. ", 600)

func (q *producer) message(p *parcel, body string, unique bool) *Message {
	const before = len(`{"messageId":"`)
	m := &Message{Key: p.key, Profile: p.profile, Body: []byte(body), IDStart: before, IDEnd: before + len(p.id)}
	if unique {
		m.Unique = len(body)
	}
	return m
}

// register makes a note of an Offer, and gives the message a sink or none.
func (q *producer) register(p *parcel, m *Message) *offering {
	s := q.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.enter(q.l)
	o := &offering{p: p, done: make(chan struct{})}
	p.offers = append(p.offers, o)
	q.l.offered = append(q.l.offered, o)
	m.Sink, m.Token = nil, 0
	if q.rng.IntN(4) == 0 && !q.groups {
		return o
	}
	if q.left--; q.left < 0 {
		if q.sink != nil {
			q.sink.inUse = false
		}
		q.sink = &soakSink{l: q.l, turncoat: q.rng.IntN(20) == 0, inUse: true}
		q.left = q.rng.IntN(100)
		q.l.sinks = append(q.l.sinks, q.sink)
	}
	o.sink = q.sink
	m.Sink, m.Token = o.sink, uint64(len(o.sink.offered))
	o.sink.offered = append(o.sink.offered, o)
	o.sink.open++
	return o
}

// finish makes a note of what an Offer, or a Submit, has returned.
func (q *producer) finish(o *offering, err error, stored bool) {
	s := q.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.l.over {
		return
	}
	if err == nil {
		if o.state == "" { // else it has heard already that it could not be stored
			o.state = "admitted"
		}
		if canceled := len(o.told) > 0 && o.told[0] == Canceled; stored && !canceled && s.store != nil {
			o.p.stored = true
		}
		return
	}
	o.state = "refused"
	if len(o.told) > 0 {
		s.failf("message %s was refused, %v, and has the outcome %v", o.p.id, err, o.told)
	}
	if o.sink != nil {
		o.sink.open--
	}
	switch {
	case errors.Is(err, ErrQueueFull):
		s.note("queue full")
	case errors.Is(err, ErrConflict):
		s.note("conflict")
		if !o.p.again {
			s.failf("message %s is in conflict with nothing", o.p.id)
		}
	case errors.Is(err, context.DeadlineExceeded):
		s.note("context ended")
	case o.sink != nil && !o.sink.canceledAt.IsZero():
		q.left = 0 // the next one has another
	case !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) && !errors.Is(err, errDisk):
		s.failf("Offer: %v", err)
	}
}

// repeat makes a note that a message is offered again.
func (q *producer) repeat(p *parcel) {
	q.l.s.mu.Lock()
	defer q.l.s.mu.Unlock()
	p.again = true
}

func (q *producer) dropSink() {
	q.l.s.mu.Lock()
	defer q.l.s.mu.Unlock()
	if q.sink != nil {
		q.sink.inUse = false
	}
}
