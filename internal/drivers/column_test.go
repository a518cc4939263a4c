package drivers

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A column is a type of a database, with values of it.
type column struct {
	typ    string
	values []value
}

// A value is an expression of SQL, and what a record has for it.
type value struct {
	sql  string
	want any
}

// check puts the values into the column v of a table that has an id as well, and reads them again: all in one result set, so that none of
// them decides how the others are read.
func (c column) check(t *testing.T, db *sql.DB, table string) {
	t.Helper()
	for i, v := range c.values {
		exec(t, db, fmt.Sprintf("insert into %s (id, v) values (%d, %s)", table, i, v.sql))
	}
	for _, order := range []string{"id", "id desc"} {
		n := 0
		for rec, err := range retl.Query(t.Context(), db, fmt.Sprintf("select id, v from %s order by %s", table, order)) {
			if err != nil {
				t.Fatal(err)
			}
			v := c.values[rec["id"].(int64)]
			if diff := cmp.Diff(v.want, rec["v"]); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", v.sql, c.typ, diff)
			}
			n++
		}
		if n != len(c.values) {
			t.Errorf("%d rows of %d", n, len(c.values))
		}
	}
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
