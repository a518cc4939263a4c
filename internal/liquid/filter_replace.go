package liquid

import (
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// aligned returns s and part such that part can be searched for among the bytes of s: characters that part may cut in two
// are kept apart in both. What is cut out of s then goes through rejoin.
func (r *run) aligned(s, part string) (string, string) {
	if hasHalf(part) && r.use(2*(len(s)+len(part))) {
		return apart(s), apart(part)
	}
	return s, part
}

// indexOf returns where part stands in s, or -1. It says nothing of the place in s if part has half a character.
func (r *run) indexOf(s, part string) int {
	s, part = r.aligned(s, part)
	return strings.Index(s, part)
}

// replaceAll puts with in the place of every part of v, and between all units if part is empty.
func (r *run) replaceAll(v any, part, with string) any {
	s := r.text(v)
	if !r.read(len(s)) {
		return undefined
	}
	if part == "" {
		return r.between(s, with)
	}
	s, part = r.aligned(s, part)
	n := strings.Count(s, part)
	if size := len(s) + n*(len(with)-len(part)); !r.use(max(size, len(s))) {
		return undefined
	}
	return rejoin(strings.ReplaceAll(s, part, with))
}

// between puts with between all units of s.
func (r *run) between(s, with string) any {
	if with == "" {
		return s
	}
	n := units(s)
	if !r.use(3*n+n*len(with)) || !r.step(n) {
		return undefined
	}
	out := make([]byte, 0, len(s)+n*len(with))
	add := func(unit rune) {
		if len(out) > 0 {
			out = appendText(out, with)
		}
		out = appendUnit(out, unit)
	}
	for len(s) > 0 {
		c, size := decode(s)
		if c < firstPair {
			add(c)
		} else {
			high, low := split2(c)
			add(high)
			add(low)
		}
		s = s[size:]
	}
	return string(out)
}

// replaceAt puts with in the place of the part that find finds in v.
func (r *run) replaceAt(v any, part, with string, find func(s, part string) int) any {
	s := r.text(v)
	if !r.use(len(s) + len(with)) {
		return undefined
	}
	s, part = r.aligned(s, part)
	i := find(s, part)
	if i < 0 {
		return rejoin(s)
	}
	return rejoin(concat(concat(s[:i], with), s[i+len(part):]))
}

func replace(r *run, v any, args []any) any {
	return r.replaceAll(v, r.text(arg(args, 0)), r.text(arg(args, 1)))
}

func remove(r *run, v any, args []any) any {
	return r.replaceAll(v, r.text(arg(args, 0)), "")
}

func replaceFirst(r *run, v any, args []any) any {
	return r.replaceAt(v, r.text(arg(args, 0)), r.text(arg(args, 1)), strings.Index)
}

func replaceLast(r *run, v any, args []any) any {
	return r.replaceAt(v, r.text(arg(args, 0)), r.text(arg(args, 1)), strings.LastIndex)
}

func removeFirst(r *run, v any, args []any) any {
	return r.replaceAt(v, r.text(arg(args, 0)), "", strings.Index)
}

func removeLast(r *run, v any, args []any) any {
	return r.replaceAt(v, r.text(arg(args, 0)), "", strings.LastIndex)
}

// stripNewlines takes out line feeds, with a carriage return before them.
func stripNewlines(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", ""), "\n", "")
}

func strip(r *run, v any, args []any) any  { return r.trim(v, args, true, true) }
func lstrip(r *run, v any, args []any) any { return r.trim(v, args, true, false) }
func rstrip(r *run, v any, args []any) any { return r.trim(v, args, false, true) }

// trim takes white space, or the characters of the argument, from the ends of v.
func (r *run) trim(v any, args []any, left, right bool) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	strips := jsvalue.IsSpace
	if chars := arg(args, 0); truthy(chars) {
		set := r.text(chars)
		if !r.items(len(set)) {
			return undefined
		}
		found := make(map[rune]bool)
		for set != "" {
			c, size := decode(set)
			found[c] = c < firstPair // text is stripped unit by unit, and such a character has two
			set = set[size:]
		}
		strips = func(c rune) bool { return found[c] }
	}
	for left && s != "" {
		c, size := decode(s)
		if !strips(c) {
			break
		}
		s = s[size:]
	}
	for right && s != "" {
		c, size := decodeLast(s)
		if !strips(c) {
			break
		}
		s = s[:len(s)-size]
	}
	return s
}

// decodeLast returns the character, or the half of one, that ends s, and its length in bytes.
func decodeLast(s string) (rune, int) {
	if n := len(s); n >= 3 {
		if unit, ok := halfAt(s, n-3); ok {
			return unit, 3
		}
	}
	return utf8.DecodeLastRuneInString(s)
}
