package transport

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Error is why an attempt of HTTP was not accepted.
//
// Its text and its fields hold no write key, token, user information or body. What the server said is to be had from
// ServerText alone, since servers repeat what they were sent.
type Error struct {
	// Class is what has to be done, as in the Result that holds the error.
	Class Class
	// Status is the HTTP status, 0 where no answer came.
	Status int
	// Host is the host that was to answer: the endpoint's, or the token server's. Empty where nothing was to be sent.
	Host string
	// Reason says in a few words what went wrong; it is one of a fixed set of sentences, numbers apart.
	Reason string
	// Err is the cause, nil where an answer came: context.Canceled, context.DeadlineExceeded, *net.OpError, *net.DNSError,
	// *tls.CertificateVerificationError, what a RoundTripper of the user's returned. An error that quotes credentials or the
	// server is replaced with one that does not.
	Err error

	// Behind a function, so that no verb of fmt and no dumper shows it.
	serverText func() string
}

// Error tells host, status and reason. It leaves out the text of Err, which may quote the server.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("transport: ")
	if e.Host != "" {
		b.WriteString(e.Host + ": ")
	}
	if e.Status != 0 {
		b.WriteString("status " + strconv.Itoa(e.Status) + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ServerText returns the beginning of what the server answered, quoted as a Go string in ASCII and at most MaxServerText bytes
// long, or "" where it said nothing. Write key and token are replaced in it, but it may repeat personal data of the messages:
// it is for a person who looks into one failure, not for a log.
func (e *Error) ServerText() string {
	if e.serverText == nil {
		return ""
	}
	return e.serverText()
}

// MaxServerText is the length of the longest text that Error.ServerText returns, quotes included.
const MaxServerText = 256

func (e *Error) setServerText(text []byte, s secrets) {
	if len(text) == 0 {
		return
	}
	quoted := quote(s.redact(string(text)))
	e.serverText = func() string { return quoted }
}

// quote quotes text in ASCII, and cuts it so that the result has at most MaxServerText bytes.
func quote(text string) string {
	quoted := []byte{'"'}
	for len(text) > 0 {
		_, size := utf8.DecodeRuneInString(text)
		one := strconv.AppendQuoteToASCII(nil, text[:size])
		one = one[1 : len(one)-1]
		if len(quoted)+len(one)+1 > MaxServerText {
			break
		}
		quoted = append(quoted, one...)
		text = text[size:]
	}
	return string(append(quoted, '"'))
}

// secrets are the texts of one attempt that no error may hold: the write key, and the credentials as they travel.
type secrets []string

func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

func (s secrets) in(text string) bool {
	for _, secret := range s {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}
