package retl

import "fmt"

// A ColumnError is a column that cannot be read. It ends the range, because it would be the same in the next row.
type ColumnError struct {
	// Column is the column's name; empty where it has none.
	Column string
	// Place is the column's place, counted from 1; 0 where the column is not there at all.
	Place int
	// Reason is why, in words that show no value.
	Reason string
}

// Error names the column and the reason.
func (e *ColumnError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("column %d %s", e.Place, e.Reason)
	}
	return fmt.Sprintf("column %q %s", cutName(e.Column), e.Reason)
}

// A LineError is a line of an input that holds no record. It is the Err of a profiles.BadRecord where the rest of the lines can be read,
// and ends the range where not.
type LineError struct {
	// Line is the number of the line, counted from 1: in a CSV the one that the record begins on.
	Line int
	// Column is the column that is to blame; empty where it is the line as a whole.
	Column string
	// Reason is why, in words that show no value.
	Reason string
}

// Error names the line, the column and the reason.
func (e *LineError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d: column %q %s", e.Line, cutName(e.Column), e.Reason)
}

// checkColumns looks for names that no record could have.
func checkColumns(names []string) error {
	seen := make(map[string]int, len(names))
	for i, name := range names {
		if name == "" {
			return &ColumnError{Place: i + 1, Reason: "has no name"}
		}
		if first, twice := seen[name]; twice {
			return &ColumnError{Column: name, Place: i + 1, Reason: fmt.Sprintf("is there twice, at places %d and %d", first+1, i+1)}
		}
		seen[name] = i
	}
	return nil
}
