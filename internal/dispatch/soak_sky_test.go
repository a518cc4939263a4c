package dispatch

import (
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A sky is how the server and the network behave for a while.
type sky struct {
	kind  string
	share float64            // of the requests that it meets
	key   transport.WriteKey // that it meets, where it is about one key
	limit float64            // events a second
	until time.Time
}

// The kinds of sky. A storm has some of everything.
const (
	skyClear     = "clear"
	sky5xx       = "5xx"
	skyThrottled = "429, Retry-After"
	skyShut      = "429, Retry-After 300 s"
	skyBusy      = "429"
	skyHang      = "hang"
	skyDeaf      = "deaf hang"
	skySwallow   = "taken, no answer"
	skyRefuse    = "400 for all"
	skyNarrow    = "413"
	skyLocked    = "401"
	skyElsewhere = "redirect"
	skyFinal     = "501"
	skyPanic     = "panic"
	skyExit      = "goexit"
	skyLimit     = "limit passed"
	skyStorm     = "storm"
	skyOutage    = "outage"
)

// stormy is what may happen to a request in a storm.
var stormy = []string{sky5xx, skyThrottled, skyBusy, skyHang, skySwallow, skyPanic, skyExit, skyOutage}

var troubles = []string{
	sky5xx, skyThrottled, skyShut, skyBusy, skyHang, skyDeaf, skySwallow, skyRefuse, skyNarrow, skyLocked, skyElsewhere, skyFinal, skyPanic, skyExit,
	skyLimit, skyStorm, skyStorm,
}

// forecast changes the sky for as long as the day lasts: clear and trouble in turn, each trouble once before any comes again, and one
// outage of six hours.
func (s *soak) forecast() {
	var deck []string
	outageAt := s.start.Add(time.Duration(s.random(12 * time.Hour)))
	for now := s.start; now.Before(s.end); now = time.Now() {
		if len(deck) == 0 {
			deck = append(deck, troubles...)
			s.mu.Lock()
			s.chance.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			s.mu.Unlock()
		}
		kind := deck[0]
		if now.After(outageAt) {
			kind, outageAt = skyOutage, s.end.Add(time.Hour)
		} else {
			deck = deck[1:]
		}
		s.pass(s.brew(kind))
		s.pass(s.brew(skyClear))
	}
	s.pass(sky{kind: skyClear, until: time.Now()})
}

func (s *soak) random(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upTo(d)
}

// brew makes a sky of a kind.
func (s *soak) brew(kind string) sky {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sky{kind: kind, share: 0.1 + 0.85*s.chance.Float64()}
	span := 2*time.Minute + s.upTo(18*time.Minute)
	switch kind {
	case skyClear:
		span = 5*time.Minute + s.upTo(35*time.Minute)
	case skyShut:
		k.share = 0.05
	case skyFinal, skyRefuse:
		span = s.upTo(3 * time.Minute)
	case skyBusy: // a long series
		k.share = 0.95
	case skyDeaf, skyPanic, skyExit:
		k.share /= 2
	case skyLocked:
		k.share, span, k.key = 1, time.Hour, s.keys[s.chance.IntN(len(s.keys))]
	case skyElsewhere:
		k.share, span = 1, 30*time.Second+s.upTo(5*time.Minute)
	case skyOutage:
		k.share, span = 1, 6*time.Hour
	case skyLimit:
		k.limit = 1 + 20*s.chance.Float64()
	}
	k.until = time.Now().Add(span)
	return k
}

// pass lets a sky pass over, and lets it stay until it has met a request.
func (s *soak) pass(k sky) {
	s.mu.Lock()
	s.sky = k
	s.bucket = grants{rate: k.limit, tokens: k.limit, last: time.Now()}
	before := s.seen[k.kind]
	s.mu.Unlock()
	time.Sleep(min(time.Until(k.until), time.Until(s.end)))
	if met := s.times(k.kind) - before; k.kind == skyOutage && met > s.mostInOutage() {
		s.mu.Lock()
		s.failf("an outage has met %d requests, and at most %d should", met, s.mostInOutage())
		s.mu.Unlock()
	}
	for k.kind != skyStorm && time.Now().Before(s.end) && s.times(k.kind) == before {
		time.Sleep(min(time.Minute, time.Until(s.end)))
	}
}

// mostInOutage is how many requests an outage may meet: each lane begins with short waits, and then waits for half a minute on average,
// and begins again where its batch has had its time, after a minute at least.
func (s *soak) mostInOutage() int {
	const lanes, perMinute = 5, 12
	return len(s.keys) * lanes * perMinute * 6 * 60
}

func (s *soak) times(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[what]
}

// meets is what happens to a request now. The lock is held.
func (s *soak) meets(key transport.WriteKey) string {
	k := s.sky
	switch {
	case s.stubborn && !s.calm && s.chance.IntN(2) == 0:
		return skyDeaf
	case s.calm || s.chance.Float64() >= k.share, k.key != (transport.WriteKey{}) && k.key != key:
		return skyClear
	case k.kind == skyStorm:
		return stormy[s.chance.IntN(len(stormy))]
	}
	return k.kind
}
