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
	err := Guard(func() error { return d.cfg.DeadLetters(dead) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.stats.DeadLetterErrors++
	} else {
		d.stats.DeadLetters += len(dead)
	}
	return err
}

// Guard calls a function of the user's, and makes errors of its panic, and of its calling runtime.Goexit, as t.FailNow does.
func Guard(call func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the user's function ended its goroutine")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the user's function panicked with a %T", p) // not with what: that may be a message
			}
			done <- err
		}()
		err = call()
	}()
	return <-done
}

// buryLater puts a batch aside whose dead letters could not be kept. Its messages stay in the queue, and others go on.
func (d *Dispatcher) buryLater(g grave, now time.Time) {
	g.key.flying++ // they are not to be read again from the store
	d.graves.waiting = append(d.graves.waiting, g)
	if d.graves.at.IsZero() {
		d.graves.wait = buryWait
		d.graves.at = now.Add(buryWait)
	}
	d.withdrawGraves()
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
	d.withdrawGraves()
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

// withdrawGraves ends the wait for the dead letters of canceled sinks' messages: who cancels does not wait, and is told with the outcome.
func (d *Dispatcher) withdrawGraves() {
	if len(d.canceled) == 0 {
		return
	}
	waiting := d.graves.waiting
	d.graves.waiting = nil
	for _, g := range waiting {
		var gone []*batch
		stays := d.divide(g.batch, &gone)
		if stays != nil {
			d.graves.waiting = append(d.graves.waiting, grave{g.key, stays, g.status})
		}
		if len(gone) == 0 {
			continue
		}
		g.key.flying += len(gone)
		if stays == nil {
			g.key.flying--
		}
		go func() {
			for _, b := range gone {
				d.end(grave{g.key, b, g.status}, errNotBuried)
			}
		}()
	}
}

// errNotBuried is what a message's outcome says where nobody has the time to wait for its dead letter any more.
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
