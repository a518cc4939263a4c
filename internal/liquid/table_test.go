package liquid

import "testing"

// record is what the templates of the tables read.
func record() map[string]any {
	return map[string]any{
		"s": " ab cd ", "email": "Ann@Example.COM", "smile": "a😀b", "words": "one  two\nthree", "csv": "a,b,,c,,", "empty": "",
		"html": "<b class='x'>a & b</b>", "date": "2024-03-05T07:08:09.012Z",
		"n": 7.5, "neg": -3, "t": true, "f": false, "z": nil,
		"list": []any{"b", "a", nil, 3}, "nested": []any{1, []any{2, []any{3}}},
		"o": map[string]any{"name": "Ann", "tags": []string{"x", "y"}, "length": 2, "0": "zero", "1": "one"},
		"people": []any{
			map[string]any{"name": "Ann", "age": 30, "tags": map[string]any{"vip": true}},
			map[string]any{"name": "Bob", "age": 0, "tags": map[string]any{"vip": false}},
			map[string]any{"name": "Cem"},
		},
	}
}

// row is a template and what becomes of it, or the error after "error: ".
type row struct{ template, want string }

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, c := range rows {
		if got := outcome(c.template); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.template, got, c.want)
		}
	}
}

func outcome(template string) string {
	out, _, err := render(template, record())
	if err != nil {
		return "error: " + err.Error()
	}
	return out
}
