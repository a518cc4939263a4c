package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	maxTokenAnswer = 1 << 20
	maxTokenLen    = 16 << 10
	minTokenLife   = 30 * time.Second
	maxTokenLife   = 24 * time.Hour
	// earlyRefreshPause is how long after a failed refresh the token that is still good is used without trying again.
	earlyRefreshPause = 10 * time.Second
)

// A token is an access token. Its text is behind a function, so that nothing prints it.
type token struct {
	reveal  func() string
	fetched time.Time
	life    time.Duration
}

// age is how old the token is, by the monotonic clock or the one on the wall, whichever says more: the first stands still while
// the host sleeps, the second may be set back.
func (t *token) age(now time.Time) time.Duration {
	return max(now.Sub(t.fetched), now.Round(0).Sub(t.fetched.Round(0)))
}

// A tokenSource gets tokens, one request at a time for any number of callers, and keeps the last.
type tokenSource struct {
	client *retryablehttp.Client
	url    string
	host   string
	scope  string
	signer assertionSigner

	mu      sync.Mutex
	current *token
	flight  *flight
	pause   time.Time     // until when a good token is not refreshed early
	skew    time.Duration // how far the token server's clock is ahead of ours
}

// A flight is a request for a token that callers wait for.
type flight struct {
	done chan struct{}
	// The rest is written before done is closed.
	failed  bool
	failure Result
	left    bool // the caller who made the request gave up: another has to make it
}

// get returns a token that is good, or nil and the result of an attempt that could not have one. From half of a token's life on
// one caller gets the next, while the others go on with what there is.
func (s *tokenSource) get(ctx context.Context) (*token, Result) {
	for {
		s.mu.Lock()
		now, old := time.Now(), s.current
		if old != nil && old.age(now) >= old.life {
			old = nil
		}
		if old != nil && (old.age(now) < old.life/2 || s.flight != nil || now.Before(s.pause)) {
			s.mu.Unlock()
			return old, Result{}
		}
		if waiting := s.flight; waiting != nil {
			s.mu.Unlock()
			select {
			case <-waiting.done:
			case <-ctx.Done():
				return nil, s.failed(ctx.Err())
			}
			if waiting.failed && !waiting.left {
				return nil, waiting.failure
			}
			continue
		}
		mine := &flight{done: make(chan struct{})}
		s.flight = mine
		s.mu.Unlock()

		fresh, failure := s.fly(ctx, mine)
		if fresh != nil {
			return fresh, Result{}
		}
		if old != nil {
			return old, Result{}
		}
		return nil, failure
	}
}

// fly gets a token for all who wait for it.
func (s *tokenSource) fly(ctx context.Context, f *flight) (*token, Result) {
	fresh, failure := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh != nil {
		s.current = fresh
	} else {
		f.failed, f.failure, f.left = true, failure, ctx.Err() != nil
		s.pause = time.Now().Add(earlyRefreshPause)
	}
	s.flight = nil
	close(f.done)
	return fresh, failure
}

// drop forgets a token that was refused, unless another has taken its place.
func (s *tokenSource) drop(t *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == t {
		s.current = nil
	}
}

// fetch asks the server for a token. Where it refuses, and its clock is not the one that the assertion was made for, it is asked
// once more by that clock.
func (s *tokenSource) fetch(ctx context.Context) (*token, Result) {
	for again := false; ; again = true {
		fresh, failure, skewed := s.request(ctx)
		if fresh != nil || !skewed || again || failure.Class != Credentials {
			return fresh, failure
		}
	}
}

// request makes one token request, with go-retryablehttp's retries: a token may be asked for any number of times. It tells
// whether the answer moved our idea of the server's clock.
func (s *tokenSource) request(ctx context.Context) (fresh *token, failure Result, skewed bool) {
	plain, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, nil)
	if err != nil {
		return nil, s.failed(err), false
	}
	plain.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	plain.Header.Set("Accept", "application/json")
	plain.Header.Set("Accept-Encoding", "identity")
	plain.Header.Set("User-Agent", LibraryName+"/"+LibraryVersion)
	req := &retryablehttp.Request{Request: plain}
	var sent secrets
	// An assertion holds for one request: each retry is signed anew.
	err = req.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) {
		assertion, err := s.assertion()
		sent = append(sent, assertion)
		form := s.form(assertion)
		req.ContentLength = int64(len(form))
		return strings.NewReader(form), err
	}))
	if err != nil {
		return nil, s.failed(err), false
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			err = ended
		}
		return nil, s.failed(err, sent...), false
	}
	now := time.Now()
	text := readAnswer(resp, maxTokenAnswer)
	skewed = s.learnSkew(resp.Header, now)
	fresh, failure = s.answer(resp, text, now)
	return fresh, failure, skewed
}

// assertion signs an assertion by the server's clock.
func (s *tokenSource) assertion() (string, error) {
	s.mu.Lock()
	now := time.Now().Add(s.skew)
	s.mu.Unlock()
	return s.signer.sign(now)
}

func (s *tokenSource) form(assertion string) string {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
		"scope":                 {s.scope},
	}.Encode()
}

// minSkew is the difference of clocks that is not worth a correction: an assertion begins 5 s in the past.
const minSkew = 4 * time.Second

// learnSkew keeps how far the server's clock is ahead, and tells whether that is news.
func (s *tokenSource) learnSkew(header http.Header, now time.Time) bool {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return false
	}
	skew := date.Sub(now)
	if skew.Abs() < minSkew {
		skew = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := (skew - s.skew).Abs() >= minSkew
	if moved {
		s.skew = skew
	}
	return moved
}

// answer makes a token, or the result of a failed attempt, of an answer.
func (s *tokenSource) answer(resp *http.Response, text []byte, now time.Time) (*token, Result) {
	class, reason := classifyStatus(resp.StatusCode)
	if class == Accepted {
		if t := parseToken(text, now); t != nil {
			return t, Result{}
		}
		class, reason = Configuration, "the token server's answer holds no usable token"
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '{' && !json.Valid(text) {
			class = Retry // cut off on its way
		}
	}
	if class == Split || class == Final {
		// What is wrong with a token request is wrong with each: the application, the key or the scope.
		class = Credentials
	}
	failure := Result{Class: class, Status: resp.StatusCode}
	if class == Retry {
		failure.RetryAfter = retryAfter(resp.Header, now)
	}
	// The answer may hold a token: it is not kept as the server's text.
	failure.Err = &Error{Class: class, Status: resp.StatusCode, Host: s.host, Reason: "no token: " + reason}
	return nil, failure
}

// failed is the result of an attempt that got no answer from the token server. Nothing of the batch has been sent.
func (s *tokenSource) failed(err error, sent ...string) Result {
	class, reason, cause := classifyError(err)
	if secrets(sent).in(cause.Error()) {
		cause = errRedacted
	}
	return Result{Class: class, Err: &Error{Class: class, Host: s.host, Reason: "no token: " + reason, Err: cause}}
}

// parseToken reads the answer to a token request; nil where it holds no token that could travel in a header.
func parseToken(text []byte, now time.Time) *token {
	var answer struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return nil
	}
	value := answer.AccessToken
	if value == "" || len(value) > maxTokenLen || !isPrintable(value) || strings.Contains(value, " ") {
		return nil
	}
	if answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer") {
		return nil
	}
	life := minTokenLife
	if seconds, ok := parseSeconds(strings.Trim(string(answer.ExpiresIn), `"`)); ok {
		seconds = min(max(seconds, minTokenLife.Seconds()), maxTokenLife.Seconds())
		life = time.Duration(seconds * float64(time.Second))
	}
	return &token{reveal: func() string { return value }, fetched: now, life: life}
}

// retryToken has go-retryablehttp ask again after a failure that may pass within the attempt. A server that says when it wants
// to be asked again is not asked before: the caller holds everything back meanwhile.
func retryToken(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil
	}
	if err != nil {
		class, _, _ := classifyError(err)
		return class == Retry && !isPanic(err), nil
	}
	class, _ := classifyStatus(resp.StatusCode)
	again := class == Retry && resp.StatusCode != http.StatusTooManyRequests && retryAfter(resp.Header, time.Now()) == 0
	return again, nil
}

// tokenBackoff waits up to 100 ms before the first retry, and up to twice as long before each further one.
func tokenBackoff(_, _ time.Duration, n int, _ *http.Response) time.Duration {
	return 10*time.Millisecond + rand.N(90*time.Millisecond<<n)
}
