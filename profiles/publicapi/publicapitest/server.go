package publicapitest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
)

// TB is what of testing.TB this package uses. A *testing.T, *testing.B and *testing.F is one.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// MaxCount is the largest pagination.count that is taken; more is answered 422.
const MaxCount = 1_000

// SpaceKind is the kind of source that a Profile Space has.
const SpaceKind = "personas-compute"

// A Source is a source of the workspace.
type Source struct {
	// ID is made up where it is empty. Slug and Name default to it.
	ID, Slug, Name string
	// Kind is the slug of the source's metadata: SpaceKind for a Profile Space.
	Kind string
	// Disabled switches the source off.
	Disabled bool
	// WriteKeys are shown to a token with the role Source Admin, and known to the CDN.
	WriteKeys []profiles.WriteKey
}

// A Destination is a saved destination of the workspace.
type Destination struct {
	// ID is made up where it is empty. Name defaults to it.
	ID, Name string
	// Disabled switches the destination off.
	Disabled bool
	// Settings are the destination's own; the Endpoint Region is endpoint: north_america or europe.
	Settings map[string]any
	// Subscriptions are the mappings, in JSON, as the API gives them.
	Subscriptions []json.RawMessage
}

// A Request is a request that came in.
type Request struct {
	// Path is the path, with {writeKey} in the place of a write key, and Query the query.
	Path  string
	Query url.Values
	// Authorized tells whether it came with the server's token.
	Authorized bool
	// WriteKey is the key in the path of a request for a source's settings.
	WriteKey profiles.WriteKey
	// Status is what it was answered with, 0 where there was no answer.
	Status int
}

// A Server is a Public API and a CDN that behave as the real ones do. It serves GET /sources, GET /destinations/{id} and
// GET /destinations/{id}/subscriptions, and GET /v1/projects/{writeKey}/settings. It is safe for concurrent use, and has to be closed.
type Server struct {
	token   publicapi.Token
	url     string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	http    *http.Server
	client  *http.Client
	closing chan struct{}
	serving sync.WaitGroup

	mu           sync.Mutex
	closed       bool
	pageSize     int
	hidden       bool
	sources      []Source
	destinations []Destination
	steps        []Step
	requests     []Request
}

// NewServer starts a Server and closes it when the test ends.
func NewServer(t TB) *Server {
	t.Helper()
	s, err := StartServer()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// NewPipeServer makes a Server that listens nowhere, and closes it when the test ends. It is reached by Client and Config alone, over
// pipes in memory: real net/http that works in a bubble of testing/synctest, on its clock.
func NewPipeServer(t TB) *Server {
	t.Helper()
	s := newServer()
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s.url, s.dial = "http://127.0.0.1:1", listener.dial // an address that nobody serves
	s.serve(listener)
	t.Cleanup(s.Close)
	return s
}

// StartServer starts a Server on a free port of the loopback interface. The caller closes it.
func StartServer() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if listener, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("publicapitest: %w", err)
		}
	}
	s := newServer()
	address := listener.Addr().String()
	s.url = "http://" + address
	var d net.Dialer
	s.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	s.serve(listener)
	return s, nil
}

func newServer() *Server {
	s := &Server{token: publicapi.NewToken("sgp_" + rand.Text()), closing: make(chan struct{})}
	s.http = &http.Server{Handler: s.Handler()}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.dial(ctx, network, address)
		},
	}}
	return s
}

func (s *Server) serve(listener net.Listener) {
	s.serving.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed: Close is what ends it
}

// Close stops the server: requests that hang are let go, connections are closed, and no goroutine of the server is left when it
// returns. What was recorded can still be asked for. Closing again does nothing.
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

// URL returns the Public API's base URL: http://127.0.0.1:port. That of a pipe server can only be used with Client.
func (s *Server) URL() string { return s.url }

// CDN returns the CDN: where CheckWriteKey finds the keys of the server's sources.
func (s *Server) CDN() publicapi.CDN { return publicapi.CDN{URL: s.url + "/v1", HTTPClient: s.client} }

// Token returns the one token that the server takes.
func (s *Server) Token() publicapi.Token { return s.token }

// Config returns what publicapi.New needs to reach the server.
func (s *Server) Config() publicapi.Config {
	return publicapi.Config{Token: s.token, Endpoint: s.url, HTTPClient: s.client}
}

// Client returns an HTTP client that reaches the server whatever the address of the request, and whose connections Close closes.
func (s *Server) Client() *http.Client { return s.client }

// Handler returns the server as a handler, for a program that has an HTTP server, or TLS, of its own.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.handle) }

// AddSpace adds a Profile Space of a name and a write key, which may be zero, and returns its source's id.
func (s *Server) AddSpace(name string, key profiles.WriteKey) (id string) {
	space := Source{Name: name, Kind: SpaceKind}
	if !key.IsZero() {
		space.WriteKeys = []profiles.WriteKey{key}
	}
	return s.AddSource(space)
}

// AddSource adds a source and returns its id. Sources are listed in the order in which they were added.
func (s *Server) AddSource(source Source) (id string) {
	if source.ID == "" {
		source.ID = rand.Text()
	}
	if source.Slug == "" {
		source.Slug = source.ID
	}
	if source.Name == "" {
		source.Name = source.ID
	}
	source.WriteKeys = slices.Clone(source.WriteKeys)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources = append(s.sources, source)
	return source.ID
}

// AddDestination adds a destination and returns its id.
func (s *Server) AddDestination(d Destination) (id string) {
	if d.ID == "" {
		d.ID = rand.Text()
	}
	if d.Name == "" {
		d.Name = d.ID
	}
	d.Settings, d.Subscriptions = maps.Clone(d.Settings), slices.Clone(d.Subscriptions)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.destinations = append(s.destinations, d)
	return d.ID
}

// HideWriteKeys has the server answer as it does to a token that lacks the role Source Admin: with sources without write keys.
func (s *Server) HideWriteKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = true
}

// SetPageSize has a page hold so many entries at most, whatever count is asked for, so that few entries make several pages. Defaults to
// what is asked for, which it is at 0 or less too.
func (s *Server) SetPageSize(entries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageSize = max(entries, 0)
}

// Fail scripts the next requests, one step for each, whatever they ask for; further steps come after those that are waiting.
func (s *Server) Fail(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, steps...)
}

// Requests returns the requests that came in, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := slices.Clone(s.requests)
	for i := range requests {
		requests[i].Query = maps.Clone(requests[i].Query)
	}
	return requests
}
