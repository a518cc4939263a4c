package dispatch

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// longestHook is how long hooks block at most.
const longestHook = 3 * time.Minute

// A life is a dispatcher from its start to its end, and those around it. soak.mu guards what comes after d.
type life struct {
	s         *soak
	number    int
	cfg       Config
	rate      float64 // events a second; not above 0 without a limit
	adaptive  bool
	ctx       context.Context // ends with the life
	cancel    context.CancelFunc
	producers sync.WaitGroup
	d         *Dispatcher

	wire     wire
	over     bool // killed: what it does counts no more
	refused  map[transport.WriteKey]bool
	heard    map[string]int // by profile: the number of the last message that was told to be accepted
	offered  []*offering
	sinks    []*soakSink
	queues   []*openQueue
	cancels  []time.Time
	hooks    int // that run
	observed int

	dones, unreadable, unwritten int // messages of the store
}

// newLife starts a dispatcher of random habits, some of which may be changed.
func (s *soak) newLife(change func(l *life, requests *float64)) *life {
	rng := s.rng
	l := &life{s: s, refused: make(map[transport.WriteKey]bool), heard: make(map[string]int), wire: newWire()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	l.cfg = Config{
		Transport: l, Lanes: 1 + rng.IntN(5), BatchMessages: pick(1+rng.IntN(60), 100, 2500),
		Linger: time.Duration(pick(0, 50, 250)) * time.Millisecond, MaxMessages: pick(20, 200, 600), MaxBytes: pick(5_000, 100_000, 1_000_000),
		Deadline: time.Duration(pick(1, 5, 10)) * time.Minute, AttemptTime: time.Duration(pick(2, 10)) * time.Second,
	}
	l.rate = float64(pick(-1, 20, 50, 200, 1000))
	requests := float64(pick(-1, -1, 5))
	l.adaptive = l.rate >= 200 && rng.IntN(2) == 0
	if change != nil {
		change(l, &requests)
	}
	if l.rate > 0 || requests > 0 {
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: l.rate, RequestsPerSecond: requests, Adaptive: l.adaptive})
		if err != nil {
			s.t.Fatal(err)
		}
		l.cfg.Limiter = limiter
		l.wire.events = leak{rate: l.rate, burst: max(1, float64(int(l.rate/4)))}
		l.wire.requests = leak{rate: requests, burst: 1}
	}
	if s.store != nil {
		l.cfg.Store = l
		l.cfg.MaxAge = time.Duration(pick(0, 0, 2, 8)) * time.Hour
	}
	if rng.IntN(3) > 0 {
		l.cfg.Observer = l.observe
	}
	if rng.IntN(3) == 0 {
		l.cfg.Attempt = l.watch
		l.wire.held = true
	}
	if rng.IntN(2) == 0 {
		l.cfg.DeadLetters = l.bury
	}
	l.wire.batchMessages, l.wire.attemptTime = l.cfg.BatchMessages, l.cfg.AttemptTime
	s.mu.Lock()
	s.lives++
	s.life, l.number = l, s.lives
	s.mu.Unlock()
	l.d = New(l.cfg)
	for _, key := range s.keys {
		if err := l.d.Open(key); err != nil {
			s.t.Fatal(err)
		}
	}
	return l
}

// play plays the life up to about a time, and ends it.
func (l *life) play(until time.Time) {
	s := l.s
	if until.After(s.end) {
		until = s.end
	}
	for i := range 4 {
		rng := rand.New(rand.NewPCG(s.rng.Uint64(), uint64(i)))
		l.producers.Add(1)
		s.spawn(func() {
			defer l.producers.Done()
			newProducer(l, rng, i).run()
		})
	}
	s.spawn(l.flushNowAndThen)
	s.spawn(l.cancelNowAndThen)
	for time.Now().Before(until) {
		time.Sleep(min(time.Duration(s.rng.Int64N(int64(10*time.Minute))), time.Until(until)))
		synctest.Wait()
		l.sample()
		if s.rng.IntN(30) == 0 {
			l.settleDown()
			l.flood()
			s.rouse()
		}
	}
	switch n := s.rng.IntN(10); {
	case s.store != nil && (l.number <= 2 || l.number > 3 && n < 4):
		l.kill()
	case l.number == 1 || l.number == 3:
		s.setStubborn(true)
		l.burst()
		l.finish(time.Millisecond)
		s.setStubborn(false)
	case n < 8:
		l.finish(time.Duration(s.rng.Int64N(int64(30 * time.Second))))
	default:
		l.finish(time.Hour)
	}
}

// rouse ends the calm.
func (s *soak) rouse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = false
}

func (s *soak) setStubborn(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stubborn = on
}

// settleDown makes all go well, and waits until nothing is queued. Then there must be nothing left: no entry in any map, no goroutine
// and no timer.
func (l *life) settleDown() {
	s := l.s
	s.mu.Lock()
	s.calm, s.quiet = true, grants{}
	s.mu.Unlock()
	begin := time.Now()
	for i := range 3 { // what comes while one Flush waits is for the next
		if i > 0 {
			time.Sleep(10 * time.Second)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		err := l.d.Flush(ctx)
		cancel()
		if err != nil {
			s.mu.Lock()
			s.failf("nothing fails, and a Flush of an hour says %v; %+v", err, l.d.Stats())
			s.mu.Unlock()
		}
	}
	// A hook that blocked, a pause that was asked for, a key that was refused, and then what was queued at the rate.
	if took := time.Since(begin); took > longestHook+2*transport.MaxRetryAfter+10*time.Minute {
		s.mu.Lock()
		s.failf("nothing fails, and it takes %v to deliver what is queued", took)
		s.mu.Unlock()
	}
	l.pour(4) // which linger, and then do not
	synctest.Wait()
	l.mustBeIdle()
}

// kill ends the life as a kill of the process does: while something is being stored, or just after something was noted as done.
func (l *life) kill() {
	s := l.s
	trap := make(chan struct{})
	s.mu.Lock()
	if s.kills++; s.kills%2 == 0 {
		s.store.writing = trap
	} else {
		s.store.doing = trap
	}
	s.mu.Unlock()
	select {
	case <-trap:
	case <-time.After(8 * time.Hour):
	}
	s.mu.Lock()
	s.store.writing, s.store.doing = nil, nil
	s.note("kill")
	l.over = true
	s.store.kill(l)
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.d.Shutdown(ctx) // so that its goroutines end
	l.bringOut()
}

// finish shuts the dispatcher down.
func (l *life) finish(wait time.Duration) {
	s, begin := l.s, time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	canceled := l.d.Stats().Canceled
	left := l.d.Shutdown(ctx)
	if took := time.Since(begin); took > wait+100*time.Millisecond {
		s.mu.Lock()
		s.failf("a Shutdown that had %v took %v", wait, took)
		s.mu.Unlock()
	}
	s.mu.Lock()
	stored := 0
	for _, q := range l.queues {
		stored += q.q.left
		q.close()
	}
	if ctx.Err() != nil {
		s.note("shut down late")
	} else if left != (Remainder{}) {
		s.failf("a Shutdown that had time left %+v", left)
	}
	if left.Kept != stored {
		s.failf("Shutdown says that %d messages are kept, and the store has %d", left.Kept, stored)
	}
	untold := l.untold()
	if untold > 0 && left.Unreported == 0 || left.Unreported < untold {
		s.failf("%d messages have no outcome after Shutdown, and it says %d", untold, left.Unreported)
	}
	s.mu.Unlock()
	l.bringOut()
	if canceled = l.d.Stats().Canceled - canceled; left.Unreported == 0 && canceled != left.Canceled && !l.canceledSince(begin) {
		s.mu.Lock()
		s.failf("Shutdown says that it canceled %d messages, and they were %d", left.Canceled, canceled)
		s.mu.Unlock()
	}
	l.checkOutcomes(left)
}

// bringOut waits until all that belonged to the life has ended, and holds that no goroutine is left.
func (l *life) bringOut() {
	s := l.s
	l.cancel()
	l.producers.Wait()
	time.Sleep(longestHook + time.Minute)
	synctest.Wait()
	if text, n := s.tooMany(0); n > 0 {
		s.mu.Lock()
		s.failf("%d goroutines are left:\n%s", n, text)
		s.mu.Unlock()
	}
	l.mustBeEmpty()
}
