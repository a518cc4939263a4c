package publicapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A data is the data member of an answer, as far as anything of it is used. What an answer does not have is nil.
type data struct {
	Sources       []source          `json:"sources"`
	Destination   *destination      `json:"destination"`
	Subscriptions []json.RawMessage `json:"subscriptions"`
	Pagination    struct {
		Next string `json:"next"`
	} `json:"pagination"`
}

type source struct {
	ID        string              `json:"id"`
	Slug      string              `json:"slug"`
	Name      string              `json:"name"`
	Enabled   bool                `json:"enabled"`
	WriteKeys []profiles.WriteKey `json:"writeKeys"`
	Metadata  struct {
		Slug string `json:"slug"`
	} `json:"metadata"`
}

type destination struct {
	Name     string         `json:"name"`
	Enabled  *bool          `json:"enabled"`
	Settings map[string]any `json:"settings"`
}

// parseData reads an answer of success. Its error holds nothing of the text.
func parseData(text []byte) (*data, error) {
	var answer struct {
		Data *data `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("not of the form that was expected at byte %d", bad.Offset)
		}
		if isPage(text) {
			return nil, errors.New("a page, not JSON: something between here and the API answered")
		}
		return nil, errors.New("not JSON")
	}
	if answer.Data == nil {
		return nil, errors.New("without data")
	}
	return answer.Data, nil
}

// isPage tells whether text begins as HTML does.
func isPage(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff"))), []byte("<"))
}

// A refusal is what the API says about a request that it refused.
type refusal struct {
	typ, message, field string
	wait                time.Duration // 0 where it does not say
}

// parseErrors reads an answer that is no success, as far as it can be read: the first of its errors that says anything.
func parseErrors(text []byte) refusal {
	var answer struct {
		Errors []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return refusal{}
	}
	var first refusal
	for _, raw := range answer.Errors {
		var members struct{ Type, Message, Field, Data json.RawMessage }
		if json.Unmarshal(raw, &members) != nil {
			continue
		}
		r := refusal{typ: str(members.Type), message: str(members.Message), field: str(members.Field)}
		var limit struct {
			MsBeforeNext float64 `json:"msBeforeNext"`
		}
		if json.Unmarshal(members.Data, &limit) == nil {
			r.wait = seconds(limit.MsBeforeNext / 1_000)
		}
		if r.message != "" {
			return r
		}
		if first == (refusal{}) {
			first = r
		}
	}
	return first
}

// str returns a JSON string's value, "" where it is none.
func str(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// describe fills in what an answer says that is no success.
func (e *Error) describe(got *answer, call call) {
	e.Status = got.status
	e.Reason = statusReason(got.status)
	if !call.bearer {
		e.Reason = cdnReason(got.status)
	}
	e.RequestID = call.clean(got.header.Get("X-Request-Id"))
	if !call.bearer {
		return // not the API: it may say anything, the write key that is in the path included
	}
	said := parseErrors(got.body)
	e.Type, e.Message, e.Field = call.clean(said.typ), call.clean(said.message), call.clean(said.field)
}

// redacted stands for a token or a write key in what a server says.
const redacted = "[redacted]"

// clean makes text of the server's fit to be shown: the secret replaced, printable, at most MaxMessageLen bytes.
func (c call) clean(text string) string {
	// Before anything is left out, or the secret could be put together again.
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if c.secret != "" {
		text = strings.ReplaceAll(text, c.secret, redacted)
		text = strings.ReplaceAll(text, url.PathEscape(c.secret), redacted)
	}
	text = strings.TrimSpace(text)
	if len(text) <= MaxMessageLen {
		return text
	}
	const dots = "..."
	end := MaxMessageLen - len(dots)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + dots
}

// askedFor returns how long an answer asks to wait, 0 where it does not: by Retry-After, or the API's own msBeforeNext, or
// X-RateLimit-Reset, which is a date here.
func askedFor(got *answer, now time.Time) time.Duration {
	// A date is relative to the server's clock, which need not be ours.
	if date, err := http.ParseTime(got.header.Get("Date")); err == nil {
		now = date
	}
	if wait := parseWait(got.header.Get("Retry-After"), now); wait > 0 {
		return wait
	}
	if got.status != http.StatusTooManyRequests {
		return 0
	}
	if wait := parseErrors(got.body).wait; wait > 0 {
		return wait
	}
	return parseWait(got.header.Get("X-RateLimit-Reset"), now)
}

// parseWait reads seconds, or a date.
func parseWait(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789.") == "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0
		}
		return seconds(max(n, 1)) // a Retry-After of 0 is still the wish to be asked again later
	}
	date, err := mail.ParseDate(text) // RFC 5322, and with it the dates of HTTP
	if err != nil {
		return 0
	}
	return seconds(max(float64(date.Unix())-float64(now.Unix()), 1))
}

// seconds turns seconds into a duration, at most a day, so that it cannot overflow.
func seconds(n float64) time.Duration {
	if !(n > 0) {
		return 0
	}
	return time.Duration(min(n, 86_400) * float64(time.Second))
}
