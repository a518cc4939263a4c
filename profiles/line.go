package profiles

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// lineOf returns the line of text, from 1, at which the member that a JSON pointer leads to stands, or of the last member on
// the way to it that is there. It is used when something is wrong, and may be slow.
func lineOf(text []byte, path string) int {
	d := json.NewDecoder(bytes.NewReader(text))
	at := int64(0)
	var steps []string
	if path != "" {
		steps = strings.Split(path[1:], "/")
	}
	for _, step := range steps {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		start, ok := descend(d, step)
		if !ok {
			break
		}
		at = start
	}
	return 1 + bytes.Count(text[:skipSpace(text, at)], []byte("\n"))
}

// descend reads into the container that comes next, up to the value of the member or item called step, and returns the offset
// at which the member's name, or the item, begins.
func descend(d *json.Decoder, step string) (int64, bool) {
	open, err := d.Token()
	if err != nil {
		return 0, false
	}
	switch open {
	case json.Delim('{'):
		for d.More() {
			at := d.InputOffset()
			name, err := d.Token()
			if err != nil {
				return 0, false
			}
			if name == step {
				return at, true
			}
			var skipped json.RawMessage
			if d.Decode(&skipped) != nil {
				return 0, false
			}
		}
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			at := d.InputOffset()
			if strconv.Itoa(i) == step {
				return at, true
			}
			var skipped json.RawMessage
			if d.Decode(&skipped) != nil {
				return 0, false
			}
		}
	}
	return 0, false
}

// skipSpace returns the offset of the first byte from at on that belongs to a value or a name.
func skipSpace(text []byte, at int64) int {
	i := int(at)
	for i < len(text) && strings.IndexByte(" \t\r\n,:", text[i]) >= 0 {
		i++
	}
	return min(i, len(text))
}
