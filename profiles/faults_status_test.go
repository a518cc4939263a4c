package profiles_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Half of all answers are 500, 502, 503 or 504: all is delivered, and each request says how many went before it.
func TestFault10FailuresThatPass(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		if err := server.SetFaults(transporttest.Faults{Seed: 10, ServerError: 0.5}); err != nil {
			t.Fatal(err)
		}
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Deadline = time.Hour })
		r.deliver(200)
		r.require(ends{accepted: each(200)})
		r.requireCounted(ends{accepted: each(200)})
		r.requireFault(transporttest.FaultStatus)
		tries, last := make(map[string]int), make(map[string]time.Time)
		for _, req := range server.Requests() {
			id := firstID(t, req)
			if req.Retry != tries[id] {
				t.Errorf("X-Retry-Count is %d, and %d attempts went before", req.Retry, tries[id])
			}
			if before, seen := last[id]; seen && req.At.Sub(before) < 50*time.Millisecond {
				t.Errorf("the next attempt came after %v", req.At.Sub(before))
			}
			tries[id]++
			last[id] = req.At
		}
		if s := server.Stats(); s.Duplicates != 0 {
			t.Errorf("%d messages were taken twice", s.Duplicates)
		}
	})
}

// firstID returns the messageId of a request's first message.
func firstID(t *testing.T, req transporttest.Request) string {
	t.Helper()
	for _, id := range idsOf(t, req) {
		return id
	}
	t.Fatal("a request without messages")
	return ""
}

// 501, 505 and 511 without OAuth say no for good: one attempt, and the messages are Rejected.
func TestFault11RefusedForGood(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		r := newTrial(t, server, dir)
		for _, status := range []int{501, 505, 511} {
			server.FailAlways(transporttest.Status(status))
			r.deliver(20)
			if n := server.Stats().Statuses[status]; n == 0 {
				t.Errorf("%d was never answered", status)
			}
		}
		r.require(ends{rejected: each(60) + 2})
		r.requireCounted(ends{rejected: each(60) + 2})
		if s := r.client.Stats(); s.Retries != 0 || s.Attempts != server.Stats().Requests {
			t.Errorf("%d retries", s.Retries)
		}
		for id, told := range r.told {
			if o := told[0]; o.Attempts != 1 || o.HTTPStatus < 501 || len(o.Message()) == 0 {
				t.Errorf("message %s was tried %d times, and ended with %d", id, o.Attempts, o.HTTPStatus)
			}
		}
	})
}

// signingKey is the private key of an OAuth application; making one takes a while.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// A token that is refused is dropped, and one new one asked for. Where that is refused too the messages are Rejected in memory, and
// wait in a spool; nobody asks for tokens again and again. No token shows.
func TestFault12TokensThatAreRefused(t *testing.T) {
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	inBubbles(t, func(t *testing.T, dir string) {
		config := unlimited
		config.OAuth = transporttest.OAuth{PublicKey: &key.PublicKey, Required: true}
		server := transporttest.NewPipeServer(t, config)
		r := newTrial(t, server, dir, func(c *profiles.Config) {
			c.OAuth = &transport.OAuthConfig{AppID: "app", KeyID: "key", PrivateKey: key, TokenServer: server.URL()}
			c.CloseTimeout = time.Minute
		})
		for i, status := range []int{401, 403, 511} {
			server.Fail(transporttest.Status(status))
			r.enqueue(r.sent)
			r.sent++
			r.finish()
			if got := server.Stats(); got.Tokens != 2+i || got.Statuses[status] != 1 {
				t.Fatalf("after one %d there were %d tokens, and %d answers of it", status, got.Tokens, got.Statuses[status])
			}
		}
		server.RevokeTokens() // before their time
		r.deliver(20)
		accepted := 3 + each(20)
		r.require(ends{accepted: accepted})

		had := server.Stats()
		server.FailAlways(transporttest.Status(401))
		r.start(100)
		time.Sleep(29 * time.Second)
		got := server.Stats()
		if n := got.Statuses[401] - had.Statuses[401]; n == 0 || n > 2*profiles.DefaultLanes {
			t.Errorf("%d requests with tokens that are refused", n)
		}
		if n := got.Tokens - had.Tokens; n == 0 || n > 2*profiles.DefaultLanes {
			t.Errorf("%d tokens in the half minute", n)
		}
		if dir == "" {
			r.finish()
			r.require(ends{accepted: accepted, rejected: each(100)})
		} else {
			r.mustBeParked(accepted, each(100))
			server.Heal()
			r.finish()
			r.require(ends{accepted: accepted + each(100)})
		}
	})
}

// mustBeParked fails the test unless so many messages have been accepted, and all others are in the spool.
func (r *trial) mustBeParked(accepted, stored int) {
	r.t.Helper()
	if s := r.client.Stats(); s.Stored != stored || s.Accepted != accepted || s.Rejected+s.Exhausted+s.Canceled != 0 {
		r.t.Errorf("the client counts %+v, want %d accepted and %d stored", s, accepted, stored)
	}
}

// One message of 250 makes the server answer 400: it alone is given up, with its reason, after few requests.
func TestFault13OnePoisonedMessage(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		const n, poison = 250, "e137"
		server.RejectWhere(func(m map[string]any) bool { return m["messageId"] == poison })
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Lanes, c.BatchMessages, c.Linger = 1, n, time.Minute })
		for i := range n {
			r.enqueue(i)
		}
		waitFor(t, func() bool { return r.client.Stats().Attempts > 0 }) // of the full batch
		r.finish()
		r.require(ends{accepted: n - 1, rejected: 1})
		r.requireCounted(ends{accepted: n - 1, rejected: 1})
		r.requireFault(transporttest.FaultRejected)
		r.requireRequests(2*8 + 1) // a whole, and two halves at each of log2(250) steps
		var cause *transport.Error
		if told := r.told[poison]; len(told) != 1 || told[0].Status != profiles.Rejected || told[0].HTTPStatus != 400 ||
			!errors.As(told[0].Err, &cause) || cause.Class != transport.Split {
			t.Errorf("the poisoned message ended with %v", told)
		}
	})
}

// A server that answers 400 to everything has no quarrel with a message: halving ends after 100 refusals. In memory all is Rejected,
// in a spool what was not refused by itself waits until the server has come to its senses.
func TestFault14EverythingIsRefused(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		server.FailAlways(transporttest.Status(400))
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.BatchMessages = 250 })
		const n = 500
		for i := range n {
			r.enqueue(i)
		}
		time.Sleep(20 * time.Second)
		r.requireRequests(101 + profiles.DefaultLanes)
		r.requireFault(transporttest.FaultStatus)
		if dir == "" {
			r.finish()
			r.require(ends{rejected: n})
			r.requireCounted(ends{rejected: n})
			return
		}
		refused := r.client.Stats().Rejected
		if refused == 0 || refused > 100 {
			t.Errorf("%d messages were refused by themselves", refused)
		}
		server.Heal()
		r.finish()
		r.require(ends{accepted: n - refused, rejected: refused})
		r.requireCounted(ends{accepted: n - refused, rejected: refused})
	})
}

// A server that takes less than a batch in one request answers 413: batches are halved until they pass, and what does not pass
// alone is given up.
func TestFault15RequestsThatAreTooLarge(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		const limit = 4_000
		var refused atomic.Int64
		url := before(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.ContentLength > limit {
				refused.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			next.ServeHTTP(w, r)
		})
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.BatchMessages = url, 100 })
		large := track("e", 50_000)
		large.Properties = actions.Properties{"pad": string(make([]byte, limit))} // as it is encoded, six times that
		for i := range 100 {
			r.enqueue(i)
		}
		if err := r.client.Enqueue(t.Context(), large); err != nil {
			t.Fatal(err)
		}
		r.took(large.MessageID)
		r.finish()
		r.require(ends{accepted: 100, rejected: 1})
		r.requireCounted(ends{accepted: 100, rejected: 1})
		if told := r.told[large.MessageID]; len(told) != 1 || told[0].HTTPStatus != http.StatusRequestEntityTooLarge {
			t.Errorf("the message that is too large ended with %v", told)
		}
		if n := refused.Load(); n == 0 || n > 30 {
			t.Errorf("%d requests were refused", n)
		}
	})
}

// Answers that say that the key, or the endpoint, is wrong: the same would meet every message. In memory they are Rejected at once
// and few requests made; in a spool they wait, are tried again every 30 s, and are delivered when the fault is gone.
func faultOfConfiguration(t *testing.T, step transporttest.Step, kind transporttest.FaultKind, logged string) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		server.FailAlways(step)
		r := newTrial(t, server, dir)
		begun := time.Now()
		r.start(100)
		time.Sleep(65 * time.Second)
		rounds := 3 // at 0, 30 and 60 s
		if dir == "" {
			rounds = 1
		}
		r.requireRequests(rounds * (profiles.DefaultLanes + 1))
		r.requireFault(kind)
		if !r.logged(logged) {
			t.Errorf("the log does not say %q", logged)
		}
		if dir == "" {
			r.ways.Wait()
			r.require(ends{rejected: each(100)})
			server.Heal()
			r.deliver(10)
			r.require(ends{accepted: each(10), rejected: each(100)})
			return
		}
		r.mustBeParked(0, each(100))
		server.Heal()
		r.finish()
		if took := time.Since(begun); took > 2*time.Minute {
			t.Errorf("it took %v until the messages were sent again", took)
		}
		r.require(ends{accepted: each(100)})
		r.requireCounted(ends{accepted: each(100)})
	})
}

const (
	loggedCredentials   = "write key or token not accepted"
	loggedConfiguration = "not accepted by what answers at the endpoint"
)

// A write key that is not accepted.
func TestFault16KeyIsRefused(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint("Fault16_", status), func(t *testing.T) {
			faultOfConfiguration(t, transporttest.Status(status), transporttest.FaultStatus, loggedCredentials)
		})
	}
}

// 404 is an endpoint that is not the API's; 410 and 460 pass.
func TestFault17NotFoundAndGone(t *testing.T) {
	t.Run("Fault17_404", func(t *testing.T) {
		faultOfConfiguration(t, transporttest.Status(404), transporttest.FaultStatus, loggedConfiguration)
	})
	t.Run("Fault17_410_and_460", func(t *testing.T) {
		inBubbles(t, func(t *testing.T, dir string) {
			server := transporttest.NewPipeServer(t, unlimited)
			server.Fail(transporttest.Status(410), transporttest.Status(460), transporttest.Status(410))
			r := newTrial(t, server, dir)
			r.deliver(30)
			r.require(ends{accepted: each(30)})
			if s := server.Stats(); s.Statuses[410] != 2 || s.Statuses[460] != 1 {
				t.Errorf("the server answered %v", s.Statuses)
			}
		})
	})
}

// A redirect, to the same host or to another, is never followed and never success: the messages, and the key, go nowhere else.
func TestFault18Redirects(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		other := transporttest.NewServerWith(t, unlimited)
		for _, status := range []int{301, 302, 303, 307, 308} {
			for i, location := range []string{other.URL() + "/v1/batch", "/elsewhere", "::"} {
				server := transporttest.NewServerWith(t, unlimited)
				var redirects atomic.Int64
				var healed atomic.Bool
				url := before(t, server, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					if healed.Load() {
						next.ServeHTTP(w, req)
						return
					}
					if n, _ := io.Copy(io.Discard, req.Body); req.URL.Path != "/v1/batch" || req.Method != http.MethodPost || n == 0 {
						t.Errorf("%s %s came with %d bytes", req.Method, req.URL.Path, n)
					}
					redirects.Add(1)
					w.Header().Set("Location", location)
					w.WriteHeader(status)
				})
				where := dir
				if dir != "" {
					where = fmt.Sprint(dir, status, i)
				}
				r := newTrial(t, server, where, func(c *profiles.Config) { c.Endpoint, c.CloseTimeout = url, 50*time.Millisecond })
				if dir == "" {
					r.deliver(10)
					r.require(ends{rejected: each(10)})
				} else {
					r.start(10)
					waitFor(t, func() bool { s := r.client.Stats(); return s.Attempts > 0 && s.Stored == each(10) })
					r.requireLeft(0, each(10))
				}
				if n := redirects.Load(); n == 0 || n > 2*profiles.DefaultLanes {
					t.Errorf("%d requests were redirected", n)
				}
				if dir != "" {
					healed.Store(true)
					r.cfg.CloseTimeout = 5 * time.Second
					r.open()
					r.finish()
					r.require(ends{accepted: each(10)})
				}
			}
		}
		if n := other.Stats().Requests; n != 0 {
			t.Errorf("%d requests went to another host", n)
		}
	})
}

// 200 with a page, or with success: false, has taken nothing: a fault of the configuration. 200 with no body or a broken one has.
func TestFault19SuccessThatIsNone(t *testing.T) {
	t.Run("Fault19_portal", func(t *testing.T) {
		faultOfConfiguration(t, transporttest.HTMLPortal(), transporttest.FaultHTMLPortal, loggedConfiguration)
	})
	t.Run("Fault19_success_false", func(t *testing.T) {
		faultOfConfiguration(t, transporttest.SuccessFalse(), transporttest.FaultSuccessFalse, loggedConfiguration)
	})
	t.Run("Fault19_broken_bodies", func(t *testing.T) {
		inMemoryAndSpooled(t, func(t *testing.T, dir string) {
			server := transporttest.NewServerWith(t, unlimited)
			bodies := []string{"", `{"success":tru`, "OK", "[]", " "}
			var broken atomic.Int64
			url := before(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				w.WriteHeader(answer.Code)
				_, _ = io.WriteString(w, bodies[int(broken.Add(1)-1)%len(bodies)])
			})
			r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint = url })
			r.deliver(50)
			r.require(ends{accepted: each(50)})
			if s := server.Stats(); int(broken.Load()) != s.Requests || s.Requests < len(bodies) || s.Duplicates != 0 {
				t.Errorf("%d of %d answers were broken, %d messages came again", broken.Load(), s.Requests, s.Duplicates)
			}
		})
	})
}
