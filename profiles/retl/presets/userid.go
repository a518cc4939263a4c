package presets

import (
	"fmt"
	"slices"
	"strings"
)

// The line of a destination file before which WithUserID puts its own. Every mapping has one.
const anonymousLine = `       "anonymous_id": `

// A FieldError is why a preset cannot take its user ids from a field.
type FieldError struct {
	Preset string // its name
	Reason string
}

// Error names the preset and the reason.
func (e *FieldError) Error() string { return "preset " + e.Preset + ": " + e.Reason }

// WithUserID returns the preset with the user ids that one of the CRM's fields holds, named as in the API: a property of HubSpot, a field of
// Salesforce, also one of a related object (Account.Owner__c). They are sent beside the anonymous_id, so that Segment joins what was
// known of that; where the field is empty, the anonymous_id stands alone. The field joins Fields. Called again, it replaces the
// field of before, which stays in Fields.
//
// The error is a *FieldError where the preset is not of people, or the field's name is none.
func (p Preset) WithUserID(field string) (Preset, error) {
	if !p.people {
		return Preset{}, &FieldError{Preset: p.name, Reason: "it is of accounts: their calls are nobody's"}
	}
	if !isField(field) {
		return Preset{}, &FieldError{Preset: p.name, Reason: "a field's name has letters, digits, underscores and, between them, dots"}
	}
	var out strings.Builder
	for line := range strings.Lines(p.json) {
		if strings.HasPrefix(line, `       "user_id": `) {
			continue
		}
		if strings.HasPrefix(line, anonymousLine) {
			fmt.Fprintf(&out, "       \"user_id\": {\"@path\": \"$.properties.%s\"},\n", column(field))
		}
		out.WriteString(line)
	}
	p.json = out.String()
	if field != p.key && !slices.Contains(p.fields, field) {
		p.fields = append(slices.Clone(p.fields), field)
	}
	return p, nil
}

// column returns what the readers call a field: Account.Name is Account_Name.
func column(field string) string { return strings.ReplaceAll(field, ".", "_") }

// isField tells whether a name can stand in a query and in a path.
func isField(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return false
		}
		for _, c := range []byte(part) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
				return false
			}
		}
	}
	return true
}
