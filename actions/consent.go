package actions

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

const categoryPreferences = "categoryPreferences"

// Consent is what a person has agreed to, sent as context.consent. The zero value is none, sent as {}.
type Consent struct {
	// CategoryPreferences says for each category whether the person agreed. An empty map is sent; a nil one is not, and leaves
	// no consent.
	CategoryPreferences map[string]bool
	// Extra are further members that travel with the preferences. They are an error without them, and may not be called
	// categoryPreferences.
	Extra map[string]any
}

// IsZero tells whether c is no consent.
func (c Consent) IsZero() bool { return c.CategoryPreferences == nil && len(c.Extra) == 0 }

// valid tells whether c is none or well formed. Segment's own destination drops any other in silence; losing what a person
// said about consent is not ours to do.
func (c Consent) valid() bool {
	_, twice := c.Extra[categoryPreferences]
	return !twice && (c.CategoryPreferences != nil || len(c.Extra) == 0)
}

// MarshalJSON returns the object that is sent to Segment, members sorted by name. The error is a FieldError.
func (c Consent) MarshalJSON() ([]byte, error) {
	if !c.valid() {
		return nil, problem(fieldConsent, RuleConsent)
	}
	text, err := c.append(nil, jsonenc.Options{Sorted: true})
	if err != nil {
		return nil, unencodable(fieldConsent, err)
	}
	return text, nil
}

// UnmarshalJSON reads an object as it is sent to Segment; numbers among the further members keep their digits. The error for
// well-formed JSON that is no consent is a FieldError with RuleConsent.
func (c *Consent) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	members, ok := v.(map[string]any)
	if !ok && v != nil {
		return problem(fieldConsent, RuleConsent)
	}
	parsed, ok := consentOf(members)
	if !ok {
		return problem(fieldConsent, RuleConsent)
	}
	*c = parsed
	return nil
}

// consentOf returns an object as consent, and whether it is none or well formed.
func consentOf(members map[string]any) (Consent, bool) {
	var c Consent
	for name, v := range members {
		if jsvalue.IsUndefined(v) {
			continue
		}
		if name != categoryPreferences {
			if c.Extra == nil {
				c.Extra = make(map[string]any, len(members))
			}
			c.Extra[name] = v
			continue
		}
		preferences, ok := jsvalue.Of(v).(map[string]any)
		if !ok {
			return Consent{}, false
		}
		c.CategoryPreferences = make(map[string]bool, len(preferences))
		for category, v := range preferences {
			agreed, ok := jsvalue.Of(v).(bool)
			if !ok {
				return Consent{}, false
			}
			c.CategoryPreferences[category] = agreed
		}
	}
	return c, c.valid()
}

// append appends c as JSON, members in the order of their names. The error is jsonenc's.
func (c Consent) append(dst []byte, o jsonenc.Options) ([]byte, error) {
	if c.IsZero() {
		return append(dst, "{}"...), nil
	}
	if len(c.Extra) == 0 {
		dst = append(dst, `{"categoryPreferences":`...)
		return append(appendBools(dst, c.CategoryPreferences), '}'), nil
	}
	var room [24]string
	names := append(sortedNames(room[:0], c.Extra), categoryPreferences)
	slices.Sort(names)
	dst = append(dst, '{')
	for _, name := range names {
		dst = append(jsonenc.AppendString(dst, name), ':')
		if name == categoryPreferences {
			dst = append(appendBools(dst, c.CategoryPreferences), ',')
			continue
		}
		var err error
		if dst, err = jsonenc.Append(dst, c.Extra[name], o); err != nil {
			return dst, withinMember(err, name)
		}
		dst = append(dst, ',')
	}
	dst[len(dst)-1] = '}'
	return dst, nil
}

func appendBools(dst []byte, m map[string]bool) []byte {
	var room [24]string
	dst = append(dst, '{')
	for i, name := range sortedNames(room[:0], m) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonenc.AppendString(dst, name), ':')
		dst = strconv.AppendBool(dst, m[name])
	}
	return append(dst, '}')
}

// sortedNames appends the names of m to names, which is empty, in their order. Callers pass room on their stack: most maps
// fit, and then order costs no allocation.
func sortedNames[V any](names []string, m map[string]V) []string {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
