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

// tokens keeps what was settled, by token.
type tokens struct {
	mu      sync.Mutex
	settled map[uint64][]Status
	errs    []error
}

func (n *tokens) Settle(token uint64, s *Settlement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.settled == nil {
		n.settled = make(map[uint64][]Status)
	}
	n.settled[token] = append(n.settled[token], s.Status)
	if s.Status == Unstored {
		n.errs = append(n.errs, s.Result.Err)
	}
}

// counts returns how many messages ended with each status, and fails the test where one ended twice.
func (n *tokens) counts(t *testing.T) map[Status]int {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := make(map[Status]int)
	for token, all := range n.settled {
		if len(all) != 1 {
			t.Errorf("message %d was settled with %v", token, all)
		}
		counts[all[0]]++
	}
	return counts
}

// submit submits messages of one profile, numbered from first on.
func submit(t *testing.T, d *Dispatcher, ctx context.Context, sink Sink, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		m := message(fmt.Sprint(i), "u", sink)
		m.Token = uint64(i)
		if err := d.Submit(ctx, m); err != nil {
			t.Fatalf("Submit %d: %v", i, err)
		}
	}
}

func TestSubmittedMessagesAreStoredInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		var sent []string
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			sent = append(sent, ids(b)...)
			return accept(ctx, b)
		})
		cfg.Store = store
		d := New(cfg)
		sink := new(tokens)
		submit(t, d, t.Context(), sink, 0, 5000)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		shutdown(t, d)
		if got := sink.counts(t); got[Accepted] != 5000 || len(got) != 1 {
			t.Errorf("the messages ended as %v", got)
		}
		for i, id := range sent {
			if id != fmt.Sprint(i) {
				t.Fatalf("message %d that was sent is %s", i, id)
			}
		}
		if n := store.queues[testKey].appends; n > 50 {
			t.Errorf("5,000 messages were stored by %d appends", n)
		}
	})
}

func TestSubmitWithoutAStoreIsOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(config(accept))
		sink := new(tokens)
		submit(t, d, t.Context(), sink, 0, 10)
		shutdown(t, d)
		if got := sink.counts(t); got[Accepted] != 10 {
			t.Errorf("the messages ended as %v", got)
		}
	})
}

// After a message that could not be stored nothing of the same sink is: it would overtake what is read again. Others' messages are.
func TestSubmittedMessagesThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		cfg := config(accept)
		cfg.Store = store
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		full := errors.New("no space")
		store.queues[testKey].failAt(1, full) // the second append
		mine, theirs := new(tokens), new(tokens)
		submit(t, d, t.Context(), mine, 0, 1)
		time.Sleep(500 * time.Microsecond) // while the first is being appended
		submit(t, d, t.Context(), mine, 1, 1)
		submit(t, d, t.Context(), theirs, 0, 1)
		submit(t, d, t.Context(), mine, 2, 1)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		shutdown(t, d)
		if got := mine.counts(t); got[Accepted] != 1 || got[Unstored] != 2 || mine.settled[0][0] != Accepted {
			t.Errorf("the messages ended as %v", mine.settled)
		}
		if len(mine.errs) != 2 || mine.errs[0] != full {
			t.Errorf("the errors are %v", mine.errs)
		}
		if got := theirs.counts(t); got[Accepted] != 1 {
			t.Errorf("another's message ended as %v", got)
		}
		if k := d.keys[testKey]; len(k.claims)+len(k.dropped) != 0 {
			t.Errorf("%d claims and %d dropped tickets are left", len(k.claims), len(k.dropped))
		}
	})
}

func TestCancelSinkOfSubmittedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Store = newMemStore()
		var mu sync.Mutex
		seen := make(map[string]Status)
		cfg.Observer = func(s *Settlement) {
			mu.Lock()
			defer mu.Unlock()
			seen[s.ID()] = s.Status
		}
		d := New(cfg)
		sink := new(tokens)
		submit(t, d, t.Context(), sink, 0, 100)
		d.CancelSink(sink)
		synctest.Wait()
		m := message("late", "u", sink)
		if err := d.Submit(t.Context(), m); !errors.Is(err, context.Canceled) {
			t.Errorf("Submit of a canceled sink: %v", err)
		}
		time.Sleep(time.Second)
		d.Forget(sink)
		shutdown(t, d)
		if got := sink.counts(t); got[Canceled] != 100 {
			t.Errorf("the messages ended as %v", got)
		}
		if s := d.Stats(); s.Accepted != 0 || s.Stored != 0 || s.Canceled != 100 {
			t.Errorf("stats %+v", s)
		}
		if len(seen) != 100 || seen["0"] != Canceled || seen["99"] != Canceled {
			t.Errorf("the observer was told of %d messages", len(seen))
		}
		if k := d.keys[testKey]; len(k.claims)+len(k.dropped) != 0 {
			t.Errorf("%d claims and %d dropped tickets are left", len(k.claims), len(k.dropped))
		}
	})
}

func TestShutdownOfSubmittedMessages(t *testing.T) {
	for _, test := range []struct {
		name string
		time time.Duration
		want Status
	}{{"with time enough", time.Minute, Accepted}, {"at once", 0, Kept}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(accept)
				cfg.Store = newMemStore()
				d := New(cfg)
				sink := new(tokens)
				submit(t, d, t.Context(), sink, 0, 100)
				ctx, cancel := context.WithTimeout(t.Context(), test.time)
				defer cancel()
				d.Shutdown(ctx)
				synctest.Wait()
				time.Sleep(time.Second) // the store is slower than a shutdown that has no time
				if got := sink.counts(t); got[test.want] != 100 {
					t.Errorf("the messages ended as %v", got)
				}
			})
		})
	}
}

func TestSubmitWaitsWhereTheStoreIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		cfg := config(accept)
		cfg.Store = store
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		store.queues[testKey].took = time.Minute
		sink := new(tokens)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		taken := 0
		var err error
		for ; err == nil; taken++ {
			m := message(fmt.Sprint(taken), "u", sink)
			m.Token = uint64(taken)
			err = d.Submit(ctx, m)
		}
		if taken--; !errors.Is(err, context.DeadlineExceeded) || taken*appendCost > 2*groupBytes {
			t.Errorf("after %d messages: %v", taken, err)
		}
		shutdown(t, d)
		if got := sink.counts(t); got[Accepted]+got[Unstored] != taken {
			t.Errorf("%d messages ended as %v", taken, got)
		}
	})
}
