package actions

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
)

// valid tells whether w keeps every rule that the tags of the actions and subscriptionRules state. It is written by hand
// because it runs for every message and validator costs more than encoding one; the tags are the truth, and a fuzz test holds
// the two equal.
func (w *wire) valid() bool {
	if len(w.members) > MaxTraits || !atMost(w.messageID, MaxMessageIDLen) || !atMost(w.groupID, MaxGroupIDLen) ||
		!inRange(w.timestamp) || !w.consent.valid() {
		return false
	}
	if w.kind == KindSubscriptions {
		return w.validSubscriptions()
	}
	if w.userID == "" && w.anonymousID == "" {
		return false
	}
	return (w.kind != KindGroup || w.groupID != "") && (w.kind != KindTrack || w.event != "")
}

func (w *wire) validSubscriptions() bool {
	if w.contacts == [len(contacts)]string{} || w.statuses == [len(channels)]SubscriptionStatus{} {
		return false
	}
	for i, status := range w.statuses {
		if !status.known() || status != 0 && w.contacts[channels[i].contact] == "" {
			return false
		}
	}
	for _, status := range w.groups {
		if !status.known() {
			return false
		}
	}
	return len(w.groups) == 0 || w.statuses[channelEmail] != 0
}

// atMost tells whether s has at most limit characters.
func atMost(s string, limit int) bool { return len(s) <= limit || utf8.RuneCountInString(s) <= limit }

// year10000 is the first second that RFC 3339 has no text for, counted from 1970, the first instant that profiles accept.
const year10000 = 253_402_300_800

// inRange tells whether t can be sent: the zero time can, as none.
func inRange(t time.Time) bool { return uint64(t.Unix()) < year10000 || t.IsZero() }

// reject returns the error of an action that Append refused.
func (w *wire) reject(a Action, o AppendOptions) error {
	problems := w.problems(a)
	if w.timestamp.IsZero() && !inRange(o.Stamp) {
		problems = append(problems, problem(fieldTimestamp, RuleTimestampRange))
		o.Stamp = time.Time{}
	}
	problems = append(problems, w.encodingProblems(o)...)
	if len(problems) == 0 { // a Marshaler among the values that fails by turns
		p := problem(w.membersField(), RuleUnencodable)
		p.Reason = "does not encode the same way twice"
		problems = append(problems, p)
	}
	return newError(w.kind, problems)
}

// problems lists the rules that a, whose wire form is w, breaks before it is encoded.
func (w *wire) problems(a Action) []FieldError {
	var found validator.ValidationErrors
	if !errors.As(rules().Struct(a), &found) {
		return nil
	}
	problems := make([]FieldError, len(found))
	for i, e := range found {
		problems[i] = fieldError(e)
	}
	return problems
}

// encodingProblems lists what only encoding shows: values without a JSON form, and the size.
func (w *wire) encodingProblems(o AppendOptions) []FieldError {
	values := jsonenc.Options{Max: MaxMessageBytes}
	_, membersErr := jsonenc.Append(nil, w.members, values)
	_, consentErr := w.consent.append(nil, values)
	if isTooLarge(membersErr) || isTooLarge(consentErr) {
		return []FieldError{messageTooLarge}
	}
	var problems []FieldError
	if membersErr != nil {
		problems = append(problems, unencodable(w.membersField(), membersErr))
	}
	if consentErr != nil {
		problems = append(problems, unencodable(fieldConsent, consentErr))
	}
	if len(problems) > 0 {
		return problems
	}
	if text, _, err := w.append(nil, o); err == nil && len(text) > MaxMessageBytes {
		return []FieldError{messageTooLarge}
	}
	return nil
}

// isTooLarge tells whether encoding was given up because the value is larger than a message may be.
func isTooLarge(err error) bool {
	var e *jsonenc.Error
	return errors.As(err, &e) && e.TooLarge
}

// rules is validator with the actions' rules. Building it and reading a type's tags is slow, so it is made once, and not
// before something is wrong.
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	// Registering fails for an empty tag or a nil function alone.
	_ = v.RegisterValidation(RuleTimestampRange.String(), func(f validator.FieldLevel) bool {
		t, ok := f.Field().Interface().(time.Time)
		return ok && inRange(t)
	})
	_ = v.RegisterValidation(RuleConsent.String(), func(f validator.FieldLevel) bool {
		c, ok := f.Field().Interface().(Consent)
		return ok && c.valid()
	})
	_ = v.RegisterValidation(RuleUnknownStatus.String(), func(f validator.FieldLevel) bool {
		s, ok := f.Field().Interface().(SubscriptionStatus)
		return ok && s.known()
	})
	v.RegisterStructValidation(subscriptionRules, SendSubscriptions{})
	return v
})

// subscriptionRules are the rules about several fields of subscriptions. Each is checked by itself, so that all that is
// wrong is told at once. The tags are the rules' names.
func subscriptionRules(level validator.StructLevel) {
	a, ok := level.Current().Interface().(SendSubscriptions)
	if !ok {
		return
	}
	report := func(name string, rule Rule) { level.ReportError(nil, name, name, rule.String(), "") }
	var w wire
	w.subscriptions(&a)
	if w.contacts == [len(contacts)]string{} {
		report(fieldEmail, RuleContactRequired)
	}
	if w.statuses == [len(channels)]SubscriptionStatus{} {
		report(fieldEmailStatus, RuleStatusRequired)
	}
	for i, status := range w.statuses {
		if status != 0 && w.contacts[channels[i].contact] == "" {
			report(channels[i].field, RuleStatusWithoutContact)
		}
	}
	if len(w.groups) > 0 && w.statuses[channelEmail] == 0 {
		report(fieldEmailGroups, RuleGroupsWithoutStatus)
	}
}

// fieldError returns one of validator's errors as ours, without the value that validator's holds.
func fieldError(e validator.FieldError) FieldError {
	// The namespace is SendIdentify.user_id, or SendSubscriptions.subscription_groups[name]. Field() would do but for names of
	// 256 bytes and more, whose length validator keeps in a byte.
	_, name, _ := strings.Cut(e.Namespace(), ".")
	name, member, inside := strings.Cut(name, "[")
	p := problem(name, ruleOf(e))
	if inside {
		p.Path = pointer(strings.TrimSuffix(member, "]"))
	}
	p.Limit, _ = strconv.Atoi(e.Param()) // a parameter that is no number is no limit
	return p
}

// ruleOf returns the rule that a tag of validator's stands for.
func ruleOf(e validator.FieldError) Rule {
	switch e.Tag() {
	case "required":
		return RuleRequired
	case "required_without":
		return RuleIdentityRequired
	case "max":
		if e.Kind() == reflect.Map {
			return RuleTooMany
		}
		return RuleTooLong
	}
	return ruleNamed(e.Tag())
}
