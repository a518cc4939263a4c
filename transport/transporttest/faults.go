package transporttest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Faults is a mix of faults at random, for tests that run long: the share of requests, 0 to 1, that meets each. The same
// seed gives the same faults in the same order of requests.
type Faults struct {
	Seed uint64
	// ServerError answers 500, 502, 503 or 504 and takes nothing.
	ServerError float64
	// TooManyRequests answers 429 with RetryAfter, see the step of that name. RetryAfter of 0 sends none.
	TooManyRequests float64
	RetryAfter      time.Duration
	// ResetBefore cuts the connection before the body is read, ResetAfter after the batch was taken.
	ResetBefore, ResetAfter float64
	// ErrorAfter takes the batch and answers 500.
	ErrorAfter float64
}

// draw returns what happens to the next request.
func (f *Faults) draw(rng *rand.Rand) Step {
	at := rng.Float64()
	variant := rng.IntN(4)
	for _, fault := range []struct {
		share float64
		step  func() Step
	}{
		{f.ServerError, func() Step { return Status([]int{500, 502, 503, 504}[variant]) }},
		{f.TooManyRequests, func() Step { return TooManyRequests(f.RetryAfter) }},
		{f.ResetBefore, ResetBeforeRead},
		{f.ResetAfter, ResetAfterRead},
		{f.ErrorAfter, func() Step { return AcceptThenStatus(http.StatusInternalServerError) }},
	} {
		if at < fault.share {
			return fault.step()
		}
		at -= fault.share
	}
	return Pass()
}

// A script says how the requests of one endpoint fare: its steps, one request each; without steps always, if it is set; else
// what is drawn from the mix.
type script struct {
	steps  []Step
	always *Step
	faults *Faults
	rng    *rand.Rand
}

// next returns how the next request fares, and whether a step of the script says so.
func (c *script) next() (step Step, scripted bool) {
	switch {
	case len(c.steps) > 0:
		step, c.steps = c.steps[0], c.steps[1:]
		return step, true
	case c.always != nil:
		return *c.always, false
	case c.faults != nil:
		return c.faults.draw(c.rng), false
	}
	return Pass(), false
}

func (c *script) add(steps []Step) {
	for _, step := range steps {
		if step.do == nil {
			step = Pass()
		}
		c.steps = append(c.steps, step)
	}
}

// Fail scripts the next tracking requests (batch, identify, group, track), one step each in their order, after the steps
// scripted before.
func (s *Server) Fail(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script.add(steps)
}

// FailToken scripts the next requests for a token in the same way. What Fail says of a batch goes for a token there.
func (s *Server) FailToken(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens.add(steps)
}

// FailAlways has every tracking request fare as the step says, once the steps of Fail are used up, until Heal.
func (s *Server) FailAlways(step Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step.do == nil {
		step = Pass()
	}
	s.script.always = &step
}

// SetFaults has tracking requests meet faults at random, once the steps of Fail are used up, until Heal. The error tells
// that a share is not between 0 and 1, or that all of them come to more than 1.
func (s *Server) SetFaults(faults Faults) error {
	sum := 0.0
	for _, share := range []float64{faults.ServerError, faults.TooManyRequests, faults.ResetBefore, faults.ResetAfter, faults.ErrorAfter} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("transporttest: a share of faults is not between 0 and 1")
		}
		sum += share
	}
	if sum > 1+1e-9 {
		return fmt.Errorf("transporttest: the shares of faults come to more than 1")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script.faults = &faults
	s.script.rng = rand.New(rand.NewPCG(faults.Seed, 0))
	return nil
}

// RejectWhere answers 400 to every batch with a message that poisoned says true of, until Heal. It is called for each message
// of a request, decoded as in Event.Message, from many goroutines; it must not change or keep the message, nor call the
// server.
func (s *Server) RejectWhere(poisoned func(message map[string]any) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison = poisoned
}

// Heal ends all faults: what is left of Fail and FailToken, FailAlways, SetFaults and RejectWhere. The counters stay.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script, s.tokens, s.poison = script{}, script{}, nil
}
