package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// modelSeeds is how many random schedules TestModel plays.
const modelSeeds = 60

// TestModel plays random schedules of everything at once, hours of them in virtual time, and holds the invariants: a message that
// was admitted has exactly one outcome; the server sees the messages of a profile in order; what is accepted, ended otherwise and
// queued adds up; nothing is left behind.
func TestModel(t *testing.T) {
	injected := make(map[string]int)
	for seed := range uint64(modelSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				m.play()
				m.check()
				for fault, n := range m.faults {
					injected[fault] += n
				}
			})
		})
	}
	for _, fault := range []string{"5xx", "throttle", "taken, no answer", "hang", "panic", "final", "refused", "split"} {
		if injected[fault] == 0 {
			t.Errorf("the fault %q was never injected", fault)
		}
	}
}

// A model is a dispatcher among producers, a server and an observer that all behave at random.
type model struct {
	t   *testing.T
	rng *rand.Rand // of the schedule; what runs in other goroutines has its own
	d   *Dispatcher

	mu       sync.Mutex
	admitted map[string]bool // ids; true once the outcome is known
	outcomes map[string]Status
	sent     map[string][]int // by profile: the numbers of the messages that the server took, first time each
	taken    map[string]bool
	faults   map[string]int
	trouble  float64 // share of requests that fail
	server   *rand.Rand
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), server: rand.New(rand.NewPCG(seed, 2)),
		admitted: make(map[string]bool), outcomes: make(map[string]Status), sent: make(map[string][]int), taken: make(map[string]bool),
		faults: make(map[string]int),
	}
	rate := []float64{-1, 50, 1000}[m.rng.IntN(3)]
	limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: rate, RequestsPerSecond: -1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Transport: carrier(m.deliver), Limiter: limiter,
		Lanes: 1 + m.rng.IntN(6), BatchMessages: 1 + m.rng.IntN(60), Linger: time.Duration(m.rng.IntN(400)) * time.Millisecond,
		MaxMessages: 20 + m.rng.IntN(400), MaxBytes: 5_000 + m.rng.IntN(100_000), Deadline: 10 * time.Minute, AttemptTime: 10 * time.Second,
	}
	if m.rng.IntN(2) == 0 {
		cfg.Observer = m.observe
	}
	m.d = New(cfg)
	return m
}

// deliver is the server, and the network before it.
func (m *model) deliver(ctx context.Context, b *transport.Batch) transport.Result {
	m.mu.Lock()
	wait := time.Duration(m.server.IntN(300)) * time.Millisecond
	fails := m.server.Float64() < m.trouble
	kind := m.server.IntN(7)
	m.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return transport.Result{Err: ctx.Err()}
	}
	if fails {
		return m.fail(ctx, kind, b)
	}
	for _, id := range ids(b) {
		if isPoison(id) {
			m.note("split")
			return transport.Result{Class: transport.Split, Status: 400}
		}
	}
	m.take(b)
	return transport.Result{Class: transport.Accepted, Status: 200}
}

func (m *model) fail(ctx context.Context, kind int, b *transport.Batch) transport.Result {
	switch kind {
	case 0:
		m.note("5xx")
		return transport.Result{Status: 503}
	case 1:
		m.note("throttle")
		return transport.Result{Status: 429, RetryAfter: 3 * time.Second}
	case 2:
		m.note("taken, no answer")
		for _, id := range ids(b) {
			if isPoison(id) {
				return transport.Result{Class: transport.Split, Status: 400}
			}
		}
		m.take(b)
		return transport.Result{Ambiguous: true, Err: errors.New("reset")}
	case 3:
		m.note("hang")
		<-ctx.Done()
		return transport.Result{Ambiguous: true, Err: ctx.Err()}
	case 4:
		m.note("panic")
		panic("transport")
	case 5:
		m.note("final")
		return transport.Result{Class: transport.Final, Status: 501}
	}
	m.note("refused")
	return transport.Result{Err: errors.New("connection refused")}
}

// take is the server taking a batch: it drops what it has seen, and keeps the order in which it saw the rest.
func (m *model) take(b *transport.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids(b) {
		if m.taken[id] {
			continue
		}
		m.taken[id] = true
		profile, n := parts(id)
		m.sent[profile] = append(m.sent[profile], n)
	}
}

func (m *model) note(fault string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[fault]++
}

// observe is a hook that is slow at times, and panics at times.
func (m *model) observe(s *Settlement) {
	if s.Status == Rejected {
		panic("observer")
	}
	if s.Attempts > 2 {
		time.Sleep(time.Millisecond)
	}
}

// Settle implements Sink.
func (m *model) Settle(_ uint64, s *Settlement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := s.ID()
	if m.admitted[id] {
		m.t.Errorf("message %s has a second outcome, %d after %d", id, s.Status, m.outcomes[id])
	}
	m.admitted[id] = true
	m.outcomes[id] = s.Status
}

func isPoison(id string) bool { return id[0] == 'x' }

// name makes an id of a message, and parts takes it apart.
func name(profile string, n int, poison bool) string {
	kind := "m"
	if poison {
		kind = "x"
	}
	return fmt.Sprintf("%s-%s-%d", kind, profile, n)
}

func parts(id string) (profile string, n int) {
	dash := strings.LastIndexByte(id, '-')
	n, err := strconv.Atoi(id[dash+1:])
	if err != nil {
		panic(err)
	}
	return id[len("m-"):dash], n
}

// play runs some producers, each with profiles of its own, while the trouble comes and goes.
func (m *model) play() {
	var producers sync.WaitGroup
	for p := range 3 {
		rng := rand.New(rand.NewPCG(m.rng.Uint64(), 3))
		producers.Go(func() { m.produce(rng, p) })
	}
	for range 12 {
		m.mu.Lock()
		m.trouble = []float64{0, 0.1, 0.5, 0.9}[m.rng.IntN(4)]
		m.mu.Unlock()
		time.Sleep(time.Duration(m.rng.IntN(120)) * time.Second)
		if m.rng.IntN(3) == 0 {
			ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
			_ = m.d.Flush(ctx) // it may not come to an end while the trouble is bad
			cancel()
		}
	}
	m.mu.Lock()
	m.trouble = 0
	m.mu.Unlock()
	if m.rng.IntN(2) == 0 {
		producers.Wait()
		if err := m.d.Flush(m.t.Context()); err != nil {
			m.t.Errorf("Flush: %v", err)
		}
		if s := m.d.Stats(); s.Queued != 0 {
			m.t.Errorf("after a Flush %d messages are queued", s.Queued)
		}
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Duration(m.rng.IntN(30))*time.Second)
	defer cancel()
	left := m.d.Shutdown(ctx)
	producers.Wait()
	if left.Unreported != 0 {
		m.t.Errorf("Shutdown left %d messages unreported", left.Unreported)
	}
}

func (m *model) produce(rng *rand.Rand, producer int) {
	next := make(map[string]int)
	for range 300 {
		profile := fmt.Sprintf("p%d-%d", producer, rng.IntN(6))
		n := next[profile]
		next[profile]++
		id := name(profile, n, rng.IntN(100) == 0)
		msg := message(id, profile, m)
		msg.Urgent = rng.IntN(20) == 0
		ctx, cancel := context.WithTimeout(m.t.Context(), time.Duration(1+rng.IntN(90))*time.Second)
		m.mu.Lock()
		m.admitted[id] = false
		m.mu.Unlock()
		if err := m.d.Offer(ctx, msg, rng.IntN(4) > 0); err != nil {
			m.mu.Lock()
			if m.admitted[id] {
				m.t.Errorf("message %s was refused (%v) and settled", id, err)
			}
			delete(m.admitted, id)
			m.mu.Unlock()
		}
		cancel()
		if rng.IntN(5) == 0 {
			time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
		}
	}
}

// check holds what must be true in the end.
func (m *model) check() {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := make(map[Status]int)
	for id, settled := range m.admitted {
		if !settled {
			m.t.Errorf("message %s has no outcome", id)
		}
		counts[m.outcomes[id]]++
		if m.outcomes[id] == Accepted && !m.taken[id] {
			m.t.Errorf("message %s is accepted, and the server never took it", id)
		}
		if isPoison(id) && m.outcomes[id] == Accepted {
			m.t.Errorf("poison %s was accepted", id)
		}
	}
	for profile, numbers := range m.sent {
		for i := 1; i < len(numbers); i++ {
			if numbers[i] < numbers[i-1] {
				m.t.Errorf("of profile %s the server saw message %d after %d", profile, numbers[i], numbers[i-1])
			}
		}
	}
	s := m.d.Stats()
	if s.Admitted != len(m.admitted) || s.Accepted != counts[Accepted] || s.Rejected != counts[Rejected] ||
		s.Exhausted != counts[Exhausted] || s.Canceled != counts[Canceled] {
		m.t.Errorf("the counters say %+v, the outcomes are %v of %d", s, counts, len(m.admitted))
	}
	if s.Queued != 0 || s.QueuedBytes != 0 || s.Lanes != 0 || s.InFlight != 0 || m.d.pending != 0 || len(m.d.past) != 0 {
		m.t.Errorf("in the end it holds %+v, %d pending, %d epochs", s, m.d.pending, len(m.d.past))
	}
	if len(m.admitted) < 100 {
		m.t.Errorf("only %d messages were admitted: the schedule shows little", len(m.admitted))
	}
}
