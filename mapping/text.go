package mapping

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
)

// JavaScript counts strings in UTF-16 units, and a path such as name[0] may take half of a character: one surrogate. Half
// characters travel through the directives as the three bytes that UTF-8 would give them if it allowed them, so that two
// halves can meet again in a template. What leaves Resolve is whole (wholeText).

// units returns the length of s in UTF-16 units.
func units(s string) int {
	n := 0
	for i := 0; i < len(s); {
		size, wide := unitSize(s[i:])
		i += size
		n++
		if wide {
			n++
		}
	}
	return n
}

// unitSize returns how many bytes the first character of s takes, and whether it takes two units.
func unitSize(s string) (size int, wide bool) {
	if s[0] < utf8.RuneSelf {
		return 1, false
	}
	if isHalf(s) {
		return 3, false
	}
	r, size := utf8.DecodeRuneInString(s)
	return size, r > 0xffff
}

// isHalf tells whether s begins with half a character.
func isHalf(s string) bool {
	return len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2] >= 0x80 && s[2] <= 0xbf
}

// unitAt returns the UTF-16 unit of s at an index.
func unitAt(s string, index int) (string, bool) {
	if index >= len(s) {
		return "", false
	}
	for n, i := 0, 0; i < len(s); {
		size, wide := unitSize(s[i:])
		switch {
		case wide && (n == index || n+1 == index):
			return halves(s[i : i+size])[index-n], true
		case n == index:
			return s[i : i+size], true
		case wide:
			n++
		}
		n++
		i += size
	}
	return "", false
}

// eachUnit calls f with every UTF-16 unit of s in turn.
func eachUnit(s string, f func(index int, unit string)) {
	for n := 0; s != ""; n++ {
		size, wide := unitSize(s)
		if wide {
			pair := halves(s[:size])
			f(n, pair[0])
			n++
			f(n, pair[1])
		} else {
			f(n, s[:size])
		}
		s = s[size:]
	}
}

// halves returns the two halves of a character outside the basic plane.
func halves(character string) [2]string {
	r, _ := utf8.DecodeRuneInString(character)
	r -= 0x10000
	return [2]string{half(0xd800 + r>>10), half(0xdc00 + r&0x3ff)}
}

func half(surrogate rune) string {
	return string([]byte{0xed, 0x80 | byte(surrogate>>6&0x3f), 0x80 | byte(surrogate&0x3f)})
}

// surrogateOf returns the surrogate that a string which isHalf begins with.
func surrogateOf(s string) rune {
	return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f)
}

// wholeText returns s with halves that belong together joined, and U+FFFD in place of those that are alone.
func wholeText(s string) string {
	if !hasHalf(s) {
		return s
	}
	var b strings.Builder
	eachWhole(s, func(text string, lone rune) {
		b.WriteString(text)
		if lone != 0 {
			b.WriteRune(utf8.RuneError)
		}
	})
	return b.String()
}

// joinHalves returns s with halves that belong together joined. Text that was put together needs it, so that what looks for the
// character finds it.
func joinHalves(s string) string {
	if !hasHalf(s) {
		return s
	}
	var b strings.Builder
	eachWhole(s, func(text string, lone rune) {
		b.WriteString(text)
		if lone != 0 {
			b.WriteString(half(lone))
		}
	})
	return b.String()
}

// appendJSONString appends s in quotes, as JSON.stringify does: a half that is alone is escaped.
func appendJSONString(dst []byte, s string) []byte {
	if !hasHalf(s) {
		return jsonenc.AppendString(dst, s)
	}
	dst = append(dst, '"')
	eachWhole(s, func(text string, lone rune) {
		from := len(dst)
		dst = jsonenc.AppendString(dst, text)
		dst = append(dst[:from], dst[from+1:len(dst)-1]...)
		if lone != 0 {
			dst = append(dst, `\u`...)
			dst = strconv.AppendInt(dst, int64(lone), 16)
		}
	})
	return append(dst, '"')
}

// eachWhole calls f with the pieces of s: text without halves, and the surrogate that stands alone behind it, or 0. Halves that belong
// together come as the text of their character.
func eachWhole(s string, f func(text string, lone rune)) {
	from := 0
	for i := 0; i < len(s); {
		if !isHalf(s[i:]) {
			i++
			continue
		}
		text, first := s[from:i], surrogateOf(s[i:])
		i += 3
		if first < 0xdc00 && isHalf(s[i:]) {
			if second := surrogateOf(s[i:]); second >= 0xdc00 {
				i += 3
				text, first = text+string(0x10000+(first-0xd800)<<10+(second-0xdc00)), 0
			}
		}
		f(text, first)
		from = i
	}
	f(s[from:], 0)
}

func hasHalf(s string) bool {
	for {
		i := strings.IndexByte(s, 0xed)
		if i < 0 {
			return false
		}
		if isHalf(s[i:]) {
			return true
		}
		s = s[i+1:]
	}
}
