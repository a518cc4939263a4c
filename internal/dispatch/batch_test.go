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

// sizes keeps the size of each batch and when it was sent.
type sizes struct {
	mu    sync.Mutex
	start time.Time
	n     []int
	at    []time.Duration
}

func (s *sizes) deliver(ctx context.Context, b *transport.Batch) transport.Result {
	s.mu.Lock()
	s.n = append(s.n, b.Len())
	s.at = append(s.at, time.Since(s.start))
	s.mu.Unlock()
	return accept(ctx, b)
}

func TestBatchClosesAfterLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &sizes{start: time.Now()}
		d := New(config(got.deliver))
		n := newNotes()
		for i := range 3 {
			offer(t, d, message(fmt.Sprint(i), "u", n))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got.n) != 1 || got.n[0] != 3 || got.at[0] != 250*time.Millisecond {
			t.Errorf("sent batches of %v at %v, want one of 3 at 250ms", got.n, got.at)
		}
		shutdown(t, d)
	})
}

func TestBatchClosesWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &sizes{start: time.Now()}
		d := New(config(got.deliver))
		for i := range 100 {
			offer(t, d, message(fmt.Sprint(i), "u", nil))
		}
		synctest.Wait()
		if len(got.n) != 1 || got.n[0] != 100 || got.at[0] != 0 {
			t.Errorf("sent batches of %v at %v, want one of 100 at once", got.n, got.at)
		}
		shutdown(t, d)
	})
}

func TestBatchClosesAtItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &sizes{start: time.Now()}
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if b.Bytes() > transport.MaxBatchBytes-transport.EnvelopeBytes {
				t.Errorf("a batch has %d bytes", b.Bytes())
			}
			return got.deliver(ctx, b)
		})
		cfg.MaxBytes = 10_000_000
		d := New(cfg)
		m := message("x", "u", nil)
		m.Body = append(m.Body[:len(m.Body)-1], `,"pad":"`...)
		for len(m.Body) < 31_000 {
			m.Body = append(m.Body, 'x')
		}
		m.Body = append(m.Body, `"}`...)
		for range 40 {
			offer(t, d, m)
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got.n) != 3 || got.n[0] != 16 || got.n[1] != 16 || got.n[2] != 8 {
			t.Errorf("sent batches of %v, want 16, 16 and 8", got.n)
		}
		shutdown(t, d)
	})
}

func TestUrgentMessageDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &sizes{start: time.Now()}
		d := New(config(got.deliver))
		n := newNotes()
		offer(t, d, message("0", "u", n))
		urgent := message("1", "u", n)
		urgent.Urgent = true
		offer(t, d, urgent)
		synctest.Wait()
		if len(got.n) != 1 || got.n[0] != 2 || got.at[0] != 0 {
			t.Fatalf("sent batches of %v at %v, want one of 2 at once", got.n, got.at)
		}
		// The lane is busy: the next ones ride together, as soon as it is free.
		second, third := message("2", "u", n), message("3", "u", n)
		second.Urgent, third.Urgent = true, true
		offer(t, d, second)
		offer(t, d, third)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if len(got.n) != 2 || got.n[1] != 2 || got.at[1] != 20*time.Millisecond {
			t.Errorf("sent batches of %v at %v, want the second with 2 at 20ms", got.n, got.at)
		}
		shutdown(t, d)
	})
}

func TestUrgentMessageThatJoinsDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Linger = time.Hour
		d := New(cfg)
		n := newNotes()
		offer(t, d, unique("a", "x", nil))
		m := unique("a", "x", n)
		m.Urgent = true
		offer(t, d, m)
		time.Sleep(time.Second)
		synctest.Wait()
		n.is(t, "a", Accepted)
		shutdown(t, d)
	})
}

func TestHurryDoesNotCutTheBatchesOfBusyLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &sizes{start: time.Now()}
		d := New(config(got.deliver))
		for i := range 11 {
			offer(t, d, message(fmt.Sprint(i), "u", nil))
			d.Hurry()
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got.n) != 2 || got.n[0] != 1 || got.n[1] != 10 {
			t.Errorf("sent batches of %v, want the first message alone and the others together", got.n)
		}
		shutdown(t, d)
	})
}

func TestBatchNeverMixesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		keys := make(map[transport.WriteKey]int)
		d := New(config(func(ctx context.Context, b *transport.Batch) transport.Result {
			mu.Lock()
			keys[b.WriteKey] += b.Len()
			mu.Unlock()
			return accept(ctx, b)
		}))
		other := transport.NewWriteKey("key-2")
		for i := range 50 {
			offer(t, d, message(fmt.Sprint("a", i), "u", nil))
			offer(t, d, keyed(other, fmt.Sprint("b", i), "u", nil))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(keys) != 2 || keys[testKey] != 50 || keys[other] != 50 {
			t.Errorf("the keys got %v messages", keys)
		}
		shutdown(t, d)
	})
}

func TestHalvesShareAndFreeTheirMemory(t *testing.T) {
	b := newBatch(testKey, new(epoch))
	for i := range 5 {
		b.add(message(fmt.Sprint(i), "u", nil), nil, 0)
	}
	left, right := b.halves()
	rightLeft, rightRight := right.halves()
	var got []string
	for _, part := range []*batch{left, rightLeft, rightRight} {
		got = append(got, ids(part.wire)...)
		if len(part.metas) != part.wire.Len() {
			t.Errorf("a part has %d metas for %d messages", len(part.metas), part.wire.Len())
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 4]" {
		t.Errorf("the parts hold %v", got)
	}
	left.free()
	rightLeft.free()
	if b.parts != 1 || b.wire.Len() != 5 {
		t.Errorf("with one part left the root has %d parts and %d messages", b.parts, b.wire.Len())
	}
	rightRight.free()
	if b.wire.Len() != 0 {
		t.Error("the root was not freed with its last part")
	}
}
