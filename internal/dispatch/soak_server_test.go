package dispatch

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"runtime"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// narrowBytes is what a server takes at once that answers 413.
const narrowBytes = 600

// grants is a bucket of one second's worth of events.
type grants struct {
	rate, tokens float64
	last         time.Time
}

func (g *grants) take(n int, now time.Time) bool {
	g.tokens = min(g.rate, g.tokens+g.rate*now.Sub(g.last).Seconds())
	g.last = now
	if g.tokens < float64(n) {
		return false
	}
	g.tokens -= float64(n)
	return true
}

// A leak finds out whether in any window of w seconds more than rate x w + burst came.
type leak struct {
	rate, burst float64 // no limit where rate is not above 0
	level       float64
	last        time.Time
}

// spills tells whether n more are too many.
func (l *leak) spills(n int, now time.Time) bool {
	if l.rate <= 0 {
		return false
	}
	l.level = max(0, l.level-l.rate*now.Sub(l.last).Seconds()) + float64(n)
	l.last = now
	return l.level > l.burst+0.01
}

// A wire is the server, and the network before it, as one life of the client sees them. soak.mu guards it.
type wire struct {
	events, requests leak
	batchMessages    int
	attemptTime      time.Duration
	held             bool // a hook may keep answers from being acted on at once

	// The server has asked for quiet between these two.
	quietFrom, quietUntil time.Time
	// Keys that were refused, and are not to be asked again between these two.
	refusedFrom, refusedUntil map[transport.WriteKey]time.Time
	splits                    map[transport.WriteKey]int // since one was accepted; once there are too many of them it stays so
	flying                    map[string]bool            // profiles
	attempts                  int
	throttled                 int
	outages                   int // attempts that met an outage
}

func newWire() wire {
	return wire{
		refusedFrom: make(map[transport.WriteKey]time.Time), refusedUntil: make(map[transport.WriteKey]time.Time),
		splits: make(map[transport.WriteKey]int), flying: make(map[string]bool),
	}
}

// A visit is one attempt.
type visit struct {
	parcels []*parcel
	meets   string
	wait    time.Duration
	after   time.Duration // Retry-After
	sum     uint64        // of the bytes
	poison  bool
}

var soakHash = maphash.MakeSeed()

// errSoak is what a request ends with that has no answer.
var errSoak = errors.New("connection reset")

// Deliver implements transport.Transport.
func (l *life) Deliver(ctx context.Context, b *transport.Batch) (r transport.Result) {
	s := l.s
	v, ok := l.arrive(b)
	if !ok {
		return transport.Result{Err: errSoak}
	}
	defer func() { l.depart(v, b, r) }()
	if !sleep(ctx, v.wait) {
		return transport.Result{Err: ctx.Err()}
	}
	status := func(class transport.Class, status int) transport.Result {
		return transport.Result{Class: class, Status: status, Requests: 1, Err: errSoak}
	}
	switch v.meets {
	case sky5xx:
		return status(transport.Retry, 503)
	case skyThrottled, skyShut:
		return transport.Result{Status: 429, RetryAfter: v.after, Err: errSoak}
	case skyBusy:
		return status(transport.Retry, 429)
	case skyHang:
		<-ctx.Done()
		return transport.Result{Ambiguous: true, Err: ctx.Err()}
	case skyDeaf:
		time.Sleep(l.wire.attemptTime + v.after)
		return transport.Result{Ambiguous: true, Err: ctx.Err()}
	case skyRefuse:
		return status(transport.Split, 400)
	case skyLocked:
		return status(transport.Credentials, 401)
	case skyElsewhere:
		return status(transport.Configuration, 302)
	case skyFinal:
		return status(transport.Final, 501)
	case skyPanic:
		panic("transport")
	case skyExit:
		runtime.Goexit()
	case skyOutage:
		return status(transport.Retry, 0)
	case skyNarrow:
		if b.Bytes() > narrowBytes {
			return status(transport.Split, 413)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket := &s.bucket
	if s.calm {
		bucket = &s.quiet
	}
	switch {
	case v.poison:
		s.note("400")
		return status(transport.Split, 400)
	case bucket.rate > 0 && bucket.rate < float64(b.Len()): // it could never pass
		bucket.tokens = 0
	case bucket.rate > 0 && !bucket.take(b.Len(), time.Now()):
		s.note(skyLimit)
		return transport.Result{Status: 429, RetryAfter: time.Second, Err: errSoak}
	}
	if l.over {
		return transport.Result{Err: errSoak}
	}
	l.take(v)
	if v.meets == skySwallow {
		return transport.Result{Ambiguous: true, Err: errSoak}
	}
	return transport.Result{Class: transport.Accepted, Status: 200, Requests: 1}
}

// arrive looks at a request that begins, and decides what it meets.
func (l *life) arrive(b *transport.Batch) (v visit, ok bool) {
	s, now := l.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.over {
		return v, false
	}
	w := &l.wire
	w.attempts++
	if w.events.spills(b.Len(), now) {
		s.failf("a batch of %d is over the rate of %v events a second: %.1f events at once; requests %v", b.Len(), w.events.rate, w.events.level, w.requests.rate)
	}
	if w.requests.spills(1, now) {
		s.failf("a request is over the rate of %v requests a second", w.requests.rate)
	}
	if now.After(w.quietFrom) && now.Before(w.quietUntil) {
		s.failf("a request began %v before Retry-After had passed", w.quietUntil.Sub(now))
	}
	if w.splits[b.WriteKey] <= maxRefusals && now.After(w.refusedFrom[b.WriteKey]) && now.Before(w.refusedUntil[b.WriteKey]) && !w.held {
		s.failf("a refused key was asked again %v too soon", w.refusedUntil[b.WriteKey].Sub(now))
	}
	if b.Len() == 0 || b.Len() > w.batchMessages || b.Bytes() > transport.MaxBatchBytes-transport.EnvelopeBytes {
		s.failf("a batch of %d messages, %d bytes", b.Len(), b.Bytes())
	}
	v = visit{meets: s.meets(b.WriteKey), wait: time.Millisecond + s.upTo(200*time.Millisecond), sum: maphash.Bytes(soakHash, b.Joined())}
	switch v.meets {
	case skyClear:
		v.wait = time.Millisecond + s.upTo(30*time.Millisecond)
	case skyThrottled:
		v.after = time.Second + s.upTo(20*time.Second)
	case skyShut:
		v.after = transport.MaxRetryAfter
		s.note(skyShut)
	case skyDeaf:
		v.after = s.upTo(40 * time.Second)
	case skyOutage:
		w.outages++
	}
	if v.meets != skyShut && v.meets != skyNarrow {
		s.note(v.meets)
	} else if v.meets == skyNarrow && b.Bytes() > narrowBytes {
		s.note(skyNarrow)
	}
	for i := range b.Len() {
		if p := l.inspect(b, b.Message(i), now); p != nil {
			v.parcels = append(v.parcels, p)
			v.poison = v.poison || p.poison
		}
	}
	for _, p := range v.parcels {
		if w.flying[p.profile] {
			s.failf("two batches with messages of profile %s are on the wire at once", p.profile)
		}
	}
	for _, p := range v.parcels {
		w.flying[p.profile] = true
	}
	return v, true
}

// inspect looks at one message of a request that begins. The lock is held.
func (l *life) inspect(b *transport.Batch, body []byte, now time.Time) *parcel {
	s := l.s
	p := s.parcels[idOf(body)]
	if p == nil {
		s.failf("the server got a message that nobody has offered")
		return nil
	}
	p.enter(l)
	if !p.is(b.WriteKey, body) {
		s.failf("message %s has other bytes than were offered, or another key", p.id)
	}
	if !p.again && s.store == nil && p.attempts != b.Retry {
		s.failf("message %s was tried %d times, and its batch says %d", p.id, p.attempts, b.Retry)
	}
	if !p.again && now.Before(p.notBefore) {
		s.failf("message %s is tried again %v too soon", p.id, p.notBefore.Sub(now))
	}
	if at := p.canceledAt(); !at.IsZero() && now.After(at) {
		s.failf("message %s of a canceled sink is sent, %v after", p.id, now.Sub(at))
	}
	if p.attempts++; p.attempts == 1 {
		p.first = now
	}
	return p
}

// depart looks at a request that ends.
func (l *life) depart(v visit, b *transport.Batch, r transport.Result) {
	s, now := l.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &l.wire
	for _, p := range v.parcels {
		delete(w.flying, p.profile)
		p.notBefore = time.Time{}
	}
	if l.over {
		return
	}
	if maphash.Bytes(soakHash, b.Joined()) != v.sum {
		s.failf("the bytes of a batch changed while it was on the wire")
	}
	if r.Status == 429 {
		w.throttled++
	}
	switch r.Class {
	case transport.Retry:
		wait := backoffMin
		if r.RetryAfter > 0 {
			wait = r.RetryAfter
			if until := now.Add(wait); until.After(w.quietUntil) {
				if now.After(w.quietUntil) {
					w.quietFrom = now
				}
				w.quietUntil = until
			}
		}
		for _, p := range v.parcels {
			p.notBefore = now.Add(wait)
		}
	case transport.Accepted:
		w.splits[b.WriteKey] = min(w.splits[b.WriteKey], maxRefusals+1)
		if w.splits[b.WriteKey] <= maxRefusals {
			w.splits[b.WriteKey] = 0
		}
		delete(w.refusedUntil, b.WriteKey)
	case transport.Split:
		w.splits[b.WriteKey]++
		if len(v.parcels) == 1 {
			v.parcels[0].refused = transport.Split
		}
	case transport.Credentials, transport.Configuration:
		if !now.Before(w.refusedUntil[b.WriteKey]) {
			w.refusedFrom[b.WriteKey], w.refusedUntil[b.WriteKey] = now, now.Add(keyFailTime)
		}
		l.refused[b.WriteKey] = true
	case transport.Final:
		for _, p := range v.parcels {
			p.refused = transport.Final
		}
	}
}

// take is the server taking a batch: it drops what it has seen, and the rest of each profile has to come in order. The lock is held.
func (l *life) take(v visit) {
	for _, p := range v.parcels {
		p.takenIn = l.number
		if p.taken {
			continue
		}
		p.taken = true
		if p.again {
			continue // it may have been offered again after it had ended
		}
		if last, ok := l.s.last[p.profile]; ok && p.number < last {
			l.s.failf("of profile %s the server got message %d after %d", p.profile, p.number, last)
		}
		l.s.last[p.profile] = p.number
	}
}

// idOf returns the id of an encoded message.
func idOf(body []byte) string {
	const before = `{"messageId":"`
	if len(body) < len(before) {
		return ""
	}
	rest := body[len(before):]
	end := bytes.IndexByte(rest, '"')
	return string(rest[:max(end, 0)])
}
