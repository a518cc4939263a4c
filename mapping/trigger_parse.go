package mapping

import "strings"

// triggerParser turns tokens into conditions as Segment's parser does. That one looks at few of the tokens that it takes: a
// condition is three tokens, a function six, whatever the second or the fourth may be, and a token that begins neither is
// passed over.
type triggerParser struct {
	inGroup  bool
	strays   int // closing parentheses to come whose opening ones were taken by a group or a function
	warnings []Warning
}

// tokenQueue hands out tokens from the front.
type tokenQueue []triggerToken

// shift takes the next token, or tells that there is none, not even the one at the end.
func (q *tokenQueue) shift() (triggerToken, bool) {
	if len(*q) == 0 {
		return triggerToken{}, false
	}
	t := (*q)[0]
	*q = (*q)[1:]
	return t, true
}

// level parses one level: all of the trigger, or a group. The result is its one condition or group, a node of two and
// more, or an empty node.
func (p *triggerParser) level(tokens tokenQueue) (triggerNode, error) {
	level := triggerNode{kind: triggerAnd, offset: tokens[0].offset}
	var join triggerToken
	mixed := false
	for {
		token, ok := tokens.shift()
		if !ok || token.kind == tokenEnd {
			break
		}
		var err error
		switch {
		case token.kind == tokenJoin:
			mixed = mixed || join.text != "" && join.text != token.text
			join = token
		case token.kind == tokenOpen:
			err = p.group(&level, token, &tokens)
		case token.kind == tokenWord && rootOf(token.text) != rootNone:
			err = p.condition(&level, token, &tokens)
		case isFunction(token):
			err = p.function(&level, token, token, &tokens)
		case token.text == "!" && token.kind == tokenOperator && isFunction(tokens[0]):
			name, _ := tokens.shift()
			err = p.function(&level, token, name, &tokens)
		default:
			p.warnIgnored(token)
		}
		if err != nil {
			return level, err
		}
	}
	if mixed {
		p.warnMixed(join)
	}
	switch len(level.children) {
	case 0:
		return triggerNode{kind: triggerEmpty, offset: level.offset}, nil
	case 1:
		return level.children[0], nil
	}
	if join.text == "or" {
		level.kind = triggerOr
	} else {
		p.warnContradictions(level.children)
	}
	return level, nil
}

// group parses what open begins, and that ends with the next closing parenthesis, whosever it was meant to be.
func (p *triggerParser) group(level *triggerNode, open triggerToken, tokens *tokenQueue) error {
	length, inner := 0, 0
	for ; length < len(*tokens) && (*tokens)[length].kind != tokenClose; length++ {
		if (*tokens)[length].kind == tokenOpen {
			inner++
		}
	}
	if length == len(*tokens) {
		reason := "a parenthesis is not closed"
		if p.inGroup {
			reason = "a group may not lie in another group"
		}
		return &TriggerError{open.offset, reason}
	}
	ending := (*tokens)[length]
	members := append(tokenQueue(nil), (*tokens)[:length]...)
	members = append(members, triggerToken{tokenEnd, endText, ending.offset})
	*tokens = (*tokens)[length+1:]
	p.warnGroup(open, inner, *tokens)

	p.inGroup = true
	node, err := p.level(members)
	p.inGroup = false
	if err != nil {
		return err
	}
	if node.kind == triggerEmpty {
		p.warn(open.offset, "there is no condition in this group: Segment fails when it gets there, and the trigger does not match")
	}
	level.children = append(level.children, node)
	return nil
}

// condition parses a comparison: path, which is taken already, an operator and a value.
func (p *triggerParser) condition(level *triggerNode, path triggerToken, tokens *tokenQueue) error {
	operator, _ := tokens.shift() // at worst the end
	value, ok := tokens.shift()
	if !ok {
		return &TriggerError{operator.offset, "a condition ends early"}
	}
	c := newTriggerCondition(rootOf(path.text), path.text, value)
	c.op = operatorOf(c.root, operator, value)
	p.warnCondition(&c, path, operator, value)
	level.children = append(level.children, c.node(path.offset))
	return nil
}

// operatorOf returns what an operator between a path under root and a value tests.
func operatorOf(root triggerRoot, operator, value triggerToken) triggerOperator {
	name, member := operator.text, root >= rootProperties
	switch {
	case name == "!=" && value.text == "null" && root >= rootName:
		return opExists
	case name == "=" && value.text == "null" && root >= rootName:
		return opNotExists
	case name == "=" && value.text == "true" && root >= rootUserID:
		return opTrue
	case name == "=" && value.text == "false" && root >= rootUserID:
		return opFalse
	case name == "=" && value.kind == tokenNumber && member:
		return opNumberEquals
	case name == "!=" && value.kind == tokenNumber && member:
		return opNumberNotEquals
	}
	return triggerOperators[name]
}

func isFunction(t triggerToken) bool {
	return t.kind == tokenWord && (t.text == "contains" || t.text == "match")
}

// function parses contains(path, value) or match(path, value). name is taken already, and first is it or the ! in front.
func (p *triggerParser) function(level *triggerNode, first, name triggerToken, tokens *tokenQueue) error {
	tokens.shift() // (
	path, ok := tokens.shift()
	if !ok {
		return &TriggerError{name.offset, "a function ends before its path"}
	}
	tokens.shift() // ,
	value, ok := tokens.shift()
	if !ok {
		return &TriggerError{name.offset, "a function ends before its value"}
	}
	tokens.shift() // )

	root := functionRoot(path.text)
	if root == rootNone {
		p.warnDropped(first, path)
		return nil
	}
	c := newTriggerCondition(root, path.text, value)
	switch {
	case name.text == "contains":
		c.op = opContains
	case strings.HasSuffix(value.text, `*"`):
		c.op = opStartsWith
		c.text = c.text[:len(c.text)-1]
	default:
		c.op = opEndsWith
		c.cutFirst()
	}
	if first.text == "!" {
		c.op++ // to its opposite
	}
	p.warnFunction(name, value)
	level.children = append(level.children, c.node(first.offset))
	return nil
}
