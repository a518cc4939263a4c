package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// memStore is a store in memory that outlives dispatchers.
type memStore struct {
	mu     sync.Mutex
	queues map[transport.WriteKey]*memQueue
}

func newMemStore() *memStore { return &memStore{queues: make(map[transport.WriteKey]*memQueue)} }

func (s *memStore) Queue(key transport.WriteKey) (Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[key]
	if q == nil {
		q = &memQueue{done: make(map[uint64]bool)}
		s.queues[key] = q
	}
	q.Reset(0)
	return q, nil
}

type memQueue struct {
	mu   sync.Mutex
	all  []Stored
	done map[uint64]bool
	pos  int
	took time.Duration // by Append; 1 ms where it is 0
	fail error         // of Append

	appends int           // calls that were made
	failing map[int]error // of those, the ones that fail
}

// failAt makes an Append fail, by its number from 0.
func (q *memQueue) failAt(n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failing == nil {
		q.failing = make(map[int]error)
	}
	q.failing[n] = err
}

func (q *memQueue) Append(_ context.Context, payloads [][]byte, _ bool) error {
	time.Sleep(cmp.Or(q.took, time.Millisecond)) // a disk
	q.mu.Lock()
	defer q.mu.Unlock()
	q.appends++
	if err := cmp.Or(q.fail, q.failing[q.appends-1]); err != nil {
		return err
	}
	for _, payload := range payloads {
		q.all = append(q.all, Stored{Seq: uint64(len(q.all) + 1), Payload: slices.Clone(payload), At: time.Now()})
	}
	return nil
}

func (q *memQueue) Next(maxBytes int) ([]Stored, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Stored
	for n := 0; q.pos < len(q.all) && (n == 0 || n < maxBytes); q.pos++ {
		if s := q.all[q.pos]; !q.done[s.Seq] {
			out = append(out, s)
			n += len(s.Payload)
		}
	}
	return out, nil
}

func (q *memQueue) Reset(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pos = int(max(seq, 1)) - 1
}

func (q *memQueue) Done(seqs []uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, seq := range seqs {
		if q.done[seq] {
			panic("done twice")
		}
		q.done[seq] = true
	}
}

func (q *memQueue) First() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.all {
		if !q.done[s.Seq] {
			return s.Seq
		}
	}
	return uint64(len(q.all)) + 1
}

func (q *memQueue) Last() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return uint64(len(q.all))
}

func (q *memQueue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.all) - len(q.done)
}

func TestStoredMessagesAreDeliveredInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		var mu sync.Mutex
		var sent []string
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			mu.Lock()
			sent = append(sent, ids(b)...)
			mu.Unlock()
			return accept(ctx, b)
		})
		cfg.Store = store
		cfg.MaxMessages = 10 // far fewer than are stored
		d := New(cfg)
		n := newNotes()
		for i := range 500 {
			var sink Sink
			if i%2 == 0 {
				sink = n
			}
			offer(t, d, message(fmt.Sprint(i), "u", sink))
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(sent) != 500 || n.count() != 250 {
			t.Fatalf("sent %d messages, and %d of 250 outcomes came", len(sent), n.count())
		}
		for i, id := range sent {
			if id != fmt.Sprint(i) {
				t.Fatalf("message %d that was sent is %s", i, id)
			}
		}
		if s := d.Stats(); s.Stored != 0 || s.Accepted != 500 || s.Admitted != 500 {
			t.Errorf("stats %+v", s)
		}
		shutdown(t, d)
	})
}

func TestAnotherLifeDeliversWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		cfg := config(func(context.Context, *transport.Batch) transport.Result {
			return transport.Result{Err: errors.New("down")}
		})
		cfg.Store = store
		d := New(cfg)
		n := newNotes()
		for i := range 50 {
			offer(t, d, message(fmt.Sprint(i), fmt.Sprint("u", i%5), n))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		left := d.Shutdown(ctx)
		synctest.Wait()
		if left.Kept != 50 || left.Canceled != 0 {
			t.Errorf("Shutdown left %+v", left)
		}
		for i := range 50 {
			n.is(t, fmt.Sprint(i), Kept)
		}

		var told []Status
		cfg.Transport = carrier(accept)
		cfg.Observer = func(s *Settlement) { told = append(told, s.Status) }
		cfg.Lanes = 1
		d = New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(told) != 50 || slices.ContainsFunc(told, func(s Status) bool { return s != Accepted }) {
			t.Errorf("the observer of the next life was told %v", told)
		}
		shutdown(t, d)
	})
}

func TestFlushEndsWithTheDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(context.Context, *transport.Batch) transport.Result { return transport.Result{Status: 503} })
		cfg.Store = newMemStore()
		d := New(cfg)
		offer(t, d, message("a", "u", nil))
		flushed := make(chan error, 1)
		go func() { flushed <- d.Flush(t.Context()) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if left := d.Shutdown(ctx); left.Kept != 1 {
			t.Errorf("Shutdown left %+v", left)
		}
		if err := <-flushed; err != ErrClosed {
			t.Errorf("Flush: %v", err)
		}
	})
}

func TestRefusedKeyIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent []string
		healed := false
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			mu.Lock()
			ok := healed || b.WriteKey != testKey
			if ok && b.WriteKey == testKey {
				sent = append(sent, ids(b)...)
			}
			mu.Unlock()
			if !ok {
				time.Sleep(20 * time.Millisecond)
				return transport.Result{Class: transport.Credentials, Status: 401}
			}
			return accept(ctx, b)
		})
		cfg.Store = newMemStore()
		cfg.MaxMessages = 50
		d := New(cfg)
		n := newNotes()
		other := transport.NewWriteKey("key-2")
		for i := range 200 {
			offer(t, d, message(fmt.Sprint("a", i), fmt.Sprint("u", i%8), n))
		}
		time.Sleep(5 * time.Second)
		for i := range 200 { // are not held up
			offer(t, d, keyed(other, fmt.Sprint("b", i), "u", n))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := n.count(); got != 200 {
			t.Errorf("%d messages of the other key are settled, want 200", got)
		}
		mu.Lock()
		healed = true
		mu.Unlock()
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			n.is(t, fmt.Sprint("a", i), Accepted)
		}
		last := make(map[int]int)
		for _, id := range sent {
			var i int
			if _, err := fmt.Sscanf(id, "a%d", &i); err != nil {
				t.Fatal(err)
			}
			if i < last[i%8] {
				t.Errorf("message %d of profile u%d was sent after %d", i, i%8, last[i%8])
			}
			last[i%8] = i
		}
		if len(sent) != 200 {
			t.Errorf("%d messages were sent", len(sent))
		}
		shutdown(t, d)
	})
}

func TestStoreThatFailsIsAnErrorOfOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		cfg := config(accept)
		cfg.Store = store
		d := New(cfg)
		if err := d.Open(testKey); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("disk on fire")
		store.queues[testKey].fail = broken
		n := newNotes()
		if err := d.Offer(t.Context(), message("a", "u", n), true); err != broken {
			t.Errorf("Offer: %v", err)
		}
		shutdown(t, d)
		if n.count() != 0 || len(d.keys[testKey].claims) != 0 {
			t.Errorf("%d outcomes and %d claims are left of a message that was refused", n.count(), len(d.keys[testKey].claims))
		}
	})
}

func TestCancelSinkOfStoredMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		broken := true
		cfg := config(func(ctx context.Context, b *transport.Batch) transport.Result {
			if broken {
				return transport.Result{Status: 503}
			}
			return accept(ctx, b)
		})
		cfg.Store = store
		cfg.MaxMessages = 10
		d := New(cfg)
		mine, theirs := newNotes(), newNotes()
		for i := range 50 {
			offer(t, d, message(fmt.Sprint("m", i), "u", mine))
			offer(t, d, message(fmt.Sprint("t", i), "u", theirs))
		}
		time.Sleep(time.Second)
		d.CancelSink(mine)
		synctest.Wait()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		mine.mu.Lock()
		got := len(mine.order)
		mine.mu.Unlock()
		if got != 50 {
			t.Errorf("%d of 50 were canceled", got)
		}
		d.Forget(mine)
		broken = false
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			theirs.is(t, fmt.Sprint("t", i), Accepted)
		}
		if s := d.Stats(); s.Stored != 0 || s.Accepted != 50 || s.Canceled != 50 {
			t.Errorf("stats %+v", s)
		}
		shutdown(t, d)
	})
}

func TestStoredMessageThatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(func(context.Context, *transport.Batch) transport.Result { return transport.Result{Status: 503} })
		cfg.Store = newMemStore()
		cfg.MaxAge = time.Hour
		d := New(cfg)
		n := newNotes()
		start := time.Now()
		offer(t, d, message("a", "u", n))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.is(t, "a", Exhausted)
		if took := time.Since(start); took < 58*time.Minute || took > 61*time.Minute {
			t.Errorf("gave up after %v, want about an hour", took)
		}
		shutdown(t, d)
	})
}

func FuzzParseStored(f *testing.F) {
	f.Add(appendStored(nil, message("a", "u", nil), 1, 2))
	f.Add([]byte{storedFormat})
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, profile, life, ticket, err := parseStored(payload)
		if err != nil {
			return
		}
		m.Profile = string(profile)
		if again := appendStored(nil, &m, life, ticket); string(again) != string(payload) {
			t.Errorf("%q became %q", payload, again)
		}
	})
}
