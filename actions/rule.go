package actions

import (
	"fmt"
	"strconv"
)

// Rule is the rule that a field broke. Its text, in both directions, is a stable word for logs and reports. The zero value is
// no rule.
type Rule uint8

// The rules of the actions and their fields.
const (
	RuleRequired             Rule = iota + 1 // required: the field has no value
	RuleIdentityRequired                     // identity_required: neither a User ID nor an Anonymous ID
	RuleTooLong                              // too_long: more than FieldError.Limit characters
	RuleTooMany                              // too_many: more than FieldError.Limit top-level traits or properties
	RuleMessageTooLarge                      // message_too_large: the encoded message has more than FieldError.Limit bytes
	RuleWrongType                            // wrong_type: a mapped value that is not of the field's type
	RuleTimestamp                            // timestamp: text or a value that is not a timestamp
	RuleTimestampRange                       // timestamp_range: before 1970, which profiles refuse, or after 9999
	RuleConsent                              // consent: not an object with categoryPreferences, an object of booleans
	RuleUnknownStatus                        // unknown_status: not one of the words of a subscription status
	RuleContactRequired                      // contact_required: subscriptions without email, phone or push token
	RuleStatusRequired                       // status_required: subscriptions without any status
	RuleStatusWithoutContact                 // status_without_contact: a status without the value it is about
	RuleGroupsWithoutStatus                  // groups_without_status: subscription groups without an email status
	RuleUnencodable                          // unencodable: a value that JSON has no form for; FieldError.Path says which
	RuleUnknownAction                        // unknown_action: not one of the four actions
	RuleWriteKey                             // write_key: a Profile Space that cannot be a write key; FieldError.Reason says why
	RuleMessageForm                          // message_form: what is not a message in its wire form; FieldError.Reason says why
)

var ruleNames = [...]string{
	RuleRequired:             "required",
	RuleIdentityRequired:     "identity_required",
	RuleTooLong:              "too_long",
	RuleTooMany:              "too_many",
	RuleMessageTooLarge:      "message_too_large",
	RuleWrongType:            "wrong_type",
	RuleTimestamp:            "timestamp",
	RuleTimestampRange:       "timestamp_range",
	RuleConsent:              "consent",
	RuleUnknownStatus:        "unknown_status",
	RuleContactRequired:      "contact_required",
	RuleStatusRequired:       "status_required",
	RuleStatusWithoutContact: "status_without_contact",
	RuleGroupsWithoutStatus:  "groups_without_status",
	RuleUnencodable:          "unencodable",
	RuleUnknownAction:        "unknown_action",
	RuleWriteKey:             "write_key",
	RuleMessageForm:          "message_form",
}

// String returns the rule's word, "" for the zero value, and Rule(n) for what is no rule.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return "Rule(" + strconv.Itoa(int(r)) + ")"
}

// MarshalText returns the rule's word. It is an error for what is no rule.
func (r Rule) MarshalText() ([]byte, error) {
	if r == 0 || int(r) >= len(ruleNames) {
		return nil, fmt.Errorf("actions: %d is no rule", r)
	}
	return []byte(ruleNames[r]), nil
}

// UnmarshalText reads a rule's word. It is an error for any other text, and r stays as it is.
func (r *Rule) UnmarshalText(text []byte) error {
	if known := ruleNamed(string(text)); known != 0 {
		*r = known
		return nil
	}
	return fmt.Errorf("actions: not the name of a rule")
}

func ruleNamed(name string) Rule {
	for r := RuleRequired; int(r) < len(ruleNames); r++ {
		if ruleNames[r] == name {
			return r
		}
	}
	return 0
}
