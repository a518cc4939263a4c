package retl

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A sampled is what was read of a model.
type sampled struct {
	rows     []profiles.Record // those that can be sent, with their keys beside
	keys     []string
	read     int
	faults   []counted // why the others cannot
	columns  map[string]struct{}
	ended    error // why the source ended early
	complete bool  // it has no more rows
	folded   bool  // a row without the key column has one that differs in case alone
}

// A counted is a reason, and how many rows or messages it was of.
type counted struct {
	text string
	n    int
	err  error
}

// note counts a reason.
func note(all []counted, err error) []counted {
	text := words(err)
	if i := slices.IndexFunc(all, func(c counted) bool { return c.text == text }); i >= 0 {
		all[i].n++
		return all
	}
	return append(all, counted{text, 1, err})
}

// sample reads the first rows.
func (f *preflight) sample(rows int) *sampled {
	model := f.sync.Model
	if f.Sample != nil {
		model.Records = f.Sample
	}
	s := &sampled{columns: make(map[string]struct{}), complete: true}
	source := model.Records
	model.Records = func(yield func(profiles.Record, error) bool) {
		for rec, err := range source {
			if err == nil {
				for column := range rec {
					s.columns[column] = struct{}{}
					s.folded = s.folded || column != model.Key && strings.EqualFold(column, model.Key)
				}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
	seen, unordered := make(map[string]bool), false
	for row, err := range model.read(f.ctx) {
		if err != nil {
			s.ended = err
			break
		}
		s.read++
		switch {
		case row.err != nil:
			s.faults = note(s.faults, row.err)
		case seen[row.key]:
			s.faults = note(s.faults, &KeyError{Column: model.Key, Reason: "is not unique: an earlier row has the same key"})
		default:
			if last := len(s.keys) - 1; model.Ordered && !unordered && last >= 0 && CompareKeys(s.keys[last], row.key) > 0 {
				unordered = true
				s.faults = note(s.faults, &OrderError{Model: model.Name, Row: int64(s.read)})
			}
			seen[row.key] = true
			columns, _ := decodeRow(row.text) // what was encoded just now
			s.rows, s.keys = append(s.rows, columns), append(s.keys, row.key)
		}
		if s.read == rows {
			s.complete = false
			break
		}
	}
	return s
}

// rows reads the first rows of the model, and runs them through the mappings.
func (f *preflight) rows() {
	if f.ended(CheckRows) {
		f.add(CheckMapping, "", VerdictNotChecked, "there are no rows to check mappings with", "")
		return
	}
	rows := min(f.Rows, MaxPreflightRows)
	if rows == 0 {
		rows = DefaultPreflightRows
	}
	var s *sampled
	switch {
	case rows < 0:
		f.add(CheckRows, "", VerdictNotChecked, "no rows were to be read", "")
	case f.Sample == nil && f.sync.Model.Records == nil, f.sync.Model.Key == "":
		f.add(CheckRows, "", VerdictNotChecked, "the model has no rows or no key", "")
	default:
		s = f.sample(rows)
		f.readRows(s)
	}
	if f.dest == nil || f.sync.Client == nil {
		f.add(CheckMapping, "", VerdictNotChecked, "there is no client or no destination", "")
		return
	}
	f.mapped(s)
}

// readRows says what was read.
func (f *preflight) readRows(s *sampled) {
	model := &f.sync.Model
	switch {
	case f.ctx.Err() != nil && s.ended != nil:
		f.add(CheckRows, "", VerdictNotChecked, fmt.Sprintf("the preflight was ended after %s", count(s.read, "row")), "Run it again, with more time.").Err = s.ended
	case s.ended != nil:
		f.add(CheckRows, "", VerdictProblem, fmt.Sprintf("the model's source fails after %s: %s", count(s.read, "row"), words(s.ended)), "Correct the query or the file. The source's own words are in the check's Err.").Err = s.ended
	case s.read == 0 && f.head.Rows > 0 && !f.sync.AllowEmpty:
		f.add(CheckRows, "", VerdictProblem, fmt.Sprintf("the model has no rows, and the last sync had %d: a sync would end with ErrEmptyModel, because to go on would delete all of them", f.head.Rows), "Correct the query, or set AllowEmpty where it is meant.").Err = ErrEmptyModel
	case s.read == 0:
		f.add(CheckRows, "", VerdictWarning, "the model has no rows: a sync would succeed and send nothing", "Check the query or the file, and what the user of the database may see.")
	}
	for _, fault := range s.faults {
		verdict, advice := VerdictProblem, "Such rows fail. Correct the query, so that every row has a key of its own and keeps Segment's limits."
		if _, missing := s.columns[model.Key]; !missing && strings.HasPrefix(fault.text, "key column") {
			advice = "No row has this column: set Model.Key to a column of the model."
			if s.folded {
				advice = "There is a column whose name differs in upper and lower case alone: write Model.Key as the source does."
			}
		}
		if _, order := fault.err.(*OrderError); order {
			advice = "A sync would end there."
		}
		f.add(CheckRows, "", verdict, fmt.Sprintf("%d of %s: %s", fault.n, count(s.read, "row"), strings.TrimPrefix(fault.text, "retl: ")), advice).Err = fault.err
	}
	for _, column := range model.Ignore {
		if _, ok := s.columns[column]; !ok && len(s.rows) > 0 {
			f.add(CheckRows, "", VerdictWarning, fmt.Sprintf("Model.Ignore has the column %s, which no row has that was read", quoted(column)), "Write it as the source does.")
		}
	}
	if n := len(s.rows); n > 0 {
		more := "; there are no more"
		if !s.complete || s.ended != nil {
			more = "; the rest was not looked at"
		}
		f.ok(CheckRows, "", "%d of the first %s can be sent, of %s%s", n, count(s.read, "row"), count(len(s.columns), "column"), more)
	}
}

// estimate is how long it takes to send messages at the client's rate.
func (f *preflight) estimate(messages float64) string {
	rate := f.rate()
	if messages <= 0 || math.IsInf(rate, 1) || rate <= 0 {
		return ""
	}
	return fmt.Sprintf("; all rows of the last sync would take about %s at the client's rate", ago(time.Duration(max(1, messages/rate))*time.Second))
}
