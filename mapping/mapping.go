package mapping

import (
	"maps"
	"slices"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// Mapping is a compiled mapping. Make one with Compile; the zero value resolves every record to an empty object. It never
// changes, so that any number of goroutines may use it at once. It must not be copied.
type Mapping struct {
	// root resolves the whole mapping. It is a function, not a node, because a mapping may hold a write key, and fmt and other
	// dumpers follow pointers to values but not functions.
	root     func(r *run, v any) (any, error)
	object   bool // root makes a new object of each record
	paths    []string
	warnings []Problem
	// transforms says that a result may hold a value of the record many times over, so that it has to be measured.
	transforms bool
	runs       sync.Pool
}

// Compile checks a mapping whole and makes it ready for records. settings is what Segment saves, decoded from JSON, or Go values of
// the same shape; nil is an empty mapping. It is copied, not kept, and not written to.
//
// The error is a *CompileError with every problem that the mapping has. Nothing inside an array literal is checked, nor inside
// an object that @literal or @excludeWhenNull holds, as in Segment; what is wrong there, and a Liquid template that
// does not parse, is an error of the records that come to it.
func Compile(settings map[string]any) (*Mapping, error) {
	var s copier
	own, _ := s.copy(settings, "", 0).(map[string]any)
	if len(s.problems) > 0 {
		return nil, &CompileError{s.problems}
	}
	whole, from, reason := unwrapWhole(own)
	if reason != "" {
		return nil, &CompileError{[]Problem{{below("", wholeDirective), reason}}}
	}
	c := checker{origin: from}
	c.mapping(whole, "")
	if len(c.problems) > 0 {
		return nil, &CompileError{c.problems}
	}
	b := builder{paths: map[string]struct{}{}, origin: from}
	root := b.build(whole, scope{record: true})
	_, isObject := root.(*object)
	return &Mapping{
		root:       root.resolve,
		object:     isObject,
		paths:      slices.Sorted(maps.Keys(b.paths)),
		warnings:   b.warnings,
		transforms: b.transforms,
	}, nil
}

// Warnings returns the directives that end every record which comes to them in a ResolveError: a Liquid template that does not
// parse, @flatten without a separator, and whatever is wrong where a mapping is not checked. Such a mapping runs, here as
// at Segment, as long as no record comes there.
func (m *Mapping) Warnings() []Problem { return slices.Clone(m.warnings) }

// Paths returns the fields of a record that the mapping reads, as dot paths in sorted order: traits.email, and items.0.id for a
// path with an index. The path "." is the whole record. What is read of an item of @arrayPath is part of the array's own
// path; paths that are themselves found in a record are not known, and not listed.
func (m *Mapping) Paths() []string { return slices.Clone(m.paths) }

// Resolve returns what the mapping makes of a record: an object without undefined members, new at its top level. What lies
// deeper may be shared with the record and with other results, so treat it as read-only, and do not write to the record
// while a result is in use. Neither is written to here.
//
// The record's values may be those of decoded JSON and of database/sql, and any other that has a JSON form; integers and
// json.Number keep their digits. Where a path ends at a value of another type than JSON's, the result has it in JSON's:
// integers and floats of other sizes widened, times as RFC 3339 text, bytes as base64, typed maps and slices as
// map[string]any and []any.
//
// The result is nil, without an error, when a directive for the whole mapping finds nothing. The error is a *ResolveError.
func (m *Mapping) Resolve(record map[string]any) (map[string]any, error) {
	return m.ResolveWith(nil, record)
}

// ResolveWith is Resolve with objects that have been used before, for who resolves many records one after the other: what it returns is
// made of them, and may be used until they are Reset. It may take new ones all the same. With nil it is Resolve.
func (m *Mapping) ResolveWith(objects *Objects, record map[string]any) (map[string]any, error) {
	v, err := m.resolve(objects, record)
	if err != nil || jsvalue.IsUndefined(v) {
		return nil, err
	}
	out, ok := v.(map[string]any)
	if !ok {
		return nil, place{path: "/"}.fail("should make an object of the record but makes " + article(kindOf(v)))
	}
	return out, nil
}

// resolve is Resolve for mappings that may make anything of a record.
func (m *Mapping) resolve(objects *Objects, record map[string]any) (any, error) {
	if m.root == nil {
		return map[string]any{}, nil
	}
	if record == nil {
		record = map[string]any{}
	}
	r, ok := m.runs.Get().(*run)
	if !ok {
		r = &run{}
	}
	r.reset()
	defer func() {
		r.objects = nil
		m.runs.Put(r)
	}()
	r.objects = objects

	v, err := m.root(r, record)
	if err != nil {
		return nil, err
	}
	if r.unfinished || m.transforms {
		return r.finish(v, place{path: "/"}, 0)
	}
	if m.object {
		return v, nil
	}
	if x, ok := v.(map[string]any); ok {
		return maps.Clone(x), nil
	}
	return v, nil
}
