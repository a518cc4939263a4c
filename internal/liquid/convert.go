package liquid

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// A value in a template is one of jsvalue's kinds, or a drop.

var undefined = jsvalue.Undefined

// objectText is what an object looks like as text.
const objectText = "[object Object]"

// of returns a value of the record, or an item of an array, as one of the kinds a template knows.
func of(v any) any {
	switch x := v.(type) {
	case string:
		if utf8.ValidString(x) {
			return v
		}
		return clean(x)
	case drop:
		return v
	}
	return jsvalue.Of(v)
}

func isNil(v any) bool { return jsvalue.IsNullish(v) }

func isNumber(v any) bool { return jsvalue.IsNumber(v) }

// isFalse tells whether v is false to if, unless, and, or: all is true to them but false, null and undefined.
func isFalse(v any) bool {
	v = toValue(v)
	return v == false || isNil(v)
}

// truthy tells whether v is true to JavaScript, which is how some filters look at an argument.
func truthy(v any) bool {
	_, isDrop := v.(drop)
	return isDrop || jsvalue.Truthy(v)
}

func trimSpace(s string) string { return strings.TrimFunc(s, jsvalue.IsSpace) }

// text returns v as a template prints it: null and undefined as nothing, arrays as their items in a row.
func (r *run) text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case []any:
		return r.listText(x, "", true)
	}
	return r.scalarText(v, true)
}

// jsText returns v as JavaScript's String(v): unlike text, arrays are joined by commas, and a drop is an object.
func (r *run) jsText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case []any:
		return r.listText(x, ",", false)
	}
	return r.scalarText(v, false)
}

// scalarText returns the text of what is no array.
func (r *run) scalarText(v any, printed bool) string {
	switch x := v.(type) {
	case string:
		return x
	case drop:
		if printed {
			return ""
		}
		return objectText
	case map[string]any:
		r.primitive(x)
		return objectText
	}
	if printed && isNil(v) {
		return ""
	}
	return jsvalue.String(v)
}

// listText returns the items of list as text with sep between them. Null and undefined are nothing. As printed, arrays within list are
// their items in a row, otherwise they are joined by commas.
func (r *run) listText(list []any, sep string, printed bool) string {
	b := r.appendItems(nil, list, sep, printed, 0)
	if !r.use(len(b)) {
		return ""
	}
	return string(b)
}

func (r *run) appendItems(dst []byte, list []any, sep string, printed bool, depth int) []byte {
	if depth == maxDepth {
		r.fail("a value is nested too deeply")
		return dst
	}
	innerSep := ","
	if printed {
		innerSep = ""
	}
	for i, item := range list {
		if i > 0 {
			dst = r.appendTo(dst, sep)
		}
		item = of(item)
		if inner, ok := item.([]any); ok {
			dst = r.appendItems(dst, inner, innerSep, printed, depth+1)
		} else if !isNil(item) {
			dst = r.appendTo(dst, r.scalarText(item, printed))
		}
		if !r.step(1) {
			return dst
		}
	}
	return dst
}

// appendTo appends text to dst, and takes the memory for it.
func (r *run) appendTo(dst []byte, text string) []byte {
	dst, ok := r.grow(dst, len(text))
	if !ok {
		return dst
	}
	return appendText(dst, text)
}

// primitive fails the render if m cannot become text or a number: JavaScript calls the object's toString then, and a record
// whose member has that name puts a value there that is no function.
func (r *run) primitive(m map[string]any) {
	if _, ok := m["toString"]; ok {
		r.fail("an object with a member toString has no text")
	}
}

// scalar returns v as JavaScript's operators see it: arrays and objects as their text, everything else as it is.
func (r *run) scalar(v any) any {
	switch x := v.(type) {
	case drop:
		return x.value()
	case []any:
		return r.jsText(x)
	case map[string]any:
		r.primitive(x)
		return objectText
	}
	return v
}

// number returns v as JavaScript's Number(v).
func (r *run) number(v any) float64 {
	s := r.scalar(v)
	if text, ok := s.(string); ok && !r.read(len(text)) {
		return math.NaN()
	}
	return jsvalue.ToNumber(s)
}

// numberOrZero returns v as the filters of arithmetic take it: what is not a number is 0.
func (r *run) numberOrZero(v any) float64 {
	f := r.number(v)
	if math.IsNaN(f) {
		return 0
	}
	return f + 0 // JavaScript's -0 || 0 is 0
}

// add returns a + b: JavaScript's sum of numbers, or the text of both if one is text.
func (r *run) add(a, b any) any {
	a, b = r.scalar(a), r.scalar(b)
	_, textA := a.(string)
	_, textB := b.(string)
	if !textA && !textB {
		return r.number(a) + r.number(b)
	}
	x, y := r.jsText(a), r.jsText(b)
	if !r.use(len(x) + len(y)) {
		return ""
	}
	return concat(x, y)
}

// index returns v as JavaScript's slice takes an index: cut to an integer, counted from the end if below zero, within 0 to n.
func (r *run) index(v any, n int) int {
	f := r.number(v)
	switch {
	case math.IsNaN(f):
		return 0
	case f < 0:
		return int(max(0, math.Trunc(f)+float64(n)))
	}
	return int(min(math.Trunc(f), float64(n)))
}

// propertyKey returns v as the name of an object's member.
func (r *run) propertyKey(v any) string {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && f >= 0 && f < 1<<31 {
		return strconv.Itoa(int(f))
	}
	return r.jsText(v)
}

// arrayIndex returns the index that an array's member name stands for, or -1: "0" and "12", not "01" or "-1".
func arrayIndex(name string) int {
	if name == "" || len(name) > 9 || name[0] == '0' && name != "0" {
		return -1
	}
	n := 0
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return -1
		}
		n = n*10 + int(name[i]-'0')
	}
	return n
}
