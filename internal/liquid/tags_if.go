package liquid

// conditional is the tags if and unless with their elsif and else.
type conditional struct {
	branches  []branch
	otherwise block
}

// branch is rendered if its condition is true, or if it is of an unless and its condition is false.
type branch struct {
	condition *chain
	unless    bool
	body      block
}

func (c *conditional) render(r *run) {
	for i := range c.branches {
		b := &c.branches[i]
		holds := !isFalse(b.condition.eval(r))
		if r.failed() {
			return
		}
		if holds != b.unless {
			r.block(b.body)
			return
		}
	}
	r.block(c.otherwise)
}

// conditional parses an if tag: nothing follows else, and else and endif take no arguments.
func (p *parser) conditional(open token) (node, error) {
	c := &conditional{}
	condition, err := open.scanner(p.src).chain()
	if err != nil {
		return nil, err
	}
	inElse := false
	for {
		body, end, err := p.until(open, "elsif", "else", "endif")
		if err != nil {
			return nil, err
		}
		if inElse {
			c.otherwise = body
		} else {
			c.branches = append(c.branches, branch{condition: condition, body: body})
		}
		if end.name != "elsif" && end.args < end.to {
			return nil, p.fail(end, "a tag "+end.name+" takes no arguments")
		}
		if end.name == "endif" {
			return c, nil
		}
		if inElse {
			return nil, p.fail(end, "a tag "+end.name+" follows else")
		}
		if inElse = end.name == "else"; !inElse {
			if condition, err = end.scanner(p.src).chain(); err != nil {
				return nil, err
			}
		}
	}
}

// unless parses an unless tag. After the first else, what follows another else or an elsif is parsed and dropped.
func (p *parser) unless(open token) (node, error) {
	c := &conditional{}
	condition, err := open.scanner(p.src).chain()
	if err != nil {
		return nil, err
	}
	c.branches = []branch{{condition: condition, unless: true}}
	into, elses := &c.branches[0].body, 0
	for {
		body, end, err := p.until(open, "elsif", "else", "endunless")
		if err != nil {
			return nil, err
		}
		if into != nil {
			*into = body
		}
		switch {
		case end.name == "endunless":
			return c, nil
		case end.name == "else":
			into = nil
			if elses++; elses == 1 {
				into = &c.otherwise
			}
		case elses > 0:
			into = nil
		default:
			if condition, err = end.scanner(p.src).chain(); err != nil {
				return nil, err
			}
			c.branches = append(c.branches, branch{condition: condition})
			into = &c.branches[len(c.branches)-1].body
		}
	}
}
