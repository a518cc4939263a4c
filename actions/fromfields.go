package actions

import (
	"math"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// FromFields returns the action of that kind whose fields a mapping has resolved to, keyed by their names: user_id. What
// Segment does to them is done here as well:
//
//   - A field that is null, the empty string, or none of the action's, is left out. What lies inside traits and properties is
//     data and stays as it is, nulls and empty strings included.
//   - Where a string is due, numbers and booleans are turned into text as JavaScript prints them, but for integers, which keep
//     all their digits; an array of one such value is that value. Nothing but an object is an object.
//   - Status words are those of SubscriptionStatus; timestamps are texts, time.Time or epoch numbers (see the package comment).
//
// The error is an *Error with every problem of the record, those of the action's own rules included; only the size of the
// message and values without a JSON form may be left for Append to find. FromFields never writes into fields. The action may
// share values with it, which are not to be written to as long as the action is used.
func FromFields(kind Kind, fields map[string]any) (Action, error) {
	r := reader{fields: fields}
	r.list()
	var a Action
	switch kind {
	case KindIdentify:
		a = SendIdentify{
			UserID:      r.text(fieldUserID),
			AnonymousID: r.text(fieldAnonymousID),
			GroupID:     r.text(fieldGroupID),
			Traits:      r.object(fieldTraits),
			Timestamp:   r.timestamp(),
			MessageID:   r.text(fieldMessageID),
			Consent:     r.consent(),
		}
	case KindGroup:
		a = SendGroup{
			UserID:      r.text(fieldUserID),
			AnonymousID: r.text(fieldAnonymousID),
			GroupID:     r.text(fieldGroupID),
			Traits:      r.object(fieldTraits),
			Timestamp:   r.timestamp(),
			MessageID:   r.text(fieldMessageID),
			Consent:     r.consent(),
		}
	case KindTrack:
		a = SendTrack{
			UserID:      r.text(fieldUserID),
			AnonymousID: r.text(fieldAnonymousID),
			GroupID:     r.text(fieldGroupID),
			Properties:  r.object(fieldProperties),
			Event:       r.text(fieldEvent),
			Timestamp:   r.timestamp(),
			MessageID:   r.text(fieldMessageID),
			Consent:     r.consent(),
		}
	case KindSubscriptions:
		a = SendSubscriptions{
			UserID:            r.text(fieldUserID),
			AnonymousID:       r.text(fieldAnonymousID),
			Traits:            r.object(fieldTraits),
			Timestamp:         r.timestamp(),
			MessageID:         r.text(fieldMessageID),
			Consent:           r.consent(),
			Email:             r.text(fieldEmail),
			Phone:             r.text(fieldPhone),
			AndroidPushToken:  r.text(fieldAndroidPushToken),
			IOSPushToken:      r.text(fieldIOSPushToken),
			EmailStatus:       r.status(fieldEmailStatus),
			SMSStatus:         r.status(fieldSMSStatus),
			WhatsAppStatus:    r.status(fieldWhatsAppStatus),
			AndroidPushStatus: r.status(fieldAndroidPushStatus),
			IOSPushStatus:     r.status(fieldIOSPushStatus),
			EmailGroups:       r.groups(),
		}
	default:
		return nil, newError(0, []FieldError{unknownAction})
	}
	var w wire
	w.fill(a)
	if len(r.problems) == 0 && w.valid() {
		return a, nil
	}
	problems := r.problems
	for _, p := range append(w.problems(a), w.encodingProblems(AppendOptions{})...) {
		if !r.explains(p) {
			problems = append(problems, p)
		}
	}
	return nil, newError(kind, problems)
}

// SpaceFromFields returns the Profile Space that a mapping has resolved to, the field engage_space: the write key of the
// space's source. It is read as FromFields reads a string. The error, where it is missing or no string, is an *Error without
// an action.
func SpaceFromFields(fields map[string]any) (string, error) {
	r := reader{fields: fields}
	key := r.text(fieldSpace)
	if key == "" && len(r.problems) == 0 {
		r.add(fieldSpace, RuleRequired)
	}
	if len(r.problems) > 0 {
		return "", newError(0, r.problems)
	}
	return key, nil
}

// reader turns mapped values into typed ones and keeps the problems that it meets. A field with a problem is its zero value.
type reader struct {
	fields   map[string]any
	few      [10]givenField // all of fields, where there are not more: to look through these is faster than to look them up
	count    int
	problems []FieldError
}

type givenField struct {
	name  string
	value any
}

// list makes the list of fields where there is room for it.
func (r *reader) list() {
	if len(r.fields) > len(r.few) {
		return
	}
	for name, v := range r.fields {
		r.few[r.count] = givenField{name, v}
		r.count++
	}
}

// get returns a field, nil where there is none.
func (r *reader) get(name string) any {
	if r.count == 0 {
		return r.fields[name]
	}
	for i := range r.count {
		if r.few[i].name == name {
			return r.few[i].value
		}
	}
	return nil
}

func (r *reader) add(name string, rule Rule) { r.problems = append(r.problems, problem(name, rule)) }

// explains tells whether p would not be there but for a problem that the reader met already: its field had a value, only
// none that can be used.
func (r *reader) explains(p FieldError) bool {
	for _, met := range r.problems {
		if met.Field == p.Field {
			return true
		}
		switch p.Rule {
		case RuleIdentityRequired:
			if met.Field == fieldUserID || met.Field == fieldAnonymousID {
				return true
			}
		case RuleContactRequired:
			if isContact(met.Field) {
				return true
			}
		case RuleStatusRequired:
			if isStatus(met.Field) {
				return true
			}
		case RuleStatusWithoutContact:
			if met.Field == contactOf(p.Field) {
				return true
			}
		case RuleGroupsWithoutStatus:
			if met.Field == fieldEmailStatus {
				return true
			}
		}
	}
	return false
}

func isContact(name string) bool {
	for _, c := range contacts {
		if c.field == name {
			return true
		}
	}
	return false
}

func isStatus(name string) bool { return contactOf(name) != "" }

// contactOf returns the field that a status needs.
func contactOf(status string) string {
	for _, c := range channels {
		if c.field == status {
			return contacts[c.contact].field
		}
	}
	return ""
}

// text reads a string.
func (r *reader) text(name string) string {
	v := r.get(name)
	if s, ok := v.(string); ok {
		return s
	}
	v = jsvalue.Of(v)
	if items, ok := v.([]any); ok && len(items) == 1 {
		v = jsvalue.Of(items[0])
	}
	if jsvalue.IsNullish(v) {
		return ""
	}
	if s, ok := scalarText(v); ok {
		return s
	}
	r.add(name, RuleWrongType)
	return ""
}

// scalarText returns a string, boolean or number as text. A number that is not finite is none.
func scalarText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return jsvalue.String(x), true
	}
	f, ok := jsvalue.Float(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", false
	}
	return jsvalue.String(v), true
}

// object reads an object.
func (r *reader) object(name string) map[string]any {
	v := r.get(name)
	if members, ok := v.(map[string]any); ok {
		return members
	}
	switch v = jsvalue.Of(v); x := v.(type) {
	case map[string]any:
		return x
	case string:
		if x == "" {
			return nil
		}
	}
	if !jsvalue.IsNullish(v) {
		r.add(name, RuleWrongType)
	}
	return nil
}

func (r *reader) consent() Consent {
	c, ok := consentOf(r.object(fieldConsent))
	if !ok {
		r.add(fieldConsent, RuleConsent)
	}
	return c
}

// timestamp reads a timestamp. An array of one number is that number, also where the number is a text, but an array of one
// date is none: that is how Segment reads fields that take texts and numbers.
func (r *reader) timestamp() time.Time {
	v := r.get(fieldTimestamp)
	t, ok := v.(time.Time)
	if !ok {
		v = jsvalue.Of(v)
		if items, isArray := v.([]any); isArray && len(items) == 1 {
			switch item := jsvalue.Of(items[0]).(type) {
			case string:
				if n := jsvalue.ParseNumber(item); item != "" && !math.IsNaN(n) {
					v = n
				}
			default:
				if jsvalue.IsNumber(item) {
					v = item
				}
			}
		}
		if v == "" || jsvalue.IsNullish(v) {
			return time.Time{}
		}
		switch x := v.(type) {
		case string:
			t, ok = parseTimestamp(x)
		case []any, map[string]any:
			r.add(fieldTimestamp, RuleWrongType)
			return time.Time{}
		default:
			t, ok = numberTime(v)
		}
	}
	if !ok {
		r.add(fieldTimestamp, RuleTimestamp)
		return time.Time{}
	}
	if t.IsZero() || !inRange(t) { // a zero time in an action is none: here it was given, and is before 1970
		r.add(fieldTimestamp, RuleTimestampRange)
		return time.Time{}
	}
	return t
}

// status reads a status. An array of one is read as one value where that is a number or a boolean, but not where it is a
// word: that is how Segment reads fields that allow null.
func (r *reader) status(name string) SubscriptionStatus {
	v := jsvalue.Of(r.get(name))
	if items, ok := v.([]any); ok && len(items) == 1 {
		if item := jsvalue.Of(items[0]); item == "" {
			v = nil
		} else if _, isText := item.(string); !isText {
			v = item
		}
	}
	if jsvalue.IsNullish(v) {
		return 0
	}
	word, ok := scalarText(v)
	if !ok {
		r.add(name, RuleWrongType)
		return 0
	}
	return mappedStatus(word)
}

// groups reads the statuses of groups. Their values are no fields of their own, so Segment takes anything for a status that
// prints as one. A blank one stays in the map: its group is left out of the message, but it was given.
func (r *reader) groups() map[string]SubscriptionStatus {
	members := r.object(fieldEmailGroups)
	if len(members) == 0 {
		return nil
	}
	groups := make(map[string]SubscriptionStatus, len(members))
	for name, v := range members {
		if v = jsvalue.Of(v); jsvalue.IsNullish(v) {
			groups[name] = 0
			continue
		}
		groups[name] = mappedStatus(jsvalue.String(v))
	}
	return groups
}

// mappedStatus returns the status that a word stands for, and one that is none for an unknown word: the action's rules then
// name it, along with what else is wrong with a status there.
func mappedStatus(word string) SubscriptionStatus {
	status, ok := parseStatus(word)
	if !ok {
		return math.MaxUint8
	}
	return status
}
