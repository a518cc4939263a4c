package dispatch

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// pump starts what may go now, and sets the timer for what may go later.
func (d *Dispatcher) pump(now time.Time) {
	d.wakeDue(now)
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
		b := l.sealed[0]
		if l.key.failing.After(now) {
			d.launch(l, now, d.refuse)
			continue
		}
		if !d.budget.allows(len(d.flying)) {
			break // the next attempt that ends comes back here
		}
		if at := d.gate.opens(now, b); at.After(now) {
			opens = at
			break
		}
		d.launch(l, now, d.attempt)
	}
	d.arm(opens)
}

// launch takes the first ready lane's first batch and hands it to a goroutine of its own.
func (d *Dispatcher) launch(l *lane, now time.Time, run func(*lane, *batch)) {
	d.ready[0] = nil
	d.ready = d.ready[1:]
	l.ready = false
	l.inFlight = true
	b := l.pop()
	d.gate.unreserve(b)
	d.flying[b] = struct{}{}
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
func (d *Dispatcher) arm(opens time.Time) {
	next := opens
	if len(d.waiting) > 0 && (next.IsZero() || d.waiting[0].wake.Before(next)) {
		next = d.waiting[0].wake
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
	d.armed = time.Time{}
	d.pump(time.Now())
}

// refuse ends a batch of a key that is known to fail, without asking the server again.
func (d *Dispatcher) refuse(l *lane, b *batch) {
	d.mu.Lock()
	fault := l.key.fault
	d.mu.Unlock()
	d.conclude(l, b, fault, false)
}

// attempt makes one attempt.
func (d *Dispatcher) attempt(l *lane, b *batch) {
	b.wire.Retry = b.attempts
	b.attempts++
	start := time.Now()
	result := d.deliver(b.wire)
	took := time.Since(start)
	if d.cfg.Attempt != nil {
		d.shield(func() {
			d.cfg.Attempt(AttemptInfo{
				Key: b.wire.WriteKey, Messages: b.wire.Len(), Bytes: b.wire.Bytes(),
				Number: b.attempts, Duration: took, Result: result,
			})
		})
	}
	d.conclude(l, b, result, true)
}

// deliver calls the transport, whose panics are failures of the attempt.
func (d *Dispatcher) deliver(wire *transport.Batch) (result transport.Result) {
	ctx, cancel := context.WithTimeout(d.base, d.cfg.AttemptTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			// The value is left out: it may hold what the transport was sending.
			result = transport.Result{Class: transport.Retry, Ambiguous: true, Err: &PanicError{Type: fmt.Sprintf("%T", p), Stack: debug.Stack()}}
		}
	}()
	return d.cfg.Transport.Deliver(ctx, wire)
}

// shield calls a function of the user's, and counts its panic.
func (d *Dispatcher) shield(call func()) {
	defer func() {
		if recover() != nil {
			d.mu.Lock()
			d.stats.HookPanics++
			d.mu.Unlock()
		}
	}()
	call()
}

// A PanicError is a panic of a transport.
type PanicError struct {
	Type  string // the type of the value that the transport panicked with
	Stack []byte // where
}

// Error names the type of the panic's value, not the value.
func (e *PanicError) Error() string { return "transport panicked with a value of type " + e.Type }
