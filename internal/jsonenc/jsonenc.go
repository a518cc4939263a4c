// Package jsonenc appends JSON to byte buffers. (Stub: being written.)
package jsonenc

import "encoding/json"

// Options say how Append writes.
type Options struct {
	// Sorted writes the members of objects in the order of their names.
	Sorted bool
}

// Append appends v as JSON to dst.
func Append(dst []byte, v any, o Options) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}
