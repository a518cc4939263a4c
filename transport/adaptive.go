package transport

import (
	"math"
	"time"
)

// An Observation is what one attempt has shown of the server's limit.
type Observation struct {
	// Sent is when the request was sent, and Answered when its answer was there, on one clock with what Reserve is told.
	Sent, Answered time.Time
	// Events is the number of messages in the request.
	Events int
	// Accepted tells that the server took the request, Throttled that it answered 429. Neither is set where something else
	// came of it.
	Accepted, Throttled bool
	// RetryAfter is how long the server asked to wait, 0 where it did not ask.
	RetryAfter time.Duration
	// Waited tells that Reserve made this request wait. A rate that holds nobody back does not grow.
	Waited bool
}

// Observe tells the limiter what came of an attempt, so that it learns the server's limit. The attempts of all clients that
// share the limiter belong here, in any order, each as soon as it is answered.
//
// A 429 lowers the rate, once for all requests that were under way together, and unless it asks for a quiet of more than 5 s;
// what Reserve is asked for later then waits until the end of the quiet as well. Longer quiets are the client's to keep.
//
// It does nothing where l is nil or not adaptive.
func (l *Limiter) Observe(o Observation) {
	if l == nil || !l.adaptive {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.advance(o.Answered)
	before := l.learner.rate()
	quiet := l.learner.observe(o)
	if after := l.learner.rate(); quiet > 0 || after != before {
		l.setEvents(now.Add(quiet), after)
	}
}

const (
	// returnTime is how many seconds of sending it takes to come back to the estimated limit after a cut. So long again, and the
	// rate is probeShare above the estimate.
	returnTime = 15.0
	probeShare = 0.2
	// streakTime is how soon after the quiet that follows a cut another 429 means that the cut was too small.
	streakTime = 3 * time.Second
	// windowTime is the longest Retry-After of a server that limits a rate. Longer ones come from servers that count a window
	// of time: there is nothing to learn from them but when the next one begins.
	windowTime = 5 * time.Second
	// serverBurst is how many seconds' worth of events a server is taken to let through at once, beyond its rate.
	serverBurst = 1.0
	// lowestRate keeps a server that refuses everything for a while from being asked once an hour.
	lowestRate = 1.0
)

// cuts are the shares of the rate that are left after the first, the second, ... 429 of a streak. Most come from probing: there
// the estimate is good, and the first cut only lets the server's bucket fill up again.
var cuts = [...]float64{0.97, 0.92, 0.85, 0.7, 0.6}

// A learner finds a server's limit from what it accepts and refuses. Limiter.mu guards it.
//
// The rate follows a cubic curve around the estimated limit, as TCP's CUBIC does with its window: after a cut it comes back
// quickly at first and slowly as it nears the estimate, stays about there, and then grows beyond it, faster and faster, until
// a 429 ends that. The curve runs over seconds of sending at the full rate rather than over time, so that a client that is idle,
// paused or slow for another reason does not grow.
//
// The estimate is kept for as long as the evidence allows. Between two 429s the server's bucket is empty at both ends: the limit
// is no more than what was accepted over that time, unless the bucket was full for a while. And in no stretch of time does a
// server let through more than a bucket beyond its limit: it is no less than the busiest stretch shows.
type learner struct {
	ceiling  float64 // the rate never exceeds it
	estimate float64 // of the server's limit
	depth    float64 // how far below the estimate the last cut went, as a share of it
	sending  float64 // seconds' worth of events sent at the full rate since then

	cut    time.Time // when the last 429 was heard that counted; requests sent before are about the rate before
	calm   time.Time // the end of the quiet that it asked for
	streak int       // cuts before it that were too small

	from     time.Time // when the request was sent that it answered: what follows counts from there
	accepted float64   // events since
	unheld   float64   // of those, the ones that did not wait for the rate
	recent   recent    // those of late, by time
}

func newLearner(ceiling, start float64) learner {
	return learner{ceiling: ceiling, estimate: start, sending: returnTime}
}

// rate returns the rate at which to send now.
func (a *learner) rate() float64 {
	x := a.sending/returnTime - 1
	steepness := probeShare
	if x < 0 {
		steepness = a.depth
	}
	return min(max(a.estimate*(1+steepness*x*x*x), lowestRate), a.ceiling)
}

// observe learns from an attempt, and returns for how long from its answer on nothing should be sent.
func (a *learner) observe(o Observation) (quiet time.Duration) {
	if a.from.IsZero() {
		a.from = o.Sent
	}
	if o.Sent.Before(a.from) || o.Events <= 0 {
		return 0
	}
	fresh := !o.Sent.Before(a.cut)
	switch {
	case o.Throttled && fresh:
		return a.throttled(o)
	case o.Accepted:
		events := float64(o.Events)
		a.recent.add(o.Sent.Sub(a.from), events)
		a.accepted += events
		if !o.Waited {
			a.unheld += events
		} else if fresh {
			// A batch from the time of a higher rate is no more than a second.
			a.sending += min(events/a.rate(), 1)
		}
	}
	return 0
}

// throttled learns from a 429 to a request that was sent after the last cut.
func (a *learner) throttled(o Observation) (quiet time.Duration) {
	rate := a.rate()
	if float64(o.Events) > rate*serverBurst {
		return 0 // a batch from the time of a higher rate may never fit; the rate is below what it has to be for that
	}
	if o.RetryAfter > windowTime {
		a.estimate, a.depth = rate, 0
	} else {
		a.reduce(o, rate)
		quiet = max(o.RetryAfter, 0)
	}
	a.sending = 0
	a.from, a.cut, a.calm = o.Sent, o.Answered, o.Answered.Add(o.RetryAfter)
	a.accepted, a.unheld, a.recent = 0, 0, recent{}
	return quiet
}

// reduce puts the estimate right as far as it has to be, and cuts the rate below it.
func (a *learner) reduce(o Observation, rate float64) {
	switch {
	case a.cut.IsZero():
	case a.accepted == 0 || o.Answered.Sub(a.calm) < streakTime:
		a.streak = min(a.streak+1, len(cuts)-1)
	default:
		a.streak = 0
	}
	// Where nothing is accepted at all, an outage is as likely as a low limit: the estimate stays, to come back to.
	if a.accepted > 0 {
		a.estimate = max(a.atLeast(o), min(a.estimate, a.atMost(o)))
	}
	a.depth = 1 - cuts[a.streak]*min(rate/a.estimate, 1)
}

// atLeast returns the least that the limit can be: what was accepted in the busiest stretch of time before the 429.
func (a *learner) atLeast(o Observation) float64 {
	return a.recent.busiest(o.Sent.Sub(a.from))
}

// atMost returns the most that the limit can be, +Inf where that cannot be told: before the first 429, or where the client had
// so little to send that the server's bucket may have been full for a while.
func (a *learner) atMost(o Observation) float64 {
	if a.cut.IsZero() || a.unheld > a.rate()/2 {
		return math.Inf(1)
	}
	return (a.accepted + float64(o.Events)) / o.Sent.Sub(a.from).Seconds()
}

// recent counts the events of the last 32 s, in slots of half a second.
type recent struct {
	events [64]float64 // a ring
	latest int         // the number of its latest slot
}

const recentSlot = time.Second / 2

// turn makes room for the slot of a time, and returns its number.
func (r *recent) turn(at time.Duration) int {
	slot := int(at / recentSlot)
	if slot-r.latest >= len(r.events) {
		*r = recent{latest: slot}
	}
	for r.latest < slot {
		r.latest++
		r.events[r.latest%len(r.events)] = 0
	}
	return slot
}

func (r *recent) add(at time.Duration, events float64) {
	if slot := r.turn(at); r.latest-slot < len(r.events) {
		r.events[slot%len(r.events)] += events
	}
}

// busiest returns the least limit at which a bucket that was full at some time could have let through all that was counted from
// then until now.
func (r *recent) busiest(now time.Duration) float64 {
	r.turn(now)
	least, events := 0.0, 0.0
	for slot := r.latest; slot >= 0 && slot > r.latest-len(r.events); slot-- {
		events += r.events[slot%len(r.events)]
		stretch := max(now-time.Duration(slot)*recentSlot, 0)
		least = max(least, events/(stretch.Seconds()+serverBurst))
	}
	return least
}
