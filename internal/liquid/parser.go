package liquid

import "slices"

// node is a piece of a parsed template.
type node interface {
	render(r *run)
}

// block is what stands between two tags.
type block []placed

// placed is a node and where its tag or output starts.
type placed struct {
	node node
	at   int
}

// parser makes nodes of tokens.
type parser struct {
	src   []uint16
	toks  []token
	depth int
}

func (p *parser) fail(t token, reason string) error { return errorAt(p.src, t.begin, reason) }

// next returns the next token.
func (p *parser) next() (token, bool) {
	if len(p.toks) == 0 {
		return token{}, false
	}
	t := p.toks[0]
	p.toks = p.toks[1:]
	return t, true
}

// all parses what is left.
func (p *parser) all() (block, error) {
	var out block
	for {
		t, ok := p.next()
		if !ok {
			return out, nil
		}
		n, err := p.node(t)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
}

// until parses to the first tag that has one of the names ends, and returns that as well.
func (p *parser) until(open token, ends ...string) (block, token, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, token{}, p.fail(open, "tags are nested too deeply")
	}
	defer func() { p.depth-- }()
	var out block
	for {
		t, ok := p.next()
		if !ok {
			return nil, t, p.fail(open, "a tag "+open.name+" is not closed")
		}
		if t.kind == tagToken && slices.Contains(ends, t.name) {
			return out, t, nil
		}
		n, err := p.node(t)
		if err != nil {
			return nil, t, err
		}
		out = append(out, n)
	}
}

// skip drops the tokens up to the first tag of a name and returns them.
func (p *parser) skip(open token, end string) ([]token, error) {
	for i, t := range p.toks {
		if t.kind == tagToken && t.name == end {
			skipped := p.toks[:i]
			p.toks = p.toks[i+1:]
			return skipped, nil
		}
	}
	return nil, p.fail(open, "a tag "+open.name+" is not closed")
}

func (p *parser) node(t token) (placed, error) {
	n, err := p.parse(t)
	return placed{n, t.begin}, err
}

func (p *parser) parse(t token) (node, error) {
	switch t.kind {
	case textToken:
		return textNode(fromUnits(p.src[t.from:t.to])), nil
	case outputToken:
		c, err := t.scanner(p.src).chain()
		return &output{c}, err
	}
	switch t.name {
	case "assign":
		return p.assign(t)
	case "capture":
		return p.capture(t)
	case "increment":
		return &counter{name: t.scanner(p.src).name(), by: 1}, nil
	case "decrement":
		return &counter{name: t.scanner(p.src).name(), by: -1}, nil
	case "if":
		return p.conditional(t)
	case "unless":
		return p.unless(t)
	case "cycle":
		return p.cycle(t)
	case "echo":
		return p.echo(t)
	case "liquid":
		return p.liquid(t)
	case "raw":
		return p.raw(t)
	case "comment":
		_, err := p.skip(t, "endcomment")
		return textNode(""), err
	case "#":
		return p.remark(t)
	case "block":
		body, _, err := p.until(t, "endblock")
		return group(body), err
	case "break", "continue":
		return stop{}, nil
	case "case", "for", "include", "layout", "render", "tablerow":
		return nil, p.fail(t, "tag "+t.name+" is disabled")
	}
	return nil, p.fail(t, "there is no tag "+t.name)
}
