package dispatch

import (
	"math/rand/v2"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A gate decides when the next request may go, whichever lane it comes from: it is closed while the server has asked for
// quiet, and takes tokens from the limiter. Dispatcher.mu guards it.
type gate struct {
	limiter *transport.Limiter

	pausedUntil time.Time
	// paused is how long the gate has been and will have been closed in all, up to pausedUntil.
	paused time.Duration

	// The one reservation: tokens are taken for the batch that goes next, ahead of their time, so that a late timer loses
	// nothing of the rate.
	reserved *batch
	grant    time.Time
}

// pause closes the gate for so long from now, and up to a tenth more: clients that were told the same would come back together.
// It reports whether that is longer than it was closed for anyway.
func (g *gate) pause(now time.Time, wait time.Duration) bool {
	wait = min(max(wait, time.Second), transport.MaxRetryAfter)
	until := now.Add(wait + rand.N(wait/10))
	if !until.After(g.pausedUntil) {
		return false
	}
	g.reserved = nil // the bucket fills up again while the gate is closed
	from := now
	if g.pausedUntil.After(now) {
		from = g.pausedUntil
	}
	g.paused += until.Sub(from)
	g.pausedUntil = until
	return true
}

// pausedBy returns how long the gate had been closed in all by now.
func (g *gate) pausedBy(now time.Time) time.Duration {
	if g.pausedUntil.After(now) {
		return g.paused - g.pausedUntil.Sub(now)
	}
	return g.paused
}

// opens returns when the batch may go, and takes tokens for it if that is not done yet.
func (g *gate) opens(now time.Time, b *batch) time.Time {
	if g.pausedUntil.After(now) {
		return g.pausedUntil
	}
	if g.reserved != b {
		g.reserved = b
		wait := g.limiter.Reserve(now, b.wire.Len())
		g.grant = now.Add(wait)
		b.waited = wait > 0
	}
	return g.grant
}

// unreserve forgets the reservation of a batch that goes now, or will not go. The tokens are not given back.
func (g *gate) unreserve(b *batch) {
	if g.reserved == b {
		g.reserved = nil
	}
}
