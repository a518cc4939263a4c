package profiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

// A fault is what one rule says of some samples.
type fault struct {
	rule         Rule
	path, advice string
}

// faulty says which samples have a fault.
type faulty struct {
	samples int // how many
	first   int // the first of them, from 1
}

// lintSamples runs samples through a destination whose mappings are switched on, all that compile.
func lintSamples(on *Destination, subjects []*subject, samples []Record) {
	of := make(map[*Mapping]*subject, len(subjects))
	for _, s := range subjects {
		of[s.Mapping] = s
	}
	for i, sample := range samples {
		if switchedOff(sample) {
			continue
		}
		for _, s := range subjects {
			if s.enabled && (s.modelID == "" || s.modelID == on.input.Model) {
				s.taken = append(s.taken, sample)
			}
		}
		for _, m := range on.Preview(sample, i).Messages {
			s := of[m.Mapping]
			s.matched = append(s.matched, sample)
			s.fail(m.Err, i)
		}
	}
	for _, s := range subjects {
		for f, in := range s.faults {
			s.find(f.rule, f.path, fmt.Sprintf("%s: so it is with %d of the %d samples that the trigger matches, the first is samples[%d]",
				f.advice, in.samples, len(s.matched), in.first))
		}
	}
}

// fail notes what is wrong with the message of a sample, unless it is wrong with those of all records.
func (s *subject) fail(err error, sample int) {
	switch e := err.(type) {
	case nil:
	case *Error:
		s.fail(e.Err, sample)
	case *actions.Error:
		for _, f := range e.Fields {
			if !slices.ContainsFunc(s.always, func(known actions.FieldError) bool { return known.Field == f.Field && known.Rule == f.Rule }) {
				s.fault(fault{ruleOf(f), fieldPath(f), f.Error()}, sample)
			}
		}
	case *mapping.ResolveError:
		if !slices.ContainsFunc(s.fields.Warnings(), func(w mapping.Problem) bool { return w.Path == e.Path }) {
			s.fault(fault{RuleInvalid, rooted(e.Path), e.Reason}, sample)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			s.fail(cause, sample)
		}
	default:
		s.fault(fault{RuleInvalid, "", err.Error()}, sample)
	}
}

// ruleOf returns the rule of Lint's for a sample that breaks a rule of its action.
func ruleOf(f actions.FieldError) Rule {
	switch f.Rule {
	case actions.RuleTooMany, actions.RuleTooLong, actions.RuleMessageTooLarge:
		return RuleLimit
	}
	return RuleInvalid
}

func (s *subject) fault(f fault, sample int) {
	if s.faults == nil {
		s.faults = make(map[fault]faulty)
	}
	in := s.faults[f]
	if in.samples++; in.samples == 1 {
		in.first = sample
	}
	s.faults[f] = in
}

// lintLookups looks for paths that none of the samples has which come to the mapping.
func (s *subject) lintLookups() {
	if len(s.matched) == 0 {
		return
	}
	if s.ownFields {
		s.lintPaths(s.settings, "", s.fields.Paths())
		return
	}
	for _, f := range actions.Fields(s.kind) {
		v, path := s.settings[f.Name], pointer("", f.Name)
		switch {
		case !isDefault(v, f):
			s.lintValue(v, path)
		case anyHas(s.matched, strings.TrimPrefix(f.DefaultPath, "$.")):
		case f.Name == timestampField:
			s.find(RuleNoTimestamp, path, "no sample has one: "+withoutTimestamp)
		case f.Name == messageIDField:
			s.find(RuleNoMessageID, path, "no sample has one: "+withoutMessageID)
		}
	}
}

// isDefault tells whether a field is mapped as Segment pre-fills new mappings: not a look-up that somebody wrote.
func isDefault(v any, f actions.Field) bool {
	m, _ := v.(map[string]any)
	path, ok := m["@path"].(string)
	return ok && f.DefaultPath != "" && strings.TrimPrefix(path, "$.") == strings.TrimPrefix(f.DefaultPath, "$.")
}

// lintValue goes down to the directives of a value, so that a finding points to the one at fault.
func (s *subject) lintValue(v any, path string) {
	m, ok := v.(map[string]any)
	if ok && !isDirective(m) {
		for name, member := range m {
			s.lintValue(member, pointer(path, name))
		}
		return
	}
	s.lintPaths(v, path, pathsOf(v))
}

// lintPaths looks for paths of a value that no sample has.
func (s *subject) lintPaths(v any, at string, paths []string) {
	asked := make(map[string]bool)
	lookedUp(v, asked)
	for _, path := range paths {
		if asked[path] || anyHas(s.matched, path) {
			continue
		}
		advice := fmt.Sprintf("none of the %d samples that the trigger matches has %s", len(s.matched), path)
		if other := s.elsewhere(path); other != "" {
			advice += ", but " + other + " is there"
		}
		s.find(RulePathNotFound, at, advice)
	}
}

// pathsOf returns the paths that a value of a mapping reads; none where it does not compile by itself.
func pathsOf(v any) []string {
	m, err := mapping.Compile(map[string]any{"v": v})
	if err != nil {
		return nil
	}
	return m.Paths()
}

// lookedUp adds the paths that the conditions in a value ask for: somebody knows that they may not be there.
func lookedUp(v any, asked map[string]bool) {
	switch x := v.(type) {
	case []any:
		for _, item := range x {
			lookedUp(item, asked)
		}
	case map[string]any:
		if options, ok := x["@if"].(map[string]any); ok {
			for _, condition := range []string{"exists", "blank"} {
				for _, path := range pathsOf(options[condition]) {
					asked[path] = true
				}
			}
		}
		for _, member := range x {
			lookedUp(member, asked)
		}
	}
}

// elsewhere returns where the samples have what is not at a path: rows have under properties what events have under traits.
func (s *subject) elsewhere(path string) string {
	parents := []string{"properties.", "traits.", "context.traits.", "context.", ""}
	rest := path
	for _, parent := range parents {
		if inner, ok := strings.CutPrefix(path, parent); ok {
			rest = inner
			break
		}
	}
	for _, parent := range parents {
		if other := parent + rest; other != path && anyHas(s.matched, other) {
			return other
		}
	}
	return ""
}

// anyHas tells whether one of the records has a value at a path, null included.
func anyHas(records []Record, path string) bool {
	m, err := mapping.Compile(map[string]any{"v": map[string]any{"@path": "$." + path}})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(records, func(r Record) bool {
		found, err := m.Resolve(r)
		return err == nil && len(found) > 0
	})
}
