package mapping

import (
	"math"
	"strings"
)

// Warning points out a place where a trigger may not mean what it says. Such a trigger runs, here as at Segment.
type Warning struct {
	// Offset is the place in the trigger's text, in bytes.
	Offset int
	// Advice says what happens there and what to write instead. It repeats no values of the trigger.
	Advice string
}

// maxTriggerWarnings bounds how many warnings a trigger made of slips alone can cause.
const maxTriggerWarnings = 100

// Warnings returns what a reader of the trigger should know, in the order of the text, at most 100 of them: and with or
// mixed in one level, conditions that can never match, alone or together, functions that are dropped, groups that end early, words
// that are passed over. The slice is the caller's.
func (t *Trigger) Warnings() []Warning { return append([]Warning(nil), t.warnings...) }

func (p *triggerParser) warn(offset int, advice string) {
	if len(p.warnings) < maxTriggerWarnings {
		p.warnings = append(p.warnings, Warning{offset, advice})
	}
}

// warnMixed warns of a level that has both and and or; last decides.
func (p *triggerParser) warnMixed(last triggerToken) {
	p.warn(last.offset, "this level mixes and with or: the last one written, here "+last.text+
		", counts for all of it; put what belongs together in parentheses")
}

// warnGroup warns of a group with a parenthesis of inner within it, unless nothing but its own end is left in rest.
func (p *triggerParser) warnGroup(open triggerToken, inner int, rest tokenQueue) {
	p.strays += inner
	if inner > 0 && rest[0].kind != tokenClose {
		p.warn(open.offset, "this group ends at the parenthesis that closes its first function, and what follows that "+
			"belongs to the level around the group; put one function in a group, at its end")
	}
}

// warnIgnored warns of a token that begins no condition.
func (p *triggerParser) warnIgnored(token triggerToken) {
	switch {
	case token.kind == tokenClose && p.strays > 0:
		p.strays--
	case token.kind == tokenClose:
		p.warn(token.offset, "a closing parenthesis without an opening one is passed over")
	case token.text == "!" && token.kind == tokenOperator:
		p.warn(token.offset, "a ! counts only in front of contains and match; here it is passed over")
	case strings.EqualFold(token.text, "and"), strings.EqualFold(token.text, "or"):
		p.warn(token.offset, "and and or are written in lower case, with white space behind; here the word is passed over")
	default:
		p.warn(token.offset, "this belongs to no condition and is passed over")
	}
}

// warnCondition warns of a comparison that does something other than it seems to.
func (p *triggerParser) warnCondition(c *triggerCondition, path, operator, value triggerToken) {
	if c.root < rootProperties && strings.Contains(path.text, ".") {
		p.warn(path.offset, rootNames[c.root]+" has no members: what follows the dot is passed over")
	}
	at := value.offset
	switch {
	case c.op == opNone:
		p.warn(operator.offset, "this is no operator: the condition never matches")
	case c.op == opExists, c.op == opNotExists, c.op == opTrue, c.op == opFalse:
	case value.kind == tokenEnd:
		p.warn(at, "the value is missing: the condition compares with the text eos, which is what Segment calls the end")
	case value.kind != tokenString && value.kind != tokenNumber && value.kind != tokenWord && value.kind != tokenNull:
		p.warn(at, "this is no value, but is compared with as a text")
	case strings.HasPrefix(value.text, "'"):
		p.warn(at, "single quotes are part of the value: use double quotes")
	case c.op >= opLess && c.op <= opGreaterOrEqual:
		if math.IsNaN(c.number) {
			p.warn(at, "this operator needs a number: the condition never matches")
		}
	case value.kind == tokenNull:
		p.warn(at, "this compares with the text null: "+rootNames[c.root]+" cannot be tested for null")
	case value.text == "true", value.text == "false":
		if c.root < rootUserID {
			p.warn(at, "this compares with a text: "+rootNames[c.root]+" cannot be tested for true and false")
		} else {
			p.warn(at, "this compares with a text, and holds for both true and false: compare by = with the opposite")
		}
	}
}

// warnFunction warns of a function whose value is not what it seems to be.
func (p *triggerParser) warnFunction(name, value triggerToken) {
	text := value.text
	switch {
	case strings.HasPrefix(text, "'"):
		p.warn(value.offset, "single quotes are part of the value: use double quotes")
	case value.kind != tokenString:
		p.warn(value.offset, name.text+" needs a text in double quotes here")
	case name.text != "match":
	case !strings.HasPrefix(text, `"*`) && !strings.HasSuffix(text, `*"`):
		p.warn(value.offset, "match needs a * at the beginning or at the end: without one the first character is passed over")
	case strings.HasPrefix(text, `"*`) && strings.HasSuffix(text, `*"`) && text != `"*"`:
		p.warn(value.offset, "match takes one *: the first of two stands for itself; use contains")
	}
}

// warnDropped warns of a function on a path that has none.
func (p *triggerParser) warnDropped(function, path triggerToken) {
	if path.text == "type" {
		p.warn(function.offset, "Segment drops a function on type: compare type by = or !=")
		return
	}
	p.warn(function.offset, "Segment drops a function unless it is on event, name, userId, properties, traits or context")
}

// warnContradictions warns of conditions that cannot hold together, all of which have to.
func (p *triggerParser) warnContradictions(conditions []triggerNode) {
	only := map[string]any{} // by path, the only value that the first condition to ask for one lets through
	for i := range conditions {
		if v, ok := conditions[i].condition.onlyValue(); ok && conditions[i].kind == triggerCompares {
			path := conditions[i].condition.pathText()
			if _, ok := only[path]; !ok {
				only[path] = v
			}
		}
	}
	if len(only) == 0 {
		return
	}
	for i := range conditions {
		c := &conditions[i].condition
		if conditions[i].kind != triggerCompares {
			continue
		}
		if v, ok := only[c.pathText()]; ok && !c.holds(v) {
			p.warn(conditions[i].offset, "this contradicts another condition on "+c.pathText()+
				" in the same level, all of which has to hold: the level never matches")
		}
	}
}

// onlyValue returns the value that the condition asks for, if it lets through one alone.
func (c *triggerCondition) onlyValue() (any, bool) {
	switch c.op {
	case opEquals:
		return c.text, true
	case opNumberEquals:
		return c.number, true
	case opTrue, opFalse:
		return c.op == opTrue, true
	case opNotExists:
		return nil, true
	}
	return nil, false
}
