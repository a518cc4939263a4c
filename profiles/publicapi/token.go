package publicapi

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// MaxTokenLen is the longest token that is taken, in bytes. Segment's own are below 100; the limit keeps a file pasted by mistake
// out of a header.
const MaxTokenLen = 1_024

// A Token is a token of the Public API.
//
// It never prints: fmt with any verb, encoding/json, log/slog and dumpers that follow pointers show a placeholder or an address,
// also where the token is an unexported field of another struct. Two tokens of the same text are equal under ==. The zero value
// is no token.
type Token struct {
	text transport.WriteKey // for how it hides its text; a token is no write key
}

// NewToken makes a Token of its text. It does not fail: Err tells whether it could be a token, and New reports that.
func NewToken(text string) Token { return Token{text: transport.NewWriteKey(text)} }

// IsZero tells whether t is no token.
func (t Token) IsZero() bool { return t.text.IsZero() }

// Err tells what is wrong with the token, or returns nil: it has to be given, be at most MaxTokenLen bytes long, and hold printable
// ASCII without spaces only. The error does not hold the token.
func (t Token) Err() error {
	text := t.Reveal()
	switch {
	case text == "":
		return errors.New("token is empty")
	case len(text) > MaxTokenLen:
		return fmt.Errorf("token is %d bytes long: the limit is %d", len(text), MaxTokenLen)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			return fmt.Errorf("token has a character that is not allowed at byte %d: printable ASCII without spaces only", i)
		}
	}
	return nil
}

// Reveal returns the token's text. It is for what authenticates with it; nothing else should need it.
func (t Token) Reveal() string { return t.text.Reveal() }

const (
	redactedToken = "[token]"
	noToken       = "[no token]"
)

// String returns a placeholder, never the token.
func (t Token) String() string {
	if t.IsZero() {
		return noToken
	}
	return redactedToken
}

// Format writes the placeholder, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// MarshalText returns the placeholder, so that no encoder writes the token.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns the placeholder.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// UnmarshalText takes the token's text, so that a configuration file can hold one. It does not check it: see Err.
func (t *Token) UnmarshalText(text []byte) error {
	*t = NewToken(string(text))
	return nil
}
