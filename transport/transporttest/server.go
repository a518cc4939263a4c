package transporttest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// TB is what of testing.TB this package uses. A *testing.T, *testing.B and *testing.F is one.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// DefaultDedupeWindow is how long Segment promises to remember a messageId.
const DefaultDedupeWindow = 24 * time.Hour

// A ServerConfig says how a Server differs from the real Tracking API. The zero value does not, as far as that is known: it
// takes any write key.
type ServerConfig struct {
	// Address is where to listen. Defaults to a free port of the loopback interface; not used by NewPipeServer.
	Address string
	// WriteKeys are the keys that are known: any other is answered 401. Defaults to taking any key.
	WriteKeys []transport.WriteKey
	// EventsPerSecond and RequestsPerSecond are the limits of the workspace, over all keys: what is beyond is answered 429.
	// Default to 1,000 each; below 0 there is none. SetRate changes them.
	EventsPerSecond, RequestsPerSecond int
	// DedupeWindow is how long a messageId is remembered, over all keys. Defaults to DefaultDedupeWindow; below 0 no
	// message is taken for a duplicate.
	DedupeWindow time.Duration
	// Latency holds back every answer. Defaults to none.
	Latency time.Duration
	// OAuth says how tokens are given out and asked for.
	OAuth OAuth
	// Discard has the server count what it takes and keep nothing: for benchmarks. The size rules, the limits and scripted
	// faults work as ever; messages are not looked into, so that none is found malformed, poisoned, dropped or a duplicate,
	// and Events, Requests and the profiles stay empty.
	Discard bool
}

// A Server is a Tracking API that behaves as the real one does. It serves POST /v1/batch, /v1/identify, /v1/group and
// /v1/track, POST /token for OAuth, and GET /v1/projects/{writeKey}/settings. See the package comment.
//
// A Server is safe for concurrent use. It has to be closed.
type Server struct {
	config  ServerConfig
	url     string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	http    *http.Server
	client  *http.Client
	closing chan struct{}
	serving sync.WaitGroup
	buffers sync.Pool // of *bytes.Buffer
	gzips   sync.Pool // of *gzip.Reader

	mu       sync.Mutex
	closed   bool
	limits   struct{ requests, events bucket }
	seen     seen
	script   script
	tokens   script
	poison   func(message map[string]any) bool
	issued   issued
	stats    Stats
	requests []*Request
	events   []*event
	spaces   map[transport.WriteKey]*space
	keys     []transport.WriteKey // of spaces, in the order in which they came
	changes  changes
}

// NewServer starts a Server of the default configuration and closes it when the test ends.
func NewServer(t TB) *Server {
	t.Helper()
	return NewServerWith(t, ServerConfig{})
}

// NewServerWith starts a Server and closes it when the test ends.
func NewServerWith(t TB, config ServerConfig) *Server {
	t.Helper()
	return closeAtEnd(t, config, StartServer)
}

// NewPipeServer makes a Server that listens nowhere, and closes it when the test ends. It is reached by Client and
// DialContext alone, over pipes in memory: real net/http that works in a bubble of testing/synctest, on its clock.
func NewPipeServer(t TB, config ServerConfig) *Server {
	t.Helper()
	return closeAtEnd(t, config, startPipeServer)
}

func closeAtEnd(t TB, config ServerConfig, start func(ServerConfig) (*Server, error)) *Server {
	t.Helper()
	s, err := start(config)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// StartServer starts a Server. The error tells what is wrong with the configuration, or why the address cannot be listened
// at. The caller closes the server.
func StartServer(config ServerConfig) (*Server, error) {
	s, err := newServer(config)
	if err != nil {
		return nil, err
	}
	listener, err := listen(config.Address)
	if err != nil {
		return nil, fmt.Errorf("transporttest: %w", err)
	}
	address := listener.Addr().String()
	s.url = "http://" + address
	var d net.Dialer
	s.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	s.serve(listener)
	return s, nil
}

func listen(address string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return net.Listen("tcp6", "[::1]:0")
	}
	return listener, nil
}

// pipeURL is a loopback address that nobody serves: a client without the pipe gets no answer from someone else.
const pipeURL = "http://127.0.0.1:1"

func startPipeServer(config ServerConfig) (*Server, error) {
	s, err := newServer(config)
	if err != nil {
		return nil, err
	}
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s.url, s.dial = pipeURL, listener.dial
	s.serve(listener)
	return s, nil
}

func newServer(config ServerConfig) (*Server, error) {
	for i, key := range config.WriteKeys {
		if err := key.Err(); err != nil {
			return nil, fmt.Errorf("transporttest: WriteKeys[%d]: %w", i, err)
		}
	}
	config.WriteKeys = slices.Clone(config.WriteKeys)
	s := &Server{
		config: config, closing: make(chan struct{}),
		spaces: make(map[transport.WriteKey]*space), stats: newStats(),
	}
	s.SetRate(config.EventsPerSecond, config.RequestsPerSecond)
	s.seen.window = DefaultDedupeWindow
	if config.DedupeWindow != 0 {
		s.seen.window = max(config.DedupeWindow, 0)
	}
	s.http = &http.Server{Handler: s.Handler()}
	s.client = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return s.dial(ctx, network, address)
			},
			DisableCompression:  true,
			MaxIdleConnsPerHost: 16,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

func (s *Server) serve(listener net.Listener) {
	s.serving.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed: Close is what ends it
}

// Close stops the server: requests that hang are let go, connections are closed, and no goroutine of the server is left when
// it returns. What was recorded can still be asked for. Closing again does nothing. Close must not be called from a function
// given to RejectWhere.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	_ = s.http.Close()
	s.client.CloseIdleConnections()
	s.serving.Wait()
}

// URL returns the server's address without a path: http://127.0.0.1:port. That of a pipe server can only be used with
// Client or DialContext.
func (s *Server) URL() string { return s.url }

// Client returns an HTTP client that reaches the server whatever the address of the request, follows no redirect, and whose
// connections Close closes.
func (s *Server) Client() *http.Client { return s.client }

// DialContext connects to the server whatever the address, as an http.Transport needs it.
func (s *Server) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return s.dial(ctx, network, address)
}

// Handler returns the server as a handler, for a program that has an HTTP server, or TLS, of its own. Faults that cut a
// connection abort the request where the connection cannot be taken over, as over HTTP/2.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.handle) }

// SetRate sets the limits of the workspace in events and requests a second, as those of ServerConfig: 0 is the default, below
// 0 there is none. A limit that is lowered leaves no more than a second's worth at the new rate.
func (s *Server) SetRate(eventsPerSecond, requestsPerSecond int) {
	if eventsPerSecond == 0 {
		eventsPerSecond = transport.DefaultEventsPerSecond
	}
	if requestsPerSecond == 0 {
		requestsPerSecond = transport.DefaultRequestsPerSecond
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.limits.events.setRate(now, eventsPerSecond)
	s.limits.requests.setRate(now, requestsPerSecond)
}

// knows tells whether the server takes a write key.
func (s *Server) knows(key transport.WriteKey) bool {
	return !key.IsZero() && (len(s.config.WriteKeys) == 0 || slices.Contains(s.config.WriteKeys, key))
}

// Events returns all events of requests that were answered 200, or taken and cut off, in the order of their arrival:
// duplicates and dropped ones too, as their status says.
func (s *Server) Events() []Event {
	return s.pick(func(*event) bool { return true })
}

// Dropped returns the events that were dropped behind a 200, each with its reason.
func (s *Server) Dropped() []Event {
	return s.pick(func(e *event) bool { return e.Status == EventDropped })
}

func (s *Server) pick(want func(*event) bool) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []Event
	for _, e := range s.events {
		if want(e) {
			events = append(events, e.copy())
		}
	}
	return events
}

// Reset forgets what was received, counted and scripted, profiles and messageIds included, as if the server were new. The
// rates stay, with full buckets; tokens that were given out stay valid.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = seen{window: s.seen.window}
	s.script, s.tokens, s.poison = script{}, script{}, nil
	s.stats, s.requests, s.events = newStats(), nil, nil
	s.spaces, s.keys = make(map[transport.WriteKey]*space), nil
	s.limits.events.tokens, s.limits.requests.tokens = s.limits.events.rate, s.limits.requests.rate
	s.changes.notify()
}
