package dispatch

import (
	"container/heap"
	"slices"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// keyState is what the dispatcher knows of one write key while it has messages, or a fault to remember.
type keyState struct {
	key   transport.WriteKey
	lanes []*lane
	// fault is the answer that said that the key is not accepted, and failing until when it is believed without asking again.
	fault   transport.Result
	failing time.Time
	// refusals is how many batches were refused for their form or size since one was accepted.
	refusals int

	stored // with a store
}

// fail remembers an answer that would meet every batch of the key.
func (k *keyState) fail(fault transport.Result, now time.Time) {
	if !k.failing.After(now) {
		k.failing = now.Add(keyFailTime)
		k.fault = fault
	}
}

// A lane is a queue of batches of one write key, of which one at a time is in flight.
type lane struct {
	key   *keyState
	index int

	sealed []*batch // in the order in which they have to go
	open   *batch   // being filled, behind those that are sealed; nil while there is none
	urgent bool     // open has a message with a caller who waits

	inFlight bool      // an attempt runs; schedule comes back to the lane when it is over
	ready    bool      // in the ready queue
	slot     int       // place in the heap of waiting lanes, -1 where it is not in there
	wake     time.Time // its key in that heap
}

// seal closes the open batch.
func (l *lane) seal() {
	if l.open != nil {
		l.sealed = append(l.sealed, l.open)
		l.open = nil
		l.urgent = false
	}
}

// empty tells whether the lane holds nothing.
func (l *lane) empty() bool { return l.open == nil && len(l.sealed) == 0 }

// pop takes the batch at the lane's head.
func (l *lane) pop() *batch {
	b := l.sealed[0]
	l.sealed[0] = nil
	l.sealed = l.sealed[1:]
	if len(l.sealed) == 0 {
		l.sealed = nil
	}
	return b
}

// push puts batches in front of all others.
func (l *lane) push(batches ...*batch) {
	l.sealed = append(batches, l.sealed...)
}

// laneHeap is the waiting lanes, the one to wake first at its top.
type laneHeap []*lane

func (h laneHeap) Len() int           { return len(h) }
func (h laneHeap) Less(i, j int) bool { return h[i].wake.Before(h[j].wake) }
func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}
func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	l.slot = len(*h)
	*h = append(*h, l)
}
func (h *laneHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.slot = -1
	return l
}

// key returns what is known of a key, and begins to know it.
func (d *Dispatcher) key(key transport.WriteKey) *keyState {
	if d.latest != nil && d.latest.key == key {
		return d.latest // most programs have one
	}
	k := d.keys[key]
	if k == nil {
		d.sweep()
		k = &keyState{key: key, lanes: make([]*lane, d.cfg.Lanes)}
		d.keys[key] = k
	}
	d.latest = k
	return k
}

// lane returns the lane of a key and a profile's hash, and makes it where it does not exist.
func (d *Dispatcher) lane(key transport.WriteKey, profile uint64) *lane {
	k := d.key(key)
	i := int(profile % uint64(len(k.lanes)))
	if k.lanes[i] == nil {
		k.lanes[i] = &lane{key: k, index: i, slot: -1}
		d.lanes++
	}
	return k.lanes[i]
}

// sweep forgets the keys that hold nothing and whose fault is not believed any more. It looks at most once in keyFailTime, for there
// may be many.
func (d *Dispatcher) sweep() {
	now := time.Now()
	if now.Sub(d.swept) < keyFailTime {
		return
	}
	d.swept = now
	for _, k := range d.keys {
		if k.queue == nil && !k.failing.After(now) && !slices.ContainsFunc(k.lanes, func(l *lane) bool { return l != nil }) {
			d.forget(k)
		}
	}
}

// drop forgets a lane that holds nothing, and its key with the last of its lanes unless there is a fault to remember.
func (d *Dispatcher) drop(l *lane) {
	l.key.lanes[l.index] = nil
	d.lanes--
	for _, other := range l.key.lanes {
		if other != nil {
			return
		}
	}
	if l.key.failing.IsZero() && l.key.refusals == 0 && l.key.queue == nil {
		d.forget(l.key)
	}
}

// forget lets go of what is known of a key.
func (d *Dispatcher) forget(k *keyState) {
	delete(d.keys, k.key)
	if d.latest == k {
		d.latest = nil
	}
}

// due returns when the lane's next batch may go, as far as the lane is concerned: at once if it is sealed and not in backoff,
// or if somebody waits for it, else when it has lingered. The lane is not empty.
func (l *lane) due(linger time.Duration) time.Time {
	if len(l.sealed) > 0 {
		return l.sealed[0].notBefore
	}
	if l.urgent {
		return time.Time{}
	}
	return l.open.opened.Add(linger)
}

// schedule puts a lane where it belongs after something about it has changed: into the ready queue, into the heap of waiting
// lanes, or out of the world. A lane in flight stays where it is.
func (d *Dispatcher) schedule(l *lane, now time.Time) {
	if l.inFlight || l.ready {
		return
	}
	if l.empty() {
		d.unwait(l)
		d.drop(l)
		return
	}
	due := l.due(d.cfg.Linger)
	switch {
	case !due.After(now):
		d.unwait(l)
		l.ready = true
		d.ready = append(d.ready, l)
	case l.slot < 0:
		l.wake = due
		heap.Push(&d.waiting, l)
	case !l.wake.Equal(due):
		l.wake = due
		heap.Fix(&d.waiting, l.slot)
	}
}

// wakeDue makes those waiting lanes ready whose time has come.
func (d *Dispatcher) wakeDue(now time.Time) {
	for len(d.waiting) > 0 && !d.waiting[0].wake.After(now) {
		l := d.waiting[0]
		d.unwait(l)
		d.schedule(l, now)
	}
}

func (d *Dispatcher) unwait(l *lane) {
	if l.slot >= 0 {
		heap.Remove(&d.waiting, l.slot)
	}
}
