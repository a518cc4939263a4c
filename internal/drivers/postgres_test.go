package drivers

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// postgres returns a database in a schema of the test's own. The test is skipped where there is no server, unless there has to be one.
func postgres(t *testing.T) *sql.DB {
	t.Helper()
	dsn := os.Getenv("SEGMENTPROFILES_POSTGRES")
	missing := t.Skipf
	if os.Getenv("SEGMENTPROFILES_REQUIRE_POSTGRES") == "1" {
		missing = t.Fatalf
	}
	if dsn == "" {
		missing("SEGMENTPROFILES_POSTGRES says of no server: run this by .ci/postgres")
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		missing("SEGMENTPROFILES_POSTGRES is not understood") // the error would show a password
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // for the schema is the connection's
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		missing("no server at SEGMENTPROFILES_POSTGRES: %v", err)
	}
	exec(t, db, "create schema if not exists extensions")
	schema := fmt.Sprintf("test_%d", time.Now().UnixNano())
	exec(t, db, "create schema "+schema)
	exec(t, db, "set search_path to "+schema+", extensions")
	exec(t, db, "set lc_monetary to 'C'")
	t.Cleanup(func() {
		if _, err := db.Exec("drop schema " + schema + " cascade"); err != nil {
			t.Error(err)
		}
	})
	return db
}

var postgresColumns = []column{
	{"smallint", []value{{"-32768", int64(-32768)}}},
	{"integer", []value{{"2147483647", int64(2147483647)}}},
	{"bigint", []value{{"9223372036854775807", int64(9223372036854775807)}}},
	{"oid", []value{{"4294967295", int64(4294967295)}}},
	{"numeric", []value{
		{"12345678901234567890.1234567890", json.Number("12345678901234567890.1234567890")}, {"-0.10", json.Number("-0.10")},
		{"0", json.Number("0")}, {"1e40", json.Number("1" + "0000000000000000000000000000000000000000")}, {"1e-10", json.Number("0.0000000001")},
		{"'NaN'", nil}, {"'Infinity'", nil}, {"'-Infinity'", nil},
	}},
	{"numeric(10,2)", []value{{"1.5", json.Number("1.50")}}},
	{"real", []value{{"1.5", 1.5}, {"'NaN'", nil}, {"'Infinity'", nil}}},
	{"double precision", []value{{"0.1", 0.1}, {"1e300", 1e300}, {"'NaN'", nil}, {"'-Infinity'", nil}}},
	{"boolean", []value{{"true", true}, {"false", false}}},
	{"text", []value{{"'über'", "über"}, {"''", ""}, {`'{"a":1}'`, `{"a":1}`}}},
	{"varchar(20)", []value{{"'x'", "x"}}},
	{"char(3)", []value{{"'x'", "x  "}}},
	{`"char"`, []value{{"'x'", "x"}}},
	{"name", []value{{"'x'", "x"}}},
	{"bytea", []value{{`'\x00ff41'`, "AP9B"}, {"'text'", "dGV4dA=="}, {"''", ""}}},
	{"date", []value{{"'2024-02-29'", "2024-02-29"}, {"'0044-03-15 BC'", "-000043-03-15"}, {"'infinity'", "infinity"}, {"'-infinity'", "-infinity"}}},
	{"time", []value{{"'12:30:45.125'", "12:30:45.125"}, {"'24:00'", "24:00:00"}}},
	{"timetz", []value{{"'12:30:45+02'", "12:30:45+02"}}},
	{"timestamp", []value{
		{"'2024-02-29 12:30:45.000001'", "2024-02-29T12:30:45.000001Z"}, {"'2024-02-29'", "2024-02-29T00:00:00Z"},
		{"'0044-03-15 BC'", "-000043-03-15T00:00:00Z"}, {"'infinity'", "infinity"}, {"'12024-01-01'", "+012024-01-01T00:00:00Z"},
	}},
	{"timestamptz", []value{
		{"'2024-02-29 12:30:45.5+02'", "2024-02-29T10:30:45.5Z"}, {"'0044-03-15 00:00 BC UTC'", "-000043-03-15T00:00:00Z"}, {"'-infinity'", "-infinity"},
	}},
	{"interval", []value{{"'1 year 2 days 03:04:05.5'", "1 year 2 days 03:04:05.5"}}},
	{"uuid", []value{{"'F47AC10B-58CC-4372-A567-0E02B2C3D479'", "f47ac10b-58cc-4372-a567-0e02b2c3d479"}}},
	{"json", []value{{`'{"b": 1.10, "a": [null]}'`, map[string]any{"b": json.Number("1.10"), "a": []any{nil}}}, {"'null'", nil}, {`'"x"'`, "x"}}},
	{"jsonb", []value{{`'{"n": 12345678901234567890}'`, map[string]any{"n": json.Number("12345678901234567890")}}, {"'[]'", []any{}}}},
	{"integer[]", []value{{"'{1,NULL,3}'", "{1,NULL,3}"}, {"'{{1},{2}}'", "{{1},{2}}"}, {"'{}'", "{}"}}},
	{"text[]", []value{{`array['a b', 'c"d', null]`, `{"a b","c\"d",NULL}`}}},
	{"jsonb[]", []value{{`array['{"a":1}'::jsonb]`, `{"{\"a\": 1}"}`}}},
	{"timestamptz[]", []value{{"'{2024-02-29 12:00+00}'", `{"2024-02-29 12:00:00+00"}`}}},
	{"numeric[]", []value{{"'{1.50}'", "{1.50}"}}},
	{"bytea[]", []value{{`array['\xff'::bytea]`, `{"\\xff"}`}}},
	{"inet", []value{{"'192.168.0.1/24'", "192.168.0.1/24"}, {"'::1'", "::1"}}},
	{"cidr", []value{{"'10.0.0.0/8'", "10.0.0.0/8"}}},
	{"macaddr", []value{{"'08:00:2b:01:02:03'", "08:00:2b:01:02:03"}}},
	{"macaddr8", []value{{"'08:00:2b:01:02:03:04:05'", "08:00:2b:01:02:03:04:05"}}},
	{"money", []value{{"1234.5", "$1,234.50"}}},
	{"bit(3)", []value{{"B'101'", "101"}}},
	{"varbit", []value{{"B'10'", "10"}}},
	{"xml", []value{{"'<a>1</a>'", "<a>1</a>"}}},
	{"tsvector", []value{{"'a fat cat'", "'a' 'cat' 'fat'"}}},
	{"tsquery", []value{{"'fat & cat'", "'fat' & 'cat'"}}},
	{"point", []value{{"'(1,2.5)'", "(1,2.5)"}}},
	{"box", []value{{"'(1,2),(0,0)'", "(1,2),(0,0)"}}},
	{"circle", []value{{"'<(1,2),3>'", "<(1,2),3>"}}},
	{"int4range", []value{{"'[1,5]'", "[1,6)"}, {"'empty'", "empty"}}},
	{"tstzrange", []value{{"'[2024-01-01,)'", `["2024-01-01 00:00:00+00",)`}}},
	{"int4multirange", []value{{"'{[1,2],[5,6]}'", "{[1,3),[5,7)}"}}},
	{"pg_lsn", []value{{"'16/B374D848'", "16/B374D848"}}},
	{"jsonpath", []value{{"'$.a'", `$."a"`}}},
	{"mood", []value{{"'happy'", "happy"}}},
	{"mood[]", []value{{"'{happy,sad}'", "{happy,sad}"}}},
	{"place", []value{{"row('Rome', 1)", "(Rome,1)"}}},
	{"percent", []value{{"12.50", json.Number("12.50")}}},
	{"hstore", []value{{"'a=>1, b=>NULL'", `"a"=>"1", "b"=>NULL`}}},
	{"citext", []value{{"'Text'", "Text"}}},
}

func TestPostgresColumns(t *testing.T) {
	db := postgres(t)
	exec(t, db, "create type mood as enum ('happy', 'sad')")
	exec(t, db, "create type place as (name text, floor int)")
	exec(t, db, "create domain percent as numeric(5,2)")
	for i, c := range postgresColumns {
		t.Run(c.typ, func(t *testing.T) {
			if c.typ == "hstore" || c.typ == "citext" {
				if _, err := db.Exec("create extension if not exists " + c.typ + " schema extensions"); err != nil {
					t.Skip("this server does not have the extension")
				}
			}
			table := fmt.Sprint("t", i)
			exec(t, db, fmt.Sprintf("create table %s (id bigint primary key, v %s)", table, c.typ))
			c.values = append(c.values, value{"NULL", nil})
			c.check(t, db, table)
		})
	}
}

func TestPostgresExpressions(t *testing.T) {
	var got []any
	query := "select count(*) as n, sum(x) as total, avg(x) as mean, bool_or(x > $1) as any, to_jsonb(max(x)) as j, null as nothing from generate_series(1, 3) x"
	for rec, err := range retl.Query(t.Context(), postgres(t), query, 2) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec["n"], rec["total"], rec["mean"], rec["any"], rec["j"], rec["nothing"])
	}
	equal(t, []any{int64(3), int64(6), json.Number("2.0000000000000000"), true, json.Number("3"), nil}, got)
}

// A row that cannot be had ends the range with the server's error, after the rows before it.
func TestPostgresFailsInTheMiddle(t *testing.T) {
	n := 0
	var last error
	for _, err := range retl.Query(t.Context(), postgres(t), "select 10 / (5 - x) as v from generate_series(1, 9) x") {
		if err != nil {
			last = err
			break
		}
		n++
	}
	if n != 4 || last == nil {
		t.Errorf("%d rows, then %v", n, last)
	}
}

func TestPostgresCanceled(t *testing.T) {
	db := postgres(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range retl.Query(ctx, db, "select x from generate_series(1, 100000000) x") {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
	// The one connection that there is is free again, also after a break; it may be a new one, without the schema.
	for range retl.Query(t.Context(), db, "select x from generate_series(1, 100000) x") {
		break
	}
	exec(t, db, "select 1")
}
