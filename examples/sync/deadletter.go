package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// maxTold is how many failures are printed; a dead-letter file has them all.
const maxTold = 20

// A failures counts what failed, tells the first of it, and keeps all of it as dead letters. It is safe for concurrent use.
type failures struct {
	file     string // the input's name in what is told
	screen   *screen
	begun    chan struct{} // closed when source and out are there, or never will be
	source   *source       // knows the lines of records; nil where they are rows of a model
	rows     bool          // they are, and the sync has begun
	replayed bool          // what fails had been a dead letter
	broken   chan struct{} // closed when dead letters cannot be written

	mu       sync.Mutex
	out      *profiles.DeadLetterFile // nil: no dead letters are wanted
	err      error                    // of the first write that failed
	count    int
	told     int // of those, the ones that are of a record of this run
	badLines int
	canceled []profiles.DeadLetter // of messages that were given up: the client does not take them for dead
}

// record takes the messages of a record that were not accepted, and a line that holds no record. What is kept in a spool has not
// failed. Their dead letters are written by then.
func (f *failures) record(l line, o profiles.RecordOutcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range o.Outcomes {
		if m.Err == nil || m.Status == profiles.Kept {
			continue
		}
		f.count++
		f.tell(l.number, m.Mapping, reasons(m.Err))
		if m.Status == profiles.Canceled && f.out != nil {
			letter := profiles.NewDeadLetter(m)
			letter.Record, letter.Line = &o.Index, l.number
			f.canceled = append(f.canceled, letter)
		}
		var bad *profiles.BadRecord
		if errors.As(m.Err, &bad) {
			f.badLines++
		}
	}
}

// keep writes the client's dead letters, with what this program knows of them. Where that fails, the sync ends: a failure that is not
// kept would be lost.
func (f *failures) keep(letters []profiles.DeadLetter) error {
	if <-f.begun; f.source == nil && !f.rows {
		return errors.New("the sync has not begun") // and its spool keeps what it had
	}
	former := 0 // letters of what an earlier run has left in the spool
	for i := range letters {
		l := &letters[i]
		l.Reason = strings.Join(reasons(l.Err), "; ")
		switch {
		case f.replayed: // it says where it comes from
		case l.Record == nil:
			former++
		case f.rows: // whose record has their key
		default:
			l.Line = f.source.lineOf(*l.Record)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.out != nil {
		if err := f.out.Write(letters); err != nil {
			if f.err == nil {
				f.err = err
				close(f.broken)
			}
			return err
		}
	}
	f.count += former
	return nil
}

// dry writes the dead letters of a record that a dry run could not map.
func (f *failures) dry(rec profiles.Record, o profiles.RecordOutcome) {
	var letters []profiles.DeadLetter
	for _, m := range o.Outcomes {
		if m.Err == nil {
			continue
		}
		l := profiles.NewDeadLetter(m)
		l.Record = &o.Index
		var bad *profiles.BadRecord
		if errors.As(m.Err, &bad) {
			l.Text = string(bad.Text)
		} else {
			l.Event, _ = json.Marshal(rec) // it was JSON
		}
		letters = append(letters, l)
	}
	if len(letters) > 0 {
		_ = f.keep(letters) // lost tells
	}
}

// letters turns the records of a dead-letter file into what they are.
func letters(records iter.Seq2[profiles.Record, error]) iter.Seq2[profiles.DeadLetter, error] {
	return func(yield func(profiles.DeadLetter, error) bool) {
		for rec, err := range records {
			var l profiles.DeadLetter
			if err == nil {
				text, _ := json.Marshal(rec) // it was JSON
				if json.Unmarshal(text, &l) != nil || l.Status == 0 {
					err = &profiles.BadRecord{Err: errors.New("is no dead letter"), Text: text}
				}
			}
			if !yield(l, err) {
				return
			}
		}
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

// total returns how many failures there were so far.
func (f *failures) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// rest writes the dead letters of what was given up, and tells of the failures that were not told one by one.
func (f *failures) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.canceled) > 0 && f.err == nil {
		f.err = f.out.Write(f.canceled)
	}
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
