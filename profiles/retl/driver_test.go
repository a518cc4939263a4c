package retl

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"testing"
)

// A result is what the fake database answers to every query.
type result struct {
	columns []fakeColumn
	rows    [][]driver.Value
	repeat  int   // how often the rows come, at least once
	fail    error // instead of the end of the rows
	refuse  error // instead of rows

	queries, closed int
}

type fakeColumn struct {
	name, dbType string
	length       int64
	scan         reflect.Type
}

// open returns a database that answers with r.
func (r *result) open(t testing.TB) *sql.DB {
	db := sql.OpenDB(fakeConnector{r})
	t.Cleanup(func() { db.Close() })
	return db
}

type fakeConnector struct{ result *result }

func (c fakeConnector) Connect(context.Context) (driver.Conn, error) { return fakeConn(c), nil }
func (c fakeConnector) Driver() driver.Driver                        { return nil }

type fakeConn struct{ result *result }

func (fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not there") }
func (fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("not there") }
func (fakeConn) Close() error                        { return nil }

func (c fakeConn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	c.result.queries++
	if c.result.refuse != nil {
		return nil, c.result.refuse
	}
	return &fakeRows{result: c.result, left: max(c.result.repeat, 1) * len(c.result.rows)}, ctx.Err()
}

type fakeRows struct {
	result *result
	left   int
}

func (r *fakeRows) Columns() []string {
	names := make([]string, len(r.result.columns))
	for i, c := range r.result.columns {
		names[i] = c.name
	}
	return names
}

func (r *fakeRows) Close() error { r.result.closed++; return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		if r.result.fail != nil {
			return r.result.fail
		}
		return io.EOF
	}
	copy(dest, r.result.rows[len(r.result.rows)-1-(r.left-1)%len(r.result.rows)])
	r.left--
	return nil
}

func (r *fakeRows) ColumnTypeDatabaseTypeName(i int) string { return r.result.columns[i].dbType }
func (r *fakeRows) ColumnTypeScanType(i int) reflect.Type   { return r.result.columns[i].scan }
func (r *fakeRows) ColumnTypeLength(i int) (int64, bool) {
	n := r.result.columns[i].length
	return n, n > 0
}

// Shop is a database for examples: it has one query's result.
func Shop() *sql.DB {
	return sql.OpenDB(fakeConnector{&result{
		columns: []fakeColumn{{name: "id", dbType: "BIGINT"}, {name: "email", dbType: "TEXT"}, {name: "total", dbType: "NUMERIC"}},
		rows: [][]driver.Value{
			{int64(1), []byte("ada@example.com"), []byte("12.50")},
			{int64(2), []byte("bob@example.com"), nil},
		},
	}})
}
