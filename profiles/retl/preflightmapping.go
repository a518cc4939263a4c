package retl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// events are what may happen to a row, in the order in which a preflight tries them.
var events = [...]Event{EventNew, EventUpdated, EventDeleted}

// A tried is what became of the sample's rows in one mapping, by event.
type tried struct {
	matched, invalid [len(events)]int
	faults           [len(events)][]counted
}

// mapped runs a sample through the mappings, each row as a new one, an updated one and a deleted one. Where s is nil there is none.
func (f *preflight) mapped(s *sampled) {
	active := f.mappings()
	if len(active) == 0 {
		f.add(CheckMapping, "", VerdictNotChecked, "no mapping that is switched on takes the model's rows", "")
		return
	}
	var samples []profiles.Record
	results := make(map[string]*tried, len(active))
	for _, m := range active {
		results[m.ID()] = new(tried)
	}
	messages, silent, deletions := 0, 0, 0
	if s != nil {
		for i, row := range s.rows {
			gave := 0
			for e, record := range shapes(row, s.keys[i], s.columns) {
				samples = append(samples, record)
				n := f.try(record, i, e, results)
				if events[e] == EventNew {
					messages += n
				}
				if events[e] == EventDeleted {
					deletions += n
				} else {
					gave += n
				}
			}
			if gave == 0 {
				silent++
			}
		}
		f.total(len(s.rows), messages, silent, deletions)
	}
	findings := f.dest.Lint(samples...)
	if len(samples) == 0 { // a row without columns shows what no row can match
		row := record(EventNew, time.Now(), "", profiles.Record{})
		findings = append(findings, slices.DeleteFunc(f.dest.Lint(row), func(x profiles.Finding) bool {
			return x.Rule != profiles.RuleTriggerType || slices.Contains(findings, x)
		})...)
	}
	for _, m := range active {
		r := results[m.ID()]
		if len(samples) == 0 {
			f.add(CheckMapping, cutName(m.ID()), VerdictNotChecked, "there are no rows to try it with", "")
		} else {
			f.mapping(m, r, len(s.rows))
		}
		for _, finding := range findings {
			if finding.Mapping == m.ID() && !f.told(finding, r, len(samples) > 0) {
				f.found(finding)
			}
		}
	}
}

// shapes are a row as a mapping is given it: new, updated and deleted.
func shapes(row profiles.Record, key string, columns map[string]struct{}) (records [len(events)]profiles.Record) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i, e := range events {
		shape := maps.Clone(row)
		if e == EventDeleted {
			for column := range columns {
				shape[column] = nil
			}
		}
		records[i] = record(e, now, key, shape)
	}
	return records
}

// try runs one record through the mappings, and returns how many messages it gives.
func (f *preflight) try(record profiles.Record, place, e int, results map[string]*tried) (messages int) {
	for _, message := range f.sync.Client.Preview(f.dest, record, place).Messages {
		r := results[message.Mapping.ID()]
		if r == nil {
			continue
		}
		r.matched[e]++
		if message.Err == nil {
			messages++
			continue
		}
		r.invalid[e]++
		r.faults[e] = note(r.faults[e], message.Err)
	}
	return messages
}

// total says what the rows would give.
func (f *preflight) total(rows, messages, silent, deletions int) {
	if rows == 0 {
		f.add(CheckMapping, "", VerdictNotChecked, "there are no rows that can be sent", "")
		return
	}
	if silent == rows && deletions > 0 {
		f.add(CheckMapping, "", VerdictWarning, fmt.Sprintf("none of %s gives a message, be it new or updated: deleted ones alone do", count(rows, "row")), "Make sure that it is meant.")
		return
	}
	if silent == rows {
		f.add(CheckMapping, "", VerdictProblem, fmt.Sprintf("none of %s gives a message, be it new or updated: no profile would change", count(rows, "row")), "See what is said of each mapping.")
		return
	}
	f.ok(CheckMapping, "", "%d of %s give messages; as new rows they give %d%s", rows-silent, count(rows, "row"), messages,
		f.estimate(float64(f.head.Rows)*float64(messages)/float64(rows)))
}

// mapping says what became of the sample in one mapping.
func (f *preflight) mapping(m *profiles.Mapping, r *tried, rows int) {
	id := cutName(m.ID())
	if r.matched == [len(events)]int{} {
		// A warning, because other rows may match. That none ever does, Lint tells.
		f.add(CheckMapping, id, VerdictWarning, fmt.Sprintf("its trigger matches none of %s, be they new, updated or deleted: with such rows a sync succeeds, and the mapping sends nothing", count(rows, "row")),
			`Let the trigger say event = "new" or event = "updated" (or "deleted"), and check the values that it compares with.`)
		return
	}
	parts := make([]string, len(events))
	for e := range events {
		parts[e] = fmt.Sprintf("%d %s", r.matched[e], events[e])
	}
	f.ok(CheckMapping, id, "%s: of %s its trigger matches %s", m.Kind(), count(rows, "row"), strings.Join(parts, ", "))
	for e := range events {
		for _, fault := range r.faults[e] {
			as := string(events[e])
			switch {
			case events[e] == EventUpdated && same(r.faults[0], fault):
				continue
			case events[e] == EventNew && same(r.faults[1], fault):
				as = "new or updated"
			}
			verdict, advice := VerdictProblem, "Segment would drop such messages in silence; here they fail. Correct the mapping or the rows."
			if events[e] == EventDeleted {
				verdict, advice = VerdictWarning, "A deleted row has nulls in all columns but __segment_id: take the id from $.properties.__segment_id, or let the trigger leave deleted rows out."
			}
			f.add(CheckMapping, id, verdict, fmt.Sprintf("%d of %s that it matches as %s give an invalid message: %s", fault.n, count(r.matched[e], "row"), as, fault.text), advice).Err = fault.err
		}
	}
}

// same tells whether a reason is among others, of as many rows.
func same(others []counted, c counted) bool {
	return slices.ContainsFunc(others, func(other counted) bool { return other.text == c.text && other.n == c.n })
}

// told tells whether what Lint has found was said before, in terms of rows: Lint counts each row three times.
func (f *preflight) told(finding profiles.Finding, r *tried, sampled bool) bool {
	switch finding.Rule {
	case profiles.RuleNoMatch, profiles.RuleInvalid, profiles.RuleLimit:
		return sampled
	case profiles.RulePathNotFound: // of a mapping for deleted rows alone, whose columns are null
		return sampled && r.matched[0]+r.matched[1] == 0
	}
	return finding.Severity < profiles.SeverityWarning
}

// found adds a finding of Lint's.
func (f *preflight) found(finding profiles.Finding) {
	verdict := VerdictWarning
	if finding.Severity >= profiles.SeverityError {
		verdict = VerdictProblem
	}
	text := finding.Advice
	if finding.Path != "" {
		text = finding.Path + ": " + text
	}
	f.add(CheckMapping, cutName(finding.Mapping), verdict, text, "")
}
