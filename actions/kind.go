package actions

import "strconv"

// Kind tells the four actions apart. Its text, in both directions, is the action's slug in a saved mapping. The zero value
// is no action.
type Kind uint8

// The actions of the Segment Profiles destination.
const (
	KindIdentify      Kind = iota + 1 // sendIdentify
	KindGroup                         // sendGroup
	KindTrack                         // sendTrack
	KindSubscriptions                 // sendSubscription
)

var kindNames = [...]string{
	KindIdentify:      "sendIdentify",
	KindGroup:         "sendGroup",
	KindTrack:         "sendTrack",
	KindSubscriptions: "sendSubscription",
}

// Kinds lists the actions in the order of their constants.
func Kinds() []Kind { return []Kind{KindIdentify, KindGroup, KindTrack, KindSubscriptions} }

func (k Kind) known() bool { return k >= KindIdentify && k <= KindSubscriptions }

// String returns the action's slug, "" for the zero value, and Kind(n) for what is no action.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Type returns the type of the messages that the action sends: identify, group or track. Subscriptions are an identify
// call. It is empty for what is no action.
func (k Kind) Type() string {
	switch k {
	case KindIdentify, KindSubscriptions:
		return "identify"
	case KindGroup:
		return "group"
	case KindTrack:
		return "track"
	}
	return ""
}

// MarshalText returns the action's slug. The error, for what is no action, is a FieldError with RuleUnknownAction.
func (k Kind) MarshalText() ([]byte, error) {
	if !k.known() {
		return nil, unknownAction
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads an action's slug, exactly as it is written. The error is a FieldError with RuleUnknownAction.
func (k *Kind) UnmarshalText(text []byte) error {
	for _, known := range Kinds() {
		if string(text) == kindNames[known] {
			*k = known
			return nil
		}
	}
	return unknownAction
}

// DefaultTrigger returns the trigger that a new mapping of the action is pre-filled with. It is empty for Track, whose
// trigger users write themselves.
func DefaultTrigger(kind Kind) string {
	switch kind {
	case KindIdentify, KindSubscriptions:
		return `type = "identify"`
	case KindGroup:
		return `type = "group"`
	}
	return ""
}
