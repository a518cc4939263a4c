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

// What the soak has found, or what was seen while it was made, each in its smallest form.

// The server asks for quiet, and the hook for attempts blocks: the other lanes must keep the quiet all the same.
func TestRetryAfterDoesNotWaitForTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var sent []time.Duration
		cfg := config(func(ctx context.Context, _ *transport.Batch) transport.Result {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Since(start))
			if len(sent) == 1 {
				return transport.Result{Status: 429, RetryAfter: 20 * time.Second}
			}
			return transport.Result{Class: transport.Accepted, Status: 200}
		})
		cfg.Attempt = func(a AttemptInfo) {
			if a.Result.RetryAfter > 0 {
				time.Sleep(time.Minute)
			}
		}
		d := New(cfg)
		for i := range 100 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i), nil))
			time.Sleep(100 * time.Millisecond)
		}
		shutdown(t, d)
		for _, at := range sent[1:] {
			if at < sent[0]+20*time.Second {
				t.Errorf("a request went %v after Retry-After: 20 had come", at-sent[0])
			}
		}
	})
}

// A message is canceled before it was read from the store, and it is the last one there: a Flush must notice that it is gone.
func TestFlushWaitsForNothingThatWasCanceledUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			time.Sleep(time.Second)
			return accept(ctx, b)
		})
		cfg.Store, cfg.MaxMessages = &flaky{memStore: newMemStore(), slow: true}, 1
		d := New(cfg)
		offer(t, d, message("first", "u", nil))
		time.Sleep(100 * time.Millisecond)
		sink := newNotes()
		offer(t, d, message("second", "u", sink)) // there is no room to read it
		d.CancelSink(sink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := d.Flush(ctx); err != nil {
			t.Errorf("Flush: %v", err)
		}
		d.Forget(sink)
		shutdown(t, d)
	})
}

// Reading the store fails once, and nobody offers anything: what is there must be delivered all the same.
func TestStoreIsReadAgainByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		store := &flaky{memStore: newMemStore()}
		if q, err := store.memStore.Queue(testKey); err != nil {
			t.Fatal(err)
		} else if err := q.Append(t.Context(), [][]byte{appendStored(nil, message("m", "u", nil), 1, 0)}, true); err != nil {
			t.Fatal(err)
		}
		cfg.Store = store
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := d.Stats(); s.StoreErrors != 1 || s.Accepted != 1 {
			t.Errorf("after a minute %d reads have failed, and %d messages are accepted", s.StoreErrors, s.Accepted)
		}
		shutdown(t, d)
	})
}

// flaky is a store whose first read fails, or whose reads take their time.
type flaky struct {
	*memStore
	slow   bool
	failed atomic.Bool
}

func (f *flaky) Queue(key transport.WriteKey) (Queue, error) {
	q, err := f.memStore.Queue(key)
	return flakyQueue{q, f}, err
}

type flakyQueue struct {
	Queue
	f *flaky
}

func (q flakyQueue) Next(maxBytes int) ([]Stored, error) {
	if q.f.slow {
		time.Sleep(time.Millisecond)
	} else if q.f.failed.CompareAndSwap(false, true) {
		return nil, errors.New("input/output error")
	}
	return q.Queue.Next(maxBytes)
}

// A sink is canceled while its message is on the wire, and the key is refused: the message must not be kept for the key.
func TestCancelSinkOfAMessageWhoseKeyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		cfg := config(func(context.Context, *transport.Batch) transport.Result {
			requests++
			time.Sleep(time.Second)
			return transport.Result{Class: transport.Credentials, Status: 401}
		})
		cfg.Store = newMemStore()
		d := New(cfg)
		sink := new(tokens)
		m := message("m", "u", sink)
		m.Urgent = true
		offer(t, d, m)
		time.Sleep(500 * time.Millisecond)
		d.CancelSink(sink)
		time.Sleep(10 * time.Minute)
		if got := sink.counts(t); got[Canceled] != 1 {
			t.Errorf("after ten minutes the message ended as %v", got)
		}
		if requests != 1 {
			t.Errorf("there were %d requests", requests)
		}
		d.Forget(sink)
		shutdown(t, d)
	})
}

// A backlog on disk is too old. Its end is told by a few goroutines, in order, and not by one for each message.
func TestBacklogThatIsTooOldEndsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		cfg := config(accept)
		cfg.Store, cfg.MaxAge = newMemStore(), time.Hour
		q, err := cfg.Store.Queue(testKey)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := q.Append(t.Context(), [][]byte{appendStored(nil, message(fmt.Sprintf("%03d", i), "u", nil), 1, 0)}, true); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Hour)
		running, most := 0, 0
		var told []string
		letters := 0
		cfg.DeadLetters = func([]Dead) error {
			letters++
			return nil
		}
		var d *Dispatcher
		cfg.Observer = func(s *Settlement) {
			d.mu.Lock()
			running++
			most = max(most, running)
			told = append(told, s.ID())
			d.mu.Unlock()
			time.Sleep(time.Millisecond)
			d.mu.Lock()
			running--
			d.mu.Unlock()
		}
		d = New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		shutdown(t, d)
		if most > 2 || letters > 2 {
			t.Errorf("%d observers ran at once, and dead letters were written %d times", most, letters)
		}
		for i, id := range told {
			if id != fmt.Sprintf("%03d", i) {
				t.Fatalf("message %s was told in the place of %d", id, i)
			}
		}
		if len(told) != n {
			t.Errorf("%d of %d were told", len(told), n)
		}
	})
}

// There is less room than a batch takes: what is read from the store must not linger, for nothing can join it.
func TestStoredMessagesDoNotLingerWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Store, cfg.MaxMessages = newMemStore(), 10
		d := New(cfg)
		sink := new(tokens)
		submit(t, d, t.Context(), sink, 0, 1000)
		time.Sleep(5 * time.Second) // 100 round trips of 20 ms, and no linger of 250 ms before each
		if got := sink.counts(t); got[Accepted] != 1000 {
			t.Errorf("after 5 s the messages ended as %v", got)
		}
		shutdown(t, d)
	})
}

// An observer ends its goroutine, as t.FailNow does. Everything else is told all the same, whoever is telling.
func TestObserverThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	observer := func(n *notes) func(*Settlement) {
		return func(s *Settlement) {
			n.Settle(0, s)
			runtime.Goexit()
		}
	}
	t.Run("dead letters", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(func(context.Context, *transport.Batch) transport.Result {
				return transport.Result{Class: transport.Final, Status: 410}
			})
			failed := false
			cfg.DeadLetters = func([]Dead) error {
				if !failed {
					failed = true
					return errors.New("no space")
				}
				return nil
			}
			n := newNotes()
			cfg.Observer = observer(n)
			d := New(cfg)
			offer(t, d, message("a", "u", nil))
			time.Sleep(time.Minute)
			offer(t, d, message("b", "u", nil))
			shutdown(t, d)
			n.is(t, "a", Rejected)
			n.is(t, "b", Rejected)
		})
	})
	t.Run("shutdown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(func(ctx context.Context, _ *transport.Batch) transport.Result {
				<-ctx.Done()
				return transport.Result{Err: ctx.Err()}
			})
			cfg.BatchMessages = 1
			n := newNotes()
			cfg.Observer = observer(n)
			d := New(cfg)
			for i := range 10 {
				offer(t, d, message(fmt.Sprint(i), "u", nil))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if left := d.Shutdown(ctx); left.Canceled != 10 || left.Unreported != 0 {
				t.Errorf("Shutdown left %+v", left)
			}
			for i := range 10 {
				n.is(t, fmt.Sprint(i), Canceled)
			}
		})
	})
}

// A message that others have joined is refused without being sent, because its key was. Where one of those is canceled while the dead
// letter cannot be written, it is told why as well.
func TestFaultIsToldToWhoHasJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(context.Context, *transport.Batch) transport.Result {
			time.Sleep(time.Second)
			return transport.Result{Class: transport.Credentials, Status: 401}
		})
		fails := true
		cfg.DeadLetters = func([]Dead) error {
			if fails {
				return errors.New("no space")
			}
			return nil
		}
		d := New(cfg)
		offer(t, d, message("first", "u", nil)) // its key is refused
		time.Sleep(500 * time.Millisecond)
		mine, theirs := newNotes(), newNotes()
		offer(t, d, unique("m", "content", mine))
		offer(t, d, unique("m", "content", theirs))
		time.Sleep(5 * time.Second)
		d.CancelSink(theirs)
		synctest.Wait()
		theirs.is(t, "m", Rejected)
		if s := theirs.last["m"]; s.Fault == nil || s.Fault.Status != 401 {
			t.Errorf("it is told the fault %+v", s.Fault)
		}
		d.Forget(theirs)
		fails = false
		shutdown(t, d)
		mine.is(t, "m", Rejected)
	})
}

// A sink is canceled because its caller's time is over, while a message for it waits for room: the error is why the time is over.
func TestOfferForACanceledSinkSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			time.Sleep(time.Second)
			return accept(ctx, b)
		})
		cfg.MaxMessages = 1
		d := New(cfg)
		offer(t, d, message("first", "u", nil))
		sink, ctx := newNotes(), &overdue{Context: t.Context()}
		time.AfterFunc(time.Second, func() {
			ctx.over.Store(true)
			d.CancelSink(sink)
		})
		if err := d.Offer(ctx, message("second", "u", sink), true); err != context.DeadlineExceeded {
			t.Errorf("Offer says %v", err)
		}
		d.Forget(sink)
		shutdown(t, d)
	})
}

// overdue is a context whose end is heard of late, as when there is room at the same moment.
type overdue struct {
	context.Context
	over atomic.Bool
}

func (c *overdue) Err() error {
	if c.over.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
