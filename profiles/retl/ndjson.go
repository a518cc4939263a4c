package retl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// byteOrderMark is what some programs begin a file of UTF-8 with.
const byteOrderMark = "\ufeff"

// NDJSON yields the records of an input that has one JSON object a line, numbers as json.Number. Lines end with \n or \r\n, the last one may
// end with the input; blank ones are skipped, and so is a byte order mark.
//
// A line that is no JSON object, not UTF-8, or longer than MaxLineBytes is yielded as a *profiles.BadRecord with a *LineError as its Err, and
// the rest go on. Its Text is the line, nil where that was too long: of such a line no more than MaxLineBytes is held. An error of
// r ends the range, and is the last thing that it yields; what it broke off is not a record.
//
// The input is read as the range goes on, one record at a time, and ends with it: a context is for r to obey. It can be ranged over once: a second
// range yields ErrSpent. NDJSONFile can be ranged over again.
func NDJSON(r io.Reader) iter.Seq2[profiles.Record, error] {
	lines := &lineReader{in: bufio.NewReaderSize(r, 64<<10)}
	return Once(func(yield func(profiles.Record, error) bool) {
		for {
			text, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if text != nil && len(bytes.Trim(text, blank)) == 0 {
				continue
			}
			rec, err := parseLine(text)
			if err != nil {
				err = &profiles.BadRecord{
					Err:  &LineError{Line: lines.number, Reason: err.Error()},
					Text: bytes.Clone(text),
				}
			}
			if !yield(rec, err) {
				return
			}
		}
	})
}

// parseLine reads the record that a line holds.
func parseLine(text []byte) (profiles.Record, error) {
	if text == nil {
		return nil, fmt.Errorf("is longer than %d bytes", MaxLineBytes)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8") // encoding/json would change it in silence
	}
	v, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	rec, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	return rec, nil
}

// A lineReader cuts an input into lines, however long they are.
type lineReader struct {
	in     *bufio.Reader
	buf    []byte // the present line, used again for the next
	number int
	err    error // why there are no more
}

// next returns the next line without its ending, nil where it is too long, until next is called again. At the end of the input the error
// is io.EOF.
func (r *lineReader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if cap(r.buf) > maxKept {
		r.buf = nil
	}
	text, long, begun := r.buf[:0], false, false
	if text == nil {
		text = []byte{} // nil says too long
	}
	for {
		piece, err := r.in.ReadSlice('\n')
		begun = begun || len(piece) > 0
		if long = long || len(text)+len(piece) > MaxLineBytes+len(byteOrderMark+"\r\n"); !long {
			text = append(text, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			r.err = err
			if !begun || !errors.Is(err, io.EOF) {
				return nil, err
			}
		}
		break
	}
	r.buf = text
	r.number++
	if long {
		return nil, nil
	}
	if r.number == 1 {
		text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) > MaxLineBytes {
		return nil, nil
	}
	return text, nil
}

// maxKept is how large a buffer may be to be kept for the next line.
const maxKept = 256 << 10
