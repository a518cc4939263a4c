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

func TestFullQueueBlocksOrRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			<-open
			return transport.Result{Class: transport.Accepted}
		})
		cfg.MaxMessages = 10
		d := New(cfg)
		n := newNotes()
		for i := range 10 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		if err := d.Offer(t.Context(), message("refused", "u", n), false); !errors.Is(err, ErrQueueFull) {
			t.Errorf("Offer into a full queue: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Offer(ctx, message("gave up", "u", n), true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Offer that waited: %v", err)
		}
		var late sync.WaitGroup
		for i := range 3 {
			late.Go(func() { offer(t, d, message(fmt.Sprint("late", i), "u", n)) })
		}
		synctest.Wait()
		if s := d.Stats(); s.Admitted != 10 {
			t.Errorf("%d messages were admitted into room for 10", s.Admitted)
		}
		close(open)
		late.Wait()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := n.count(); got != 13 {
			t.Errorf("%d messages were settled, want 13", got)
		}
		shutdown(t, d)
	})
}

func TestFullQueueDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Linger, cfg.MaxMessages = time.Minute, 10
		d := New(cfg)
		start := time.Now()
		for i := range 100 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("100 messages went through a queue of 10 in %v", took)
		}
		shutdown(t, d)
	})
}

func TestQueueIsBoundedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		m := message("x", "u", nil)
		cfg.MaxBytes = 5 * (len(m.Body) + metaBytes)
		d := New(cfg)
		for range 5 {
			offer(t, d, m)
		}
		if err := d.Offer(t.Context(), m, false); !errors.Is(err, ErrQueueFull) {
			t.Errorf("Offer past the bytes: %v", err)
		}
		if s := d.Stats(); s.QueuedBytes != cfg.MaxBytes {
			t.Errorf("the queue counts %d bytes, want %d", s.QueuedBytes, cfg.MaxBytes)
		}
		shutdown(t, d)
	})
}

func TestRoomIsGivenWhenTheObserverHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		cfg := config(accept)
		cfg.MaxMessages = 10
		cfg.Observer = func(s *Settlement) {
			if s.ID() == "4" {
				<-hold
			}
		}
		d := New(cfg)
		for i := range 10 {
			offer(t, d, message(fmt.Sprint(i), "u", nil))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := d.Stats(); s.Queued != 6 {
			t.Errorf("with the observer blocked at the fifth message %d are queued, want 6", s.Queued)
		}
		close(hold)
		shutdown(t, d)
	})
}

// With retries held to one batch at a time, a blocked observer must not look like that batch.
func TestBlockedObserverHoldsItsLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		cfg := config(accept)
		cfg.Observer = func(s *Settlement) {
			if s.ID() == "0" {
				<-hold
			}
		}
		d := New(cfg)
		d.budget = retryBudget{window: 1} // as after many failures
		n := newNotes()
		for i := range 40 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), n))
			if i == 0 {
				d.Hurry()
				synctest.Wait()
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := n.count(); got < 20 {
			t.Errorf("%d of 40 messages were settled while one lane's observer blocks", got)
		}
		close(hold)
		shutdown(t, d)
	})
}

func TestPanickingObserverIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Observer = func(s *Settlement) { panic("no") }
		d := New(cfg)
		n := newNotes()
		for i := range 10 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := d.Stats(); s.HookPanics != 10 || n.count() != 10 {
			t.Errorf("counted %d panics, %d outcomes; want 10 and 10", s.HookPanics, n.count())
		}
		shutdown(t, d)
	})
}

func TestSameMessageIsQueuedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			sent += b.Len()
			return accept(ctx, b)
		}))
		n := newNotes()
		offer(t, d, unique("a", "1", n))
		offer(t, d, unique("a", "1", n))
		offer(t, d, unique("b", "1", n))
		if err := d.Offer(t.Context(), unique("a", "2", n), true); !errors.Is(err, ErrConflict) {
			t.Errorf("another message under a queued id: %v", err)
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent != 2 || n.count() != 3 {
			t.Errorf("sent %d messages with %d outcomes, want 2 and 3", sent, n.count())
		}
		if s := d.Stats(); s.Joined != 1 || s.Admitted != 3 || s.Accepted != 3 {
			t.Errorf("counted %+v", s)
		}
		offer(t, d, unique("a", "2", n)) // the id is free again
		shutdown(t, d)
		if sent != 3 {
			t.Errorf("sent %d messages, want 3", sent)
		}
	})
}
