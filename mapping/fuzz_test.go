package mapping

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// maxFuzzTime is far more than a mapping and a record of a fuzzer's size may take, on a machine with other work to do.
const maxFuzzTime = 20 * time.Second

// addVectors seeds f with every nth measured case.
func addVectors(f *testing.F, n int, add func(mapping, input string)) {
	f.Helper()
	for i, line := range conformance.Lines(f, conformance.Files(f, "mapping")[0]) {
		var c struct{ Mapping, Input json.RawMessage }
		if err := json.Unmarshal(line, &c); err != nil {
			f.Fatal(err)
		}
		if i%n == 0 {
			add(string(c.Mapping), string(c.Input))
		}
	}
}

// FuzzCompile holds that any JSON is either a mapping or an error that tells where it is not, and that it stays as it was.
func FuzzCompile(f *testing.F) {
	addVectors(f, 20, func(mapping, _ string) { f.Add(mapping) })
	f.Add(everything)
	f.Add(`{"__segment_internal_directive":{"@transform":{"apply":{"a":{"@nope":1}}}},"b":{"@path":1}}`)
	f.Add(strings.Repeat(`{"@literal":[`, 200) + strings.Repeat(`]}`, 200))
	f.Fuzz(func(t *testing.T, text string) {
		var settings map[string]any
		if conformance.Decode([]byte(text), &settings) != nil {
			return
		}
		before := clone(settings)
		m, err := Compile(settings)
		if !reflect.DeepEqual(before, any(settings)) {
			t.Fatal("the settings were written to")
		}
		if err == nil {
			for _, w := range m.Warnings() {
				checkProblem(t, w)
			}
			return
		}
		var compile *CompileError
		if m != nil || !errors.As(err, &compile) || len(compile.Problems) == 0 {
			t.Fatalf("%v and error %v", m, err)
		}
		for _, p := range compile.Problems {
			checkProblem(t, p)
		}
	})
}

func checkProblem(t *testing.T, p Problem) {
	t.Helper()
	if !strings.HasPrefix(p.Path, "/") || p.Reason == "" {
		t.Fatalf("problem %+v", p)
	}
}

// FuzzResolve holds that a record goes through any mapping in bounded time, that neither is written to, that the result is the same
// the second time and has nothing undefined in it, and that an error names a directive.
func FuzzResolve(f *testing.F) {
	addVectors(f, 10, func(mapping, input string) { f.Add(mapping, input) })
	f.Add(everything, everyRecord)
	f.Add(`{"a":{"@template":"{{{a}}}{{a}}"}}`, `{"a":"{{a}}{{{a}}}"}`)
	f.Add(`{"a":{"@merge":{"direction":"right","objects":[{"@path":""},{"@path":"a"}]}},"b":{"@json":{"mode":"encode","value":{"@path":""}}}}`, `{"a":"😀\ud83d"}`)
	f.Fuzz(func(t *testing.T, mapping, input string) {
		var settings, record map[string]any
		if conformance.Decode([]byte(mapping), &settings) != nil || conformance.Decode([]byte(input), &record) != nil {
			return
		}
		m, err := Compile(settings)
		if err != nil {
			return
		}
		before, started := clone(record), time.Now()
		first, err := m.resolve(nil, record)
		if took := time.Since(started); took > maxFuzzTime {
			t.Fatalf("took %v", took)
		}
		if !reflect.DeepEqual(before, any(record)) {
			t.Fatal("the record was written to")
		}
		if err != nil {
			var resolve *ResolveError
			if !errors.As(err, &resolve) || !strings.HasPrefix(resolve.Path, "/") || resolve.Reason == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if !jsvalue.IsUndefined(first) {
			checkFinished(t, first)
		}
		if strings.Contains(mapping, "now") || strings.Contains(mapping, "today") { // Liquid's clock
			return
		}
		var objects Objects
		for range 3 {
			objects.Reset()
			objects.take(1)["of"] = "another"
			objects.Reset()
			again, err := m.resolve(&objects, record)
			if err != nil || !conformance.Equal(first, again) && !jsvalue.IsUndefined(first) {
				t.Fatalf("the first time %v, later %v, %v", first, again, err)
			}
		}
	})
}

// checkFinished fails t if v has anything undefined in it, or a string of a directive's that is not whole.
func checkFinished(t *testing.T, v any) {
	t.Helper()
	switch x := v.(type) {
	case nil, bool, json.Number, float64, int64, uint64:
	case string:
		if hasHalf(x) {
			t.Fatalf("half a character in %q", x)
		}
	case []any:
		for _, item := range x {
			checkFinished(t, item)
		}
	case map[string]any:
		for name, member := range x {
			checkFinished(t, name)
			checkFinished(t, member)
		}
	default:
		t.Fatalf("a %T in a result", v)
	}
}

// clone copies decoded JSON.
func clone(v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = clone(item)
		}
		return out
	case map[string]any:
		if x == nil {
			return v
		}
		out := make(map[string]any, len(x))
		for name, member := range x {
			out[name] = clone(member)
		}
		return out
	}
	return v
}

// FuzzTemplate holds the parser of templates against its two regular expressions' own words: what it puts together again is the text,
// and no placeholder has a closing brace or nothing in it.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"", "{{a}}", "{{{a}}}", "x{{ a.b }}y{{{c}}}", "{{{{a}}}}", "{{}}", "{{{}}}", "{{a}", "}}{{", "{{\n}}", "{{é}}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, braces := range []int{2, 3} {
			want := slowTemplate(text, braces)
			var got []string
			for _, g := range parseTemplate(text, braces) {
				if g.hole {
					got = append(got, g.path.String())
				} else {
					got = append(got, "text "+g.text)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d braces in %q: %s", braces, text, diff)
			}
		}
	})
}

var placeholder = map[int]*regexp.Regexp{
	2: regexp.MustCompile(`\{\{([^}]+)\}\}`),
	3: regexp.MustCompile(`\{\{\{([^}]+)\}\}\}`),
}

// slowTemplate is parseTemplate by way of a regular expression.
func slowTemplate(text string, braces int) []string {
	var out []string
	from := 0
	for _, m := range placeholder[braces].FindAllStringSubmatchIndex(text, -1) {
		if m[0] > from {
			out = append(out, "text "+text[from:m[0]])
		}
		out = append(out, parsePath(strings.TrimFunc(text[m[2]:m[3]], jsvalue.IsSpace)).String())
		from = m[1]
	}
	if from < len(text) {
		out = append(out, "text "+text[from:])
	}
	return out
}

// FuzzPath holds that any text is a path, that its keys hold none of what cuts it, and that it reads strings by their UTF-16 units.
func FuzzPath(f *testing.F) {
	for _, text := range []string{"", ".", "$.a.b[0]['c d']", "a[b]", "[[0]]", `["a"]`, "a.length", "'", "x😀y"} {
		f.Add(text, 1)
	}
	f.Fuzz(func(t *testing.T, text string, index int) {
		for _, k := range pathOf(text) {
			if strings.ContainsAny(k.name, `."'`) {
				t.Errorf("%q has the key %q", text, k.name)
			}
		}
		decoded := utf16.Encode([]rune(text))
		if utf8.ValidString(text) {
			if n := units(text); n != len(decoded) {
				t.Errorf("%q has %d units, want %d", text, n, len(decoded))
			}
		}
		var all strings.Builder
		count := 0
		eachUnit(text, func(i int, unit string) {
			if at, ok := unitAt(text, i); !ok || at != unit || i != count {
				t.Errorf("unit %d of %q is %q and %q", i, text, unit, at)
			}
			count++
			all.WriteString(unit)
		})
		if _, ok := unitAt(text, count); ok {
			t.Errorf("%q has a unit behind its last", text)
		}
		if utf8.ValidString(text) && wholeText(all.String()) != text {
			t.Errorf("the units of %q make %q", text, wholeText(all.String()))
		}
	})
}
