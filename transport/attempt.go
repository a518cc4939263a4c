package transport

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// An attempt is one Deliver on its way: the batch, and the bodies that net/http was given of it.
type attempt struct {
	http          *HTTP
	batch         *Batch
	key           string // the write key's text
	authorization string
	keyInBody     bool

	// The rest is shared with net/http's goroutines.
	mu         sync.Mutex
	live       *body // the one body that still has bytes
	taken      bool  // a body before that one was read from
	over       bool
	tail       []byte
	packer     *compressor
	packed     []byte
	requests   int
	bodyBytes  int64
	wireBytes  int64
	lengthSeen bool
}

// send makes the HTTP request and tells what came of it.
func (a *attempt) send(ctx context.Context) Result {
	if err := ctx.Err(); err != nil {
		return a.noAnswer(ctx, err)
	}
	req, err := a.request(ctx)
	if err != nil {
		return a.noAnswer(ctx, err)
	}
	resp, err := a.http.client.Do(req)
	if err != nil {
		return a.noAnswer(ctx, err)
	}
	text := readAnswer(resp, MaxResponseBytes)
	result := Result{Status: resp.StatusCode}
	var reason string
	result.Class, reason = classifyAnswer(resp, text)
	if result.Class == Retry {
		result.RetryAfter = retryAfter(resp.Header, time.Now())
	}
	if result.Class != Accepted {
		failure := &Error{Class: result.Class, Status: resp.StatusCode, Host: a.http.host, Reason: reason}
		failure.setServerText(text, a.secrets())
		result.Err = failure
	}
	a.http.note(result.Class, result.Status)
	return result
}

// sendWithToken is send with OAuth. A token that is refused is dropped, and the request made once more with a new one: the
// server took nothing of the first.
func (a *attempt) sendWithToken(ctx context.Context) Result {
	a.keyInBody = true
	for again := false; ; again = true {
		token, failure := a.http.oauth.get(ctx)
		if token == nil {
			return failure
		}
		a.authorization = "Bearer " + token.reveal()
		result := a.send(ctx)
		switch result.Status {
		case http.StatusBadRequest:
			// It may have been the token that was not understood: the next request comes with a new one.
			a.http.oauth.drop(token)
			return result
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNetworkAuthenticationRequired:
			a.http.oauth.drop(token)
			if again {
				return refused(result)
			}
		default:
			return result
		}
	}
}

// refused turns the answer to a second token, a 511 among them, into one about credentials.
func refused(r Result) Result {
	r.Class = Credentials
	if failure, ok := errors.AsType[*Error](r.Err); ok {
		failure.Class = Credentials
		_, failure.Reason = classifyStatus(http.StatusUnauthorized)
	}
	return r
}

// noAnswer is the result of an attempt whose answer did not come.
func (a *attempt) noAnswer(ctx context.Context, err error) Result {
	// Where the context has ended, that is why, whatever broke first.
	if ended := ctx.Err(); ended != nil {
		err = ended
	}
	class, reason, cause := classifyError(err)
	failure := &Error{Class: class, Host: a.http.host, Reason: reason, Err: cause}
	secrets := a.secrets()
	if secrets.in(cause.Error()) {
		failure.Err = errRedacted
	}
	if cause == errNotHTTP {
		failure.setServerText([]byte(err.Error()), secrets)
	}
	if !errors.Is(err, context.Canceled) {
		a.http.note(class, 0)
	}
	return Result{Class: class, Ambiguous: a.isTaken(), Err: failure}
}

// secrets returns what no error may show.
func (a *attempt) secrets() secrets {
	s := secrets{a.key}
	if _, credentials, ok := strings.Cut(a.authorization, " "); ok {
		s = append(s, credentials)
	}
	return s
}

// request makes the request. Its bodies are made one by one as they are needed, since each has a time of its own.
func (a *attempt) request(ctx context.Context) (*retryablehttp.Request, error) {
	plain, err := http.NewRequestWithContext(context.WithValue(ctx, attemptKey{}, a), http.MethodPost, a.http.url, nil)
	if err != nil {
		return nil, err
	}
	h := plain.Header
	h.Set("Authorization", a.authorization)
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", a.http.userAgent)
	// Said outright, so that a user's http.Transport does not unpack answers of whatever size.
	h.Set("Accept-Encoding", "identity")
	if a.http.gzip {
		h.Set("Content-Encoding", "gzip")
	}
	if a.batch.Retry > 0 {
		h.Set("X-Retry-Count", strconv.Itoa(a.batch.Retry))
	}
	req := &retryablehttp.Request{Request: plain}
	a.lengthSeen = false
	err = req.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) {
		if !a.lengthSeen {
			// SetBody asks for a body to see its length, and throws it away.
			a.lengthSeen = true
			return http.NoBody, nil
		}
		b, length, err := a.open(true)
		req.ContentLength = length
		return b, err
	}))
	if err != nil {
		return nil, err
	}
	// net/http asks for another body where it knows that the server saw nothing of the first, or has refused the stream
	// before it looked at it.
	req.GetBody = func() (io.ReadCloser, error) {
		b, _, err := a.open(false)
		return b, err
	}
	return req, nil
}

// open returns the body of a new HTTP request, and takes the bytes away from the one before. A request that net/http repeats by
// itself has the length of the first one in its header already: compressed, it cannot be made anew.
func (a *attempt) open(anew bool) (*body, int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil, 0, errDetached
	}
	if a.live != nil {
		a.taken = a.live.detach() || a.taken
	}
	if anew || !a.http.gzip {
		var key WriteKey
		if a.keyInBody {
			key = a.batch.WriteKey
		}
		a.tail = appendTail(a.tail[:0], time.Now(), key)
	}
	parts := [3][]byte{[]byte(bodyHead), a.batch.Joined(), a.tail}
	length := int64(len(parts[0]) + len(parts[1]) + len(parts[2]))
	a.requests++
	a.bodyBytes += length
	if a.http.gzip {
		if anew {
			if a.packer == nil {
				a.packer = a.http.packers.Get().(*compressor)
			}
			a.packed = a.packer.pack(parts)
		}
		parts = [3][]byte{a.packed}
		length = int64(len(a.packed))
	}
	a.wireBytes += length
	a.live = &body{parts: parts}
	return a.live, length, nil
}

// end takes the batch's bytes away from net/http, which may still be sending them where an answer came early.
func (a *attempt) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	if a.live != nil {
		a.live.detach()
	}
	if a.packer != nil {
		a.http.packers.Put(a.packer)
	}
}

func (a *attempt) isTaken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken || a.live != nil && a.live.isTaken()
}

func (a *attempt) counts() (requests int, bodyBytes, wireBytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests, a.bodyBytes, a.wireBytes
}

type attemptKey struct{}

// retryUnsent has go-retryablehttp begin a request again only where the connection broke before net/http read a byte of the
// body: the server cannot have taken anything. Answers, whatever they are, belong to the caller.
func retryUnsent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	if err == nil || ctx.Err() != nil || isTimeout(err) {
		return false, nil
	}
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok || a.isTaken() {
		return false, nil
	}
	// A name that does not resolve and a certificate that is not trusted are the same a moment later.
	if isKind[*net.DNSError](err) || isUntrusted(err) || isKind[*proxyError](err) {
		return false, nil
	}
	broken := isKind[*net.OpError](err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	return broken, nil
}

// briefly waits 10 to 20 ms before the first retry of a connection, and 40 to 80 ms before the second.
func briefly(_, _ time.Duration, n int, _ *http.Response) time.Duration {
	wait := 10 * time.Millisecond << (2 * n)
	return wait + rand.N(wait)
}

// maxDrain is how much of an answer beyond what is read is read away, so that its connection can be used again.
const maxDrain = 4 << 10

// readAnswer reads at most limit bytes of an answer and closes it. What cannot be read is as if it were not there: the status
// has been said.
func readAnswer(resp *http.Response, limit int64) (text []byte) {
	defer func() {
		_ = recover() // the body may be the work of the user's RoundTripper
	}()
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil // the body is the connection, and does not end
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err == nil && int64(len(text)) == limit {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	}
	return text
}
