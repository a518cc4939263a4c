package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// maxTold is how many failures are printed; a dead-letter file has them all.
const maxTold = 20

// A deadLetter is one line of the dead-letter file. It holds what is needed to send the message again, personal data included.
type deadLetter struct {
	Line       int             `json:"line,omitempty"`   // what comes out of a spool has none
	Record     *int            `json:"record,omitempty"` // its place in the input, from 0: as the line, but without empty ones
	Mapping    string          `json:"mapping,omitempty"`
	MessageID  string          `json:"messageId,omitempty"`
	Status     profiles.Status `json:"status"`
	Attempts   int             `json:"attempts,omitempty"`
	HTTPStatus int             `json:"httpStatus,omitempty"`
	Ambiguous  bool            `json:"ambiguous,omitempty"` // Segment may have taken the message all the same
	Reason     string          `json:"reason"`
	Message    json.RawMessage `json:"message,omitempty"` // as it was to be sent
	Event      json.RawMessage `json:"event,omitempty"`   // the payload, where no message was made of it
	Text       string          `json:"text,omitempty"`    // the line, where it holds no JSON object, or none that can stand in here
}

// A failures counts what failed, tells the first of it, and keeps all of it as dead letters. It is safe for concurrent use.
type failures struct {
	file    string // the input's name in what is told
	screen  *screen
	spooled bool   // messages come out of a spool, so that stored is told how they end
	stop    func() // called when dead letters cannot be written

	mu       sync.Mutex
	out      io.Writer // nil: no dead letters are wanted
	err      error     // of the first write that failed
	count    int
	told     int // of those, the ones that are of a record of this run
	badLines int
}

// record takes the messages of a record that were not accepted, and a line that holds no record. What is kept in a spool has not
// failed.
func (f *failures) record(l line, o profiles.RecordOutcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range o.Outcomes {
		if m.Err == nil || m.Status == profiles.Kept {
			continue
		}
		why := reasons(m.Err)
		f.tell(l.number, m.Mapping, why)
		if f.spooled && refused(m) {
			continue // stored has it
		}
		f.count++
		letter := newDeadLetter(m, why)
		letter.Line, letter.Record = l.number, &o.Index
		var bad *profiles.BadRecord
		if errors.As(m.Err, &bad) {
			f.badLines++
			letter.Text = string(l.text)
		} else if letter.Message == nil {
			letter.Event = l.text
		}
		f.write(letter)
	}
}

// stored takes a message from a spool that has come to its end: of this run, or of a former one, which nobody but the spool knows
// of. It is called before the spool forgets the message, so that no kill comes between.
func (f *failures) stored(m profiles.Outcome) {
	if !refused(m) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	f.write(newDeadLetter(m, reasons(m.Err)))
}

// refused tells whether a message was sent, and is given up.
func refused(m profiles.Outcome) bool {
	return m.Status == profiles.Rejected || m.Status == profiles.Exhausted
}

func newDeadLetter(m profiles.Outcome, reasons []string) deadLetter {
	return deadLetter{
		Mapping: m.Mapping, MessageID: m.MessageID, Status: m.Status, Attempts: m.Attempts, HTTPStatus: m.HTTPStatus,
		Ambiguous: m.Ambiguous, Reason: strings.Join(reasons, "; "), Message: m.Message(),
	}
}

// tell prints a failure, if it is one of the first. The lock must be held.
func (f *failures) tell(number int, mapping string, reasons []string) {
	f.told++
	if f.told > maxTold {
		return
	}
	for _, reason := range reasons {
		if mapping != "" {
			reason = "mapping " + mapping + ": " + reason
		}
		f.screen.printf("%s:%d: %s", f.file, number, reason)
	}
}

// write adds a dead letter. Where that fails, the sync ends: a failure that is not kept would be lost. The lock must be held.
func (f *failures) write(d deadLetter) {
	if f.out == nil || f.err != nil {
		return
	}
	text, err := encode(d)
	if err == nil && !json.Valid(text) {
		// The payload is nested as deeply as encoding/json reads: it may not stand inside another object.
		d.Event, d.Text = nil, string(d.Event)
		text, err = encode(d)
	}
	if err == nil {
		_, err = f.out.Write(text)
	}
	if err != nil {
		f.err = err
		f.stop()
	}
}

// encode returns a dead letter as a line, with <, > and & as they came.
func encode(d deadLetter) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d)
	return b.Bytes(), err
}

// total returns how many failures there were so far.
func (f *failures) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// rest tells of the failures that were not told one by one.
func (f *failures) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.told - maxTold; n > 0 {
		f.screen.printf("and %d more failures", n)
	}
	if n := f.count - f.told; n > 0 {
		f.screen.printf("and %d messages failed that a former run had left in the spool", n)
	}
}

// lost tells that failures could not be kept.
func (f *failures) lost() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("-dead-letter: %w: the sync was stopped", f.err)
}

// reasons returns why a message was not accepted: one sentence for each field at fault, or one. None holds a value.
func reasons(err error) []string {
	var bad *profiles.BadRecord
	if errors.As(err, &bad) {
		return []string{bad.Error()}
	}
	var fields *actions.Error
	if errors.As(err, &fields) {
		var all []string
		for _, field := range fields.Fields {
			all = append(all, field.Error()+" ["+field.Rule.String()+"]")
		}
		return all
	}
	var resolve *mapping.ResolveError
	if errors.As(err, &resolve) {
		return []string{resolve.Path + " " + resolve.Reason}
	}
	var message *profiles.Error
	if errors.As(err, &message) && message.Err != nil {
		return []string{message.Status.String() + ": " + message.Err.Error()}
	}
	return []string{err.Error()}
}
