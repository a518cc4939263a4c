package profiles

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// lintFields looks at the fields as they are saved, whatever the records.
func (s *subject) lintFields() {
	for _, w := range s.fields.Warnings() {
		s.find(RuleDirective, rooted(w.Path), w.Reason+": every record that comes to it is Invalid")
	}
	s.lintText(s.settings, "")
	if s.saved().mappedSpace {
		s.find(RulePlainText, pointer("", spaceField), plainText)
	}
	if s.ownFields {
		return
	}
	for _, problem := range s.always {
		if isMissing(problem.Rule) {
			s.find(RuleMissingField, fieldPath(problem), problem.Error()+": as the mapping is, every message is Invalid")
		} else {
			s.find(RuleBadValue, fieldPath(problem), problem.Error()+": what is written in the mapping makes every message Invalid")
		}
	}
	s.lintNames()
	s.lintAbsent()
	s.lintConstants()
}

// rooted returns a path of package mapping, to which the mapping itself is "/".
func rooted(path string) string {
	if path == "/" {
		return ""
	}
	return path
}

// fieldPath returns where a field is mapped, or empty for what is about no single field.
func fieldPath(f actions.FieldError) string {
	if f.Rule == actions.RuleMessageTooLarge || f.Rule == actions.RuleUnknownAction {
		return ""
	}
	return pointer("", f.Field) + f.Path
}

// isMissing tells whether a rule is broken by a field that is not there.
func isMissing(rule actions.Rule) bool {
	switch rule {
	case actions.RuleRequired, actions.RuleIdentityRequired, actions.RuleContactRequired, actions.RuleStatusRequired,
		actions.RuleStatusWithoutContact, actions.RuleGroupsWithoutStatus:
		return true
	}
	return false
}

// wrongAlways returns what is wrong with the messages of every record: what the action says of the fields where each directive
// gives a value that suits.
func (s *subject) wrongAlways() []actions.FieldError {
	if s.ownFields {
		return nil
	}
	fields := make(map[string]any, len(s.settings))
	for _, f := range actions.Fields(s.kind) {
		if v, ok := s.settings[f.Name]; ok {
			fields[f.Name] = suitable(f, v)
		}
	}
	var problems []actions.FieldError
	var bad *actions.Error
	if s.hasSpace && s.space.IsZero() {
		if _, err := actions.SpaceFromFields(fields); errors.As(err, &bad) {
			problems = append(problems, bad.Fields...)
		}
	}
	if _, err := actions.FromFields(s.kind, fields); errors.As(err, &bad) {
		problems = append(problems, bad.Fields...)
	}
	return problems
}

const (
	consentField = "consent"
	groupsField  = "subscription_groups"
)

// suitable returns a field's value with the best in place of directives.
func suitable(f actions.Field, v any) any {
	switch {
	case !hasDirective(v):
		return v
	case f.Name == consentField: // may be left out, and what is in it is not looked at here
		return nil
	case f.Name == groupsField:
		return map[string]any{"any": true}
	case f.Type == actions.FieldObject:
		members, _ := v.(map[string]any)
		written := make(map[string]any, len(members))
		for name, member := range members {
			if !isDirective(members) && !hasDirective(member) {
				written[name] = member
			}
		}
		return written
	case f.Type == actions.FieldDatetime:
		return "2024-01-02T03:04:05Z"
	}
	return "true" // text, and a status
}

// isDirective tells whether an object of a mapping is a directive.
func isDirective(m map[string]any) bool {
	for name := range m {
		if strings.HasPrefix(name, "@") {
			return true
		}
	}
	return false
}

// hasDirective tells whether records have a say in a value of a mapping.
func hasDirective(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		if isDirective(x) {
			return true
		}
		for _, member := range x {
			if hasDirective(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, hasDirective)
	}
	return false
}

// dropped tells whether a field is dropped: null and the empty text are.
func dropped(v any) bool { return v == nil || v == "" }

// lintNames looks for fields that the action does not have.
func (s *subject) lintNames() {
	fields := actions.Fields(s.kind)
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		if internalSetting(name) || dropped(s.settings[name]) ||
			slices.ContainsFunc(fields, func(f actions.Field) bool { return f.Name == name }) {
			continue
		}
		advice := s.kind.String() + " has no such field, and it is dropped without a word: "
		if near := nearest(name, fields); near != "" {
			advice += "did you mean " + near + "?"
		} else {
			advice += "it has " + fieldNames(fields)
		}
		s.find(RuleUnknownField, pointer("", name), advice)
	}
}

// nearest returns the field that a name may stand for: the one with the same letters, or else with the same beginning.
func nearest(name string, fields []actions.Field) string {
	letters := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
	}
	wanted := letters(name)
	for _, f := range fields {
		if letters(f.Name) == wanted || letters(f.Label) == wanted {
			return f.Name
		}
	}
	for _, f := range fields {
		if len(wanted) >= 4 && (strings.HasPrefix(letters(f.Name), wanted) || strings.HasPrefix(wanted, letters(f.Name))) {
			return f.Name
		}
	}
	return ""
}

func fieldNames(fields []actions.Field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name
	}
	return strings.Join(all, ", ")
}

// Fields whose absence is worth a hint.
const (
	timestampField = "timestamp"
	messageIDField = "message_id"
)

// What happens where a message has no timestamp, or the record no messageId.
const (
	withoutTimestamp = "Segment takes the time at which it receives the message, also for what happened long before"
	withoutMessageID = "ids are made of each record's content and place, and stay the same from run to run only where the input has a name"
)

// lintAbsent looks for fields that may be left out, but had better not.
func (s *subject) lintAbsent() {
	if !s.hasSpace {
		s.find(RuleNoSpace, pointer("", spaceField), "is not there: messages go to the Profile Space of the client, which needs a write key")
	}
	if dropped(s.settings[timestampField]) {
		s.find(RuleNoTimestamp, pointer("", timestampField), "is not there: "+withoutTimestamp)
	}
	if dropped(s.settings[messageIDField]) {
		s.find(RuleNoMessageID, pointer("", messageIDField), "is not there: "+withoutMessageID)
	}
}

// lintConstants looks for ids that are the same for every record.
func (s *subject) lintConstants() {
	for _, name := range []string{"user_id", "anonymous_id", messageIDField} {
		v := s.settings[name]
		if text, ok := v.(string); dropped(v) || hasDirective(v) || ok && looksMapped(text) {
			continue
		}
		if name == messageIDField {
			s.find(RuleConstantID, pointer("", name), "is written out: Segment drops every message after the first as a repeat; take it from "+
				"the record, or leave it out")
		} else {
			s.find(RuleConstantID, pointer("", name), "is written out: all records become one person; take it from the record")
		}
	}
}

const plainText = "looks like a path or a template, but stands in no directive and is sent as it is: put it in @path, @template or @liquid"

// lintText looks for text that was meant for a directive.
func (s *subject) lintText(v any, path string) {
	switch x := v.(type) {
	case string:
		if looksMapped(x) {
			s.find(RulePlainText, path, plainText)
		}
	case []any:
		for i, item := range x {
			s.lintText(item, path+"/"+strconv.Itoa(i))
		}
	case map[string]any:
		for name, member := range x {
			s.lintMember(name, member, pointer(path, name))
		}
	}
}

// lintMember is lintText for a member of an object, which may be a directive.
func (s *subject) lintMember(name string, v any, path string) {
	_, isText := v.(string)
	switch name {
	case "@path", "@template", "@liquid", "@literal":
		if isText {
			return
		}
	case "@arrayPath":
		if items, ok := v.([]any); ok && len(items) > 0 { // the first is a path
			if _, isText := items[0].(string); isText {
				v = append([]any{nil}, items[1:]...)
			}
		}
	case "@replace":
		if options, ok := v.(map[string]any); ok { // patterns may be anything
			s.lintText(options["value"], path+"/value")
			return
		}
	}
	s.lintText(v, path)
}
