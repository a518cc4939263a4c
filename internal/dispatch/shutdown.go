package dispatch

import (
	"context"
	"time"
)

// abortGrace is how long a shutdown that has run out of time waits for the attempts that it has canceled, and then for observers:
// half of it for each.
const abortGrace = 100 * time.Millisecond

// A Remainder is what a shutdown could not bring to an end in time.
type Remainder struct {
	// Canceled is how many messages were given up.
	Canceled int
	// Ambiguous is how many of them were on the wire: the server may have taken them.
	Ambiguous int
	// Kept is how many messages are left in the store.
	Kept int
	// Unreported is how many messages had an observer that had not returned when Shutdown did.
	Unreported int
}

// Shutdown refuses new messages and waits until those that were admitted have their outcomes. When ctx ends it cancels what is
// left and returns what that was. It may be called many times, from anywhere: every call waits, and the first whose ctx ends
// cancels for all.
func (d *Dispatcher) Shutdown(ctx context.Context) Remainder {
	d.mu.Lock()
	if !d.closing {
		d.closing = true
		d.room.refuse(ErrClosed)
		now := time.Now()
		d.sealAll(now)
		d.pump(now)
		d.ended()
	}
	d.mu.Unlock()
	select {
	case <-d.drained:
	case <-ctx.Done():
		d.abort()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.left
	left.Unreported = d.pending
	for _, k := range d.keys {
		if k.queue != nil {
			left.Kept += k.queue.Len()
		}
	}
	return left
}

// ended wakes those who wait for the end, when it has come.
func (d *Dispatcher) ended() {
	if d.closing && d.pending == 0 && (d.aborted || d.storeIdle()) {
		select {
		case <-d.drained:
		default:
			close(d.drained)
			d.cancel()
		}
	}
	if d.grace != nil && len(d.flying) == 0 {
		select {
		case <-d.grace:
		default:
			close(d.grace)
		}
	}
}

// sealAll closes every open batch, so that it goes without lingering.
func (d *Dispatcher) sealAll(now time.Time) {
	for _, k := range d.keys {
		for _, l := range k.lanes {
			if l != nil && l.open != nil {
				l.seal()
				d.schedule(l, now)
			}
		}
	}
}

// abort cancels every attempt and gives up what is queued.
func (d *Dispatcher) abort() {
	d.mu.Lock()
	first := !d.aborted
	if first {
		d.aborted = true
		d.grace = make(chan struct{})
		d.cancel()
		d.giveUp(time.Now())
		d.wakeFlush()
		d.ended()
	}
	grace := d.grace
	d.mu.Unlock()

	if !within(abortGrace/2, grace) { // the attempts have not come back
		d.mu.Lock()
		d.abandon()
		d.mu.Unlock()
	}
	within(abortGrace/2, d.drained) // or an observer has not returned
}

// within waits for done, and tells whether it came in time.
func within(wait time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// giveUp cancels all messages that wait in lanes.
func (d *Dispatcher) giveUp(now time.Time) {
	for _, k := range d.keys {
		for _, l := range k.lanes {
			if l == nil || l.empty() {
				continue
			}
			l.seal()
			d.endBatches(k, l.sealed, d.givenUp())
			l.sealed = nil
			d.schedule(l, now)
		}
		d.abandonClaims(k, nil, Kept)
	}
	d.giveGravesUp()
	d.pump(now)
}

// abandon settles what is in flight with a transport that does not return. Its memory is left to the attempt.
func (d *Dispatcher) abandon() {
	for b := range d.flying {
		delete(d.flying, b)
		b.abandoned = true
		b.ambiguous = true
		b.root.parts++ // never freed
		d.endBatches(d.keys[b.wire.WriteKey], []*batch{b}, d.givenUp())
	}
}

// endBatches ends the messages of batches that are in no lane any more. The observer is told by a goroutine that ends when it has
// been.
func (d *Dispatcher) endBatches(k *keyState, batches []*batch, status Status) {
	dies := d.dies(status)
	for _, b := range batches {
		d.gate.unreserve(b)
		k.flying++ // they are not to be read again from the store
		if !dies {
			d.count(b, status)
		}
	}
	go func() {
		for _, b := range batches {
			g := grave{k, b, status}
			if !dies {
				d.endCounted(g, nil)
			} else if d.bury(b, status) == nil {
				d.end(g, nil)
			} else {
				d.mu.Lock()
				k.flying--
				d.buryLater(g, time.Now())
				d.mu.Unlock()
			}
		}
	}()
}
