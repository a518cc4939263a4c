package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// requireQuiet fails the test unless the second request came so long after the first. Messages of other lanes may not come before.
func (r *trial) requireQuiet(least, most time.Duration) {
	r.t.Helper()
	requests := r.server.Requests()
	if len(requests) < 2 {
		r.t.Fatalf("%d requests came", len(requests))
	}
	if wait := requests[1].At.Sub(requests[0].At); wait < least || wait > most {
		r.t.Errorf("the next request came after %v, want %v to %v", wait, least, most)
	}
}

// waits brings in a message that meets an answer, more messages of other lanes while the client keeps quiet, and then all must arrive.
func waits(t *testing.T, dir string, step transporttest.Step, least, most time.Duration) {
	server := transporttest.NewPipeServer(t, unlimited)
	server.Fail(step)
	r := newTrial(t, server, dir, func(c *profiles.Config) { c.Lanes = 16 })
	r.enqueue(0)
	time.Sleep(time.Second / 10)
	if least >= time.Second { // quiet of the whole client
		for i := 1; i < 10; i++ {
			r.enqueue(i)
		}
	}
	r.finish()
	r.requireQuiet(least, most)
	r.require(ends{accepted: len(r.queued)})
	if n := len(server.Stats().Faults); n != 1 {
		t.Errorf("%d kinds of fault were injected", n)
	}
}

// 429 with Retry-After in every form that a server may write it: no request goes out before that time, from no lane, and not much
// later; what says nothing is waited for as if it were not there, and nothing holds the client for more than 5 minutes.
func TestFault7RetryAfter(t *testing.T) {
	date := func(seconds int) string { // of the bubble's time, which begins here
		return time.Date(2000, 1, 1, 0, 0, seconds, 0, time.UTC).Format(http.TimeFormat)
	}
	const backoff = 0 // an ordinary one: 50 to 500 ms
	for i, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{"Retry-After": {"1"}}, time.Second},
		{http.Header{"Retry-After": {"60"}}, time.Minute},
		{http.Header{"Retry-After": {"0"}}, time.Second},
		{http.Header{"Retry-After": {"-1"}}, backoff},
		{http.Header{"Retry-After": {"abc"}}, backoff},
		{http.Header{"Retry-After": {""}}, backoff},
		{http.Header{"Retry-After": {"1.5"}}, 1500 * time.Millisecond},
		{http.Header{"Retry-After": {date(90)}}, 90 * time.Second},
		{http.Header{"Retry-After": {date(-90)}}, time.Second},
		{http.Header{"Retry-After": {date(90)}, "Date": {date(-7200)}}, transport.MaxRetryAfter}, // the server's clock is two hours late
		{http.Header{"Retry-After": {date(-7110)}, "Date": {date(-7200)}}, 90 * time.Second},
		{http.Header{"Retry-After": {"1000000000000000000"}}, transport.MaxRetryAfter},
		{http.Header{"Retry-After": {"9223372036854775807"}}, transport.MaxRetryAfter},
		{http.Header{"Retry-After": {"2", "20"}}, 20 * time.Second},
		{http.Header{"X-Ratelimit-Reset": {"7"}}, 7 * time.Second},
	} {
		t.Run(fmt.Sprint("Fault7_", i, c.header), func(t *testing.T) {
			least, most := c.want, c.want+c.want/10+time.Second/10
			if c.want == backoff {
				least, most = 50*time.Millisecond, 500*time.Millisecond
			}
			step := transporttest.StatusWithHeader(http.StatusTooManyRequests, c.header)
			if i%5 == 1 { // the store makes no difference to the gate: a few are enough
				inBubbles(t, func(t *testing.T, dir string) { waits(t, dir, step, least, most) })
				return
			}
			synctest.Test(t, func(t *testing.T) { waits(t, "", step, least, most) })
		})
	}
}

// 429 without Retry-After, for minutes: backoff that grows, few requests, and all is delivered. In memory, where it goes on past the
// messages' deadline, they are Exhausted then and not before; a spool keeps them.
func TestFault8TooManyRequestsWithoutHeader(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		server.FailAlways(transporttest.TooManyRequests(0))
		r := newTrial(t, server, dir)
		r.start(20)
		time.Sleep(4 * time.Minute)
		r.requireRequests(4 * 20) // of each lane: 7 while the wait grows to a minute, then one in half a minute
		r.requireFault(transporttest.FaultTooManyRequests)
		server.Heal()
		r.finish()
		r.require(ends{accepted: each(20)})

		server.FailAlways(transporttest.TooManyRequests(0))
		begun := time.Now()
		for i := range 5 { // one batch a lane at most: those behind it would have their own time
			r.enqueue(r.sent + i)
		}
		if dir != "" {
			time.Sleep(10 * time.Minute)
			r.mustBeParked(each(20), 5)
			server.Heal()
			r.finish()
			r.require(ends{accepted: each(20) + 5})
			return
		}
		r.finish()
		r.require(ends{accepted: each(20), exhausted: 5})
		r.requireCounted(ends{accepted: each(20), exhausted: 5})
		if took := time.Since(begun); took < profiles.DefaultDeadline/2 || took > profiles.DefaultDeadline+time.Second {
			t.Errorf("the messages were tried for %v", took)
		}
		for _, told := range r.told {
			if o := told[0]; o.Status == profiles.Exhausted && (o.HTTPStatus != 429 || o.Attempts < 5 || o.Ambiguous) {
				t.Errorf("a message ended after %d attempts with %d", o.Attempts, o.HTTPStatus)
			}
		}
	})
}

// Retry-After is kept whatever the status that it comes with.
func TestFault9RetryAfterOfOtherStatuses(t *testing.T) {
	for _, status := range []int{503, 529, 408} {
		t.Run(fmt.Sprint("Fault9_", status), func(t *testing.T) {
			inBubbles(t, func(t *testing.T, dir string) {
				step := transporttest.StatusWithHeader(status, http.Header{"Retry-After": {"20"}})
				waits(t, dir, step, 20*time.Second, 22*time.Second+time.Second/10)
			})
		})
	}
}

// counting is a server that only counts, for many messages.
func counting(t *testing.T, eventsPerSecond int) *transporttest.Server {
	return transporttest.NewPipeServer(t, transporttest.ServerConfig{
		EventsPerSecond: eventsPerSecond, RequestsPerSecond: -1, Discard: true, Latency: 20 * time.Millisecond,
	})
}

// rated makes a client of a server without a trial around it.
func rated(t *testing.T, server *transporttest.Server, change func(*profiles.Config)) *profiles.Client {
	t.Helper()
	cfg := profiles.Config{
		Endpoint: server.URL(), HTTPClient: server.Client(), WriteKey: spaceKey, RequestsPerSecond: -1, CloseTimeout: time.Hour,
		BatchMessages: 50, QueueMessages: 2_000,
	}
	change(&cfg)
	return newClient(t, cfg)
}

// keepBusy enqueues messages for some time, as fast as there is room, and returns how many.
func keepBusy(t *testing.T, d time.Duration, client *profiles.Client) (n int) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for {
		err := client.Enqueue(ctx, actions.SendIdentify{UserID: fmt.Sprint("u", n%500)})
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Errorf("Enqueue: %v", err)
			return n
		}
		n++
	}
}

// The server takes 400 events a second, then 120, then 800, and says so by 429 alone: the client comes to use nearly all that
// there is with few refusals, and nothing is lost. How long it takes until then is what package transport's simulation measures.
func TestFault29LimitThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := counting(t, 400)
		client := rated(t, server, func(c *profiles.Config) { c.EventsPerSecond, c.Adaptive = -1, true })
		enqueued := 0
		for _, phase := range []struct {
			rate            int
			settle, measure time.Duration
		}{{400, 10 * time.Second, 20 * time.Second}, {120, 10 * time.Second, 30 * time.Second}, {800, 75 * time.Second, 20 * time.Second}} {
			server.SetRate(phase.rate, -1)
			enqueued += keepBusy(t, phase.settle, client)
			had := server.Stats()
			enqueued += keepBusy(t, phase.measure, client)
			got := server.Stats()
			used := float64(got.Kept-had.Kept) / (float64(phase.rate) * phase.measure.Seconds())
			refused := float64(got.Throttled-had.Throttled) / float64(got.Requests-had.Requests)
			t.Logf("%d events a second: %.1f %% used, %.2f %% of the requests refused", phase.rate, 100*used, 100*refused)
			if used < 0.9 || refused > 0.03 {
				t.Errorf("of %d events a second %.1f %% are used, and %.2f %% of the requests refused", phase.rate, 100*used, 100*refused)
			}
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c, s := client.Stats(), server.Stats(); c.Accepted != enqueued || s.Kept != enqueued || s.Throttled == 0 {
			t.Errorf("%d messages went in, %d are accepted, the server has %d and refused %d requests", enqueued, c.Accepted, s.Kept, s.Throttled)
		}
	})
}

// Two clients send to one workspace. With a limiter between them the server has nothing to refuse; where each learns for itself, as
// in two processes, they come to share what there is. Neither is left with less than a quarter.
func TestFault30ClientsShareALimit(t *testing.T) {
	for _, c := range []struct {
		name            string
		shared          bool
		settle, measure time.Duration
		refused         float64
	}{
		{"Fault30_one_limiter", true, 0, time.Minute, 0},
		{"Fault30_a_limiter_each", false, 30 * time.Second, 4 * time.Minute, 0.03},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && !c.shared {
				t.Skip("takes seconds")
			}
			synctest.Test(t, func(t *testing.T) {
				const limit = 100
				server := counting(t, limit)
				limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: limit, RequestsPerSecond: -1})
				if err != nil {
					t.Fatal(err)
				}
				var clients [2]*profiles.Client
				for i := range clients {
					clients[i] = rated(t, server, func(config *profiles.Config) {
						if c.shared {
							config.Limiter, config.RequestsPerSecond = limiter, 0
						} else {
							config.EventsPerSecond, config.Adaptive = -1, true
						}
					})
				}
				var enqueued, had, accepted [2]int
				both := func(d time.Duration) {
					var busy sync.WaitGroup
					for i, client := range clients {
						busy.Go(func() { enqueued[i] += keepBusy(t, d, client) })
					}
					busy.Wait()
				}
				both(c.settle)
				for i, client := range clients {
					had[i] = client.Stats().Accepted
				}
				before := server.Stats()
				both(c.measure)
				for i, client := range clients {
					accepted[i] = client.Stats().Accepted - had[i]
				}
				after := server.Stats()

				sum, granted := accepted[0]+accepted[1], limit*c.measure.Seconds()
				refused := float64(after.Throttled-before.Throttled) / float64(after.Requests-before.Requests)
				t.Logf("of %.0f events the two had %v accepted, %.2f %% of the requests were refused", granted, accepted, 100*refused)
				if float64(sum) < 0.9*granted || float64(sum) > granted+2*limit || accepted[0] < sum/4 || accepted[1] < sum/4 {
					t.Errorf("of %.0f events the two had %v accepted", granted, accepted)
				}
				if refused > c.refused {
					t.Errorf("%.2f %% of the requests were refused", 100*refused)
				}
				for i, client := range clients {
					if err := client.Flush(t.Context()); err != nil || client.Stats().Accepted != enqueued[i] {
						t.Errorf("%d of %d messages are accepted: %v", client.Stats().Accepted, enqueued[i], err)
					}
				}
				if n := server.Stats().Kept; n != enqueued[0]+enqueued[1] {
					t.Errorf("the server has %d messages, want %d", n, enqueued[0]+enqueued[1])
				}
			})
		})
	}
}

// Sixteen requests are under way and each is answered 429 with Retry-After: that is one pause, and one cut of the rate, not sixteen.
func TestFault31OnePauseForAllThatWereUnderWay(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		config := unlimited
		config.Latency = 100 * time.Millisecond
		server := transporttest.NewPipeServer(t, config)
		const lanes = 16
		for range lanes {
			server.Fail(transporttest.TooManyRequests(3 * time.Second))
		}
		limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 5000, RequestsPerSecond: -1, Adaptive: true})
		if err != nil {
			t.Fatal(err)
		}
		r := newTrial(t, server, dir, func(c *profiles.Config) {
			c.Lanes, c.BatchMessages, c.Limiter = lanes, 1, limiter
			c.EventsPerSecond, c.RequestsPerSecond = 0, 0
		})
		for i := range 200 {
			a := actions.SendIdentify{UserID: fmt.Sprint("u", i), MessageID: fmt.Sprint("m", i), Traits: actions.Traits{"email": canaryEmail}}
			if err := r.client.Enqueue(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			r.took(a.MessageID)
		}
		r.finish()
		r.require(ends{accepted: 200})
		r.requireCounted(ends{accepted: 200})
		requests := server.Requests()
		var quiet time.Duration // the longest time without a request
		for i := 1; i < len(requests); i++ {
			quiet = max(quiet, requests[i].At.Sub(requests[i-1].At))
		}
		refused := server.Stats().Faults[transporttest.FaultTooManyRequests]
		if refused != lanes || quiet < 3*time.Second || quiet > 3*time.Second+700*time.Millisecond {
			t.Errorf("after %d refusals the client kept quiet for %v, was asked for 3 s", refused, quiet)
		}
		if rate := limiter.EventsPerSecond(); rate < 5000*0.8 {
			t.Errorf("the rate has fallen from 5,000 to %.0f", rate)
		}
	})
}

// The server is down and the program goes on enqueueing: the queue is bounded in messages and in memory, what has no room is refused
// or waits, and what was taken, and only that, arrives when the server is back.
func TestFault32QueueIsFullWhileTheServerIsDown(t *testing.T) {
	const producers, calls, room = 8, 12_500, 20_000
	down := make(chan struct{})
	var mu sync.Mutex
	arrived := make(map[string]int)
	carrier := carrier(func(ctx context.Context, b *transport.Batch) transport.Result {
		select {
		case <-down:
		default:
			return transport.Result{Status: 503, Err: errors.New("down")}
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range b.Len() {
			arrived[messageID(string(b.Message(i)))]++
		}
		return transport.Result{Class: transport.Accepted, Status: 200}
	})
	padding := strings.Repeat("x", 300)
	cfg := profiles.Config{
		Transport: carrier, WriteKey: spaceKey, EventsPerSecond: -1, RequestsPerSecond: -1,
		QueueMessages: room, QueueBytes: 100 * room * 10, Deadline: time.Hour, CloseTimeout: time.Minute,
	}
	client := newClient(t, cfg)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var taken, refused atomic.Int64
	ids := make([][]string, producers)
	var work sync.WaitGroup
	for p := range producers {
		work.Go(func() {
			for i := range calls {
				id := fmt.Sprint("m-", p, "-", i)
				switch err := client.TryEnqueue(actions.SendIdentify{UserID: fmt.Sprint("u", i%100), MessageID: id, Traits: actions.Traits{"pad": padding}}); {
				case err == nil:
					taken.Add(1)
					ids[p] = append(ids[p], id)
				case errors.Is(err, profiles.ErrQueueFull):
					refused.Add(1)
				default:
					t.Errorf("TryEnqueue: %v", err)
					return
				}
			}
		})
	}
	work.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := client.Stats()
	if taken.Load()+refused.Load() != producers*calls || refused.Load() == 0 || s.Queued != int(taken.Load()) || s.Queued > room {
		t.Errorf("of %d calls %d were taken and %d refused; %d are queued", producers*calls, taken.Load(), refused.Load(), s.Queued)
	}
	if grown, most := int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(cfg.QueueBytes)*3/2; grown > most {
		t.Errorf("the heap has grown by %d MB for a queue of %d MB", grown>>20, cfg.QueueBytes>>20)
	} else {
		t.Logf("the heap has grown by %d MB for a queue of %d MB that holds %d MB", grown>>20, cfg.QueueBytes>>20, s.QueuedBytes>>20)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := client.Enqueue(ctx, actions.SendIdentify{UserID: "u", MessageID: "late"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Enqueue into a full queue: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		waiting <- client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u", MessageID: "waits"})
	}()
	close(down)
	if err := <-waiting; err != nil {
		t.Errorf("Enqueue that waited for room: %v", err)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := int(taken.Load()) + 1
	if s := client.Stats(); s.Accepted != want || s.Admitted != want || s.Queued != 0 || s.QueuedBytes != 0 {
		t.Errorf("the client counts %+v, want %d accepted", s, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(arrived) != want || arrived["waits"] != 1 || arrived["late"] != 0 {
		t.Errorf("%d messages arrived, want %d", len(arrived), want)
	}
	for _, of := range ids {
		for _, id := range of {
			if arrived[id] != 1 {
				t.Fatalf("message %s arrived %d times", id, arrived[id])
			}
		}
	}
}

// messageID finds the id in a wire message.
func messageID(raw string) string {
	_, rest, _ := strings.Cut(raw, `"messageId":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}
