package dispatch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// bucket is a server that grants one second's worth of events at a time.
type bucket struct {
	mu      sync.Mutex
	rate    float64
	tokens  float64
	last    time.Time
	events  int
	refused int
}

func (s *bucket) deliver(ctx context.Context, b *transport.Batch) transport.Result {
	time.Sleep(5 * time.Millisecond)
	s.mu.Lock()
	now := time.Now()
	s.tokens = min(s.rate, s.tokens+s.rate*now.Sub(s.last).Seconds())
	s.last = now
	if s.tokens < float64(b.Len()) {
		s.refused++
		s.mu.Unlock()
		return transport.Result{Status: 429, RetryAfter: time.Second}
	}
	s.tokens -= float64(b.Len())
	s.events += b.Len()
	s.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	return transport.Result{Class: transport.Accepted, Status: 200}
}

func TestRateIsUsedAndNeverExceeded(t *testing.T) {
	for _, rate := range []float64{40, 300, 1000, 4000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: rate})
				if err != nil {
					t.Fatal(err)
				}
				server := &bucket{rate: rate, tokens: rate, last: time.Now()}
				cfg := config(server.deliver)
				cfg.Limiter = limiter
				cfg.BatchMessages = 2500
				cfg.MaxMessages = 100_000
				d := New(cfg)
				start := time.Now()
				n := int(rate * 30)
				for i := range n {
					offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
				}
				if err := d.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				if server.refused > 0 {
					t.Errorf("the server refused %d requests", server.refused)
				}
				if server.events != n {
					t.Errorf("the server took %d events of %d", server.events, n)
				}
				used := float64(n) / (took.Seconds() * rate)
				if used < 0.97 {
					t.Errorf("%d events took %v: %.1f %% of the rate", n, took, 100*used)
				}
				shutdown(t, d)
			})
		})
	}
}

// What was reserved before a pause must not come on top of what the bucket holds after it.
func TestRateIsNotExceededAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var at []time.Time // of each event
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			mu.Lock()
			first := len(at) == 0
			for range b.Len() {
				at = append(at, time.Now())
			}
			mu.Unlock()
			if first {
				return transport.Result{Status: 429, RetryAfter: 2 * time.Second}
			}
			return accept(ctx, b)
		})
		cfg.Limiter, cfg.BatchMessages, cfg.MaxMessages = limiter, 250, 10_000
		d := New(cfg)
		for i := range 3000 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range at {
			if k := i + 251; k < len(at) && at[k].Sub(at[i]) <= time.Millisecond {
				t.Fatalf("more than 251 events went within a millisecond, %v after the start", at[i].Sub(at[0]))
			}
		}
		shutdown(t, d)
	})
}

func TestTwoDispatchersShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 1000})
		if err != nil {
			t.Fatal(err)
		}
		server := &bucket{rate: 1000, tokens: 1000, last: time.Now()}
		var took [2]int
		var mu sync.Mutex
		var all []*Dispatcher
		for i := range took {
			cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
				r := server.deliver(ctx, b)
				mu.Lock()
				took[i] += b.Len()
				mu.Unlock()
				return r
			})
			cfg.Limiter = limiter
			cfg.BatchMessages = 2500
			cfg.MaxMessages = 100_000
			d := New(cfg)
			all = append(all, d)
			for k := range 20_000 {
				offer(t, d, message(fmt.Sprint(k), fmt.Sprint("u", k), nil))
			}
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if server.refused > 0 {
			t.Errorf("the server refused %d requests", server.refused)
		}
		sum := took[0] + took[1]
		if sum < 19_000 || took[0] < sum/4 || took[1] < sum/4 {
			t.Errorf("in 20 s the two sent %d and %d events", took[0], took[1])
		}
		for _, d := range all {
			shutdown(t, d)
		}
	})
}

// The limit is 300 a second, the client begins at 1,000, and comes to use nearly all of it with few refusals.
func TestAdaptiveRateFindsTheServersLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 1000, Adaptive: true})
		if err != nil {
			t.Fatal(err)
		}
		server := &bucket{rate: 300, tokens: 300, last: time.Now()}
		requests := 0
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			server.mu.Lock()
			requests++
			server.mu.Unlock()
			return server.deliver(ctx, b)
		})
		cfg.Limiter, cfg.BatchMessages, cfg.MaxMessages = limiter, 50, 200_000
		d := New(cfg)
		for i := range 60_000 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
		}
		start := time.Now()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		used := 60_000 / (time.Since(start).Seconds() * 300)
		if refused := float64(server.refused) / float64(requests); used < 0.9 || refused > 0.05 {
			t.Errorf("used %.1f %% of the limit, and %.1f %% of the requests were refused", 100*used, 100*refused)
		}
		shutdown(t, d)
	})
}

// A batch that was filled at a high rate has to come through when the limit has fallen far below it.
func TestAdaptiveRateAfterAHardDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 2000, Adaptive: true})
		if err != nil {
			t.Fatal(err)
		}
		server := &bucket{rate: 50, tokens: 50, last: time.Now()}
		cfg := config(server.deliver)
		cfg.Limiter, cfg.BatchMessages, cfg.MaxMessages = limiter, 2500, 10_000
		d := New(cfg)
		for i := range 3000 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
		}
		start := time.Now()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); d.Stats().Accepted != 3000 || took > 90*time.Second {
			t.Errorf("accepted %d of 3000 at 50 a second in %v", d.Stats().Accepted, took)
		}
		shutdown(t, d)
	})
}
