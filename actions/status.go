package actions

import (
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// SubscriptionStatus is what a person has said about messages on one channel, or in one group of the email channel. The
// zero value is no status: it is left out of the message and never overwrites what the profile has.
type SubscriptionStatus uint8

// The subscription statuses.
const (
	Subscribed      SubscriptionStatus = iota + 1 // SUBSCRIBED
	Unsubscribed                                  // UNSUBSCRIBED
	DidNotSubscribe                               // DID_NOT_SUBSCRIBE
)

var statusWords = [...]string{Subscribed: "SUBSCRIBED", Unsubscribed: "UNSUBSCRIBED", DidNotSubscribe: "DID_NOT_SUBSCRIBE"}

// known tells whether s is a status or none.
func (s SubscriptionStatus) known() bool { return s <= DidNotSubscribe }

// String returns the word that is sent to Segment, "" for no status, and SubscriptionStatus(n) for what is neither.
func (s SubscriptionStatus) String() string {
	if s.known() {
		return statusWords[s]
	}
	return "SubscriptionStatus(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns the word that is sent to Segment, or nothing for no status. The error, for what is neither, is a
// FieldError with RuleUnknownStatus.
func (s SubscriptionStatus) MarshalText() ([]byte, error) {
	if !s.known() {
		return nil, unknownStatus
	}
	return []byte(statusWords[s]), nil
}

// UnmarshalText reads a status word, in any case and with white space around it: true and subscribed, false and
// unsubscribed, did_not_subscribe and did-not-subscribe. A blank text is no status. The error, for any other word, is a
// FieldError with RuleUnknownStatus, and s stays as it is.
func (s *SubscriptionStatus) UnmarshalText(text []byte) error {
	parsed, ok := parseStatus(string(text))
	if !ok {
		return unknownStatus
	}
	*s = parsed
	return nil
}

func parseStatus(text string) (SubscriptionStatus, bool) {
	word := strings.TrimFunc(text, jsvalue.IsSpace)
	switch {
	case word == "":
		return 0, true
	case equalFold(word, "true"), equalFold(word, "subscribed"):
		return Subscribed, true
	case equalFold(word, "false"), equalFold(word, "unsubscribed"):
		return Unsubscribed, true
	case equalFold(word, "did_not_subscribe"), equalFold(word, "did-not-subscribe"):
		return DidNotSubscribe, true
	}
	return 0, false
}

// equalFold tells whether s is the lower-case word in any case. Only ASCII letters have a case here: strings.EqualFold would
// take the long s (U+017F) for an s, which JavaScript's toLowerCase does not.
func equalFold(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
