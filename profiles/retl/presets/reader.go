package presets

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A format is what a service's answers look like.
type format struct {
	service string
	list    string // the member of a page that holds the elements
	// record makes an element's columns; the error names no value.
	record func(element map[string]any) (profiles.Record, error)
	// lone tells whether an object without a list is an element itself.
	lone func(object map[string]any) bool
	// next returns a page's cursor to the page after it, and whether there is one.
	next func(page map[string]any) (cursor string, more bool)
	// failure returns the error that an object without a list stands for, nil where it stands for none.
	failure func(object map[string]any) *APIError
	// partial returns what the service says that it could not give of a page, a reason for each.
	partial func(page map[string]any) []string
}

// A scan is one range over the answers in a reader.
type scan struct {
	*format
	src   *source
	dec   *json.Decoder
	yield func(profiles.Record, error) bool
	doc   int              // of the document at hand, from 1
	more  *IncompleteError // what the last page said
}

// errStop: the loop was left. It is told to nobody.
var errStop = errors.New("stop")

// read yields the records of all documents in r.
func (f *format) read(r io.Reader) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		src := &source{r: r}
		buffered := bufio.NewReader(src)
		if head, _ := buffered.Peek(3); string(head) == "\ufeff" {
			_, _ = buffered.Discard(3) // cannot fail: it is in the buffer
		}
		s := &scan{format: f, src: src, dec: json.NewDecoder(buffered), yield: yield}
		s.dec.UseNumber()
		if err := s.documents(); err != nil && err != errStop {
			yield(nil, err)
		}
	}
}

// documents reads to the end.
func (s *scan) documents() error {
	for s.doc = 1; ; s.doc++ {
		token, err := s.dec.Token()
		switch {
		case err == io.EOF && s.src.err == nil && s.doc > 1:
			if s.more != nil {
				return s.more
			}
			return nil
		case err != nil:
			return s.broken(err)
		}
		switch token {
		case json.Delim('{'):
			err = s.object()
		case json.Delim('['):
			err = s.elements("")
		default:
			err = s.other("neither an object nor an array")
		}
		if err != nil {
			return err
		}
	}
}

// object reads a document after its opening brace: a page, an element or an error.
func (s *scan) object() error {
	members, listed := map[string]any{}, false
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			return s.broken(err)
		}
		name, _ := token.(string)
		if name == s.list {
			if token, err = s.dec.Token(); err != nil {
				return s.broken(err)
			}
			if token != json.Delim('[') {
				return s.other(s.list + " is no array")
			}
			if err := s.elements(s.list); err != nil {
				return err
			}
			listed = true
			continue
		}
		var v any
		if err := s.dec.Decode(&v); err != nil {
			return s.broken(err)
		}
		members[name] = v
	}
	if _, err := s.dec.Token(); err != nil {
		return s.broken(err)
	}
	if listed {
		s.more = nil
		if cursor, more := s.next(members); more {
			s.more = &IncompleteError{Service: s.service, Next: cursor}
		}
		for i, reason := range s.partial(members) {
			if !s.yield(nil, &profiles.BadRecord{Err: fmt.Errorf("page %d: errors[%d]: %s", s.doc, i, reason)}) {
				return errStop
			}
		}
		return nil
	}
	if s.lone(members) {
		return s.element(members, fmt.Sprintf("object %d", s.doc))
	}
	if failure := s.failure(members); failure != nil {
		return failure
	}
	return s.other("an object without " + s.list)
}

// elements reads an array after its opening bracket, and the closing one.
func (s *scan) elements(list string) error {
	for i := 0; s.dec.More(); i++ {
		var v any
		if err := s.dec.Decode(&v); err != nil {
			return s.broken(err)
		}
		if object, ok := v.(map[string]any); ok && list == "" && !s.lone(object) {
			if failure := s.failure(object); failure != nil {
				return failure
			}
		}
		if err := s.element(v, fmt.Sprintf("page %d: %s[%d]", s.doc, list, i)); err != nil {
			return err
		}
	}
	if _, err := s.dec.Token(); err != nil {
		return s.broken(err)
	}
	return nil
}

// element yields one element, or why it is none.
func (s *scan) element(v any, place string) error {
	object, ok := v.(map[string]any)
	err := errors.New("not an object")
	var rec profiles.Record
	if ok {
		rec, err = s.record(object)
	}
	if err != nil {
		text, _ := json.Marshal(v) // it was JSON
		if !s.yield(nil, &profiles.BadRecord{Err: fmt.Errorf("%s: %w", place, err), Text: text}) {
			return errStop
		}
		return nil
	}
	if !s.yield(rec, nil) {
		return errStop
	}
	return nil
}

// broken is the error for what the decoder says: the source's own, or that this is no JSON.
func (s *scan) broken(err error) error {
	if s.src.err != nil {
		return fmt.Errorf("%s's answer, after byte %d: %w", s.service, s.dec.InputOffset(), s.src.err)
	}
	failed := &FormatError{Service: s.service, Offset: s.dec.InputOffset(), Reason: "not JSON", Err: err}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		failed.Reason, failed.Err = "it breaks off", io.ErrUnexpectedEOF
		if s.src.empty {
			failed.Reason = "there is nothing"
		}
	}
	return failed
}

// other is the error for JSON that is no answer of the service.
func (s *scan) other(reason string) error {
	return &FormatError{Service: s.service, Offset: s.dec.InputOffset(), Reason: reason}
}

// A source remembers why it could not be read.
type source struct {
	r     io.Reader
	err   error // but io.EOF
	empty bool  // it ended before its first byte
	begun bool
}

// Read reads.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.begun = s.begun || n > 0
	switch {
	case err == io.EOF:
		s.empty = !s.begun
	case err != nil:
		s.err = err
	}
	return n, err
}
