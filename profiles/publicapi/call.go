package publicapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

const (
	// MaxAttempts is how many times a request is made at most.
	MaxAttempts = 4
	// MaxRetryAfter is the longest wait before a request is made again, however long the server asks for. Segment's own windows
	// are of a minute.
	MaxRetryAfter = time.Minute
	// AttemptTimeout bounds one attempt, its answer included.
	AttemptTimeout = 30 * time.Second
	// MaxAnswerBytes is the size of the largest answer that is read.
	MaxAnswerBytes = 32_000_000
)

// A caller makes GET requests to the API at one base URL.
type caller struct {
	client *http.Client
	base   string
	host   string
}

// A call is one request: what it asks for, and what goes into errors about it.
type call struct {
	path   string // escaped, with its query
	name   string // as errors have it
	accept string
	secret string // what no error may hold
	bearer bool   // the secret is the token
}

// An answer is an HTTP answer that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a request until it is answered with a status that is not worth another attempt, or the attempts are used up. It returns how
// many there were.
func (c caller) do(ctx context.Context, call call) (*answer, int, error) {
	for n := 1; ; n++ {
		failure := &Error{Call: "GET " + call.name, Host: c.host, Attempts: n}
		got, err := c.attempt(ctx, call)
		wait := backoff(n)
		switch {
		case ctx.Err() != nil:
			failure.Reason, failure.Err = contextReason(ctx.Err()), ctx.Err()
			return nil, n, failure
		case err != nil:
			var again bool
			failure.Reason, again = errorReason(err)
			failure.Err = call.scrub(err)
			if got != nil {
				failure.Status = got.status
			}
			if !again || n == MaxAttempts {
				return nil, n, failure
			}
		case !worthAgain(got.status) || n == MaxAttempts:
			return got, n, nil
		default:
			failure.describe(got, call)
			if asked := askedFor(got, time.Now()); asked > 0 {
				// A little later than asked for, so that several who were told the same do not come together.
				wait = min(asked, MaxRetryAfter) + rand.N(100*time.Millisecond)
			}
		}
		if err := pause(ctx, wait); err != nil {
			failure.Err = err
			if failure.Status == 0 {
				failure.Reason = contextReason(err)
			}
			return nil, n, failure
		}
	}
}

// attempt makes one request and reads its answer.
func (c caller) attempt(ctx context.Context, call call) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+call.path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", call.accept)
	req.Header.Set("User-Agent", transport.LibraryName+"/"+transport.LibraryVersion)
	if call.bearer {
		req.Header.Set("Authorization", "Bearer "+call.secret)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got := &answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return got, nil // the body is the connection, and does not end
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, MaxAnswerBytes+1))
	switch {
	case len(got.body) > MaxAnswerBytes:
		return got, errTooLarge
	case err != nil && resp.StatusCode != http.StatusOK:
		return got, nil // the status has been said
	}
	return got, err
}

// scrub returns the cause of a request that was not answered, without its URL.
func (c call) scrub(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	text := err.Error()
	if c.secret != "" && (strings.Contains(text, c.secret) || strings.Contains(text, url.PathEscape(c.secret))) {
		return errRedacted
	}
	return err
}

// errorReason says why no answer came, and whether another attempt could get one.
func errorReason(err error) (reason string, again bool) {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate is not trusted", false
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errTooLarge):
		return "the answer is larger than " + strconv.Itoa(MaxAnswerBytes) + " bytes", false
	case errors.Is(err, errProxy):
		return "the address of the proxy is not valid", false
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the endpoint answered in plain HTTP", false
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "the request timed out", true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name was not resolved", true
	}
	return "no answer came, or not all of it", true
}

// worthAgain tells whether a status is about the server, or the moment, rather than the request.
func worthAgain(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500
}

// backoff is the wait before another attempt where the server does not ask for one: 250 to 500 ms after the first, and twice as long
// after each further one.
func backoff(n int) time.Duration {
	half := 250 * time.Millisecond << (n - 1)
	return half + rand.N(half)
}

// pause waits, unless the context ends first. Where its deadline is known to come first it does not begin to wait.
func pause(ctx context.Context, wait time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
