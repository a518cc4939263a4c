package profiles

import "fmt"

// A Status is how a message, or a record, ended.
type Status uint8

// The zero Status is none: no outcome has it.
const (
	// Skipped: the record gave no message. RecordOutcome.Skip says why.
	Skipped Status = iota + 1
	// Accepted: the Tracking API took the message. It is the best that can be said: Segment answers 200 before it looks at
	// what a message holds.
	Accepted
	// Canceled: given up unsent, because the client was shut down or a Process was stopped. Where Ambiguous is set, the
	// server may have taken it.
	Canceled
	// Exhausted: not accepted before its deadline, though tried again and again.
	Exhausted
	// Rejected: refused for good by the server.
	Rejected
	// Invalid: refused by this library before it was queued: a rule of its action, a limit, a mapping that did not resolve.
	Invalid
	// Pending: the context of a Send ended before the outcome. The message is still queued, and its outcome goes to the hook.
	Pending
	// Kept: the client was shut down, and the message is in its spool. Another run delivers it.
	Kept
	// NotQueued: the client did not take the message, and nothing will become of it: there was no room, or the client is closed.
	NotQueued
)

var statusNames = [...]string{
	Skipped: "skipped", Accepted: "accepted", Canceled: "canceled", Exhausted: "exhausted", Rejected: "rejected",
	Invalid: "invalid", Pending: "pending", Kept: "kept", NotQueued: "not queued",
}

// String returns the status in lower case.
func (s Status) String() string {
	if int(s) < len(statusNames) && s != 0 {
		return statusNames[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// MarshalText returns String's text for a valid status.
func (s Status) MarshalText() ([]byte, error) {
	if int(s) >= len(statusNames) || s == 0 {
		return nil, fmt.Errorf("no such status: %d", uint8(s))
	}
	return []byte(statusNames[s]), nil
}

// UnmarshalText is MarshalText's inverse.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if name != "" && name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("unknown status: one of accepted, canceled, exhausted, invalid, kept, not queued, pending, rejected, skipped is wanted")
}
