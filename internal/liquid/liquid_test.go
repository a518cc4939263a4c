package liquid

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestGoValues(t *testing.T) {
	type name string
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		what     string
		root     any
		template string
		want     string
	}{
		{"integers keep their digits", map[string]any{"v": int64(9007199254740993)}, "{{ v }}", "9007199254740993"},
		{"and lose them in arithmetic", map[string]any{"v": int64(9007199254740993)}, "{{ v | plus: 0 }}", "9007199254740992"},
		{"json.Number", map[string]any{"v": json.Number("1E2")}, "{{ v }} {{ v | plus: 1 }}", "100 101"},
		{"numbers of any type are equal", map[string]any{"v": uint8(3), "w": 3.0}, "{{ v == w }}", "true"},
		{"a float32 prints as it reads", map[string]any{"v": float32(0.1)}, "{{ v }}", "0.1"},
		{"time.Time", map[string]any{"v": at}, `{{ v }} {{ v | date: "%H:%M" }}`, "2024-01-02T03:04:05+01:00 02:04"},
		{"bytes are base64", map[string]any{"v": []byte("ab")}, "{{ v }}", "YWI="},
		{"typed maps and slices", map[string]any{"v": map[name][]int{"a": {1, 2}}}, "{{ v.a[1] }} {{ v.a | join }} {{ v | json }}", `2 1 2 {"a":[1,2]}`},
		{"pointers", map[string]any{"v": new(int)}, "{{ v }}", "0"},
		{"structs by their JSON", struct {
			V string `json:"v"`
		}{"x"}, "{{ v }}", "x"},
		{"a function is nothing", map[string]any{"v": func() {}}, "[{{ v }}]", "[]"},
		{"no record", nil, "[{{ v }}]", "[]"},
		{"an array as the record", []any{"a", "b"}, "{{ [1] }}{{ length }}", "b2"},
		{"bytes that are not UTF-8", map[string]any{"v": "a\xffb"}, "{{ v }} {{ v | size }}", "a\uFFFDb 3"},
		{"half a character in the record", map[string]any{"v": "\xed\xa0\xbd"}, "{{ v }} {{ v | size }}", "\uFFFD 1"},
		{"half a character beside its other half", map[string]any{"v": "😀"}, "{{ v | first }}{{ v | last }}", "😀"},
		{"an empty template", nil, "", ""},
	} {
		got, defined, err := render(c.template, c.root)
		if got != c.want || !defined || err != nil {
			t.Errorf("%s: %q, %v, %v", c.what, got, defined, err)
		}
	}
}

func TestRenderWritesNothing(t *testing.T) {
	root, same := record(), record()
	for _, src := range []string{
		"{% increment n %}{% decrement s %}{% increment new %}{% assign o = 1 %}{% capture list %}{% endcapture %}",
		"{{ list | push: 1 | push: 2 | size }}{{ list | pop | push: 9 | size }}{{ list | shift | push: 9 }}{{ list | unshift: 1 }}",
		"{{ list | slice: 0, 2 | push: 9 | push: 8 }}{{ list | compact | push: 1 }}{{ people | where: 'age' | push: 1 | size }}{{ list | sample: 3 | push: 1 }}",
	} {
		if _, _, err := render(src, root); err != nil {
			t.Error(err)
		}
		if !reflect.DeepEqual(root, same) {
			t.Fatalf("%s wrote into the record", src)
		}
	}
}

func TestRenderFromManyGoroutines(t *testing.T) {
	tpl, err := Parse("{% assign x = v | plus: 1 %}{% increment n %}{% cycle 'a', 'b' %}{% capture c %}{{ x }}{% endcapture %}{{ c | append: s }}", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	shared := map[string]any{"a": []any{1, 2}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				want := "0a" + strconv.Itoa(i+1) + "s"
				if got, _, err := tpl.Render(map[string]any{"v": i, "s": "s", "shared": shared}); got != want || err != nil {
					t.Errorf("%q, %v", got, err)
				}
				tpl.Paths()[0] = "x" // a copy
			}
		})
	}
	wg.Wait()
}

func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, word := range []string{"now", "today"} {
			got, _, err := render("{{ '"+word+"' | date: '%Y-%m-%d %H' }}", nil)
			if want := time.Now().UTC().Format("2006-01-02 15"); got != want || err != nil {
				t.Errorf("%s is %q, not %q, %v", word, got, want, err)
			}
		}
	})
}

func TestSample(t *testing.T) {
	for _, c := range []struct{ template, among string }{
		{"{{ 'a😀' | sample }}", "a 😀"},
		{"{{ list | sample: 2 | size }}", "2"},
		{"{{ list | compact | sample }}", "b a 3"},
		{"{{ list | sample: 9 | size }}", "4"},
		{"{{ nope | sample | size }}", "0"},
	} {
		got := outcome(c.template)
		if !slices.Contains(strings.Fields(c.among), got) {
			t.Errorf("%s: %q", c.template, got)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		template string
		want     []string
	}{
		{"plain", nil},
		{"{{ traits.email }}{{ traits.email | append: userId }}", []string{"traits.email", "userId"}},
		{"{{ a.b[0].c }}{{ a['b c'].d }}{{ a.0 }}{{ a[\"x\"] }}", []string{"a.b[0].c", "a.x", "a['b c'].d", "a[0]"}},
		{"{{ a[b.c].d }}", []string{"a", "b.c"}},
		{"{{ a[nil].d }}{{ [b] }}", []string{"a", "b"}},
		{"{{ 'x'.size }}{{ 1 | plus: 2 }}{{ (n..a.m) }}", []string{"a.m", "n"}},
		{"{% if a == b and c contains 'x' %}{{ d }}{% elsif e %}{{ f }}{% else %}{{ g }}{% endif %}", []string{"a", "b", "c", "d", "e", "f", "g"}},
		{"{% unless a %}{{ b }}{% endunless %}", []string{"a", "b"}},
		{"{% assign x = a.b %}{{ x.c }}{{ y }}", []string{"a.b", "y"}},
		{"{{ x }}{% assign x = 1 %}{{ x }}", []string{"x"}},
		{"{% if a %}{% assign x = 1 %}{% endif %}{{ x }}", []string{"a", "x"}},
		{"{% capture x %}{{ a }}{% endcapture %}{{ x }}{{ ['x'] }}", []string{"a"}},
		{"{% increment n %}{{ n }}{% cycle g: a, 'b' %}{% echo h %}{% liquid echo i %}", []string{"a", "g", "h", "i", "n"}},
		{"{% comment %}{{ a }}{% endcomment %}{% raw %}{{ b }}{% endraw %}", nil},
		{"{{ v | default: d, allow_false: e }}", []string{"d", "e", "v"}},
	} {
		tpl, err := Parse(c.template, Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		if got := tpl.Paths(); !slices.Equal(got, c.want) {
			t.Errorf("%s reads %q, not %q", c.template, got, c.want)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	for _, c := range []struct{ name, template string }{
		{"path", "{{ traits.email }}"},
		{"filters", "{{ traits.email | downcase | strip }}"},
		{"condition", "{% if traits.name %}{{ traits.name }}{% else %}?{% endif %}"},
		{"date", `{{ timestamp | date: "%Y-%m-%d" }}`},
		{"long", `{% assign n = traits.name | split: " " %}{% if n.size > 1 and traits.plan == "pro" %}{{ n | first | upcase }} {{ n | last | capitalize }}{% else %}{{ traits.name | default: "friend" | truncate: 20 }}{% endif %}: {{ properties.total | times: 1.21 | round: 2 }}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			tpl, err := Parse(c.template, Limits{})
			if err != nil {
				b.Fatal(err)
			}
			root := map[string]any{
				"timestamp":  "2024-01-02T03:04:05Z",
				"traits":     map[string]any{"email": " Ann@Example.COM ", "name": "Ann Example", "plan": "pro"},
				"properties": map[string]any{"total": 12.5},
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := tpl.Render(root); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("{% if traits.name %}{{ traits.name | downcase | strip }}{% else %}?{% endif %}", Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
