package transport

import (
	"fmt"
	"log/slog"
	"unique"
)

// MaxWriteKeyLen is the longest write key that is taken, in bytes. Segment's own are 32 characters long; the limit only keeps
// a file pasted by mistake out of a header.
const MaxWriteKeyLen = 256

// A WriteKey is the write key of a Profile Space's source: the credential under which messages are accepted.
//
// It never prints: fmt with any verb, encoding/json, log/slog and dumpers that follow pointers show a placeholder or an
// address, also where the key is an unexported field of another struct. Two keys of the same text are equal under ==, and
// a key can be used as a map key. The zero value is no key.
type WriteKey struct {
	// The text with every byte inverted, behind a handle: comparing is comparing two pointers, and a dumper that follows
	// pointers into unexported fields still finds nothing that reads as the key.
	inverted unique.Handle[string]
}

// NewWriteKey makes a WriteKey of its text. It does not fail: Err tells whether Segment could take the key, and everything
// that is configured with one reports that.
func NewWriteKey(text string) WriteKey {
	if text == "" {
		return WriteKey{}
	}
	return WriteKey{inverted: unique.Make(invert(text))}
}

// IsZero tells whether k is no key.
func (k WriteKey) IsZero() bool { return k == WriteKey{} }

// Err tells what is wrong with the key, or returns nil: it has to be given, be at most MaxWriteKeyLen bytes long, and hold
// printable ASCII without spaces or colons only (it travels as the user name of HTTP Basic authentication). The error does
// not hold the key.
func (k WriteKey) Err() error {
	text := k.Reveal()
	if text == "" {
		return fmt.Errorf("write key is empty")
	}
	if len(text) > MaxWriteKeyLen {
		return fmt.Errorf("write key is %d bytes long: the limit is %d", len(text), MaxWriteKeyLen)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return fmt.Errorf("write key has a character that is not allowed at byte %d: printable ASCII without spaces and colons only", i)
		}
	}
	return nil
}

// Reveal returns the key's text. It is for a Transport that authenticates with it; nothing else should need it.
func (k WriteKey) Reveal() string {
	if k.IsZero() {
		return ""
	}
	return invert(k.inverted.Value())
}

const (
	redacted = "[write key]"
	noKey    = "[no write key]"
)

// String returns a placeholder, never the key.
func (k WriteKey) String() string {
	if k.IsZero() {
		return noKey
	}
	return redacted
}

// Format writes the placeholder, whatever the verb.
func (k WriteKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// MarshalText returns the placeholder, so that no encoder writes the key.
func (k WriteKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue returns the placeholder.
func (k WriteKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

func invert(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = ^b[i]
	}
	return string(b)
}

// UnmarshalText takes the key's text, so that a configuration file can hold one. It does not check it: see Err.
func (k *WriteKey) UnmarshalText(text []byte) error {
	*k = NewWriteKey(string(text))
	return nil
}
