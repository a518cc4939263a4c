package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// pump starts what may go now, and sets the timer for what may go later.
func (d *Dispatcher) pump(now time.Time) {
	d.wakeDue(now)
	d.feedAll()
	d.dig(now)
	var opens time.Time // when the gate lets the next batch through; zero where no timer has to be set for that
	for len(d.ready) > 0 {
		l := d.ready[0]
		if len(l.sealed) == 0 {
			l.seal()
		}
		if l.empty() { // its messages were canceled
			d.unready(l, now)
			continue
		}
		b := d.fit(l)
		if d.cfg.Store == nil && l.key.failing.After(now) {
			d.launch(l, now, d.refuse)
			continue
		}
		if d.expired(b, now) {
			d.launch(l, now, d.expire)
			continue
		}
		if !d.budget.allows(len(d.flying)) {
			d.gate.unreserve(b)
			break // the next attempt that ends comes back here
		}
		if at := d.gate.opens(now, b); at.After(now) {
			opens = at
			break
		}
		d.begin(b)
		d.launch(l, now, d.attempt)
	}
	d.arm(now, opens)
}

// fit returns the batch at a lane's head, after it has been halved until it is no more than twice what the rate allows now: one from the
// time of a much higher rate might never pass a server's bucket.
func (d *Dispatcher) fit(l *lane) *batch {
	for l.sealed[0].wire.Len() > 2*d.cfg.Limiter.MaxBatch() {
		b := l.pop()
		d.gate.unreserve(b)
		left, right := b.halves()
		left.backoffs, right.backoffs = 0, 0
		l.push(left, right)
	}
	return l.sealed[0]
}

// launch takes the first ready lane's first batch and hands it to a goroutine of its own.
func (d *Dispatcher) launch(l *lane, now time.Time, run func(*lane, *batch)) {
	d.ready[0] = nil
	d.ready = d.ready[1:]
	l.ready = false
	l.inFlight = true
	l.key.flying++
	b := l.pop()
	d.gate.unreserve(b)
	if b.first.IsZero() {
		b.first = now
		b.held = d.gate.pausedBy(now)
	}
	go run(l, b)
}

// unready takes the first ready lane out of the queue.
func (d *Dispatcher) unready(l *lane, now time.Time) {
	d.ready[0] = nil
	d.ready = d.ready[1:]
	l.ready = false
	d.schedule(l, now)
}

// arm sets the timer to the next time at which there is something to do: when a lane is due, or when the gate opens.
func (d *Dispatcher) arm(now, opens time.Time) {
	next := opens
	if len(d.waiting) > 0 && (next.IsZero() || d.waiting[0].wake.Before(next)) {
		next = d.waiting[0].wake
	}
	if asks := d.nextAsk(now); !asks.IsZero() && (next.IsZero() || asks.Before(next)) {
		next = asks
	}
	if digs := d.nextBurial(); !digs.IsZero() && (next.IsZero() || digs.Before(next)) {
		next = digs
	}
	if next.Equal(d.armed) {
		return
	}
	d.armed = next
	switch {
	case next.IsZero():
		d.timer.Stop()
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(next), d.tick)
	default:
		d.timer.Reset(time.Until(next))
	}
}

// tick is the timer's function.
func (d *Dispatcher) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !d.armed.After(now) { // else it was set anew while this waited for the lock
		d.armed = time.Time{}
	}
	d.pump(now)
}

// begin counts an attempt that is about to be made.
func (d *Dispatcher) begin(b *batch) {
	d.flying[b] = struct{}{}
	b.wire.Retry = b.attempts
	b.attempts++
}

// attempt makes one attempt. What comes of it is concluded in a deferred call, for a transport may end its goroutine.
func (d *Dispatcher) attempt(l *lane, b *batch) {
	info := AttemptInfo{
		Sent: time.Now(), Key: b.wire.WriteKey, Messages: b.wire.Len(), Bytes: b.wire.Bytes(), Number: b.attempts,
		Result: transport.Result{Ambiguous: true, Err: errGoexit},
	}
	defer func() {
		info.Duration = time.Since(info.Sent)
		d.conclude(l, b, info)
	}()
	info.Result = d.deliver(b.wire)
}

// errGoexit is the result of a transport that called runtime.Goexit, as t.FailNow does.
var errGoexit = errors.New("transport ended its goroutine")

// deliver calls the transport, whose panics are failures of the attempt.
func (d *Dispatcher) deliver(wire *transport.Batch) (result transport.Result) {
	ctx, cancel := context.WithTimeout(d.base, d.cfg.AttemptTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			// The value is left out: it may hold what the transport was sending.
			result = transport.Result{Ambiguous: true, Err: &transport.PanicError{Type: fmt.Sprintf("%T", p), Stack: debug.Stack()}}
		}
	}()
	return d.cfg.Transport.Deliver(ctx, wire)
}

// shield calls a function of the user's, and counts where it does not return: a panic, which ends here, or runtime.Goexit.
func (d *Dispatcher) shield(call func()) {
	returned := false
	defer func() {
		if recover() != nil || !returned {
			d.mu.Lock()
			d.stats.HookPanics++
			d.mu.Unlock()
		}
	}()
	call()
	returned = true
}
