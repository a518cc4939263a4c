package mapping

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// jsonText is @json: JSON.stringify and JSON.parse.
type jsonText struct {
	place
	value node
	mode  string
}

func (b *builder) json(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["mode"]) || !jsvalue.Truthy(o["value"]) {
		return b.broken(here, "should have the members mode and value, and a value that is not empty")
	}
	mode, _ := o["mode"].(string)
	return &jsonText{here, b.build(o["value"], s.below("value", s.keep)), mode}
}

func (n *jsonText) resolve(r *run, payload any) (any, error) {
	v, err := n.value.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	switch n.mode {
	case "encode":
		if jsvalue.IsUndefined(v) {
			return v, nil
		}
		dst, err := n.appendJSON(r, r.scratch[:0], v, 0)
		if err != nil {
			return nil, err
		}
		r.scratch = dst
		return string(dst), nil
	case "decode":
		text, ok := v.(string)
		if !ok {
			return v, nil
		}
		if err := r.wrote(len(text), n.place); err != nil {
			return nil, err
		}
		v := parseJSON(text)
		r.unfinished = r.unfinished || infinite(v)
		return v, nil
	}
	return jsvalue.Undefined, nil // a mode in capitals passes Segment's check and then does nothing
}

// appendJSON appends v as JSON.stringify has it, with the names of objects in order.
func (n *jsonText) appendJSON(r *run, dst []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, n.fail(tooDeep)
	}
	if err := r.step(1, n.place); err != nil {
		return dst, err
	}
	before := len(dst)
	switch x := v.(type) {
	case string:
		dst = appendJSONString(dst, x)
	case map[string]any:
		return n.appendObject(r, dst, x, depth)
	case []any:
		return n.appendArray(r, dst, x, depth)
	case bool:
		dst = jsvalue.AppendString(dst, x)
	default:
		f, ok := jsvalue.Float(v)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			dst = append(dst, "null"...)
		} else {
			dst = jsvalue.AppendNumber(dst, v)
		}
	}
	return dst, r.wrote(len(dst)-before, n.place)
}

func (n *jsonText) appendObject(r *run, dst []byte, m map[string]any, depth int) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, name := range sortedNames(m) {
		v := valueOf(m[name])
		if jsvalue.IsUndefined(v) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		before := len(dst)
		dst = append(appendJSONString(dst, name), ':')
		if err := r.wrote(len(dst)-before, n.place); err != nil {
			return dst, err
		}
		var err error
		if dst, err = n.appendJSON(r, dst, v, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (n *jsonText) appendArray(r *run, dst []byte, items []any, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = n.appendJSON(r, dst, valueOf(item), depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// parseJSON returns what JSON.parse makes of text, integers with their digits, or text itself if it is no JSON. Half a character
// that is escaped in it is U+FFFD at once.
func parseJSON(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return text
	}
	return v
}

// infinite tells whether v, which is newly decoded, holds a number past a double's range.
func infinite(v any) bool {
	switch x := v.(type) {
	case json.Number:
		f, _ := jsvalue.Float(x)
		return math.IsInf(f, 0)
	case map[string]any:
		for _, member := range x {
			if infinite(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, infinite)
	}
	return false
}
