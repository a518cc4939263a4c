package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

func TestRetryKeepsTheBatchAndItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		var retries []int
		fail := 3
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			sent = append(sent, fmt.Sprint(ids(b)))
			retries = append(retries, b.Retry)
			if fail > 0 {
				fail--
				return transport.Result{Status: 503}
			}
			return accept(ctx, b)
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		offer(t, d, message("b", "u", n))
		time.Sleep(300 * time.Millisecond) // the first batch is on its way
		offer(t, d, message("c", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := "[[a b] [a b] [a b] [a b] [c]]"; fmt.Sprint(sent) != want {
			t.Errorf("sent %v, want %v", sent, want)
		}
		if want := "[0 1 2 3 0]"; fmt.Sprint(retries) != want {
			t.Errorf("retry counts %v, want %v", retries, want)
		}
		if fmt.Sprint(n.order) != "[a b c]" {
			t.Errorf("outcomes came as %v", n.order)
		}
		if got := n.last["a"].Attempts; got != 4 {
			t.Errorf("the outcome tells %d attempts, want 4", got)
		}
		shutdown(t, d)
	})
}

func TestExhaustedAfterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		var first, last time.Time
		d := New(config(func(context.Context, *transport.Batch) transport.Result {
			if attempts++; attempts == 1 {
				first = time.Now()
			}
			last = time.Now()
			return transport.Result{Err: errors.New("no route")}
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Exhausted)
		if span := last.Sub(first); span > 5*time.Minute || span < 3*time.Minute {
			t.Errorf("tried for %v, want up to 5 minutes", span)
		}
		if attempts < 8 || attempts > 60 {
			t.Errorf("made %d attempts", attempts)
		}
		shutdown(t, d)
	})
}

func TestLongDeadlineIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(context.Context, *transport.Batch) transport.Result { return transport.Result{Status: 503} })
		cfg.Deadline = 24 * time.Hour
		d := New(cfg)
		n := newNotes()
		start := time.Now()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := n.at["a"].Sub(start); took < 23*time.Hour {
			t.Errorf("gave up after %v", took)
		}
		shutdown(t, d)
	})
}

func TestRetryAfterHoldsEveryLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			mu.Lock()
			at = append(at, time.Since(start))
			first := len(at) == 1
			mu.Unlock()
			if first {
				return transport.Result{Status: 429, RetryAfter: 60 * time.Second}
			}
			return accept(ctx, b)
		}))
		n := newNotes()
		m := message("first", "u", n)
		m.Urgent = true
		offer(t, d, m)
		synctest.Wait()
		for i := range 40 { // other profiles, other lanes
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), n))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, when := range at[1:] {
			if when < 60*time.Second || when > 67*time.Second {
				t.Errorf("a request went after %v, want 60 s to 66 s", when)
			}
		}
		if s := d.Stats(); s.Pauses != 1 || s.Throttled != 1 {
			t.Errorf("counted %d pauses and %d throttled, want 1 and 1", s.Pauses, s.Throttled)
		}
		shutdown(t, d)
	})
}

func TestDeadlineStandsStillWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if calls++; calls <= 10 {
				return transport.Result{Status: 429, RetryAfter: 300 * time.Second}
			}
			return accept(ctx, b)
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Accepted) // after 50 minutes, ten times the deadline
		shutdown(t, d)
	})
}

func TestHeldForHoursIsExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := New(config(func(context.Context, *transport.Batch) transport.Result {
			return transport.Result{Status: 429, RetryAfter: 300 * time.Second}
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Exhausted)
		if took := time.Since(start); took < 12*time.Hour || took > 13*time.Hour {
			t.Errorf("gave up after %v, want about 12 hours", took)
		}
		shutdown(t, d)
	})
}

func TestBisectionFindsTheOneBadMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			requests++
			for _, id := range ids(b) {
				if id == "137" {
					return transport.Result{Class: transport.Split, Status: 400}
				}
			}
			return accept(ctx, b)
		})
		cfg.BatchMessages = 250
		d := New(cfg)
		n := newNotes()
		for i := range 250 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 250 {
			want := Accepted
			if i == 137 {
				want = Rejected
			}
			n.is(t, fmt.Sprint(i), want)
			if n.order[i] != fmt.Sprint(i) {
				t.Fatalf("outcome %d is of message %s", i, n.order[i])
			}
		}
		if most := 2*8 + 1; requests > most {
			t.Errorf("made %d requests, want at most %d", requests, most)
		}
		shutdown(t, d)
	})
}

func TestRefusalOfEverythingIsNotHalvedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		healed := false
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			requests++
			if healed {
				return accept(ctx, b)
			}
			return transport.Result{Class: transport.Split, Status: 400}
		})
		cfg.BatchMessages = 500
		d := New(cfg)
		n := newNotes()
		for i := range 500 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			n.is(t, fmt.Sprint(i), Rejected)
		}
		if requests > maxRefusals+1 {
			t.Errorf("made %d requests", requests)
		}
		time.Sleep(keyFailTime)
		healed = true
		offer(t, d, message("later", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "later", Accepted)
		shutdown(t, d)
	})
}

func TestCredentialsFailTheKeyFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad, good atomic.Int32
		healed := atomic.Bool{}
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if b.WriteKey == testKey && !healed.Load() {
				bad.Add(1)
				return transport.Result{Class: transport.Credentials, Status: 401}
			}
			good.Add(1)
			return accept(ctx, b)
		}))
		n := newNotes()
		other := transport.NewWriteKey("key-2")
		for round := range 5 {
			for i := range 20 {
				offer(t, d, message(fmt.Sprint("bad", round, "-", i), fmt.Sprint("u", i), n))
			}
			offer(t, d, keyed(other, fmt.Sprint("good", round), "u", n))
			if err := d.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for id, got := range n.settled {
			want := Rejected
			if id[0] == 'g' {
				want = Accepted
			}
			n.is(t, id, want)
			_ = got
		}
		if got := bad.Load(); got > 4 {
			t.Errorf("asked %d times with the bad key, want at most once a lane", got)
		}
		healed.Store(true)
		time.Sleep(keyFailTime + time.Second)
		offer(t, d, message("later", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "later", Accepted)
		shutdown(t, d)
	})
}

func TestRefusedMessageShowsItsOwnLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(func(_ context.Context, b *transport.Batch) transport.Result {
			if ids(b)[0] == "a" {
				return transport.Result{Status: 503}
			}
			return transport.Result{Class: transport.Credentials, Status: 401}
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		d.Hurry()
		synctest.Wait()
		for i := range 20 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("v", i), nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Rejected)
		if s := n.last["a"]; s.Attempts != 1 || s.Result.Status != 503 || s.Fault == nil || s.Fault.Status != 401 {
			t.Errorf("the settlement has %d attempts, %+v and the fault %+v", s.Attempts, s.Result, s.Fault)
		}
		shutdown(t, d)
	})
}

func TestKeysThatFailedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(func(context.Context, *transport.Batch) transport.Result {
			return transport.Result{Class: transport.Credentials, Status: 401}
		}))
		for i := range 500 {
			offer(t, d, keyed(transport.NewWriteKey(fmt.Sprint("bad-key-", i)), fmt.Sprint(i), "u", nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		offer(t, d, message("later", "u", nil))
		if got := len(d.keys); got != 1 {
			t.Errorf("an hour later %d keys are known", got)
		}
		shutdown(t, d)
	})
}

func TestTransportThatEndsItsGoroutineIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if calls++; calls == 1 {
				runtime.Goexit() // as t.FailNow in somebody's fake does
			}
			return accept(ctx, b)
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Accepted)
		shutdown(t, d)
	})
}

func TestPanickingTransportIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if calls++; calls == 1 {
				panic("a@b.co")
			}
			return accept(ctx, b)
		}))
		var seen error
		d.cfg.Attempt = func(a AttemptInfo) {
			if a.Result.Err != nil {
				seen = a.Result.Err
			}
		}
		n := newNotes()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Accepted)
		var p *transport.PanicError
		if !errors.As(seen, &p) || p.Error() != "transport panicked with a value of type string" {
			t.Errorf("the attempt failed with %v", seen)
		}
		shutdown(t, d)
	})
}

func TestRetryBudgetNarrowsToOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flying, most atomic.Int32
		var narrow atomic.Bool
		broken := true
		var mu sync.Mutex
		cfg := config(nil)
		var d *Dispatcher
		cfg.Transport = carrier(func(ctx context.Context, b *transport.Batch) transport.Result {
			now := flying.Add(1)
			defer flying.Add(-1)
			if narrow.Load() {
				most.Store(max(most.Load(), now))
			}
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return transport.Result{Status: 500}
			}
			return transport.Result{Class: transport.Accepted}
		})
		cfg.Lanes = 64
		d = New(cfg)
		n := newNotes()
		for i := range 500 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), n))
		}
		time.Sleep(20 * time.Second) // 64 lanes have failed often enough by now
		narrow.Store(true)
		time.Sleep(40 * time.Second)
		if got := most.Load(); got != 1 {
			t.Errorf("with the budget used up %d batches were in flight, want 1", got)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := most.Load(); got < 8 {
			t.Errorf("after successes only %d batches were in flight", got)
		}
		if s := d.Stats(); s.Accepted != 500 {
			t.Errorf("accepted %d of 500", s.Accepted)
		}
		shutdown(t, d)
	})
}

func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	for n := 1; n < 200; n++ {
		ceiling := min(backoffMax, backoffBase<<min(n-1, 10))
		for range 50 {
			if w := backoff(n); w < backoffMin || w > ceiling {
				t.Fatalf("backoff(%d) = %v, want %v to %v", n, w, backoffMin, ceiling)
			}
		}
	}
}
