package dispatch

import (
	"math/rand/v2"
	"time"
)

const (
	backoffBase = 500 * time.Millisecond
	backoffMax  = 60 * time.Second
	backoffMin  = 50 * time.Millisecond
)

// backoff returns how long to wait before attempt n+1, n counting from 1: a random part of a time that doubles, so that
// clients that failed together do not come back together.
func backoff(n int) time.Duration {
	ceiling := backoffMax
	if n <= 7 { // 0.5 s doubled 7 times is past the maximum
		ceiling = min(backoffMax, backoffBase<<(n-1))
	}
	return max(backoffMin, rand.N(ceiling))
}

// A retryBudget bounds what retries add to the load of a server in trouble. While it is used up, one batch is in flight at a
// time; each success doubles that.
type retryBudget struct {
	tokens int
	window int // batches that may be in flight; 0 is without limit
}

const (
	budgetTokens   = 500
	budgetRetry    = 14
	budgetThrottle = 5
	budgetWindow   = 64 // as many in flight again lift the limit
)

func (r *retryBudget) failed(throttled bool) {
	cost := budgetRetry
	if throttled {
		cost = budgetThrottle
	}
	if r.tokens = max(0, r.tokens-cost); r.tokens == 0 {
		r.window = 1
	}
}

func (r *retryBudget) succeeded() {
	r.tokens = min(budgetTokens, r.tokens+1)
	if r.window > 0 {
		if r.window *= 2; r.window >= budgetWindow {
			r.window = 0
		}
	}
}

// allows tells whether another batch may go while so many are in flight.
func (r *retryBudget) allows(inFlight int) bool { return r.window == 0 || inFlight < r.window }
