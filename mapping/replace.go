package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// replace is @replace: one pattern after the other, each a literal text.
type replace struct {
	place
	value      node
	first      substitution
	second     *substitution
	all        bool
	ignoreCase bool
	// typed says that every option is of its type; otherwise the result is "" whatever the value.
	typed bool
}

type substitution struct {
	pattern, replacement string
}

func (b *builder) replace(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["pattern"]) {
		return b.broken(here, "should have the member pattern")
	}
	if !jsvalue.Truthy(o["value"]) {
		return undefined
	}
	n := &replace{place: here, value: b.build(o["value"], s.below("value", keepNone)), all: true}
	var okPattern, okReplacement bool
	okAll, okIgnoreCase := true, true
	n.first.pattern, okPattern = o["pattern"].(string)
	n.first.replacement, okReplacement = textOption(o["replacement"])
	if all := o["global"]; all != nil {
		n.all, okAll = all.(bool)
	}
	if ignore := o["ignorecase"]; ignore != nil {
		n.ignoreCase, okIgnoreCase = ignore.(bool)
	}
	n.typed = okPattern && okReplacement && okAll && okIgnoreCase
	if pattern, ok := o["pattern2"].(string); ok && pattern != "" {
		if replacement, ok := textOption(o["replacement2"]); ok {
			n.second = &substitution{pattern, replacement}
		}
	}
	return n
}

// textOption returns an option that is a string, or "" for one that is missing or null.
func textOption(v any) (string, bool) {
	if v == nil {
		return "", true
	}
	text, ok := v.(string)
	return text, ok
}

func (n *replace) resolve(r *run, payload any) (any, error) {
	v, err := n.value.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	if _, isBool := v.(bool); isBool || jsvalue.IsNumber(v) {
		text, ok = jsvalue.String(v), true
	}
	if !ok || !n.typed {
		return "", nil
	}
	out, err := n.substitute(r, text, n.first)
	if err == nil && n.second != nil {
		out, err = n.substitute(r, out, *n.second)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (n *replace) substitute(r *run, text string, s substitution) (string, error) {
	if units(s.pattern) > MaxPattern || units(s.replacement) > MaxPattern {
		return "", n.fail("should have patterns and replacements of at most 10 UTF-16 units")
	}
	from, to := n.find(text, s.pattern, 0)
	if from < 0 {
		return text, r.wrote(len(text), n.place)
	}
	dst := r.scratch[:0]
	end := 0
	for from >= 0 {
		dst = append(dst, text[end:from]...)
		before := len(dst)
		dst = appendReplacement(dst, s.replacement, text, from, to)
		if err := r.wrote(len(dst)-before, n.place); err != nil {
			return "", err
		}
		end = to
		if !n.all {
			break
		}
		from, to = n.find(text, s.pattern, end)
	}
	dst = append(dst, text[end:]...)
	r.scratch = dst
	return joinHalves(string(dst)), r.wrote(len(text), n.place)
}

// appendReplacement appends what stands for the match text[from:to]. $$ is a dollar, $& the match, $` what is before it and $'
// what is behind; any other $ is itself.
func appendReplacement(dst []byte, replacement, text string, from, to int) []byte {
	for {
		i := strings.IndexByte(replacement, '$')
		if i < 0 || i+1 == len(replacement) {
			return append(dst, replacement...)
		}
		dst = append(dst, replacement[:i]...)
		switch replacement[i+1] {
		case '$':
			dst = append(dst, '$')
		case '&':
			dst = append(dst, text[from:to]...)
		case '`':
			dst = append(dst, text[:from]...)
		case '\'':
			dst = append(dst, text[to:]...)
		default:
			dst = append(dst, '$')
			replacement = replacement[i+1:]
			continue
		}
		replacement = replacement[i+2:]
	}
}

// find returns where pattern stands in text at or behind start, or a negative number.
func (n *replace) find(text, pattern string, start int) (from, to int) {
	if !n.ignoreCase {
		i := strings.Index(text[start:], pattern)
		if i < 0 {
			return -1, -1
		}
		return start + i, start + i + len(pattern)
	}
	for from = start; from < len(text); {
		if size := prefixFold(text[from:], pattern); size > 0 {
			return from, from + size
		}
		size, _ := unitSize(text[from:])
		from += size
	}
	return -1, -1
}

// prefixFold returns how many bytes of text match pattern whatever the case, 0 if it does not begin with it.
func prefixFold(text, pattern string) int {
	at := 0
	for i := 0; i < len(pattern); {
		if at == len(text) {
			return 0
		}
		a, sizeA := foldedAt(text[at:])
		b, sizeB := foldedAt(pattern[i:])
		if a != b || a == utf8.RuneError && text[at:at+sizeA] != pattern[i:i+sizeB] {
			return 0
		}
		at += sizeA
		i += sizeB
	}
	return at
}

func foldedAt(s string) (rune, int) {
	if c := s[0]; c < utf8.RuneSelf {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		return rune(c), 1
	}
	if isHalf(s) {
		return surrogateOf(s), 3
	}
	r, size := utf8.DecodeRuneInString(s)
	return canonical(r), size
}

// canonical returns the letter that r is compared as, JavaScript's way in a regular expression without its u flag: the upper case of a
// single UTF-16 unit, if that is a single unit too and not ASCII for what is not.
func canonical(r rune) rune {
	if r > 0xffff {
		return r
	}
	upper := unicode.ToUpper(r)
	if upper < utf8.RuneSelf || unicode.IsTitle(upper) { // in full, ᾀ is two letters
		return r
	}
	return upper
}
