package dispatch

import (
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// Why Offer refused a message.
var (
	ErrClosed    = errors.New("closed")
	ErrQueueFull = errors.New("queue is full")
	ErrConflict  = errors.New("messageId is queued already with other content")
)

// Config says how a Dispatcher works. Every field has to be set but Limiter, Observer and Attempt.
type Config struct {
	Transport transport.Transport
	Limiter   *transport.Limiter // nil is without limit

	Lanes         int           // lanes of a write key
	BatchMessages int           // most messages of a batch; the limiter may allow fewer
	Linger        time.Duration // longest wait of a message for others to join its batch
	MaxMessages   int           // budget of the queue
	MaxBytes      int
	Deadline      time.Duration // from a message's first attempt
	AttemptTime   time.Duration // of one attempt

	// Store, where there is one, keeps messages. They have no Deadline then, but MaxAge, from when they were appended; 0 is none.
	Store  Store
	MaxAge time.Duration

	// DeadLetters, where set, is handed messages that have ended Rejected or Exhausted, before anybody is told and before the store
	// forgets them. It is called without a lock, several times at once. Where it fails, it is called again with them, until a shutdown
	// runs out of time.
	DeadLetters func([]Dead) error

	// Observer is told every settlement, before its sink is; Attempt every result. Both are called without a lock from the
	// goroutine of the attempt, and may panic and block: a message leaves the budget when the observer has returned.
	Observer func(*Settlement)
	Attempt  func(AttemptInfo)
}

// AttemptInfo is one attempt, for those who watch.
type AttemptInfo struct {
	Key      transport.WriteKey
	Messages int
	Bytes    int
	Number   int // 1 for a batch's first attempt
	Sent     time.Time
	Duration time.Duration
	Result   transport.Result
}

// A Dispatcher queues messages and delivers them. Its methods are safe for concurrent use.
type Dispatcher struct {
	cfg  Config
	seed maphash.Seed

	// base is the context of all attempts; cancel ends them when a shutdown runs out of time.
	base   context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	room     room
	index    index
	keys     map[transport.WriteKey]*keyState
	latest   *keyState // of keys, the one that was asked for last
	swept    time.Time // when keys were last looked through for what can be forgotten
	lanes    int
	ready    []*lane
	waiting  laneHeap
	flying   map[*batch]struct{} // attempts that run
	gate     gate
	graves   graves
	budget   retryBudget
	hot      hotProfiles
	canceled map[Sink]struct{} // sinks whose messages are not sent any more

	// grain is how many messages are told before their room is given back: one by one where there is little.
	grain int

	epoch   *epoch // of messages that come now
	past    []*epoch
	pending int // messages without an outcome, or whose observer has not returned

	timer *time.Timer
	armed time.Time // when the timer fires; zero while it does not run

	// With a store:
	life      uint64        // tells this life of the process from others
	tickets   uint64        // the last one given
	appending int           // calls of Append under way
	changed   chan struct{} // closed when messages are done; made by those who wait for that

	closing bool
	aborted bool          // a shutdown has run out of time
	drained chan struct{} // closed when closing and nothing is pending
	grace   chan struct{} // made by the abort: closed when nothing is flying
	left    Remainder

	stats Stats
}

// New returns a dispatcher. It starts nothing.
func New(cfg Config) *Dispatcher {
	d := &Dispatcher{
		cfg:     cfg,
		seed:    maphash.MakeSeed(),
		room:    room{maxMessages: cfg.MaxMessages, maxBytes: cfg.MaxBytes},
		index:   make(index),
		keys:    make(map[transport.WriteKey]*keyState),
		flying:  make(map[*batch]struct{}),
		gate:    gate{limiter: cfg.Limiter},
		budget:  retryBudget{tokens: budgetTokens},
		epoch:   new(epoch),
		drained: make(chan struct{}),
		life:    rand.Uint64(),
		grain:   min(max(cfg.MaxMessages/1024, 1), 64),
	}
	d.base, d.cancel = context.WithCancel(context.Background())
	return d
}

// Offer admits a message: once it has returned nil, the message has exactly one outcome. Where there is no room it waits for
// some until ctx ends, and then returns ctx's error; with block false it returns ErrQueueFull instead. It returns ErrClosed once
// Shutdown has been called, and ErrConflict where another message is queued under the same id.
func (d *Dispatcher) Offer(ctx context.Context, m *Message, block bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.cfg.Store != nil {
		return d.offerStored(ctx, m, block)
	}
	profile := maphash.String(d.seed, m.Profile)
	var id string
	var sum uint64
	if m.Unique > 0 {
		id = string(m.Body[m.IDStart:m.IDEnd])
		sum = d.sum(m)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return ErrClosed
	}
	cost := len(m.Body) + metaBytes
	if !d.room.take(cost) {
		if !block {
			return ErrQueueFull
		}
		if err := d.waitForRoom(ctx, cost); err != nil {
			return err
		}
	}
	if d.isCanceled(m.Sink) {
		d.room.give(1, cost)
		return canceled(ctx)
	}
	var e *entry
	if m.Unique > 0 {
		// Looked up only now: the same message may have been queued while this one waited.
		if e = d.index[id]; e != nil {
			return d.join(e, m, sum)
		}
		e = d.index.add(id, sum, d.epoch)
	}
	d.stats.Admitted++
	d.pending++
	d.epoch.pending++
	d.admit(m, e, profile)
	return nil
}

// canceled is why a message of a canceled sink is refused: what ended ctx, where that is why the sink was canceled.
func canceled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// waitForRoom lets go of the lock while it waits. Once it has returned nil the room is taken.
func (d *Dispatcher) waitForRoom(ctx context.Context, cost int) error {
	d.hurry(time.Now()) // no batch gets any fuller while there is no room
	w := d.room.wait(cost)
	d.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	d.mu.Lock()
	switch {
	case w.err != nil:
		return w.err
	case d.closing:
		if w.granted {
			d.room.give(1, cost)
		}
		return ErrClosed
	case w.granted: // also where ctx ended at the same moment: there is room, so the message is in
		return nil
	}
	d.room.leave(w)
	return ctx.Err()
}

// join makes m, for which room is taken, share the outcome of the same message that is queued already.
func (d *Dispatcher) join(e *entry, m *Message, sum uint64) error {
	if e.sum != sum {
		d.room.give(1, len(m.Body)+metaBytes)
		return ErrConflict
	}
	d.room.give(0, len(m.Body)) // it needs none for its bytes
	e.also = append(e.also, joined{sink: m.Sink, token: m.Token, place: m.place})
	e.epoch.pending++
	d.pending++
	d.stats.Admitted++
	d.stats.Joined++
	if l := e.lane; m.Urgent && l.open != nil && !l.urgent { // the message may be lingering there
		l.urgent = true
		now := time.Now()
		d.schedule(l, now)
		d.pump(now)
	}
	return nil
}

// admit puts a message for which room is taken into its lane.
func (d *Dispatcher) admit(m *Message, e *entry, profile uint64) {
	l := d.lane(m.Key, profile)
	if e != nil {
		e.lane = l
	}
	changed := false
	if l.open != nil && (l.open.wire.Len() >= l.open.limit || !l.open.wire.Fits(len(m.Body))) {
		l.seal()
		changed = true
	}
	if l.open == nil {
		l.open = newBatch(m.Key, d.epoch)
		l.open.opened = time.Now()
		l.open.limit = min(d.cfg.BatchMessages, d.cfg.Limiter.MaxBatch())
		changed = true
	}
	l.open.add(m, e, profile)
	if l.open.wire.Len() >= l.open.limit {
		l.seal()
		changed = true
	} else if m.Urgent && !l.urgent {
		l.urgent = true
		changed = true
	}
	if changed && !l.inFlight && !l.ready {
		now := time.Now()
		d.schedule(l, now)
		d.pump(now)
	}
}

// sum hashes the key and those bytes that tell the message from another.
func (d *Dispatcher) sum(m *Message) uint64 {
	return maphash.Bytes(d.seed, m.Body[:m.Unique]) ^ maphash.Comparable(d.seed, m.Key)
}
