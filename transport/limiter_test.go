package transport

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newTestLimiter(t testing.TB, c LimiterConfig) *Limiter {
	t.Helper()
	l, err := NewLimiter(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimiterConfig(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		l, err := NewLimiter(LimiterConfig{EventsPerSecond: v, RequestsPerSecond: v})
		var config *ConfigError
		if !errors.As(err, &config) || l != nil {
			t.Fatalf("%v: %v, want a *ConfigError", v, err)
		}
		if len(config.Fields) != 2 || config.Fields[0].Field != "EventsPerSecond" || config.Fields[1].Field != "RequestsPerSecond" {
			t.Errorf("%v: %+v, want both fields", v, config.Fields)
		}
	}
	for _, c := range []struct {
		rate, want float64
		maxBatch   int
	}{
		{0, 1_000, 250},
		{-1, math.Inf(1), 2_500},
		{1e9, 1e9, 2_500},
		{math.MaxFloat64, math.MaxFloat64, 2_500},
		{10_000, 10_000, 2_500},
		{9_999, 9_999, 2_499},
		{8, 8, 2},
		{3, 3, 1},
		{0.01, 0.01, 1},
		{math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64, 1},
	} {
		l := newTestLimiter(t, LimiterConfig{EventsPerSecond: c.rate})
		if got := l.EventsPerSecond(); got != c.want {
			t.Errorf("%v: EventsPerSecond is %v, want %v", c.rate, got, c.want)
		}
		if got := l.MaxBatch(); got != c.maxBatch {
			t.Errorf("%v: MaxBatch is %d, want %d", c.rate, got, c.maxBatch)
		}
		now := time.Now()
		for range 4 {
			if wait := l.Reserve(now, MaxBatchMessages); wait < 0 {
				t.Errorf("%v: a wait of %v", c.rate, wait)
			}
		}
	}
}

func TestNilLimiterHasNoLimits(t *testing.T) {
	var l *Limiter
	l.SetEventsPerSecond(1)
	for range 10 {
		if wait := l.Reserve(time.Now(), MaxBatchMessages); wait != 0 {
			t.Fatalf("a wait of %v", wait)
		}
	}
	if l.MaxBatch() != MaxBatchMessages || !math.IsInf(l.EventsPerSecond(), 1) {
		t.Errorf("MaxBatch %d, EventsPerSecond %v", l.MaxBatch(), l.EventsPerSecond())
	}
}

func TestRequestsHaveARateOfTheirOwn(t *testing.T) {
	l := newTestLimiter(t, LimiterConfig{EventsPerSecond: -1, RequestsPerSecond: 8})
	now := time.Now()
	for i, want := range []time.Duration{0, 0, 125 * time.Millisecond, 250 * time.Millisecond} {
		if got := l.Reserve(now, 2_500); got != want {
			t.Errorf("request %d waits %v, want %v", i, got, want)
		}
	}
}

// A grant is one request as it is let go.
type grant struct {
	at     time.Duration
	events int
}

// mostBeyond returns by how many events the grants pass rate x w in the worst of all windows, and how many there were.
func mostBeyond(grants []grant, rate float64) (worst float64, total int) {
	for i := range grants {
		total += grants[i].events
		sum := 0
		for _, g := range grants[i:] {
			sum += g.events
			worst = max(worst, float64(sum)-rate*(g.at-grants[i].at).Seconds())
		}
	}
	return worst, total
}

// One sender that always has more to send, at batch sizes below, at and above the bucket, with timers that fire up to 20 ms late.
func TestRateIsKeptAndUsed(t *testing.T) {
	for _, rate := range []float64{3, 40, 300, 1_000, 2_000} {
		for _, size := range []int{1, 7, 50, 250, 1_000, 2_500} {
			for _, late := range []time.Duration{0, 20 * time.Millisecond} {
				t.Run(fmt.Sprintf("rate %v, %d a batch, %v late", rate, size, late), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(size), uint64(late)))
					l := newTestLimiter(t, LimiterConfig{EventsPerSecond: rate, RequestsPerSecond: -1})
					start := time.Now()
					// Long enough for a hundred batches, and for the bucket's first fill not to matter.
					length := max(30*time.Second, time.Duration(100*float64(size)/rate*float64(time.Second)))
					var clock time.Duration
					var due, sent []grant
					for clock < length && len(sent) < 1_500 {
						wait := l.Reserve(start.Add(clock), size)
						due = append(due, grant{clock + wait, size})
						clock += wait
						if wait > 0 && late > 0 {
							clock += time.Duration(rng.Int64N(int64(late)))
						}
						sent = append(sent, grant{clock, size})
					}
					burst := max(rate/4, 1, float64(size))
					if worst, _ := mostBeyond(due, rate); worst > burst+0.01 {
						t.Errorf("%.2f events beyond the rate, the bucket is %.0f", worst, burst)
					}
					_, total := mostBeyond(sent, rate)
					// A late timer is made up for as long as the bucket holds the time that it lost.
					if used := float64(total) / (rate * clock.Seconds()); used < 0.97 {
						t.Errorf("%.1f %% of the rate was used", 100*used)
					}
				})
			}
		}
	}
}

func TestTwoSharersEachGetTheirPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, size = 1_000, 250
		l := newTestLimiter(t, LimiterConfig{EventsPerSecond: rate})
		start := time.Now()
		var mu sync.Mutex
		var grants []grant
		var wg sync.WaitGroup
		parts := make([]int, 2)
		for i := range parts {
			wg.Go(func() {
				for time.Since(start) < time.Minute {
					time.Sleep(l.Reserve(time.Now(), size))
					mu.Lock()
					grants = append(grants, grant{time.Since(start), size})
					parts[i] += size
					mu.Unlock()
					// One of them needs longer for each request.
					time.Sleep(time.Duration(i) * 80 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		worst, total := mostBeyond(grants, rate)
		if worst > rate/4+0.01 {
			t.Errorf("%.2f events beyond the rate", worst)
		}
		if used := float64(total) / (rate * time.Since(start).Seconds()); used < 0.97 {
			t.Errorf("%.1f %% of the rate was used", 100*used)
		}
		for i, part := range parts {
			if share := float64(part) / float64(total); share < 0.25 {
				t.Errorf("sharer %d had %.1f %%", i, 100*share)
			}
		}
	})
}

func TestIdleTimeFillsOneBucketOnly(t *testing.T) {
	l := newTestLimiter(t, LimiterConfig{})
	now := time.Now()
	for range 3 {
		now = now.Add(time.Hour)
		if wait := l.Reserve(now, 250); wait != 0 {
			t.Fatalf("a full bucket waits %v", wait)
		}
		if wait := l.Reserve(now, 100); wait != 100*time.Millisecond {
			t.Fatalf("an empty bucket waits %v", wait)
		}
	}
}

// Row 33 of the fault matrix: a clock that jumps changes no wait.
func TestClockThatStepsBack(t *testing.T) {
	l := newTestLimiter(t, LimiterConfig{})
	now := time.Now().Round(0)
	l.Reserve(now, 250)
	if wait := l.Reserve(now.Add(-time.Hour), 250); wait != 250*time.Millisecond {
		t.Errorf("an hour back the wait is %v", wait)
	}
	if wait := l.Reserve(now, 250); wait != 500*time.Millisecond {
		t.Errorf("then the wait is %v: the hour was credited", wait)
	}
}

func TestSetEventsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(t, LimiterConfig{})
		for _, bad := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
			l.SetEventsPerSecond(bad)
			if got := l.EventsPerSecond(); got != 1_000 {
				t.Fatalf("after %v the rate is %v", bad, got)
			}
		}

		if wait := l.Reserve(time.Now(), 1_250); wait != time.Second {
			t.Fatalf("1,250 events wait %v", wait)
		}
		l.SetEventsPerSecond(4)
		if got := l.MaxBatch(); got != 1 {
			t.Errorf("MaxBatch is %d", got)
		}
		if wait := l.Reserve(time.Now(), 1); wait != time.Second+250*time.Millisecond {
			t.Errorf("lowered with 1,000 events owed, one event waits %v", wait)
		}
		time.Sleep(500 * time.Millisecond)
		l.SetEventsPerSecond(2_000)
		if wait := l.Reserve(time.Now(), 500); wait != time.Second {
			t.Errorf("raised with 750 ms owed, 500 events wait %v", wait)
		}
		time.Sleep(10 * time.Second)
		l.SetEventsPerSecond(400)
		now := time.Now()
		if first, second := l.Reserve(now, 100), l.Reserve(now, 100); first != 0 || second != 250*time.Millisecond {
			t.Errorf("from a full bucket of 500 to one of 100: waits of %v and %v", first, second)
		}
		l.SetEventsPerSecond(math.Inf(1))
		if wait := l.Reserve(time.Now(), 1<<30); wait != 250*time.Millisecond {
			t.Errorf("without a limit, and 250 ms promised before: %v", wait)
		}
		l.SetEventsPerSecond(1_000)
		if wait := l.Reserve(time.Now(), 250); wait != 250*time.Millisecond {
			t.Errorf("with a limit again: %v", wait)
		}
	})
}

// Whatever the rates are in between, a window holds no more than its rates allow.
func TestChangingRatesKeepTheirSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		l := newTestLimiter(t, LimiterConfig{RequestsPerSecond: -1})
		start := time.Now()
		allowed, sent, current := 250.0, 0.0, 1_000.0
		for range 2_000 {
			if rng.IntN(20) == 0 {
				current = 100 + 1_900*rng.Float64()
				l.SetEventsPerSecond(current)
			}
			size := 1 + rng.IntN(l.MaxBatch())
			wait := l.Reserve(time.Now(), size)
			time.Sleep(wait)
			allowed += current * wait.Seconds()
			sent += float64(size)
			if sent > allowed+0.01 {
				t.Fatalf("%v after the start %.2f events are out, %.2f were allowed", time.Since(start), sent, allowed)
			}
		}
	})
}

func TestLimiterIsSafeForConcurrentUse(t *testing.T) {
	l := newTestLimiter(t, LimiterConfig{EventsPerSecond: 1_000_000})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 500 {
				if wait := l.Reserve(time.Now(), 10*i); wait < 0 {
					t.Errorf("a wait of %v", wait)
				}
				l.SetEventsPerSecond(float64(100_000 * (i + 1)))
				if n := l.MaxBatch(); n != MaxBatchMessages {
					t.Errorf("MaxBatch is %d", n)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkLimiterReserve(b *testing.B) {
	l := newTestLimiter(b, LimiterConfig{EventsPerSecond: 1e9, RequestsPerSecond: 1e9})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		l.Reserve(now, 250)
	}
}

// Where both rates bind, neither is passed: what is taken from one bucket while the other is waited for must not fill up again before the
// request goes.
func TestLimiterHoldsBothRates(t *testing.T) {
	const events, requests, batch = 20, 5, 5
	l, err := NewLimiter(LimiterConfig{EventsPerSecond: events, RequestsPerSecond: requests})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var at []time.Duration // of each request
	var n []int
	passed := time.Duration(0)
	for i := range 200 {
		size := batch
		if i/20%2 == 0 {
			size = 1 // then it is the requests that bind
		}
		passed += l.Reserve(now.Add(passed), size)
		at, n = append(at, passed), append(n, size)
		for from, sum := i, 0; from >= 0; from-- {
			sum += n[from]
			w := (at[i] - at[from]).Seconds()
			if most := events*w + events/4; float64(sum) > most+0.01 {
				t.Fatalf("request %d: %d events in %v s, and at most %v may be", i, sum, w, most)
			}
			if most := requests*w + 1.25; float64(i-from+1) > most+0.01 {
				t.Fatalf("request %d: %d requests in %v s, and at most %v may be", i, i-from+1, w, most)
			}
		}
	}
}
