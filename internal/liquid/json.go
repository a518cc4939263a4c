package liquid

import (
	"math"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// toJSON returns v as JSON. With an argument it is broken into lines, indented by as many spaces, or by that text.
func toJSON(r *run, v any, args []any) any {
	w := jsonWriter{run: r, indent: r.indent(arg(args, 0))}
	if v == undefined {
		return undefined
	}
	w.value(v, 0)
	if r.failed() {
		return undefined
	}
	return string(w.out)
}

// indent returns what a level is indented by: at most ten characters.
func (r *run) indent(v any) string {
	switch x := v.(type) {
	case string:
		return unitsTo(x, min(10, units(x)))
	case nil, bool, drop, []any, map[string]any:
		return ""
	}
	return strings.Repeat(" ", r.index(v, 10))
}

// jsonWriter writes values as JSON.stringify does: undefined in an array is null, in an object it is left out.
type jsonWriter struct {
	run    *run
	indent string
	out    []byte
}

func (w *jsonWriter) value(v any, depth int) {
	if depth == maxDepth {
		w.run.fail("a value is nested too deeply")
	}
	if !w.run.step(1) {
		return
	}
	from := len(w.out)
	switch x := v.(type) {
	case string:
		w.text(x)
	case bool:
		w.out = append(w.out, jsvalue.String(x)...)
	case drop:
		w.out = append(w.out, "{}"...)
	case []any:
		w.array(x, depth)
		return
	case map[string]any:
		w.object(x, depth)
		return
	default:
		if f, ok := jsvalue.Float(v); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			w.out = jsvalue.AppendNumber(w.out, v)
		} else {
			w.out = append(w.out, "null"...)
		}
	}
	w.run.use(len(w.out) - from)
}

func (w *jsonWriter) array(items []any, depth int) {
	w.out = append(w.out, '[')
	for i, item := range items {
		w.separate(i, depth+1)
		w.value(of(item), depth+1)
		if w.run.failed() {
			return
		}
	}
	w.close(']', len(items), depth)
}

func (w *jsonWriter) object(m map[string]any, depth int) {
	if !w.run.items(len(m)) {
		return
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	w.out = append(w.out, '{')
	n := 0
	for _, name := range names {
		v := of(m[name])
		if v == undefined {
			continue
		}
		w.separate(n, depth+1)
		n++
		if !w.run.use(len(name)) {
			return
		}
		w.text(clean(name))
		w.out = append(w.out, ':')
		if w.indent != "" {
			w.out = append(w.out, ' ')
		}
		w.value(v, depth+1)
		if w.run.failed() {
			return
		}
	}
	w.close('}', n, depth)
}

// separate begins the item i of an array or object.
func (w *jsonWriter) separate(i, depth int) {
	if i > 0 {
		w.out = append(w.out, ',')
	}
	w.line(depth)
}

// close ends an array or object of n items.
func (w *jsonWriter) close(bracket byte, n, depth int) {
	if n > 0 {
		w.line(depth)
	}
	w.out = append(w.out, bracket)
	w.run.use(2)
}

func (w *jsonWriter) line(depth int) {
	if w.indent != "" && w.run.use(1+depth*len(w.indent)) {
		w.out = append(w.out, '\n')
		for range depth {
			w.out = append(w.out, w.indent...)
		}
	}
}

// text writes s. Half a character is written as an escape.
func (w *jsonWriter) text(s string) {
	if !hasHalf(s) {
		w.out = jsonenc.AppendString(w.out, s)
		return
	}
	w.out = append(w.out, '"')
	from := 0
	for i := 0; i < len(s); {
		_, size := decode(s[i:])
		if half, ok := halfAt(s, i); ok {
			w.inner(s[from:i])
			const lowerHex = "0123456789abcdef"
			w.out = append(w.out, '\\', 'u', 'd', lowerHex[half>>8&15], lowerHex[half>>4&15], lowerHex[half&15])
			from = i + size
		}
		i += size
	}
	w.inner(s[from:])
	w.out = append(w.out, '"')
}

// inner writes s without quotes.
func (w *jsonWriter) inner(s string) {
	quoted := jsonenc.AppendString(nil, s)
	w.out = append(w.out, quoted[1:len(quoted)-1]...)
}

// compareNames orders the names of an object's members as JavaScript would if they had been added sorted: array indices
// first, by their value.
func compareNames(a, b string) int {
	x, y := arrayIndex(a), arrayIndex(b)
	switch {
	case x >= 0 && y >= 0:
		return x - y
	case x >= 0:
		return -1
	case y >= 0:
		return 1
	}
	return strings.Compare(a, b)
}
