package retl

import (
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

func TestRows(t *testing.T) {
	r := &result{
		columns: []fakeColumn{{name: "id", dbType: "BIGINT"}, {name: "Paid", dbType: "BOOLEAN"}, {name: "note", dbType: "TEXT"}},
		rows: [][]driver.Value{
			{int64(1), int64(1), "first"},
			{int64(2), nil, nil},
		},
	}
	rows, err := r.open(t).Query("")
	if err != nil {
		t.Fatal(err)
	}
	var got []profiles.Record
	for rec, err := range Rows(rows) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	want := []profiles.Record{
		{"id": int64(1), "Paid": true, "note": "first"},
		{"id": int64(2), "Paid": nil, "note": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if r.closed != 1 {
		t.Errorf("closed %d times", r.closed)
	}
	for rec, err := range Rows(rows) {
		if err == nil {
			t.Errorf("a second range yields %v", rec)
		}
	}
}

func TestRowsCloseOnBreakAndPanic(t *testing.T) {
	r := &result{columns: []fakeColumn{{name: "id"}}, rows: [][]driver.Value{{int64(1)}, {int64(2)}}}
	db := r.open(t)
	for name, leave := range map[string]func(){"break": func() {}, "panic": func() { panic("on purpose") }} {
		before := r.closed
		rows, err := db.Query("")
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { recover() }()
			for range Rows(rows) {
				leave()
				break
			}
		}()
		if r.closed != before+1 {
			t.Errorf("%s: not closed", name)
		}
	}
}

func TestRowsFail(t *testing.T) {
	broken := errors.New("connection lost")
	one := [][]driver.Value{{int64(1), "x"}}
	for _, test := range []struct {
		name    string
		columns []fakeColumn
		rows    [][]driver.Value
		fail    error
		records int
		want    error
	}{
		{"after a row", []fakeColumn{{name: "a"}, {name: "b"}}, one, broken, 1, broken},
		{"before the first", []fakeColumn{{name: "a"}, {name: "b"}}, nil, broken, 0, broken},
		{"a column without a name", []fakeColumn{{name: "a"}, {}}, one, nil, 0, &ColumnError{Place: 2, Reason: "has no name"}},
		{"two of one name", []fakeColumn{{name: "a"}, {name: "a"}}, one, nil, 0,
			&ColumnError{Column: "a", Place: 2, Reason: "is there twice, at places 1 and 2"}},
		{"two of one name and no rows", []fakeColumn{{name: "a"}, {name: "a"}}, nil, nil, 0,
			&ColumnError{Column: "a", Place: 2, Reason: "is there twice, at places 1 and 2"}},
		{"a type that records do not have", []fakeColumn{{name: "a"}, {name: "b"}}, [][]driver.Value{{int64(1), stranger{"secret"}}}, nil, 0,
			&ColumnError{Column: "b", Place: 2, Reason: "holds a retl.stranger, which is not a type that records have"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &result{columns: test.columns, rows: test.rows, fail: test.fail}
			rows, err := r.open(t).Query("")
			if err != nil {
				t.Fatal(err)
			}
			records, errs := 0, []error(nil)
			for rec, err := range Rows(rows) {
				if err != nil {
					errs = append(errs, err)
				} else if rec != nil {
					records++
				}
			}
			if records != test.records || len(errs) != 1 {
				t.Fatalf("%d records and the errors %v", records, errs)
			}
			if want, ok := test.want.(*ColumnError); ok {
				if diff := cmp.Diff(error(want), errs[0]); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			} else if !errors.Is(errs[0], test.want) {
				t.Errorf("error is %v", errs[0])
			}
			if r.closed != 1 {
				t.Errorf("closed %d times", r.closed)
			}
		})
	}
}
