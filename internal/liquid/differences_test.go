package liquid

import (
	"encoding/json"
	"testing"
)

// TestKnownDifferences is the list of where this package and LiquidJS 10.27.2 on Node 20 give different results, each with
// what LiquidJS gives. The first four are meant; the others are where JavaScript has something that Go's values, or this
// package, do not have.
func TestKnownDifferences(t *testing.T) {
	for _, c := range []struct {
		why      string
		template string
		root     any
		want     string
		liquidJS string
	}{
		{"integers keep their digits", "{{ v }}", map[string]any{"v": json.Number("9007199254740993")}, "9007199254740993", "9007199254740992"},
		{"members are sorted, indices first", "{{ v | json }}", map[string]any{"v": map[string]any{"b": 1, "a": 2, "10": 3, "9": 4}},
			`{"9":4,"10":3,"a":2,"b":1}`, `{"9":4,"10":3,"b":1,"a":2}`},
		{"an item of an array is counted with 32 bytes, not as one", "{{ (1..4000000) | size }}", nil, "error", "4000000"},
		{"a range without end is an error", "{{ (9007199254740992..9007199254740994) }}", nil, "error", "never ends"},
		{"half a character cannot be in what is decoded from JSON in Go", "{{ v | json }}", fromJSON(`{"v":"\ud83d"}`), `"` + "\uFFFD" + `"`, `"\ud83d"`},
		{"V8's powers of ten are known for integers alone", "{{ 1234 | round: 1.5 }}", nil, "1234.0156113275066", "1234.0156113275068"},
		{"letters of Unicode 16 and later have no case", "{{ v | upcase }}", map[string]any{"v": "\u019b"}, "\u019b", "\ua7dc"},
		{"members that JavaScript's objects are born with", "{{ 'x' | slugify: 'constructor' }}{% block constructor %}a{% endblock %}", nil, "xa", "x"},
		{"a comparison with an object that Go makes anew each time it is read", "{{ v == v }}", map[string]any{"v": map[string]int{}}, "false", "true"},
	} {
		got, _, err := render(c.template, c.root)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: %q, not %q", c.why, got, c.want)
		}
		if got == c.liquidJS {
			t.Errorf("%s: this is no difference any more", c.why)
		}
	}
}

func fromJSON(text string) (v any) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}
