package transport

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// The servers of most of these tests say Retry-After, in whole seconds, or nothing.
var bothAnswers = []struct {
	name       string
	retryAfter bool
}{{"Retry-After", true}, {"no Retry-After", false}}

// A bound is what is asked of a phase.
type bound struct {
	settled         time.Duration
	early           int
	used, throttled float64
}

func (p phase) within(t *testing.T, limit float64, want bound) {
	t.Helper()
	if p.settled == 0 || p.settled > want.settled {
		t.Errorf("limit %v: settled after %v, want %v at most", limit, p.settled, want.settled)
	}
	if p.early > want.early {
		t.Errorf("limit %v: %d requests were answered 429 before it settled, want %d at most", limit, p.early, want.early)
	}
	if p.used < want.used {
		t.Errorf("limit %v: %.1f %% of it was used, want %.1f", limit, 100*p.used, 100*want.used)
	}
	if p.throttled > want.throttled {
		t.Errorf("limit %v: %.2f %% of the requests were answered 429, want %.2f at most", limit, 100*p.throttled, 100*want.throttled)
	}
	t.Logf("limit %v: settled after %v and %d answers of 429, then %.1f %% used, %.2f %% answered 429",
		limit, p.settled, p.early, 100*p.used, 100*p.throttled)
}

// Row 29 of the fault matrix: a limit that nobody has told, and that changes. The figures are the worst of all cases, as
// measured; what is asked is a little less.
//
//	limit    settled after  429s until then   used     requests answered 429
//	1,000     2 s            0                99.2 %   0.46 %
//	  300     2 s            6                98.8 %   0.58 %
//	2,000    58 s            0                98.4 %   0.44 %
//	   50    12 s           11                98.3 %   0.64 %
//	1,000    82 s            0                98.3 %   0.43 %
func TestAdaptiveRateFindsAHiddenLimit(t *testing.T) {
	phases := []struct {
		limit float64
		want  bound
	}{
		{1_000, bound{4 * time.Second, 0, 0.97, 0.008}},
		{300, bound{10 * time.Second, 12, 0.97, 0.008}},
		{2_000, bound{75 * time.Second, 0, 0.97, 0.008}},
		{50, bound{25 * time.Second, 20, 0.97, 0.010}},
		{1_000, bound{100 * time.Second, 0, 0.97, 0.008}},
	}
	for _, server := range bothAnswers {
		for _, size := range []int{50, MaxBatchMessages} {
			for _, senders := range []int{1, 2, 4, 8} {
				t.Run(fmt.Sprintf("%s, batches of %d at most, %d senders", server.name, size, senders), func(t *testing.T) {
					s := newSimulation()
					b := s.bucket(phases[0].limit, server.retryAfter)
					s.client(adaptiveLimiter(t), size, senders)
					for _, p := range phases {
						b.limit = p.limit
						s.measure(p.limit, 5*time.Minute).within(t, p.limit, p.want)
					}
				})
			}
		}
	}
}

// Servers that are not quite what the limiter takes them for. Measured with Retry-After, and without:
//
//	bucket of half a second     92.5, 100.0 % used     0.41, 0.48 % of requests answered 429
//	bucket of five seconds     100.1, 100.0 %          0.38, 0.50 %
//	fixed windows of a second   83.1,  89.5 %          0.41, 0.46 %
//	answers that overtake       97.8, 100.0 %          0.39, 0.48 %
//
// A window forgives nothing: the quiet after each 429 takes the next one as well.
func TestAdaptiveRateWithOtherServers(t *testing.T) {
	const limit = 700
	bucket := func(seconds float64) func(*simulation) func(int) bool {
		return func(s *simulation) func(int) bool {
			tokens, at := 0.0, time.Duration(0)
			return func(events int) bool {
				tokens = min(seconds*limit, tokens+limit*(s.now-at).Seconds())
				at = s.now
				if float64(events) > tokens {
					return false
				}
				tokens -= float64(events)
				return true
			}
		}
	}
	window := func(s *simulation) func(int) bool {
		current, taken := time.Duration(-1), 0
		return func(events int) bool {
			if w := s.now / time.Second; w != current {
				current, taken = w, 0
			}
			if taken+events > limit {
				return false
			}
			taken += events
			return true
		}
	}
	for _, c := range []struct {
		name      string
		server    func(*simulation) func(int) bool
		jitter    bool
		used      float64
		throttled float64
	}{
		{"bucket of half a second", bucket(0.5), false, 0.90, 0.01},
		{"bucket of five seconds", bucket(5), false, 0.98, 0.01},
		{"fixed windows of a second", window, false, 0.75, 0.01},
		{"answers that overtake each other", bucket(1), true, 0.96, 0.01},
	} {
		for _, answers := range bothAnswers {
			t.Run(c.name+", "+answers.name, func(t *testing.T) {
				s := newSimulation()
				if c.jitter {
					s.latency = func() time.Duration {
						return time.Millisecond + time.Duration(s.rng.Int64N(int64(200*time.Millisecond)))
					}
				}
				accepts := c.server(s)
				s.answer = func(events int) (bool, time.Duration) {
					switch {
					case accepts(events):
						return true, 0
					case answers.retryAfter:
						return false, time.Second
					}
					return false, 0
				}
				s.client(adaptiveLimiter(t), MaxBatchMessages, 8)
				s.run(5 * time.Minute)
				s.measure(limit, 10*time.Minute).within(t, limit, bound{time.Minute, 10, c.used, c.throttled})
			})
		}
	}
}

// Row 30: two clients share a limit. With one limiter they are as one; with a limiter each, as in two processes, they find their
// parts all the same. Of 400 stretches of 5 minutes, the smaller part was 34 % in the worst.
func TestAdaptiveClientsShareALimit(t *testing.T) {
	for _, server := range bothAnswers {
		for _, shared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, one limiter %v", server.name, shared), func(t *testing.T) {
				s := newSimulation()
				s.bucket(1_000, server.retryAfter)
				first, second := adaptiveLimiter(t), adaptiveLimiter(t)
				if shared {
					second = first
				}
				s.client(first, MaxBatchMessages, 4)
				s.run(time.Minute)
				s.client(second, MaxBatchMessages, 4)
				for range 4 {
					p := s.measure(1_000, 5*time.Minute)
					p.within(t, 1_000, bound{20 * time.Second, 12, 0.97, 0.01})
					for i, share := range p.shares {
						if share < 0.3 {
							t.Errorf("client %d had %.0f %%", i, 100*share)
						}
					}
				}
			})
		}
	}
}

// A server of windows: 10,000 events in 20 s, and then quiet until the next window. Sending more slowly gains nothing.
func TestAdaptiveRateIsNotCutByAWindow(t *testing.T) {
	s := newSimulation()
	window, taken := time.Duration(-1), 0
	var quietUntil time.Duration
	s.answer = func(events int) (bool, time.Duration) {
		if s.now < quietUntil-time.Second {
			t.Errorf("a request %v before the quiet ends", quietUntil-s.now)
		}
		if w := s.now / (20 * time.Second); w != window {
			window, taken = w, 0
		}
		if taken+events > 10_000 {
			retryAfter := (window+1)*20*time.Second - s.now
			retryAfter = (retryAfter + time.Second - 1).Truncate(time.Second)
			quietUntil = s.now + retryAfter
			return false, retryAfter
		}
		taken += events
		return true, 0
	}
	l := adaptiveLimiter(t)
	c := s.client(l, MaxBatchMessages, 1)
	last := l.EventsPerSecond()
	for range 600 {
		s.run(time.Second)
		if rate := l.EventsPerSecond(); rate < last {
			t.Fatalf("after %v the rate was cut from %v to %v", s.now, last, rate)
		} else {
			last = rate
		}
	}
	if last > 1_100 {
		t.Errorf("the rate grew to %v", last)
	}
	if c.tally.accepted < 28*10_000 || c.tally.throttled > 30 {
		t.Errorf("in 30 windows %d events were accepted, and %d requests answered 429", c.tally.accepted, c.tally.throttled)
	}
}

// While a server refuses everything the rate falls to next to nothing, but the limit is remembered. Measured: 16 s until it is
// used again.
func TestAdaptiveRateComesBackFromAnOutage(t *testing.T) {
	for _, server := range bothAnswers {
		t.Run(server.name, func(t *testing.T) {
			s := newSimulation()
			b := s.bucket(1_000, server.retryAfter)
			l := adaptiveLimiter(t)
			c := s.client(l, MaxBatchMessages, 8)
			s.run(time.Minute)
			before := c.tally
			s.answer = func(int) (bool, time.Duration) {
				if server.retryAfter {
					return false, time.Second
				}
				return false, 0
			}
			s.run(time.Minute)
			if n := c.tally.minus(before).throttled; n > 130 {
				t.Errorf("%d requests in the minute of the outage", n)
			}
			s.answer = b.answer
			s.measure(1_000, 5*time.Minute).within(t, 1_000, bound{25 * time.Second, 8, 0.97, 0.01})
		})
	}
}

func TestAdaptiveRateDoesNotGrowUnused(t *testing.T) {
	accepting := func(int) (bool, time.Duration) { return true, 0 }
	t.Run("bursts that the bucket takes", func(t *testing.T) {
		s := newSimulation()
		s.answer = accepting
		l := adaptiveLimiter(t)
		c := s.client(l, MaxBatchMessages, 4)
		offered := 0
		c.backlog = func() int { return offered - c.sent }
		for range 600 {
			offered += 200
			c.pump()
			s.run(time.Second)
		}
		if c.tally.accepted != offered {
			t.Errorf("%d events of %d were sent", c.tally.accepted, offered)
		}
		if rate := l.EventsPerSecond(); rate != DefaultEventsPerSecond {
			t.Errorf("the rate is %v", rate)
		}
	})
	t.Run("a slow server and one sender", func(t *testing.T) {
		s := newSimulation()
		s.answer = accepting
		s.latency = func() time.Duration { return time.Second }
		l := adaptiveLimiter(t)
		s.client(l, MaxBatchMessages, 1)
		s.run(10 * time.Minute)
		if rate := l.EventsPerSecond(); rate != DefaultEventsPerSecond {
			t.Errorf("the rate is %v", rate)
		}
	})
	t.Run("a ceiling", func(t *testing.T) {
		s := newSimulation()
		b := s.bucket(600, true)
		l := newTestLimiter(t, LimiterConfig{EventsPerSecond: 800, RequestsPerSecond: -1, Adaptive: true})
		s.client(l, MaxBatchMessages, 4)
		s.run(2 * time.Minute)
		if rate := l.EventsPerSecond(); rate > 700 {
			t.Errorf("with a limit of 600 the rate is %v", rate)
		}
		b.limit = 5_000
		for range 300 {
			s.run(time.Second)
			if rate := l.EventsPerSecond(); rate > 800 {
				t.Fatalf("the rate is %v, above its ceiling", rate)
			}
		}
		if rate := l.EventsPerSecond(); rate != 800 {
			t.Errorf("the rate is %v, below its ceiling", rate)
		}
	})
}

// Row 31: what was under way when the server said stop is told once.
func TestSixteenRequestsUnderWayAreOneCut(t *testing.T) {
	for _, retryAfter := range []time.Duration{0, time.Second, 5 * time.Second} {
		l := adaptiveLimiter(t)
		now := epoch
		for i := range 16 {
			l.Observe(Observation{
				Sent: now.Add(time.Duration(i) * time.Millisecond), Answered: now.Add(time.Duration(20+i) * time.Millisecond),
				Events: 50, Throttled: true, RetryAfter: retryAfter, Waited: true,
			})
		}
		if rate := l.EventsPerSecond(); rate != 970 {
			t.Errorf("Retry-After of %v: the rate is %v, want 970", retryAfter, rate)
		}
		if wait := l.Reserve(now.Add(35*time.Millisecond), 1); wait != max(0, retryAfter-15*time.Millisecond) {
			t.Errorf("Retry-After of %v: the next request waits %v", retryAfter, wait)
		}
	}
}

// One 429 to a client that hardly sends says little about the limit: others may have used it up.
func TestA429ToAnIdleClientCutsLittle(t *testing.T) {
	l := adaptiveLimiter(t)
	now := epoch
	for i := range 100 {
		now = now.Add(time.Minute)
		l.Observe(Observation{Sent: now, Answered: now.Add(20 * time.Millisecond), Events: 100, Accepted: i%50 > 0, Throttled: i%50 == 0})
	}
	if rate := l.EventsPerSecond(); rate < 900 || rate > 980 {
		t.Errorf("after two answers of 429 in 100 minutes the rate is %v", rate)
	}
}

// Batches that were filled at a higher rate may be under way, or go once more: they are no measure for the present one.
func TestBatchesOfAHigherRate(t *testing.T) {
	l := adaptiveLimiter(t)
	at := epoch
	observe := func(o Observation) float64 {
		at = at.Add(time.Second)
		o.Sent, o.Answered, o.Waited = at, at.Add(20*time.Millisecond), true
		l.Observe(o)
		return l.EventsPerSecond()
	}
	if rate := observe(Observation{Events: 1_001, Throttled: true}); rate != 1_000 {
		t.Errorf("a batch of more than a second's events was refused: the rate is %v", rate)
	}
	if rate := observe(Observation{Events: 1_000, Throttled: true}); rate != 970 {
		t.Errorf("a batch of a second's events was refused: the rate is %v", rate)
	}
	// A second of 15 on the way back: the 30 that are missing shrink with the third power.
	want := 1_000 - 30*math.Pow(14.0/15, 3)
	if rate := observe(Observation{Events: MaxBatchMessages, Accepted: true}); math.Abs(rate-want) > 1e-9 {
		t.Errorf("a batch of more than two seconds' events was accepted: the rate is %v, want %v", rate, want)
	}
}

func TestObserveWithoutAdaptive(t *testing.T) {
	throttled := Observation{Sent: epoch, Answered: epoch.Add(time.Second), Events: 50, Throttled: true, RetryAfter: time.Second, Waited: true}
	var none *Limiter
	none.Observe(throttled)
	l := newTestLimiter(t, LimiterConfig{})
	l.Observe(throttled)
	if rate, size := l.EventsPerSecond(), l.MaxBatch(); rate != 1_000 || size != 250 {
		t.Errorf("a limiter that is not adaptive has a rate of %v and batches of %d", rate, size)
	}
	l = newTestLimiter(t, LimiterConfig{EventsPerSecond: -1})
	l.Observe(throttled)
	if rate := l.EventsPerSecond(); !math.IsInf(rate, 1) {
		t.Errorf("a limiter without limit has a rate of %v", rate)
	}
}

func TestAdaptiveConfig(t *testing.T) {
	for _, c := range []struct {
		rate, want float64
		maxBatch   int
	}{
		{0, 1_000, 125},
		{-1, 1_000, 125},
		{400, 400, 50},
		{3, 3, 1},
		{0.5, 0.5, 1},
		{1e9, 1e9, 2_500},
	} {
		l := newTestLimiter(t, LimiterConfig{EventsPerSecond: c.rate, Adaptive: true})
		if rate, size := l.EventsPerSecond(), l.MaxBatch(); rate != c.want || size != c.maxBatch {
			t.Errorf("%v: a rate of %v and batches of %d, want %v and %d", c.rate, rate, size, c.want, c.maxBatch)
		}
	}
}

func TestSetEventsPerSecondStartsLearningAnew(t *testing.T) {
	l := adaptiveLimiter(t)
	throttle := func(i int) {
		at := epoch.Add(time.Duration(i) * time.Minute)
		l.Observe(Observation{Sent: at, Answered: at, Events: 20, Throttled: true})
	}
	throttle(1)
	for _, c := range []struct{ set, start, cut float64 }{
		{200, 200, 194},
		{math.Inf(1), 194, 0.97 * 194},
	} {
		l.SetEventsPerSecond(c.set)
		if rate := l.EventsPerSecond(); rate != c.start {
			t.Errorf("set to %v: it starts at %v, want %v", c.set, rate, c.start)
		}
		throttle(2)
		if rate := l.EventsPerSecond(); math.Abs(rate-c.cut) > 1e-9 {
			t.Errorf("set to %v: a 429 cuts it to %v, want %v", c.set, rate, c.cut)
		}
	}
}

// Whatever is observed, in whatever order and at whatever times, the rate stays between 1 and its ceiling.
func TestObserveTakesAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		ceiling := 1 + 3_000*rng.Float64()
		l := newTestLimiter(t, LimiterConfig{EventsPerSecond: ceiling, RequestsPerSecond: -1, Adaptive: true})
		at := epoch
		for range 300 {
			at = at.Add(time.Duration(rng.ExpFloat64() * float64(rng.IntN(5)) * float64(time.Second)))
			o := Observation{
				Sent: at.Add(time.Duration(rng.NormFloat64() * float64(time.Second))), Answered: at,
				Events: rng.IntN(300) - 10, Accepted: rng.IntN(3) > 0, Throttled: rng.IntN(5) == 0,
				RetryAfter: time.Duration(rng.IntN(8)-1) * time.Second, Waited: rng.IntN(2) == 0,
			}
			if rng.IntN(50) == 0 {
				o.Sent, o.Answered = time.Time{}, at.Add(-time.Hour)
			}
			l.Observe(o)
			if rate := l.EventsPerSecond(); !(rate >= 1 && rate <= ceiling) {
				t.Fatalf("%+v: the rate is %v, its ceiling %v", o, rate, ceiling)
			}
			if wait := l.Reserve(at, rng.IntN(100)); wait < 0 {
				t.Fatalf("%+v: a wait of %v", o, wait)
			}
		}
	}
}

func TestAdaptiveLimiterIsSafeForConcurrentUse(t *testing.T) {
	l := newTestLimiter(t, LimiterConfig{EventsPerSecond: 100_000, Adaptive: true})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				sent := time.Now()
				waited := l.Reserve(sent, 10) > 0
				l.Observe(Observation{Sent: sent, Answered: time.Now(), Events: 10, Accepted: n%50 != i, Throttled: n%50 == i, Waited: waited})
				if size := l.MaxBatch(); size < 1 || size > MaxBatchMessages {
					t.Errorf("MaxBatch is %d", size)
				}
			}
		})
	}
	wg.Wait()
}

func TestObserveDoesNotAllocate(t *testing.T) {
	l := adaptiveLimiter(t)
	at := epoch
	if n := testing.AllocsPerRun(1_000, func() {
		at = at.Add(100 * time.Millisecond)
		l.Observe(Observation{Sent: at, Answered: at.Add(20 * time.Millisecond), Events: 100, Accepted: true, Waited: true})
	}); n > 0 {
		t.Errorf("%v allocations an attempt", n)
	}
}
