package retl

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// What Segment's reverse ETL takes, by its documentation.
const (
	// MaxColumns is how many columns a model may have.
	MaxColumns = 512
	// MaxColumnNameLen is how many characters the name of a column may have.
	MaxColumnNameLen = 128
	// MaxRecordBytes is how large a record may be: 512 KiB.
	MaxRecordBytes = 512 << 10
	// MaxColumnBytes is how large the value of one column may be: 128 KiB.
	MaxColumnBytes = 128 << 10
	// MaxSyncRecords is how many records one sync may extract.
	MaxSyncRecords = 150_000_000
	// MinSyncInterval is the least time from one sync of a model to the next at Segment. It is not enforced here.
	MinSyncInterval = 15 * time.Minute
)

// MaxLineBytes is the size of the longest line, its ending not counted, and of the longest CSV record that is read: 1 MiB. It is ours,
// and twice MaxRecordBytes, because a text grows where it is quoted and escaped.
const MaxLineBytes = 2 * MaxRecordBytes

// A RowRule is a limit that a row breaks.
type RowRule uint8

const (
	// TooManyColumns: the row has more than MaxColumns columns.
	TooManyColumns RowRule = iota + 1
	// ColumnNameTooLong: the name of a column has more than MaxColumnNameLen characters.
	ColumnNameTooLong
	// ColumnTooLarge: the value of a column has more than MaxColumnBytes bytes.
	ColumnTooLarge
	// RecordTooLarge: the row has more than MaxRecordBytes bytes.
	RecordTooLarge
)

// A RowError is a row that is beyond what Segment takes. Nothing in it is a value of the row.
type RowError struct {
	// Rule is the limit that is broken. Where there are several it is the first of them, in the order of their constants.
	Rule RowRule
	// Column is the first by name of the columns that break it, empty where it is the row that does. The name of a column is cut
	// off after MaxColumnNameLen characters.
	Column string
	// Limit is the limit in figures: columns, characters or bytes.
	Limit int
}

// Error says in words which limit is broken, and by which column.
func (e *RowError) Error() string {
	switch e.Rule {
	case TooManyColumns:
		return fmt.Sprintf("the row has more than %d columns", e.Limit)
	case ColumnNameTooLong:
		return fmt.Sprintf("the name of column %q has more than %d characters", e.Column, e.Limit)
	case ColumnTooLarge:
		return fmt.Sprintf("column %q has more than %d bytes", e.Column, e.Limit)
	case RecordTooLarge:
		return fmt.Sprintf("the row has more than %d bytes", e.Limit)
	}
	return "the row is beyond a limit"
}

// checkRow returns nil or a *RowError. Sizes are those of the JSON text without its escapes: the quotes of a text count.
func checkRow(columns profiles.Record) error {
	if len(columns) > MaxColumns {
		return &RowError{Rule: TooManyColumns, Limit: MaxColumns}
	}
	var name, large string // the first of each by name, for a map has no order
	var longNames, largeValues bool
	total := len("{}")
	for column, v := range columns {
		// No name has more characters than bytes, and most are short.
		if len(column) > MaxColumnNameLen && utf8.RuneCountInString(column) > MaxColumnNameLen && (!longNames || column < name) {
			name, longNames = column, true
		}
		n := jsonSize(v)
		if n > MaxColumnBytes && (!largeValues || column < large) {
			large, largeValues = column, true
		}
		total += len(column) + len(`"":,`) + n
	}
	switch {
	case longNames:
		return &RowError{Rule: ColumnNameTooLong, Column: cutName(name), Limit: MaxColumnNameLen}
	case largeValues:
		return &RowError{Rule: ColumnTooLarge, Column: cutName(large), Limit: MaxColumnBytes}
	case total > MaxRecordBytes:
		return &RowError{Rule: RecordTooLarge, Limit: MaxRecordBytes}
	}
	return nil
}

// cutName is the name of a column as errors show it: what claims to be a name may be anything, in a file that has none.
func cutName(name string) string {
	n := 0
	for i := range name {
		if n++; n > MaxColumnNameLen {
			return name[:i] + "…"
		}
	}
	return name
}

// jsonSize is about the size of v as JSON. What it does not know it takes for a number.
func jsonSize(v any) int {
	switch v := v.(type) {
	case nil:
		return len("null")
	case bool:
		return len("true")
	case string:
		return len(v) + len(`""`)
	case json.Number:
		return len(v)
	case []any:
		n := len("[]")
		for _, item := range v {
			n += jsonSize(item) + len(",")
		}
		return n
	case map[string]any:
		n := len("{}")
		for name, member := range v {
			n += len(name) + len(`"":,`) + jsonSize(member)
		}
		return n
	}
	return 8
}
