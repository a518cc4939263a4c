package liquid

import (
	"iter"
	"math"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// input returns v as text, and whether the render may go on: a filter that makes text of about the same size of it takes
// the memory here.
func (r *run) input(v any) (string, bool) {
	s := r.text(v)
	return s, r.use(len(s))
}

func appendFilter(r *run, v any, args []any) any {
	if len(args) != 1 {
		r.fail("filter append takes one argument")
		return undefined
	}
	return r.joined(r.text(v), r.text(args[0]))
}

func prepend(r *run, v any, args []any) any {
	if len(args) != 1 {
		r.fail("filter prepend takes one argument")
		return undefined
	}
	return r.joined(r.text(args[0]), r.text(v))
}

func (r *run) joined(a, b string) any {
	if !r.use(len(a) + len(b)) {
		return undefined
	}
	return concat(a, b)
}

func upcase(r *run, v any, _ []any) any   { return r.upper(r.text(v)) }
func downcase(r *run, v any, _ []any) any { return r.lower(r.text(v)) }

func capitalize(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	return concat(r.upper(unitsTo(s, 1)), r.lower(unitsFrom(s, 1)))
}

func (r *run) upper(s string) string {
	if isASCII(s) {
		r.use(len(s))
		return strings.ToUpper(s)
	}
	return r.recase(s, cases.Upper(language.Und))
}

func (r *run) lower(s string) string {
	if isASCII(s) {
		r.use(len(s))
		return strings.ToLower(s)
	}
	return r.recase(s, cases.Lower(language.Und))
}

// recase changes the case of s, between the halves of characters that may stand in it.
func (r *run) recase(s string, to cases.Caser) string {
	if !r.use(3*len(s)) || !r.step(len(s)) { // a letter may become three, and takes its time
		return ""
	}
	if !hasHalf(s) {
		return to.String(s)
	}
	var out []byte
	from := 0
	for i := 0; i < len(s); {
		_, size := decode(s[i:])
		if _, half := halfAt(s, i); half {
			out = append(append(out, to.String(s[from:i])...), s[i:i+size]...)
			from = i + size
		}
		i += size
	}
	return string(append(out, to.String(s[from:])...))
}

func normalizeWhitespace(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok || strings.IndexFunc(s, jsvalue.IsSpace) < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	inSpace := false
	for i := 0; i < len(s); {
		c, size := decode(s[i:])
		space := jsvalue.IsSpace(c)
		if !space {
			out = append(out, s[i:i+size]...)
		} else if !inSpace {
			out = append(out, ' ')
		}
		inSpace = space
		i += size
	}
	return string(out)
}

// words cuts s at white space. White space at either end has an empty word beside it.
func words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			i := strings.IndexFunc(s, jsvalue.IsSpace)
			if i < 0 {
				yield(s)
				return
			}
			if !yield(s[:i]) {
				return
			}
			s = strings.TrimLeftFunc(s[i:], jsvalue.IsSpace)
		}
	}
}

// numberOfWords counts words. With the argument "cjk" each Chinese, Japanese or Korean character is a word, with "auto" where
// there is such a character.
func numberOfWords(r *run, v any, args []any) any {
	s, ok := r.input(v)
	if s = trimSpace(s); !ok || s == "" {
		return 0.0
	}
	mode := arg(args, 0)
	if mode == "cjk" || mode == "auto" && strings.IndexFunc(s, isCJK) >= 0 {
		return float64(countCJK(s))
	}
	n := 0.0
	for range words(s) {
		n++
	}
	return n
}

func isCJK(c rune) bool {
	return c >= 0x4e00 && c <= 0x9fff || c >= 0xf900 && c <= 0xfaff || c >= 0x3400 && c <= 0x4dbf ||
		c >= 0x3040 && c <= 0x30ff || c >= 0xac00 && c <= 0xd7af
}

// countCJK counts the Chinese, Japanese and Korean characters of s and the words between them.
func countCJK(s string) int {
	n := 0
	inWord := false
	for _, c := range s {
		if isCJK(c) {
			n++
			inWord = false
			continue
		}
		word := !jsvalue.IsSpace(c)
		if word && !inWord {
			n++
		}
		inWord = word
	}
	return n
}

// split cuts text at every place where the argument stands, and between all units if that is empty. Empty items at the end go.
func split(r *run, v any, args []any) any {
	s, ok := r.input(v)
	sep := r.text(arg(args, 0))
	if !ok {
		return undefined
	}
	var parts []any
	if sep == "" {
		parts = r.letters(s)
	} else {
		s, sep = r.aligned(s, sep)
		n := strings.Count(s, sep) + 1
		if !r.items(n) {
			return undefined
		}
		parts = make([]any, 0, n)
		for part := range strings.SplitSeq(s, sep) {
			parts = append(parts, rejoin(part))
		}
	}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// letters returns each unit of s.
func (r *run) letters(s string) []any {
	n := units(s)
	if !r.items(n) {
		return nil
	}
	parts := make([]any, 0, n)
	for i := 0; i < len(s); {
		c, size := decode(s[i:])
		if c < firstPair {
			parts = append(parts, s[i:i+size])
		} else {
			high, low := split2(c)
			parts = append(parts, string(appendUnit(nil, high)), string(appendUnit(nil, low)))
		}
		i += size
	}
	return parts
}

// truncate cuts text that is longer than the first argument (50), and puts the second ("...") in the place of the rest.
func truncate(r *run, v any, args []any) any {
	s, ok := r.input(v)
	end := r.text(argOr(args, 1, "..."))
	most := r.number(argOr(args, 0, 50.0))
	if !ok || !r.use(len(end)) {
		return undefined
	}
	n := units(s)
	if float64(n) <= most {
		return v
	}
	keep := most - float64(units(end))
	if !(keep >= 1) { // NaN as well
		return end
	}
	return concat(r.substring(s, 0, int(min(keep, float64(n)))), end)
}

// truncateWords keeps as many words as the first argument says (15) and puts the second ("...") after them, unless there are fewer.
func truncateWords(r *run, v any, args []any) any {
	s, ok := r.input(v)
	end := r.text(argOr(args, 1, "..."))
	keep := r.number(argOr(args, 0, 15.0))
	if !ok || !r.use(len(end)) {
		return undefined
	}
	if keep <= 0 {
		keep = 1
	}
	out := make([]byte, 0, len(s))
	n := 0.0
	for word := range words(s) {
		if n++; n <= math.Trunc(keep) {
			if n > 1 {
				out = append(out, ' ')
			}
			out = append(out, word...)
		}
	}
	if n >= keep {
		out = appendText(out, end)
	}
	return string(out)
}
