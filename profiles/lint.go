package profiles

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// Lint looks for what is wrong in the destination's mappings, or only seems right: for people who write mappings, and for tests
// of a destination file. A Rule says what there is to be found.
//
// With samples, records such as Process is given, it also says what the mappings would make of them. The samples belong to d's
// Input: a mapping that takes the records of a model is held against those of its own model alone (see For). A sample whose
// integrations switch the destination off is passed over.
//
// Mappings that are switched off are looked at as if they were on, and so is the destination. The findings come in the order of the
// mappings, and of the paths in each. Lint needs no client, sends nothing, and writes into nothing; it may be called from any
// number of goroutines.
func (d *Destination) Lint(samples ...Record) []Finding {
	if d == nil {
		return nil
	}
	on := *d
	on.enabled = true
	on.mappings = make([]*Mapping, len(d.mappings))
	subjects := make([]*subject, len(d.mappings))
	for i, m := range d.mappings {
		subjects[i] = newSubject(m)
		on.mappings[i] = subjects[i].Mapping
	}
	lintSamples(&on, subjects, samples)
	lintDuplicates(subjects)
	var findings []Finding
	for _, s := range subjects {
		if s.enabled {
			s.lintTrigger(len(samples) > 0 && on.input.Model == "")
			s.lintFields()
			s.lintLookups()
		}
		findings = append(findings, s.sorted()...)
	}
	return findings
}

// A subject is a mapping that is being looked at.
type subject struct {
	*Mapping // switched on, unless it does not compile
	off      bool
	settings map[string]any // its fields as saved, without a Profile Space that is written out

	always []actions.FieldError // what is wrong with every message, whatever the record

	taken   []Record // the samples that the mapping is offered
	matched []Record // and those that its trigger matches
	faults  map[fault]faulty

	findings []Finding
}

func newSubject(m *Mapping) *subject {
	on := *m
	s := &subject{Mapping: &on, off: !m.enabled, settings: m.saved().fields()}
	if s.off {
		s.switchOn()
	}
	if s.enabled {
		s.always = s.wrongAlways()
	}
	return s
}

// switchOn compiles a mapping that is switched off, as loading the destination does with the others.
func (s *subject) switchOn() {
	saved := s.saved()
	var p destinationParser
	p.compileTrigger(s.Mapping, saved.members, "")
	p.compileFields(s.Mapping, saved.members, "", saved.form)
	if !saved.space.IsZero() {
		s.space, s.hasSpace = saved.space, true
		if err := s.space.Err(); err != nil {
			p.problem(pointer("/"+saved.form.fields, spaceField), err, "%v", err)
		}
	}
	s.enabled = len(p.problems) == 0
	for _, problem := range p.problems {
		path := strings.TrimPrefix(problem.Path, "/"+saved.form.fields)
		if path == "/trigger" {
			path = "trigger"
		}
		s.find(RuleNotCompiled, path, strings.TrimPrefix(problem.Reason, "trigger: ")+": the destination will not load once the mapping is switched on")
	}
}

// find adds a finding.
func (s *subject) find(rule Rule, path, advice string) {
	severity := rule.Severity()
	if s.off {
		severity = min(severity, SeverityWarning)
	}
	s.findings = append(s.findings, Finding{Mapping: s.id, Path: path, Rule: rule, Severity: severity, Advice: advice})
}

// sorted returns the findings in order, each once: about the mapping, about its trigger, about its fields.
func (s *subject) sorted() []Finding {
	place := func(path string) int {
		switch path {
		case "":
			return 0
		case "trigger":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(s.findings, func(a, b Finding) int {
		if a.Path == "trigger" && b.Path == "trigger" && a.Rule == b.Rule {
			return 0 // as the trigger's own warnings come, by their offsets
		}
		return cmp.Or(cmp.Compare(place(a.Path), place(b.Path)), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Advice, b.Advice))
	})
	return slices.Compact(s.findings)
}

// lintDuplicates looks for mappings that do the same.
func lintDuplicates(subjects []*subject) {
	for i, s := range subjects {
		for _, earlier := range subjects[:i] {
			if !s.off && !earlier.off && s.same(earlier) {
				s.find(RuleDuplicate, "", "does the same as mapping "+earlier.id+" before it, so that each record gives two equal messages: "+
					"remove one of the two, or switch it off")
				break
			}
		}
	}
}

// same tells whether two mappings differ in their ids and names alone.
func (s *subject) same(other *subject) bool {
	return s.kind == other.kind && s.modelID == other.modelID && s.space == other.space &&
		strings.TrimSpace(s.trigger.String()) == strings.TrimSpace(other.trigger.String()) &&
		reflect.DeepEqual(mapped(s.settings), mapped(other.settings))
}

// mapped returns settings without what only steers Segment's own delivery.
func mapped(settings map[string]any) map[string]any {
	out := make(map[string]any, len(settings))
	for name, v := range settings {
		if name == wholeMapping || !internalSetting(name) {
			out[name] = v
		}
	}
	return out
}

// internalSetting tells whether a member of a mapping's settings is one with which Segment steers its own delivery.
func internalSetting(name string) bool {
	switch name {
	case "enable_batching", "batch_size", "batch_bytes", "batch_keys":
		return true
	}
	return strings.HasPrefix(name, "__segment_internal_")
}

// lintTrigger looks at the trigger, and at which samples it matches. unnamed says that there are samples of no named model.
func (s *subject) lintTrigger(unnamed bool) {
	for _, w := range s.trigger.Warnings() {
		s.find(RuleTrigger, "trigger", fmt.Sprintf("at byte %d: %s", w.Offset, w.Advice))
	}
	if unnamed && s.modelID != "" {
		s.find(RuleNotSampled, "", "takes the records of a model, and the samples are of none: name it in an Input, with Destination.For")
	}
	if len(s.matched) > 0 {
		return
	}
	row := Record{"type": actions.KindTrack.Type()} // as a trigger sees every row that reads its type alone
	rows := s.modelID != ""
	if len(s.taken) > 0 {
		rows = !slices.ContainsFunc(s.taken, func(r Record) bool { return r["type"] != row["type"] })
	}
	if rows && slices.Equal(s.trigger.Paths(), []string{"type"}) && !s.trigger.Match(row) {
		s.find(RuleTriggerType, "trigger", `never matches the rows of a model, which are of type track: write type = "track", or `+
			`event = "new" or event = "updated"`)
		return
	}
	if len(s.taken) > 0 {
		s.find(RuleNoMatch, "trigger", fmt.Sprintf("matches none of the %d samples", len(s.taken))+s.unknownToTrigger())
	}
}

// unknownToTrigger names the paths of the trigger that no sample has.
func (s *subject) unknownToTrigger() string {
	var missing []string
	for _, path := range s.trigger.Paths() {
		if !anyHas(s.taken, path) {
			missing = append(missing, path)
		}
	}
	if len(missing) == 0 {
		return ": check the values that it compares with"
	}
	return "; none of them has " + strings.Join(missing, ", ")
}
