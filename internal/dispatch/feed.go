package dispatch

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

const (
	// feedBytes is how much of a queue is read at once.
	feedBytes = 256 << 10
	// feedAgain is when it is read again after that has failed.
	feedAgain = time.Second
)

// stored is the part of a keyState that is about its queue in the store. Dispatcher.mu guards it, but for opening.
type stored struct {
	opening sync.Mutex // held while the queue is opened, so that it is opened once
	queue   Queue
	claims  map[uint64]claim    // who waits for messages that are not in memory, by ticket
	dropped map[uint64]struct{} // tickets of messages that were canceled before they were read
	appends appender            // what was submitted and is not appended yet
	carry   []Stored            // read, and waiting for room
	hungry  bool                // there may be more in the queue
	feeding bool                // a goroutine reads it
	again   time.Time           // not before this, for reading it has failed
	flying  int                 // batches of the key that are with an attempt, or being told
	evicted bool                // messages were let go of that are in the queue still: it is read again once nothing flies
	low     uint64              // from this number on
}

// Open opens a key's queue in the store, and begins to deliver what it holds. Without a store it does nothing.
func (d *Dispatcher) Open(key transport.WriteKey) error {
	if d.cfg.Store == nil {
		return nil
	}
	_, err := d.open(key)
	return err
}

func (d *Dispatcher) open(key transport.WriteKey) (*keyState, error) {
	d.mu.Lock()
	k := d.key(key)
	opened, closing := k.queue != nil, d.closing
	d.mu.Unlock()
	if opened {
		return k, nil
	}
	if closing {
		return nil, ErrClosed
	}
	k.opening.Lock()
	defer k.opening.Unlock()
	if k.queue != nil {
		return k, nil
	}
	queue, err := d.cfg.Store.Queue(key) // reads files
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k.queue = queue
	k.claims = make(map[uint64]claim)
	k.dropped = make(map[uint64]struct{})
	d.feed(k)
	return k, nil
}

// offerStored is Offer with a store.
func (d *Dispatcher) offerStored(ctx context.Context, m *Message, block bool) error {
	k, err := d.open(m.Key)
	if err != nil {
		return err
	}
	d.mu.Lock()
	ticket, err := d.claim(ctx, k, m)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	buf := storedBuffers.Get().(*storedBuffer)
	buf.payloads[0] = appendStored(buf.payloads[0][:0], m, d.life, ticket)
	err = k.queue.Append(ctx, buf.payloads[:], block)
	storedBuffers.Put(buf)

	d.mu.Lock()
	defer d.mu.Unlock()
	_, waits := d.appended(k, ticket, err)
	if err == nil && waits && d.aborted {
		d.abandonClaims(k, m.Sink, Kept)
	}
	d.ended()
	if err != nil && ticket != 0 && !waits {
		return nil // canceled, and told so, while it was being appended
	}
	return err
}

// claim makes a claim on a message that is about to be appended, where somebody waits for it.
func (d *Dispatcher) claim(ctx context.Context, k *keyState, m *Message) (uint64, error) {
	if d.closing {
		return 0, ErrClosed
	}
	if d.isCanceled(m.Sink) {
		return 0, canceled(ctx)
	}
	if m.Unique > 0 {
		if e := d.index[string(m.Body[m.IDStart:m.IDEnd])]; e != nil && e.sum != d.sum(m) {
			return 0, ErrConflict
		}
	}
	d.appending++
	if m.Sink == nil && !m.Urgent {
		return 0, nil
	}
	d.tickets++
	k.claims[d.tickets] = claim{sink: m.Sink, token: m.Token, urgent: m.Urgent}
	return d.tickets, nil
}

// feed starts to read a key's queue, unless somebody does, or it is not the time.
func (d *Dispatcher) feed(k *keyState) {
	k.hungry = true
	if k.queue == nil || k.feeding || d.aborted || !d.room.fits(metaBytes) {
		return
	}
	now := time.Now()
	if k.again.After(now) {
		return
	}
	if k.evicted {
		if k.flying > 0 || k.failing.After(now) {
			return
		}
		k.evicted = false
		k.queue.Reset(k.low)
	}
	k.feeding = true
	go d.runFeeder(k)
}

// feedAll starts to read every queue that has more. It is called when room may have become free.
func (d *Dispatcher) feedAll() {
	if d.cfg.Store == nil {
		return
	}
	for _, k := range d.keys {
		if k.hungry {
			d.feed(k)
		}
	}
}

// nextAsk returns when the first of the keys whose messages were let go of is asked again, or the first of the queues read again that
// could not be, zero where none is. Once that time has come it is what flies, or room, that is waited for, and both look at the queues by
// themselves.
func (d *Dispatcher) nextAsk(now time.Time) (first time.Time) {
	if d.cfg.Store == nil {
		return first
	}
	for _, k := range d.keys {
		at := k.again
		if k.evicted && k.failing.After(at) {
			at = k.failing
		}
		if at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// storeIdle tells whether nothing is on its way from or to the store.
func (d *Dispatcher) storeIdle() bool {
	if d.appending > 0 {
		return false
	}
	for _, k := range d.keys {
		if k.queue != nil && (k.feeding || k.hungry) {
			return false
		}
	}
	return true
}

// runFeeder reads a queue for as long as there is something in it, and room for that.
func (d *Dispatcher) runFeeder(k *keyState) {
	for {
		d.mu.Lock()
		read := k.carry
		k.carry, k.hungry = nil, false
		d.mu.Unlock()
		var err error
		if len(read) == 0 {
			read, err = k.queue.Next(feedBytes)
		}
		d.mu.Lock()
		lost := d.load(k, read)
		if err != nil {
			d.stats.StoreErrors++
			k.hungry, k.again = true, time.Now().Add(feedAgain)
		}
		k.hungry = k.hungry || k.evicted // what was let go of meanwhile is read again
		if len(read) == 0 {
			d.wakeFlush() // what it waits for may have been found to be damaged
		}
		stop := err != nil || d.aborted || k.evicted || len(k.carry) > 0 || len(read) == 0 && !k.hungry
		if stop {
			k.feeding = false
		}
		if err != nil {
			d.pump(time.Now()) // sets the timer
		}
		if len(lost) > 0 {
			k.flying++ // they are not to be read again before they are done, and a shutdown waits for that
			d.appending++
			d.mu.Unlock()
			k.queue.Done(lost)
			d.mu.Lock()
			k.flying--
			d.appending--
			d.wakeFlush()
			if k.evicted && k.hungry {
				d.feed(k)
			}
		}
		if stop {
			d.ended()
		}
		d.mu.Unlock()
		if stop {
			return
		}
	}
}

// load puts messages that were read into their lanes. Those for which there is no room stay in carry. It returns the numbers of those
// that cannot be, or need not be.
func (d *Dispatcher) load(k *keyState, read []Stored) (lost []uint64) {
	ended := make(map[Status]*batch) // those that end at once
	defer func() {
		for status, b := range ended {
			d.endBatches(k, []*batch{b}, status)
		}
	}()
	for i := range read {
		if d.aborted || k.evicted { // what was read is read again
			k.hungry = true
			return lost
		}
		m, profile, life, ticket, err := parseStored(read[i].Payload)
		if err != nil {
			d.stats.Unreadable++
			lost = append(lost, read[i].Seq)
			continue
		}
		m.Key, m.seq, m.at = k.key, read[i].Seq, read[i].At.UnixNano()
		dropped := false
		if life == d.life && ticket != 0 {
			_, dropped = k.dropped[ticket]
			c := k.claims[ticket]
			m.Sink, m.Token, m.Urgent, m.ticket = c.sink, c.token, c.urgent, ticket
		}
		if !d.room.take(len(m.Body) + metaBytes) {
			k.carry, k.hungry = read[i:], true
			if d.lingers() { // no batch gets any fuller while there is no room
				d.hurry(time.Now())
			}
			return lost
		}
		delete(k.claims, m.ticket)
		delete(k.dropped, m.ticket)
		d.loadOne(k, &m, maphash.Bytes(d.seed, profile), dropped, ended)
	}
	return lost
}

// loadOne admits a stored message, for which room is taken, or adds it to those that have ended. profile is the hash of its profile.
// One that was dropped was canceled before it was read: its sink has been told, and the observer is told now.
func (d *Dispatcher) loadOne(k *keyState, m *Message, profile uint64, dropped bool, ended map[Status]*batch) {
	var status Status
	var e *entry
	if dropped {
		status = Canceled
		d.stats.Canceled-- // it was counted when it was dropped
	} else if d.cfg.MaxAge > 0 && time.Now().UnixNano()-m.at > int64(d.cfg.MaxAge) {
		status = Exhausted
	} else if m.Unique > 0 {
		id, sum := string(m.Body[m.IDStart:m.IDEnd]), d.sum(m)
		if e = d.index[id]; e != nil && e.sum == sum {
			_ = d.join(e, m, sum)
			d.stats.Admitted-- // it was counted when it was stored
			return
		}
		if e != nil { // the server would drop it
			e, status = nil, Rejected
		} else {
			e = d.index.add(id, sum, d.epoch)
		}
	}
	d.pending++
	d.epoch.pending++
	if status == 0 {
		d.admit(m, e, profile)
		return
	}
	b := ended[status]
	if b == nil {
		b = newBatch(m.Key, d.epoch)
		ended[status] = b
	}
	b.add(m, nil, profile)
	if status == Rejected {
		b.last = transport.Result{Class: transport.Final, Err: ErrConflict}
	}
}

// done tells the store that the messages of a batch have ended. No lock is held.
func (d *Dispatcher) done(k *keyState, b *batch, status Status) {
	if d.cfg.Store == nil || status == Kept {
		return
	}
	seqs := make([]uint64, 0, b.total)
	for i := range b.metas {
		m := &b.metas[i]
		seqs = append(seqs, m.seq)
		if m.entry != nil {
			for _, other := range m.entry.also {
				seqs = append(seqs, other.seq)
			}
		}
	}
	k.queue.Done(seqs)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wakeFlush()
}

// wakeFlush makes those who wait for the store look again.
func (d *Dispatcher) wakeFlush() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// flushStored waits until all that is in the store now has ended.
func (d *Dispatcher) flushStored(ctx context.Context) error {
	if d.cfg.Store == nil {
		return nil
	}
	d.mu.Lock()
	last := make(map[*keyState]uint64)
	for _, k := range d.keys {
		if k.queue != nil {
			last[k] = k.queue.Last()
		}
	}
	d.mu.Unlock()
	for {
		d.mu.Lock()
		waits := false
		for k, seq := range last {
			waits = waits || k.queue.First() <= seq
		}
		if waits && d.aborted {
			d.mu.Unlock()
			return ErrClosed // what is left is for another run
		}
		if !waits {
			d.mu.Unlock()
			return nil
		}
		if d.changed == nil {
			d.changed = make(chan struct{})
		}
		changed := d.changed
		d.hurry(time.Now()) // what is read meanwhile need not linger
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// evict lets go of all messages of a key that are not with an attempt, and of the batch, which was: they stay in the queue, and are
// read again when the key is asked again.
func (d *Dispatcher) evict(k *keyState, b *batch, now time.Time) {
	if !k.evicted {
		k.evicted, k.low = true, ^uint64(0)
	}
	d.letGo(k, b)
	if len(k.carry) > 0 {
		k.low = min(k.low, k.carry[0].Seq)
	}
	k.carry, k.hungry = nil, true
	d.letLanesGo(k, now)
}

// letLanesGo lets go of what an evicted key's lanes hold.
func (d *Dispatcher) letLanesGo(k *keyState, now time.Time) {
	for _, l := range k.lanes {
		if l == nil {
			continue
		}
		l.seal()
		for _, b := range l.sealed {
			d.letGo(k, b)
		}
		l.sealed = nil
		d.schedule(l, now)
	}
	for sink := range d.canceled { // what was on the wire when its sink was canceled does not go again
		d.abandonClaims(k, sink, Canceled)
	}
}

// letGo puts a batch's messages back to be read again.
func (d *Dispatcher) letGo(k *keyState, b *batch) {
	d.gate.unreserve(b)
	back := func(p place, sink Sink, token uint64) {
		k.low = min(k.low, p.seq)
		if p.ticket != 0 {
			k.claims[p.ticket] = claim{sink: sink, token: token, urgent: true, kept: true}
		}
	}
	b.total = len(b.metas)
	for i := range b.metas {
		m := &b.metas[i]
		back(m.place, m.sink, m.token)
		if m.entry == nil {
			continue
		}
		d.index.remove(m.entry)
		b.total += len(m.entry.also)
		for _, other := range m.entry.also {
			back(other.place, other.sink, other.token)
		}
	}
	d.room.give(b.total, b.cost()+(b.total-len(b.metas))*metaBytes)
	d.settled(b.epoch, b.total)
	b.free()
}

// abandonClaims ends the messages of a sink, or of all where it is nil, that are in the store and not in memory, as far as those are
// concerned who wait for them. Canceled ones are not delivered; Kept ones are, by another run.
func (d *Dispatcher) abandonClaims(k *keyState, sink Sink, status Status) {
	var gone []claim
	for ticket, c := range k.claims {
		if sink != nil && c.sink != sink || status == Kept && !c.kept {
			continue
		}
		delete(k.claims, ticket)
		if status == Canceled {
			k.dropped[ticket] = struct{}{}
			d.stats.Canceled++
		}
		gone = append(gone, c)
	}
	if len(gone) == 0 {
		return
	}
	s := &Settlement{Status: status, Key: k.key}
	d.pending += len(gone)
	go func() {
		for _, c := range gone {
			if c.sink != nil {
				c.sink.Settle(c.token, s)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.pending -= len(gone)
		d.ended()
	}()
}
