package publicapitest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Step is how a Server behaves at one request. The zero value is to behave as ever: see Pass.
type Step struct {
	status int // as it is recorded; 0: no answer
	do     func(s *Server, w http.ResponseWriter, r *http.Request)
}

// Pass lets one request through, between two faults.
func Pass() Step { return Step{} }

// Answer answers with a status, headers and a body, which is JSON where the headers do not say otherwise.
func Answer(status int, header http.Header, body string) Step {
	header = header.Clone()
	return Step{status: status, do: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		write(w, status, header, body)
	}}
}

// Status answers with a status and the API's account of an error.
func Status(code int) Step { return Answer(code, nil, errorBody("RequestError", "scripted", "", "")) }

// TooManyRequests answers 429 as the real API does: it says how long to wait in the body, and when the window ends in
// X-RateLimit-Reset. RetryAfter says it in Retry-After.
func TooManyRequests(wait time.Duration) Step {
	return Step{status: http.StatusTooManyRequests, do: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		header := http.Header{}
		header.Set("X-RateLimit-Reset", time.Now().Add(wait).UTC().Format(time.RFC1123Z))
		limit := fmt.Sprintf(`{"remainingPoints":0,"msBeforeNext":%d,"consumedPoints":21}`, wait.Milliseconds())
		write(w, http.StatusTooManyRequests, header, errorBody("RequestError", "Too many requests", "", limit))
	}}
}

// RetryAfter answers with a status and a Retry-After in whole seconds, rounded up.
func RetryAfter(code int, wait time.Duration) Step {
	seconds := strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
	return Answer(code, http.Header{"Retry-After": {seconds}}, errorBody("RequestError", "scripted", "", ""))
}

// Redirect answers 302 with a Location.
func Redirect(location string) Step {
	return Answer(http.StatusFound, http.Header{"Location": {location}}, "")
}

// HTMLPortal answers 200 with a page, as the login page of a network does.
func HTMLPortal() Step {
	return Answer(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<!DOCTYPE html><html><body>Sign in</body></html>")
}

// Reset cuts the connection instead of answering. On a connection that it has used before, net/http's client makes the request again by
// itself, and meets the next step.
func Reset() Step {
	return Step{do: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // net/http's way to cut off a request whose connection cannot be had
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}}
}

// Truncated answers 200 with a body that breaks off.
func Truncated() Step {
	return Step{status: http.StatusOK, do: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"data":`)
		_ = http.NewResponseController(w).Flush() // or the client would not see that it was answered
		panic(http.ErrAbortHandler)
	}}
}

// Endless answers 200 with a body that does not end.
func Endless() Step {
	return Step{status: http.StatusOK, do: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		for blank := strings.Repeat(" ", 32<<10); ; {
			if _, err := io.WriteString(w, blank); err != nil {
				return
			}
		}
	}}
}

// Hang does not answer until the client gives up or the server is closed.
func Hang() Step {
	return Step{do: func(s *Server, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
		panic(http.ErrAbortHandler) // or net/http would answer 200
	}}
}
