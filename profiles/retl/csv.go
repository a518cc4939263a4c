package retl

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// CSVOptions says how a CSV is read. The zero value is for a file with commas in which an empty field is null and all else is text.
type CSVOptions struct {
	// Comma stands between fields. Defaults to a comma.
	Comma rune
	// Null is a text that means null where it is all of a field, besides the empty one: \N, or NULL. Defaults to none.
	Null string
	// KeepEmpty makes an empty field of a text column an empty text rather than null. Whether it was quoted does not count. In columns of
	// other types it is null all the same.
	KeepEmpty bool
	// Types are the types of columns by name, ColumnText where a column is left out. A column that the header does not have is an
	// error. The map is not kept.
	Types map[string]ColumnType
}

// A ColumnType is what the fields of a CSV's column are read as. Spaces around other types than text do not count.
type ColumnType uint8

const (
	// ColumnText is text as it is.
	ColumnText ColumnType = iota
	// ColumnNumber is a json.Number with all its digits.
	ColumnNumber
	// ColumnBool is bool: 1, t, true, 0, f or false, in lower case, upper case, or with a capital.
	ColumnBool
	// ColumnJSON is any JSON, its numbers as json.Number.
	ColumnJSON
)

// String returns the type in a word: text, number, bool or json.
func (t ColumnType) String() string {
	switch t {
	case ColumnText:
		return "text"
	case ColumnNumber:
		return "number"
	case ColumnBool:
		return "bool"
	case ColumnJSON:
		return "json"
	}
	return "unknown"
}

// CSV yields the lines of a CSV after its header line as maps from column to value: text, or what opts.Types says, or nil. Fields are
// quoted as in RFC 4180. Blank lines are skipped, and so is a byte order mark; what is not UTF-8 becomes U+FFFD.
//
// A record with more or fewer fields than the header, with a field that is not what its column's type says, with a stray quote, or with more
// than MaxLineBytes is yielded as a *profiles.BadRecord with a *LineError as its Err and without a Text, and the rest go on.
//
// These end the range, and are the last thing that it yields: an error of r; a *ColumnError, where a column has no name, the name of another,
// or is in opts.Types and not in the header; an error that wraps io.ErrUnexpectedEOF, where there is no header line; and a *LineError,
// where a quoted field is broken over several lines or goes on for several MaxLineBytes, so that nobody can tell where the next record begins.
//
// The input is read as the range goes on, one record at a time, and ends with it: a context is for r to obey. It can be ranged over once: a second
// range yields ErrSpent. CSVFile can be ranged over again.
func CSV(r io.Reader, opts CSVOptions) iter.Seq2[profiles.Record, error] {
	opts.Types = maps.Clone(opts.Types)
	c := newCSVReader(r, opts)
	return Once(func(yield func(profiles.Record, error) bool) {
		for {
			rec, err := c.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(rec, err) || c.err != nil {
				return
			}
		}
	})
}

// A csvReader reads records.
type csvReader struct {
	in      *cappedReader
	csv     *csv.Reader
	opts    CSVOptions
	columns []csvColumn // nil until the header was read
	line    int         // the last line of the record before
	err     error       // why there are no more
}

type csvColumn struct {
	name string
	kind ColumnType
}

func newCSVReader(r io.Reader, opts CSVOptions) *csvReader {
	in := newCappedReader(r)
	c := csv.NewReader(in)
	c.FieldsPerRecord = -1 // counted here, for an error of our own
	c.ReuseRecord = true
	if opts.Comma != 0 {
		c.Comma = opts.Comma
	}
	return &csvReader{in: in, csv: c, opts: opts}
}

// next returns the next record. At the end of the input the error is io.EOF; if another error is one that ends the range, it is c.err as well.
func (c *csvReader) next() (profiles.Record, error) {
	if c.err == nil && c.columns == nil {
		c.err = c.readHeader()
	}
	if c.err != nil {
		return nil, c.err
	}
	fields, bad, err := c.read()
	if err != nil {
		c.err = err
		return nil, err
	}
	var rec profiles.Record
	if bad == nil {
		rec, bad = c.record(fields)
	}
	if bad != nil {
		return nil, &profiles.BadRecord{Err: bad}
	}
	return rec, nil
}

// read returns the fields of the next record, until it is called again. A record that has none is bad; err is an error that there is nothing
// after.
func (c *csvReader) read() (fields []string, bad *LineError, err error) {
	begins := c.line + 1
	before := c.csv.InputOffset()
	c.in.allow(maxQuoted)
	fields, err = c.csv.Read()
	if c.in.err == errCapped {
		return nil, nil, &LineError{Line: begins, Reason: fmt.Sprintf("has a record of more than %d bytes: is a quote not closed?", maxQuoted)}
	}
	if c.in.err != nil && c.in.err != io.EOF && err != nil {
		return nil, nil, c.in.err
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		c.line = parse.Line
		bad = &LineError{Line: parse.StartLine, Reason: fmt.Sprintf("has a stray quote, or one that is not closed, at byte %d", parse.Column)}
		if parse.StartLine == parse.Line {
			return nil, bad, nil
		}
		bad.Reason = fmt.Sprintf("has a quoted field that is broken on line %d, at byte %d", parse.Line, parse.Column)
		return nil, nil, bad
	}
	if err != nil {
		return nil, nil, err
	}
	last := len(fields) - 1
	c.line, _ = c.csv.FieldPos(last)
	c.line += strings.Count(fields[last], "\n")
	if c.csv.InputOffset()-before > MaxLineBytes {
		first, _ := c.csv.FieldPos(0)
		return nil, &LineError{Line: first, Reason: fmt.Sprintf("has a record of more than %d bytes", MaxLineBytes)}, nil
	}
	return fields, nil, nil
}

// readHeader reads the names of the columns.
func (c *csvReader) readHeader() error {
	fields, bad, err := c.read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("there is no header line: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	if bad != nil {
		return bad
	}
	names := make([]string, len(fields))
	columns := make([]csvColumn, len(fields))
	for i, field := range fields {
		names[i] = valid(strings.Clone(field))
		columns[i] = csvColumn{name: names[i], kind: c.opts.Types[names[i]]}
	}
	if err := checkColumns(names); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.opts.Types)) {
		if !slices.Contains(names, name) {
			return &ColumnError{Column: name, Reason: "is given a type, but the header does not have it"}
		}
		if c.opts.Types[name] > ColumnJSON {
			return &ColumnError{Column: name, Place: slices.Index(names, name) + 1, Reason: "is given a type that is not known"}
		}
	}
	c.columns = columns
	return nil
}

// record makes a record of its fields.
func (c *csvReader) record(fields []string) (profiles.Record, *LineError) {
	line, _ := c.csv.FieldPos(0)
	if len(fields) != len(c.columns) {
		return nil, &LineError{Line: line, Reason: fmt.Sprintf("has %d fields, the header has %d", len(fields), len(c.columns))}
	}
	rec := make(profiles.Record, len(fields))
	for i, field := range fields {
		column := &c.columns[i]
		v, err := c.value(column.kind, field)
		if err != nil {
			line, _ := c.csv.FieldPos(i)
			return nil, &LineError{Line: line, Column: column.name, Reason: err.Error()}
		}
		rec[column.name] = v
	}
	return rec, nil
}

// value reads a field.
func (c *csvReader) value(t ColumnType, field string) (any, error) {
	switch {
	case c.opts.Null != "" && field == c.opts.Null:
		return nil, nil
	case t == ColumnText:
		if field == "" && !c.opts.KeepEmpty {
			return nil, nil
		}
		return valid(field), nil
	}
	field = strings.TrimSpace(field)
	if field == "" {
		return nil, nil
	}
	switch t {
	case ColumnNumber:
		if n, ok := number(field); ok {
			return n, nil
		}
		return nil, errors.New("is not a number")
	case ColumnBool:
		if b, err := strconv.ParseBool(field); err == nil {
			return b, nil
		}
		return nil, errors.New("is not a bool")
	default:
		return decodeJSON([]byte(valid(field)))
	}
}
