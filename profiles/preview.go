package profiles

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
)

// A Preview is what a record would send.
type Preview struct {
	// Skip says why the record would send nothing.
	Skip Skip
	// Messages has one entry for each mapping that matched, in their order.
	Messages []MessagePreview
}

// A MessagePreview is what one mapping makes of a record.
type MessagePreview struct {
	Mapping *Mapping
	// Fields are the mapping's fields as resolved, the Profile Space's key replaced by a placeholder; nil where they could not be.
	Fields map[string]any
	// MessageID is the id that the message would have. Where it is made because the record has none, a real run has another if the
	// input has no name, or if the Profile Space is the client's: see Client.Preview.
	MessageID string
	// Message is the message as it would be sent, members sorted; nil where there is a problem.
	Message json.RawMessage
	// Err lists what is wrong, as the *Error of an Invalid outcome; nil where nothing is.
	Err error
}

// Preview shows what a record, the one at place ordinal of its input, would send through the destination. It needs no client and
// sends nothing. What it returns holds what the record holds: personal data.
func (d *Destination) Preview(rec Record, ordinal int) Preview {
	return d.preview(rec, origin{ordinal: ordinal, run: d.run})
}

// Preview is dest.Preview for this client: messages whose mapping names no Profile Space are for the client's own, and have the ids
// that they would have there. Nothing is sent.
func (c *Client) Preview(dest *Destination, rec Record, ordinal int) Preview {
	return dest.preview(rec, origin{ordinal: ordinal, run: dest.run, space: c.cfg.WriteKey})
}

func (d *Destination) preview(rec Record, from origin) Preview {
	drafts, skip := d.drafts(rec, from, nil, nil)
	p := Preview{Skip: skip}
	var h messageid.Hasher
	for i := range drafts {
		dr := &drafts[i]
		m := MessagePreview{Mapping: dr.mapping, Fields: redact(dr)}
		err := dr.err
		if err == nil {
			m.Message, _, err = d.encode(nil, dr, &h)
		}
		m.MessageID = dr.id
		if err != nil {
			m.Message = nil
			m.Err = &Error{Status: Invalid, MessageID: dr.id, Err: err}
		}
		p.Messages = append(p.Messages, m)
	}
	return p
}

// redact returns the draft's fields with a placeholder for the Profile Space's key, wherever it stands.
func redact(d *draft) map[string]any {
	if d.fields == nil {
		return nil
	}
	keys := []WriteKey{d.space, d.mapping.beside}
	fields := maps.Clone(d.fields)
	for name, v := range fields {
		fields[name] = redactValue(v, keys)
	}
	if _, ok := fields[spaceField]; ok || !d.space.IsZero() {
		fields[spaceField] = d.space.String()
	}
	return fields
}

// redactValue returns v, or a copy of it with a placeholder for each string that is one of the keys.
func redactValue(v any, keys []WriteKey) any {
	switch x := v.(type) {
	case string:
		if i := slices.IndexFunc(keys, func(k WriteKey) bool { return !k.IsZero() && k.Reveal() == x }); i >= 0 {
			return keys[i].String()
		}
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = redactValue(x[i], keys)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for name := range x {
			out[name] = redactValue(x[name], keys)
		}
		return out
	}
	return v
}
