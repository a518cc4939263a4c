package liquid

import (
	"reflect"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// operator is an operator of expressions; its value is its index in operatorWords.
type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opGreater
	opLess
	opAtLeast
	opAtMost
	opContains
	opNot
	opAnd
	opOr
)

var operatorWords = []string{"==", "!=", ">", "<", ">=", "<=", "contains", "not", "and", "or"}

func (o operator) precedence() int {
	switch o {
	case opNot:
		return 1
	case opAnd, opOr:
		return 0
	}
	return 2
}

// apply returns l o r. Not, which has one side, is not among what it knows.
func (o operator) apply(r *run, left, right any) bool {
	switch o {
	case opEqual:
		return r.equal(left, right, 0)
	case opNotEqual:
		return !r.equal(left, right, 0)
	case opContains:
		return r.contains(left, right)
	case opAnd:
		return !isFalse(left) && !isFalse(right)
	case opOr:
		return !isFalse(left) || !isFalse(right)
	}
	return r.ordered(o, left, right)
}

// ordered tells whether left stands to right as o says: as text if both are text, else as numbers. To a drop nothing does.
func (r *run) ordered(o operator, left, right any) bool {
	if isDrop(left) || isDrop(right) {
		return false
	}
	left, right = r.scalar(left), r.scalar(right)
	a, textA := left.(string)
	b, textB := right.(string)
	if textA && textB {
		if !r.walk(min(len(a), len(b))) {
			return false
		}
		return holds(o, float64(compareUnits(a, b)), 0)
	}
	return holds(o, r.number(left), r.number(right))
}

func isDrop(v any) bool {
	_, ok := v.(drop)
	return ok
}

func holds(o operator, a, b float64) bool {
	switch o {
	case opGreater:
		return a > b
	case opLess:
		return a < b
	case opAtLeast:
		return a >= b
	}
	return a <= b
}

// equal tells whether a == b: without conversion, arrays item by item, an object only to itself.
func (r *run) equal(a, b any, depth int) bool {
	if d, ok := a.(drop); ok {
		return r.equalDrop(d, b)
	}
	if d, ok := b.(drop); ok {
		return r.equalDrop(d, a)
	}
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && r.equalArrays(x, y, depth)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && reflect.ValueOf(x).UnsafePointer() == reflect.ValueOf(y).UnsafePointer()
	case string:
		y, ok := b.(string)
		return ok && r.read(min(len(x), len(y))) && x == y
	case bool:
		return b == x
	}
	if isNil(a) {
		return isNil(b) && (a == nil) == (b == nil)
	}
	x, okX := jsvalue.Float(a)
	y, okY := jsvalue.Float(b)
	return okX && okY && x == y
}

func (r *run) equalDrop(d drop, v any) bool {
	if s, ok := v.(string); ok && !r.walk(len(s)) {
		return false
	}
	return d.equals(v)
}

func (r *run) equalArrays(a, b []any, depth int) bool {
	if len(a) != len(b) {
		return false
	}
	if depth == maxDepth {
		r.fail("a value is nested too deeply")
		return false
	}
	for i := range a {
		if !r.step(1) || !r.equal(of(a[i]), of(b[i]), depth+1) {
			return false
		}
	}
	return true
}

// contains tells whether an array has an item equal to v, or text holds v's text. Nothing else contains anything.
func (r *run) contains(in, v any) bool {
	switch x := toValue(in).(type) {
	case []any:
		for _, item := range x {
			if !r.step(1) {
				return false
			}
			if r.equal(of(item), v, 0) {
				return true
			}
		}
	case string:
		part := r.jsText(toValue(v))
		return r.read(len(x)) && r.indexOf(x, part) >= 0
	}
	return false
}
