package drivers

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

func sqlite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestSQLiteColumns(t *testing.T) {
	var cases []column
	for typ, values := range map[string][]value{
		"INTEGER":          {{"-7", int64(-7)}, {"9223372036854775807", int64(9223372036854775807)}, {"'many'", "many"}, {"1.5", 1.5}},
		"INT":              {{"1", int64(1)}},
		"TINYINT":          {{"1", int64(1)}},
		"TINYINT(1)":       {{"1", true}, {"0", false}},
		"UNSIGNED BIG INT": {{"1", int64(1)}},
		"BOOLEAN":          {{"1", true}, {"0", false}, {"true", true}, {"'yes'", "yes"}},
		"BOOL":             {{"1", true}},
		"REAL":             {{"1.5", 1.5}, {"9e999", nil}, {"-9e999", nil}, {"2", 2.0}},
		"DOUBLE PRECISION": {{"0.1", 0.1}},
		"FLOAT":            {{"1e300", 1e300}},
		"NUMERIC":          {{"1.50", 1.5}, {"10", int64(10)}, {"'NaN'", nil}, {"12345678901234567890.5", 12345678901234567890.5}},
		"DECIMAL(10,2)":    {{"'1.50'", 1.5}, {"'abc'", "abc"}},
		"TEXT":             {{"'text'", "text"}, {"'1.50'", "1.50"}, {`'{"a":1}'`, `{"a":1}`}, {"cast(x'61ff62' as text)", "a\ufffdb"}, {"x'6162'", "ab"}, {"''", ""}},
		"VARCHAR(20)":      {{"'über'", "über"}},
		"CHARACTER(20)":    {{"'x'", "x"}},
		"CLOB":             {{"'x'", "x"}},
		"BLOB":             {{"x'00ff41'", "AP9B"}, {"x'74657874'", "dGV4dA=="}, {"'text'", "text"}, {"x''", ""}},
		"DATE":             {{"'2024-02-29'", "2024-02-29"}, {"'2024-02-29 12:00:00'", "2024-02-29T12:00:00Z"}, {"'someday'", "someday"}},
		"DATETIME": {
			{"'2024-02-29 12:30:45'", "2024-02-29T12:30:45Z"}, {"'2024-02-29T12:30:45.125+02:00'", "2024-02-29T10:30:45.125Z"},
			{"'2024-02-29'", "2024-02-29T00:00:00Z"}, {"1709209845", int64(1709209845)}, {"'someday'", "someday"},
		},
		"TIMESTAMP":    {{"'2024-02-29 12:30:45.000001'", "2024-02-29T12:30:45.000001Z"}, {"current_timestamp is not null", int64(1)}},
		"TIMESTAMP(6)": {{"'2024-02-29 12:30:45.000001'", "2024-02-29T12:30:45.000001Z"}},
		"TIME":         {{"'12:30:45'", "12:30:45"}},
		"JSON":         {{`'{"a":[1.10,null]}'`, map[string]any{"a": []any{json.Number("1.10"), nil}}}, {"'{'", "{"}, {`'"text"'`, "text"}, {"'null'", nil}},
		"UUID":         {{"'F47AC10B-58CC-4372-A567-0E02B2C3D479'", "f47ac10b-58cc-4372-a567-0e02b2c3d479"}, {"x'f47ac10b58cc4372a5670e02b2c3d479'", "f47ac10b-58cc-4372-a567-0e02b2c3d479"}},
		"":             {{"1", int64(1)}, {"'x'", "x"}, {"x'ff'", "/w=="}},
	} {
		cases = append(cases, column{typ, append(values, value{"NULL", nil})})
	}
	db := sqlite(t)
	for i, c := range cases {
		t.Run(strings.ReplaceAll(c.typ, " ", "_"), func(t *testing.T) {
			table := fmt.Sprint("t", i)
			exec(t, db, fmt.Sprintf("create table %s (id integer primary key, v %s)", table, c.typ))
			c.check(t, db, table)
		})
	}
}

func TestSQLiteExpressions(t *testing.T) {
	var got []any
	for rec, err := range retl.Query(t.Context(), sqlite(t), "select 1 + 1 as n, 'x' || ? as t, x'ff' as b, 1 > 0 as yes, null as none", "y") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec["n"], rec["t"], rec["b"], rec["yes"], rec["none"])
	}
	equal(t, []any{int64(2), "xy", "/w==", int64(1), nil}, got)
}

func TestSQLiteTwoColumnsOfOneName(t *testing.T) {
	for rec, err := range retl.Query(t.Context(), sqlite(t), "select 1 as a, 2 as a") {
		if err == nil || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%v, %v", rec, err)
		}
	}
}
