package liquid

import (
	"strconv"
	"strings"
)

// scanner reads what stands within a tag or an output: names, literals, paths. It reads units p to n of src.
type scanner struct {
	src   []uint16
	p, n  int
	depth int // of brackets and ranges
}

// end tells whether all has been read.
func (s *scanner) end() bool { return s.p >= s.n }

// peek returns the unit i after the next one, or 0 where there is none.
func (s *scanner) peek(i int) uint16 {
	if s.p+i >= s.n {
		return 0
	}
	return s.src[s.p+i]
}

// is tells whether the unit i after the next one is of a class.
func (s *scanner) is(i int, c class) bool { return s.p+i < s.n && classOf(s.src[s.p+i])&c != 0 }

func (s *scanner) skipBlank() {
	for s.is(0, blankUnit) {
		s.p++
	}
}

// fail returns the error for reason where the scanner stands.
func (s *scanner) fail(reason string) error { return errorAt(s.src, s.p, reason) }

// text returns what was read since from.
func (s *scanner) text(from int) string { return fromUnits(s.src[from:s.p]) }

// to skips past the next unit that is u and tells whether there is one. The unit the scanner stands on counts.
func (s *scanner) to(u uint16) bool {
	for s.p < s.n {
		s.p++
		if s.src[s.p-1] == u {
			return true
		}
	}
	return false
}

// name reads a name; it may be empty.
func (s *scanner) name() string {
	s.skipBlank()
	from := s.p
	for s.is(0, wordUnit) {
		s.p++
	}
	return s.text(from)
}

// word reads one of words, whole, and returns its index, or -1.
func (s *scanner) word(words []string) int {
	s.skipBlank()
	best, size := -1, 0
	for i, w := range words {
		if len(w) > size && s.starts(w) {
			best, size = i, len(w)
		}
	}
	if best < 0 || classOf(uint16(words[best][size-1]))&wordUnit != 0 && s.is(size, wordUnit) {
		return -1
	}
	s.p += size
	return best
}

func (s *scanner) starts(ascii string) bool {
	for i := range len(ascii) {
		if s.peek(i) != uint16(ascii[i]) {
			return false
		}
	}
	return true
}

// value reads a literal, a range or a path. It returns nil where there is none.
func (s *scanner) value() (operand, error) {
	s.skipBlank()
	base, err := s.literal()
	if err != nil {
		return nil, err
	}
	keys, err := s.keys(base == nil)
	if err != nil || len(keys) == 0 {
		return base, err
	}
	return &path{base: base, keys: keys}, nil
}

var literalWords = []string{"true", "false", "nil", "null", "empty", "blank"}

var literalValues = []any{true, false, nilDrop, nilDrop, emptyDrop, blankDrop}

func (s *scanner) literal() (operand, error) {
	if i := s.word(literalWords); i >= 0 {
		return literal{literalValues[i]}, nil
	}
	if s.is(0, quoteUnit) {
		return s.quoted()
	}
	if s.peek(0) == '(' {
		return s.span()
	}
	if f, ok := s.number(); ok {
		return literal{f}, nil
	}
	return nil, nil
}

// span reads a range: (1..n).
func (s *scanner) span() (operand, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	s.p++
	low, err := s.bound()
	if err != nil {
		return nil, err
	}
	if s.skipBlank(); !s.starts("..") {
		return nil, s.fail("a range is written (from..to)")
	}
	s.p += 2
	high, err := s.bound()
	if err != nil {
		return nil, err
	}
	if s.skipBlank(); s.peek(0) != ')' {
		return nil, s.fail("a range is written (from..to)")
	}
	s.p++
	return &span{low, high}, nil
}

func (s *scanner) bound() (operand, error) {
	v, err := s.value()
	if v == nil && err == nil {
		err = s.fail("a range needs a value at either end")
	}
	return v, err
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("brackets are nested too deeply")
	}
	return nil
}

func (s *scanner) leave() { s.depth-- }

// keys reads the members of a path: .name, [value], and at the start of one a name alone.
func (s *scanner) keys(first bool) ([]operand, error) {
	var keys []operand
	for {
		switch {
		case s.peek(0) == '[':
			key, err := s.bracket()
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
			continue
		case first && len(keys) == 0:
			if name := s.name(); name != "" {
				keys = append(keys, literal{name})
				continue
			}
		}
		if s.peek(0) != '.' || s.peek(1) == '.' { // two points belong to a range
			return keys, nil
		}
		s.p++
		name := s.name()
		if name == "" {
			return keys, nil
		}
		keys = append(keys, literal{name})
	}
}

// bracket reads [value]. What stands between the value and the bracket's end is skipped.
func (s *scanner) bracket() (operand, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	s.p++
	key, err := s.value()
	if err != nil {
		return nil, err
	}
	if key == nil {
		key = literal{""}
	}
	if !s.to(']') {
		return nil, s.fail("a [ is not closed")
	}
	return key, nil
}

// number reads a number: 12, -3.5, 7. but not .5; what goes on as a name (5a) is none.
func (s *scanner) number() (float64, bool) {
	n := 0
	if s.is(0, signUnit) {
		n++
	}
	point, digits := false, false
	for ; ; n++ {
		if s.is(n, digitUnit) {
			digits = true
			continue
		}
		if s.peek(n) != '.' || s.peek(n+1) == '.' {
			break
		}
		if point || !digits {
			return 0, false
		}
		point = true
	}
	if !digits || s.is(n, wordUnit) {
		return 0, false
	}
	from := s.p
	s.p += n
	f, _ := strconv.ParseFloat(s.text(from), 64)
	return f, true
}

// quoted reads a string literal. One that is not closed ends where its tag does.
func (s *scanner) quoted() (operand, error) {
	from := s.p
	s.skipQuoted()
	text, ok := unquote(s.src[from:s.p])
	if !ok {
		return nil, s.fail("a string ends within an escape")
	}
	return literal{text}, nil
}

// skipQuoted skips a string literal.
func (s *scanner) skipQuoted() {
	quote := s.peek(0)
	s.p++
	escaped := false
	for s.p < s.n {
		u := s.src[s.p]
		s.p++
		if u == quote && !escaped {
			return
		}
		escaped = u == '\\' && !escaped
	}
}

// unquote returns the text of a literal, quotes included: its first and last unit are dropped whatever they are. It is not ok
// if the literal ends where the digits of an escape should stand.
func unquote(lit []uint16) (text string, ok bool) {
	const letters, controls = "bfnrtv", "\b\f\n\r\t\v"
	var out []byte
	for i := 1; i < len(lit)-1; i++ {
		if lit[i] != '\\' {
			out = appendUnit(out, rune(lit[i]))
			continue
		}
		i++
		switch u := rune(lit[i]); {
		case strings.ContainsRune(letters, u):
			out = append(out, controls[strings.IndexRune(letters, u)])
		case u == 'u':
			unit, size := digits(lit[i+1:], 4, 16)
			if i += size; size < 4 && i+1 == len(lit) {
				return "", false
			}
			out = appendUnit(out, unit)
		case u >= '0' && u <= '7':
			unit, size := digits(lit[i:], 3, 8)
			out = appendUnit(out, unit)
			i += size - 1
		default:
			out = appendUnit(out, u)
		}
	}
	return string(out), true
}

// digits reads at most n digits of base 8 or 16.
func digits(in []uint16, n int, base rune) (value rune, size int) {
	for size < min(n, len(in)) {
		d := rune(in[size])
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		default:
			return value, size
		}
		if d >= base {
			return value, size
		}
		value = value*base + d
		size++
	}
	return value, size
}
