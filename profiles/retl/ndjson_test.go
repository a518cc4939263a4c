package retl

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A read is what was read of an input: records, and lines that hold none, in their order.
type read struct {
	Record profiles.Record
	Bad    *LineError
	Text   string
}

// collect ranges to the end, and returns the error that ended it.
func collect(t *testing.T, records iter.Seq2[profiles.Record, error]) (all []read, last error) {
	t.Helper()
	for rec, err := range records {
		if last != nil {
			t.Fatalf("goes on after %v", last)
		}
		bad, isBad := errors.AsType[*profiles.BadRecord](err)
		switch {
		case isBad:
			line, ok := errors.AsType[*LineError](err)
			if !ok || rec != nil {
				t.Fatalf("%v is no *LineError, or has the record %v", err, rec)
			}
			all = append(all, read{Bad: line, Text: string(bad.Text)})
		case err != nil:
			last = err
		default:
			all = append(all, read{Record: rec})
		}
	}
	return all, last
}

func TestNDJSON(t *testing.T) {
	one := profiles.Record{"a": json.Number("1")}
	bad := func(line int, reason, text string) read {
		return read{Bad: &LineError{Line: line, Reason: reason}, Text: text}
	}
	exact := `{"a":"` + strings.Repeat("x", MaxLineBytes-8) + `"}`
	for _, test := range []struct {
		name, in string
		want     []read
	}{
		{"nothing", "", nil},
		{"a byte order mark only", "\ufeff", nil},
		{"two lines", "{\"a\":1}\n{\"a\":1}\n", []read{{Record: one}, {Record: one}}},
		{"no ending after the last", "{\"a\":1}\n{\"a\":1}", []read{{Record: one}, {Record: one}}},
		{"line endings of Windows, a mark and blank lines", "\ufeff\r\n{\"a\":1}\r\n \t\r\n\n{\"a\":1}\r\n", []read{{Record: one}, {Record: one}}},
		{"a mark elsewhere", "{\"a\":1}\n\ufeff{\"a\":1}\n", []read{{Record: one}, bad(2, "is not JSON: syntax error at byte 1", "\ufeff{\"a\":1}")}},
		{"numbers keep their digits", `{"a":12345678901234567890.10}`, []read{{Record: profiles.Record{"a": json.Number("12345678901234567890.10")}}}},
		{"space around the object", " {\"a\":1} \n", []read{{Record: one}}},
		{"lines that hold no record", "[1]\n\"secret\"\nnull\n{\"a\":1}\n", []read{
			bad(1, "is not a JSON object", "[1]"), bad(2, "is not a JSON object", `"secret"`), bad(3, "is not a JSON object", "null"), {Record: one},
		}},
		{"lines that are not JSON", "\n{\"a\":\n{a}\n{\"a\":1}\n", []read{
			bad(2, "is not JSON: it ends in the middle of a value", `{"a":`), bad(3, "is not JSON: syntax error at byte 2", "{a}"), {Record: one},
		}},
		{"two objects in a line", `{"a":1}{"a":1}`, []read{bad(1, "has something after its JSON value", `{"a":1}{"a":1}`)}},
		{"not UTF-8", "{\"a\":\"\xff\"}\n", []read{bad(1, "is not UTF-8", "{\"a\":\"\xff\"}")}},
		{"as long as a line may be", "\ufeff" + exact + "\r\n{\"a\":1}", []read{{Record: profiles.Record{"a": exact[6 : len(exact)-2]}}, {Record: one}}},
		{"one byte longer", exact + " \n{\"a\":1}\n", []read{bad(1, "is longer than 1048576 bytes", ""), {Record: one}}},
		{"far longer", strings.Repeat("x", 5*MaxLineBytes) + "\n{\"a\":1}\n", []read{bad(1, "is longer than 1048576 bytes", ""), {Record: one}}},
		{"far longer at the end", strings.Repeat(" ", 5*MaxLineBytes), []read{bad(1, "is longer than 1048576 bytes", "")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := collect(t, NDJSON(strings.NewReader(test.in)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%.2000s", diff)
			}
			for _, r := range got {
				if r.Bad != nil && strings.Contains(r.Bad.Error(), "secret") {
					t.Errorf("%v shows a value", r.Bad)
				}
			}
		})
	}
}

func TestNDJSONInputFails(t *testing.T) {
	lost := errors.New("connection lost")
	records := NDJSON(io.MultiReader(strings.NewReader("{\"a\":1}\n{\"a\":"), iotest.ErrReader(lost)))
	got, err := collect(t, records)
	if len(got) != 1 || got[0].Record == nil || err != lost {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := collect(t, records); len(got) != 0 || err != ErrSpent {
		t.Errorf("a second range yields %v, %v", got, err)
	}
}

func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{"", "\ufeff{}", "{\"a\":1}\n\n[]\r\n{\"b\":[1.10,\"\\u0000\"]}", "{\"a\":\"\xff\"}", "{", "{}{}", "\n\r\n \n{}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		records, last := 0, 0
		for rec, err := range NDJSON(iotest.OneByteReader(strings.NewReader(in))) {
			records++
			if err == nil {
				if rec == nil {
					t.Error("neither a record nor an error")
				}
				if _, err := json.Marshal(rec); err != nil {
					t.Errorf("a record that is not JSON: %v", err)
				}
				continue
			}
			line, ok := errors.AsType[*LineError](err)
			if !ok || rec != nil {
				t.Fatalf("%v, %v", rec, err)
			}
			if line.Line <= last {
				t.Errorf("line %d after %d", line.Line, last)
			}
			last = line.Line
		}
		if lines := strings.Count(in, "\n") + 1; records > lines || last > lines {
			t.Errorf("%d records, the last bad line %d, of %d lines", records, last, lines)
		}
	})
}
