package profiles

import (
	"fmt"
	"strconv"
)

// A Finding is something in a destination's mappings that does not do what it seems to, or that a reader of them should know. It
// holds ids, names and advice; never a value of a record, of the mapping, or a key. It can be compared.
type Finding struct {
	Mapping string `json:"mapping"` // the mapping's id
	// Path is the JSON pointer of the value at fault in the mapping's fields, /traits/email; or of the place of one that is missing. It
	// is "trigger" for the trigger, and empty for the mapping as a whole.
	Path     string   `json:"path"`
	Rule     Rule     `json:"rule"`
	Severity Severity `json:"severity"`
	Advice   string   `json:"advice"` // what is wrong, and what to do
}

// String returns the finding as one line.
func (f Finding) String() string {
	s := fmt.Sprintf("mapping %q: ", f.Mapping)
	if f.Path != "" {
		s += f.Path + ": "
	}
	return s + f.Severity.String() + ": " + f.Advice + " (" + f.Rule.String() + ")"
}

// Severity tells how bad a finding is. Its text is hint, warning or error. Greater is worse; the zero value is none.
type Severity uint8

const (
	// SeverityHint: fit to run as it is.
	SeverityHint Severity = iota + 1
	// SeverityWarning: some records, or some part of the mapping, may not do what was meant.
	SeverityWarning
	// SeverityError: the mapping cannot do its work. Findings of a mapping that is switched off are warnings at most.
	SeverityError
)

var severityNames = [...]string{SeverityHint: "hint", SeverityWarning: "warning", SeverityError: "error"}

// String returns the severity's word, "" for the zero value, and Severity(n) for what is none.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "Severity(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns the severity's word. It is an error for what is none.
func (s Severity) MarshalText() ([]byte, error) {
	if s == 0 || int(s) >= len(severityNames) {
		return nil, fmt.Errorf("no such severity: %d", uint8(s))
	}
	return []byte(severityNames[s]), nil
}

// UnmarshalText is MarshalText's inverse. It is an error for any other text, and s stays as it is.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name != "" && name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("unknown severity: one of hint, warning, error is wanted")
}

// A Rule is what Lint found something by. Its text, in both directions, is a stable word for reports and for lists of what to
// pass over. The zero value is no rule.
type Rule uint8

const (
	// RuleNotCompiled, not_compiled: a mapping that is switched off has a trigger or fields that do not compile. As soon as it is
	// switched on the destination cannot be loaded any more.
	RuleNotCompiled Rule = iota + 1
	// RuleDuplicate, duplicate: two mappings that are switched on differ in their ids and names alone, so that each record gives two
	// messages that are the same but for their messageIds.
	RuleDuplicate
	// RuleTrigger, trigger: a place in a trigger may not mean what it says: and with or mixed in one level without parentheses,
	// conditions that can never match, functions that are dropped. See mapping.Trigger.Warnings.
	RuleTrigger
	// RuleTriggerType, trigger_type: a trigger that asks for a type alone, such as the default `type = "identify"`, on rows of a
	// model, whose type is track: it never matches. Found where a mapping has a model, or all samples are of type track.
	RuleTriggerType
	// RuleNoMatch, no_match: a trigger that matches none of the samples.
	RuleNoMatch
	// RuleNotSampled, not_sampled: there are samples, but the mapping takes the records of a model, and the input does not say
	// which model the samples belong to.
	RuleNotSampled
	// RuleDirective, directive: a directive that ends every record that comes to it in an error, such as a Liquid template
	// that does not parse. See mapping.Mapping.Warnings.
	RuleDirective
	// RuleUnknownField, unknown_field: a field that the action does not have. Segment drops it in silence, and so does this library
	// where the mapping is in the Public API's form.
	RuleUnknownField
	// RuleMissingField, missing_field: a field without which every message is Invalid: group_id of sendGroup, event_name of
	// sendTrack, user_id and anonymous_id both, a contact value or a status of sendSubscription, an engage_space that is there and
	// empty. A field that the mapping has, but a record may not, is not missing.
	RuleMissingField
	// RuleBadValue, bad_value: a value that is written out in the mapping and makes every message Invalid: a status word
	// that is none, text where an object is due.
	RuleBadValue
	// RulePlainText, plain_text: text that looks like a path ($.traits.email) or a template ({{email}}), but is sent as it is, as it
	// does not stand in a directive.
	RulePlainText
	// RuleConstantID, constant_id: a user_id, anonymous_id or message_id that is written out, and so the same for every record:
	// all of them become one person, or are dropped as repeats.
	RuleConstantID
	// RuleNoSpace, no_space: no engage_space. The messages go to the client's own Profile Space.
	RuleNoSpace
	// RuleNoTimestamp, no_timestamp: no timestamp, or one that no sample has. Segment then takes the time at which it receives the
	// message.
	RuleNoTimestamp
	// RuleNoMessageID, no_message_id: no message_id, or one that no sample has. The id is then made of the record's content and
	// place, see Input.
	RuleNoMessageID
	// RulePathNotFound, path_not_found: a path that none of the samples has which the trigger matches. Paths that an @if looks
	// up itself (exists, blank) are not counted.
	RulePathNotFound
	// RuleLimit, limit: samples that are over a limit of Segment's: 299 traits or properties, 32,000 bytes, 99 characters of
	// a messageId, 500 of a groupId. This library calls their messages Invalid; Segment drops them in silence.
	RuleLimit
	// RuleInvalid, invalid: samples whose messages are Invalid for another reason: a value of the wrong type, no user_id in the record,
	// a directive that cannot work with it.
	RuleInvalid
)

// rules has each rule's word and how bad its findings are.
var rules = [...]struct {
	name     string
	severity Severity
}{
	RuleNotCompiled:  {"not_compiled", SeverityWarning},
	RuleDuplicate:    {"duplicate", SeverityWarning},
	RuleTrigger:      {"trigger", SeverityWarning},
	RuleTriggerType:  {"trigger_type", SeverityError},
	RuleNoMatch:      {"no_match", SeverityWarning},
	RuleNotSampled:   {"not_sampled", SeverityHint},
	RuleDirective:    {"directive", SeverityError},
	RuleUnknownField: {"unknown_field", SeverityWarning},
	RuleMissingField: {"missing_field", SeverityError},
	RuleBadValue:     {"bad_value", SeverityError},
	RulePlainText:    {"plain_text", SeverityWarning},
	RuleConstantID:   {"constant_id", SeverityWarning},
	RuleNoSpace:      {"no_space", SeverityHint},
	RuleNoTimestamp:  {"no_timestamp", SeverityHint},
	RuleNoMessageID:  {"no_message_id", SeverityHint},
	RulePathNotFound: {"path_not_found", SeverityWarning},
	RuleLimit:        {"limit", SeverityWarning},
	RuleInvalid:      {"invalid", SeverityWarning},
}

// String returns the rule's word, "" for the zero value, and Rule(n) for what is no rule.
func (r Rule) String() string {
	if int(r) < len(rules) {
		return rules[r].name
	}
	return "Rule(" + strconv.Itoa(int(r)) + ")"
}

// Severity returns how bad a finding of the rule is in a mapping that is switched on; the zero Severity for what is no rule.
func (r Rule) Severity() Severity {
	if int(r) < len(rules) {
		return rules[r].severity
	}
	return 0
}

// MarshalText returns the rule's word. It is an error for what is no rule.
func (r Rule) MarshalText() ([]byte, error) {
	if r == 0 || int(r) >= len(rules) {
		return nil, fmt.Errorf("no such rule: %d", uint8(r))
	}
	return []byte(rules[r].name), nil
}

// UnmarshalText is MarshalText's inverse. It is an error for any other text, and r stays as it is.
func (r *Rule) UnmarshalText(text []byte) error {
	for i := range rules {
		if rules[i].name != "" && rules[i].name == string(text) {
			*r = Rule(i)
			return nil
		}
	}
	return fmt.Errorf("not the name of a rule")
}
