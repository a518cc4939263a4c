package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompileFindsEveryProblem(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		want           []string
	}{
		{"an unknown directive", `{"a":{"@nope":1}}`, []string{"/a has an unknown directive @nope"}},
		{"two directives", `{"a":{"@path":"x","@template":"y"}}`, []string{"/a should have one directive but it has 2: @path, @template"}},
		{"raw members beside a directive", `{"a":{"@path":"x","b":1}}`, []string{"/a should hold nothing beside its directive @path but it has other members"}},
		{"the mapping itself", `{"@path":1}`, []string{"/@path should be a directive or a string but it is a number"}},
		{"a directive beside members at the top", `{"@path":"a","b":1}`, []string{"/ should hold nothing beside its directive @path but it has other members"}},
		{"names that a pointer has to escape", `{"a/b~c":{"@nope":1}}`, []string{"/a~1b~0c has an unknown directive @nope"}},
		{"all of them, in order", `{"traits":{"b":{"@template":null},"a":{"@case":{"operator":1,"value":[]}}},"id":{"@path":{}}}`, []string{
			"/id/@path should be a directive or a string but it is an object",
			"/traits/a/@case/operator should be a string but it is a number",
			"/traits/a/@case/value should be a directive or a string but it is an array",
			"/traits/b/@template should be a directive or a string but it is null",
		}},
		{"options that are a directive", `{"a":{"@if":{"@path":"x"}}}`, []string{"/a/@if should be an object but it is a directive"}},
		{"an option that is unknown is still a mapping", `{"a":{"@if":{"exists":1,"more":{"b":{"@nope":1}}}}}`, []string{"/a/@if/more/b has an unknown directive @nope"}},
		{"@replace", `{"a":{"@replace":{"pattern":"12345678901","replacement":"😀😀😀😀😀x","value":1,"ignorecase":null,"global":"x"}}}`, []string{
			"/a/@replace/pattern should have 1 to 10 UTF-16 units but it has 11",
			"/a/@replace/replacement should have at most 10 UTF-16 units but it has 11",
			"/a/@replace/value should be a directive or a string but it is a number",
			"/a/@replace/ignorecase should be a boolean but it is null",
			"/a/@replace/global should be a boolean but it is a string",
		}},
		{"@replace with nothing", `{"a":{"@replace":{}}}`, []string{
			"/a/@replace should have the member pattern but it has not", "/a/@replace should have the member value but it has not"}},
		{"@arrayPath", `{"a":{"@arrayPath":[1,{"b":{"@nope":1}}]},"b":{"@arrayPath":"x"},"c":{"@arrayPath":[]}}`, []string{
			"/a/@arrayPath/0 should be a directive or a string but it is a number",
			"/a/@arrayPath/1/b has an unknown directive @nope",
			"/b/@arrayPath should be an array but it is a string",
			"/c/@arrayPath should have a path as its first item but it has none",
		}},
		{"@json", `{"a":{"@json":{"mode":"both"}}}`, []string{
			"/a/@json should have the member value but it has not", "/a/@json/mode should be encode or decode but it is another word"}},
		{"@merge", `{"a":{"@merge":{"direction":"up","objects":[1,{"b":{"@nope":1}},{"@path":"x"}]}},"b":{"@merge":{"objects":{}}}}`, []string{
			"/a/@merge/direction should be left or right but it is another word",
			"/a/@merge/objects/0 should be a directive or an object but it is a number",
			"/a/@merge/objects/1/b has an unknown directive @nope",
			"/b/@merge/objects should be an array but it is an object",
		}},
		{"@transform", `{"a":{"@transform":{"apply":"x"}}}`, []string{
			"/a/@transform/apply should be a directive or an object but it is a string",
			"/a/@transform should have the member mapping but it has not",
		}},
		{"@flatten", `{"a":{"@flatten":{"separator":{"@path":"x"}}}}`, []string{
			"/a/@flatten/separator should be a string but it is a directive", "/a/@flatten should have the member value but it has not"}},
		{"@liquid", `{"a":{"@liquid":{"@path":"x"}}}`, []string{"/a/@liquid should be a string but it is a directive"}},
		{"a directive in @literal", `{"a":{"@literal":{"@nope":1}}}`, []string{"/a/@literal has an unknown directive @nope"}},
		{"a directive for the whole that is none", `{"a":1,"__segment_internal_directive":"x"}`, []string{
			"/__segment_internal_directive should be an object that holds one directive but it is a string"}},
		{"a directive for the whole with metadata", `{"__segment_internal_directive":{"@path":"x","_metadata":{}}}`, []string{
			"/__segment_internal_directive should hold one directive and nothing else but it has 2 members"}},
		{"a directive for the whole that takes no mapping", `{"__segment_internal_directive":{"@path":"x"}}`, []string{
			"/__segment_internal_directive should hold a directive whose value is an object but it is a string"}},
		{"problems in a mapping with a directive for the whole stand where they were written",
			`{"a":{"@nope":1},"__segment_internal_directive":{"@transform":{"apply":{"b":{"@nope":1}}}}}`, []string{
				"/__segment_internal_directive/@transform/apply/b has an unknown directive @nope",
				"/a has an unknown directive @nope",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(parse[map[string]any](t, c.settings))
			var compile *CompileError
			if !errors.As(err, &compile) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, p := range compile.Problems {
				got = append(got, p.String())
				if !strings.Contains(err.Error(), p.String()) {
					t.Errorf("the error does not tell of %q: %v", p, err)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompileErrorCountsWhatItDoesNotTell(t *testing.T) {
	settings := map[string]any{}
	for _, name := range strings.Split("abcdefghijkl", "") {
		settings[name] = map[string]any{"@path": 1}
	}
	_, err := Compile(settings)
	if err == nil || !strings.HasSuffix(err.Error(), "; and 2 more") {
		t.Error(err)
	}
}

func TestCompileTakesGoValues(t *testing.T) {
	m, err := Compile(map[string]any{
		"a": map[string]string{"@path": "n"},
		"b": []int{1, 2},
		"c": struct {
			D int `json:"d"`
		}{3},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Resolve(map[string]any{"n": int8(4)})
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"a": int64(4), "b": []any{int64(1), int64(2)}}); !cmp.Equal(got["a"], want["a"]) || !cmp.Equal(got["b"], want["b"]) || got["c"] == nil {
		t.Errorf("got %v", got)
	}
	if _, err := Compile(map[string]any{"f": func() {}, "g": make(chan int)}); err == nil || !strings.Contains(err.Error(), "/f should be") || !strings.Contains(err.Error(), "/g should be") {
		t.Errorf("a function is no mapping: %v", err)
	}
}

func TestCompileKeepsNothingOfTheSettings(t *testing.T) {
	settings := parse[map[string]any](t, `{"a":{"b":[1]},"p":{"@path":"x"}}`)
	m, err := Compile(settings)
	if err != nil {
		t.Fatal(err)
	}
	settings["a"].(map[string]any)["b"].([]any)[0] = 2
	settings["p"].(map[string]any)["@path"] = "y"
	got, err := m.Resolve(map[string]any{"x": "x", "y": "y"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": []any{parse[any](t, "1")}}, "p": "x"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		want           []string
	}{
		{"each once, sorted", `{"b":{"@path":"$.traits.b[0].c"},"a":[{"@path":"traits['b'].0.c"},{"@path":"a"}]}`, []string{"a", "traits.b.0.c"}},
		{"placeholders", `{"a":{"@template":"{{ x.y }} {{{z}}}"}}`, []string{"x.y", "z"}},
		{"the whole record", `{"a":{"@path":"$."}}`, []string{"."}},
		{"an array is read whole, its items are not named", `{"a":{"@arrayPath":["items",{"b":{"@path":"id"}}]}}`, []string{"items"}},
		{"what a transform makes is not the record", `{"a":{"@transform":{"apply":{"x":{"@path":"y"}},"mapping":{"z":{"@path":"x"}}}}}`, []string{"y"}},
		{"both branches, and the path of a path", `{"a":{"@if":{"exists":{"@path":"e"},"then":{"@path":{"@path":"p"}},"else":{"@path":"f"}}}}`, []string{"e", "f", "p"}},
		{"Liquid", `{"a":{"@liquid":"{{ traits.items[0]['a b'] | upcase }}{% if userId %}x{% endif %}"}}`, []string{"traits.items.0.a b", "userId"}},
		{"none", `{"a":1}`, nil},
	} {
		m, err := Compile(parse[map[string]any](t, c.settings))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, m.Paths()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestWarnings(t *testing.T) {
	m, err := Compile(parse[map[string]any](t, `{"a":{"@flatten":{"value":1}},"b":{"@liquid":"{% for x in y %}{% endfor %}"},"c":[{"@nope":1}],"d":{"@path":"x"},
		"e":{"@liquid":"`+strings.Repeat("é", 1001)+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	warnings := m.Warnings()
	var paths []string
	for _, w := range warnings {
		paths = append(paths, w.Path)
		one, err := Compile(map[string]any{"x": 1})
		if err != nil || len(one.Warnings()) > 0 {
			t.Errorf("a mapping without fault: %v, %v", one.Warnings(), err)
		}
	}
	if diff := cmp.Diff([]string{"/a/@flatten", "/b/@liquid", "/c/0/@nope", "/e/@liquid"}, paths); diff != "" {
		t.Errorf("%v\n%s", warnings, diff)
	}
}
