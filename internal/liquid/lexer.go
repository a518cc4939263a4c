package liquid

import "slices"

type tokenKind uint8

const (
	textToken   tokenKind = iota
	outputToken           // {{ }}
	tagToken              // {% %}, or a line of a liquid tag
)

// token is a piece of a template: text, an output or a tag.
type token struct {
	kind       tokenKind
	begin, end int // all of it
	from, to   int // an output's and a tag's inside without its blanks; the text that is left after trimming

	trimLeft, trimRight bool   // written with - at that side
	name                string // of a tag
	args                int    // where a tag's inside goes on after its name
}

// scanner returns one over what the token holds: all of an output, what follows a tag's name.
func (t token) scanner(src []uint16) *scanner {
	p := t.from
	if t.kind == tagToken {
		p = t.args
	}
	return &scanner{src: src, p: p, n: t.to}
}

// lexer cuts a template into tokens.
type lexer struct {
	src []uint16
	p   int
	out []token
}

// tokens cuts src into tokens and trims the text beside tags that ask for it.
func tokens(src []uint16) ([]token, error) {
	l := &lexer{src: src}
	for l.p < len(src) {
		var err error
		switch {
		case l.at('{', '%'):
			err = l.tag()
		case l.at('{', '{'):
			err = l.output()
		default:
			l.text()
		}
		if err != nil {
			return nil, err
		}
	}
	trim(src, l.out)
	return l.out, nil
}

// at tells whether the next two units are a and b.
func (l *lexer) at(a, b uint16) bool {
	return l.p+1 < len(l.src) && l.src[l.p] == a && l.src[l.p+1] == b
}

// past tells whether the last two units were a and b.
func (l *lexer) past(a, b uint16) bool {
	return l.p >= 2 && l.src[l.p-2] == a && l.src[l.p-1] == b
}

func (l *lexer) text() {
	begin := l.p
	for l.p < len(l.src) && !l.at('{', '%') && !l.at('{', '{') {
		l.p++
	}
	l.addText(begin, l.p)
}

func (l *lexer) addText(begin, end int) {
	l.out = append(l.out, token{kind: textToken, begin: begin, end: end, from: begin, to: end})
}

// output reads to the }} that stands in no string.
func (l *lexer) output() error {
	begin := l.p
	s := scanner{src: l.src, p: begin, n: len(l.src)}
	for !s.end() {
		if s.is(0, quoteUnit) {
			s.skipQuoted()
			continue
		}
		s.p++
		if l.p = s.p; l.past('}', '}') {
			t := delimited(l.src, begin+2, l.p-2)
			t.kind, t.begin, t.end = outputToken, begin, l.p
			l.out = append(l.out, t)
			return nil
		}
	}
	return errorAt(l.src, begin, "an output is not closed")
}

// tag reads to the next %}, in a string or not, and after a raw tag up to the one that ends it.
func (l *lexer) tag() error {
	begin := l.p
	for l.p < len(l.src) {
		l.p++
		if !l.past('%', '}') {
			continue
		}
		t, err := newTag(l.src, begin, l.p, begin+2, l.p-2)
		if err != nil {
			return err
		}
		l.out = append(l.out, t)
		if t.name == "raw" {
			return l.raw(begin)
		}
		return nil
	}
	return errorAt(l.src, begin, "a tag is not closed")
}

// newTag returns the tag between begin and end, whose inside is between from and to.
func newTag(src []uint16, begin, end, from, to int) (token, error) {
	t := delimited(src, from, to)
	t.kind, t.begin, t.end = tagToken, begin, end
	s := scanner{src: src, p: t.from, n: t.to}
	s.skipBlank()
	if s.p < len(src) && src[s.p] == '#' { // even past the tag's end, where that is a lone dash in a liquid tag
		t.name = "#"
		s.p++
	} else {
		t.name = s.name()
	}
	if t.name == "" {
		return t, s.fail("a tag's name is missing")
	}
	s.skipBlank()
	t.args = s.p
	return t, nil
}

// delimited returns a token with its inside between from and to, less the dashes and blanks at its ends.
func delimited(src []uint16, from, to int) token {
	var t token
	if from < len(src) && src[from] == '-' {
		t.trimLeft = true
	}
	if to > 0 && src[to-1] == '-' {
		t.trimRight = true
	}
	if t.trimLeft {
		from++
	}
	if t.trimRight {
		to--
	}
	for from < to && classOf(src[from])&blankUnit != 0 {
		from++
	}
	for to > from && classOf(src[to-1])&blankUnit != 0 {
		to--
	}
	t.from, t.to = from, to
	return t
}

// raw reads the text after a raw tag that began at open, and the endraw tag. If another tag begins within that, it may be its
// end instead; it has to be written without a dash at its left.
func (l *lexer) raw(open int) error {
	begin := l.p
	for again := l.seek('{', '%'); again; {
		left := l.p - 2
		for l.endraw() {
			if !l.seekEnd() {
				continue
			}
			if left > begin {
				l.addText(begin, left)
			}
			t, err := newTag(l.src, left, l.p, left+2, l.p-2)
			l.out = append(l.out, t)
			return err
		}
		again = l.seek('{', '%')
	}
	return errorAt(l.src, open, "a raw tag is not closed")
}

// endraw reads a name and tells whether it is endraw.
func (l *lexer) endraw() bool {
	s := scanner{src: l.src, p: l.p, n: len(l.src)}
	name := s.name()
	l.p = s.p
	return name == "endraw"
}

// seek goes on to where a and b are past and tells whether they are there.
func (l *lexer) seek(a, b uint16) bool {
	for l.p < len(l.src) {
		if l.p++; l.past(a, b) {
			return true
		}
	}
	return false
}

// seekEnd goes on to the end of an endraw tag and tells whether it comes before another tag begins.
func (l *lexer) seekEnd() bool {
	for !l.past('{', '%') {
		if l.past('%', '}') {
			return true
		}
		if l.p == len(l.src) {
			return false
		}
		l.p++
	}
	return false
}

// trim takes the blanks from text beside a tag or output written with a dash. Nothing within raw is trimmed.
func trim(src []uint16, toks []token) {
	inRaw := false
	for i, t := range toks {
		if t.kind == textToken {
			continue
		}
		if t.trimLeft && !inRaw && i > 0 {
			trimEnd(src, &toks[i-1])
		}
		if t.kind == tagToken && (t.name == "raw" || t.name == "endraw") {
			inRaw = t.name == "raw"
		}
		if t.trimRight && !inRaw && i+1 < len(toks) {
			trimStart(src, &toks[i+1])
		}
	}
}

func trimEnd(src []uint16, t *token) {
	if t.kind == textToken {
		for t.to > t.from && classOf(src[t.to-1])&blankUnit != 0 {
			t.to--
		}
	}
}

func trimStart(src []uint16, t *token) {
	if t.kind == textToken {
		for t.from < t.to && classOf(src[t.from])&blankUnit != 0 {
			t.from++
		}
	}
}

// lines cuts the inside of a liquid tag into its tags, one a line.
func lines(s *scanner) ([]token, error) {
	var out []token
	for {
		if s.skipBlank(); s.end() {
			return out, nil
		}
		begin := s.p
		if end := slices.Index(s.src[s.p:s.n], '\n'); end < 0 {
			s.p = s.n
		} else {
			s.p += end + 1
		}
		t, err := newTag(s.src, begin, s.p, begin, s.p)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
}
