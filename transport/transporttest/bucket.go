package transporttest

import "time"

// A bucket is Segment's limiter as far as it can be told from outside: it holds one second's worth of tokens and is full at
// the start. What is refused takes nothing.
type bucket struct {
	rate   float64 // tokens a second, and the bucket's size; none is needed where it is 0
	tokens float64
	at     time.Time
}

// setRate changes the rate. A bucket that is in use keeps what it holds, as far as there is room; the first rate fills it.
func (b *bucket) setRate(now time.Time, perSecond int) {
	b.fill(now)
	if b.rate == 0 {
		b.tokens = float64(perSecond)
	}
	b.rate = float64(max(perSecond, 0))
	b.tokens = min(b.tokens, b.rate)
}

func (b *bucket) fill(now time.Time) {
	if now.After(b.at) { // requests come to it in another order than they came in
		b.tokens = min(b.rate, b.tokens+b.rate*now.Sub(b.at).Seconds())
		b.at = now
	}
}

// wait returns how long it takes until the bucket holds n tokens, 0 where it does. More than fit are never held: the answer
// is then how long it takes until the bucket is full, and at least a second.
func (b *bucket) wait(now time.Time, n int) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.fill(now)
	need := float64(n)
	if need <= b.tokens {
		return 0
	}
	seconds := (min(need, b.rate) - b.tokens) / b.rate
	if need > b.rate {
		seconds = max(seconds, 1)
	}
	return time.Duration(seconds * float64(time.Second))
}

func (b *bucket) take(n int) {
	if b.rate > 0 {
		b.tokens -= float64(n)
	}
}
