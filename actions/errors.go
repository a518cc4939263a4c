package actions

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// An Error says why an action cannot be sent: every problem at once, in the order of the fields. Errors.As finds it, and
// through it the first FieldError.
type Error struct {
	// Action is the action at fault, or the zero Kind where there is none: for the Profile Space, which belongs to all.
	Action Kind
	// Fields are the problems. There is at least one.
	Fields []FieldError
}

// Error names every field and the rule it broke. It never holds a field's value.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Action != 0 {
		b.WriteString(e.Action.String())
		b.WriteString(": ")
	}
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Error())
	}
	return b.String()
}

// Unwrap returns the problems as errors, each a FieldError.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Fields))
	for i, f := range e.Fields {
		errs[i] = f
	}
	return errs
}

// newError returns the problems of an action as an error, in the order of the fields, each once.
func newError(kind Kind, problems []FieldError) *Error {
	slices.SortStableFunc(problems, func(a, b FieldError) int {
		_, x := fieldNamed(a.Field)
		_, y := fieldNamed(b.Field)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule))
	})
	return &Error{Action: kind, Fields: slices.Compact(problems)}
}

// A FieldError is one field's problem. It holds no value of the user's: what is in a field is personal data. It can be compared.
type FieldError struct {
	// Field is the field's name in a mapping: user_id. It is "message" for RuleMessageTooLarge and RuleMessageForm,
	// and "action" for RuleUnknownAction. A rule about several fields names the first of them.
	Field string
	// Label is the field's name for people: User ID.
	Label string
	// Path leads to the member at fault inside an object, as a JSON pointer (RFC 6901); empty for the whole field.
	Path string
	// Rule is the rule that the field broke.
	Rule Rule
	// Limit is the rule's limit, in the unit that Rule says; 0 where it has none.
	Limit int
	// Reason completes "the value ..." for RuleUnencodable, says what is wrong for RuleWriteKey and RuleMessageForm, and is empty for
	// the other rules.
	Reason string
}

var (
	unknownAction   = FieldError{Field: fieldAction, Label: "Action", Rule: RuleUnknownAction}
	messageTooLarge = FieldError{Field: fieldMessage, Label: "Message", Rule: RuleMessageTooLarge, Limit: MaxMessageBytes}
	unknownStatus   = FieldError{Field: "status", Label: "Subscription status", Rule: RuleUnknownStatus}
)

// problem returns the FieldError of a field that broke a rule.
func problem(name string, rule Rule) FieldError {
	f, _ := fieldNamed(name)
	return FieldError{Field: name, Label: f.Label, Rule: rule}
}

// Error is one sentence that names the field and the limit, and never the value.
func (e FieldError) Error() string {
	subject := e.Label + " (" + e.Field + e.Path + ") "
	switch e.Rule {
	case RuleRequired:
		return subject + "is required"
	case RuleIdentityRequired:
		return "User ID (user_id) or Anonymous ID (anonymous_id) is required"
	case RuleTooLong:
		return subject + "must have at most " + strconv.Itoa(e.Limit) + " characters"
	case RuleTooMany:
		return subject + "must have at most " + strconv.Itoa(e.Limit) + " top-level members"
	case RuleMessageTooLarge:
		return "the message must have at most " + strconv.Itoa(e.Limit) + " bytes when encoded"
	case RuleWrongType:
		return subject + "must be " + e.wanted()
	case RuleTimestamp:
		return subject + "must be an RFC 3339 timestamp, a date, or epoch seconds, milliseconds, microseconds or nanoseconds"
	case RuleTimestampRange:
		return subject + "must lie in the years 1970 to 9999"
	case RuleConsent:
		return subject + "must hold categoryPreferences, an object of booleans"
	case RuleUnknownStatus:
		return subject + "must be true or subscribed, false or unsubscribed, did_not_subscribe, or blank"
	case RuleContactRequired:
		return "Email (email), Phone (phone), Android Push Token (android_push_token) or Ios Push Token (ios_push_token) is required"
	case RuleStatusRequired:
		return "a subscription status is required: of email, SMS, WhatsApp, Android push or iOS push"
	case RuleStatusWithoutContact:
		return subject + "needs " + e.needed()
	case RuleGroupsWithoutStatus:
		return subject + "need Email Subscription Status (email_subscription_status)"
	case RuleUnencodable:
		return subject + "has no JSON form: the value " + e.Reason
	case RuleWriteKey:
		return subject + "cannot be used: " + e.Reason
	case RuleMessageForm:
		return "the message cannot be read: " + e.Reason
	case RuleUnknownAction:
		return "the action must be sendIdentify, sendGroup, sendTrack or sendSubscription"
	}
	return subject + "is not valid"
}

// wanted says what a field of the wrong type must be.
func (e FieldError) wanted() string {
	switch f, _ := fieldNamed(e.Field); f.Type {
	case FieldObject:
		return "an object"
	case FieldDatetime:
		return "a string or a number"
	}
	return "a string"
}

// needed names the field that a status cannot do without.
func (e FieldError) needed() string {
	for _, c := range channels {
		if c.field == e.Field {
			f, _ := fieldNamed(contacts[c.contact].field)
			return f.Label + " (" + f.Name + ")"
		}
	}
	return "a contact value"
}
