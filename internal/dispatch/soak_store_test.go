package dispatch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

var (
	errDisk = errors.New("no space left on device")
	errKill = errors.New("killed")
)

// storeRoom is how many messages a queue of a soakStore takes.
const storeRoom = 500

// A soakStore is a disk that outlives lives. soak.mu guards it.
type soakStore struct {
	s      *soak
	queues map[transport.WriteKey]*soakQueue
	since  map[string]time.Time // when the first message of an id was stored
	full   bool                 // the disk is
	// Closed when something is being written, or is done; made by who waits for that.
	writing, doing chan struct{}
}

func newSoakStore(s *soak) *soakStore {
	return &soakStore{s: s, queues: make(map[transport.WriteKey]*soakQueue), since: make(map[string]time.Time)}
}

// A soakQueue is what the disk has of one key.
type soakQueue struct {
	all     []Stored
	done    []bool // by number, from 0
	first   int    // the place of the first that is not done
	left    int    // how many are not done
	lately  []lately
	unsaved []*group // written, and not synced
}

// lately is a message that was done lately: a kill may find that it was not noted down.
type lately struct {
	place int
	at    time.Time
}

// A group is what one Append writes.
type group struct{ from, to int }

// open makes a queue for one life.
func (st *soakStore) open(l *life, key transport.WriteKey) *openQueue {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	q := st.queues[key]
	if q == nil {
		q = new(soakQueue)
		st.queues[key] = q
	}
	o := &openQueue{l: l, q: q, changed: make(chan struct{})}
	l.queues = append(l.queues, o)
	return o
}

// fillUp lets the disk be full now and then.
func (st *soakStore) fillUp() {
	for s := st.s; time.Now().Before(s.end); {
		s.mu.Lock()
		st.full = !st.full
		wait := s.upTo(10 * time.Minute)
		if !st.full {
			wait = s.upTo(4 * time.Hour)
		}
		s.mu.Unlock()
		time.Sleep(min(wait, time.Until(s.end)))
	}
	st.s.mu.Lock()
	st.full = false
	st.s.mu.Unlock()
}

// kill ends a life's queues as a kill of the process does: what was being written is there in part, and what was done last may be
// forgotten. The lock is held.
func (st *soakStore) kill(l *life) {
	for _, o := range l.queues {
		o.close()
		q := o.q
		for _, g := range q.unsaved {
			st.s.note("kill while storing")
			for i := g.from + st.s.chance.IntN(g.to-g.from+1); i < g.to; i++ {
				q.end(i)
			}
		}
		q.unsaved = nil
		for n := len(q.lately); n > 0 && time.Since(q.lately[n-1].at) < time.Second; n-- {
			st.s.note("done forgotten")
			q.restore(q.lately[n-1].place)
			if st.s.chance.IntN(20) == 0 {
				break
			}
		}
		q.lately = nil
	}
}

// end and restore make a message done, and not done.
func (q *soakQueue) end(place int) {
	if q.done[place] {
		return
	}
	q.done[place] = true
	q.left--
	for q.first < len(q.all) && q.done[q.first] {
		q.first++
	}
}

func (q *soakQueue) restore(place int) {
	q.done[place] = false
	q.left++
	q.first = min(q.first, place)
}

// checkEmpty is for the end of the day. The lock is held.
func (st *soakStore) checkEmpty() {
	for _, q := range st.queues {
		if q.left > 0 {
			st.s.failf("%d messages are left in the store", q.left)
		}
	}
}

// Queue implements Store.
func (l *life) Queue(key transport.WriteKey) (Queue, error) { return l.s.store.open(l, key), nil }

// An openQueue is a queue as one life of the client has it open. soak.mu guards it.
type openQueue struct {
	l       *life
	q       *soakQueue
	place   int // where Next goes on
	reading bool
	closed  bool
	changed chan struct{} // closed when messages are done
}

func (o *openQueue) close() {
	if !o.closed {
		o.closed = true
		close(o.changed)
	}
}

// Append implements Queue.
func (o *openQueue) Append(ctx context.Context, payloads [][]byte, block bool) error {
	g, err := o.write(ctx, payloads, block)
	s := o.l.s
	s.mu.Lock()
	if err != nil {
		o.l.unwritten += len(payloads)
		s.mu.Unlock()
		return err
	}
	sync := s.upTo(2 * time.Millisecond)
	s.mu.Unlock()
	time.Sleep(sync)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(o.q.unsaved, g); i >= 0 {
		o.q.unsaved = slices.Delete(o.q.unsaved, i, i+1)
	}
	if o.l.over {
		return errKill
	}
	return nil
}

func (o *openQueue) write(ctx context.Context, payloads [][]byte, block bool) (*group, error) {
	s := o.l.s
	s.mu.Lock()
	took := s.upTo(2 * time.Millisecond)
	s.mu.Unlock()
	time.Sleep(took)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case o.closed:
			return nil, ErrClosed
		case s.store.full && !s.calm:
			s.note("disk full")
			return nil, errDisk
		}
		if o.q.left+len(payloads) <= storeRoom || o.q.left == 0 {
			break
		}
		s.note("store full")
		if !block {
			return nil, ErrQueueFull
		}
		changed := o.changed
		s.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	if s.roll(0.005) {
		s.note("unreadable")
		o.q.add([]byte("not a message"))
	}
	g := &group{from: len(o.q.all)}
	for _, payload := range payloads {
		o.q.add(slices.Clone(payload))
		m, _, _, _, _ := parseStored(payload)
		if id := idOf(m.Body); s.store.since[id].IsZero() {
			s.store.since[id] = time.Now()
		}
	}
	g.to = len(o.q.all)
	o.q.unsaved = append(o.q.unsaved, g)
	spring(&s.store.writing)
	return g, nil
}

func (q *soakQueue) add(payload []byte) {
	q.all = append(q.all, Stored{Seq: uint64(len(q.all) + 1), Payload: payload, At: time.Now()})
	q.done = append(q.done, false)
	q.left++
}

// Next implements Queue.
func (o *openQueue) Next(maxBytes int) ([]Stored, error) {
	s := o.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.reading {
		s.failf("a queue is read by two at once")
	}
	o.reading = true
	took := s.upTo(time.Millisecond)
	s.mu.Unlock()
	time.Sleep(took)
	s.mu.Lock()
	o.reading = false
	if o.closed {
		return nil, ErrClosed
	}
	if s.roll(0.01) {
		s.note("read fails")
		return nil, errDisk
	}
	var out []Stored
	for n := 0; o.place < len(o.q.all) && (n == 0 || n < maxBytes); o.place++ {
		if !o.q.done[o.place] {
			out = append(out, o.q.all[o.place])
			n += len(o.q.all[o.place].Payload)
		}
	}
	return out, nil
}

// Reset implements Queue.
func (o *openQueue) Reset(seq uint64) {
	s := o.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.reading {
		s.failf("a queue is reset while it is read")
	}
	o.place = max(int(seq), 1) - 1
}

// Done implements Queue. A message is done once, and after its outcome.
func (o *openQueue) Done(seqs []uint64) {
	s := o.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.closed {
		return
	}
	now := time.Now()
	for _, seq := range seqs {
		place := int(seq) - 1
		if o.q.done[place] {
			s.failf("message %d of the store is done twice", seq)
		}
		o.q.end(place)
		o.q.lately = append(o.q.lately, lately{place, now})
		o.l.dones++
		o.l.checkDone(o.q.all[place])
	}
	for len(o.q.lately) > 0 && now.Sub(o.q.lately[0].at) > time.Second {
		o.q.lately = o.q.lately[1:]
	}
	close(o.changed)
	o.changed = make(chan struct{})
	spring(&s.store.doing)
}

// spring closes a trap, where one is set.
func spring(trap *chan struct{}) {
	if *trap != nil {
		close(*trap)
		*trap = nil
	}
}

// checkDone holds that nothing is forgotten that has no outcome. The lock is held.
func (l *life) checkDone(m Stored) {
	msg, _, _, _, err := parseStored(m.Payload)
	if err != nil {
		l.unreadable++
		return
	}
	p := l.s.parcels[idOf(msg.Body)]
	p.enter(l)
	if l.cfg.Observer == nil { // nobody may have been told
		p.ended = p.ended || !p.taken
		return
	}
	if p.observed > 0 {
		return
	}
	for _, o := range p.offers {
		if o.sink != nil && o.sink.canceling {
			return
		}
	}
	l.s.failf("message %s is done in the store, and nobody was told what became of it", p.id)
}

// First implements Queue.
func (o *openQueue) First() uint64 {
	o.l.s.mu.Lock()
	defer o.l.s.mu.Unlock()
	return uint64(o.q.first + 1)
}

// Last implements Queue.
func (o *openQueue) Last() uint64 {
	o.l.s.mu.Lock()
	defer o.l.s.mu.Unlock()
	return uint64(len(o.q.all))
}

// Len implements Queue.
func (o *openQueue) Len() int {
	o.l.s.mu.Lock()
	defer o.l.s.mu.Unlock()
	return o.q.left
}
