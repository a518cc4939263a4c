package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// maxLine is the size of the longest line that is taken, its ending not counted.
const maxLine = 1 << 20

// blank is what JSON takes for white space.
const blank = " \t\r\n"

// A line is one line of the input.
type line struct {
	number int
	text   []byte // without its ending; nil where it was too long
	end    int64  // how many bytes of the input there are up to its end
}

// A lineReader cuts an input into lines, however long they are. It does not hold more than limit bytes of one.
type lineReader struct {
	in     *bufio.Reader
	limit  int
	number int
	offset int64
}

func newLineReader(in io.Reader, limit int) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(in, 64<<10), limit: limit}
}

// next returns the next line; its text is a copy. At the end of the input the error is io.EOF.
func (r *lineReader) next() (line, error) {
	var text []byte
	long, begun := false, false
	for {
		piece, err := r.in.ReadSlice('\n')
		r.offset += int64(len(piece))
		begun = begun || len(piece) > 0
		if long = long || len(text)+len(piece) > r.limit+len("\ufeff\r\n"); long {
			text = nil
		} else {
			text = append(text, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || !begun) {
			return line{}, err // a line that the input broke off in is not one
		}
		break
	}
	r.number++
	if r.number == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if long || len(text) > r.limit {
		text = nil
	} else if text == nil {
		text = []byte{} // an input that ends with a byte order mark
	}
	return line{number: r.number, text: text, end: r.offset}, nil
}

// parseRecord reads the record that a line holds, numbers with all their digits. The reason why there is none shows nothing of
// the line.
func parseRecord(text []byte) (rec profiles.Record, reason string) {
	if text == nil {
		return nil, fmt.Sprintf("the line is longer than %d bytes", maxLine)
	}
	if !utf8.Valid(text) {
		return nil, "is not UTF-8" // encoding/json would change the bytes in silence
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, "is not JSON: it ends in the middle of a value"
		case errors.As(err, &syntax):
			return nil, fmt.Sprintf("is not JSON: syntax error at byte %d", syntax.Offset)
		}
		return nil, "is not JSON"
	}
	rec, ok := v.(map[string]any)
	if !ok {
		return nil, "is not a JSON object"
	}
	if len(bytes.Trim(text[d.InputOffset():], blank)) > 0 {
		return nil, "something follows the JSON object"
	}
	return rec, ""
}

// A source gives the records of an input, and keeps each one's line until its outcome is there. Its input is read by a goroutine
// of its own, so that a terminal or a pipe on which nothing comes does not hold up an end.
type source struct {
	lines chan line
	err   error         // why there are no more of them; set before lines is closed
	halt  chan struct{} // closed: no further line is taken
	once  sync.Once
	ended bool // the input was read to its end

	skip int // records to leave out: a former run has them in hand

	mu    sync.Mutex
	first int    // place of the oldest record without an outcome
	kept  []line // of those records, the oldest first; without their texts
}

// newSource starts reading. The goroutine ends with the input, or once it has read a line after halt or the end of ctx.
func newSource(ctx context.Context, in io.Reader, skip int) *source {
	s := &source{lines: make(chan line), halt: make(chan struct{}), skip: skip, first: skip}
	go func() {
		defer close(s.lines)
		r := newLineReader(in, maxLine)
		for {
			l, err := r.next()
			if err != nil {
				s.err = err
				return
			}
			select {
			case s.lines <- l:
				continue
			case <-s.halt:
			case <-ctx.Done():
			}
			s.err = errHalted
			return
		}
	}()
	return s
}

// stop has the range of records end after the present one, as if the input did. It may be called from anywhere, and again.
func (s *source) stop() { s.once.Do(func() { close(s.halt) }) }

// records is the input as Process takes it. A line that holds no record is a *profiles.BadRecord; empty lines are ignored.
func (s *source) records(ctx context.Context) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for {
			l, err := s.next(ctx)
			if errors.Is(err, io.EOF) {
				if s.skip > 0 {
					yield(nil, fmt.Errorf("it has %d records fewer than its checkpoint says: it is not what it was", s.skip))
					return
				}
				s.ended = true
				return
			}
			if err == errHalted {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if l.text != nil && len(bytes.Trim(l.text, blank)) == 0 {
				continue
			}
			if s.skip > 0 {
				s.skip--
				continue
			}
			rec, reason := parseRecord(l.text)
			var bad error
			if reason != "" {
				bad = &profiles.BadRecord{Err: errors.New(reason), Text: l.text}
			}
			s.keep(l)
			if !yield(rec, bad) {
				return
			}
		}
	}
}

// errHalted is why there are no more lines after stop, and may be after the end of the context.
var errHalted = errors.New("halted")

// next waits for a line.
func (s *source) next(ctx context.Context) (line, error) {
	select {
	case <-s.halt: // before a line that is there as well
		return line{}, errHalted
	default:
	}
	select {
	case l, ok := <-s.lines:
		if !ok {
			return line{}, s.err
		}
		return l, nil
	case <-s.halt:
		return line{}, errHalted
	case <-ctx.Done():
		return line{}, ctx.Err()
	}
}

// keep puts aside where a record's line is, until taken asks for it.
func (s *source) keep(l line) {
	l.text = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, l)
}

// lineOf returns the number of the line of a record without an outcome, by its place.
func (s *source) lineOf(record int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := record - s.first; i >= 0 && i < len(s.kept) {
		return s.kept[i].number
	}
	return 0
}

// taken returns the line of the oldest record that is kept: outcomes come in the order of the input.
func (s *source) taken() line {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.kept[0]
	s.kept = s.kept[1:]
	s.first++
	return l
}
