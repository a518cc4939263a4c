package retl

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

func TestCSV(t *testing.T) {
	rec := func(a, b any) read { return read{Record: profiles.Record{"a": a, "b": b}} }
	bad := func(line int, column, reason string) read {
		return read{Bad: &LineError{Line: line, Column: column, Reason: reason}}
	}
	typed := func(types ...ColumnType) CSVOptions {
		return CSVOptions{Types: map[string]ColumnType{"a": types[0], "b": types[1]}}
	}
	for _, test := range []struct {
		name, in string
		opts     CSVOptions
		want     []read
	}{
		{"a header only", "a,b\n", CSVOptions{}, nil},
		{"two records", "a,b\n1,x\n2,\"y, z\"", CSVOptions{}, []read{rec("1", "x"), rec("2", "y, z")}},
		{"a mark, line endings of Windows, blank lines", "\ufeffa,b\r\n\r\n1,x\r\n\r\n", CSVOptions{}, []read{rec("1", "x")}},
		{"a quoted header after a mark", "\ufeff\"a\",b\n1,x\n", CSVOptions{}, []read{rec("1", "x")}},
		{"quotes and line ends in a field", "a,b\n\"say \"\"hi\"\"\",\"x\ny\"\n", CSVOptions{}, []read{rec(`say "hi"`, "x\ny")}},
		{"another comma", "a;b\n1,5;\n", CSVOptions{Comma: ';'}, []read{rec("1,5", nil)}},
		{"empty is null", "a,b\n,\"\"\n", CSVOptions{}, []read{rec(nil, nil)}},
		{"empty is kept", "a,b\n,\"\"\n", CSVOptions{KeepEmpty: true}, []read{rec("", "")}},
		{"a text for null", "a,b\n\\N,\n", CSVOptions{Null: `\N`, KeepEmpty: true}, []read{rec(nil, "")}},
		{"a text for null, and empty", "a,b\nNULL,\n", CSVOptions{Null: "NULL"}, []read{rec(nil, nil)}},
		{"spaces stay", "a,b\n 1 , x\n", CSVOptions{}, []read{rec(" 1 ", " x")}},
		{"not UTF-8", "a,b\n\xff,x\n", CSVOptions{}, []read{rec("\ufffd", "x")}},
		{"numbers and bools", "a,b\n 1.50,TRUE\n+.5,f\n,\n", typed(ColumnNumber, ColumnBool),
			[]read{rec(json.Number("1.50"), true), rec(json.Number("0.5"), false), rec(nil, nil)}},
		{"empty numbers are null though empty is kept", "a,b\n ,\n", CSVOptions{KeepEmpty: true, Types: map[string]ColumnType{"a": ColumnNumber}},
			[]read{rec(nil, "")}},
		{"JSON", "a,b\n\"{\"\"n\"\":1.10}\",x\nnull,x\n", typed(ColumnJSON, ColumnText),
			[]read{rec(map[string]any{"n": json.Number("1.10")}, "x"), rec(nil, "x")}},
		{"values of other types", "a,b\nsecret,1\n1,secret\n\n\"1\",\n", typed(ColumnNumber, ColumnBool),
			[]read{bad(2, "a", "is not a number"), bad(3, "b", "is not a bool"), rec(json.Number("1"), nil)}},
		{"a bad field on a later line than its record", "a,b\n\"x\ny\",secret\n", typed(ColumnText, ColumnNumber), []read{bad(3, "b", "is not a number")}},
		{"JSON that is none", "a,b\n{,x\n", typed(ColumnJSON, ColumnText), []read{bad(2, "a", "is not JSON: it ends in the middle of a value")}},
		{"too few fields and too many", "a,b\n1\n1,2,3\n1,x\n", CSVOptions{},
			[]read{bad(2, "", "has 1 fields, the header has 2"), bad(3, "", "has 3 fields, the header has 2"), rec("1", "x")}},
		{"stray quotes", "a,b\n1,x\"y\n\"1\"2,y\n1,x\n", CSVOptions{}, []read{
			bad(2, "", "has a stray quote, or one that is not closed, at byte 4"),
			bad(3, "", "has a stray quote, or one that is not closed, at byte 3"), rec("1", "x"),
		}},
		{"a long record", "a,b\n" + strings.Repeat("x", MaxLineBytes) + ",\n1,x\n", CSVOptions{},
			[]read{bad(2, "", "has a record of more than 1048576 bytes"), rec("1", "x")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := collect(t, CSV(strings.NewReader(test.in), test.opts))
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

func TestCSVEnds(t *testing.T) {
	lost := errors.New("connection lost")
	types := func(name string, typ ColumnType) CSVOptions {
		return CSVOptions{Types: map[string]ColumnType{name: typ}}
	}
	for _, test := range []struct {
		name    string
		in      io.Reader
		opts    CSVOptions
		records int
		want    error
	}{
		{"a column without a name", strings.NewReader("a,\n1,2\n"), CSVOptions{}, 0, &ColumnError{Place: 2, Reason: "has no name"}},
		{"two of one name", strings.NewReader("a,b,a\n"), CSVOptions{}, 0,
			&ColumnError{Column: "a", Place: 3, Reason: "is there twice, at places 1 and 3"}},
		{"a type of no column", strings.NewReader("a,b\n"), types("c", ColumnBool), 0,
			&ColumnError{Column: "c", Reason: "is given a type, but the header does not have it"}},
		{"a type that is none", strings.NewReader("a,b\n"), types("b", 99), 0,
			&ColumnError{Column: "b", Place: 2, Reason: "is given a type that is not known"}},
		{"a header that is broken", strings.NewReader("a,\"b\"c\n1,2\n"), CSVOptions{}, 0,
			&LineError{Line: 1, Reason: "has a stray quote, or one that is not closed, at byte 5"}},
		{"no header", strings.NewReader("\n\n"), CSVOptions{}, 0, io.ErrUnexpectedEOF},
		{"an input that fails", io.MultiReader(strings.NewReader("a,b\n1,2\n1,"), iotest.ErrReader(lost)), CSVOptions{}, 1, lost},
		{"an input that fails in a broken line", io.MultiReader(strings.NewReader("a,b\n1,2\n1\","), iotest.ErrReader(lost)), CSVOptions{}, 1, lost},
		{"a quote that breaks on a later line", strings.NewReader("a,b\n1,2\n1,\"x\ny\"z\n3,4\n"), CSVOptions{}, 1,
			&LineError{Line: 3, Reason: "has a quoted field that is broken on line 4, at byte 2"}},
		{"a quote without an end", strings.NewReader("a,b\n1,2\n1,\"x\n" + strings.Repeat("3,4\n", 2*MaxLineBytes)), CSVOptions{}, 1,
			&LineError{Line: 3, Reason: "has a record of more than 4194304 bytes: is a quote not closed?"}},
		{"a line without an end", strings.NewReader("a,b\n\"1\n\n\",2\n" + strings.Repeat("x\"", 4*MaxLineBytes)), CSVOptions{}, 1,
			&LineError{Line: 5, Reason: "has a record of more than 4194304 bytes: is a quote not closed?"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			records := CSV(test.in, test.opts)
			got, err := collect(t, records)
			if len(got) != test.records {
				t.Errorf("%d records", len(got))
			}
			switch test.want.(type) {
			case *ColumnError, *LineError:
				if diff := cmp.Diff(test.want, err); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			default:
				if !errors.Is(err, test.want) {
					t.Errorf("error is %v", err)
				}
			}
			if got, again := collect(t, records); len(got) != 0 || again != ErrSpent {
				t.Errorf("a second range yields %v, %v", got, again)
			}
		})
	}
}

func TestCSVCommaThatCannotBe(t *testing.T) {
	got, err := collect(t, CSV(strings.NewReader("a,b\n"), CSVOptions{Comma: '"'}))
	if len(got) != 0 || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

// What encoding/csv reads is what CSV reads, whatever is read at once.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"", "a", "a,b\n1,2\n", "\ufeffa,b\r\n\"x\ny\",\n", "a,a\n", "a,\n", "a\n\"x\n", "a\n\"x\"y\n1\n", "a\n\xff\n", "a,b\n1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		plain := csv.NewReader(strings.NewReader(strings.TrimPrefix(in, byteOrderMark)))
		header, _ := plain.Read()
		for rec, err := range CSV(iotest.OneByteReader(strings.NewReader(in)), CSVOptions{KeepEmpty: true}) {
			if err != nil {
				if rec != nil {
					t.Error("a record and an error")
				}
				if _, isBad := errors.AsType[*profiles.BadRecord](err); !isBad {
					return
				}
				if fields, err := plain.Read(); err == nil {
					t.Errorf("no record, but %q", fields)
				}
				continue
			}
			fields, err := plain.Read()
			if err != nil || len(fields) != len(rec) {
				t.Fatalf("%q, where %v", rec, err)
			}
			for i, name := range header {
				if got := rec[strings.ToValidUTF8(name, "\ufffd")].(string); got != strings.ToValidUTF8(fields[i], "\ufffd") || !utf8.ValidString(got) {
					t.Errorf("%q is %q", fields[i], got)
				}
			}
		}
	})
}
