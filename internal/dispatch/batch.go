package dispatch

import (
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A batch is a transport.Batch with what the queue knows of its messages. Dispatcher.mu guards it, but while it is in flight
// its bytes and metas belong to the attempt.
type batch struct {
	wire  *transport.Batch
	metas []meta
	epoch *epoch
	// root is the batch whose memory wire and metas point into; halves have the root of what they were cut from.
	root *batch
	// parts counts, in a root, the batches that still use its memory.
	parts int

	limit     int               // most messages that it takes
	opened    time.Time         // when the first message came
	waited    bool              // the rate held it back before the last attempt
	notBefore time.Time         // the end of its backoff
	attempts  int               // made so far
	backoffs  int               // of those, the ones that count for the length of the next wait
	first     time.Time         // when the first attempt began
	held      time.Duration     // how long the gate had been held back in all when the first attempt began
	ambiguous bool              // an attempt may have been taken
	last      transport.Result  // of the last attempt
	fault     *transport.Result // why it was not sent, where that is known without asking
	shared    bool              // its messages are others' that they have joined: their bytes are counted there
	total     int               // when it is settled: its messages and those that joined them
	abandoned bool              // shut down while in flight: its messages are settled, and the attempt's result is not wanted
}

// pool keeps the memory of settled batches.
var pool = sync.Pool{New: func() any { return &batch{wire: new(transport.Batch)} }}

// newBatch makes an empty batch.
func newBatch(key transport.WriteKey, e *epoch) *batch {
	b := pool.Get().(*batch)
	b.wire.WriteKey = key
	b.epoch = e
	b.root = b
	b.parts = 1
	return b
}

// add copies a message into the batch.
func (b *batch) add(m *Message, e *entry, profile uint64) {
	b.wire.Append(m.Body)
	b.metas = append(b.metas, meta{
		sink: m.Sink, token: m.Token, entry: e, profile: profile, place: m.place,
		idStart: uint16(m.IDStart), idEnd: uint16(m.IDEnd),
	})
}

// halves cuts the batch in two that share its memory and its history. The batch itself is not used any more.
func (b *batch) halves() (left, right *batch) {
	middle := len(b.metas) / 2
	b.root.parts++ // two parts instead of one
	return b.part(0, middle), b.part(middle, len(b.metas))
}

func (b *batch) part(i, j int) *batch {
	p := *b
	p.wire = b.wire.Slice(i, j)
	p.metas = b.metas[i:j:j]
	p.parts = 0
	return &p
}

// successor returns an empty batch with the history of b, for some of its messages.
func (b *batch) successor() *batch {
	s := newBatch(b.wire.WriteKey, b.epoch)
	wire, metas, root, parts := s.wire, s.metas, s.root, s.parts
	*s = *b
	s.wire, s.metas, s.root, s.parts = wire, metas, root, parts
	return s
}

// free gives the batch's memory back for another use. A transport must not be reading it any more.
func (b *batch) free() {
	root := b.root
	if root.parts--; root.parts > 0 {
		return
	}
	clear(root.metas) // let go of sinks and entries
	root.wire.Reset()
	*root = batch{wire: root.wire, metas: root.metas[:0]}
	pool.Put(root)
}

// settlement is how the batch's messages end, but for what is one message's own, which point sets.
func (b *batch) settlement(status Status) Settlement {
	return Settlement{
		Status:    status,
		Key:       b.wire.WriteKey,
		Attempts:  b.attempts,
		Result:    b.last,
		Fault:     b.fault,
		Ambiguous: b.ambiguous && status != Accepted,
	}
}

// point makes a settlement that of one message.
func (b *batch) point(s *Settlement, i int) {
	m := &b.metas[i]
	s.Body = b.wire.Message(i)
	s.idStart, s.idEnd, s.place = int(m.idStart), int(m.idEnd), i
}

// cost is what the batch's messages take of the budget.
func (b *batch) cost() int {
	if b.shared {
		return metaBytes * b.wire.Len()
	}
	return b.wire.Bytes() - (b.wire.Len() - 1) + metaBytes*b.wire.Len()
}

// costOf is what one message takes.
func (b *batch) costOf(i int) int {
	if b.shared {
		return metaBytes
	}
	return len(b.wire.Message(i)) + metaBytes
}
