package liquid

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile are templates written to cost more than they look, each within 1,000 characters. Some end with an error and some
// with a result; none may do or allocate much, whatever the clock says.
var hostile = []struct {
	name, template string
	fails          bool
}{
	{"text doubled by append", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 30), true},
	{"text doubled by prepend", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | prepend: a %}`, 30), true},
	{"text doubled by capture", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{%capture a%}{{a}}{{a}}{%endcapture%}`, 25), true},
	{"text of a letter outside ASCII", `{% assign a = "ﬁﬁﬁﬁﬁﬁﬁﬁ" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 22) + strings.Repeat(`{% assign b = a | upcase %}`, 9), true},
	{"output of one large text, over and over", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 20) + strings.Repeat(`{{a}}`, 60), true},
	{"text replaced by itself", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | replace: "x", a %}`, 9), true},
	{"something between all letters", `{% assign a = "xxxxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | replace: "", a %}`, 9), true},
	{"escaped again and again", `{% assign a = "&&&&&&&&&&&&&&&&" %}` + strings.Repeat(`{% assign a = a | escape | replace: "&", "&&&&&&&&" %}`, 15), true},
	{"percent-encoded again and again", `{% assign a = "%%%%%%%%%%%%" %}` + strings.Repeat(`{% assign a = a | append: a | url_encode %}`, 20), true},
	{"a range of a thousand million", `{{ (1..1000000000) | size }}`, true},
	{"a range without end", `{{ (9007199254740992..9007199254740994) | size }}`, true},
	{"a range to infinity", `{% assign a = "Infinity" | to_integer %}{{ (1..a) | size }}{{ (a..a) | size }}`, true},
	{"a range of all that fits, joined", `{{ (1..1000000) | join: "----------------------------------------------------------------------------------------------" }}`, true},
	{"many ranges", strings.Repeat(`{{(1..99999)|size}}`, 50), true},
	{"the letters of a large text", `{{ (1..900000) | join | split: "" | join | split: "" | size }}`, true},
	{"a slice of more than there is", `{{ "abc" | slice: 0, 1000000000 }}`, true},
	{"a slice from far away", `{{ "abc" | slice: 99999999999999999999, 5 }}{{ "abc" | slice: -99999999999999999999, 5 }}`, false},
	{"truncated far away", `{{ "abc" | truncate: 99999999999999999999 }}{{ "abc" | truncatewords: 99999999999999999999 }}`, false},
	{"a date as wide as a book", `{{ 0 | date: "%1000000000d" }}`, true},
	{"a second with many digits", `{{ 0 | date: "%999999999N" }}`, true},
	{"an array within itself, as text", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{{ a }}`, true},
	{"an array within itself, joined", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{{ a | join }}`, true},
	{"an array within itself, as JSON", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{{ a | json }}`, true},
	{"an array within itself, compared", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 15) + `{% assign b = "x" | push: "y" %}` + strings.Repeat(`{%assign b=b|push:b%}`, 15) + `{% if a == b %}{% endif %}`, false},
	{"an array within itself, as a number", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{{ a | plus: 1 }}`, true},
	{"an array within itself, as a key", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{{ t[a] }}`, true},
	{"an array within itself, as the name of a cycle", `{% assign a = "x" | push: "y" %}` + strings.Repeat(`{%assign a=a|push:a%}`, 42) + `{% cycle a: 1 %}`, true},
	{"deep conditions", strings.Repeat(`{%if 1%}`, 58) + `x` + strings.Repeat(`{%endif%}`, 58), false},
	{"deep brackets", `{{ ` + strings.Repeat("a[", 330) + strings.Repeat("]", 330) + ` }}`, false},
	{"deep ranges", `{{ ` + strings.Repeat("(", 900) + ` }}`, true},
	{"conditions that are not closed", strings.Repeat(`{%if 1%}`, 125), true},
	{"a long row of operands", `{{ ` + strings.Repeat("1 ", 490) + `}}`, false},
	{"a long row of operators", `{{ ` + strings.Repeat("not ", 240) + `1 }}`, false},
	{"large text handled many times", `{% assign a = "x xxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 17) + `{{ a ` + strings.Repeat(`|size`, 60) + ` }}`, false},
	{"large text searched many times", `{% assign a = "é xxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 16) + strings.Repeat(`{{ a | slice: -1 }}`, 6), false},
	{"stripped of a large set", `{% assign a = "xyxyxyxyxyxyxyxy" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 19) + strings.Repeat(`{{ a | strip: a }}`, 20), true},
	{"the members of a long path, of many items", `{% assign a = "a.a.a.a.a.a.a.a." %}` + strings.Repeat(`{% assign a = a | append: a %}`, 12) + `{% assign b = (1..99999) %}{{ b | where: a | size }}`, true},
	{"the sum of a long path, of many items", `{% assign a = "a.a.a.a.a.a.a.a." %}` + strings.Repeat(`{% assign a = a | append: a %}`, 12) + `{% assign b = (1..99999) %}{{ b | sum: a | size }}`, true},
	{"much white space that is blank", `{% assign a = "                " %}` + strings.Repeat(`{% assign a = a | append: a %}`, 16) + `{% if ` + strings.Repeat(`a != blank or `, 25) + `a == "" %}{% endif %}`, true},
	{"a long row of directives", `{% assign a = "%U%U%U%U%U%U%U%U" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 16) + `{{ 0 | date: a | size }}`, true},
	{"a long key", `{% assign a = "x xxxxxxxxxxxxxx" %}` + strings.Repeat(`{% assign a = a | append: a %}`, 17) + `{{ t` + strings.Repeat(`[a]`, 99) + ` }}`, false},
	{"many words", `{% assign a = "x x x x x x x x " %}` + strings.Repeat(`{% assign a = a | append: a %}`, 15) + `{{ a | truncatewords: 3 }}{{ a | number_of_words }}`, false},
}

func TestHostileTemplates(t *testing.T) {
	limits := Limits{Time: time.Hour, Memory: defaultMemory / 10, Steps: defaultSteps / 10} // for a test that is as quick as it can be
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			if n := units(c.template); n > 1000 {
				t.Fatalf("the template has %d characters", n)
			}
			tpl, err := Parse(c.template, limits)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err == nil {
				_, _, err = tpl.Render(map[string]any{"t": map[string]any{}})
			}
			runtime.ReadMemStats(&after)
			if c.fails != (err != nil) {
				t.Errorf("error: %v", err)
			}
			var typed *Error
			if err != nil && (!errors.As(err, &typed) || typed.Line < 1 || typed.Col < 1 || typed.Reason == "") {
				t.Errorf("error: %#v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > uint64(2*limits.Memory) {
				t.Errorf("allocated %d bytes", used)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, template string
		limits         Limits
		want           string
	}{
		{"length", strings.Repeat("x", 11), Limits{Length: 10}, "a template is longer than 10 characters, line 1, column 1"},
		{"length in units", strings.Repeat("😀", 6), Limits{Length: 11}, "a template is longer than 11 characters, line 1, column 1"},
		{"length of a thousand", strings.Repeat("x", 1001), Limits{}, "a template is longer than 1000 characters, line 1, column 1"},
		{"memory", "\n {{ 'abcdef' | append: 'ghijkl' }}", Limits{Memory: 70}, "rendering needed more than 70 bytes, line 2, column 2"},
		{"steps", strings.Repeat("{{ 1 }}", 20), Limits{Steps: 10}, ""}, // too few to be looked at
		{"many steps", "{{ (1..9999) | size }}", Limits{Steps: 5000}, "rendering took more than 5000 steps, line 1, column 1"},
		{"time", "{{ (1..9999) | size }}{{ (1..9999) | size }}", Limits{Time: 1}, "rendering took longer than 1ns, line 1, column 23"},
	} {
		tpl, err := Parse(c.template, c.limits)
		if err == nil {
			_, _, err = tpl.Render(nil)
		}
		if got := message(err); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
