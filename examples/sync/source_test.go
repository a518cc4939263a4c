package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 10)
	tests := []struct {
		name, in string
		want     []string // "-" is a line that is too long
	}{
		{"nothing", "", nil},
		{"one without an ending", "a", []string{"a"}},
		{"one with", "a\n", []string{"a"}},
		{"empty ones count", "\n\na\n", []string{"", "", "a"}},
		{"CRLF", "a\r\nb\r\n", []string{"a", "b"}},
		{"only the last CR belongs to the ending", "a\r\r\n\rb", []string{"a\r", "\rb"}},
		{"a byte order mark at the start", "\ufeffa\n\ufeffb", []string{"a", "\ufeffb"}},
		{"a byte order mark alone", "\ufeff", []string{""}},
		{"as long as may be", long + "\n" + long + "\r\n" + long, []string{long, long, long}},
		{"as long as may be behind a mark", "\ufeff" + long + "\r\n", []string{long}},
		{"too long by one", long + "x\na", []string{"-", "a"}},
		{"too long by one at the end", "a\n" + long + "x", []string{"a", "-"}},
		{"longer than the buffer", strings.Repeat("y", 200_000) + "\na", []string{"-", "a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newLineReader(strings.NewReader(test.in), len(long))
			for i, want := range test.want {
				l, err := r.next()
				if err != nil {
					t.Fatalf("line %d: %v", i+1, err)
				}
				got := string(l.text)
				if l.text == nil {
					got = "-"
				}
				if got != want || l.number != i+1 {
					t.Errorf("line %d is %q and has the number %d, want %q", i+1, got, l.number, want)
				}
			}
			if l, err := r.next(); err != io.EOF {
				t.Errorf("after the last line: %v, %v", l, err)
			}
		})
	}
}

func TestLineOfOneMebibyte(t *testing.T) {
	text := `{"a":"` + strings.Repeat("x", maxLine-8) + `"}`
	r := newLineReader(strings.NewReader(text+"\n"+text+" \n"+text), maxLine)
	for i, want := range []string{"", "the line is longer than 1048576 bytes", ""} {
		l, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if _, reason := parseRecord(l.text); reason != want {
			t.Errorf("line %d: %q, want %q", i+1, reason, want)
		}
	}
}

func TestParseRecord(t *testing.T) {
	tests := []struct{ name, in, reason string }{
		{"an object", `{"a":1}`, ""},
		{"white space around it", " \t{}\r ", ""},
		{"null", `null`, "is not a JSON object"},
		{"an array", `[{}]`, "is not a JSON object"},
		{"text", `"a"`, "is not a JSON object"},
		{"half an object", `{"a":`, "is not JSON: it ends in the middle of a value"},
		{"no JSON", `hello`, "is not JSON: syntax error at byte 1"},
		{"an object after it", `{}{}`, "something follows the JSON object"},
		{"a comma after it", `{},`, "something follows the JSON object"},
		{"a no-break space after it", "{}\u00a0", "something follows the JSON object"},
		{"Latin-1", "{\"a\":\"\xe9\"}", "is not UTF-8"},
		{"too deep", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), "is not JSON: syntax error at byte 50001"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, reason := parseRecord([]byte(test.in)); reason != test.reason {
				t.Errorf("%q, want %q", reason, test.reason)
			}
		})
	}
	rec, _ := parseRecord([]byte(`{"id":12345678901234567890}`))
	if rec["id"] != json.Number("12345678901234567890") {
		t.Errorf("a number was read as %v", rec["id"])
	}
}

func TestLineOf(t *testing.T) {
	s := &source{first: 5}
	for number := range 3 {
		s.keep(line{number: number * 10})
	}
	s.taken()
	for record, want := range map[int]int{5: 0, 6: 10, 7: 20, 8: 0} {
		if got := s.lineOf(record); got != want {
			t.Errorf("record %d is in line %d, want %d", record, got, want)
		}
	}
}

// An input on which nothing comes holds up neither stop nor the end of the context.
func TestRecordsEnd(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	s := newSource(t.Context(), in, 0)
	s.stop()
	s.stop()
	for rec, err := range s.records(t.Context()) {
		t.Errorf("after stop there came %v, %v", rec, err)
	}
	if s.ended {
		t.Error("an input that was not read to its end counts as ended")
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "a", "a\nb\r\n", "\ufeff{}\n\n{}", "{\"a\":1}x\n", strings.Repeat("long", 20) + "\nb", "\xff\n", "\r", "\n\r\n"} {
		f.Add([]byte(seed), 8)
	}
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		if limit < 0 || limit > 1<<16 {
			return
		}
		// The oracle: all of the input at once.
		rest := bytes.TrimPrefix(in, []byte("\ufeff"))
		var want [][]byte
		if len(in) > 0 {
			want = bytes.Split(rest, []byte("\n"))
			if bytes.HasSuffix(in, []byte("\n")) {
				want = want[:len(want)-1]
			}
		}
		r := newLineReader(bytes.NewReader(in), limit)
		for i, w := range want {
			w = bytes.TrimSuffix(w, []byte("\r"))
			l, err := r.next()
			if err != nil {
				t.Fatalf("line %d of %d: %v", i+1, len(want), err)
			}
			if l.number != i+1 {
				t.Errorf("line %d has the number %d", i+1, l.number)
			}
			if long := len(w) > limit; long != (l.text == nil) || !long && !bytes.Equal(l.text, w) {
				t.Errorf("line %d is %q, want %q", i+1, l.text, w)
			}
			rec, reason := parseRecord(l.text)
			if (rec == nil) != (reason != "") {
				t.Errorf("line %d gave the record %v and the reason %q", i+1, rec, reason)
			}
			if reason == "" && !json.Valid(l.text) {
				t.Errorf("line %d is not JSON, but gave a record", i+1)
			}
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last line: %v", err)
		}
		if r.offset != int64(len(in)) {
			t.Errorf("%d bytes were counted of %d", r.offset, len(in))
		}
	})
}

func TestScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := newScreen(&out)
		s.progress(1, 0, 10, 100)
		time.Sleep(lineEvery)
		s.progress(5, 1, 50, 100)
		s.progress(6, 1, 60, 100)
		time.Sleep(lineEvery)
		s.progress(7, 1, 70, 0)
		s.done()
		if want := "5 records, 1 failed, 50%\n7 records, 1 failed\n"; out.String() != want {
			t.Errorf("elsewhere than on a terminal: %q, want %q", out.String(), want)
		}

		out.Reset()
		s = &screen{w: &out, terminal: true}
		s.progress(5, 0, 50, 100)
		s.progress(6, 0, 60, 100)
		s.printf("a problem")
		time.Sleep(barEvery)
		s.progress(10, 0, 100, 100)
		s.done()
		half, full := strings.Repeat("=", 15)+strings.Repeat(" ", 15), strings.Repeat("=", 30)
		want := "[" + half + "]  50% 5 records\r\x1b[Ka problem\n[" + full + "] 100% 10 records\r\x1b[K"
		if out.String() != want {
			t.Errorf("on a terminal: %q, want %q", out.String(), want)
		}
	})
}
