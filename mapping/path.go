package mapping

import (
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// path leads from a payload to a value in it. The empty path is the payload itself.
type path []key

type key struct {
	name  string
	index int // of an array's item, or a string's unit; -1 if name is no index
}

// parsePath reads a path as Segment does: cut at dots, at a bracket before a digit or a quote, and at closing brackets
// behind one; then quotes are dropped. Any text is a path.
func parsePath(text string) path {
	if text == "" || text == "." {
		return nil
	}
	var p path
	from := 0
	cut := func(to, next int) {
		if to > from {
			p = append(p, newKey(text[from:to]))
		}
		from = next
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			cut(i, i+1)
		case c == '[' && i+1 < len(text) && quoteOrDigit(text[i+1]):
			cut(i, i+1)
		case c == ']' && i > 0 && quoteOrDigit(text[i-1]):
			end := i + 1
			for end < len(text) && text[end] == ']' {
				end++
			}
			cut(i, end)
			i = end - 1
		}
	}
	cut(len(text), len(text))
	return p
}

func quoteOrDigit(c byte) bool { return c == '"' || c == '\'' || c >= '0' && c <= '9' }

func newKey(text string) key {
	if strings.ContainsAny(text, `'"`) {
		text = strings.NewReplacer("'", "", `"`, "").Replace(text)
	}
	k := key{name: text, index: -1}
	if i, ok := arrayIndex(text); ok {
		k.index = i
	}
	return k
}

// String returns the path with dots, "." for the whole payload.
func (p path) String() string {
	if len(p) == 0 {
		return "."
	}
	names := make([]string, len(p))
	for i, k := range p {
		names[i] = k.name
	}
	return strings.Join(names, ".")
}

// get returns the value that p leads to. It stops at a falsy value and returns that; what else is not there is undefined.
func (p path) get(payload any) any {
	v := payload
	for i := range p {
		k := &p[i]
		switch x := v.(type) {
		case map[string]any:
			m, ok := x[k.name]
			if !ok {
				return jsvalue.Undefined
			}
			v = valueOf(m)
		case []any:
			switch {
			case k.index >= 0 && k.index < len(x):
				v = valueOf(x[k.index])
			case k.name == "length":
				v = float64(len(x))
			default:
				return jsvalue.Undefined
			}
		case string:
			if x == "" {
				return v
			}
			unit, ok := "", false
			if k.name == "length" {
				v = float64(units(x))
				continue
			}
			if k.index >= 0 {
				unit, ok = unitAt(x, k.index)
			}
			if !ok {
				return jsvalue.Undefined
			}
			v = unit
		default:
			if !jsvalue.Truthy(v) {
				return v
			}
			return jsvalue.Undefined
		}
	}
	return v
}

// valueOf returns a value that was found in a record as one of jsvalue's types.
func valueOf(v any) any {
	switch x := v.(type) {
	case string:
		return v
	case map[string]any:
		if x == nil {
			return nil
		}
		return v
	case []any:
		if x == nil {
			return nil
		}
		return v
	}
	return jsvalue.Of(v)
}

// pathOf parses what @path and @arrayPath hold: the first "$." in it is dropped, wherever it stands.
func pathOf(text string) path { return parsePath(strings.Replace(text, "$.", "", 1)) }

// fixedPath is @path with its path written out.
type fixedPath struct{ path path }

// foundPath is @path with a directive that finds the path.
type foundPath struct {
	place
	text node
}

func (b *builder) path(v any, s scope, here place) node {
	if text, ok := v.(string); ok {
		p := pathOf(text)
		b.reads(p, s)
		return fixedPath{p}
	}
	s.keep = keepNone
	return foundPath{here, b.build(v, s)}
}

func (n fixedPath) resolve(r *run, payload any) (any, error) {
	return r.found(n.path.get(payload)), nil
}

func (n foundPath) resolve(r *run, payload any) (any, error) {
	text, err := n.string(r, n.text, payload)
	if err != nil {
		return nil, err
	}
	return r.found(pathOf(text).get(payload)), nil
}

// string resolves a value that has to be a string.
func (p place) string(r *run, n node, payload any) (string, error) {
	v, err := n.resolve(r, payload)
	if err != nil {
		return "", err
	}
	text, ok := v.(string)
	if !ok {
		return "", p.fail("needs a string but its value is " + article(kindOf(v)))
	}
	return text, nil
}
