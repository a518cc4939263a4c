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
	return strings.Repeat(" ", r.index(max(r.number(v), 0), 10))
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
	switch x := v.(type) {
	case string:
		w.text(x)
	case bool:
		w.write(jsvalue.String(x))
	case drop:
		w.write("{}")
	case []any:
		w.array(x, depth)
	case map[string]any:
		w.object(x, depth)
	default:
		if f, ok := jsvalue.Float(v); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			w.write(jsvalue.String(v))
		} else {
			w.write("null")
		}
	}
}

func (w *jsonWriter) write(text string) { w.out = w.run.appendTo(w.out, text) }

func (w *jsonWriter) array(items []any, depth int) {
	w.write("[")
	for i, item := range items {
		w.separate(i, depth+1)
		w.value(of(item), depth+1)
		if w.run.failed() {
			return
		}
	}
	w.close("]", len(items), depth)
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
	w.write("{")
	n := 0
	for _, name := range names {
		v := of(m[name])
		if v == undefined {
			continue
		}
		w.separate(n, depth+1)
		n++
		w.text(clean(name))
		w.write(":")
		if w.indent != "" {
			w.write(" ")
		}
		w.value(v, depth+1)
		if w.run.failed() {
			return
		}
	}
	w.close("}", n, depth)
}

// separate begins the item i of an array or object.
func (w *jsonWriter) separate(i, depth int) {
	if i > 0 {
		w.write(",")
	}
	w.line(depth)
}

// close ends an array or object of n items.
func (w *jsonWriter) close(bracket string, n, depth int) {
	if n > 0 {
		w.line(depth)
	}
	w.write(bracket)
}

func (w *jsonWriter) line(depth int) {
	if w.indent != "" {
		w.write("\n")
		for range depth {
			w.write(w.indent)
		}
	}
}

// text writes s in quotes. Half a character is written as an escape.
func (w *jsonWriter) text(s string) {
	long := 2 // what is written beside s: the quotes, and escapes of up to six bytes
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] == 0xed {
			long += 5
		}
	}
	dst, ok := w.run.grow(w.out, len(s)+long)
	if !ok {
		return
	}
	if !hasHalf(s) {
		w.out = jsonenc.AppendString(dst, s)
		return
	}
	if !w.run.use(len(s) + long) { // for the parts, each on its way
		return
	}
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		_, size := decode(s[i:])
		if half, ok := halfAt(s, i); ok {
			const lowerHex = "0123456789abcdef"
			dst = appendUnquoted(dst, s[from:i])
			dst = append(dst, '\\', 'u', 'd', lowerHex[half>>8&15], lowerHex[half>>4&15], lowerHex[half&15])
			from = i + size
		}
		i += size
	}
	w.out = append(appendUnquoted(dst, s[from:]), '"')
}

// appendUnquoted appends s as it stands between the quotes of a JSON string.
func appendUnquoted(dst []byte, s string) []byte {
	quoted := jsonenc.AppendString(nil, s)
	return append(dst, quoted[1:len(quoted)-1]...)
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
