package transport

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A simulation is clients, their limiters and a server in virtual time, in one goroutine: the same seed gives the same figures.
// Its clients do what the dispatcher does: one gate each, a batch reserved ahead, what was refused goes first, in halves where it
// has become too large, and Retry-After holds the whole client back and takes the reservation.
type simulation struct {
	now     time.Duration
	steps   []step // by time
	rng     *rand.Rand
	answer  func(events int) (accepted bool, retryAfter time.Duration)
	latency func() time.Duration // one way

	clients []*simClient
}

type step struct {
	at  time.Duration
	run func()
}

func newSimulation() *simulation {
	s := &simulation{rng: rand.New(rand.NewPCG(1, 2))}
	s.latency = func() time.Duration { return 10 * time.Millisecond }
	return s
}

// epoch is where virtual time begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *simulation) time() time.Time { return epoch.Add(s.now) }

// after runs a function later; what is due at one time runs in the order of the calls.
func (s *simulation) after(d time.Duration, run func()) {
	at := s.now + d
	i, _ := slices.BinarySearchFunc(s.steps, at, func(st step, at time.Duration) int {
		return cmp.Or(cmp.Compare(st.at, at), -1)
	})
	s.steps = slices.Insert(s.steps, i, step{at, run})
}

// run lets so much time pass.
func (s *simulation) run(d time.Duration) {
	end := s.now + d
	for len(s.steps) > 0 && s.steps[0].at <= end {
		next := s.steps[0]
		s.steps = s.steps[1:]
		s.now = next.at
		next.run()
	}
	s.now = end
}

// A tally is what a client has seen.
type tally struct {
	requests, throttled, accepted int
}

func (t tally) minus(o tally) tally {
	return tally{t.requests - o.requests, t.throttled - o.throttled, t.accepted - o.accepted}
}

type simClient struct {
	s       *simulation
	limiter *Limiter
	size    int        // most events of a batch
	senders int        // requests in flight at once
	backlog func() int // events that wait to be sent

	sent     int
	inFlight int
	refused  []int // sizes of batches
	paused   time.Duration
	reserved int // size of the batch that goes next, 0 for none
	grant    time.Duration
	waited   bool
	tally    tally
}

// client adds a client that always has more to send.
func (s *simulation) client(l *Limiter, size, senders int) *simClient {
	c := &simClient{s: s, limiter: l, size: size, senders: senders}
	c.backlog = func() int { return math.MaxInt }
	s.clients = append(s.clients, c)
	s.after(0, c.pump)
	return c
}

// pump sends what may go now.
func (c *simClient) pump() {
	for c.inFlight < c.senders && c.paused <= c.s.now {
		if c.reserved == 0 {
			if c.reserved = c.next(); c.reserved == 0 {
				return
			}
			wait := c.limiter.Reserve(c.s.time(), c.reserved)
			c.grant, c.waited = c.s.now+wait, wait > 0
			if wait > 0 {
				c.s.after(wait, c.pump)
			}
		}
		if c.grant > c.s.now {
			return
		}
		c.send()
	}
}

// next returns the size of the next batch, 0 where there is none.
func (c *simClient) next() int {
	most := c.limiter.MaxBatch()
	if len(c.refused) == 0 {
		n := min(c.size, most, c.backlog())
		c.sent += n
		return n
	}
	n := c.refused[0]
	c.refused = c.refused[1:]
	for n > 2*most {
		c.refused = slices.Insert(c.refused, 0, n-n/2)
		n /= 2
	}
	return n
}

func (c *simClient) send() {
	o := Observation{Sent: c.s.time(), Events: c.reserved, Waited: c.waited}
	c.reserved = 0
	c.inFlight++
	c.s.after(c.s.latency(), func() {
		o.Accepted, o.RetryAfter = c.s.answer(o.Events)
		o.Throttled = !o.Accepted
		c.s.after(c.s.latency(), func() { c.answered(o) })
	})
}

func (c *simClient) answered(o Observation) {
	o.Answered = c.s.time()
	c.limiter.Observe(o)
	c.tally.requests++
	busy := time.Duration(0)
	switch {
	case o.Accepted:
		c.tally.accepted += o.Events
	case o.RetryAfter > 0:
		c.tally.throttled++
		c.refused = append(c.refused, o.Events)
		pause := o.RetryAfter + time.Duration(c.s.rng.Int64N(int64(o.RetryAfter)/10))
		c.paused = max(c.paused, c.s.now+pause)
		if c.reserved > 0 {
			c.refused = slices.Insert(c.refused, 0, c.reserved)
			c.reserved = 0
		}
		c.s.after(pause, c.pump)
	default:
		c.tally.throttled++
		c.refused = append(c.refused, o.Events)
		busy = max(50*time.Millisecond, time.Duration(c.s.rng.Int64N(int64(time.Second/2))))
	}
	c.s.after(busy, func() {
		c.inFlight--
		c.pump()
	})
}

// A simBucket is a server with a token bucket of one second.
type simBucket struct {
	s          *simulation
	limit      float64
	retryAfter bool // whole seconds, rounded up; else there is no such header
	tokens     float64
	at         time.Duration
}

func (s *simulation) bucket(limit float64, retryAfter bool) *simBucket {
	b := &simBucket{s: s, limit: limit, retryAfter: retryAfter, tokens: limit}
	s.answer = b.answer
	return b
}

func (b *simBucket) answer(events int) (bool, time.Duration) {
	b.tokens = min(b.limit, b.tokens+b.limit*(b.s.now-b.at).Seconds())
	b.at = b.s.now
	n := float64(events)
	if n <= b.tokens {
		b.tokens -= n
		return true, 0
	}
	if !b.retryAfter {
		return false, 0
	}
	wait := (min(n, b.limit) - b.tokens) / b.limit
	return false, time.Duration(max(math.Ceil(wait), 1)) * time.Second
}

// A phase is some time under one limit, as all clients together saw it.
type phase struct {
	settled   time.Duration // until two seconds were used to 90 %; 0 where that did not come
	used      float64       // share of the limit, from then on
	throttled float64       // share of requests answered 429, from then on
	early     int           // requests answered 429 before
	shares    []float64     // of each client in what was accepted
}

// measure runs a phase.
func (s *simulation) measure(limit float64, length time.Duration) (p phase) {
	start := s.now
	before := s.totals()
	for p.settled == 0 && s.now < start+length/2 {
		last := s.totals()
		s.run(2 * time.Second)
		if float64(sum(s.totals()).minus(sum(last)).accepted) >= 0.9*2*limit {
			p.settled = s.now - start
		}
	}
	p.early = sum(s.totals()).minus(sum(before)).throttled
	before = s.totals()
	rest := start + length - s.now
	s.run(rest)
	all := sum(s.totals()).minus(sum(before))
	p.used = float64(all.accepted) / (limit * rest.Seconds())
	p.throttled = float64(all.throttled) / float64(all.requests)
	for i, t := range s.totals() {
		p.shares = append(p.shares, float64(t.minus(before[i]).accepted)/float64(all.accepted))
	}
	return p
}

func (s *simulation) totals() (all []tally) {
	for _, c := range s.clients {
		all = append(all, c.tally)
	}
	return all
}

func sum(all []tally) (t tally) {
	for _, o := range all {
		t = tally{t.requests + o.requests, t.throttled + o.throttled, t.accepted + o.accepted}
	}
	return t
}

// adaptiveLimiter returns a limiter that does not know its limit.
func adaptiveLimiter(t testing.TB) *Limiter {
	t.Helper()
	return newTestLimiter(t, LimiterConfig{EventsPerSecond: -1, RequestsPerSecond: -1, Adaptive: true})
}
