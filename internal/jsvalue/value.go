// Package jsvalue has JavaScript's rules for values, as far as mappings, triggers, Liquid and the actions' coercions show
// them: what a number looks like as text, what is falsy, what a value turned into a string is.
//
// Values are Go's picture of JSON: nil, bool, string, float64, int64, uint64, json.Number, []any and map[string]any, and
// Undefined. Of turns whatever else a record may hold into one of these, one level at a time.
package jsvalue

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

type undefined struct{}

// Undefined is the value of what is not there. It is not null: an object's member that is undefined is left out.
var Undefined any = undefined{}

// IsUndefined tells whether v is Undefined.
func IsUndefined(v any) bool { _, ok := v.(undefined); return ok }

// IsNullish tells whether v is null or undefined.
func IsNullish(v any) bool { return v == nil || IsUndefined(v) }

// Of returns v as one of the package's types: integers and floats of other sizes widened, times as RFC 3339 text, bytes as
// base64, typed maps and slices as map[string]any and []any, pointers followed, and anything else by way of its JSON.
// Only the top level is turned; members are when they are reached. A value with no JSON form is Undefined.
func Of(v any) any {
	switch x := v.(type) {
	case nil, bool, string, float64, int64, uint64, json.Number, []any, map[string]any, undefined:
		return v
	case int:
		return int64(x)
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case float32:
		return widen(x)
	case json.Marshaler:
		return throughJSON(v)
	}
	return ofReflect(v)
}

func ofReflect(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.String:
		return r.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return r.Uint()
	case reflect.Float32:
		return widen(float32(r.Float()))
	case reflect.Float64:
		return r.Float()
	case reflect.Pointer:
		for range maxDepth {
			if r.IsNil() {
				return nil
			}
			if r = r.Elem(); r.Kind() == reflect.Interface && !r.IsNil() {
				r = r.Elem()
			}
			if r.Kind() != reflect.Pointer || Marshals(r.Type()) {
				return Of(r.Interface())
			}
		}
		return Undefined // a pointer to itself
	case reflect.Map:
		if r.IsNil() {
			return nil
		}
		if r.Type().Key().Kind() == reflect.String {
			m := make(map[string]any, r.Len())
			for it := r.MapRange(); it.Next(); {
				m[it.Key().String()] = it.Value().Interface()
			}
			return m
		}
	case reflect.Slice:
		if r.IsNil() {
			return nil
		}
		fallthrough
	case reflect.Array:
		if r.Type().Elem().Kind() != reflect.Uint8 {
			a := make([]any, r.Len())
			for i := range a {
				a[i] = r.Index(i).Interface()
			}
			return a
		}
	}
	return throughJSON(v)
}

// throughJSON turns v by encoding it and decoding what comes out, numbers with their digits.
func throughJSON(v any) (out any) {
	defer func() {
		if recover() != nil { // a Marshaler of the user's that panics
			out = Undefined
		}
	}()
	if Deeper(reflect.ValueOf(v), maxDepth) {
		return Undefined
	}
	text, err := json.Marshal(v)
	if err != nil {
		return Undefined
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return Undefined
	}
	return out
}

// widen returns the float64 that prints as f does.
func widen(f float32) float64 {
	if x, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64); err == nil {
		return x
	}
	return float64(f)
}

// IsNumber tells whether v is a number.
func IsNumber(v any) bool {
	switch v.(type) {
	case float64, int64, uint64, json.Number:
		return true
	}
	return false
}

// Float returns v as JavaScript's number, a double, and whether v is a number at all.
func Float(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case json.Number:
		f, err := strconv.ParseFloat(string(x), 64)
		if err != nil && !math.IsInf(f, 0) { // out of range is JavaScript's Infinity
			return math.NaN(), true
		}
		return f, true
	}
	return 0, false
}

// Truthy tells whether v counts as true: all but undefined, null, false, the empty string, 0 and NaN.
func Truthy(v any) bool {
	switch x := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return x
	case string:
		return x != ""
	}
	if f, ok := Float(v); ok {
		return f != 0 && !math.IsNaN(f)
	}
	return true
}

// LooselyEmpty tells whether v == "" holds in JavaScript: for "", 0, false, and an array that prints as nothing.
func LooselyEmpty(v any) bool {
	switch x := v.(type) {
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return String(x) == ""
	}
	f, ok := Float(v)
	return ok && f == 0
}

// IsSpace tells whether r is white space to JavaScript's trim and Number: it counts the byte order mark in and U+0085 out.
func IsSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}

// String returns v as JavaScript's String(v): numbers as AppendNumber writes them, arrays joined by commas with nothing for
// null, objects as [object Object].
func String(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case nil:
		return "null"
	case undefined:
		return "undefined"
	case bool:
		return strconv.FormatBool(x)
	case map[string]any:
		return "[object Object]"
	}
	return string(AppendString(nil, v))
}

// AppendString appends String(v) to dst.
func AppendString(dst []byte, v any) []byte { return appendString(dst, v, 0) }

// maxDepth bounds how deep an array is followed; what lies deeper prints as nothing, as JavaScript prints a cycle.
const maxDepth = 64

func appendString(dst []byte, v any, depth int) []byte {
	switch x := v.(type) {
	case string:
		return append(dst, x...)
	case float64, int64, uint64, json.Number:
		return AppendNumber(dst, v)
	case []any:
		if depth == maxDepth {
			return dst
		}
		for i, item := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			if item = Of(item); !IsNullish(item) {
				dst = appendString(dst, item, depth+1)
			}
		}
		return dst
	}
	return append(dst, String(v)...)
}

// AppendNumber appends a number as JavaScript prints it. Integers keep their digits, where a double would have lost some.
func AppendNumber(dst []byte, v any) []byte {
	switch x := v.(type) {
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case uint64:
		return strconv.AppendUint(dst, x, 10)
	case json.Number:
		if isIntegerText(string(x)) {
			return append(dst, x...)
		}
	}
	f, _ := Float(v)
	return AppendFloat(dst, f)
}

// isIntegerText tells whether s is an integer written out, without a sign before zero.
func isIntegerText(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] == '0' {
		return s == "0"
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// appendThousandths appends n/1000, which is no whole number.
func appendThousandths(dst []byte, n int64, negative bool) []byte {
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendInt(dst, n/1000, 10)
	places := n % 1000
	dst = append(dst, '.', byte('0'+places/100), byte('0'+places/10%10), byte('0'+places%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// maxSafe is the largest integer below which float64 has all others.
const maxSafe = 1<<53 - 1

// AppendFloat appends f as JavaScript's Number::toString prints it.
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		return append(dst, '0')
	}
	if whole := int64(f); float64(whole) == f && -maxSafe <= whole && whole <= maxSafe {
		return strconv.AppendInt(dst, whole, 10) // what most numbers are, and several times as fast
	}
	abs := math.Abs(f)
	// Amounts: up to three places. A decimal of at most 15 digits that gives f back is the shortest one that does.
	if thousandths := int64(abs*1000 + 0.5); abs < 1e12 && float64(thousandths)/1000 == abs {
		return appendThousandths(dst, thousandths, f < 0)
	}
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// strconv writes an exponent of two digits at least: 1e-07.
	if n := len(dst); n-from >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
