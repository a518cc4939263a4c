package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// slowStore takes a second to forget messages.
type slowStore struct{ *memStore }

func (s slowStore) Queue(key transport.WriteKey) (Queue, error) {
	q, err := s.memStore.Queue(key)
	return slowQueue{q}, err
}

type slowQueue struct{ Queue }

func (q slowQueue) Done(seqs []uint64) {
	time.Sleep(time.Second)
	q.Queue.Done(seqs)
}

// The key is refused between two reads of the feeder, the second of which finds nothing more: its messages are still read again when
// the key is asked again.
func TestKeyThatIsRefusedBetweenTwoReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 0
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if refusals++; refusals == 1 {
				return transport.Result{Class: transport.Credentials, Status: 401}
			}
			return accept(ctx, b)
		})
		store := newMemStore()
		cfg.Store = slowStore{store}
		d := New(cfg)
		q, err := store.Queue(testKey)
		if err != nil {
			t.Fatal(err)
		}
		n := newNotes()
		stored := appendStored(nil, message("m", "u", nil), 1, 0)
		q.(*memQueue).all = []Stored{{Seq: 1, Payload: []byte("not a message"), At: time.Now()}, {Seq: 2, Payload: stored, At: time.Now()}}
		d.cfg.Observer = func(s *Settlement) { n.Settle(0, s) }
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		n.is(t, "m", Accepted)
		shutdown(t, d)
	})
}

// What grows too old while the server keeps everybody waiting is not sent afterwards.
func TestMessagesThatExpireInAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		cfg := config(func(context.Context, *transport.Batch) transport.Result {
			attempts++
			return transport.Result{Status: 429, RetryAfter: 5 * time.Minute}
		})
		cfg.Store, cfg.MaxAge, cfg.Lanes = newMemStore(), time.Minute, 1
		d := New(cfg)
		n := newNotes()
		offer(t, d, message("first", "u", n))
		time.Sleep(time.Second)
		offer(t, d, message("second", "u", n))
		shutdown(t, d)
		n.is(t, "first", Exhausted)
		n.is(t, "second", Exhausted)
		if attempts != 1 {
			t.Errorf("%d attempts", attempts)
		}
	})
}

// A lossyStore has one queue, whose messages turn out to be damaged when they are read: the log passes over them.
type lossyStore struct{ *memQueue }

func (s lossyStore) Queue(transport.WriteKey) (Queue, error) { return s, nil }

func (s lossyStore) Next(int) ([]Stored, error) {
	time.Sleep(time.Second) // a disk
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		s.done[m.Seq] = true
	}
	return nil, nil
}

// A Flush that waits for a message ends when the message is found to be damaged, and nothing else is left.
func TestFlushOfDamagedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(accept)
		cfg.Store = lossyStore{&memQueue{done: map[uint64]bool{}, all: []Stored{{Seq: 1, Payload: []byte("x")}}}}
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.Flush(ctx); err != nil {
			t.Errorf("Flush: %v", err)
		}
		shutdown(t, d)
	})
}
