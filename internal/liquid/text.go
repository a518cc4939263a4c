package liquid

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// JavaScript's strings are rows of UTF-16 units, and a filter can cut a character in two (😀 has two units). While a template
// renders, such a half is kept in its three-byte form (ED A0 80 to ED BF BF, which UTF-8 forbids), so that halves that meet
// again become the character again. What leaves the package is UTF-8: a half left alone is U+FFFD there, as it is in JSON.
//
// Everything here expects text that is UTF-8 but for such halves; clean makes it so of text from a record.

const (
	firstHigh = 0xd800
	firstLow  = 0xdc00
	lastLow   = 0xdfff
	firstPair = 0x10000 // the first character of two units
)

// clean returns s with U+FFFD in place of each byte that is neither UTF-8 nor of half a character.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, size := decode(s)
		if _, half := halfAt(s, 0); half {
			b = appendUnit(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
		s = s[size:]
	}
	return string(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// halfAt tells whether half a character starts at s[i], and which.
func halfAt(s string, i int) (unit rune, ok bool) {
	if i+2 < len(s) && s[i] == 0xed && s[i+1] >= 0xa0 && s[i+1] < 0xc0 && s[i+2] >= 0x80 && s[i+2] < 0xc0 {
		return 0xd000 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f), true
	}
	return 0, false
}

func hasHalf(s string) bool {
	for i := strings.IndexByte(s, 0xed); i >= 0; {
		if _, ok := halfAt(s, i); ok {
			return true
		}
		next := strings.IndexByte(s[i+1:], 0xed)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}

// decode returns the character, or the half of one, that starts s, and its length in bytes.
func decode(s string) (rune, int) {
	if unit, ok := halfAt(s, 0); ok {
		return unit, 3
	}
	return utf8.DecodeRuneInString(s)
}

// appendUnit appends a unit of UTF-16 to dst; a low half that follows its high half completes the character.
func appendUnit(dst []byte, unit rune) []byte {
	if unit < firstHigh || unit > lastLow {
		return utf8.AppendRune(dst, unit)
	}
	if unit >= firstLow && endsHigh(dst) {
		high, _ := halfAt(string(dst[len(dst)-3:]), 0)
		return utf8.AppendRune(dst[:len(dst)-3], pair(high, unit))
	}
	return append(dst, 0xed, 0x80|byte(unit>>6&0x3f), 0x80|byte(unit&0x3f))
}

func pair(high, low rune) rune { return firstPair + (high-firstHigh)<<10 + (low - firstLow) }

func split2(r rune) (high, low rune) {
	r -= firstPair
	return firstHigh + r>>10, firstLow + r&0x3ff
}

// endsHigh tells whether s ends in a high half.
func endsHigh[T string | []byte](s T) bool {
	n := len(s)
	return n >= 3 && s[n-3] == 0xed && s[n-2] >= 0xa0 && s[n-2] < 0xb0
}

// appendText appends s to dst, joining a half that ends dst with one that begins s.
func appendText(dst []byte, s string) []byte {
	if endsHigh(dst) {
		if low, ok := halfAt(s, 0); ok && low >= firstLow {
			return append(appendUnit(dst, low), s[3:]...)
		}
	}
	return append(dst, s...)
}

// concat returns a and b as one text.
func concat(a, b string) string {
	if !endsHigh(a) {
		return a + b
	}
	return string(appendText([]byte(a), b))
}

// whole returns s with U+FFFD in place of each half character.
func whole(s string) string {
	if !hasHalf(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if _, ok := halfAt(s, i); ok {
			b = append(b, "\uFFFD"...)
			i += 3
			continue
		}
		b = append(b, s[i])
		i++
	}
	return string(b)
}

// rejoin returns s with the halves that belong together joined.
func rejoin(s string) string {
	if !hasHalf(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, size := decode(s)
		b = appendUnit(b, r)
		s = s[size:]
	}
	return string(b)
}

// apart returns s with every character of two units as its halves, so that a half can be searched for among its bytes.
func apart(s string) string {
	b := make([]byte, 0, len(s)+len(s)/2)
	for len(s) > 0 {
		r, size := decode(s)
		if r < firstPair {
			b = append(b, s[:size]...)
		} else {
			high, low := split2(r)
			b = append(b, 0xed, 0x80|byte(high>>6&0x3f), 0x80|byte(high&0x3f))
			b = append(b, 0xed, 0x80|byte(low>>6&0x3f), 0x80|byte(low&0x3f))
		}
		s = s[size:]
	}
	return string(b)
}

// units returns the length of s in UTF-16 units.
func units(s string) int {
	n := 0
	for i := range len(s) {
		switch b := s[i]; {
		case b < utf8.RuneSelf, b >= 0xc0 && b < 0xf0:
			n++
		case b >= 0xf0:
			n += 2
		}
	}
	return n
}

// unitsFrom returns s without its first n units; where that cuts a character, the low half of it stays.
func unitsFrom(s string, n int) string {
	rest, cut := skipUnits(s, n)
	if cut != 0 {
		_, low := split2(cut)
		return string(appendUnit(nil, low)) + rest
	}
	return rest
}

// unitsTo returns the first n units of s; where that cuts a character, the high half of it stays.
func unitsTo(s string, n int) string {
	rest, cut := skipUnits(s, n)
	if cut != 0 {
		high, _ := split2(cut)
		head := s[:len(s)-len(rest)-utf8.RuneLen(cut)]
		return string(appendUnit([]byte(head), high))
	}
	return s[:len(s)-len(rest)]
}

// skipUnits returns what follows the first n units of s. If the n-th unit is the high half of a character, cut is that
// character, and rest what follows it.
func skipUnits(s string, n int) (rest string, cut rune) {
	for n > 0 && len(s) > 0 {
		r, size := decode(s)
		s = s[size:]
		if r >= firstPair {
			if n == 1 {
				return s, r
			}
			n--
		}
		n--
	}
	return s, 0
}

// substring returns the units of s from the one of index from to before that of index to; both lie in s.
func substring(s string, from, to int) string {
	if from >= to {
		return ""
	}
	if to <= len(s) && isASCII(s[:to]) {
		return s[from:to]
	}
	return unitsTo(unitsFrom(s, from), to-from)
}

// compareUnits orders a and b by their units, as JavaScript does: characters of two units come before U+E000 to U+FFFF.
func compareUnits(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		x, sizeX := decode(a)
		y, sizeY := decode(b)
		switch {
		case x == y:
			a, b = a[sizeX:], b[sizeY:]
		case (x >= firstPair) == (y >= firstPair):
			return cmp.Compare(x, y)
		default:
			return slices.Compare(toUnits(twoOf(a)), toUnits(twoOf(b)))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// twoOf returns the first two characters of s: enough to tell a character of two units from a half that looks like it.
func twoOf(s string) string {
	_, n := decode(s)
	_, more := decode(s[n:])
	return s[:n+more]
}

// toUnits returns s in UTF-16.
func toUnits(s string) []uint16 {
	out := make([]uint16, 0, len(s))
	for len(s) > 0 {
		r, size := decode(s)
		if r < firstPair {
			out = append(out, uint16(r))
		} else {
			high, low := split2(r)
			out = append(out, uint16(high), uint16(low))
		}
		s = s[size:]
	}
	return out
}

// fromUnits returns the text of units.
func fromUnits(in []uint16) string {
	b := make([]byte, 0, len(in))
	for _, u := range in {
		b = appendUnit(b, rune(u))
	}
	return string(b)
}
