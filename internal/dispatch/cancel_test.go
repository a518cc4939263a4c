package dispatch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

func TestCancelSinkLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		first := true
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			<-open
			if first {
				first = false
				return transport.Result{Status: 500} // what was on the wire has to come again
			}
			return transport.Result{Class: transport.Accepted}
		}))
		mine, theirs := newNotes(), newNotes()
		for i := range 60 {
			offer(t, d, message(fmt.Sprint("m", i), "u", mine))
			offer(t, d, message(fmt.Sprint("t", i), "u", theirs))
		}
		synctest.Wait() // the first hundred are in flight, the rest is being collected
		d.CancelSink(mine)
		synctest.Wait()
		if got := mine.count(); got != 10 {
			t.Errorf("%d messages were canceled at once, want the 10 that were not on the wire", got)
		}
		if err := d.Offer(t.Context(), message("after", "u", mine), true); err != context.Canceled {
			t.Errorf("Offer for a canceled sink: %v", err)
		}
		close(open)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Forget(mine)
		for i := range 60 {
			mine.is(t, fmt.Sprint("m", i), Canceled)
			theirs.is(t, fmt.Sprint("t", i), Accepted)
			if theirs.order[i] != fmt.Sprint("t", i) {
				t.Fatalf("their outcome %d is of %s", i, theirs.order[i])
			}
		}
		shutdown(t, d)
	})
}

// A message that others have joined is theirs as well, and a message that has joined another's is not the other's business.
func TestCancelSinkOfJoinedMessages(t *testing.T) {
	for _, c := range []struct {
		name                string
		mine                []bool // whose the same message is, one after the other
		canceled, delivered int
	}{
		{"mine twice", []bool{true, true}, 2, 0},
		{"mine joined another's", []bool{false, true}, 1, 1},
		{"another's joined mine", []bool{true, false}, 1, 1},
		{"by turns", []bool{true, false, true, false, true}, 3, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken := true
				sent := 0
				cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
					if broken {
						return transport.Result{Status: 503}
					}
					sent += b.Len()
					return accept(ctx, b)
				})
				observed := 0
				cfg.Observer = func(*Settlement) { observed++ }
				d := New(cfg)
				mine, theirs := newNotes(), newNotes()
				for _, isMine := range c.mine {
					sink := theirs
					if isMine {
						sink = mine
					}
					offer(t, d, unique("a", "x", sink))
				}
				offer(t, d, unique("b", "x", theirs))
				time.Sleep(time.Second) // tried, and waiting to be tried again
				d.CancelSink(mine)
				synctest.Wait()
				if got := mine.count(); got != c.canceled {
					t.Errorf("%d outcomes after CancelSink, want %d", got, c.canceled)
				}
				broken = false
				if err := d.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := theirs.count(); got != c.delivered+1 {
					t.Errorf("the other has %d outcomes, want %d", got, c.delivered+1)
				}
				if want := min(c.delivered, 1) + 1; sent != want {
					t.Errorf("sent %d messages, want %d", sent, want)
				}
				if want := len(c.mine) + 1; observed != want {
					t.Errorf("the observer was told %d times, want %d", observed, want)
				}
				shutdown(t, d)
			})
		})
	}
}
