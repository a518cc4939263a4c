package transporttest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A FaultKind names a kind of fault in the counters.
type FaultKind string

const (
	FaultTooManyRequests  FaultKind = "too many requests"
	FaultStatus           FaultKind = "status"
	FaultEarlyStatus      FaultKind = "early status"
	FaultAcceptThenStatus FaultKind = "accept then status"
	FaultResetBeforeRead  FaultKind = "reset before read"
	FaultResetAfterRead   FaultKind = "reset after read"
	FaultHang             FaultKind = "hang"
	FaultHangBeforeRead   FaultKind = "hang before read"
	FaultDrip             FaultKind = "drip"
	FaultTruncatedBody    FaultKind = "truncated body"
	FaultEndlessBody      FaultKind = "endless body"
	FaultHTMLPortal       FaultKind = "html portal"
	FaultRedirect         FaultKind = "redirect"
	FaultSuccessFalse     FaultKind = "success false"
	FaultRejected         FaultKind = "rejected by RejectWhere"
)

// A Step is how a Server behaves at one request. The zero value is to behave as ever: see Pass.
//
// A step that takes the batch first needs the server to be willing: where a rule or a limit refuses the request, that is
// what is answered, and the step waits for the next one.
type Step struct {
	kind   FaultKind
	status int  // as it is counted; 0: no answer
	unread bool // the body is not read
	takes  bool // the batch is taken first
	do     func(x *exchange)
}

// Pass lets one request through, between two faults.
func Pass() Step {
	return Step{status: http.StatusOK, takes: true, do: (*exchange).succeed}
}

// TooManyRequests answers 429. Retry-After and X-RateLimit-Reset say how long, in whole seconds, rounded up; at 0 or less they
// are left out.
func TooManyRequests(retryAfter time.Duration) Step {
	step := StatusWithHeader(http.StatusTooManyRequests, waitHeader(retryAfter))
	step.kind = FaultTooManyRequests
	return step
}

func waitHeader(wait time.Duration) http.Header {
	h := make(http.Header)
	if wait > 0 {
		seconds := strconv.FormatInt(int64((wait-1)/time.Second)+1, 10)
		h.Set("Retry-After", seconds)
		h.Set("X-RateLimit-Reset", seconds)
	}
	return h
}

// Status reads the request, takes nothing, and answers with a status, 200 to 999.
func Status(code int) Step { return StatusWithHeader(code, nil) }

// StatusWithHeader is Status with further header fields. A field given as nil is left out where it would be there.
func StatusWithHeader(code int, header http.Header) Step {
	header = header.Clone()
	return Step{kind: FaultStatus, status: code, do: func(x *exchange) {
		x.write(code, header, `{"success":false,"message":"scripted"}`)
	}}
}

// EarlyStatus answers with a status without having read the body: a client that is still writing sees its connection closed.
func EarlyStatus(code int) Step {
	step := Status(code)
	step.kind, step.unread = FaultEarlyStatus, true
	return step
}

// AcceptThenStatus takes the batch and then answers with a status as if it had not.
func AcceptThenStatus(code int) Step {
	step := Status(code)
	step.kind, step.takes = FaultAcceptThenStatus, true
	return step
}

// ResetBeforeRead cuts the connection before the body is read. The client may have sent all of it.
func ResetBeforeRead() Step {
	return Step{kind: FaultResetBeforeRead, unread: true, do: (*exchange).reset}
}

// ResetAfterRead takes the batch and cuts the connection instead of answering.
func ResetAfterRead() Step {
	return Step{kind: FaultResetAfterRead, takes: true, do: (*exchange).reset}
}

// Hang reads the request, takes nothing, and does not answer until the client gives up or the server is closed.
func Hang() Step {
	return Step{kind: FaultHang, do: (*exchange).hang}
}

// HangBeforeRead does not read the body, so that the client of a large one is stuck in writing, and does not answer.
func HangBeforeRead() Step {
	return Step{kind: FaultHangBeforeRead, unread: true, do: (*exchange).hang}
}

// Drip takes the batch and answers 200, then sends the body one byte at a time.
func Drip(every time.Duration) Step {
	return Step{kind: FaultDrip, status: http.StatusOK, takes: true, do: func(x *exchange) {
		x.header(http.StatusOK, nil, len(x.success))
		for i := range x.success {
			if !x.s.pause(x.r.Context(), every) || !x.send(x.success[i:i+1]) {
				return
			}
		}
	}}
}

// TruncatedBody takes the batch and answers 200 with a body that breaks off: 10 bytes of 100.
func TruncatedBody() Step {
	return Step{kind: FaultTruncatedBody, status: http.StatusOK, takes: true, do: func(x *exchange) {
		x.header(http.StatusOK, nil, 100)
		x.send(x.success[:10])
	}}
}

// EndlessBody takes the batch and answers 200 with a body that does not end.
func EndlessBody() Step {
	return Step{kind: FaultEndlessBody, status: http.StatusOK, takes: true, do: func(x *exchange) {
		x.header(http.StatusOK, nil, -1)
		blank := strings.Repeat(" ", 32<<10)
		for x.send(blank) {
		}
	}}
}

// HTMLPortal answers 200 with a page, as the login page of a network does. Nothing is taken.
func HTMLPortal() Step {
	return Step{kind: FaultHTMLPortal, status: http.StatusOK, do: func(x *exchange) {
		header := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
		x.write(http.StatusOK, header, "<!DOCTYPE html><html><body>Sign in to this network</body></html>")
	}}
}

// Redirect answers 302 with a Location. For another status see StatusWithHeader. Nothing is taken.
func Redirect(url string) Step {
	step := StatusWithHeader(http.StatusFound, http.Header{"Location": {url}})
	step.kind = FaultRedirect
	return step
}

// SuccessFalse answers 200 with {"success":false}. Nothing is taken.
func SuccessFalse() Step {
	return Step{kind: FaultSuccessFalse, status: http.StatusOK, do: func(x *exchange) {
		x.write(http.StatusOK, nil, `{"success":false}`)
	}}
}

// reset cuts the connection, so hard that the client sees a reset where the network knows of one.
func (x *exchange) reset() {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to cut off a request whose connection cannot be had
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (x *exchange) hang() {
	select {
	case <-x.r.Context().Done():
	case <-x.s.closing:
	}
	panic(http.ErrAbortHandler) // or net/http would answer 200
}

// header begins an answer whose body is sent in pieces; a length below 0 leaves it open.
func (x *exchange) header(status int, header http.Header, length int) {
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	for name, values := range header {
		h[name] = values
	}
	if length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	x.w.WriteHeader(status)
}

// send sends a piece at once and tells whether there is still someone to send to.
func (x *exchange) send(piece string) bool {
	if _, err := io.WriteString(x.w, piece); err != nil {
		return false
	}
	return http.NewResponseController(x.w).Flush() == nil
}
