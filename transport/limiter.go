package transport

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// LimiterConfig is what NewLimiter makes a Limiter of.
type LimiterConfig struct {
	// EventsPerSecond is the number of messages let through in a second. Defaults to DefaultEventsPerSecond where it is 0; a
	// negative number is no limit.
	EventsPerSecond float64
	// RequestsPerSecond is the number of requests let through in a second, of whatever size. Defaults to
	// DefaultRequestsPerSecond where it is 0; a negative number is no limit.
	RequestsPerSecond float64
	// Adaptive makes the limiter learn the server's limit from what it is told by Observe. EventsPerSecond is where it starts then,
	// and its ceiling: the rate falls below it where the server takes less, and comes back. Where EventsPerSecond is negative the
	// limit is unknown: the rate starts at DefaultEventsPerSecond and may grow beyond it. RequestsPerSecond is not adapted.
	Adaptive bool
}

// A Limiter holds what is sent to one workspace below its rates. Segment's limits are the workspace's, so that all clients
// that send to one workspace should share one.
//
// Each rate has a bucket of a quarter of a second, full at the start: in any stretch of w seconds it lets through at most rate x w
// + rate / 4 events (one event, or one request of more events than the bucket holds, always passes in the end).
//
// A nil *Limiter has no limits. A Limiter is safe for concurrent use; none of its methods waits.
type Limiter struct {
	mu       sync.Mutex
	events   *rate.Limiter // nil where there is no limit
	requests *rate.Limiter
	latest   time.Time // the latest time that Reserve was told
	floor    time.Time // when the last request that was let through may go
	adaptive bool
	learner  learner // used where adaptive
}

// NewLimiter returns a limiter with the given rates. Its error is a *ConfigError, for rates that are not finite numbers.
func NewLimiter(c LimiterConfig) (*Limiter, error) {
	var problems ConfigError
	events := configuredRate(&problems, "EventsPerSecond", c.EventsPerSecond, DefaultEventsPerSecond)
	requests := configuredRate(&problems, "RequestsPerSecond", c.RequestsPerSecond, DefaultRequestsPerSecond)
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	l := &Limiter{requests: newBucket(requests), adaptive: c.Adaptive}
	if c.Adaptive {
		start := events
		if math.IsInf(events, 1) {
			start = DefaultEventsPerSecond
		}
		l.learner = newLearner(events, start)
		events = l.learner.rate()
	}
	l.events = newBucket(events)
	return l, nil
}

// configuredRate returns the rate that a field of LimiterConfig stands for, +Inf for no limit.
func configuredRate(problems *ConfigError, field string, value, byDefault float64) float64 {
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		problems.add(field, "is not a finite number; a negative one is no limit")
	case value == 0:
		return byDefault
	case value < 0:
		return math.Inf(1)
	}
	return value
}

// Reserve takes the tokens of one request that carries so many events, and returns how long the caller has to wait from now on
// before it sends it. It never refuses: what the buckets lack is owed, and the next request waits for it as well, so that a
// timer that fires late loses nothing of the rate. There is no giving back.
//
// A now before one that Reserve was told earlier counts as the earlier one: a clock that steps back changes no wait.
func (l *Limiter) Reserve(now time.Time, events int) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.advance(now)
	// Nothing goes before what was let through earlier. Tokens are taken at the time of the request: those that are taken while it
	// waits for the other bucket would fill up again meanwhile.
	at := now
	if at.Before(l.floor) {
		at = l.floor
	}
	wait := max(lacking(l.requests, at, 1), lacking(l.events, at, events))
	at = at.Add(min(wait, math.MaxInt64-at.Sub(now)))
	take(l.requests, at, 1)
	take(l.events, at, events)
	l.floor = at
	return at.Sub(now)
}

// MaxBatch returns how many events a request should carry at most: a quarter of a second's, so that one batch is never more than
// the bucket, at least 1 and at most MaxBatchMessages. For an adaptive limiter it is an eighth of a second's: what small batches
// are answered tells the limit more finely. It changes with the rate.
func (l *Limiter) MaxBatch() int {
	share := 4.0
	if l != nil && l.adaptive {
		share = 8
	}
	return int(min(max(l.EventsPerSecond()/share, 1), MaxBatchMessages))
}

// EventsPerSecond returns the present rate of events, +Inf where there is no limit.
func (l *Limiter) EventsPerSecond() float64 {
	if l == nil {
		return math.Inf(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		return math.Inf(1)
	}
	return float64(l.events.Limit())
}

// SetEventsPerSecond changes the rate of events from now on; +Inf lifts the limit. A rate that is not above 0 is not taken: it
// leaves the limiter as it was, and so does every rate where l is nil.
//
// Waits that Reserve has returned stand as they are, and the new rate counts from the end of the last of them: what is owed
// is kept as time, or lowering the rate from 1,000 to 1 with 1,000 events owed would stop everything for a quarter of an hour.
//
// An adaptive limiter forgets what it has learned: perSecond is its ceiling, and where it starts again. +Inf takes the ceiling
// away and leaves the rate as it is.
func (l *Limiter) SetEventsPerSecond(perSecond float64) {
	if l == nil || !(perSecond > 0) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.adaptive {
		start := perSecond
		if math.IsInf(perSecond, 1) {
			start = l.learner.rate()
		}
		l.learner = newLearner(perSecond, start)
		perSecond = l.learner.rate()
	}
	l.setEvents(l.advance(time.Now()), perSecond)
}

// setEvents changes the rate of events from now on.
func (l *Limiter) setEvents(now time.Time, perSecond float64) {
	if now.Before(l.floor) {
		now = l.floor
	}
	l.floor = now
	if l.events == nil || math.IsInf(perSecond, 1) {
		l.events = newBucket(perSecond)
		return
	}
	// A changed rate is no new quarter of a second: the bucket keeps what it has, as far as it fits.
	l.events.SetLimitAt(now, rate.Limit(perSecond))
	l.events.SetBurstAt(now, bucketSize(perSecond))
}

// advance returns now, or the latest time seen where that is later. Without it rate.Limiter would credit the time between the
// two twice.
func (l *Limiter) advance(now time.Time) time.Time {
	if now.Before(l.latest) {
		return l.latest
	}
	l.latest = now
	return now
}

// maxBurst bounds a bucket so that its size is an int on every platform.
const maxBurst = 1 << 30

// newBucket returns a full bucket of a quarter of a second, or nil where there is no limit.
func newBucket(perSecond float64) *rate.Limiter {
	if math.IsInf(perSecond, 1) {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), bucketSize(perSecond))
}

// bucketSize returns a quarter of a second's events.
func bucketSize(perSecond float64) int {
	return int(min(max(perSecond/4, 1), maxBurst))
}

// lacking returns how long it takes from now on until a bucket has n tokens. A bucket that does not hold so many does until take.
func lacking(b *rate.Limiter, now time.Time, n int) time.Duration {
	if b == nil {
		return 0
	}
	if n > b.Burst() {
		b.SetBurstAt(now, n)
	}
	wait := math.Ceil((float64(n) - b.TokensAt(now)) / float64(b.Limit()) * 1e9)
	if wait >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(max(wait, 0))
}

// take takes n tokens that a bucket has at that time.
func take(b *rate.Limiter, at time.Time, n int) {
	if b == nil {
		return
	}
	b.ReserveN(at, max(n, 0))
	if burst := bucketSize(float64(b.Limit())); b.Burst() > burst {
		b.SetBurstAt(at, burst)
	}
}
