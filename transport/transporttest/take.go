package transporttest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// take does with a tracking request what the Tracking API does: refuses it whole, or takes it and decides on each event in
// silence. Call is the type of a single call, "" for a batch.
func (x *exchange) take(call string) *refusal {
	s := x.s
	if refused := s.throttle(x.at, 1, 0); refused != nil {
		return refused
	}
	e, refused := x.open(call)
	if refused != nil {
		return refused
	}
	key, refused := x.authenticate(e.writeKey)
	if refused != nil {
		return refused
	}
	s.mu.Lock()
	x.entry.WriteKey, x.entry.Messages = key, len(e.messages)
	s.mu.Unlock()
	for i, raw := range e.messages {
		if len(raw) > transport.MaxMessageBytes {
			return badRequest(fmt.Sprintf("message %d is over %d bytes", i, transport.MaxMessageBytes))
		}
	}
	if s.config.Discard {
		return s.count(x.at, len(e.messages))
	}
	events, refused := x.events(call, key, e)
	if refused != nil {
		return refused
	}
	return s.commit(x.at, events)
}

// open checks the request's form and takes the body apart.
func (x *exchange) open(call string) (envelope, *refusal) {
	switch {
	case x.r.Method != http.MethodPost:
		return envelope{}, badRequest("method has to be POST")
	case !isJSON(x.r.Header):
		return envelope{}, badRequest("Content-Type has to be application/json")
	case x.readErr == errTooLarge:
		return envelope{}, badRequest(fmt.Sprintf("body is over %d bytes", transport.MaxBatchBytes))
	case x.readErr != nil:
		return envelope{}, badRequest("body cannot be read")
	}
	if call != "" {
		message, err := decode(x.body)
		if err != nil {
			return envelope{}, badRequest(errMalformed.Error())
		}
		raw := bytes.TrimSpace(x.body)
		return envelope{messages: [][]byte{raw}, writeKey: text(message["writeKey"]), sentAt: text(message["sentAt"])}, nil
	}
	e, err := openEnvelope(x.body)
	if err != nil {
		return envelope{}, badRequest(err.Error())
	}
	return e, nil
}

// authenticate finds the write key: of Basic authentication, else in the body, there with or without a token.
func (x *exchange) authenticate(inBody string) (transport.WriteKey, *refusal) {
	unauthorized := func(message string) (transport.WriteKey, *refusal) {
		return transport.WriteKey{}, &refusal{status: http.StatusUnauthorized, message: message}
	}
	user, _, basic := x.r.BasicAuth()
	bearer, token := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	if !token && x.s.config.OAuth.Required {
		return unauthorized("a token is required")
	}
	if token && !x.s.accepts(bearer, x.at) {
		return unauthorized("the token is not valid")
	}
	text := inBody
	if basic {
		text = user
	}
	key := transport.NewWriteKey(text)
	if !x.s.knows(key) {
		return unauthorized("the write key is not valid")
	}
	return key, nil
}

// events decodes the messages. It refuses a batch with a message that is no JSON object, or that is poisoned.
func (x *exchange) events(call string, key transport.WriteKey, e envelope) ([]*event, *refusal) {
	x.s.mu.Lock()
	poison := x.s.poison
	x.s.mu.Unlock()
	sent, _ := parseTime(e.sentAt)
	events := make([]*event, len(e.messages))
	for i, raw := range e.messages {
		message, err := decode(raw)
		if err != nil {
			return nil, badRequest(fmt.Sprintf("message %d is malformed", i))
		}
		if call != "" {
			message["type"] = call
		}
		merge(message, "context", e.context)
		merge(message, "integrations", e.integrations)
		if poison != nil && poison(message) {
			refused := badRequest(fmt.Sprintf("message %d is rejected", i))
			refused.fault = FaultRejected
			return nil, refused
		}
		events[i] = newEvent(raw, message, x.at, sent)
		events[i].WriteKey, events[i].Request, events[i].Retry = key, x.entry.Number, x.entry.Retry
	}
	if len(events) > transport.MaxBatchMessages {
		for _, ev := range events {
			ev.Status, ev.Reason = EventDropped, DropTooManyEvents
		}
	}
	return events, nil
}

// throttle takes requests and events out of the limits, or tells that they are spent.
func (s *Server) throttle(now time.Time, requests, events int) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := max(s.limits.requests.wait(now, requests), s.limits.events.wait(now, events))
	if wait > 0 {
		return &refusal{
			status: http.StatusTooManyRequests, header: waitHeader(wait), message: "too many requests", throttled: true,
		}
	}
	s.limits.requests.take(requests)
	s.limits.events.take(events)
	return nil
}

// count takes a batch without looking at it.
func (s *Server) count(now time.Time, messages int) *refusal {
	if messages > transport.MaxBatchMessages {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stats.drop(DropTooManyEvents, messages)
		return nil
	}
	if refused := s.throttle(now, 0, messages); refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Messages += messages
	s.stats.Kept += messages
	return nil
}

// commit takes the events, all or none, in one go: those that are new and good reach the profiles.
func (s *Server) commit(now time.Time, events []*event) *refusal {
	if len(events) <= transport.MaxBatchMessages {
		if refused := s.throttle(now, 0, len(events)); refused != nil {
			return refused
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		e.order = len(s.events)
		s.events = append(s.events, e)
		switch {
		case e.Status == EventDropped:
			s.stats.drop(e.Reason, 1)
		case s.seen.before(now, e.MessageID):
			e.Status = EventDuplicate
			s.stats.Messages++
			s.stats.Duplicates++
		default:
			s.stats.Messages++
			s.stats.Kept++
			s.space(e.WriteKey).apply(e)
		}
	}
	return nil
}

func (c *Stats) drop(reason DropReason, n int) {
	c.Messages += n
	c.Dropped += n
	c.Reasons[reason] += n
}

// space returns the Profile Space of a key, made if need be. The server's mutex is held.
func (s *Server) space(key transport.WriteKey) *space {
	v := s.spaces[key]
	if v == nil {
		v = &space{ids: make(map[identifier]*profile), groups: make(map[string]*group)}
		s.spaces[key] = v
		s.keys = append(s.keys, key)
	}
	return v
}
