package transporttest

import (
	"bytes"
	"encoding/json"
	"errors"
)

// An envelope is the body of a batch request, taken apart without the messages having been looked into.
type envelope struct {
	messages     [][]byte // point into the body
	writeKey     string
	sentAt       string
	context      map[string]any
	integrations map[string]any
}

var (
	errMalformed = errors.New("malformed JSON")
	errNoBatch   = errors.New("batch is required and has to be an array")
)

// openEnvelope takes a body apart. It finds where each message ends and checks all that stands around them; whether a message
// is well formed shows when it is decoded.
func openEnvelope(body []byte) (envelope, error) {
	var e envelope
	found := false
	c := cursor{b: body}
	ok := c.each('{', '}', func() bool {
		name, ok := c.name()
		if !ok {
			return false
		}
		if name == "batch" {
			if found && !json.Valid(body) {
				return false // the first batch counts for nothing, and nobody decodes it
			}
			found = c.peek() == '['
			e.messages = e.messages[:0]
			if found {
				return c.each('[', ']', func() bool {
					raw, ok := c.value()
					e.messages = append(e.messages, raw)
					return ok
				})
			}
		}
		raw, ok := c.value()
		e.set(name, raw)
		return ok && json.Valid(raw)
	})
	if c.space(); !ok || c.i < len(body) {
		return e, errMalformed
	}
	if !found {
		return e, errNoBatch
	}
	return e, nil
}

// set takes one member that stands beside batch. One of another kind than is due is left out.
func (e *envelope) set(name string, raw []byte) {
	switch name {
	case "writeKey":
		e.writeKey = unquote(raw)
	case "sentAt":
		e.sentAt = unquote(raw)
	case "context":
		e.context, _ = decode(raw)
	case "integrations":
		e.integrations, _ = decode(raw)
	}
}

func unquote(raw []byte) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// A cursor walks over JSON text, faster than a decoder because it does not look into what it steps over.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) space() {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\t', '\r', '\n':
			c.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is no white space, 0 at the end.
func (c *cursor) peek() byte {
	if c.space(); c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *cursor) skip(want byte) bool {
	if c.peek() != want {
		return false
	}
	c.i++
	return true
}

// each calls item at every member or element between two brackets, commas in between.
func (c *cursor) each(open, end byte, item func() bool) bool {
	if !c.skip(open) {
		return false
	}
	if c.skip(end) {
		return true
	}
	for item() {
		if c.skip(end) {
			return true
		}
		if !c.skip(',') {
			return false
		}
	}
	return false
}

// name reads the name of a member and the colon after it.
func (c *cursor) name() (string, bool) {
	if c.peek() != '"' {
		return "", false
	}
	raw, ok := c.value()
	if !ok || !json.Valid(raw) {
		return "", false
	}
	return unquote(raw), c.skip(':')
}

// value steps over one value and returns its text. Brackets are counted, not matched.
func (c *cursor) value() ([]byte, bool) {
	c.space()
	start := c.i
	for depth := 0; c.i < len(c.b); {
		switch c.b[c.i] {
		case '"':
			if !c.string() {
				return nil, false
			}
		case '{', '[':
			depth++
			c.i++
		case '}', ']':
			if depth == 0 {
				return nil, false
			}
			depth--
			c.i++
		case ',', ':':
			if depth == 0 {
				return nil, false
			}
			c.i++
		default:
			c.i++
			if depth > 0 || !c.atEnd() {
				continue
			}
		}
		if depth == 0 {
			return c.b[start:c.i:c.i], true
		}
	}
	return nil, false
}

// atEnd tells whether a number or a word ends before the cursor.
func (c *cursor) atEnd() bool {
	if c.i == len(c.b) {
		return true
	}
	switch c.b[c.i] {
	case ',', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// string steps over a string.
func (c *cursor) string() bool {
	start := c.i + 1
	for from := start; ; {
		n := bytes.IndexByte(c.b[from:], '"')
		if n < 0 {
			return false
		}
		quote := from + n
		slashes := 0
		for quote-slashes > start && c.b[quote-slashes-1] == '\\' {
			slashes++
		}
		if from = quote + 1; slashes%2 == 0 {
			c.i = from
			return true
		}
	}
}
