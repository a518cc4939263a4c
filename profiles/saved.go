package profiles

import (
	"maps"
	"strings"
)

// saved is a mapping as its file has it, which Lint looks at: compiling drops what a mapping does not need to run.
type saved struct {
	members map[string]any // without a Profile Space that is written out
	form    mappingForm
	space   WriteKey // that Profile Space
	// mappedSpace says that the Profile Space is written out as text that looks like a path or a template.
	mappedSpace bool
}

// keep notes what the file says of the mapping. It is kept in a closure, so that no dump of the mapping shows it.
func (m *Mapping) keep(members map[string]any, form mappingForm) {
	s := saved{members: members, form: form}
	fields := s.fields()
	if key, ok := fields[spaceField].(string); ok && key != "" {
		s.space, s.mappedSpace = NewWriteKey(key), looksMapped(key)
		fields = maps.Clone(fields)
		delete(fields, spaceField)
		s.members = maps.Clone(members)
		s.members[form.fields] = fields
	}
	m.saved = func() saved { return s }
}

// fields returns the mapping's settings, nil where they are not an object.
func (s saved) fields() map[string]any {
	fields, _ := s.members[s.form.fields].(map[string]any)
	return fields
}

// looksMapped tells whether text is written as a path or a template is.
func looksMapped(text string) bool {
	return strings.HasPrefix(text, "$.") || strings.Contains(text, "{{") && strings.Contains(text, "}}")
}
