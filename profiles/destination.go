package profiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// MaxMappings is how many mappings a destination may have (product page: "Individual destination instances have support a
// maximum of 50 mappings").
const MaxMappings = 50

// DestinationName is what a record's integrations object calls the destination.
const DestinationName = "Segment Profiles"

// A Destination is a configured Segment Profiles destination: a name, a region, and the mappings that turn records into actions.
// It is made by LoadDestination or ParseDestination, never changes, and may be used by any number of goroutines and clients.
type Destination struct {
	name     string
	region   region.Region
	enabled  bool
	mappings []*Mapping
	input    Input
	run      string // told apart inputs without a name
}

// A Mapping is one saved mapping of a destination.
type Mapping struct {
	id, name string
	named    bool // the file gives it an id
	kind     actions.Kind
	modelID  string
	enabled  bool
	ordinal  int // place in the destination, from 0

	trigger *mapping.Trigger // nil where the mapping is switched off
	fields  *mapping.Mapping // likewise
	// The Profile Space: of the mapping, where its engage_space is a plain value; or among its fields, where it is looked up in
	// each record; or else the client's.
	space     WriteKey
	hasSpace  bool     // the mapping has an engage_space member
	ownFields bool     // the mapping is one directive, which may give anything
	beside    WriteKey // a plain key beside that directive, kept to be left out of previews

	saved func() saved // what the file says, for Lint
}

// Name returns the destination's name, which may be empty.
func (d *Destination) Name() string { return d.name }

// Region returns the destination's region, the zero Region where the file names none.
func (d *Destination) Region() region.Region { return d.region }

// Enabled tells whether the destination is switched on. One that is not skips every record.
func (d *Destination) Enabled() bool { return d.enabled }

// Mappings returns the mappings in their order, the ones that are switched off included.
func (d *Destination) Mappings() []*Mapping { return append([]*Mapping(nil), d.mappings...) }

// Spaces returns the Profile Spaces that the mappings name by a plain engage_space, each once, in the order of the mappings. Those that
// a mapping looks up in each record are not among them.
func (d *Destination) Spaces() []WriteKey {
	var keys []WriteKey
	for _, m := range d.mappings {
		if !m.space.IsZero() && !slices.Contains(keys, m.space) {
			keys = append(keys, m.space)
		}
	}
	return keys
}

// ID returns the mapping's id; one that has none in the file is called after its place: mapping-1.
func (m *Mapping) ID() string { return m.id }

// HasID tells whether the mapping has an id in its file. One that has none gets another when mappings are put before it.
func (m *Mapping) HasID() bool { return m.named }

// Name returns the mapping's name, which may be empty.
func (m *Mapping) Name() string { return m.name }

// Kind returns the action that the mapping sends.
func (m *Mapping) Kind() actions.Kind { return m.kind }

// ModelID returns the model whose records the mapping takes; empty: all records.
func (m *Mapping) ModelID() string { return m.modelID }

// Space returns the Profile Space that the mapping names by a plain engage_space. It is the zero WriteKey where the mapping has no
// engage_space, and its messages go to the client's own Profile Space, or where it looks one up in each record.
func (m *Mapping) Space() WriteKey { return m.space }

// Enabled tells whether the mapping is switched on.
func (m *Mapping) Enabled() bool { return m.enabled }

// An Input says where records come from. The zero value is an input without a name or a model.
type Input struct {
	// Name tells one input from another, a file's name or a table's. A record without a messageId of its own gets one made of
	// the destination, the mapping, the Profile Space, Name, Model, the record's place in the input (or its properties.__segment_id),
	// its content and Generation: the same when the input is processed again. Without a Name the ids are new each time.
	Name string
	// Model is the model that the records belong to. A mapping with a modelId takes only its own model's records. Required
	// where an enabled mapping has one; one that no mapping has is a mistake then.
	Model string
	// Start is the place in the input of the first record that is given, for a run that goes on from a checkpoint: places, and
	// with them ids, are then what they would have been in one run.
	Start int
	// Generation, raised, makes the ids of the same records new: for a deliberate replay within the day for which Segment
	// remembers ids.
	Generation int
	// Row, where set, is asked about each record before its mappings run, by the goroutine that reads the records: for a source that
	// keeps account of what each mapping has been sent of a row.
	Row func(Record) Row
}

// A Row is what a source knows of one of its records. The zero value is nothing.
type Row struct {
	// Takes tells which mappings, by their ids, the record runs through; nil: all that the destination and the input allow.
	Takes func(mapping string) bool
	// Generation is added to the input's.
	Generation int
	// Found is a text within the record, such as the time at which the row was read, that is not part of what messageIds are made of.
	Found string
}

// For returns the destination for the records of an input. It shares everything else with d.
func (d *Destination) For(in Input) *Destination {
	of := *d
	of.input = in
	return &of
}

// A DestinationError lists everything that is wrong with a destination.
type DestinationError struct {
	File     string // empty where it was not a file
	Problems []DestinationProblem
}

// A DestinationProblem is one thing that is wrong with a destination.
type DestinationProblem struct {
	// Line is where in the file, from 1; 0 where it cannot be said.
	Line int
	// Path is the JSON pointer of the member: /subscriptions/0/settings/traits.
	Path   string
	Reason string // without the member's value
	Err    error  // the cause, where another package has found the problem
}

// Error lists the problems, one a line where there are several.
func (e *DestinationError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("\n")
		}
		file := e.File
		if file == "" {
			file = "destination"
		}
		b.WriteString(file)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		if p.Path != "" {
			b.WriteString(": " + p.Path)
		}
		b.WriteString(": " + p.Reason)
	}
	return b.String()
}

// Unwrap returns the causes.
func (e *DestinationError) Unwrap() []error {
	var errs []error
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}
