package retl

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// value makes of what a driver returns what a record holds. Bytes are copied. The reason why it cannot shows nothing of the value.
func (k kind) value(v any) (any, error) { return k.nested(v, maxNesting) }

// nested is value for a value that stands within or for another, with so many levels left.
func (k kind) nested(v any, levels int) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return k.text(v), nil
	case []byte:
		return k.bytes(v), nil // also where they are nil: SQLite's driver has no other empty BLOB
	case int64:
		if k == kindBool {
			return v != 0, nil
		}
		return v, nil
	case float64:
		return k.float(v), nil
	case bool:
		return v, nil
	case time.Time:
		return k.time(v), nil
	case uint64:
		if k == kindBool {
			return v != 0, nil
		}
		return v, nil
	case float32:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, nil
		}
		return v, nil
	}
	return k.other(v, levels)
}

// float is a number, if JSON can write it.
func (k kind) float(f float64) any {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil
	case k == kindBool:
		return f != 0
	}
	return f
}

// text reads a text as what its column holds. What cannot be read stays text.
func (k kind) text(s string) any {
	switch k {
	case kindNumber:
		if n, ok := number(s); ok {
			return n
		}
		if notFinite(s) {
			return nil
		}
	case kindBool:
		if b, err := strconv.ParseBool(s); err == nil {
			return b
		}
	case kindJSON:
		if v, err := decodeJSON([]byte(s)); err == nil {
			return v
		}
	case kindDate, kindStamp:
		if t, ok := parseTime(s); ok && (k == kindStamp || len(s) > len(time.DateOnly)) {
			return k.time(t)
		}
	case kindUUID, kindGUID:
		return strings.ToLower(valid(s))
	}
	return valid(s)
}

// bytes does the same for bytes, which are a text in some drivers and columns, and not in others.
func (k kind) bytes(b []byte) any {
	switch k {
	case kindBytes:
		return base64.StdEncoding.EncodeToString(b)
	case kindJSON: // without a copy
		if v, err := decodeJSON(b); err == nil {
			return v
		}
	case kindBits:
		if len(b) <= 8 {
			var wide [8]byte
			copy(wide[8-len(b):], b)
			return binary.BigEndian.Uint64(wide[:])
		}
		return base64.StdEncoding.EncodeToString(b)
	case kindBool:
		if len(b) == 1 && b[0] <= 1 {
			return b[0] == 1
		}
	case kindUUID, kindGUID:
		if len(b) == 16 {
			return uuid([16]byte(b), k == kindGUID)
		}
	}
	if k != kindText && !utf8.Valid(b) {
		return base64.StdEncoding.EncodeToString(b)
	}
	return k.text(string(b))
}

// valid replaces what is not UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// uuid writes a UUID. SQL Server stores its first three groups with the lowest byte first.
func uuid(b [16]byte, swapped bool) string {
	if swapped {
		b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
		b[4], b[5], b[6], b[7] = b[5], b[4], b[7], b[6]
	}
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// time writes a time as its column's type has them. Dates and times of day keep the zone that they came in: it means nothing, and another
// would be another day.
func (k kind) time(t time.Time) string {
	switch k {
	case kindDate:
		if h, m, s := t.Clock(); h == 0 && m == 0 && s == 0 && t.Nanosecond() == 0 {
			return year(t) + t.Format("-01-02")
		}
	case kindTime:
		return t.Format("15:04:05.999999999")
	case kindTimeZone:
		return t.Format("15:04:05.999999999Z07:00")
	}
	t = t.UTC()
	return year(t) + t.Format("-01-02T15:04:05.999999999Z07:00")
}

// year writes a year of four digits, or of a sign and six as ECMAScript's date strings have it.
func year(t time.Time) string {
	if y := t.Year(); y < 0 || y > 9999 {
		return fmt.Sprintf("%+07d", y)
	}
	return t.Format("2006")
}

// layouts are how databases write times. Parse takes a fraction after the seconds with each.
var layouts = []string{
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	time.DateOnly,
}

func parseTime(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// notFinite tells whether a text is what databases write for a number that JSON does not have.
func notFinite(s string) bool {
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}

// number returns a decimal with all its digits, if it is one as JSON has them, or one with a plus or without a digit before the point.
func number(s string) (json.Number, bool) {
	if isNumber(s) {
		return json.Number(s), true
	}
	sign, digits := "", strings.TrimPrefix(s, "+")
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		sign, digits = "-", rest
	}
	if strings.HasPrefix(digits, ".") {
		digits = "0" + digits
	}
	if strings.HasPrefix(digits, "-") {
		return "", false
	}
	if s = sign + digits; isNumber(s) {
		return json.Number(s), true
	}
	return "", false
}

// isNumber tells whether s is a number by JSON's grammar.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digitsOf(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if rest, ok := strings.CutPrefix(s, "."); ok {
		n := digitsOf(rest)
		if n == 0 {
			return false
		}
		s = rest[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := digitsOf(s)
		return n > 0 && n == len(s)
	}
	return s == ""
}

// digitsOf counts the digits that s begins with.
func digitsOf(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
