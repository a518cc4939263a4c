package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

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
	lower := cases.Lower(language.Und)
	before, after, found := strings.Cut(s, sigma)
	if !found {
		return lower.String(s)
	}
	var b strings.Builder
	for done := 0; found; before, after, found = strings.Cut(after, sigma) {
		b.WriteString(lower.String(before))
		done += len(before)
		if endsWord(s[:done]) && !beginsWord(after) {
			b.WriteString("ς")
		} else {
			b.WriteString("σ")
		}
		done += len(sigma)
	}
	b.WriteString(lower.String(before))
	return b.String()
}

const sigma = "Σ"

// endsWord tells whether s ends with a letter that has a case, accents and apostrophes behind it passed over. A modifier
// letter such as ʰ, which has a case too, is passed over, as in ICU and unlike in cases.Lower.
func endsWord(s string) bool {
	for s != "" {
		r, size := utf8.DecodeLastRuneInString(s)
		if !caseIgnorable(r) {
			return cased(r)
		}
		s = s[:len(s)-size]
	}
	return false
}

// beginsWord tells whether s begins with a letter that has a case, accents and apostrophes before it passed over.
func beginsWord(s string) bool {
	for _, r := range s {
		if !caseIgnorable(r) {
			return cased(r)
		}
	}
	return false
}

// cased tells whether r has Unicode's property Cased.
func cased(r rune) bool {
	return unicode.In(r, unicode.Lower, unicode.Upper, unicode.Title, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable tells whether r has Unicode's property Case_Ignorable.
func caseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '·', 0x387, 0x55f, 0x5f4, '‘', '’', '․', '‧', 0xfe13, 0xfe52, 0xfe55, '＇', '．', '：':
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}
