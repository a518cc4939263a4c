package dispatch

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

var (
	soakDays  = flag.Int("soak", 2, "days that TestFault79Soak plays")
	soakFirst = flag.Uint64("soakfirst", 0, "the seed of the first of them")
)

// soakFaults is all that has to happen at least once in a run of the soak, or the run shows less than it says.
var soakFaults = []string{
	// at the server and on the way to it
	"5xx", "429, Retry-After", "429, Retry-After 300 s", "429", "hang", "deaf hang", "taken, no answer", "400", "400 for all", "413", "401",
	"redirect", "501", "panic", "goexit", "outage", "limit passed",
	// around the queue
	"repeat", "joined", "conflict", "queue full", "context ended", "sink canceled", "sink cancels", "hook panics", "hook slow", "hook blocks",
	"hook ends its goroutine", "dead letter fails", "flush", "flush cut short", "shut down late", "flood", "adaptive flood",
	// with a store
	"kill", "kill while storing", "done forgotten", "disk full", "store full", "read fails", "unreadable",
}

// TestFault79Soak plays days of everything at once, in virtual time: producers of all habits, a server and a network that fail in every
// way there is, hooks that fail, a disk that does, restarts and kills. What has to hold at every moment and at the end is in the
// comments of the checks. A seed is a schedule, and not a replay: what goes first of things at the same time is anybody's guess.
func TestFault79Soak(t *testing.T) {
	seen := make(map[string]int)
	messages, lives := 0, 0
	for i := range *soakDays {
		seed := *soakFirst + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSoak(t, seed)
				s.play()
				for fault, n := range s.seen {
					seen[fault] += n
				}
				messages += len(s.parcels)
				lives += s.lives
			})
		})
	}
	for _, fault := range soakFaults {
		if seen[fault] == 0 && *soakDays > 1 {
			t.Errorf("the fault %q was never injected", fault)
		}
	}
	t.Logf("%d messages in %d lives; %s", messages, lives, tallied(seen))
}

func tallied(seen map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, seen[what]))
	}
	return strings.Join(parts, ", ")
}

// A soak is one day.
type soak struct {
	t     *testing.T
	rng   *rand.Rand // of the schedule
	start time.Time
	end   time.Time
	keys  []transport.WriteKey
	store *soakStore // nil without one
	base  int        // goroutines that were there before
	mine  atomic.Int64

	// mu guards what follows, and lives, sinks, parcels and queues. Nothing else is locked while it is held.
	mu       sync.Mutex
	chance   *rand.Rand // of what happens in goroutines
	sky      sky
	stubborn bool // requests do not end when they should
	calm     bool // nothing fails, and nobody produces but for the test itself
	parcels  map[string]*parcel
	next     map[string]int // by profile: the number of its next message
	last     map[string]int // by profile: the number of the last message that the server got
	bucket   grants         // of a server that has a limit, and quiet while it is calm
	quiet    grants
	lives    int
	kills    int
	life     *life // the present one
	seen     map[string]int
	errors   int
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{
		t: t, rng: rand.New(rand.NewPCG(seed, 79)), chance: rand.New(rand.NewPCG(seed, 97)), start: time.Now(), base: runtime.NumGoroutine(),
		parcels: make(map[string]*parcel), next: make(map[string]int), last: make(map[string]int), seen: make(map[string]int),
	}
	s.end = s.start.Add(24 * time.Hour)
	for i := range 1 + s.rng.IntN(3) {
		s.keys = append(s.keys, transport.NewWriteKey(fmt.Sprint("key-", i)))
	}
	if seed%2 == 1 {
		s.store = newSoakStore(s)
	}
	return s
}

// play plays the day, and two last lives in which all is well.
func (s *soak) play() {
	var weather sync.WaitGroup
	weather.Add(2)
	s.spawn(func() {
		defer weather.Done()
		s.forecast()
	})
	s.spawn(func() {
		defer weather.Done()
		if s.store != nil {
			s.store.fillUp()
		}
	})
	for time.Now().Before(s.end) {
		s.newLife(nil).play(time.Now().Add(s.span()))
	}
	weather.Wait()
	for _, adaptive := range []bool{true, false} {
		l := s.newLife(func(l *life, requests *float64) {
			l.rate, *requests, l.adaptive, l.cfg.MaxMessages, l.cfg.BatchMessages = 200, -1, adaptive, 600, 100
		})
		l.settleDown()
		l.flood()
		l.finish(time.Hour)
	}
	s.check()
}

// span is how long a life lasts: most of them hours, some of them minutes.
func (s *soak) span() time.Duration {
	if s.rng.IntN(3) == 0 {
		return time.Duration(1+s.rng.IntN(20)) * time.Minute
	}
	return time.Duration(1+s.rng.IntN(9)) * time.Hour
}

// check holds what must be true when the day is over: with a store, every message that was taken has come to its end.
func (s *soak) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	accepted := 0
	for _, p := range s.parcels {
		if p.taken {
			accepted++
		}
		if p.stored && !p.taken && !p.ended {
			s.failf("message %s of profile %s was stored, and neither has the server got it nor has it ended otherwise", p.id, p.profile)
		}
	}
	if s.store != nil {
		s.store.checkEmpty()
	}
	if len(s.parcels) < 2000 || accepted < len(s.parcels)/4 {
		s.failf("of %d messages the server got %d: the day shows little", len(s.parcels), accepted)
	}
}

// spawn starts a goroutine that is the test's own.
func (s *soak) spawn(f func()) {
	s.mine.Add(1)
	go func() {
		defer s.mine.Add(-1)
		f()
	}()
}

// failf is Errorf that knows when it happened. The lock is held.
func (s *soak) failf(format string, args ...any) {
	if s.errors++; s.errors > 10 {
		return
	}
	s.t.Errorf("%v, life %d, %s: %s", time.Since(s.start).Round(time.Millisecond), s.lives, s.sky.kind, fmt.Sprintf(format, args...))
}

// note counts what has happened. The lock is held.
func (s *soak) note(what string) { s.seen[what]++ }

// roll is true with probability p, and never while it is calm. The lock is held.
func (s *soak) roll(p float64) bool { return !s.calm && s.chance.Float64() < p }

// upTo is a random time. The lock is held.
func (s *soak) upTo(d time.Duration) time.Duration {
	return time.Duration(s.chance.Int64N(int64(d) + 1))
}

// sleep waits, and tells whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
