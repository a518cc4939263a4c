package mapping

import (
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// triggerRoot is the member of a record that a condition reads.
type triggerRoot uint8

// The order counts: from rootName on null can be tested for, from rootUserID on true and false, from rootProperties on numbers, and
// those have members of their own.
const (
	rootNone triggerRoot = iota
	rootType
	rootEvent
	rootName
	rootUserID
	rootProperties
	rootTraits
	rootContext
)

var rootNames = [...]string{"", "type", "event", "name", "userId", "properties", "traits", "context"}

// rootNamed returns the root with exactly that name, or rootNone.
func rootNamed(name string) triggerRoot {
	for root, n := range rootNames {
		if n == name {
			return triggerRoot(root)
		}
	}
	return rootNone
}

// rootOf returns the root that the first word of a path names, or rootNone.
func rootOf(path string) triggerRoot {
	head, _, _ := strings.Cut(path, ".")
	return rootNamed(head)
}

// functionRoot returns the root that a function's path begins with, or rootNone, with which Segment drops the function.
func functionRoot(path string) triggerRoot {
	for root := rootProperties; root <= rootContext; root++ {
		if strings.HasPrefix(path, rootNames[root]) {
			return root
		}
	}
	if root := rootNamed(path); root == rootEvent || root == rootName || root == rootUserID {
		return root
	}
	return rootNone
}

type triggerOperator uint8

// The opposites of contains and its kin come right behind them.
const (
	opNone triggerOperator = iota // an operator that Segment does not know never matches
	opEquals
	opNotEquals
	opNumberEquals
	opNumberNotEquals
	opLess
	opLessOrEqual
	opGreater
	opGreaterOrEqual
	opContains
	opNotContains
	opStartsWith
	opNotStartsWith
	opEndsWith
	opNotEndsWith
	opExists
	opNotExists
	opTrue
	opFalse
)

// triggerOperators has the operators by the names that they have within Segment, all of which its parser takes in a trigger
// as well: event contains "x".
var triggerOperators = map[string]triggerOperator{
	"=": opEquals, "!=": opNotEquals, "<": opLess, "<=": opLessOrEqual, ">": opGreater, ">=": opGreaterOrEqual,
	"number_equals": opNumberEquals, "number_not_equals": opNumberNotEquals,
	"contains": opContains, "not_contains": opNotContains,
	"starts_with": opStartsWith, "not_starts_with": opNotStartsWith,
	"ends_with": opEndsWith, "not_ends_with": opNotEndsWith,
	"exists": opExists, "not_exists": opNotExists,
	"is_true": opTrue, "is_false": opFalse,
}

// triggerCondition compares one value of a record.
type triggerCondition struct {
	root   triggerRoot
	path   path // below root
	op     triggerOperator
	text   string  // the value as JavaScript's text
	number float64 // and as its number
	half   rune    // what stands before text is a character with this second half; 0 for any or none
}

// newTriggerCondition returns a condition on the path that word is, with its operator still open.
func newTriggerCondition(root triggerRoot, word string, value triggerToken) triggerCondition {
	c := triggerCondition{root: root, text: value.text}
	if root >= rootProperties {
		// A word that only begins like a root, which a function lets through, is looked up under that root whole.
		below := strings.TrimPrefix(word, rootNames[root]+".")
		for name := range strings.FieldsFuncSeq(below, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
			k := key{name: name, index: -1}
			if i, ok := arrayIndex(name); ok {
				k.index = i
			}
			c.path = append(c.path, k)
		}
	}
	switch {
	case value.kind == tokenString:
		c.text = strings.Trim(value.text, `"`)
		c.number = jsvalue.ParseNumber(c.text)
	case value.kind == tokenNumber:
		c.number = jsvalue.ParseNumber(value.text)
		c.text = string(jsvalue.AppendFloat(nil, c.number))
	case value.kind == tokenWord && value.text == "true" && root >= rootProperties:
		c.number = 1
	case value.kind == tokenWord && value.text == "false" && root >= rootProperties:
		c.number = 0
	default:
		c.number = jsvalue.ParseNumber(value.text)
	}
	return c
}

// node returns the condition as a node. Segment fails where a path below its root has no name in it, such as a lone dot.
func (c triggerCondition) node(offset int) triggerNode {
	if c.root >= rootProperties && len(c.path) == 0 {
		return triggerNode{kind: triggerFails, offset: offset}
	}
	return triggerNode{kind: triggerCompares, offset: offset, condition: c}
}

// cutFirst takes the first UTF-16 unit off the text, which can be half of a character.
func (c *triggerCondition) cutFirst() {
	r, size := utf8.DecodeRuneInString(c.text)
	c.text = c.text[size:]
	if r > math.MaxUint16 {
		_, c.half = utf16.EncodeRune(r)
	}
}

// holds tells whether the condition holds of v, the value at its path: nil where there is none.
func (c *triggerCondition) holds(v any) bool {
	switch c.op {
	case opExists:
		return v != nil
	case opNotExists:
		return v == nil
	case opTrue:
		return v == true
	case opFalse:
		return v == false
	case opEquals, opNotEquals:
		text, ok := v.(string)
		return (ok && text == c.text) == (c.op == opEquals)
	case opContains, opStartsWith, opEndsWith:
		text, ok := v.(string)
		return ok && c.holdsOf(c.op, text)
	case opNotContains, opNotStartsWith, opNotEndsWith:
		text, ok := v.(string)
		return ok && !c.holdsOf(c.op-1, text)
	}
	number, ok := jsvalue.Float(v)
	if !ok {
		return false
	}
	switch c.op {
	case opNumberEquals:
		return number == c.number
	case opNumberNotEquals:
		return number != c.number
	case opLess:
		return number < c.number
	case opLessOrEqual:
		return number <= c.number
	case opGreater:
		return number > c.number
	case opGreaterOrEqual:
		return number >= c.number
	}
	return false
}

func (c *triggerCondition) holdsOf(op triggerOperator, text string) bool {
	switch op {
	case opContains:
		return strings.Contains(text, c.text)
	case opStartsWith:
		return strings.HasPrefix(text, c.text)
	}
	rest, ok := strings.CutSuffix(text, c.text)
	if !ok || c.half == 0 {
		return ok
	}
	r, _ := utf8.DecodeLastRuneInString(rest)
	_, half := utf16.EncodeRune(r)
	return half == c.half
}

// value returns what a record has at the condition's path, or nil.
func (c *triggerCondition) value(record map[string]any) any {
	v := c.path.get(valueOf(record[rootNames[c.root]]))
	if jsvalue.IsUndefined(v) {
		return nil
	}
	return v
}

// pathText returns the condition's path as Paths tells it.
func (c *triggerCondition) pathText() string {
	var b strings.Builder
	b.WriteString(rootNames[c.root])
	for _, k := range c.path {
		b.WriteByte('.')
		b.WriteString(k.name)
	}
	return b.String()
}
