package liquid

// drop is one of the words that stand for no value: nil (null), empty and blank. They compare by rules of their own, and
// are null or "" to everything that is not a comparison.
type drop uint8

const (
	nilDrop drop = iota
	emptyDrop
	blankDrop
)

// value returns what d is outside comparisons.
func (d drop) value() any {
	if d == nilDrop {
		return nil
	}
	return ""
}

// toValue returns v, or what it stands for.
func toValue(v any) any {
	if d, ok := v.(drop); ok {
		return d.value()
	}
	return v
}

// equals tells whether v == d in a template.
func (d drop) equals(v any) bool {
	if d == nilDrop {
		return isNil(toValue(v))
	}
	if d == blankDrop {
		switch x := v.(type) {
		case bool:
			return !x
		case string:
			return trimSpace(x) == ""
		}
		if isNil(toValue(v)) {
			return true
		}
	}
	switch x := v.(type) {
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	}
	return false // an empty or blank is not equal to another
}

// member returns what a path reads from d: the methods that LiquidJS's objects for these words have, called without an argument.
func (d drop) member(r *run, key string) any {
	switch key {
	case "gt", "geq", "lt", "leq", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable":
		return false
	case "equals":
		return d != emptyDrop
	case "valueOf":
		return d.value()
	case "toString", "toLocaleString":
		return objectText
	case "constructor":
		r.fail("a class cannot be called")
	}
	return undefined
}
