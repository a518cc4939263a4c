package dispatch

import (
	"errors"
	"fmt"
	"time"
)

// How long a dead letter that could not be kept waits until it is tried again: the first time, and at most.
const (
	buryWait    = time.Second
	maxBuryWait = 30 * time.Second
)

// A Dead is a message that has finally failed, with who waits for it.
type Dead struct {
	Settlement
	Sink  Sink // nil where nobody does
	Token uint64
}

// A grave is a batch that has ended Rejected or Exhausted, and of which nobody hears before its dead letters are kept.
type grave struct {
	key    *keyState
	batch  *batch
	status Status
}

// graves are those batches whose dead letters could not be kept so far. Dispatcher.mu guards it.
type graves struct {
	waiting []grave
	at      time.Time     // when they are tried again
	wait    time.Duration // how long that takes
	digging bool          // a goroutine is at it
}

// dies tells whether messages that end so are dead letters, which somebody keeps.
func (d *Dispatcher) dies(status Status) bool {
	return d.cfg.DeadLetters != nil && (status == Rejected || status == Exhausted)
}

// bury hands a batch's messages to who keeps dead letters. No lock is held.
func (d *Dispatcher) bury(b *batch, status Status) error {
	s := b.settlement(status)
	dead := make([]Dead, len(b.metas))
	for i := range b.metas {
		m := &b.metas[i]
		b.point(&s, i)
		dead[i] = Dead{Settlement: s, Sink: m.sink, Token: m.token}
	}
	kept := make(chan error, 1)
	go func() { // of its own, for it may be ended, as t.FailNow does
		err := errors.New("the function for dead letters ended its goroutine")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the function for dead letters panicked with a %T", p)
			}
			kept <- err
		}()
		err = d.cfg.DeadLetters(dead)
	}()
	err := <-kept
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.stats.DeadLetterErrors++
	} else {
		d.stats.DeadLetters += len(dead)
	}
	return err
}

// buryLater puts a batch aside whose dead letters could not be kept. Its messages stay in the queue, and others go on.
func (d *Dispatcher) buryLater(g grave, now time.Time) {
	g.key.flying++ // they are not to be read again from the store
	d.graves.waiting = append(d.graves.waiting, g)
	if d.graves.at.IsZero() {
		d.graves.wait = buryWait
		d.graves.at = now.Add(buryWait)
	}
	if d.aborted {
		d.giveGravesUp()
	}
	d.pump(now)
}

// dig starts to try again, when it is time.
func (d *Dispatcher) dig(now time.Time) {
	g := &d.graves
	if len(g.waiting) > 0 && !g.digging && !g.at.After(now) {
		g.digging = true
		go d.runDigger()
	}
}

// nextBurial returns when dig has something to do, zero where it has not.
func (d *Dispatcher) nextBurial() time.Time {
	if len(d.graves.waiting) == 0 || d.graves.digging {
		return time.Time{}
	}
	return d.graves.at
}

// runDigger tries one batch after the other, the oldest first, until one fails again.
func (d *Dispatcher) runDigger() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for len(d.graves.waiting) > 0 && err == nil && !d.aborted {
		g := d.graves.waiting[0]
		d.graves.waiting = d.graves.waiting[1:]
		d.mu.Unlock()
		if err = d.bury(g.batch, g.status); err == nil {
			d.end(g, nil)
		}
		d.mu.Lock()
		if err != nil {
			d.graves.waiting = append([]grave{g}, d.graves.waiting...)
		}
	}
	now := time.Now()
	d.graves.digging = false
	if err == nil {
		d.graves = graves{waiting: d.graves.waiting}
	} else {
		d.graves.wait = min(2*d.graves.wait, maxBuryWait)
		d.graves.at = now.Add(d.graves.wait)
	}
	if d.aborted {
		d.giveGravesUp()
	}
	d.pump(now)
}

// errNotBuried is what a message's outcome says where a shutdown had no more time for its dead letter.
var errNotBuried = errors.New("its dead letter could not be written")

// giveGravesUp ends the wait for dead letters that cannot be kept: with a store the messages stay there, else their outcomes say so.
func (d *Dispatcher) giveGravesUp() {
	if d.graves.digging {
		return // runDigger comes here
	}
	left := d.graves.waiting
	d.graves = graves{}
	if len(left) == 0 {
		return
	}
	go func() {
		for _, g := range left {
			if d.cfg.Store != nil {
				g.status = Kept
			}
			d.end(g, errNotBuried)
		}
	}()
}
