package profiles_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

var (
	soakRuns  = flag.Int("soak", 4, "runs of TestFault79ClientSoak")
	soakFirst = flag.Uint64("soakfirst", 0, "the seed of the first of them")
)

// TestFault79ClientSoak plays hours of a program's life through the public API, in virtual time: imports that keep a checkpoint, services
// that Enqueue and Send, Flush now and then, a server that fails in many ways, clients that are closed in the middle of it and made anew,
// half of them with a spool on real files. Each range has to be in order, with one outcome for each record; a Report has to add up; a
// checkpoint must not have passed a record whose messages are lost; and what Enqueue took must not be lost either.
func TestFault79ClientSoak(t *testing.T) {
	seen := make(map[string]int)
	run := func(seed uint64) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dir := ""
			if seed%2 == 1 {
				dir = t.TempDir() + "/spool"
			}
			synctest.Test(t, func(t *testing.T) {
				w := newSoakWorld(t, seed, dir)
				w.play()
				for what, n := range w.seen {
					seen[what] += n
				}
			})
		})
	}
	next := *soakFirst
	for range *soakRuns {
		run(next)
		next++
	}
	// A seed fixes the choices and not the order in which goroutines run: what a few seeds did not meet, the next ones do.
	for range 40 {
		if *soakRuns < 2 || len(notSeen(seen)) == 0 {
			break
		}
		run(next)
		next++
	}
	if missing := notSeen(seen); len(missing) > 0 && *soakRuns > 1 {
		t.Errorf("have never happened: %q", missing)
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, seen[what]))
	}
	t.Log(strings.Join(parts, ", "))
}

// notSeen lists what a soak has to meet and has not met.
func notSeen(seen map[string]int) (missing []string) {
	for _, what := range []string{
		"5xx", "429", "taken, no answer", "hang", "401", "400", "outage", "closed late", "closed in time", "left early", "context ended", "source failed",
		"bad record", "range closed", "checkpoint stopped", "invalid", "skipped", "send pending", "queue full", "flush", "dead letter failed", "kept",
		"hook panics",
	} {
		if seen[what] == 0 {
			missing = append(missing, what)
		}
	}
	return missing
}

// A soakWorld is a program, and the server that it sends to.
type soakWorld struct {
	t    *testing.T
	rng  *rand.Rand // of the main goroutine
	dir  string     // of the spool, empty without one
	dest *profiles.Destination

	mu      sync.Mutex // guards what follows
	chance  *rand.Rand
	client  *soakClient // the present one
	lives   int
	taken   map[string]bool
	owed    map[string]string // what must not be lost: ids, and whose they are
	calm    bool
	trouble string
	seen    map[string]int
}

// A soakClient is a client from New to Close.
type soakClient struct {
	*profiles.Client
	w       *soakWorld
	told    int            // outcomes that its hook was told
	pending map[string]int // typed messages by id that it has taken, less those of which the hook was told
}

func newSoakWorld(t *testing.T, seed uint64, dir string) *soakWorld {
	return &soakWorld{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), chance: rand.New(rand.NewPCG(seed, 9)), dir: dir, dest: shop(t),
		taken: make(map[string]bool), owed: make(map[string]string), seen: make(map[string]int),
	}
}

func (w *soakWorld) play() {
	w.open()
	done := make(chan struct{})
	var users, others sync.WaitGroup
	for i := range 3 {
		users.Go(func() { w.runImport(i, rand.New(rand.NewPCG(w.random(), 1))) })
	}
	for i := range 2 {
		users.Go(func() { w.serve(i, rand.New(rand.NewPCG(w.random(), 2))) })
	}
	others.Go(func() { w.changeWeather(done) })
	others.Go(func() { w.flushNowAndThen(done) })
	others.Go(func() { w.reopenNowAndThen(done) })
	users.Wait()
	close(done)
	others.Wait()
	w.set(func() { w.calm = true })
	client := w.current()
	for range 2 {
		if err := client.Flush(w.t.Context()); err != nil {
			w.t.Errorf("Flush: %v", err)
		}
	}
	if s := client.Stats(); s.Queued != 0 || s.Stored != 0 || s.InFlight != 0 {
		w.t.Errorf("after a Flush the client holds %+v", s)
	}
	if err := client.Close(); err != nil {
		w.t.Errorf("Close: %v", err)
	}
	w.checkLife(client)
	for id, whose := range w.owed {
		if !w.taken[id] {
			w.t.Errorf("message %s of %s is lost", id, whose)
		}
	}
	if len(w.taken) < 500 {
		w.t.Errorf("the server got %d messages: the run shows little", len(w.taken))
	}
}

func (w *soakWorld) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *soakWorld) note(what string) { w.set(func() { w.seen[what]++ }) }

func (w *soakWorld) random() (n uint64) {
	w.set(func() { n = w.chance.Uint64() })
	return n
}

// roll is true with probability p, and never while it is calm. The lock is held.
func (w *soakWorld) roll(p float64) bool { return !w.calm && w.chance.Float64() < p }

func (w *soakWorld) current() (c *soakClient) {
	w.set(func() { c = w.client })
	return c
}

// open makes the next client.
func (w *soakWorld) open() {
	pick := func(of ...int) int { return of[w.chance.IntN(len(of))] }
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives++
	c := &soakClient{w: w, pending: make(map[string]int)}
	cfg := profiles.Config{
		Region: region.Europe, WriteKey: spaceKey, Transport: w, EventsPerSecond: float64(pick(-1, 50, 1000)),
		Lanes: pick(1, 4), BatchMessages: pick(3, 20, 0), QueueMessages: pick(5, 50, 0), Window: pick(1, 20, 500), Deadline: time.Duration(pick(1, 5)) * time.Minute,
		CloseTimeout: time.Duration(pick(10, 1000, 20_000)) * time.Millisecond,
		Hooks:        profiles.Hooks{Outcome: c.outcome},
	}
	if w.chance.IntN(3) == 0 {
		cfg.DeadLetters = w.keepDeadLetters
	}
	if w.dir != "" {
		cfg.Spool = &spool.Config{Dir: w.dir, Mode: spool.Mode(w.chance.IntN(3))}
	}
	var err error
	if c.Client, err = profiles.New(cfg); err != nil {
		w.t.Errorf("client %d: %v", w.lives, err)
		return
	}
	w.client = c
}

// reopenNowAndThen closes the client in the middle of everything, and makes another.
func (w *soakWorld) reopenNowAndThen(done chan struct{}) {
	for w.wait(done, 15*time.Minute) {
		client, begin := w.current(), time.Now()
		err := client.Close()
		if took := time.Since(begin); took > 20*time.Second+200*time.Millisecond {
			w.t.Errorf("Close took %v", took)
		}
		var left *profiles.ShutdownError
		switch {
		case err == nil:
			w.note("closed in time")
		case errors.As(err, &left) && left.Err == nil:
			w.note("closed late")
			if w.dir == "" && left.Kept != 0 || w.dir != "" && left.Canceled != 0 {
				w.t.Errorf("Close: %v", err)
			}
			if left.Kept > 0 {
				w.note("kept")
			}
		default:
			w.t.Errorf("Close: %v", err)
		}
		for range 100 { // hooks that had not returned
			if time.Sleep(time.Minute); client.Stats().Queued == 0 {
				break
			}
		}
		synctest.Wait()
		w.checkLife(client)
		w.open()
	}
}

// checkLife holds that a client that is closed has told its hook of every message once.
func (w *soakWorld) checkLife(client *soakClient) {
	s := client.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir != "" { // some of them are told in another life
		return
	}
	if s.Admitted != client.told || s.Accepted+s.Rejected+s.Exhausted+s.Canceled != client.told {
		w.t.Errorf("the hook was told of %d messages, and the client has counted %+v", client.told, s)
	}
	for id, n := range client.pending {
		if n != 0 {
			w.t.Errorf("the hook was told %d times too few of message %s", n, id)
		}
	}
}

// outcome is the hook.
func (c *soakClient) outcome(o profiles.Outcome) {
	w := c.w
	w.mu.Lock()
	c.told++
	if strings.HasPrefix(o.MessageID, "typed-") {
		c.pending[o.MessageID]--
	}
	if o.Status == profiles.Accepted && !w.taken[o.MessageID] {
		w.t.Errorf("message %s is accepted, and the server has not got it", o.MessageID)
	}
	slow, panics := w.roll(0.01), w.roll(0.005)
	if panics {
		w.seen["hook panics"]++
	}
	if w.dir != "" && o.Status == profiles.Rejected {
		delete(w.owed, o.MessageID) // it has ended, and somebody was told
	}
	w.mu.Unlock()
	if slow {
		time.Sleep(30 * time.Second)
	}
	if panics {
		panic("hook")
	}
}

var errLetters = errors.New("no place for a dead letter")

func (w *soakWorld) keepDeadLetters([]profiles.DeadLetter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.roll(0.3) {
		w.seen["dead letter failed"]++
		return errLetters
	}
	return nil
}

// serve is a service that sends typed messages.
func (w *soakWorld) serve(number int, rng *rand.Rand) {
	for i := range 250 {
		id := fmt.Sprintf("typed-%d-%d", number, i)
		a := actions.SendTrack{UserID: fmt.Sprint("u", rng.IntN(5)), Event: "E", MessageID: id}
		if rng.IntN(50) == 0 {
			a.Event = "poison"
		}
		client := w.current()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(1+rng.IntN(60))*time.Second)
		w.set(func() { client.pending[id]++ })
		var err error
		switch rng.IntN(3) {
		case 0:
			_, err = client.Send(ctx, a)
		case 1:
			err = client.TryEnqueue(a)
		default:
			err = client.Enqueue(ctx, a)
		}
		cancel()
		client.judge(id, err)
		if rng.IntN(4) == 0 {
			time.Sleep(time.Duration(rng.IntN(120)) * time.Second)
		}
	}
}

// judge makes a note of what is owed after a Send or an Enqueue.
func (c *soakClient) judge(id string, err error) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	var of *profiles.Error
	switch {
	case err == nil:
		if w.dir != "" && !w.taken[id] && c.pending[id] > 0 {
			w.owed[id] = "a service"
		}
		return
	case !errors.As(err, &of):
		w.t.Errorf("message %s: %v", id, err)
		return
	}
	switch of.Status {
	case profiles.NotQueued:
		c.pending[id]--
		if errors.Is(err, profiles.ErrQueueFull) {
			w.seen["queue full"]++
		}
	case profiles.Pending:
		w.seen["send pending"]++
		if w.dir != "" && !w.taken[id] && c.pending[id] > 0 {
			w.owed[id] = "a service"
		}
	case profiles.Kept:
		w.seen["kept"]++
		if !w.taken[id] {
			w.owed[id] = "a service"
		}
	case profiles.Canceled, profiles.Exhausted, profiles.Rejected:
	default:
		w.t.Errorf("message %s: %v", id, err)
	}
}

func (w *soakWorld) flushNowAndThen(done chan struct{}) {
	for w.wait(done, 10*time.Minute) {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		if err := w.current().Flush(ctx); err == nil {
			w.note("flush")
		}
		cancel()
	}
}

// wait waits for some time, and tells whether it is not over.
func (w *soakWorld) wait(done chan struct{}, most time.Duration) bool {
	timer := time.NewTimer(time.Duration(w.random() % uint64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// soakSource gives the records of an import from one place on. It is slow at times, and may fail.
func soakSource(t *testing.T, rng *rand.Rand, rows []string, from int, failAt int) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for i := from; i < len(rows); i++ {
			if rng.IntN(3) == 0 {
				time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
			}
			if i == failAt {
				yield(nil, errSource)
				return
			}
			if rows[i] == "" {
				if !yield(nil, &profiles.BadRecord{Err: errors.New("not JSON")}) {
					return
				}
			} else if !yield(record(t, rows[i]), nil) {
				return
			}
		}
	}
}

var errSource = errors.New("the source has failed")
