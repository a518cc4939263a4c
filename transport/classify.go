package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// classifyStatus tells what a status means, as Segment's newest SDKs have it, and says why.
func classifyStatus(status int) (Class, string) {
	switch status {
	case http.StatusPartialContent:
		// Nobody asked for a part: whatever answered, it was not the API that answered all of it.
		return Retry, "unexpected status"
	case http.StatusBadRequest:
		return Split, "the request was refused as malformed or too large"
	case http.StatusRequestEntityTooLarge:
		return Split, "the request was refused as too large"
	case http.StatusUnauthorized, http.StatusForbidden:
		return Credentials, "the credentials were not accepted"
	case http.StatusNotFound:
		return Configuration, "nothing answers at this path: the endpoint is not the API's"
	case http.StatusProxyAuthRequired:
		return Configuration, "the proxy wants credentials"
	case http.StatusTooManyRequests:
		return Retry, "the rate limit was passed"
	case http.StatusRequestTimeout, http.StatusGone, 460:
		return Retry, "the server did not take the request this time"
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return Final, "the server refused the request for good"
	}
	switch {
	case status >= 600 || status < 200:
		return Retry, "unexpected status"
	case status >= 500:
		return Retry, "the server failed"
	case status >= 400:
		return Final, "the server refused the request for good"
	case status >= 300:
		// Following would turn the POST into a GET, or hand the credentials to another host.
		return Configuration, "the server answered with a redirect, which is not followed"
	}
	return Accepted, ""
}

// classifyAnswer tells what an answer means. A status of success is believed, an empty or broken body with it too, unless the
// body says that the batch was not taken, or is a page, as the portal of a network answers in the API's place.
func classifyAnswer(resp *http.Response, body []byte) (Class, string) {
	class, reason := classifyStatus(resp.StatusCode)
	if class != Accepted {
		return class, reason
	}
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 || string(body) == `{"success":true}` {
		return Accepted, ""
	}
	if body[0] == '{' {
		var answer struct{ Success *bool }
		if json.Unmarshal(body, &answer) == nil && answer.Success != nil && !*answer.Success {
			return Configuration, "the server answered success: false"
		}
		return Accepted, ""
	}
	if body[0] == '<' || isHTML(resp.Header.Get("Content-Type")) {
		return Configuration, "a page answered in the place of the API"
	}
	return Accepted, ""
}

func isHTML(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "text/html" || media == "application/xhtml+xml"
}

// Errors of our own layers below net/http's client.
var (
	errNoResponse = errors.New("RoundTripper returned neither a response nor an error")
	errNotHTTP    = errors.New("answer is not valid HTTP")
	errGoneAway   = errors.New("server sent GOAWAY")
	errProxyAuth  = errors.New("proxy wants credentials")
	errRedacted   = errors.New("cause is not shown: its text holds credentials")
	errDetached   = errors.New("request body is not available any more: the attempt is over")
)

// classifyError tells what it means that no answer came, and returns the cause that may be shown.
func classifyError(err error) (class Class, reason string, cause error) {
	// The text of a url.Error is its URL before anything else.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		return proxy.class(), proxy.reason(), proxy
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Retry, "the request was canceled", context.Canceled
	case errors.Is(err, errNoResponse):
		return Retry, "the RoundTripper returned neither a response nor an error", err
	case isPanic(err):
		return Retry, "the RoundTripper panicked", err
	case isUntrusted(err):
		return Configuration, "no trusted connection could be made: certificate or TLS version", err
	case errors.Is(err, http.ErrSchemeMismatch):
		return Configuration, "the endpoint answered in plain HTTP", err
	case isTimeout(err):
		return Retry, "the request timed out", err
	case isNotHTTP(err):
		return Retry, "the answer was not valid HTTP", errNotHTTP
	case strings.Contains(err.Error(), "server sent GOAWAY"): // and what it has to say about it
		return Retry, "the server ended the connection", errGoneAway
	case err.Error() == http.StatusText(http.StatusProxyAuthRequired):
		// All that a user's http.Transport says of a proxy that refused to connect is the text of the status.
		return Configuration, noProxy, errProxyAuth
	case isKind[*net.DNSError](err):
		return Retry, "the host name was not resolved", err
	case isDial(err):
		return Retry, "no connection could be made", err
	case isKind[*net.OpError](err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Retry, "the connection ended before an answer", err
	}
	return Retry, "the request failed", err
}

func isKind[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isPanic(err error) bool { return isKind[*panicError](err) }

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// isUntrusted tells whether TLS could not be agreed on for a reason that will not pass by itself.
func isUntrusted(err error) bool {
	if isKind[*tls.CertificateVerificationError](err) || isKind[x509.UnknownAuthorityError](err) || isKind[x509.HostnameError](err) ||
		isKind[x509.CertificateInvalidError](err) || isKind[x509.SystemRootsError](err) {
		return true
	}
	// crypto/tls has no exported types for the rest: an alert of the server's, and a server that picks a version we do not speak.
	text := err.Error()
	if !strings.Contains(text, "tls: ") {
		return false
	}
	for _, word := range []string{"protocol version", "certificate", "handshake failure", "unknown certificate authority"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// isNotHTTP tells whether net/http could not read the answer. Such errors have no type either, and quote the server.
func isNotHTTP(err error) bool {
	if isKind[tls.RecordHeaderError](err) {
		return true
	}
	text := err.Error()
	for _, word := range []string{"malformed", "too many 1xx", "response headers exceeded", "tls: first record", "unexpected EOF reading trailer"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
