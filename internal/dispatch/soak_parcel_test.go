package dispatch

import (
	"slices"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A parcel is all that is known of one messageId. soak.mu guards it.
type parcel struct {
	id      string
	key     transport.WriteKey
	profile string
	number  int // in its profile
	poison  bool
	bodies  []string // that were offered under the id; more than one where somebody offered another message under it
	again   bool     // it was offered more than once

	taken   bool // the server has it
	takenIn int  // the life in which it last got it
	stored  bool // the store has said that it is safe
	ended   bool // somebody was told that it has ended otherwise

	in        int // the number of the life that the rest is about
	attempts  int
	first     time.Time       // when the first attempt began
	notBefore time.Time       // when another attempt may begin
	refused   transport.Class // Split where it was refused alone, or Final; else 0
	observed  int             // times that the observer was told of it
	buried    int             // times that it was kept as a dead letter
	offers    []*offering
}

// enter makes p about a life.
func (p *parcel) enter(l *life) {
	if p.in != l.number {
		p.in, p.attempts, p.first, p.notBefore, p.refused, p.observed, p.buried, p.offers = l.number, 0, time.Time{}, time.Time{}, 0, 0, 0, nil
	}
}

// is tells whether a message of these bytes was offered under the id.
func (p *parcel) is(key transport.WriteKey, body []byte) bool {
	return key == p.key && slices.Contains(p.bodies, string(body))
}

// canceledAt returns from when on the parcel must not be sent any more: its sink was canceled, or it has its outcome.
func (p *parcel) canceledAt() time.Time {
	if p.again || len(p.offers) != 1 {
		return time.Time{}
	}
	o := p.offers[0]
	switch {
	case !o.toldAt.IsZero():
		return o.toldAt
	case o.sink != nil:
		return o.sink.canceledAt
	}
	return time.Time{}
}

// An offering is one call of Offer or Submit. soak.mu guards it.
type offering struct {
	p      *parcel
	sink   *soakSink
	state  string // "", "admitted" or "refused"
	told   []Status
	toldAt time.Time
	done   chan struct{} // closed when it is told
}

// A soakSink waits for the outcomes of some messages. soak.mu guards it.
type soakSink struct {
	l          *life
	offered    []*offering // by token
	open       int         // without an outcome
	canceledAt time.Time
	canceling  bool
	turncoat   bool // cancels itself when it hears of something
	inUse      bool // by a producer
}

// Settle implements Sink.
func (k *soakSink) Settle(token uint64, st *Settlement) {
	s := k.l.s
	s.mu.Lock()
	if k.l.over {
		s.mu.Unlock()
		return
	}
	o := k.offered[token]
	if len(o.told) > 0 {
		s.failf("message %s has an outcome %d after %v", o.p.id, st.Status, o.told)
	}
	if o.state == "refused" {
		s.failf("message %s was refused, and has the outcome %d", o.p.id, st.Status)
	}
	o.told = append(o.told, st.Status)
	o.toldAt = time.Now()
	k.open--
	k.l.examine(o.p, st)
	if st.Status == Unstored {
		o.state = "refused"
	}
	if len(o.told) == 1 {
		close(o.done)
	}
	turns := k.turncoat && k.canceledAt.IsZero() && s.roll(0.05)
	if turns {
		s.note("sink cancels")
	}
	s.mu.Unlock()
	if turns {
		k.cancel()
	}
}

// cancel cancels the sink.
func (k *soakSink) cancel() {
	s := k.l.s
	s.mu.Lock()
	k.canceling = true
	s.mu.Unlock()
	k.l.d.CancelSink(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.canceledAt.IsZero() {
		k.canceledAt = time.Now()
	}
	k.l.cancels = append(k.l.cancels, time.Now())
	s.note("sink canceled")
}

// examine looks at an outcome: it has to be what the server has seen. The lock is held.
func (l *life) examine(p *parcel, st *Settlement) {
	s := l.s
	p.enter(l)
	if len(st.Body) > 0 && !p.is(st.Key, st.Body) {
		s.failf("the outcome of message %s has other bytes, or another key", p.id)
	}
	switch st.Status {
	case Accepted:
		if p.takenIn != l.number {
			s.failf("message %s is accepted, and the server has not got it", p.id)
		}
		if p.again {
			return
		}
		if last := l.heard[p.profile]; p.number < last {
			s.failf("message %d of profile %s is told after %d", p.number, p.profile, last)
		}
		l.heard[p.profile] = p.number
		return
	case Kept:
		if s.store == nil {
			s.failf("message %s is kept, without a store", p.id)
		}
		p.stored = true
		return
	case Unstored:
		return
	case Rejected:
		l.examineRejected(p, st)
	case Exhausted:
		l.examineExhausted(p)
	}
	p.ended = true
	if s.store != nil || p.again { // what is read again from a store has its history no more
		return
	}
	if p.takenIn == l.number && !st.Ambiguous {
		s.failf("message %s has the outcome %d, and the server has got it, which is not said", p.id, st.Status)
	}
	if st.Attempts != p.attempts {
		s.failf("message %s was tried %d times, and its outcome says %d", p.id, p.attempts, st.Attempts)
	}
}

func (l *life) examineRejected(p *parcel, st *Settlement) {
	s, class := l.s, st.Result.Class
	if st.Fault != nil {
		class = st.Fault.Class
	}
	ok := false
	switch class {
	case transport.Split, transport.Final:
		ok = p.refused == class || st.Result.Err == ErrConflict && p.again
	case transport.Credentials:
		ok = l.refused[p.key]
	case transport.Configuration:
		ok = l.refused[p.key] || l.wire.splits[p.key] > maxRefusals
	}
	if !ok || s.store != nil && (class == transport.Credentials || class == transport.Configuration) {
		s.failf("message %s is rejected with %v, and the server has not said so", p.id, class)
	}
	if l.cfg.DeadLetters != nil && p.buried == 0 && st.NotBuried == nil && !p.again {
		s.failf("message %s is rejected, and no dead letter is kept", p.id)
	}
}

func (l *life) examineExhausted(p *parcel) {
	s := l.s
	since, allowed := p.first, l.cfg.Deadline
	if s.store != nil {
		since, allowed = l.s.store.since[p.id], l.cfg.MaxAge
	}
	if allowed == 0 || since.IsZero() || time.Since(since) < allowed-backoffMax {
		s.failf("message %s is exhausted after %v of %v", p.id, time.Since(since), allowed)
	}
}
