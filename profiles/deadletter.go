package profiles

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
)

// A DeadLetter is what has finally failed, with the reason, and all that is needed to send it again. Config.DeadLetters is given them;
// as JSON, one is a line of a DeadLetterFile.
//
// A message that was queued has Message. What a Process could make no message of has Event or Text instead. These three hold personal
// data; nothing else does, and String shows nothing of them.
type DeadLetter struct {
	FailedAt time.Time `json:"failedAt"`
	// Status is Rejected or Exhausted, or Invalid for what a Process could make no message of.
	Status Status `json:"status"`
	// Reason is Err's text: fields, limits, codes, never a value.
	Reason    string `json:"reason"`
	MessageID string `json:"messageId,omitempty"`
	// Mapping, Input and Record tell where the message comes from: the mapping's id, Input.Name, and the record's place in it, from
	// 0. They are not there for a typed message, nor for one that an earlier run had left in the spool.
	Mapping string `json:"mapping,omitempty"`
	Input   string `json:"input,omitempty"`
	Record  *int   `json:"record,omitempty"`
	// Line is for programs that know the record's line, from 1. The client does not set it.
	Line int `json:"line,omitempty"`
	// Attempts, HTTPStatus and Ambiguous are the Outcome's.
	Attempts   int  `json:"attempts,omitempty"`
	HTTPStatus int  `json:"httpStatus,omitempty"`
	Ambiguous  bool `json:"ambiguous,omitempty"`
	// Space tells to who has the write key that the message is for its Profile Space, and nothing to anybody else: it is another for
	// each message. Empty: the client's own.
	Space string `json:"space,omitempty"`

	Message json.RawMessage `json:"message,omitempty"` // as it was to be sent
	Event   json.RawMessage `json:"event,omitempty"`   // the record
	Text    string          `json:"text,omitempty"`    // what a source read and could make no record of, see BadRecord

	// Err is the outcome's cause, as in Error.Err. It is not written.
	Err error `json:"-"`
}

// String names the status, the messageId and the reason.
func (l DeadLetter) String() string {
	return fmt.Sprintf("%s message %q: %s", l.Status, l.MessageID, l.Reason)
}

// NewDeadLetter makes the dead letter of an outcome that is not Accepted, failed now. Config.DeadLetters is given what has finally
// failed by itself; this is for programs that keep what was Canceled as well.
func NewDeadLetter(o Outcome) DeadLetter {
	l := DeadLetter{
		FailedAt: time.Now(), Status: o.Status, MessageID: o.MessageID, Mapping: o.Mapping, Attempts: o.Attempts,
		HTTPStatus: o.HTTPStatus, Ambiguous: o.Ambiguous, Message: o.Message(),
	}
	if !o.Space.IsZero() && l.Message != nil {
		l.Space = spaceTag(o.Space, o.MessageID)
	}
	if o.Err != nil {
		l.because(o.Err)
	}
	return l
}

// because sets why the letter is one.
func (l *DeadLetter) because(err error) {
	var of *Error
	if errors.As(err, &of) && of.Err != nil {
		err = of.Err
	}
	l.Err, l.Reason = err, err.Error()
}

// spaceTag is what DeadLetter.Space says of a message for a key.
func spaceTag(key WriteKey, messageID string) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(messageID))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// deadLetters returns what the dispatcher calls with messages that have failed, nil where nobody wants them.
func (c *Client) deadLetters() func([]dispatch.Dead) error {
	if c.cfg.DeadLetters == nil {
		return nil
	}
	return func(dead []dispatch.Dead) error {
		letters := make([]DeadLetter, len(dead))
		for i := range dead {
			letters[i] = NewDeadLetter(outcomeOf(&dead[i].Settlement, ""))
			if r, ok := dead[i].Sink.(*run); ok {
				r.trace(&letters[i], dead[i].Token)
			}
		}
		return c.bury(letters)
	}
}

// bury hands dead letters to the user's function.
func (c *Client) bury(letters []DeadLetter) error {
	err := c.cfg.DeadLetters(letters)
	if err != nil && c.cfg.Logger != nil {
		c.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "dead letters could not be written",
			slog.Int("letters", len(letters)), slog.String("error", fmt.Sprintf("%T", err)))
	}
	return err
}

// stillborn makes the dead letter of a record, or of what one mapping has failed to make of it.
func stillborn(rec Record, o *Outcome) DeadLetter {
	l := NewDeadLetter(*o)
	if rec == nil {
		return l
	}
	var text bytes.Buffer
	err := dispatch.Guard(func() error { // a record may hold Marshalers
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		return enc.Encode(rec)
	})
	whole := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	switch {
	case err != nil:
		l.Reason += "; the record has no JSON form"
	case !json.Valid(whole): // nested more deeply than encoding/json reads
		l.Text = string(whole)
	default:
		l.Event = whole
	}
	return l
}
