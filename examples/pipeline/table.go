package main

import (
	"context"
	"iter"
	"maps"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A table stands in for the tool's own connector: the rows of a query that is sorted by a cursor, here the row's number.
type table []map[string]any

// changed is what the tool knows of its warehouse.
var changed = table{
	{"id": int64(9007199254740993), "email": "Ada.Okafor@example.com", "first_name": "Ada", "last_name": "Okafor", "settings": `{"diet":"vegetarian"}`},
	{"id": int64(9007199254740994), "email": "jonas@example.org", "first_name": "Jonas", "last_name": "Lindqvist", "settings": `{}`},
	{"id": nil, "email": "nobody@example.net", "first_name": "No", "last_name": "Key", "settings": `{}`},
	{"id": int64(9007199254740996), "email": "mei@example.org", "first_name": "Mei", "last_name": "Tanaka", "settings": `{"diet":"vegan"}`},
}

// after gives the rows past a cursor as records. An error that it yielded, of a broken connection for one, would end the range,
// and with it the Process, after the outcomes of the rows before it.
func (t table) after(ctx context.Context, cursor int) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for _, row := range t[cursor:] {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			record := profiles.Record{
				"type":       "track",
				"event":      "new",
				"timestamp":  "2026-03-02T08:15:00Z", // when the row was read
				"properties": withKey(row),
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// withKey returns a row's columns and, under the name that the library knows, its key: messageIds are made of it.
func withKey(row map[string]any) map[string]any {
	columns := maps.Clone(row)
	columns["__segment_id"] = row["id"]
	return columns
}
