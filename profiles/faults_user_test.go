package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// An audit counts the outcomes of messages by their id.
type audit struct {
	mu     sync.Mutex
	counts map[string]int
}

func (a *audit) hook(o profiles.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = make(map[string]int)
	}
	a.counts[o.MessageID]++
}

// require fails where the messages that were told of are not exactly those that were taken, each once.
func (a *audit) require(t *testing.T, taken map[string]bool) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range taken {
		if a.counts[id] != 1 {
			t.Errorf("message %s was taken, and had %d outcomes", id, a.counts[id])
		}
	}
	for id := range a.counts {
		if !taken[id] {
			t.Errorf("message %s was refused, and had an outcome", id)
		}
	}
}

// Row 58: hooks that panic cost nothing but their own work: every message is delivered, and told once.
func TestFault58HooksThatPanic(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "spool")} {
		var told audit
		client, server := newServed(t, func(c *profiles.Config) {
			c.Hooks.Outcome = func(o profiles.Outcome) {
				told.hook(o)
				panic("a mistake")
			}
			c.Hooks.Attempt = func(profiles.Attempt) { panic(errors.New("another")) }
			if dir != "" {
				c.Spool = &spool.Config{Dir: dir}
			}
		})
		taken := make(map[string]bool)
		for i := range 50 {
			id := fmt.Sprint("m", i)
			if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: id}); err != nil {
				t.Fatal(err)
			}
			taken[id] = true
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o, err := client.Send(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: "m50"}); err != nil || o.Status != profiles.Accepted {
			t.Errorf("Send: %+v, %v", o, err)
		}
		taken["m50"] = true
		requireArrived(t, server, 51)
		told.require(t, taken)
		if s := client.Stats(); s.HookPanics < 52 || s.Accepted != 51 || s.Stored != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// Row 59: Enqueue and Close at the same time, and Close a hundred times. Each message is either taken, and has its one outcome by the time
// that Close returns, or refused with ErrClosed.
func TestFault59EnqueueWhileClosing(t *testing.T) {
	const rounds = 20
	refused := 0
	for round := range rounds {
		server := newUnlimitedServer(t)
		var told audit
		cfg := spooled(server, filepath.Join(t.TempDir(), "spool"))
		cfg.Hooks.Outcome = told.hook
		cfg.Linger = -1
		if round%2 == 0 {
			cfg.Spool = nil
		}
		client, err := profiles.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		taken := make(map[string]bool)
		var workers sync.WaitGroup
		begun := make(chan struct{}, 1)
		for w := range 8 {
			workers.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprintf("%d-%d", w, i)
					err := client.Enqueue(t.Context(), actions.SendTrack{UserID: fmt.Sprint("u", w), Event: "E", MessageID: id})
					mu.Lock()
					if err == nil {
						taken[id] = true
					} else {
						refused++
					}
					mu.Unlock()
					if err != nil {
						if !errors.Is(err, profiles.ErrClosed) {
							t.Errorf("Enqueue: %v", err)
						}
						return
					}
					if i == 3 {
						select {
						case begun <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		<-begun
		for range 100 {
			workers.Go(func() {
				if err := client.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		told.mu.Lock()
		toldAtClose := len(told.counts)
		told.mu.Unlock()
		workers.Wait()
		told.require(t, taken)
		if toldAtClose != len(taken) || server.Stats().Kept != len(taken) {
			t.Errorf("%d messages were taken, %d had an outcome when Close returned, the server has %d", len(taken), toldAtClose, server.Stats().Kept)
		}
		if err := client.TryEnqueue(actions.SendIdentify{UserID: "u"}); !errors.Is(err, profiles.ErrClosed) {
			t.Errorf("TryEnqueue after Close: %v", err)
		}
	}
	if refused != 8*rounds {
		t.Errorf("%d calls were refused, want %d", refused, 8*rounds)
	}
}

// Row 59: a hook that shuts the client down, as it must not, waits for itself, but not for longer than its context.
func TestFault59ShutdownInAHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := transporttest.NewPipeServer(t, transporttest.ServerConfig{})
		var client *profiles.Client
		type result struct {
			err  error
			took time.Duration
		}
		results := make(chan result, 1)
		client, err := profiles.New(profiles.Config{
			Endpoint: server.URL(), HTTPClient: server.Client(), WriteKey: spaceKey,
			Hooks: profiles.Hooks{Outcome: func(profiles.Outcome) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				err := client.Shutdown(ctx)
				results <- result{err, time.Since(begin)}
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"}); err != nil {
			t.Fatal(err)
		}
		inHook := <-results
		var left *profiles.ShutdownError
		if !errors.As(inHook.err, &left) || left.Unreported != 1 || left.Canceled != 0 || inHook.took > 1100*time.Millisecond {
			t.Errorf("Shutdown in the hook took %v: %v", inHook.took, inHook.err)
		}
		if err := client.Close(); err != nil {
			t.Errorf("Close when the hook has returned: %v", err)
		}
	})
}

// Row 60: a hook does not return. Other profiles' messages go on, what is queued stays within its bounds, Shutdown ends with its context and says
// what it waited for. With a spool the message that nobody was told of to the end stays there.
func TestFault60HookThatBlocks(t *testing.T) {
	for _, spools := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "spool")
		synctest.Test(t, func(t *testing.T) {
			server := transporttest.NewPipeServer(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
			release := make(chan struct{})
			var blocked atomic.Int64
			var once sync.Once
			end := func() { once.Do(func() { close(release) }) }
			defer end()
			cfg := profiles.Config{
				Endpoint: server.URL(), HTTPClient: server.Client(), WriteKey: spaceKey, EventsPerSecond: -1, RequestsPerSecond: -1,
				QueueMessages: 20, Lanes: 256,
				Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) {
					if o.MessageID == "m0" {
						blocked.Add(1)
						<-release
					}
				}},
			}
			if spools {
				cfg.Spool = &spool.Config{Dir: dir}
			}
			client, err := profiles.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: "m0"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			lane := 0
			for i := range 100 { // most of them in other lanes
				o, err := client.Send(timeout(t, time.Second), actions.SendTrack{UserID: fmt.Sprint("other", i), Event: "E"})
				if err != nil && o.Status != profiles.Pending {
					t.Fatal(err)
				}
				if err != nil {
					lane++
				}
			}
			if blocked.Load() != 1 || lane > 10 {
				t.Errorf("the hook was called %d times, and %d of 100 others waited for it", blocked.Load(), lane)
			}
			if s := client.Stats(); s.Queued > 20 || s.Accepted < 90 {
				t.Errorf("%+v", s)
			}
			begin := time.Now()
			err = client.Shutdown(timeout(t, 5*time.Second))
			var left *profiles.ShutdownError
			if !errors.As(err, &left) || left.Unreported != 1 {
				t.Errorf("Shutdown: %v", err)
			}
			if took := time.Since(begin); took > 5100*time.Millisecond {
				t.Errorf("Shutdown took %v", took)
			}
			end()
			synctest.Wait()
			if !spools {
				return
			}
			if left.Kept != lane+1 {
				t.Errorf("%d messages are kept, want %d", left.Kept, lane+1)
			}
			client = newClient(t, cfg) // another run; the hook returns now
			if err := client.Flush(t.Context()); err != nil || blocked.Load() != 2 {
				t.Errorf("%v; the hook was called %d times with the message", err, blocked.Load())
			}
		})
	}
}

// timeout returns a context that ends after a time, and with the test.
func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Row 60: a hook may enqueue with TryEnqueue. Where there is no room it is told so, and nothing waits for anything.
func TestFault60HookThatEnqueues(t *testing.T) {
	const most = 3_000
	var client *profiles.Client
	var mu sync.Mutex
	taken, full := 1, 0
	var told audit
	client, server := newServed(t, func(c *profiles.Config) {
		c.QueueMessages, c.Linger = 50, -1
		c.Hooks.Outcome = func(o profiles.Outcome) {
			told.hook(o)
			for range 3 {
				mu.Lock()
				id, over := taken, taken >= most
				mu.Unlock()
				if over {
					return
				}
				err := client.TryEnqueue(actions.SendTrack{UserID: fmt.Sprint("u", id%10), Event: "E"})
				mu.Lock()
				switch {
				case err == nil:
					taken++
				case errors.Is(err, profiles.ErrQueueFull):
					full++
				default:
					t.Errorf("TryEnqueue: %v", err)
				}
				mu.Unlock()
			}
		}
	})
	if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E"}); err != nil {
		t.Fatal(err)
	}
	for {
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if client.Stats().Queued == 0 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if s := server.Stats(); s.Kept != taken || len(told.counts) != taken || taken < most/2 || full == 0 {
		t.Errorf("%d messages were taken, %d were told, the server has %d; %d times there was no room", taken, len(told.counts), s.Kept, full)
	}
}

// Row 61: the context of an Enqueue that waits for room ends. The message is either taken or not, never both.
func TestFault61ContextEndsWhileEnqueueWaits(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "spool")} {
		server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1, Latency: time.Millisecond})
		var told audit
		cfg := spooled(server, dir)
		cfg.Hooks.Outcome = told.hook
		cfg.QueueMessages, cfg.Linger = 4, -1
		cfg.Spool.MaxBytes, cfg.Spool.Mode = 1<<20, spool.Memory
		if dir == "" {
			cfg.Spool = nil
		}
		client := newClient(t, cfg)
		var mu sync.Mutex
		taken, refused := make(map[string]bool), 0
		var workers sync.WaitGroup
		for w := range 32 {
			workers.Go(func() {
				for i := range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(8*time.Millisecond))
					id := fmt.Sprintf("%d-%d", w, i)
					err := client.Enqueue(ctx, actions.SendTrack{UserID: fmt.Sprint("u", w), Event: "E", MessageID: id, Properties: actions.Properties{"pad": pad + pad + pad}})
					cancel()
					mu.Lock()
					if err == nil {
						taken[id] = true
					} else {
						refused++
					}
					mu.Unlock()
					var of *profiles.Error
					if err != nil && (!errors.As(err, &of) || of.Status != profiles.NotQueued || !errors.Is(err, context.DeadlineExceeded)) {
						t.Errorf("Enqueue: %v", err)
					}
				}
			})
		}
		workers.Wait()
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		told.require(t, taken)
		if got := server.Stats().Kept; got != len(taken) || len(taken) == 0 || refused == 0 {
			t.Errorf("%d messages were taken, %d refused, and the server has %d", len(taken), refused, got)
		}
	}
}

// Row 62: the caller goes on to use the maps of an action as soon as Enqueue has returned. What was in them then is sent.
func TestFault62CallerChangesWhatItEnqueued(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "spool")} {
		client, server := newServed(t, func(c *profiles.Config) {
			c.Linger = -1
			if dir != "" {
				c.Spool = &spool.Config{Dir: dir}
			}
		})
		inner, list := map[string]any{}, []any{0}
		traits := actions.Traits{"inner": inner, "list": list}
		for i := range 200 {
			traits["n"], inner["n"], list[0] = i, i, i
			if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: fmt.Sprint("u", i), Traits: traits}); err != nil {
				t.Fatal(err)
			}
		}
		clear(traits)
		clear(inner)
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			want := fmt.Sprintf("map[inner:map[n:%d] list:[%d] n:%d]", i, i, i)
			if got := fmt.Sprint(server.Profile(fmt.Sprint("u", i)).Traits); got != want {
				t.Errorf("profile u%d has %s", i, got)
			}
		}
	}
}
