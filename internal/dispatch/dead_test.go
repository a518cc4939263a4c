package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A cemetery keeps dead letters, and fails as often as it is told to.
type cemetery struct {
	mu    sync.Mutex
	fail  func() error // nil: it does not
	calls int
	ids   []string
	when  []time.Time // of the calls
}

func (c *cemetery) keep(dead []Dead) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.when = append(c.when, time.Now())
	if c.fail != nil {
		if err := c.fail(); err != nil {
			return err
		}
	}
	for i := range dead {
		c.ids = append(c.ids, dead[i].ID())
	}
	return nil
}

// refusing refuses batches with a message whose id begins with "bad", and takes others.
func refusing(ctx context.Context, b *transport.Batch) transport.Result {
	if slices.ContainsFunc(ids(b), func(id string) bool { return strings.HasPrefix(id, "bad") }) {
		time.Sleep(20 * time.Millisecond)
		return transport.Result{Class: transport.Split, Status: 400}
	}
	return accept(ctx, b)
}

func TestDeadLettersAreKeptBeforeAnybodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		sink := newNotes()
		var c cemetery
		cfg := config(refusing)
		cfg.Store = store
		cfg.DeadLetters = func(dead []Dead) error {
			if len(dead) != 1 || dead[0].Sink != sink || dead[0].Token != 7 || dead[0].Status != Rejected {
				t.Errorf("dead: %+v", dead)
			}
			if sink.count() != 0 || store.queues[testKey].Len() != 1 {
				t.Error("somebody was told, or the store has forgotten it")
			}
			return c.keep(dead)
		}
		cfg.Observer = func(*Settlement) {
			if len(c.ids) != 1 {
				t.Error("the observer was told before")
			}
		}
		d := New(cfg)
		m := message("bad", "u", sink)
		m.Token = 7
		offer(t, d, m)
		shutdown(t, d)
		sink.is(t, "bad", Rejected)
		if s := d.Stats(); s.DeadLetters != 1 || s.DeadLetterErrors != 0 || s.Stored != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// What cannot be buried waits, and is tried again; the rest is delivered meanwhile.
func TestDeadLettersThatCannotBeKept(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprint("stored ", stored), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := errors.New("no space")
				var c cemetery
				c.fail = func() error { return disk }
				cfg := config(refusing)
				cfg.DeadLetters = c.keep
				if stored {
					cfg.Store = newMemStore()
				}
				d := New(cfg)
				sink := newNotes()
				begun := time.Now()
				for i := range 3 {
					offer(t, d, message(fmt.Sprint("bad", i), "u", sink))
					for j := range 20 {
						offer(t, d, message(fmt.Sprint(i, "-", j), "u", sink))
					}
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := sink.count(); got != 60 {
					t.Errorf("%d outcomes while dead letters cannot be kept, want the 60 of the others", got)
				}
				c.mu.Lock()
				c.fail = nil
				if c.calls < 5 || c.calls > 15 {
					t.Errorf("%d calls in two minutes", c.calls)
				}
				c.mu.Unlock()
				if err := d.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took > 3*time.Minute {
					t.Errorf("it took %v", took)
				}
				for i := range 3 {
					sink.is(t, fmt.Sprint("bad", i), Rejected)
				}
				slices.Sort(c.ids)
				if !slices.Equal(c.ids, []string{"bad0", "bad1", "bad2"}) {
					t.Errorf("the dead letters are of %v", c.ids)
				}
				shutdown(t, d)
				if s := d.Stats(); s.DeadLetters != 3 || s.DeadLetterErrors == 0 || s.Rejected != 3 || s.Queued != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestFunctionForDeadLettersThatPanicsOrExits(t *testing.T) {
	for name, misbehave := range map[string]func() error{
		"panics": func() error { panic("canary@example.com") },
		"exits":  func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cemetery{fail: misbehave}
				cfg := config(refusing)
				cfg.DeadLetters = c.keep
				d := New(cfg)
				sink := newNotes()
				offer(t, d, message("bad", "u", sink))
				time.Sleep(500 * time.Millisecond)
				c.mu.Lock()
				c.fail = nil
				c.mu.Unlock()
				shutdown(t, d)
				sink.is(t, "bad", Rejected)
				if c.calls != 2 || len(c.ids) != 1 {
					t.Errorf("%d calls, dead letters of %v", c.calls, c.ids)
				}
			})
		})
	}
}

func TestShutdownWithDeadLettersThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cemetery{fail: func() error { return errors.New("no space") }}
		stop := func(d *Dispatcher) Remainder {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			return d.Shutdown(ctx)
		}
		cfg := config(refusing)
		cfg.DeadLetters = c.keep
		d := New(cfg)
		sink := newNotes()
		offer(t, d, message("bad", "u", sink))
		if left := stop(d); left != (Remainder{}) {
			t.Errorf("in memory: Shutdown left %+v", left)
		}
		sink.is(t, "bad", Rejected)
		if s := sink.last["bad"]; s.NotBuried == nil {
			t.Error("in memory: the outcome does not say that the dead letter is not kept")
		}

		cfg.Store = newMemStore()
		d = New(cfg)
		sink = newNotes()
		offer(t, d, message("bad", "u", sink))
		if left := stop(d); left.Kept != 1 {
			t.Errorf("with a store: Shutdown left %+v", left)
		}
		sink.is(t, "bad", Kept)

		c.fail = nil
		d = New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		shutdown(t, d)
		if !slices.Equal(c.ids, []string{"bad"}) || d.Stats().Stored != 0 {
			t.Errorf("the next life kept %v, and %d are in the store", c.ids, d.Stats().Stored)
		}
	})
}

// Who cancels does not wait for a disk. Others' messages go on waiting, also those of the same batch.
func TestCancelSinkWithDeadLettersThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cemetery{fail: func() error { return errors.New("no space") }}
		cfg := config(func(context.Context, *transport.Batch) transport.Result {
			return transport.Result{Class: transport.Final, Status: 410}
		})
		cfg.DeadLetters = c.keep
		d := New(cfg)
		mine, theirs := newNotes(), newNotes()
		for i := range 10 {
			offer(t, d, message(fmt.Sprint("m", i), "u", mine))
			offer(t, d, message(fmt.Sprint("t", i), "u", theirs))
		}
		time.Sleep(10 * time.Second)
		d.CancelSink(mine)
		synctest.Wait()
		d.Forget(mine)
		for i := range 10 {
			mine.is(t, fmt.Sprint("m", i), Rejected)
		}
		if s := mine.last["m0"]; s.NotBuried == nil || theirs.count() != 0 {
			t.Errorf("NotBuried is %v, and %d of the others are told", s.NotBuried, theirs.count())
		}
		c.fail = nil
		shutdown(t, d)
		for i := range 10 {
			theirs.is(t, fmt.Sprint("t", i), Rejected)
		}
		if len(c.ids) != 10 || theirs.last["t0"].NotBuried != nil {
			t.Errorf("dead letters of %v", c.ids)
		}
	})
}

// A message that is too old when it is read from the store is a dead letter, too.
func TestMessageTooOldToBeSentIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cemetery
		cfg := config(accept)
		cfg.Store = newMemStore()
		cfg.MaxAge = time.Hour
		cfg.DeadLetters = c.keep
		q, err := cfg.Store.Queue(testKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Append(t.Context(), [][]byte{appendStored(nil, message("old", "u", nil), 1, 0)}, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		shutdown(t, d)
		if s := d.Stats(); !slices.Equal(c.ids, []string{"old"}) || s.Exhausted != 1 || s.Stored != 0 {
			t.Errorf("dead letters of %v, stats %+v", c.ids, s)
		}
	})
}

// t.FailNow in a hook ends the hook's goroutine. Nothing else ends with it.
func TestHooksThatEndTheirGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.BatchMessages = 7
		cfg.Observer = func(*Settlement) { runtime.Goexit() }
		cfg.Attempt = func(AttemptInfo) { runtime.Goexit() }
		d := New(cfg)
		sink := newNotes()
		for i := range 50 {
			offer(t, d, message(fmt.Sprint(i), "u", sink))
		}
		for range 3 {
			offer(t, d, unique("same", "x", sink))
		}
		shutdown(t, d)
		for i := range 50 {
			sink.is(t, fmt.Sprint(i), Accepted)
		}
		if got := len(sink.settled["same"]); got != 3 {
			t.Errorf("a message that was offered three times was settled %d times", got)
		}
		if s := d.Stats(); s.HookPanics < 53 || s.Queued != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
