package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

func TestFlushWaitsForWhatWasAdmittedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := New(config(accept))
		n := newNotes()
		for i := range 10 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), n))
		}
		go func() { // keeps coming: Flush must not wait for these
			for i := range 1000 {
				if d.Offer(t.Context(), message(fmt.Sprint("later", i), fmt.Sprint("v", i), nil), true) != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 20*time.Millisecond && took != 40*time.Millisecond {
			t.Errorf("Flush took %v, want a round trip or two of 20ms", took)
		}
		for i := range 10 {
			n.is(t, fmt.Sprint(i), Accepted)
		}
		time.Sleep(20 * time.Second)
		shutdown(t, d)
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			<-open
			return transport.Result{Class: transport.Accepted}
		}))
		n := newNotes()
		offer(t, d, message("a", "u", n))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v", err)
		}
		close(open)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Accepted)
		shutdown(t, d)
	})
}

func TestShutdownDrainsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(accept))
		n := newNotes()
		for i := range 500 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), n))
		}
		shutdown(t, d)
		for i := range 500 {
			n.is(t, fmt.Sprint(i), Accepted)
		}
		if err := d.Offer(t.Context(), message("late", "u", n), true); !errors.Is(err, ErrClosed) {
			t.Errorf("Offer after Shutdown: %v", err)
		}
		shutdown(t, d) // again
	})
}

func TestShutdownCancelsWhatItsContextLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			<-ctx.Done()
			return transport.Result{Ambiguous: true, Err: ctx.Err()}
		}))
		n := newNotes()
		for i := range 250 { // one lane: 100 in flight, 150 queued
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if left := d.Shutdown(ctx); left != (Remainder{Canceled: 250, Ambiguous: 100}) {
					t.Errorf("Shutdown left %+v", left)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		for i := range 250 {
			n.is(t, fmt.Sprint(i), Canceled)
		}
		if !n.last["0"].Ambiguous || n.last["249"].Ambiguous {
			t.Error("messages that were on the wire have to be ambiguous, and only those")
		}
	})
}

func TestShutdownReturnsThoughTransportAndHookHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			<-release
			return transport.Result{Class: transport.Accepted}
		})
		cfg.Observer = func(s *Settlement) {
			if s.ID() == "1" {
				<-release
			}
		}
		d := New(cfg)
		n := newNotes()
		for i := range 3 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left := d.Shutdown(ctx)
		if took := time.Since(start); took > time.Second+abortGrace {
			t.Errorf("Shutdown took %v", took)
		}
		if left.Canceled != 3 || left.Ambiguous != 3 || left.Unreported == 0 {
			t.Errorf("Shutdown left %+v", left)
		}
		close(release)
		synctest.Wait()
		for i := range 3 {
			n.is(t, fmt.Sprint(i), Canceled) // once, though the transport came back with an answer
		}
	})
}

func TestShutdownWakesWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.MaxMessages = 1
		cfg.Linger = time.Hour
		d := New(cfg)
		offer(t, d, message("a", "u", nil))
		var errs [5]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = d.Offer(t.Context(), message(fmt.Sprint(i), "u", nil), true) })
		}
		synctest.Wait()
		shutdown(t, d)
		wg.Wait()
		for _, err := range errs {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("Offer that waited: %v", err)
			}
		}
	})
}

// The answer is there, but a hook keeps it from being counted: nothing is ambiguous about that.
func TestShutdownDuringAnAttemptHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Attempt = func(AttemptInfo) { time.Sleep(time.Second) }
		d := New(cfg)
		n := newNotes()
		m := message("a", "u", n)
		m.Urgent = true
		offer(t, d, m)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if left := d.Shutdown(ctx); left != (Remainder{Unreported: 1}) {
			t.Errorf("Shutdown left %+v", left)
		}
		time.Sleep(time.Minute)
		n.is(t, "a", Accepted)
		if s := d.Stats(); s.Lanes != 0 || s.Attempts != 1 {
			t.Errorf("in the end there are %d lanes, and %d attempts were counted", s.Lanes, s.Attempts)
		}
	})
}

func TestIdleDispatcherHasNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails where a goroutine is left
		d := New(config(accept))
		for i := range 10 {
			offer(t, d, message(fmt.Sprint(i), "u", nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.armed.IsZero() || len(d.keys) != 0 || len(d.waiting) != 0 || len(d.past) != 0 {
			t.Errorf("idle, it holds a timer for %v, %d keys, %d waiting lanes, %d epochs", d.armed, len(d.keys), len(d.waiting), len(d.past))
		}
	})
}

func TestHotProfilesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(accept))
		for i := range 100 {
			offer(t, d, message(fmt.Sprint(i), "hot", nil))
		}
		for i := range 100 {
			offer(t, d, message(fmt.Sprint("c", i), fmt.Sprint("cold", i), nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.Stats().HotEvents; got != 75 {
			t.Errorf("counted %d events beyond 25 a second, want 75", got)
		}
		shutdown(t, d)
	})
}
