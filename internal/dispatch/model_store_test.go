package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// TestModelWithStore plays random schedules over several lives of a process with one store: producers, trouble at the server, keys that
// are refused for a while, shutdowns that have no time. In the end the server has every message that was taken, each profile's in order,
// and the store is empty.
func TestModelWithStore(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				lives := &lives{model: m, store: newMemStore(), offered: make(map[string]int), stored: make(map[string]bool)}
				lives.play()
			})
		})
	}
}

type lives struct {
	*model
	store   *memStore
	refused bool // the server refuses the key

	offered map[string]int // by profile: the next number
	stored  map[string]bool
}

func (v *lives) deliver(ctx context.Context, b *transport.Batch) transport.Result {
	v.mu.Lock()
	refused := v.refused
	v.mu.Unlock()
	if refused {
		time.Sleep(20 * time.Millisecond)
		return transport.Result{Class: transport.Credentials, Status: 401}
	}
	r := v.model.deliver(ctx, b)
	if r.Class == transport.Final { // would end messages for good
		return transport.Result{Status: 500}
	}
	return r
}

func (v *lives) play() {
	for range 4 {
		v.live()
	}
	// A last life without trouble.
	v.mu.Lock()
	v.trouble, v.refused = 0, false
	v.mu.Unlock()
	d := New(v.config())
	if err := d.Open(testKey); err != nil {
		v.t.Fatal(err)
	}
	if err := d.Flush(v.t.Context()); err != nil {
		v.t.Errorf("Flush: %v", err)
	}
	shutdownStored(v.t, d)
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.stored {
		if !v.taken[id] {
			v.t.Errorf("message %s was stored, and the server never got it", id)
		}
	}
	for profile, numbers := range v.sent {
		for i := 1; i < len(numbers); i++ {
			if numbers[i] < numbers[i-1] {
				v.t.Errorf("of profile %s the server saw message %d after %d", profile, numbers[i], numbers[i-1])
			}
		}
	}
	if len(v.stored) < 100 {
		v.t.Errorf("only %d messages were stored: the schedule shows little", len(v.stored))
	}
	if q := v.store.queues[testKey]; q.Len() != 0 {
		v.t.Errorf("%d messages are left in the store", q.Len())
	}
}

func (v *lives) config() Config {
	return Config{
		Transport: carrier(v.deliver), Store: v.store, Lanes: 1 + v.rng.IntN(6), BatchMessages: 1 + v.rng.IntN(60),
		Linger: time.Duration(v.rng.IntN(400)) * time.Millisecond, MaxMessages: 5 + v.rng.IntN(100), MaxBytes: 5_000 + v.rng.IntN(50_000),
		Deadline: time.Minute, AttemptTime: 10 * time.Second,
	}
}

// live is one life: it offers messages, and is shut down with little time.
func (v *lives) live() {
	d := New(v.config())
	if err := d.Open(testKey); err != nil {
		v.t.Fatal(err)
	}
	var producers sync.WaitGroup
	for p := range 3 {
		rng := rand.New(rand.NewPCG(v.rng.Uint64(), 9))
		producers.Go(func() { v.produce(d, rng, p) })
	}
	for range 5 {
		v.mu.Lock()
		v.trouble = []float64{0, 0.3, 0.9}[v.rng.IntN(3)]
		v.refused = v.rng.IntN(3) == 0
		v.mu.Unlock()
		time.Sleep(time.Duration(v.rng.IntN(60)) * time.Second)
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Duration(v.rng.IntN(3000))*time.Millisecond)
	defer cancel()
	left := d.Shutdown(ctx)
	producers.Wait()
	synctest.Wait()
	if left.Canceled != 0 || left.Kept != v.store.queues[testKey].Len() {
		v.t.Errorf("Shutdown left %+v, and the store has %d", left, v.store.queues[testKey].Len())
	}
}

func (v *lives) produce(d *Dispatcher, rng *rand.Rand, producer int) {
	for range 100 {
		profile := fmt.Sprintf("p%d-%d", producer, rng.IntN(4))
		v.mu.Lock()
		n := v.offered[profile]
		v.offered[profile]++
		v.mu.Unlock()
		id := name(profile, n, false)
		var sink Sink
		told := new(once)
		if rng.IntN(2) == 0 {
			sink = told
		}
		msg := message(id, profile, sink)
		msg.Urgent = rng.IntN(10) == 0
		if err := d.Offer(v.t.Context(), msg, true); err == nil {
			v.mu.Lock()
			v.stored[id] = true
			v.mu.Unlock()
		}
		if rng.IntN(4) == 0 {
			time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
		}
	}
}

// once is a sink that may be told one time only.
type once struct {
	mu   sync.Mutex
	told bool
}

func (o *once) Settle(uint64, *Settlement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told {
		panic("told twice")
	}
	o.told = true
}

func shutdownStored(t *testing.T, d *Dispatcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if left := d.Shutdown(ctx); left != (Remainder{}) {
		t.Errorf("Shutdown left %+v", left)
	}
}
