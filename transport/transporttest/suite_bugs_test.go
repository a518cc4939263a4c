package transporttest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A suite that nothing fails proves nothing: each bug here has to be found, and by the check whose business it is.
func TestSuiteFindsBugs(t *testing.T) {
	const none = ""
	tests := []struct{ bug, check string }{
		{none, none},
		{"drops a message", "delivers a batch whole"},
		{"sends the batch backwards", "delivers a batch whole"},
		{"accepts without sending", "delivers a batch whole"},
		{"makes sentAt once", "writes sentAt for each attempt"},
		{"takes 501 for 500", "tells the class of an answer"},
		{"takes any 2xx", "reads the status before the body"},
		{"reads the body before the status", "reads the status before the body"},
		{"does not cap Retry-After", "reads Retry-After within its bounds"},
		{"ignores Retry-After on 503", "reads Retry-After within its bounds"},
		{"lets Retry-After be negative", "reads Retry-After within its bounds"},
		{"follows redirects", "follows no redirect"},
		{"tries again", "makes one attempt"},
		{"is never ambiguous", "tells when the batch may have been taken"},
		{"is ever ambiguous", "tells when the batch may have been taken"},
		{"writes into the batch", "does not write into the batch"},
		{"looks at no context", "obeys a context that ends"},
		{"hides the context's error", "obeys a context that has ended"},
		{"shows the write key", "does not show the write key"},
		{"shows the key in base64", "does not show the write key"},
		{"gives no error", "tells the class of an answer"},
	}
	for _, tt := range tests {
		t.Run(cmp.Or(tt.bug, "no bug"), func(t *testing.T) {
			for _, c := range checks {
				if tt.check != none && c.name != tt.check {
					continue
				}
				s := &spy{}
				s.run(func() {
					r := newTrial(s, Harness{New: func(t TB, server *Server) transport.Transport { return newReference(t, server, tt.bug) }})
					if tt.bug != none {
						r.patience = time.Second
					}
					c.run(r)
				})
				if tt.check == none && len(s.failures) > 0 {
					t.Errorf("%s: %s", c.name, strings.Join(s.failures, "\n"))
				}
				if tt.check != none && len(s.failures) == 0 {
					t.Errorf("%s: not found", c.name)
				}
			}
		})
	}
}

// A spy is a TB that notes failures.
type spy struct {
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (s *spy) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

func (s *spy) Helper()          {}
func (s *spy) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *spy) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

func (s *spy) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

// reference is a plain transport that keeps the rules, but for one bug.
type reference struct {
	client *http.Client
	url    string
	bug    string
	sentAt time.Time
}

func newReference(t TB, server *Server, bug string) *reference {
	base := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: base}
	if bug != "follows redirects" {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &reference{client: client, url: server.URL() + "/v1/batch", bug: bug, sentAt: time.Now()}
}

func (r *reference) Deliver(ctx context.Context, b *transport.Batch) transport.Result {
	if r.bug == "accepts without sending" {
		return transport.Result{Class: transport.Accepted, Status: 200, Requests: 1}
	}
	if err := ctx.Err(); err != nil {
		if r.bug == "hides the context's error" {
			err = errors.New("no time")
		}
		return transport.Result{Err: err}
	}
	if r.bug == "looks at no context" {
		ctx = context.Background()
	}
	result := r.post(ctx, b)
	if r.bug == "tries again" && result.Class == transport.Retry {
		result = r.post(ctx, b)
	}
	switch {
	case r.bug == "is never ambiguous":
		result.Ambiguous = false
	case r.bug == "is ever ambiguous":
		result.Ambiguous = result.Err != nil
	case r.bug == "writes into the batch":
		b.Message(0)[0] = '['
	case r.bug == "gives no error":
		result.Err = nil
	case r.bug == "shows the write key" && result.Err != nil:
		result.Err = fmt.Errorf("%w: with key %s", result.Err, b.WriteKey.Reveal())
	}
	return result
}

func (r *reference) post(ctx context.Context, b *transport.Batch) transport.Result {
	sentAt := time.Now()
	if r.bug == "makes sentAt once" {
		sentAt = r.sentAt
	}
	messages := make([]string, b.Len())
	for i := range messages {
		messages[i] = string(b.Message(i))
	}
	switch r.bug {
	case "drops a message":
		messages = messages[1:]
	case "sends the batch backwards":
		slices.Reverse(messages)
	}
	body := `{"sentAt":"` + sentAt.Format(time.RFC3339Nano) + `","batch":[` + strings.Join(messages, ",") + `]}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		return transport.Result{Err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(b.WriteKey.Reveal(), "")
	response, err := r.client.Do(request)
	if err != nil {
		return transport.Result{Err: err, Ambiguous: !errors.Is(err, syscall.ECONNREFUSED), Requests: 1}
	}
	defer response.Body.Close()
	said, readErr := io.ReadAll(io.LimitReader(response.Body, transport.MaxResponseBytes))
	result := transport.Result{Class: r.class(response.StatusCode, said), Status: response.StatusCode, Requests: 1}
	if r.bug == "reads the body before the status" && readErr != nil {
		return transport.Result{Err: readErr, Ambiguous: true, Requests: 1}
	}
	if result.Class != transport.Accepted {
		result.Err = fmt.Errorf("status %d", result.Status)
		if r.bug == "shows the key in base64" {
			result.Err = fmt.Errorf("status %d to %s", result.Status, request.Header.Get("Authorization"))
		}
	}
	result.RetryAfter = r.retryAfter(response)
	return result
}

func (r *reference) class(status int, body []byte) transport.Class {
	switch status {
	case 400, 413:
		return transport.Split
	case 401, 403:
		return transport.Credentials
	case 404:
		return transport.Configuration
	case 408, 410, 429, 460:
		return transport.Retry
	case 501, 505, 511:
		if r.bug == "takes 501 for 500" {
			return transport.Retry
		}
		return transport.Final
	}
	switch {
	case status >= 500:
		return transport.Retry
	case status >= 400:
		return transport.Final
	case status >= 300, r.bug != "takes any 2xx" && (bytes.HasPrefix(body, []byte("<")) || bytes.Contains(body, []byte(`"success":false`))):
		return transport.Configuration
	}
	return transport.Accepted
}

func (r *reference) retryAfter(response *http.Response) time.Duration {
	value := response.Header.Get("Retry-After")
	if response.StatusCode < 400 || r.bug == "ignores Retry-After on 503" && response.StatusCode == 503 {
		return 0
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if date, ok := http.ParseTime(value); ok == nil {
		seconds, err = float64(date.Unix()-time.Now().Unix()), nil
	}
	if err != nil {
		return 0
	}
	if r.bug != "does not cap Retry-After" {
		seconds = min(seconds, transport.MaxRetryAfter.Seconds())
	}
	if r.bug != "lets Retry-After be negative" {
		seconds = max(seconds, 0)
	}
	return time.Duration(seconds * float64(time.Second))
}
