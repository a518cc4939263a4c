package presets

import (
	"fmt"
	"unicode/utf8"
)

// An APIError is an answer in which HubSpot or Salesforce say that they have not done what was asked. It ends the range.
type APIError struct {
	Service string // HubSpot or Salesforce
	// Code is HubSpot's category, Salesforce's errorCode, or the error of a request for a token; at most 100 bytes.
	Code string
	// Message is the service's own text, at most 1,000 bytes. It may quote what was asked for, and is not part of Error's text.
	Message string
	// CorrelationID is what HubSpot's support asks for. Salesforce has none.
	CorrelationID string
}

// Error names the service, the code and the correlation id.
func (e *APIError) Error() string {
	s := e.Service + " answered with an error"
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.CorrelationID != "" {
		s += " (correlationId " + e.CorrelationID + ")"
	}
	return s
}

// A FormatError is why what was read is no answer of the API: it breaks off, is not JSON, or is other JSON. It ends the range.
type FormatError struct {
	Service string
	Offset  int64 // in bytes, from the beginning; about where the mistake is
	Reason  string
	Err     error // the cause, where another package has found the problem; io.ErrUnexpectedEOF where the answer breaks off
}

// Error names the service, the place and the reason.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s's answer, at byte %d: %s", e.Service, e.Offset, e.Reason)
}

// Unwrap returns Err.
func (e *FormatError) Unwrap() error { return e.Err }

// An IncompleteError is what a range ends with where the last page that was read says that there are more. All that was read has been
// yielded before; but it is not the whole list, and who compares it with an earlier one would take the rest for deleted.
type IncompleteError struct {
	Service string
	// Next is where the list goes on: for HubSpot the query parameter after, for Salesforce the path nextRecordsUrl. Empty where the
	// page does not say.
	Next string
}

// Error says so, without the cursor.
func (e *IncompleteError) Error() string {
	return e.Service + "'s answer is not the whole list: its last page says that there are more"
}

// capped cuts a text of the service after n bytes.
func capped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
