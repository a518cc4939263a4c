package retl

import (
	"database/sql"
	"errors"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// Rows yields each row of a query's present result set as a map of its own, from column to value, and closes the rows when the range
// ends, however it does. They can be ranged over once: a second range yields ErrSpent. It holds one row at a time.
//
// Values become what Segment expects of JSON, by the types that the driver reports:
//
//   - NULL is nil.
//   - Booleans are bool, also where a driver returns 0 and 1 for them (SQLite's BOOLEAN and TINYINT(1)). MySQL's driver does not tell
//     TINYINT(1) from other numbers: there it is 0 or 1.
//   - Integers are int64 or uint64, floats float64 or float32. Decimals that come as text are a json.Number with all their digits. NaN
//     and the infinities are nil: JSON has no such numbers.
//   - Times are RFC 3339 in UTC, with as many fractional digits as they have; text in a time column is read as such where it can be,
//     without a zone as UTC. A DATE is 2006-01-02 (where it has a time of day, as Oracle's may, it is a time), a TIME 15:04:05.
//     Years outside of 0 to 9999 are as in JavaScript: -000043-03-15T00:00:00Z. The infinities of PostgreSQL are text, "infinity".
//   - JSON (JSON, JSONB, VARIANT, OBJECT, ARRAY, MAP, STRUCT, SUPER) is decoded, numbers as json.Number; text that is not JSON stays.
//   - Binary columns (BYTEA, BLOB, VARBINARY and the like) are base64, in the standard alphabet with padding. Bytes of a column that
//     says nothing of its type are text if they are UTF-8.
//   - UUIDs are text in their canonical form.
//   - All else, such as intervals, arrays, ranges and enums, is the driver's text. What is not UTF-8 in it becomes U+FFFD.
//
// Values of other types are asked, in this order, for driver.Valuer, json.Marshaler, encoding.TextMarshaler and fmt.Stringer. Where that
// leads nowhere the error is a *ColumnError that names the Go type, as it is where a column has no name or the name of another.
//
// An error ends the range, and is the last thing that it yields: it is a *ColumnError, or the driver's. Where the query's context has
// ended it is the context's.
func Rows(rows *sql.Rows) iter.Seq2[profiles.Record, error] {
	return Once(func(yield func(profiles.Record, error) bool) {
		defer rows.Close()
		cells, err := cellsOf(rows)
		if err != nil {
			yield(nil, err)
			return
		}
		dest := make([]any, len(cells))
		for i := range cells {
			dest[i] = &cells[i]
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				if column, ok := errors.AsType[*ColumnError](err); ok {
					err = column // database/sql would name the column once more
				}
				yield(nil, err)
				return
			}
			rec := make(profiles.Record, len(cells))
			for i := range cells {
				rec[cells[i].name] = cells[i].value
			}
			if !yield(rec, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	})
}

// A cell is where one column of each row is scanned to.
type cell struct {
	name  string
	place int
	kind  kind
	value any
}

// Scan takes the driver's value before database/sql has copied it.
func (c *cell) Scan(src any) error {
	v, err := c.kind.value(src)
	if err != nil {
		return &ColumnError{Column: c.name, Place: c.place, Reason: err.Error()}
	}
	c.value = v
	return nil
}

// cellsOf makes the cells that all rows are scanned to.
func cellsOf(rows *sql.Rows) ([]cell, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(types))
	cells := make([]cell, len(types))
	for i, t := range types {
		names[i] = t.Name()
		length, _ := t.Length()
		cells[i] = cell{name: names[i], place: i + 1, kind: kindOf(t.DatabaseTypeName(), length, t.ScanType())}
	}
	return cells, checkColumns(names)
}
