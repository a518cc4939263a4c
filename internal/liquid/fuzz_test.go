package liquid

import (
	"bufio"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

// FuzzRender parses and renders any template over any record: it must not panic, nor write into the record, nor give anything but
// UTF-8 within the budget or an *Error with a place in the template, and the same each time.
func FuzzRender(f *testing.F) {
	for _, line := range vectors(f) {
		f.Add(line.Template, string(line.Input))
	}
	for _, c := range hostile {
		f.Add(c.template, `{"t":{}}`)
	}
	limits := Limits{Length: 2000, Memory: 2 << 20, Steps: 100_000, Time: time.Minute}
	f.Fuzz(func(t *testing.T, src, input string) {
		var root, same any
		if conformance.Decode([]byte(input), &root) != nil || conformance.Decode([]byte(input), &same) != nil {
			root, same = input, input
		}
		tpl, err := Parse(src, limits)
		if err != nil {
			checkError(t, src, err)
			return
		}
		for _, p := range tpl.Paths() {
			if p == "" || !utf8.ValidString(p) {
				t.Errorf("path %q", p)
			}
		}
		out, defined, err := tpl.Render(root)
		if !reflect.DeepEqual(root, same) {
			t.Fatal("rendering wrote into the record")
		}
		if err != nil {
			checkError(t, src, err)
			return
		}
		if !defined || !utf8.ValidString(out) || len(out) > 3*limits.Memory {
			t.Fatalf("%v, %d bytes", defined, len(out))
		}
		if strings.Contains(src, "sample") || strings.Contains(src+input, "now") || strings.Contains(src+input, "today") {
			return
		}
		if again, _, err := tpl.Render(root); err != nil || again != out {
			t.Errorf("%q, then %q, %v", out, again, err)
		}
	})
}

func checkError(t *testing.T, src string, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason == "" || e.Line < 1 || e.Line > 1+strings.Count(src, "\n") || e.Col < 1 || e.Col > 1+len(src) {
		t.Errorf("error %#v", err)
	}
}

// FuzzParseDate holds parseDate against package time where both read the same form, and to the range of a Date elsewhere.
func FuzzParseDate(f *testing.F) {
	for _, s := range []string{
		"2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678+02:00", "2024-01-02", "-000001-01-01", "+275760-09-13", "1/2/2024 3:04 pm",
		"Tue, 02 Jan 2024 03:04:05 GMT", "12:30:45.5 1/2/2024", "Jan 5 (a (b) c", "5 Jan 99 10:: +05:30", "2024-01-02T24:00:00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ms := clip(parseDate(clean(s)))
		if ms != math.Trunc(ms) && !math.IsNaN(ms) || math.Abs(ms) > maxInstant {
			t.Errorf("%q is %v", s, ms)
		}
		const form = "2006-01-02T15:04:05"
		if len(s) < len(form)+1 || s[len(form)] == '.' && len(s) > len(form)+len(".123456Z") {
			return
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		if _, errForm := time.Parse(form, s[:len(form)]); err != nil || errForm != nil || s[len(form)] == ',' || s[10] != 'T' || s[13] != ':' {
			return
		}
		if _, offset := want.Zone(); offset <= -24*3600 || offset >= 24*3600 {
			return
		}
		if ms != float64(want.UnixMilli()) {
			t.Errorf("%q is %v, not %v", s, ms, want.UnixMilli())
		}
	})
}

// FuzzText holds the handling of UTF-16 in UTF-8 to what it is in UTF-16.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "abc", "é😀x", "\xed\xa0\xbd\xed\xb8\x80", "\xed\xa0\xbd", "a\xff\xed", "\uffff😀\ue000"} {
		f.Add(s, s+"x", 1, 2)
	}
	f.Fuzz(func(t *testing.T, a, b string, from, to int) {
		a, b = rejoin(clean(a)), rejoin(clean(b))
		ua, ub := toUnits(a), toUnits(b)
		if fromUnits(ua) != a || units(a) != len(ua) {
			t.Fatalf("%q has units %x, %d", a, ua, units(a))
		}
		if got := concat(a, b); got != fromUnits(append(toUnits(a), ub...)) {
			t.Errorf("%q and %q are %q", a, b, got)
		}
		from, to = min(max(from, 0), len(ua)), min(max(to, 0), len(ua))
		if from <= to && substring(a, from, to) != fromUnits(ua[from:to]) {
			t.Errorf("%q from %d to %d is %q", a, from, to, substring(a, from, to))
		}
		if got, want := compareUnits(a, b), slices.Compare(ua, ub); got != want {
			t.Errorf("%q to %q is %d, not %d", a, b, got, want)
		}
		if !utf8.ValidString(whole(a)) {
			t.Errorf("%q is %q", a, whole(a))
		}
	})
}

type vector struct {
	Template string
	Input    json.RawMessage
}

// vectors returns the measured cases, as seeds.
func vectors(t testing.TB) []vector {
	files, err := filepath.Glob("testdata/conformance/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	var out []vector
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for s := bufio.NewScanner(file); s.Scan(); {
			var v vector
			if err := json.Unmarshal(s.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			out = append(out, v)
		}
	}
	return out
}
