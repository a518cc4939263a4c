package jsonenc

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, &Error{Reason: notFinite}
	}
	return jsvalue.AppendFloat(dst, f), nil
}

// appendFloat32 appends the shortest digits that tell f from its neighbours of 32 bits: 0.1, not 0.10000000149011612.
func appendFloat32(dst []byte, f float32) ([]byte, error) {
	var room [32]byte
	digits := strconv.AppendFloat(room[:0], float64(f), 'g', -1, 32)
	wide, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		return dst, &Error{Reason: notFinite}
	}
	return appendFloat(dst, wide)
}

// appendNumber appends n digit for digit. The empty number, json.Number's zero value, is 0, as encoding/json has it.
func appendNumber(dst []byte, n json.Number) ([]byte, error) {
	if n == "" {
		return append(dst, '0'), nil
	}
	if !isNumber(string(n)) {
		return dst, &Error{Reason: notNumber}
	}
	return append(dst, n...), nil
}

// isNumber tells whether s is a number in JSON's grammar.
func isNumber(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	whole := digits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	if s = s[whole:]; s != "" && s[0] == '.' {
		fraction := digits(s[1:])
		if fraction == 0 {
			return false
		}
		s = s[1+fraction:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		exponent := digits(s)
		return exponent > 0 && exponent == len(s)
	}
	return s == ""
}

// digits returns how many decimal digits s begins with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	dst = append(dst, '"')
	text, err := t.AppendText(dst)
	if err != nil {
		return dst, &Error{Reason: badTime}
	}
	return append(text, '"'), nil
}

func appendBytes(dst []byte, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// AppendString appends s to dst as a JSON string. Bytes that are not UTF-8 become U+FFFD, each its own.
func AppendString(dst []byte, s string) []byte {
	i := plainPrefix(s)
	if i == len(s) { // most strings are
		n := len(dst)
		dst = slices.Grow(dst, len(s)+2)[:n+len(s)+2]
		dst[n] = '"'
		copy(dst[n+1:], s)
		dst[len(dst)-1] = '"'
		return dst
	}
	dst = append(dst, '"')
	written := 0
	for i < len(s) {
		b := s[i]
		if plain[b] {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[written:i]...)
				dst = append(dst, "\uFFFD"...)
				written = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[written:i]...)
		dst = appendEscape(dst, b)
		i++
		written = i
	}
	dst = append(dst, s[written:]...)
	return append(dst, '"')
}

// plainPrefix returns how many bytes s begins with that are written as they are: len(s) for most strings, which is found out eight or four
// bytes at a time, the last of them twice where the length is no multiple.
func plainPrefix(s string) int {
	switch n := len(s); {
	case n >= 8:
		i := 0
		for ; i+8 <= n; i += 8 {
			if special(word(s[i:])) {
				return plainBytes(s, i)
			}
		}
		if i == n || !special(word(s[n-8:])) {
			return n
		}
		return plainBytes(s, i)
	case n >= 4:
		if !special(uint64(half(s)) | uint64(half(s[n-4:]))<<32) {
			return n
		}
	}
	return plainBytes(s, 0)
}

// plainBytes is plainPrefix from i on, byte by byte.
func plainBytes(s string, i int) int {
	for i < len(s) && plain[s[i]] {
		i++
	}
	return i
}

// special tells whether one of eight bytes is past ASCII, below 0x20, a quote or a backslash.
func special(x uint64) bool {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	// A borrow may set the high bit of a plain byte too, but only behind one that is not.
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	return (x|(x-ones*0x20)|(quote-ones)|(slash-ones))&high != 0
}

// word returns the first eight bytes of s, which the compiler loads at once.
func word(s string) uint64 {
	return uint64(half(s)) | uint64(half(s[4:]))<<32
}

func half(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
}

// plain has the bytes that stand for themselves in a JSON string, as far as one byte can tell.
var plain = func() (t [256]bool) {
	for b := ' '; b < utf8.RuneSelf; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()
