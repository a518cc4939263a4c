package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// Stats are a Server's counters since it was made or Reset.
type Stats struct {
	// Requests is the number of requests that came in, of every endpoint.
	Requests int
	// Statuses has the number of answers by HTTP status; 0 stands for requests that were cut off or left without one.
	Statuses map[int]int
	// Throttled is the number of requests that the limits answered 429. Scripted answers are among Faults.
	Throttled int
	// Messages is the number of messages in requests that were taken: Kept + Duplicates + Dropped.
	Messages, Kept, Duplicates, Dropped int
	// Reasons has the number of dropped messages by the reason.
	Reasons map[DropReason]int
	// BytesWire and BytesBody are the sizes of the bodies that were read, as they came and decompressed.
	BytesWire, BytesBody int64
	// Faults has the number of faults that were injected, by their kind.
	Faults map[FaultKind]int
	// Tokens is the number of OAuth tokens that were given out.
	Tokens int
}

func newStats() Stats {
	return Stats{Statuses: make(map[int]int), Reasons: make(map[DropReason]int), Faults: make(map[FaultKind]int)}
}

func (c Stats) copy() Stats {
	c.Statuses, c.Reasons, c.Faults = maps.Clone(c.Statuses), maps.Clone(c.Reasons), maps.Clone(c.Faults)
	return c
}

// A Request is one HTTP request that came in.
type Request struct {
	// Number counts requests from 1.
	Number int
	// At is when the request's header had come in.
	At time.Time
	// Method and Path are the request's; a write key in the path reads {writeKey}.
	Method, Path string
	// Header is the request's without Authorization, and Auth the scheme of that: Basic, Bearer or "".
	Header http.Header
	Auth   string
	// WriteKey is the key that the request was made with, as far as it was read.
	WriteKey transport.WriteKey
	// Retry is X-Retry-Count, 0 where it is not sent.
	Retry int
	// Messages is the number of messages, as far as the body was looked into.
	Messages int
	// BytesWire and BytesBody are the sizes of the body as it came and decompressed, as far as it was read.
	BytesWire, BytesBody int64
	// Status is the answer's, 0 where the request was cut off or left without one.
	Status int
	// Throttled tells that the limits answered 429.
	Throttled bool
	// Fault is the fault that was injected, "" if none.
	Fault FaultKind

	body func() []byte // a function, so that printing a Request does not print personal data
}

// Body returns the body that the request came with, decompressed, as far as it was read.
func (r Request) Body() []byte {
	if r.body == nil {
		return nil
	}
	return bytes.Clone(r.body())
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.copy()
}

// Requests returns all requests in the order in which they came in.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.requests))
	for i, r := range s.requests {
		requests[i] = *r
		requests[i].Header = r.Header.Clone()
	}
	return requests
}

// Wait returns nil as soon as at least n messages have been kept, or an error that wraps the context's.
func (s *Server) Wait(ctx context.Context, n int) error {
	have := 0
	err := s.WaitFor(ctx, func(c Stats) bool { have = c.Kept; return have >= n })
	if err != nil {
		return fmt.Errorf("transporttest: %d of %d messages kept: %w", have, n, context.Cause(ctx))
	}
	return nil
}

// WaitFor returns nil as soon as done says so of the counters, which it is called with at once and after every change, or an
// error that wraps the context's.
func (s *Server) WaitFor(ctx context.Context, done func(Stats) bool) error {
	err := await(ctx, func() (bool, <-chan struct{}) {
		s.mu.Lock()
		stats, next := s.stats.copy(), s.changes.next()
		s.mu.Unlock()
		return done(stats), next
	})
	if err != nil {
		return fmt.Errorf("transporttest: waiting for the server's counters: %w", err)
	}
	return nil
}
