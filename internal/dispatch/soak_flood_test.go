package dispatch

import (
	"context"
	"math/rand/v2"
	"testing/synctest"
	"time"
)

// flood offers more than the rate lets through, when all is well. A rate that was configured is used, and a server that grants a second's
// worth at a time never refuses. A rate that has to be found is: most of what the server takes is used, while it changes.
func (l *life) flood() {
	switch {
	case l.rate <= 0 || l.wire.requests.rate > 0 || float64(l.cfg.MaxMessages) < l.rate || float64(l.cfg.BatchMessages) < l.rate/20:
		return
	case l.adaptive:
		l.floodAdaptive()
		return
	}
	s, n := l.s, int(l.rate*10)
	s.mu.Lock()
	s.note("flood")
	s.quiet = grants{rate: l.rate, tokens: l.rate, last: time.Now()}
	refused := l.wire.throttled
	s.mu.Unlock()
	begin := time.Now()
	l.pour(n)
	took := time.Since(begin)
	s.mu.Lock()
	defer s.mu.Unlock()
	if used := float64(n) / (took.Seconds() * l.rate); used < 0.97 {
		s.failf("%d messages took %v: %.1f %% of the rate; %+v", n, took, 100*used, l.cfg)
	}
	if refused = l.wire.throttled - refused; refused > 0 {
		s.failf("%d of the requests of a flood at the rate were refused", refused)
	}
}

func (l *life) floodAdaptive() {
	s := l.s
	for _, rate := range []float64{1, 0.3, 2} {
		rate *= min(l.rate, 1000) / 10
		s.mu.Lock()
		s.note("adaptive flood")
		s.quiet = grants{rate: rate, tokens: rate, last: time.Now()}
		s.mu.Unlock()
		n := int(15 * rate)
		begin := time.Now()
		l.pour(n)
		if took := time.Since(begin); float64(n) < 0.1*rate*took.Seconds() {
			s.mu.Lock()
			s.failf("%d messages to a server that takes %v a second took %v", n, rate, took)
			s.mu.Unlock()
		}
	}
	synctest.Wait()
}

// pour offers so many messages as fast as it can, and flushes.
func (l *life) pour(n int) {
	const pourers = 4
	done := make(chan struct{}, pourers)
	for i := range pourers {
		q := newProducer(l, rand.New(rand.NewPCG(l.s.rng.Uint64(), 4)), 100+i)
		l.s.spawn(func() {
			defer func() { done <- struct{}{} }()
			defer q.dropSink()
			for range n / pourers {
				p, m := q.compose()
				o := q.register(p, m)
				q.finish(o, l.d.Offer(context.Background(), m, true), true)
			}
		})
	}
	for range pourers {
		<-done
	}
	if err := l.d.Flush(context.Background()); err != nil {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		l.s.failf("Flush after a flood: %v", err)
	}
}

// burst offers messages for which a Shutdown that follows at once has no time, many of them twice.
func (l *life) burst() {
	q := newProducer(l, l.s.rng, 200)
	defer q.dropSink()
	for range 50 {
		p, m := q.compose()
		for range 1 + q.rng.IntN(2) {
			o := q.register(p, m)
			q.finish(o, l.d.Offer(context.Background(), m, false), true)
			if m.Unique == 0 {
				break
			}
			q.repeat(p)
		}
	}
}
