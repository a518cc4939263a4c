package liquid

import "math"

// operand is what an expression reads: a literal, a range, a path.
type operand interface {
	eval(r *run) any
}

type literal struct{ value any }

func (l literal) eval(*run) any { return l.value }

// span is a range, which is an array of numbers.
type span struct{ low, high operand }

func (s *span) eval(r *run) any {
	low, high := r.number(s.low.eval(r)), r.number(s.high.eval(r))
	n := math.Ceil(high - low + 1)
	if !(n > 0) {
		return []any(nil)
	}
	if !r.want(n*bytesPerItem) || !r.step(int(n)) { // before anything is made
		return undefined
	}
	list := make([]any, 0, int(n))
	for f := low; f < high+1; f++ {
		if f+1 == f {
			r.fail("a range has no end")
			return undefined
		}
		list = append(list, f)
	}
	return list
}

// path is a row of members, read from a literal or, without a base, from what the template has assigned and the record.
type path struct {
	base operand
	keys []operand
}

func (p *path) eval(r *run) any {
	var v any
	keys := p.keys
	if p.base != nil {
		v = p.base.eval(r)
	} else {
		v = r.lookup(keys[0].eval(r))
		keys = keys[1:]
	}
	for _, key := range keys {
		v = r.member(v, key.eval(r))
	}
	return v
}

// expression is operands and operators in the order in which they are worked off: each operator after what it works on.
// LiquidJS takes any row of them; what is left over at the end is dropped, and what is missing is undefined.
type expression []term

// term is an operand, or if that is nil an operator.
type term struct {
	operand  operand
	operator operator
}

func (e expression) eval(r *run) any {
	if len(e) == 1 && e[0].operand != nil {
		return e[0].operand.eval(r)
	}
	stack := make([]any, 0, 4)
	pop := func() any {
		if len(stack) == 0 {
			return undefined
		}
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return v
	}
	for _, t := range e {
		if t.operand != nil {
			stack = append(stack, t.operand.eval(r))
			continue
		}
		right := pop()
		if t.operator == opNot {
			stack = append(stack, isFalse(right))
			continue
		}
		left := pop()
		stack = append(stack, t.operator.apply(r, left, right))
	}
	return stack[0]
}

// expression reads as many operands and operators as there are, which may be none.
func (s *scanner) expression() (expression, error) {
	var out expression
	var waiting []operator
	for !s.end() {
		if i := s.word(operatorWords); i >= 0 {
			// An operator waits for those after it that do not bind looser, its own kind among them: a and b or c is
			// a and (b or c).
			op := operator(i)
			for n := len(waiting); n > 0 && waiting[n-1].precedence() > op.precedence(); n-- {
				out = append(out, term{operator: waiting[n-1]})
				waiting = waiting[:n-1]
			}
			waiting = append(waiting, op)
			continue
		}
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		if v == nil {
			break
		}
		out = append(out, term{operand: v})
	}
	for n := len(waiting); n > 0; n-- {
		out = append(out, term{operator: waiting[n-1]})
	}
	return out, nil
}

// chain is an expression and the filters it goes through.
type chain struct {
	expression expression
	filters    []filterCall
}

// filterCall is a filter as a template calls it.
type filterCall struct {
	name string
	run  filter // nil for a name that is no filter's: the value passes through
	args []argument
}

// argument is a value given to a filter, by itself or with a name: default: "x", allow_false: true.
type argument struct {
	name  string
	named bool
	value operand // nil for a name without a value
}

func (c *chain) eval(r *run) any {
	v := c.expression.eval(r)
	for i := range c.filters {
		if !r.step(1) {
			return undefined
		}
		v = c.filters[i].eval(r, v)
	}
	return v
}

func (f *filterCall) eval(r *run, v any) any {
	base := len(r.args)
	for _, a := range f.args {
		r.args = append(r.args, a.eval(r))
	}
	if f.run != nil && !r.failed() {
		v = f.run(r, v, r.args[base:])
	}
	r.args = r.args[:base]
	return v
}

func (a argument) eval(r *run) any {
	v := undefined
	if a.value != nil {
		v = a.value.eval(r)
	}
	if a.named {
		return []any{a.name, v} // as the filters of arithmetic see it: a pair
	}
	return v
}

// chain reads an expression and its filters; nothing else may follow.
func (s *scanner) chain() (*chain, error) {
	from := s.p
	e, err := s.expression()
	if err != nil {
		return nil, err
	}
	if len(e) == 0 {
		s.p = from
		return nil, s.fail("a value is missing")
	}
	c := &chain{expression: e}
	for {
		call, err := s.filter()
		if err != nil {
			return nil, err
		}
		if call == nil {
			return c, nil
		}
		c.filters = append(c.filters, *call)
	}
}

// filter reads | name: arguments. It returns nil where there is none.
func (s *scanner) filter() (*filterCall, error) {
	if s.skipBlank(); s.end() {
		return nil, nil
	}
	if s.peek(0) != '|' {
		return nil, s.fail("a filter begins with |")
	}
	s.p++
	name := s.name()
	if name == "" {
		if !s.end() {
			return nil, s.fail("a filter's name is missing")
		}
		return nil, nil
	}
	call := &filterCall{name: name, run: filterNamed(name)}
	s.skipBlank()
	switch {
	case s.peek(0) == ':':
		return call, s.arguments(call)
	case s.end(), s.peek(0) == '|':
		return call, nil
	}
	return nil, s.fail("a filter's arguments begin with :")
}

func (s *scanner) arguments(call *filterCall) error {
	for {
		s.p++ // the colon, or a comma
		arg, ok, err := s.argument()
		if err != nil {
			return err
		}
		if ok {
			call.args = append(call.args, arg)
		}
		s.skipBlank()
		switch {
		case s.end(), s.peek(0) == '|':
			return nil
		case s.peek(0) != ',':
			return s.fail("a filter's arguments are parted by commas")
		}
	}
}

func (s *scanner) argument() (arg argument, ok bool, err error) {
	s.skipBlank()
	from := s.p
	v, err := s.value()
	if v == nil || err != nil {
		return arg, false, err
	}
	name := s.text(from)
	if s.skipBlank(); s.peek(0) != ':' {
		return argument{value: v}, true, nil
	}
	s.p++
	v, err = s.value()
	return argument{name: name, named: true, value: v}, true, err
}
