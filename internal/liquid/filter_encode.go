package liquid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"
)

func sha256Hex(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	sum := sha256.Sum256([]byte(whole(s)))
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(r *run, v any, args []any) any {
	s, ok := r.input(v)
	key := r.text(arg(args, 0))
	if !ok || !r.use(len(key)) {
		return undefined
	}
	h := hmac.New(sha256.New, []byte(whole(key)))
	h.Write([]byte(whole(s)))
	return hex.EncodeToString(h.Sum(nil))
}

func base64Encode(r *run, v any, _ []any) any {
	s := r.text(v)
	if !r.use(2 * len(s)) {
		return undefined
	}
	return base64.StdEncoding.EncodeToString([]byte(whole(s)))
}

// base64Decode decodes as Node does: of each unit the low byte counts, both alphabets do, what belongs to neither is skipped, and
// the first = ends it.
func base64Decode(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok || !r.use(3*len(s)) {
		return undefined
	}
	digits := make([]byte, 0, len(s))
	for _, u := range toUnits(s) {
		switch c := byte(u); {
		case c == '=':
			return decoded(digits)
		case c == '-':
			digits = append(digits, '+')
		case c == '_':
			digits = append(digits, '/')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
			digits = append(digits, c)
		}
	}
	return decoded(digits)
}

func decoded(digits []byte) string {
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	out, _ := base64.RawStdEncoding.AppendDecode(nil, digits) // nothing is left that could be wrong
	return replaced(out)
}

// replaced returns b as text, U+FFFD in the place of each longest row of bytes that could begin a character but does not.
func replaced(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b)+len(b)/2)
	for len(b) > 0 {
		c, size := utf8.DecodeRune(b)
		if c == utf8.RuneError && size == 1 {
			for size < len(b) && !utf8.FullRune(b[:size+1]) {
				size++
			}
		}
		out = utf8.AppendRune(out, c)
		b = b[size:]
	}
	return string(out)
}
