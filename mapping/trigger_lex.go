package mapping

import (
	"strings"
	"unicode/utf16"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenString
	tokenNumber
	tokenOperator // = != < <= > >= !
	tokenJoin     // and, or
	tokenNull
	tokenOpen  // (
	tokenClose // )
	tokenDot
	tokenOther // , [ ]
)

// triggerToken is a token with its text as Segment's parser compares it: strings with their quotes, words without their
// backslashes.
type triggerToken struct {
	kind   tokenKind
	text   string
	offset int // in bytes
}

// endText is the text of the token at the end. It shows: "type =" compares the type with it.
const endText = "eos"

// triggerLexer follows Segment's lexer character by character, its slips included, for saved triggers live with them. It
// counts characters in UTF-16, as that one does.
type triggerLexer struct {
	units   []uint16
	offsets []int // of units, in bytes
	pos     int
	tokens  []triggerToken
}

// end is what peek and next return behind the last character.
const end = -1

// lexTrigger turns text into tokens, the last of them tokenEnd, with dotted words joined into one.
func lexTrigger(text string) ([]triggerToken, error) {
	var l triggerLexer
	for offset, r := range text {
		l.units = utf16.AppendRune(l.units, r)
		for len(l.offsets) < len(l.units) {
			l.offsets = append(l.offsets, offset)
		}
	}
	l.offsets = append(l.offsets, len(text))
	for {
		start := l.pos
		c := l.next()
		if c == end {
			l.add(tokenEnd, endText, start)
			return joinDotted(l.tokens), nil
		}
		if err := l.token(c, start); err != nil {
			return nil, err
		}
	}
}

func (l *triggerLexer) add(kind tokenKind, text string, start int) {
	l.tokens = append(l.tokens, triggerToken{kind, text, l.offsets[start]})
}

func (l *triggerLexer) fail(at int, reason string) error {
	return &TriggerError{l.offsets[at], reason}
}

// token lexes the token that begins with c, which is read already.
func (l *triggerLexer) token(c, start int) error {
	switch {
	case c == ' ' || c == '\t' || c == '\n':
	case c == '!' && (isLetter(l.peek()) || l.peek() == '('):
		l.add(tokenOperator, "!", start)
	case c == '!':
		if !l.accept("=") {
			return l.fail(start, "a ! has to be followed by = and a space, by a function, or by a parenthesis")
		}
		l.add(tokenOperator, "!=", start)
	case c == '=':
		l.add(tokenOperator, "=", start)
	case c == '<' || c == '>':
		text := string(rune(c))
		if l.accept("=") {
			text += "="
		}
		l.add(tokenOperator, text, start)
	case c == 'a' && l.accept("nd"):
		l.add(tokenJoin, "and", start)
	case c == 'o' && l.accept("r"):
		l.add(tokenJoin, "or", start)
	case c == 'n' && l.accept("ull"):
		l.add(tokenNull, "null", start)
	case isLetter(c) || c == '\\' || c == '_':
		return l.word(c, start)
	case isDigit(c) || c == '-' || c == '+':
		return l.number(start)
	case c == '"' || c == '\'':
		return l.quoted(c, start)
	case c == '.':
		l.add(tokenDot, ".", start)
	case c == '(':
		l.add(tokenOpen, "(", start)
	case c == ')':
		l.add(tokenClose, ")", start)
	case c == ',' || c == '[' || c == ']':
		l.add(tokenOther, string(rune(c)), start)
	default:
		return l.fail(start, "this character belongs between quotes")
	}
	return nil
}

// word lexes a word that begins with c. A backslash makes any character a part of it.
func (l *triggerLexer) word(c, start int) error {
	var units []uint16
	for {
		if c == '\\' {
			if c = l.next(); c == end {
				return l.fail(start, "a backslash has to be followed by a character")
			}
		}
		units = append(units, uint16(c))
		if next := l.peek(); !isLetter(next) && !isDigit(next) && next != '_' && next != '-' && next != '\\' {
			break
		}
		c = l.next()
	}
	switch next := l.peek(); {
	case isTerminator(next), next == '.', next == '(', next == '=', next == '!':
		l.add(tokenWord, string(utf16.Decode(units)), start)
		return nil
	}
	return l.fail(l.pos, "a word may not be followed by this character")
}

// number lexes a number whose first character, a digit or a sign, is read already.
func (l *triggerLexer) number(start int) error {
	dotted := false
	for isDigit(l.peek()) || l.peek() == '.' {
		if l.next() != '.' {
			continue
		}
		if dotted || isTerminator(l.peek()) {
			return l.fail(l.pos-1, "a number may have one decimal point, and a digit behind it")
		}
		dotted = true
	}
	l.add(tokenNumber, string(utf16.Decode(l.units[start:l.pos])), start)
	return nil
}

func (l *triggerLexer) quoted(quote, start int) error {
	for l.peek() != quote {
		if l.next() == end {
			return l.fail(start, "a quote is not closed")
		}
	}
	text := string(utf16.Decode(l.units[start:l.pos])) + string(rune(quote))
	// A closing quote without a terminator behind it is left where it is, and opens the next string.
	l.accept(string(rune(quote)))
	l.add(tokenString, text, start)
	return nil
}

// accept reads s, which has to be followed by a terminator. If it is not there, nothing is read, except that what there is
// before the end of the text is lost.
func (l *triggerLexer) accept(s string) bool {
	start := l.pos
	for range s {
		c := l.next()
		if c == end {
			return false
		}
		if isTerminator(c) {
			break
		}
	}
	if string(utf16.Decode(l.units[start:l.pos])) == s && isTerminator(l.peek()) {
		return true
	}
	l.pos = start
	return false
}

func (l *triggerLexer) peek() int {
	if l.pos == len(l.units) {
		return end
	}
	return int(l.units[l.pos])
}

func (l *triggerLexer) next() int {
	c := l.peek()
	if c != end {
		l.pos++
	}
	return c
}

func isLetter(c int) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c int) bool { return c >= '0' && c <= '9' }

func isTerminator(c int) bool {
	return c == end || c == ' ' || c == '\t' || c == '\n' || c == ',' || c == ']' || c == ')'
}

// joinDotted makes one word of words with dots between them.
func joinDotted(tokens []triggerToken) []triggerToken {
	joined := tokens[:0]
	for i := 0; i < len(tokens); {
		t := tokens[i]
		i++
		if t.kind == tokenWord {
			parts := []string{t.text}
			// The last token is tokenEnd, so there is always one behind a dot.
			for ; tokens[i].kind == tokenDot && tokens[i+1].kind == tokenWord; i += 2 {
				parts = append(parts, tokens[i+1].text)
			}
			t.text = strings.Join(parts, ".")
		}
		joined = append(joined, t)
	}
	return joined
}
