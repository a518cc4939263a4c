package profiles

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Record is one event payload, warehouse row or object, as decoded JSON: type, event, userId, traits, properties, context and
// so on. Decode with json.Decoder.UseNumber, so that large integers keep their digits. A row has its columns under properties, and
// its key there as __segment_id. Nothing writes into a record.
type Record = map[string]any

// A Skip is why a record gave no message.
type Skip uint8

const (
	// NotSkipped is the zero value: the record gave messages.
	NotSkipped Skip = iota
	// SkipNoMapping: no mapping's trigger matched, among those that are switched on and take the input's model.
	SkipNoMapping
	// SkipIntegrations: the record's own integrations object switches the destination off: `Segment Profiles: false`, or
	// `All: false` without naming it.
	SkipIntegrations
	// SkipDisabled: the destination is switched off.
	SkipDisabled
)

// String returns the reason in words.
func (s Skip) String() string {
	switch s {
	case NotSkipped:
		return "not skipped"
	case SkipNoMapping:
		return "no mapping matched"
	case SkipIntegrations:
		return "switched off by the record's integrations"
	case SkipDisabled:
		return "the destination is switched off"
	}
	return "unknown"
}

// A BadRecord is what a source yields in place of a record that it could not read: a line that is not JSON, a row of the wrong
// shape. The record is Invalid, with this as its error, and the rest go on; any other error ends the range.
type BadRecord struct {
	// Err is why. Its text should say where, and no value.
	Err error
	// Text is what was read, for a dead letter. It may be left out, and is not kept in the outcome.
	Text []byte
}

// Error is Err's text.
func (e *BadRecord) Error() string {
	if e.Err == nil {
		return "bad record"
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *BadRecord) Unwrap() error { return e.Err }

// An origin says where a record comes from, and where it goes unless its mapping says otherwise.
type origin struct {
	ordinal int    // place in its input
	version Row    // what its source knows of it
	run     string // tells one run over an input without a name from another
	space   WriteKey
}

// A draft is what one mapping made of a record.
type draft struct {
	mapping   *Mapping // nil where the message is made again of a dead letter
	mappingID string
	fields    map[string]any // resolved
	action    actions.Action
	id        string // empty: it is derived when the message is encoded, of from and row among other things
	from      origin
	row       string
	space     WriteKey
	err       error
}

// drafts runs a record through the destination's mappings. Where there are objects to make the drafts of, they are good for this record's
// alone, and do not keep their fields.
func (d *Destination) drafts(rec Record, from origin, out []draft, objects *mapping.Objects) ([]draft, Skip) {
	if objects != nil {
		objects.Reset()
	}
	if !d.enabled {
		return out, SkipDisabled
	}
	if switchedOff(rec) {
		return out, SkipIntegrations
	}
	if d.input.Row != nil {
		from.version = d.input.Row(rec)
	}
	matched := false
	for _, m := range d.mappings {
		if !m.enabled || m.modelID != "" && m.modelID != d.input.Model {
			continue
		}
		if takes := from.version.Takes; takes != nil && !takes(m.id) || !m.trigger.Match(rec) {
			continue
		}
		matched = true
		dr := m.draft(rec, from.space, objects)
		if objects != nil {
			dr.fields = nil
		}
		if dr.err == nil {
			dr.identify(out, rec, from)
		}
		out = append(out, dr)
	}
	if !matched {
		return out, SkipNoMapping
	}
	return out, NotSkipped
}

// switchedOff tells whether the record's integrations object keeps it from the destination.
func switchedOff(rec Record) bool {
	v, ok := rec["integrations"]
	if !ok {
		return false
	}
	integrations, ok := jsvalue.Of(v).(map[string]any)
	if !ok {
		return false
	}
	if own, named := integrations[DestinationName]; named {
		return jsvalue.Of(own) == false
	}
	all, named := integrations["All"]
	return named && jsvalue.Of(all) == false
}

// draft resolves the mapping against a record. Where the mapping names no Profile Space the message is for the given one.
func (m *Mapping) draft(rec Record, space WriteKey, objects *mapping.Objects) draft {
	d := draft{mapping: m, mappingID: m.id, space: m.space}
	if !m.hasSpace {
		d.space = space
	}
	if d.fields, d.err = m.fields.ResolveWith(objects, rec); d.err != nil {
		return d
	}
	var spaceErr error
	if _, resolved := d.fields[spaceField]; resolved || m.hasSpace && m.space.IsZero() {
		var key string
		if key, spaceErr = actions.SpaceFromFields(d.fields); spaceErr == nil {
			d.space = NewWriteKey(key)
			spaceErr = notAKey(m.kind, d.space.Err())
		}
	}
	d.action, d.err = actions.FromFields(m.kind, d.fields)
	d.err = together(m.kind, spaceErr, d.err)
	return d
}

// notAKey returns what is wrong with a key that a record gave, as a problem of its field.
func notAKey(kind actions.Kind, err error) error {
	if err == nil {
		return nil
	}
	return &actions.Error{Action: kind, Fields: []actions.FieldError{
		{Field: spaceField, Label: "Profile Space", Rule: actions.RuleWriteKey, Reason: err.Error()},
	}}
}

// together makes one error of what is wrong with the Profile Space and with the other fields.
func together(kind actions.Kind, space, fields error) error {
	if space == nil {
		return fields
	}
	if fields == nil {
		return space
	}
	var a, b *actions.Error
	if errors.As(space, &a) && errors.As(fields, &b) {
		return &actions.Error{Action: kind, Fields: append(append([]actions.FieldError(nil), a.Fields...), b.Fields...)}
	}
	return errors.Join(space, fields)
}

// identify gives the draft its messageId, as far as that is known before the message is encoded. The first message of a record keeps the
// id that its mapping gives; a later one with the same id gets its mapping's id added, for the server drops the second message under one
// id in silence.
func (d *draft) identify(before []draft, rec Record, from origin) {
	d.id = actions.MessageID(d.action)
	if d.id == "" {
		d.from, d.row = from, rowOf(rec)
		return
	}
	for i := range before {
		if before[i].id != d.id {
			continue
		}
		d.id += "." + d.mapping.id
		if utf8.RuneCountInString(d.id) > transport.MaxMessageIDLen {
			d.id = messageid.Hash(d.id)
		}
		break
	}
}

// rowKey is the property that holds the key of a warehouse row.
const rowKey = "__segment_id"

// rowOf returns the key of a record that is a row, empty for another.
func rowOf(rec Record) string {
	properties, ok := jsvalue.Of(rec["properties"]).(map[string]any)
	if !ok || properties[rowKey] == nil {
		return ""
	}
	return jsvalue.String(jsvalue.Of(properties[rowKey]))
}

// idRoom stands in a message until its id is known.
var idRoom = strings.Repeat("-", messageid.HashLen)

// encode appends the message of a draft. Where the record has no id for it, it gets one: the same for the same record of the same input,
// another when its content changes, for the server remembers ids for a day, and over all Profile Spaces.
func (d *Destination) encode(dst []byte, dr *draft, h *messageid.Hasher) ([]byte, actions.Encoded, error) {
	o := actions.AppendOptions{Sorted: true, MessageID: dr.id}
	if dr.id == "" {
		o.MessageID = idRoom
	}
	start := len(dst)
	out, enc, err := actions.Append(dst, dr.action, o)
	if err != nil || dr.id != "" {
		return out, enc, err
	}
	message := out[start:]
	h.Reset()
	h.Text(d.name)
	h.Text(dr.mapping.id)
	h.Text(dr.space.Reveal())
	h.Text(d.input.Name)
	h.Text(d.input.Model)
	h.Text(dr.row)
	if dr.row == "" {
		h.Int(dr.from.ordinal)
	}
	if found := dr.from.version.Found; found == "" {
		h.Bytes(message)
	} else {
		h.Bytes(bytes.ReplaceAll(message, []byte(found), nil))
	}
	h.Int(d.input.Generation + dr.from.version.Generation)
	if d.input.Name == "" {
		h.Text(dr.from.run)
	}
	h.Append(message[:enc.IDStart])
	dr.id = string(message[enc.IDStart:enc.IDEnd])
	return out, enc, nil
}
