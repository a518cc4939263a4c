package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthog/posthog-go"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

var key = profiles.NewWriteKey("benchmark-write-key")

// newClient returns a client of the server without a limit of rate, with everything on that a user has on: validation, ids, limits, and
// a hook that is told each outcome.
func newClient(tb testing.TB, s *server, change func(*profiles.Config)) *typed {
	tb.Helper()
	c := &typed{events: identifies()}
	cfg := profiles.Config{
		WriteKey: key, EventsPerSecond: -1, RequestsPerSecond: -1,
		Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) {
			if o.Status == profiles.Accepted {
				c.accepted.Add(1)
			}
		}},
	}
	if s != nil {
		cfg.Endpoint = s.url
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Client, err = profiles.New(cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// typed is a client that counts what was accepted.
type typed struct {
	*profiles.Client
	events   []actions.Action
	accepted atomic.Int64
}

// send enqueues n events from one goroutine and waits for their outcomes.
func (c *typed) send(tb testing.TB, n int) {
	before := c.accepted.Load()
	for i := range n {
		if err := c.Enqueue(context.Background(), c.events[i%people]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := c.Flush(context.Background()); err != nil {
		tb.Fatal(err)
	}
	if got := c.accepted.Load() - before; got != int64(n) {
		tb.Fatalf("%d of %d were accepted", got, n)
	}
}

// BenchmarkTypedPath is Enqueue to outcome.
func BenchmarkTypedPath(b *testing.B) { benchmarkTyped(b, nil) }

// BenchmarkTypedPathGzip compresses the bodies.
func BenchmarkTypedPathGzip(b *testing.B) {
	s := benchmarkTyped(b, func(cfg *profiles.Config) { cfg.Gzip = true })
	b.ReportMetric(float64(s.plain)/float64(s.wire), "times-smaller")
}

// BenchmarkTypedPathSpool keeps the messages on disk, by the mode. One producer waits for a sync with each message in sync mode.
func BenchmarkTypedPathSpool(b *testing.B) {
	for name, mode := range map[string]spool.Mode{"interval": spool.Interval, "memory": spool.Memory} {
		b.Run(name, func(b *testing.B) {
			benchmarkTyped(b, func(cfg *profiles.Config) { cfg.Spool = &spool.Config{Dir: b.TempDir() + "/spool", Mode: mode} })
		})
	}
}

func benchmarkTyped(b *testing.B, change func(*profiles.Config)) *server {
	s := newServer(b)
	c := newClient(b, s, change)
	c.send(b, 5000) // connections, pools
	arrived := s.expect(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	c.send(b, b.N)
	<-arrived
	b.StopTimer()
	return s
}

// BenchmarkTypedPathProducers is the typed path from several goroutines, in events of all of them.
func BenchmarkTypedPathProducers(b *testing.B) {
	for _, producers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(producers), func(b *testing.B) {
			s := newServer(b)
			c := newClient(b, s, nil)
			c.send(b, 5000)
			benchmarkProducers(b, s, c, producers)
		})
	}
}

// BenchmarkTypedPathMessages is what a message costs where few or many are sent, the wait for the last one included.
func BenchmarkTypedPathMessages(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newServer(b)
			c := newClient(b, s, nil)
			c.send(b, 5000)
			b.ResetTimer()
			for b.Loop() {
				c.send(b, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
		})
	}
}

// BenchmarkFullQueue is the memory of a client whose queue is at its bound, as times the configured bytes.
func BenchmarkFullQueue(b *testing.B) {
	for b.Loop() {
		hang := make(chan struct{})
		c := newClient(b, nil, func(cfg *profiles.Config) {
			cfg.Endpoint, cfg.Transport, cfg.CloseTimeout = "", holder(hang), time.Millisecond
			cfg.QueueMessages = 10_000_000 // so that the bytes are what is reached
		})
		events := identifies()
		before := heap()
		n := 0
		var err error
		for ; err == nil; n++ {
			err = c.TryEnqueue(events[n%people])
		}
		if !errors.Is(err, profiles.ErrQueueFull) {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/profiles.DefaultQueueBytes, "times-configured")
		b.ReportMetric(float64(n), "messages")
		close(hang)
		c.Flush(context.Background())
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// holder takes batches once it is closed.
type holder chan struct{}

func (h holder) Deliver(ctx context.Context, _ *transport.Batch) transport.Result {
	select {
	case <-h:
		return transport.Result{Class: transport.Accepted, Status: 200}
	case <-ctx.Done():
		return transport.Result{Err: ctx.Err()}
	}
}

// BenchmarkSpoolProducers is 256 producers on a spool in sync mode: Enqueue returns when the message is on the disk.
func BenchmarkSpoolProducers(b *testing.B) {
	s := newServer(b)
	c := newClient(b, s, func(cfg *profiles.Config) { cfg.Spool = &spool.Config{Dir: b.TempDir() + "/spool"} })
	benchmarkProducers(b, s, c, 256)
}

func benchmarkProducers(b *testing.B, s *server, c *typed, producers int) {
	events := identifies()
	arrived := s.expect(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := p; i < b.N; i += producers {
				if err := c.Enqueue(context.Background(), events[i%people]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	<-arrived
}

// BenchmarkRecordPath is a record through trigger, mapping, validation, encoding and delivery, to its outcome in the order of the input.
func BenchmarkRecordPath(b *testing.B) {
	s := newServer(b)
	c := newClient(b, s, func(cfg *profiles.Config) { cfg.Hooks = profiles.Hooks{} })
	process(b, c, 5000)
	arrived := s.expect(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	process(b, c, b.N)
	<-arrived
}

// BenchmarkRecordPathNoNetwork is the same with a transport that takes every batch at once.
func BenchmarkRecordPathNoNetwork(b *testing.B) {
	c := newClient(b, nil, func(cfg *profiles.Config) {
		cfg.Hooks, cfg.Endpoint, cfg.Transport = profiles.Hooks{}, "", taker{}
	})
	process(b, c, 5000)
	b.ReportAllocs()
	b.ResetTimer()
	process(b, c, b.N)
}

// taker takes every batch.
type taker struct{}

func (taker) Deliver(context.Context, *transport.Batch) transport.Result {
	return transport.Result{Class: transport.Accepted, Status: 200}
}

// process runs n records through the destination.
func process(tb testing.TB, c *typed, n int) {
	dest, err := profiles.ParseDestination([]byte(destination))
	if err != nil {
		tb.Fatal(err)
	}
	rows := records()
	source := func(yield func(profiles.Record, error) bool) {
		for i := range n {
			if !yield(rows[i%people], nil) {
				return
			}
		}
	}
	accepted := 0
	for o, err := range c.Process(context.Background(), dest.For(profiles.Input{Name: "benchmark"}), source) {
		if err != nil {
			tb.Fatal(err)
		}
		if o.Status == profiles.Accepted {
			accepted++
		}
	}
	if accepted != n {
		tb.Fatalf("%d of %d were accepted", accepted, n)
	}
}

// BenchmarkPeerPosthog is posthog-go with the same event and server, its batches as large as the server takes them, and nothing dropped.
func BenchmarkPeerPosthog(b *testing.B) { benchmarkPosthog(b, posthog.CompressionNone) }

// BenchmarkPeerPosthogGzip compresses the bodies.
func BenchmarkPeerPosthogGzip(b *testing.B) { benchmarkPosthog(b, posthog.CompressionGzip) }

func benchmarkPosthog(b *testing.B, compression posthog.CompressionMode) {
	s := newServer(b)
	told := &callback{}
	client, err := posthog.NewWithConfig("benchmark", posthog.Config{
		Endpoint: s.url, BatchSize: 1000, Interval: 100 * time.Millisecond, MaxQueueSize: profiles.DefaultQueueMessages,
		BatchSubmitTimeout: time.Minute, Callback: told, Compression: compression,
		Logger: posthog.StdLogger(log.New(io.Discard, "", 0), false),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	events := captures()
	send := func(n int) {
		arrived := s.expect(n)
		for i := range n {
			err := client.Enqueue(events[i%people])
			for errors.Is(err, posthog.ErrQueueFull) {
				runtime.Gosched()
				err = client.Enqueue(events[i%people])
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		select {
		case <-arrived:
		case <-time.After(time.Minute):
			b.Fatalf("%d of %d arrived, %d failed", s.count(), n, told.failed.Load())
		}
	}
	send(5000)
	b.ReportAllocs()
	b.ResetTimer()
	send(b.N)
}

// callback counts posthog-go's outcomes, as the hook does ours.
type callback struct{ succeeded, failed atomic.Int64 }

func (c *callback) Success(posthog.APIMessage)        { c.succeeded.Add(1) }
func (c *callback) Failure(posthog.APIMessage, error) { c.failed.Add(1) }

// destination has six directives: a path, a template, a case, a condition, and paths within traits.
const destination = `{"mappings": [{"id": "people", "action": "sendIdentify", "trigger": "type = \"identify\" and traits.plan != \"free\"", "fields": {
  "user_id": {"@path": "$.userId"},
  "traits": {
    "email": {"@case": {"operator": "lower", "value": {"@path": "$.traits.email"}}},
    "name": {"@template": "{{traits.first_name}} {{traits.last_name}}"},
    "tier": {"@if": {"exists": {"@path": "$.traits.mrr"}, "then": "paying", "else": "free"}},
    "lifecycle_stage": {"@path": "$.traits.lifecycle_stage"},
    "mrr": {"@path": "$.traits.mrr"}
  }}}]}`
