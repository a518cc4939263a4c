package mapping

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everything has every directive in it.
const everything = `{
	"user_id": {"@path": "$.userId"},
	"name": {"@template": "{{traits.first}} {{{traits.last}}}"},
	"lit": {"@literal": {"a": [1, {"b": {"@path": "traits.plan"}}]}},
	"fixed": {"a": {"b": [1, 2]}},
	"iff": {"@if": {"exists": {"@path": "traits.company"}, "then": 1, "else": {"@path": "traits.address"}}},
	"blank": {"@if": {"blank": {"@path": "traits.list"}, "then": {"@path": "traits.list"}}},
	"cased": {"@case": {"operator": "upper", "value": {"@path": "traits.last"}}},
	"replaced": {"@replace": {"pattern": "é", "value": {"@path": "traits.last"}, "replacement": "$$", "ignorecase": true}},
	"items": {"@arrayPath": ["$.traits.list", {"@path": "id"}]},
	"shaped": {"@arrayPath": ["$.traits.list", {"id": {"@path": "id"}, "x": {"@template": "{{x}}"}}]},
	"merged": {"@merge": {"direction": "right", "objects": [{"plan": "free"}, {"@path": "traits"}, {"first": {"@path": "nope"}}]}},
	"spread": {"@merge": {"direction": "left", "objects": [{"@path": "traits.emoji"}, {"@path": "traits.list"}]}},
	"transformed": {"@transform": {"apply": {"t": {"@path": "traits"}, "u": [{"@path": "nope"}]}, "mapping": {"a": {"@path": "t.address"}, "b": {"@path": "u"}}}},
	"flat": {"@flatten": {"separator": ".", "value": {"@path": "traits"}}},
	"kept": {"@flatten": {"separator": ".", "omitArrays": true, "value": {"@path": "traits"}}},
	"encoded": {"@json": {"mode": "encode", "value": {"@path": "traits"}}},
	"decoded": {"@json": {"mode": "decode", "value": {"@path": "traits.json"}}},
	"nonnull": {"@excludeWhenNull": {"@path": "traits"}},
	"liquid": {"@liquid": "{{ traits.first | upcase }}"}
}`

const everyRecord = `{"userId": 9007199254740993, "traits": {"first": "Ada", "last": "Lové", "plan": "pro", "company": null,
	"address": {"city": "London", "zip": null}, "list": [{"id": 1, "x": [1, null]}, {"y": 2}, {"id": null}], "emoji": "😀a", "json": "{\"a\":[1]}"}}`

func compile(t testing.TB, settings string) *Mapping {
	t.Helper()
	m, err := Compile(parse[map[string]any](t, settings))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNothingIsWrittenTo(t *testing.T) {
	settings := parse[map[string]any](t, everything)
	record := parse[map[string]any](t, everyRecord)
	m, err := Compile(settings)
	if err != nil {
		t.Fatal(err)
	}
	first, err := m.Resolve(record)
	if err != nil {
		t.Fatal(err)
	}
	first["user_id"] = "another" // the top level is the caller's
	for range 3 {
		again, err := m.Resolve(record)
		if err != nil {
			t.Fatal(err)
		}
		first["user_id"] = again["user_id"]
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("results differ:\n%s", diff)
		}
	}
	if diff := cmp.Diff(parse[any](t, everything), any(settings)); diff != "" {
		t.Errorf("the settings were written to:\n%s", diff)
	}
	if diff := cmp.Diff(parse[any](t, everyRecord), any(record)); diff != "" {
		t.Errorf("the record was written to:\n%s", diff)
	}
}

func TestTheTopLevelIsTheCallers(t *testing.T) {
	record := map[string]any{"a": map[string]any{"b": 1.0}}
	for _, settings := range []string{`{"@path":""}`, `{"@path":"a"}`, `{"@literal":{"c":1}}`, `{"c":1}`, `{"__segment_internal_directive":{"@arrayPath":["a"]}}`} {
		m := compile(t, settings)
		got, err := m.Resolve(record)
		if err != nil {
			t.Fatal(err)
		}
		got["new"] = true
		again, err := m.Resolve(record)
		if err != nil {
			t.Fatal(err)
		}
		if again["new"] != nil {
			t.Errorf("%s: what was written to one result is in the next", settings)
		}
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": 1.0}}, record); diff != "" {
		t.Error(diff)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := compile(t, everything)
	record := parse[map[string]any](t, everyRecord)
	want, err := m.Resolve(record)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := m.Resolve(record)
				if err != nil || !cmp.Equal(got, want) {
					t.Errorf("got %v, %v", got, err)
					return
				}
				m.Paths()
				m.Warnings()
			}
		})
	}
	wg.Wait()
}

func TestRecordsOfGoValues(t *testing.T) {
	type id string
	n := 5
	record := map[string]any{
		"i": int32(7), "u": uint64(math.MaxUint64), "f": float32(0.1), "t": time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "b": []byte("hi"),
		"id": id("x"), "p": &n, "nil": (*int)(nil), "m": map[string]int{"k": 1}, "l": []string{"a", "b"}, "no": map[string]any(nil), "none": []any(nil),
		"s": struct {
			A []int `json:"a"`
		}{[]int{1}},
		"rows": []map[string]any{{"id": int64(1)}, {"id": int64(math.MaxInt64)}},
	}
	m := compile(t, `{
		"i": {"@path":"i"}, "u": {"@path":"u"}, "text": {"@template":"{{i}} {{u}} {{f}} {{t}} {{b}} {{id}} {{p}} {{nil}} {{l}} {{m}}"},
		"k": {"@path":"m.k"}, "l1": {"@path":"l[1]"}, "a": {"@path":"s.a.0"},
		"nil": {"@excludeWhenNull":{"@path":"nil"}}, "no": {"@excludeWhenNull":{"@path":"no"}}, "none": {"@excludeWhenNull":{"@path":"none"}},
		"rows": {"@arrayPath":["rows",{"id":{"@path":"id"}}]}, "upper": {"@case":{"operator":"upper","value":{"@path":"id"}}},
		"flat": {"@flatten":{"separator":".","value":{"@path":"rows"}}}, "json": {"@json":{"mode":"encode","value":{"@path":"rows"}}},
		"merged": {"@merge":{"direction":"right","objects":[{"@path":"m"},{"@path":"l"}]}}
	}`)
	got, err := m.Resolve(record)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"i": int64(7), "u": uint64(math.MaxUint64),
		"text": "7 18446744073709551615 0.1 2024-01-02T03:04:05Z aGk= x 5  a,b [object Object]",
		"k":    int64(1), "l1": "b", "a": got["a"],
		"rows":  []any{map[string]any{"id": int64(1)}, map[string]any{"id": int64(math.MaxInt64)}},
		"upper": "X", "flat": map[string]any{"0.id": int64(1), "1.id": int64(math.MaxInt64)},
		"json": `[{"id":1},{"id":9223372036854775807}]`, "merged": map[string]any{"k": 1, "0": "a", "1": "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := jsonOf(t, got["a"]); s != "1" {
		t.Errorf("a member of a struct: %s", s)
	}
}

func TestResolveWithoutAnObject(t *testing.T) {
	m := compile(t, `{"__segment_internal_directive":{"@arrayPath":["a"]}}`)
	for _, c := range []struct {
		record map[string]any
		fails  bool
	}{
		{nil, false},
		{map[string]any{}, false},
		{map[string]any{"a": nil}, true},
		{map[string]any{"a": "secret"}, true},
		{map[string]any{"a": []any{1}}, true},
	} {
		got, err := m.Resolve(c.record)
		if got != nil || (err != nil) != c.fails {
			t.Errorf("%v: %v, %v", c.record, got, err)
		}
		var resolve *ResolveError
		if c.fails && (!errors.As(err, &resolve) || resolve.Path != "/" || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%v: %v", c.record, err)
		}
	}
	var zero Mapping
	if got, err := zero.Resolve(map[string]any{"a": 1}); err != nil || len(got) != 0 || got == nil {
		t.Errorf("the zero value: %v, %v", got, err)
	}
	empty, err := Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := empty.Resolve(nil); err != nil || len(got) != 0 || got == nil {
		t.Errorf("an empty mapping: %v, %v", got, err)
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	for _, settings := range []string{
		`{"a":{"@path":{"@literal":{"@path":"o"}}}}`,
		`{"a":{"@case":{"operator":"secret","value":{"@path":"s"}}}}`,
		`{"a":{"@liquid":"{{ s | sort }}"}}`,
		`{"a":[{"@transform":{"apply":{"@path":"s"},"mapping":{"@transform":{"apply":{},"mapping":{}}}}}]}`,
	} {
		_, err := compile(t, settings).Resolve(map[string]any{"s": "secret", "o": map[string]any{"secret": "secret"}})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "/a/") {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func nest(v any, levels int, wrap func(any) any) any {
	for range levels {
		v = wrap(v)
	}
	return v
}

func TestLimits(t *testing.T) {
	path := func(p string) any { return map[string]any{"@path": p} }
	inObject := func(v any) any { return map[string]any{"a": v} }
	inArray := func(v any) any { return []any{v} }
	deep := nest("x", MaxDepth+10, inObject)
	text := strings.Repeat("a", 1<<20)
	many := make([]any, 20_000)
	for i := range many {
		many[i] = map[string]any{"id": strconv.Itoa(i)}
	}
	shape := map[string]any{}
	for i := range 100 {
		shape[strconv.Itoa(i)] = map[string]any{"@path": "id"}
	}
	// Each level holds the one before four times over, and shares it.
	doubling := nest(path("one"), 40, func(v any) any {
		return map[string]any{"@transform": map[string]any{
			"apply":   map[string]any{"s": v},
			"mapping": map[string]any{"@literal": []any{path("s"), path("s"), path("s"), path("s")}},
		}}
	})
	directive := func(name string, v any) map[string]any { return map[string]any{"x": map[string]any{name: v}} }
	record := map[string]any{"s": text, "one": "1", "deep": deep, "lists": nest(1.0, MaxDepth+10, inArray), "many": many}

	for _, c := range []struct {
		name     string
		settings map[string]any
		reason   string
	}{
		{"a template that repeats a large field", directive("@template", strings.Repeat("{{s}}", 100)), tooMuchText},
		{"a template that is found", directive("@template", map[string]any{"@template": strings.Repeat("{{{s}}}", 9)}), tooMuchText},
		{"a replacement that grows", directive("@replace", map[string]any{"pattern": "a", "value": path("s"), "replacement": "$`$'$`$'$`"}), tooMuchText},
		{"an array that doubles", map[string]any{"x": doubling}, tooManySteps},
		{"encoding what doubles", directive("@json", map[string]any{"mode": "encode", "value": doubling}), tooManySteps},
		{"printing what doubles", directive("@case", map[string]any{"operator": "upper", "value": map[string]any{"@transform": map[string]any{
			"apply": map[string]any{"s": doubling}, "mapping": map[string]any{"@template": "{{s}}"}}}}), tooManySteps},
		{"flattening what doubles", directive("@flatten", map[string]any{"separator": ".", "value": doubling}), tooMuchText},
		{"a large shape of many items", directive("@arrayPath", []any{"many", shape}), tooManySteps},
		{"merging a long text", directive("@merge", map[string]any{"direction": "right", "objects": []any{path("s"), path("s")}}), tooManySteps},
		{"encoding what is deep", directive("@json", map[string]any{"mode": "encode", "value": path("deep")}), tooDeep},
		{"flattening what is deep", directive("@flatten", map[string]any{"separator": ".", "value": path("deep")}), tooDeep},
		{"nulls in what is deep", directive("@excludeWhenNull", path("deep")), tooDeep},
		{"printing what is deep", directive("@template", "{{lists}}"), tooDeep},
		{"comparing what is deep", directive("@if", map[string]any{"blank": path("lists"), "then": 1}), tooDeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Compile(c.settings)
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.Resolve(record)
			var resolve *ResolveError
			if !errors.As(err, &resolve) || !strings.Contains(resolve.Reason, c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
		})
	}

	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	for name, settings := range map[string]map[string]any{
		"deep":   {"a": deep},
		"large":  {"a": make([]any, MaxValues)},
		"cyclic": cyclic,
	} {
		var compile *CompileError
		if _, err := Compile(settings); !errors.As(err, &compile) || len(compile.Problems) != 1 {
			t.Errorf("a %s mapping: %v", name, err)
		}
	}
	if _, err := compile(t, everything).Resolve(cyclic); err != nil {
		t.Errorf("a cyclic record that is not walked: %v", err)
	}
}
