package dispatch

import (
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

const (
	// keyFailTime is how long a key's messages are refused without asking, once the server has said that it does not take
	// the key, or that it is not the Tracking API. Then the next batches ask again.
	keyFailTime = 30 * time.Second
	// maxRefusals is how many batches of a key may be refused for their form or size in a row, halves and single messages counted,
	// before that is taken for a fault of something else than a message: halving on would cost two requests a message.
	maxRefusals = 100
	// maxHeld bounds how long Retry-After may keep a message alive, as its deadline stands still meanwhile.
	maxHeld = 12 * time.Hour
)

// conclude decides what becomes of a batch after an attempt, tells it to those who wait, and lets the lane go on.
func (d *Dispatcher) conclude(l *lane, b *batch, info AttemptInfo) {
	if info.Result.Class == transport.Accepted {
		d.hot.sent(b, time.Now())
	}
	d.mu.Lock()
	if b.abandoned {
		d.release(l, time.Now())
		d.mu.Unlock()
		return
	}
	delete(d.flying, b) // from here on it is not the transport that a shutdown would wait for
	b.last = info.Result
	now := time.Now()
	d.observe(b, info, now)
	if r := info.Result; r.Class == transport.Retry && r.RetryAfter > 0 && !d.aborted && d.gate.pause(now, r.RetryAfter) { // before any hook
		d.stats.Pauses++
	}
	if d.cfg.Attempt == nil {
		d.decide(l, b)
		return
	}
	d.ended()
	d.mu.Unlock()
	defer func() { // whatever the hook does
		d.mu.Lock()
		d.decide(l, b)
	}()
	d.shield(func() { d.cfg.Attempt(info) })
}

// decide judges a batch after an attempt. It is called with the lock held, and lets go of it.
func (d *Dispatcher) decide(l *lane, b *batch) {
	now := time.Now()
	status := d.judge(l, b, b.last, now)
	if status == 0 {
		if l.key.evicted { // the key was let go of while this batch was with an attempt
			d.letLanesGo(l.key, now)
		}
		d.withdraw(l)
		d.release(l, now)
		d.mu.Unlock()
		return
	}
	d.settle(l, b, status)
}

// refuse ends a batch of a key that is known to fail, without asking the server again.
func (d *Dispatcher) refuse(l *lane, b *batch) {
	d.mu.Lock()
	fault := l.key.fault
	b.fault = &fault
	d.settle(l, b, Rejected)
}

// expire ends a batch of which all is too old to be sent.
func (d *Dispatcher) expire(l *lane, b *batch) {
	d.mu.Lock()
	d.settle(l, b, Exhausted)
}

// settle ends a batch that was taken out of its lane. It is called with the lock held, and lets go of it.
func (d *Dispatcher) settle(l *lane, b *batch, status Status) {
	if d.dies(status) {
		d.pump(time.Now())
		d.mu.Unlock()
		err := d.bury(b, status)
		d.mu.Lock()
		if err != nil {
			now := time.Now()
			d.buryLater(grave{l.key, b, status}, now)
			d.release(l, now)
			d.mu.Unlock()
			return
		}
	}
	d.count(b, status)
	d.pump(time.Now()) // others need not wait until this batch has been told
	d.ended()
	d.mu.Unlock()

	d.tell(b, status, nil, func() {
		d.done(l.key, b, status)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.finish(b)
		d.release(l, time.Now())
	})
}

// end ends a batch that is in no lane any more. notBuried is why its dead letters are not kept, which is nil where they are, or have not
// to be. No lock is held.
func (d *Dispatcher) end(g grave, notBuried error) {
	d.mu.Lock()
	d.count(g.batch, g.status)
	d.mu.Unlock()
	d.endCounted(g, notBuried)
}

// endCounted returns when all have been told. That is done by another goroutine, for the observer may end it.
func (d *Dispatcher) endCounted(g grave, notBuried error) {
	told := make(chan struct{})
	go d.tell(g.batch, g.status, notBuried, func() {
		defer close(told)
		d.done(g.key, g.batch, g.status)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.finish(g.batch)
		g.key.flying--
		d.pump(time.Now())
		d.ended()
	})
	<-told
}

// release lets the next batch of a lane go.
func (d *Dispatcher) release(l *lane, now time.Time) {
	l.inFlight = false
	l.key.flying--
	d.schedule(l, now)
	d.pump(now)
	d.ended()
}

// observe counts what an attempt has shown.
func (d *Dispatcher) observe(b *batch, info AttemptInfo, now time.Time) {
	r := info.Result
	d.cfg.Limiter.Observe(transport.Observation{
		Sent: info.Sent, Answered: now, Events: info.Messages, Waited: b.waited,
		Accepted: r.Class == transport.Accepted, Throttled: r.Status == 429, RetryAfter: r.RetryAfter,
	})
	b.ambiguous = b.ambiguous || r.Ambiguous
	d.stats.Attempts++
	d.stats.Requests += r.Requests
	d.stats.BytesBody += r.BytesBody
	d.stats.BytesWire += r.BytesWire
	if b.attempts > 1 {
		d.stats.Retries++
	}
	if r.Status == 429 {
		d.stats.Throttled++
	}
	if r.Ambiguous {
		d.stats.Ambiguous++
	}
	if r.Class == transport.Accepted {
		d.budget.succeeded()
	}
}

// judge returns how the batch's messages end, or 0 after it has put them back into their lane.
func (d *Dispatcher) judge(l *lane, b *batch, r transport.Result, now time.Time) Status {
	switch r.Class {
	case transport.Accepted:
		l.key.failing = time.Time{}
		l.key.refusals = 0
		return Accepted
	case transport.Final:
		return Rejected
	case transport.Credentials, transport.Configuration:
		l.key.fail(r, now)
		return d.refused(l.key, b, now)
	case transport.Split:
		if l.key.refusals++; l.key.refusals > maxRefusals {
			l.key.refusals = 0 // the batches that ask again may have a bad message like any other
			r.Class = transport.Configuration
			b.last = r
			l.key.fail(r, now)
			return d.refused(l.key, b, now)
		}
		if len(b.metas) == 1 {
			return Rejected
		}
		if d.aborted {
			return d.givenUp()
		}
		left, right := b.halves()
		l.push(left, right)
		d.stats.Splits++
		return 0
	}
	return d.retry(l, b, r, now)
}

// retry puts a batch back at its lane's head, or returns how its messages end where there is no more time for that.
func (d *Dispatcher) retry(l *lane, b *batch, r transport.Result, now time.Time) Status {
	if d.aborted {
		return d.givenUp()
	}
	d.budget.failed(r.Status == 429)
	var wait time.Duration
	if r.RetryAfter <= 0 {
		b.backoffs++
		wait = backoff(b.backoffs)
	}
	if d.tooOld(b, now, wait) {
		return Exhausted
	}
	b.notBefore = now.Add(wait)
	l.push(b)
	return 0
}

// expired tells whether all of a stored batch is past MaxAge at a time.
func (d *Dispatcher) expired(b *batch, at time.Time) bool {
	return d.cfg.MaxAge > 0 && d.cfg.Store != nil && at.UnixNano()-b.metas[len(b.metas)-1].at > int64(d.cfg.MaxAge)
}

// tooOld tells whether a batch has had its time, before it could be tried again after the wait.
func (d *Dispatcher) tooOld(b *batch, now time.Time, wait time.Duration) bool {
	if d.cfg.Store != nil {
		return d.expired(b, now.Add(wait))
	}
	held := d.gate.pausedBy(now) - b.held
	return now.Sub(b.first)-held+wait > d.cfg.Deadline || held > maxHeld
}

// refused returns how the messages of a batch end whose key is refused, or 0 where a store keeps them.
func (d *Dispatcher) refused(k *keyState, b *batch, now time.Time) Status {
	switch {
	case d.cfg.Store == nil:
		return Rejected
	case d.aborted:
		return Kept
	}
	d.evict(k, b, now)
	return 0
}

// givenUp is how messages end that a shutdown has no more time for.
func (d *Dispatcher) givenUp() Status {
	if d.cfg.Store != nil {
		return Kept
	}
	return Canceled
}

// count adds a batch to the counters, and takes its messages out of the index: who comes from now on under one of their ids
// is new.
func (d *Dispatcher) count(b *batch, status Status) {
	n := len(b.metas)
	for i := range b.metas {
		if e := b.metas[i].entry; e != nil {
			d.index.remove(e)
			n += len(e.also)
		}
	}
	b.total = n
	switch status {
	case Accepted:
		d.stats.Accepted += n
	case Rejected:
		d.stats.Rejected += n
	case Exhausted:
		d.stats.Exhausted += n
	case Canceled:
		d.stats.Canceled += n
		if d.aborted {
			d.left.Canceled += n
			if b.ambiguous {
				d.left.Ambiguous += n
			}
		}
	}
}

// tell calls the observer and the sinks of a batch's messages, and then what comes next. No lock is held.
func (d *Dispatcher) tell(b *batch, status Status, notBuried error, next func()) {
	t := teller{d: d, b: b, s: b.settlement(status), names: names{b: b}, next: next}
	t.s.NotBuried, t.s.names = notBuried, &t.names
	t.run()
}

// A teller tells those who wait for a batch's messages what became of them.
type teller struct {
	d     *Dispatcher
	b     *batch
	s     Settlement
	names names
	next  func()

	i, j     int  // the next message, and the number of who is told next of those that wait for it
	observed bool // the observer has been called for it
	told     int  // how many have been told, and what they took, whose room is not given back yet
	bytes    int
}

// run goes on until all have been told. The observer may panic, or end the goroutine, as t.FailNow does: then another one goes on. That
// is found out once for all messages, and not for each.
func (t *teller) run() {
	for t.i < len(t.b.metas) {
		t.some()
	}
	t.leave()
	t.next()
}

// some tells messages, as far as the observer lets it.
func (t *teller) some() {
	returned := false
	defer func() {
		if returned {
			return
		}
		exits := recover() == nil
		t.d.mu.Lock()
		t.d.stats.HookPanics++
		t.d.mu.Unlock()
		if exits {
			go t.run()
		}
	}()
	for t.i < len(t.b.metas) {
		t.one()
	}
	returned = true
}

// one tells the next one who waits.
func (t *teller) one() {
	m := &t.b.metas[t.i]
	sink, token, cost := m.sink, m.token, t.b.costOf(t.i)
	if t.j > 0 {
		other := &m.entry.also[t.j-1]
		sink, token, cost = other.sink, other.token, metaBytes
	}
	t.b.point(&t.s, t.i)
	if t.d.cfg.Observer != nil && !t.observed && t.s.Status != Kept {
		t.observed = true
		t.d.cfg.Observer(&t.s)
	}
	t.observed = false
	if sink != nil {
		sink.Settle(token, &t.s)
	}
	if t.j++; m.entry == nil || t.j > len(m.entry.also) {
		t.i, t.j = t.i+1, 0
	}
	t.told++
	t.bytes += cost
	if t.d.cfg.Observer != nil && (t.told >= t.d.grain || t.bytes >= t.d.cfg.MaxBytes/64) {
		t.leave()
	}
}

// leave gives the room of those messages back whose observer has returned. Without an observer nobody can tell the difference to the
// whole batch's room at once, which finish gives.
func (t *teller) leave() {
	if t.d.cfg.Observer == nil || t.told == 0 {
		return
	}
	t.d.mu.Lock()
	t.d.room.give(t.told, t.bytes)
	t.d.mu.Unlock()
	t.told, t.bytes = 0, 0
}

// finish forgets a batch whose messages have been told.
func (d *Dispatcher) finish(b *batch) {
	if d.cfg.Observer == nil {
		d.room.give(b.total, b.cost()+(b.total-len(b.metas))*metaBytes)
	}
	d.settled(b.epoch, b.total)
	b.free()
}
