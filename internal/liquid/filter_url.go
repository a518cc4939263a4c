package liquid

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

const (
	urlMarks    = "-_.!~*'()"        // what encodeURIComponent leaves as it is, beside letters and digits
	urlReserved = ";/?:@&=+$,#"      // what encodeURI leaves as well
	urlBrackets = "[]"               // what uri_escape leaves as well
	upperHex    = "0123456789ABCDEF" // as percent-encoding writes it
)

func urlEncode(r *run, v any, _ []any) any { return r.percentEncoded(v, urlMarks, "+") }
func cgiEscape(r *run, v any, _ []any) any { return r.percentEncoded(v, "-_.~", "+") }
func uriEscape(r *run, v any, _ []any) any {
	return r.percentEncoded(v, urlMarks+urlReserved+urlBrackets, "%20")
}

// percentEncoded returns v with every byte encoded that is neither a letter nor a digit nor one of keep. Half a character cannot be.
func (r *run) percentEncoded(v any, keep, space string) any {
	s := r.text(v)
	if hasHalf(s) {
		r.fail("text with half a character cannot be encoded")
		return undefined
	}
	if !r.use(3 * len(s)) {
		return undefined
	}
	out := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(keep, c) >= 0:
			out = append(out, c)
		case c == ' ':
			out = append(out, space...)
		default:
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(out)
}

// urlDecode undoes percent-encoding, and takes + for a space. What is no percent-encoded UTF-8 is an error.
func urlDecode(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '%' {
			if s[i] == '+' {
				out = append(out, ' ')
			} else {
				out = append(out, s[i])
			}
			i++
			continue
		}
		char, size := decodePercent(s[i:])
		if size == 0 {
			r.fail("text is not percent-encoded UTF-8")
			return undefined
		}
		if char[0] == '+' {
			char = " "
		}
		out = appendText(out, char)
		i += size
	}
	return string(out)
}

// decodePercent decodes the character whose encoding starts s and returns the length of that, or 0 if it is none.
func decodePercent(s string) (char string, size int) {
	var b []byte
	for len(b) < utf8.UTFMax && len(s) >= size+3 && s[size] == '%' {
		high, low := hexDigit(s[size+1]), hexDigit(s[size+2])
		if high < 0 || low < 0 {
			break
		}
		b = append(b, byte(high<<4|low))
		size += 3
		if utf8.FullRune(b) {
			break
		}
	}
	if c, n := utf8.DecodeRune(b); n == 0 || c == utf8.RuneError && n == 1 {
		return "", 0
	}
	return string(b), size
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// slugify puts a dash in the place of what a URL should not have, and lower case in that of upper. The first argument says what that
// is: default, pretty, ascii, latin (like default, and accents go), raw (white space) or none. The second keeps upper case.
func slugify(r *run, v any, args []any) any {
	s, ok := r.input(v)
	if !ok || !r.step(len(s)) {
		return undefined
	}
	keep := keeps(argOr(args, 0, "default"))
	if keep != nil {
		if arg(args, 0) == "latin" {
			if !r.use(len(s)) {
				return undefined
			}
			s = withoutAccents.Replace(s)
		}
		s = strings.TrimSuffix(strings.TrimPrefix(dashed(s, keep), "-"), "-")
	}
	if truthy(arg(args, 1)) {
		return s
	}
	return r.lower(s)
}

// keeps returns what tells the characters that a mode of slugify keeps, or nil where it keeps all.
func keeps(mode any) func(c rune) bool {
	switch mode {
	case "default", "latin":
		return isAlphanumeric
	case "pretty":
		return func(c rune) bool {
			return isAlphanumeric(c) || c < utf8.RuneSelf && strings.IndexByte("._~!$&'()+,;=@", byte(c)) >= 0
		}
	case "ascii":
		return func(c rune) bool { return c < utf8.RuneSelf && isAlphanumeric(c) }
	case "raw":
		return func(c rune) bool { return !jsvalue.IsSpace(c) }
	}
	return nil
}

func isAlphanumeric(c rune) bool { return unicode.In(c, unicode.M, unicode.L, unicode.Nd) }

// dashed returns s with a dash in the place of each row of characters that are not kept.
func dashed(s string, keep func(c rune) bool) string {
	out := make([]byte, 0, len(s))
	inGap := false
	for i := 0; i < len(s); {
		c, size := decode(s[i:])
		kept := keep(c)
		if kept {
			out = append(out, s[i:i+size]...)
		} else if !inGap {
			out = append(out, '-')
		}
		inGap = !kept
		i += size
	}
	return string(out)
}

var withoutAccents = strings.NewReplacer(
	"à", "a", "á", "a", "â", "a", "ã", "a", "ä", "a", "å", "a", "æ", "ae", "ç", "c", "è", "e", "é", "e", "ê", "e", "ë", "e",
	"ì", "i", "í", "i", "î", "i", "ï", "i", "ð", "d", "ñ", "n", "ò", "o", "ó", "o", "ô", "o", "õ", "o", "ö", "o", "ø", "o",
	"ù", "u", "ú", "u", "û", "u", "ü", "u", "ý", "y", "ÿ", "y", "ß", "ss", "œ", "oe", "þ", "th", "ẞ", "SS", "Œ", "OE", "Þ", "TH",
)
