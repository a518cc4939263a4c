package retl

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Model is rows that have a key: the rows of a query, the objects of a CRM, the lines of a file.
//
// The mappings of a destination see a row as saved warehouse mappings expect it:
//
//	{"type": "track", "event": "new", "timestamp": "2026-01-31T12:00:00Z", "properties": {"id": 7, "email": "ada@example.com", "__segment_id": "7"}}
//
// The event is new, updated or deleted, for each mapping by what it has been sent before; the timestamp is when the row was first found
// as it is now; the columns are under properties, beside them the key as text under __segment_id. Of a deleted row all columns are
// null.
type Model struct {
	// Name tells the model from others: it is part of the rows' messageIds and of reports. Required.
	Name string
	// ID is the model's id at Segment. Required where a mapping has a modelId: such a mapping takes its own model's rows alone.
	ID string
	// Key is the column whose value no two rows share: text or a number, MaxKeyBytes at most. Required. A number is known by its digits: 1 and
	// 1.0 are two keys where the source has them as text.
	Key string
	// Records are the rows, each a map of its own from column to value, as Query, CSV, NDJSON and the readers of package presets yield them.
	// Required. A row counts as changed when any of its columns has changed, also one that no mapping reads: select what you map.
	//
	// What is a *profiles.BadRecord, or has no usable key, counts as a failed row. Any row of the last sync that is missing might be that one:
	// so no deletion is sent between such a row's neighbours where the model is Ordered, and none at all where it is not. Any other error ends
	// the sync. Each sync ranges over Records once; one that can be ranged over once, such as NDJSON, is good for one sync (ErrSpent).
	Records iter.Seq2[profiles.Record, error]
	// Ordered promises that the rows come ordered by key as CompareKeys has it: whole numbers by value, text by its bytes (in
	// PostgreSQL, ORDER BY a key of text COLLATE "C"). A sync then needs no memory for them, and begins to send with the first one. Rows in
	// another order end it with an *OrderError; what was missing until then has been sent as deleted, and is new to the next sync.
	// Without it rows are sorted first, within Sync.SortBytes of memory and files in Sync.TempDir.
	Ordered bool
	// Ignore are columns whose changes do not count: a row that differs in these alone is not sent again. For columns such as a CRM's
	// SystemModstamp, that change whenever somebody has looked at the row. After a change of Ignore itself all rows that have such a
	// column are sent once more.
	Ignore []string
}

// MaxKeyBytes is how long a key may be.
const MaxKeyBytes = 1024

// segmentID is the property that holds a row's key.
const segmentID = "__segment_id"

// An OrderError ends the sync of a model that is Ordered, and is not.
type OrderError struct {
	Model string
	Row   int64 // the row that comes too late, counted from 1
}

// Error says which row, and what to do.
func (e *OrderError) Error() string {
	return fmt.Sprintf("retl: model %q: row %d is not in the order of the key: order the query by it (text by its bytes, as COLLATE \"C\" or BINARY does), or leave Model.Ordered off", e.Model, e.Row)
}

// A KeyError is a row whose key cannot be used. The row fails.
type KeyError struct {
	Column string
	Reason string // without the key
}

// Error names the column and the reason.
func (e *KeyError) Error() string {
	return fmt.Sprintf("key column %q %s", cutName(e.Column), e.Reason)
}

// keyOf returns a row's key as text.
func (m *Model) keyOf(rec profiles.Record) (string, error) {
	fail := func(reason string) (string, error) { return "", &KeyError{Column: m.Key, Reason: reason} }
	v, ok := rec[m.Key]
	if !ok {
		return fail("is missing")
	}
	if _, binary := v.([]byte); binary {
		return fail("must be text or a number")
	}
	if _, isTime := v.(time.Time); isTime {
		return fail("must be text or a number")
	}
	var key string
	switch x := jsvalue.Of(v).(type) {
	case nil:
		return fail("is null")
	case string:
		key = x
	case int64:
		key = strconv.FormatInt(x, 10)
	case uint64:
		key = strconv.FormatUint(x, 10)
	case json.Number: // by its digits: a float would make one of two
		key = string(x)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fail("is not a finite number")
		}
		key = jsvalue.String(x)
	default:
		return fail("must be text or a number")
	}
	switch {
	case key == "":
		return fail("is empty")
	case len(key) > MaxKeyBytes:
		return fail(fmt.Sprintf("has more than %d bytes", MaxKeyBytes))
	}
	return key, nil
}

// check lists what is wrong with the model.
func (m *Model) check() (problems []error) {
	if m.Name == "" {
		problems = append(problems, errors.New("the field Model.Name is required"))
	}
	if m.Key == "" {
		problems = append(problems, errors.New("the field Model.Key is required: the name of the unique column"))
	}
	if m.Records == nil {
		problems = append(problems, errors.New("the field Model.Records is required"))
	}
	return problems
}
