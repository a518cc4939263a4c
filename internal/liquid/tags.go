package liquid

import (
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// textNode is text outside tags and outputs.
type textNode string

func (n textNode) render(r *run) { r.write(string(n)) }

// output is {{ }}, and the echo tag.
type output struct{ value *chain }

func (o *output) render(r *run) { r.print(o.value.eval(r)) }

func (p *parser) echo(t token) (node, error) {
	s := t.scanner(p.src)
	if s.end() {
		return textNode(""), nil
	}
	c, err := s.chain()
	return &output{c}, err
}

// group is a row of nodes in the place of one.
type group block

func (g group) render(r *run) { r.block(block(g)) }

// liquid parses a tag that holds tags, one a line.
func (p *parser) liquid(t token) (node, error) {
	toks, err := lines(t.scanner(p.src))
	if err != nil {
		return nil, err
	}
	body, err := (&parser{src: p.src, toks: toks, depth: p.depth + 1}).all()
	return group(body), err
}

// raw parses a tag whose inside is text, whatever it looks like.
func (p *parser) raw(t token) (node, error) {
	toks, err := p.skip(t, "endraw")
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, t := range toks {
		out = appendText(out, fromUnits(p.src[t.begin:t.end]))
	}
	return textNode(out), nil
}

// remark parses a comment of the form {% # %}, each line of which begins with #.
func (p *parser) remark(t token) (node, error) {
	rest := p.src[min(t.args, t.to):t.to]
	for {
		i := slices.Index(rest, '\n')
		if i < 0 {
			return textNode(""), nil
		}
		rest = rest[i+1:]
		if first := slices.IndexFunc(rest, func(u uint16) bool { return !jsvalue.IsSpace(rune(u)) }); first >= 0 && rest[first] != '#' {
			return nil, p.fail(t, "a line of the comment does not begin with #")
		}
	}
}

// stop is the tags break and continue. Without a loop to leave they end the whole template.
type stop struct{}

func (stop) render(r *run) { r.stopped = true }

// assignment gives a name a value.
type assignment struct {
	name  string
	value *chain
}

func (a *assignment) render(r *run) {
	v := a.value.eval(r)
	r.assign(a.name, v)
}

func (p *parser) assign(t token) (node, error) {
	s := t.scanner(p.src)
	name := s.name()
	if name == "" {
		return nil, s.fail("a variable's name is missing")
	}
	if s.skipBlank(); s.peek(0) != '=' {
		return nil, s.fail("a variable's value begins with =")
	}
	s.p++
	c, err := s.chain()
	return &assignment{name, c}, err
}

// capture gives a name what its inside renders to.
type capture struct {
	name string
	body block
}

func (c *capture) render(r *run) {
	outer := r.out
	r.out = nil
	r.block(c.body)
	if r.use(len(r.out)) {
		r.assign(c.name, string(r.out))
	}
	r.out = outer
}

func (p *parser) capture(t token) (node, error) {
	s := t.scanner(p.src)
	name := s.name()
	if name == "" {
		if !s.is(0, quoteUnit) {
			return nil, s.fail("a variable's name is missing")
		}
		lit, err := s.quoted()
		if err != nil {
			return nil, err
		}
		name, _ = lit.(literal).value.(string)
	}
	body, _, err := p.until(t, "endcapture")
	return &capture{name, body}, err
}

// counter is the tags increment, which prints and then counts up, and decrement, which counts down and then prints.
type counter struct {
	name string
	by   float64
}

func (c *counter) render(r *run) {
	n := r.count(c.name, c.by)
	if c.by < 0 {
		n += c.by
	}
	r.print(n)
}

// cycle prints its candidates in turn. Cycles of the same group and number of candidates share their turns.
type cycle struct {
	group      operand // nil for none
	candidates []operand
}

func (c *cycle) render(r *run) {
	group := undefined
	if c.group != nil {
		group = c.group.eval(r)
	}
	v := c.candidates[r.nextOf(r.jsText(group), len(c.candidates))].eval(r)
	if truthy(v) { // 0 and false print nothing here
		r.print(v)
	}
}

func (p *parser) cycle(t token) (node, error) {
	s := t.scanner(p.src)
	c := &cycle{}
	first, err := s.value()
	if err != nil {
		return nil, err
	}
	if s.skipBlank(); first != nil && s.peek(0) == ':' {
		c.group = first
		s.p++
	} else if first != nil {
		c.candidates = append(c.candidates, first)
	}
	for !s.end() {
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		if v != nil {
			c.candidates = append(c.candidates, v)
		}
		s.to(',')
	}
	if len(c.candidates) == 0 {
		return nil, p.fail(t, "a cycle has no candidates")
	}
	return c, nil
}
