package transporttest

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// An EventStatus tells what became of an event that came in a request answered 200.
type EventStatus string

const (
	// EventKept is an event that Segment goes on to process: it has reached profiles.
	EventKept EventStatus = "kept"
	// EventDuplicate is an event whose messageId has come before.
	EventDuplicate EventStatus = "duplicate"
	// EventDropped is an event that Segment drops although it answers 200.
	EventDropped EventStatus = "dropped"
)

// A DropReason tells why an event was dropped behind a 200.
type DropReason string

// The reasons, in the order in which they are looked for: the first that holds is given.
const (
	DropTooManyEvents DropReason = "batch of more than 2,500 events"
	DropUnknownType   DropReason = "type is none of identify, group, track, page, screen and alias"
	DropNoIdentity    DropReason = "neither userId nor anonymousId"
	DropNoExternalID  DropReason = "subscriptions without an external id"
	DropNoEventName   DropReason = "track without event"
	DropLongMessageID DropReason = "messageId of 100 characters or more"
	DropNoGroupID     DropReason = "group without groupId"
	DropLongGroupID   DropReason = "groupId of more than 500 characters"
	DropTooManyTraits DropReason = "300 or more traits or properties"
	DropBeforeEpoch   DropReason = "timestamp before 1970"
)

// subscriptionsMember is the member of context that makes a subscriptions call of an identify call.
const subscriptionsMember = "messaging_subscriptions"

// An Event is one message that came in a request answered 200.
type Event struct {
	// Status is what became of the event, Reason why where it was dropped.
	Status EventStatus
	Reason DropReason
	// WriteKey is the Profile Space that the event was sent to.
	WriteKey transport.WriteKey
	// Type is identify, group, track, page, screen or alias. Name is the event's name, for a track.
	Type, Name string
	// MessageID, UserID, AnonymousID and GroupID are the message's own, "" where it has none.
	MessageID, UserID, AnonymousID, GroupID string
	// Message is the message decoded, numbers as json.Number, with the context and integrations beside the batch merged in:
	// member by member, the message's own win.
	Message map[string]any
	// Raw is the message as it was sent.
	Raw []byte
	// Request is the number of the request that it came in, as in Request.Number, and Retry that request's X-Retry-Count.
	Request, Retry int
	// SentAt is the request's sentAt, zero where it had none that is RFC 3339.
	SentAt time.Time
	// ReceivedAt is when the request came in.
	ReceivedAt time.Time
	// Timestamp is when the event happened, by the server's clock: ReceivedAt less what lay between the message's timestamp
	// and SentAt. Without SentAt it is the message's timestamp, without a timestamp that is RFC 3339 it is ReceivedAt.
	Timestamp time.Time
}

// An event is an Event as the server keeps it, with its place in the order of arrival.
type event struct {
	Event
	order int
}

func (e *event) copy() Event {
	c := e.Event
	c.Message, c.Raw = cloneMap(e.Message), bytes.Clone(e.Raw)
	return c
}

// newEvent reads an event out of a decoded message.
func newEvent(raw []byte, message map[string]any, received, sent time.Time) *event {
	e := &event{Event: Event{
		Status: EventKept, Raw: raw, Message: message,
		Type: text(message["type"]), Name: text(message["event"]),
		MessageID: text(message["messageId"]), UserID: text(message["userId"]),
		AnonymousID: text(message["anonymousId"]), GroupID: text(message["groupId"]),
		ReceivedAt: received, SentAt: sent, Timestamp: received,
	}}
	if t, ok := parseTime(text(message["timestamp"])); ok {
		if e.Timestamp = t; !sent.IsZero() {
			e.Timestamp = received.Add(t.Sub(sent))
		}
	}
	if e.Reason = dropReason(e); e.Reason != "" {
		e.Status = EventDropped
	}
	return e
}

func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// dropReason tells why Segment would drop the event after having answered 200, "" where it would not.
func dropReason(e *event) DropReason {
	members := "traits"
	switch e.Type {
	case "identify", "group", "alias":
	case "track", "page", "screen":
		members = "properties"
	default:
		return DropUnknownType
	}
	context := object(e.Message["context"])
	_, subscriptions := context[subscriptionsMember]
	switch {
	case !subscriptions && e.UserID == "" && e.AnonymousID == "":
		return DropNoIdentity
	case subscriptions && len(externalIDs(context)) == 0:
		return DropNoExternalID
	case e.Type == "track" && e.Name == "":
		return DropNoEventName
	case utf8.RuneCountInString(e.MessageID) > transport.MaxMessageIDLen:
		return DropLongMessageID
	case e.Type == "group" && e.GroupID == "":
		return DropNoGroupID
	case utf8.RuneCountInString(e.GroupID) > transport.MaxGroupIDLen,
		utf8.RuneCountInString(text(context["groupId"])) > transport.MaxGroupIDLen:
		return DropLongGroupID
	case len(object(e.Message[members])) > transport.MaxTraits:
		return DropTooManyTraits
	case e.Timestamp.Unix() < 0:
		return DropBeforeEpoch
	}
	return ""
}

// merge puts the members of outer that the message's member of that name lacks into it.
func merge(message map[string]any, name string, outer map[string]any) {
	if len(outer) == 0 {
		return
	}
	inner := object(message[name])
	if inner == nil {
		inner = make(map[string]any, len(outer))
		message[name] = inner
	}
	for member, v := range outer {
		if _, ok := inner[member]; !ok {
			inner[member] = v
		}
	}
}
