package dispatch

import (
	"context"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

const (
	// groupBytes is how much of a queue's payloads is appended at once, and also how much may wait for that.
	groupBytes = 256 << 10
	// appendCost is what a payload counts beside its bytes, so that small ones do not wait in any number.
	appendCost = 64
)

// An appender stores messages in groups, in the order in which they came, for those who need not wait until theirs is stored: one who
// reads many records would else pay for a sync with each. Dispatcher.mu guards it.
type appender struct {
	waiting []appendage
	bytes   int
	running bool
	room    chan struct{} // closed when a group was taken; made by who waits for that
}

// An appendage is a message that is to be appended.
type appendage struct {
	ctx     context.Context // bounds the wait for room in the store
	sink    Sink
	ticket  uint64
	payload []byte
}

func (a *appender) full() bool { return a.bytes > groupBytes }

func (a *appender) add(p appendage) {
	a.waiting = append(a.waiting, p)
	a.bytes += len(p.payload) + appendCost
}

// take takes the next group: of one sink, and not too large.
func (a *appender) take() []appendage {
	n, bytes := 0, 0
	for n < len(a.waiting) && a.waiting[n].sink == a.waiting[0].sink && (n == 0 || bytes < groupBytes) {
		bytes += len(a.waiting[n].payload) + appendCost
		n++
	}
	group := a.waiting[:n:n]
	a.waiting = a.waiting[n:]
	if len(a.waiting) == 0 {
		a.waiting = nil
	}
	a.took(bytes)
	return group
}

// takeOf takes all that a sink has waiting.
func (a *appender) takeOf(sink Sink) (group []appendage) {
	var others []appendage
	bytes := 0
	for _, p := range a.waiting {
		if p.sink == sink {
			group = append(group, p)
			bytes += len(p.payload) + appendCost
		} else {
			others = append(others, p)
		}
	}
	a.waiting = others
	a.took(bytes)
	return group
}

func (a *appender) took(bytes int) {
	a.bytes -= bytes
	if a.room != nil {
		close(a.room)
		a.room = nil
	}
}

// Submit is Offer for a message with a sink that hears also of what goes wrong with storing it, as Unstored: it does not wait until the
// message is stored. Messages of one sink and key are stored in the order of the calls, and after one that could not be none are that
// were submitted before the sink heard of it. Without a store it is Offer.
func (d *Dispatcher) Submit(ctx context.Context, m *Message) error {
	if d.cfg.Store == nil {
		return d.Offer(ctx, m, true)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k, err := d.open(m.Key)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for k.appends.full() {
		if err := d.waitForAppends(ctx, &k.appends); err != nil {
			return err
		}
	}
	ticket, err := d.claim(ctx, k, m)
	if err != nil {
		return err
	}
	k.appends.add(appendage{ctx: ctx, sink: m.Sink, ticket: ticket, payload: appendStored(make([]byte, 0, storedLen(m)), m, d.life, ticket)})
	if !k.appends.running {
		k.appends.running = true
		go d.runAppender(k)
	}
	return nil
}

// waitForAppends lets go of the lock until a group was taken, or ctx ends.
func (d *Dispatcher) waitForAppends(ctx context.Context, a *appender) error {
	if a.room == nil {
		a.room = make(chan struct{})
	}
	room := a.room
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runAppender appends what waits, for as long as something does.
func (d *Dispatcher) runAppender(k *keyState) {
	for {
		d.mu.Lock()
		group := k.appends.take()
		if len(group) == 0 {
			k.appends.running = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()

		payloads := make([][]byte, len(group))
		for i := range group {
			payloads[i] = group[i].payload
		}
		err := k.queue.Append(group[0].ctx, payloads, true)

		d.mu.Lock()
		if err != nil {
			// What came after it from the same sink is not stored either: it would overtake what is tried again.
			group = append(group, k.appends.takeOf(group[0].sink)...)
		}
		failed := d.groupAppended(k, group, err)
		d.mu.Unlock()
		d.tellUnstored(k, failed, err)
	}
}

// groupAppended ends the appends of a group. It returns the claims of those messages that were not stored, as far as nobody has been told.
func (d *Dispatcher) groupAppended(k *keyState, group []appendage, err error) (failed []claim) {
	for i := range group {
		if c, waits := d.appended(k, group[i].ticket, err); waits && err != nil {
			failed = append(failed, c)
		}
	}
	if err == nil && d.aborted {
		d.abandonClaims(k, group[0].sink, Kept)
	}
	d.pending += len(failed)
	d.ended()
	return failed
}

// tellUnstored tells sinks that messages were not stored. No lock is held.
func (d *Dispatcher) tellUnstored(k *keyState, failed []claim, err error) {
	if len(failed) == 0 {
		return
	}
	s := &Settlement{Status: Unstored, Key: k.key, Result: transport.Result{Err: err}}
	for _, c := range failed {
		c.sink.Settle(c.token, s)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending -= len(failed)
	d.ended()
}

// appended ends the append of a message, and returns the claim on it, if there still is one.
func (d *Dispatcher) appended(k *keyState, ticket uint64, err error) (c claim, waits bool) {
	d.appending--
	c, waits = k.claims[ticket]
	if err != nil {
		delete(k.claims, ticket)
		delete(k.dropped, ticket)
		return c, waits
	}
	d.stats.Admitted++
	if waits {
		c.kept = true
		k.claims[ticket] = c
	}
	d.feed(k)
	return c, waits
}
