package retl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"iter"
	"maps"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A tableRow is a row of a model on its way to being compared. Where err is set it cannot be sent; it has no key then if that is what is wrong.
type tableRow struct {
	key  string
	text []byte   // the row as JSON, columns in the order of their names; good until the next row
	sum  [16]byte // of the columns that count
	err  error
	// A row that cannot be sent is told of at once, and where rows are sorted it comes again at its place, marked and without its error.
	name   string // its key, where it is told of without one
	marked bool
}

// sumOf is the checksum of a row as JSON, which is never zero.
func sumOf(text []byte) (sum [16]byte) {
	full := sha256.Sum256(text)
	copy(sum[:], full[:])
	if sum == [16]byte{} {
		sum[0] = 1
	}
	return sum
}

// encodeRow appends a row as states keep it: JSON, columns in the order of their names. The error is about a value that has no JSON form.
func encodeRow(dst []byte, rec profiles.Record) ([]byte, error) {
	return jsonenc.Append(dst, map[string]any(rec), jsonenc.Options{Sorted: true})
}

// decodeRow returns the columns of a row that was encoded here.
func decodeRow(text []byte) (profiles.Record, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var columns profiles.Record
	err := d.Decode(&columns)
	return columns, err
}

// read yields the model's rows in the order of their source. Its error ends it.
func (m *Model) read(ctx context.Context) iter.Seq2[tableRow, error] {
	return func(yield func(tableRow, error) bool) {
		var text []byte
		for rec, err := range m.Records {
			if ctxErr := ctx.Err(); ctxErr != nil {
				yield(tableRow{}, ctxErr)
				return
			}
			var bad *profiles.BadRecord
			row := tableRow{}
			switch {
			case errors.As(err, &bad):
				row.err = bad
			case err != nil:
				yield(tableRow{}, err)
				return
			default:
				text = m.fill(&row, rec, text)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// fill makes a row of a record, in a buffer that it returns.
func (m *Model) fill(row *tableRow, rec profiles.Record, text []byte) []byte {
	if row.key, row.err = m.keyOf(rec); row.err != nil {
		return text
	}
	if row.err = checkRow(rec); row.err != nil {
		return text
	}
	if len(m.Ignore) > 0 {
		counts := maps.Clone(rec)
		for _, column := range m.Ignore {
			delete(counts, column)
		}
		if text, row.err = encodeRow(text[:0], counts); row.err != nil {
			return text
		}
		row.sum = sumOf(text)
	}
	if text, row.err = encodeRow(text[:0], rec); row.err != nil {
		return text
	}
	if len(text) > MaxLineBytes { // values whose size could not be told before
		row.err = &RowError{Rule: RecordTooLarge, Limit: MaxRecordBytes}
		return text
	}
	if len(m.Ignore) == 0 {
		row.sum = sumOf(text)
	}
	row.text = text
	return text
}

// readSorted yields the rows in the order of their keys, in two passes: those that cannot be sent and have no key come first.
func (m *Model) readSorted(ctx context.Context, dir string, memory int) iter.Seq2[tableRow, error] {
	return func(yield func(tableRow, error) bool) {
		s := newSorter(dir, memory)
		defer s.close()
		var payload []byte // the sum, and the row; nothing where the row cannot be sent
		for row, err := range m.read(ctx) {
			if err == nil && row.err != nil {
				if !yield(tableRow{err: row.err, name: row.key}, nil) {
					return
				}
				if row.key == "" {
					continue
				}
			}
			if payload = payload[:0]; err == nil && row.err == nil { // else it is marked
				payload = append(append(payload, row.sum[:]...), row.text...)
			}
			if err == nil {
				err = s.add(row.key, payload)
			}
			if err != nil {
				yield(tableRow{}, err)
				return
			}
		}
		for sorted, err := range s.sorted() {
			if err == nil {
				err = ctx.Err()
			}
			row := tableRow{key: sorted.Key}
			if n := len(row.sum); len(sorted.Payload) > n {
				row.sum, row.text = [16]byte(sorted.Payload[:n]), sorted.Payload[n:]
			} else {
				row.marked = true
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}
