package publicapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// What errors.Is tells apart of the errors of this package.
var (
	// ErrUnauthorized is the API's answer 401: it does not take the token, or the token may not see what was asked for.
	ErrUnauthorized = errors.New("publicapi: unauthorized")
	// ErrForbidden is the API's answer 403: the token's role does not allow the call.
	ErrForbidden = errors.New("publicapi: forbidden")
	// ErrNotFound is the API's answer 404, and a Profile Space that no source of the workspace is.
	ErrNotFound = errors.New("publicapi: not found")
	// ErrTooManyRequests is the API's answer 429, given still at the last attempt.
	ErrTooManyRequests = errors.New("publicapi: too many requests")
	// ErrAmbiguous is a Profile Space's name that several have.
	ErrAmbiguous = errors.New("publicapi: ambiguous")
	// ErrNoWriteKey is a Profile Space whose write key the token may not see.
	ErrNoWriteKey = errors.New("publicapi: no write key")
)

// MaxMessageLen is the length of the longest Type, Field, Message and RequestID of an Error, in bytes.
const MaxMessageLen = 200

// An Error is why a request was not answered with what was asked for.
//
// It holds no token, no write key, and nothing of an answer's body but the API's own account of what is wrong. errors.Is knows it
// as ErrUnauthorized, ErrForbidden, ErrNotFound or ErrTooManyRequests by its Status, and as its cause.
type Error struct {
	// Call is the request: GET /sources.
	Call string
	// Host is the host that was asked; empty where no request was made.
	Host string
	// Status is the HTTP status of the last answer, 0 where none came.
	Status int
	// Type, Field and Message are the API's own account, the first of several: each at most MaxMessageLen bytes of printable text,
	// empty where it gave none.
	Type, Field, Message string
	// RequestID is what the answer's X-Request-Id says, for a question to Segment's support; mostly empty.
	RequestID string
	// Attempts is how many requests were made, without those that net/http begins again by itself.
	Attempts int
	// Reason says in a sentence what went wrong, and what can be done about it.
	Reason string
	// Err is the cause where the context ended or no answer came: context.Canceled, context.DeadlineExceeded, *net.OpError and the
	// like. One whose text holds the token or the write key is replaced with one that does not.
	Err error
}

// Error tells the call, the host, the status, the reason, and what the API says. It leaves out the text of Err.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("publicapi: " + e.Call)
	if e.Host != "" {
		b.WriteString(": " + e.Host)
	}
	if e.Status != 0 {
		b.WriteString(": status " + strconv.Itoa(e.Status))
	}
	b.WriteString(": " + e.Reason)
	if e.Message != "" {
		b.WriteString(" (the API says " + strconv.Quote(e.Message))
		if e.Field != "" {
			b.WriteString(" of " + e.Field)
		}
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the ErrUnauthorized, ErrForbidden, ErrNotFound or ErrTooManyRequests of the Status.
func (e *Error) Is(target error) bool {
	switch e.Status {
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrForbidden
	case http.StatusNotFound:
		return target == ErrNotFound
	case http.StatusTooManyRequests:
		return target == ErrTooManyRequests
	}
	return false
}

// statusReason says what a status means, and what can be done about it.
func statusReason(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the token was not accepted: it has to be a Public API token of this workspace and of this region, not a write key, not " +
			"revoked, and of a role that sees what was asked for"
	case http.StatusForbidden:
		return "the token's role does not allow this: give it Source Admin for the spaces' write keys, and access to the destination"
	case http.StatusNotFound:
		return "there is nothing of this id in the token's workspace: check the id, the region and the endpoint"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "the request was refused as not valid"
	case http.StatusTooManyRequests:
		return "the rate limit of this token or address was passed: try again in a minute, and from fewer places at once"
	case http.StatusProxyAuthRequired:
		return "the proxy wants credentials"
	}
	switch {
	case status >= 500 && status < 600:
		return "the server failed"
	case status < 300:
		return "the server answered with a status that is not expected"
	case status < 400:
		return "the server answered with a redirect, which is not followed: check the endpoint"
	}
	return "the server refused the request"
}

// The causes that stand for ones that must not be shown, or that have no type of their own.
var (
	errRedacted = errors.New("cause is not shown: its text holds credentials")
	errTooLarge = errors.New("answer is larger than the limit")
	errProxy    = errors.New("proxy address in the environment is not a URL")
)

// contextReason says why a call ended with its context.
func contextReason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the context's deadline comes before an answer could"
	}
	return "the call was canceled"
}
