package retl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Change is a row that a sync would send, or that it could not. It holds what the row holds: personal data.
type Change struct {
	Key   string
	Event Event
	// Again is true where a sync before has tried this version, or was about to.
	Again bool
	// Messages are what would be sent, those that would be Invalid with their Err: one for each mapping that is owed the row and whose
	// trigger matches. There may be none.
	Messages []profiles.MessagePreview
	// Old are the columns as they were last sent or tried; nil where the row is new, or where the state keeps no rows (Sync.HashOnly). New
	// are the columns as they are; nil where the row was deleted. Both hold decoded JSON, numbers as json.Number.
	Old, New profiles.Record
	// Err is why the row cannot be sent: a *profiles.BadRecord, a *KeyError or a *RowError. Only Key is set then, if the row has one.
	Err error
}

// A ColumnChange is what has become of one column.
type ColumnChange struct {
	Column   string
	Old, New any // nil for null, and where there was no such column
}

// Columns lists the columns that are not what they were, by name.
func (c Change) Columns() []ColumnChange {
	names := make(map[string]struct{}, len(c.New))
	for name := range c.Old {
		names[name] = struct{}{}
	}
	for name := range c.New {
		names[name] = struct{}{}
	}
	var changes []ColumnChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if old, now := c.Old[name], c.New[name]; !reflect.DeepEqual(old, now) {
			changes = append(changes, ColumnChange{name, old, now})
		}
	}
	return changes
}

// DryRun yields what Run would send now, in the order of the keys, and moves nothing: nothing is sent, and the state stays as it is.
// Sync.Limit and AllowEmpty hold. Errors are those of Run that come of the configuration, the model and the state, and end the range, as
// ctx does. A Change and what it holds belong to the caller.
func (s Sync) DryRun(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		err := s.check()
		if err == nil {
			err = s.dryRun(ctx, func(c Change) bool { return yield(c, nil) })
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Change{}, err)
		}
	}
}

func (s *Sync) dryRun(ctx context.Context, yield func(Change) bool) error {
	head, err := s.readHead(ctx)
	if err != nil {
		return err
	}
	head, bits, err := s.bind(head)
	if err != nil {
		return err
	}
	d := s.differ(head, bits)
	left, wanted := s.Limit, true
	give := func(c Change) error {
		if wanted = wanted && yield(c); !wanted {
			return errEnough
		}
		return nil
	}
	d.gone = func(string) error { return nil }
	d.failed = func(key string, err error) error { return give(Change{Key: key, Err: err}) }
	d.changed = func(c rowChange) error {
		if s.Limit > 0 {
			if left == 0 {
				return errEnough
			}
			left--
		}
		change, err := s.describe(c, &bits)
		if err != nil {
			return err
		}
		return give(change)
	}
	return d.run(ctx)
}

// describe shows a change.
func (s *Sync) describe(c rowChange, bits *mappingBits) (Change, error) {
	change := Change{Key: c.entry.Key, Event: c.kind(), Again: c.again}
	r := readyRow{entry: c.entry, pending: c.pending, kind: c.kind()}
	var err error
	if c.old != nil {
		if change.Old, err = decodeRow(c.old); err == nil && change.Old[s.Model.Key] == nil {
			change.Old = nil // the names of its columns alone
		}
	}
	if err == nil && c.deleted() {
		r.columns, err = nulls(c.entry.Row)
	} else if err == nil {
		if change.New, err = decodeRow(c.row.text); err == nil {
			r.columns = maps.Clone(change.New)
		}
	}
	if err != nil {
		return Change{}, fmt.Errorf("retl: reading a row back: %w", err)
	}
	in := s.input()
	for _, rec := range r.records() {
		in.Row = func(profiles.Record) profiles.Row { return bits.of(&c.entry, &rec) }
		change.Messages = append(change.Messages, s.Client.Preview(s.Destination.For(in), rec.Record, 0).Messages...)
	}
	return change, nil
}
