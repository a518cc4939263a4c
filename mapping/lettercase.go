package mapping

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// letterCase is @case.
type letterCase struct {
	place
	value    node
	operator string
}

func (b *builder) letterCase(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["operator"]) {
		return b.broken(here, "should have the member operator")
	}
	if !jsvalue.Truthy(o["value"]) {
		return undefined
	}
	operator, _ := o["operator"].(string)
	return &letterCase{here, b.build(o["value"], s.below("value", s.keep)), operator}
}

func (n *letterCase) resolve(r *run, payload any) (any, error) {
	v, err := n.value.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	if !ok {
		return v, nil
	}
	if n.operator != "lower" && n.operator != "upper" {
		return nil, n.fail(`should have the operator "lower" or "upper"`)
	}
	if err := r.wrote(len(text), n.place); err != nil {
		return nil, err
	}
	changed := changeCase(text, n.operator == "upper")
	if changed == text {
		return v, nil
	}
	return changed, nil
}

// changeCase returns s in upper or lower case, as JavaScript's toUpperCase and toLowerCase have it: by Unicode's full
// mappings, ß to SS, and a sigma at the end of a word to ς.
func changeCase(s string, upper bool) string {
	from, to, by := byte('A'), byte('Z'), byte('a'-'A')
	if upper {
		from, to = 'a', 'z'
	}
	first := -1
	for i := range len(s) {
		if s[i] >= 0x80 {
			return changeUnicode(s, upper)
		}
		if first < 0 && s[i] >= from && s[i] <= to {
			first = i
		}
	}
	if first < 0 {
		return s
	}
	out := []byte(s)
	for i := first; i < len(out); i++ {
		if out[i] >= from && out[i] <= to {
			out[i] ^= by
		}
	}
	return string(out)
}

func changeUnicode(s string, upper bool) string {
	if upper {
		return cases.Upper(language.Und).String(s)
	}
	return cases.Lower(language.Und).String(s)
}
