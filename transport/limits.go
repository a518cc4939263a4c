package transport

import "time"

// A Limit is the value of one of Segment's limits and where it is documented.
type Limit struct {
	Value  int
	Unit   string // what Value counts: bytes, events, characters, members, requests a second, ...
	Source string // where Segment states it
}

const (
	sourceHTTP  = "Segment documentation, HTTP API source: limits"
	sourceUnify = "Segment documentation, Unify: product limits"
	sourceSpec  = "Segment documentation, Spec: common fields"
)

// The limits that are checked before anything is sent. Those of a message are checked when an action is built, those of a
// batch by whoever fills one: the server answers 200 to much of what it then drops.
const (
	// MaxMessageBytes is the size of one encoded message: 32 KB, read as 1,000 bytes each to be safe on either reading.
	MaxMessageBytes = 32_000
	// MaxBatchBytes is the size of one request's uncompressed body: 500 KB.
	MaxBatchBytes = 500_000
	// EnvelopeBytes is what of MaxBatchBytes is kept for the members around the messages (sentAt, context, writeKey).
	EnvelopeBytes = 1_024
	// MaxBatchMessages is the number of events in one request. The server answers 200 beyond it, and drops them.
	MaxBatchMessages = 2_500
	// MaxMessageIDLen is the length of a messageId in characters: under 100.
	MaxMessageIDLen = 99
	// MaxGroupIDLen is the length of a groupId in characters.
	MaxGroupIDLen = 500
	// MaxTraits is the number of top-level traits or properties of one event: Unify drops an event with 300 in silence.
	MaxTraits = 299
	// DefaultEventsPerSecond is what Engage and Unify take in from one workspace.
	DefaultEventsPerSecond = 1_000
	// DefaultRequestsPerSecond is what the Tracking API takes from one workspace.
	DefaultRequestsPerSecond = 1_000
	// ProfileEventsPerSecond is about what a single profile takes.
	ProfileEventsPerSecond = 25
	// MaxRetryAfter caps a Retry-After, as Segment's newest own SDKs do.
	MaxRetryAfter = 300 * time.Second
	// MaxResponseBytes is how much of a response body is read.
	MaxResponseBytes = 64 << 10
)

// Limits lists the limits with their sources, by name.
func Limits() map[string]Limit {
	return map[string]Limit{
		"MaxMessageBytes":          {MaxMessageBytes, "bytes", sourceHTTP},
		"MaxBatchBytes":            {MaxBatchBytes, "bytes", sourceHTTP},
		"MaxBatchMessages":         {MaxBatchMessages, "events", sourceHTTP},
		"MaxMessageIDLen":          {MaxMessageIDLen, "characters", sourceSpec},
		"MaxGroupIDLen":            {MaxGroupIDLen, "characters", sourceUnify},
		"MaxTraits":                {MaxTraits, "members", sourceUnify},
		"DefaultEventsPerSecond":   {DefaultEventsPerSecond, "events a second", sourceUnify},
		"DefaultRequestsPerSecond": {DefaultRequestsPerSecond, "requests a second", sourceHTTP},
		"ProfileEventsPerSecond":   {ProfileEventsPerSecond, "events a second", sourceUnify},
		"MaxRetryAfter":            {int(MaxRetryAfter / time.Second), "seconds", "Segment's analytics SDKs: retry policy"},
	}
}
