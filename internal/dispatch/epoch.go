package dispatch

import (
	"context"
	"time"
)

// An epoch is the messages that were admitted between two calls of Flush. A batch never spans two.
type epoch struct {
	pending int           // messages not settled yet, those that joined them included
	done    chan struct{} // closed when pending is 0 and the epoch is over; made when somebody waits
}

// turn ends the current epoch if it has messages, and returns those epochs that have.
func (d *Dispatcher) turn() []*epoch {
	if d.epoch.pending > 0 {
		d.past = append(d.past, d.epoch)
		d.epoch = new(epoch)
	}
	return d.past
}

// settled counts messages of an epoch as done.
func (d *Dispatcher) settled(e *epoch, n int) {
	d.pending -= n
	if e.pending -= n; e.pending > 0 || e == d.epoch {
		return
	}
	if e.done != nil {
		close(e.done)
	}
	for i, other := range d.past {
		if other == e {
			d.past = append(d.past[:i:i], d.past[i+1:]...)
			break
		}
	}
}

// Flush sends everything that was admitted before the call without lingering, and waits until each of those messages has its
// outcome. If ctx ends first it returns ctx's error, and the messages go on.
func (d *Dispatcher) Flush(ctx context.Context) error {
	d.mu.Lock()
	var wait []chan struct{}
	for _, e := range d.turn() {
		if e.done == nil {
			e.done = make(chan struct{})
		}
		wait = append(wait, e.done)
	}
	now := time.Now()
	d.sealAll(now)
	d.pump(now)
	d.mu.Unlock()
	for _, done := range wait {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return d.flushStored(ctx)
}

// Hurry lets what is queued go without lingering, and does not wait. A lane that is busy goes on filling its batch meanwhile.
func (d *Dispatcher) Hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hurry(time.Now())
}

func (d *Dispatcher) hurry(now time.Time) {
	for _, k := range d.keys {
		for _, l := range k.lanes {
			if l != nil && l.open != nil && !l.urgent {
				l.urgent = true
				d.schedule(l, now)
			}
		}
	}
	d.pump(now)
}

// lingers tells whether a batch waits for more messages.
func (d *Dispatcher) lingers() bool {
	for _, k := range d.keys {
		for _, l := range k.lanes {
			if l != nil && l.open != nil && !l.urgent {
				return true
			}
		}
	}
	return false
}
