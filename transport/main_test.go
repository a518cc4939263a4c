package transport

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What must never show, each in its place.
const (
	canaryKey   = "CanaryWriteKey0123456789abcdefgh"
	canaryToken = "CanaryToken.0123456789"
	canaryMail  = "canary.person@example.com"
)

var canaries = []string{canaryKey, canaryToken, canaryMail, basic(canaryKey)[len("Basic "):]}

func basic(key string) string {
	req, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1", nil)
	req.SetBasicAuth(key, "")
	return req.Header.Get("Authorization")
}

// newBatch returns a batch of n messages, whose ids are prefix-0, prefix-1 ...
func newBatch(n int, prefix string) *Batch {
	b := &Batch{WriteKey: NewWriteKey(canaryKey)}
	for i := range n {
		b.Append(fmt.Appendf(nil, `{"type":"identify","messageId":"%s-%d","traits":{"email":"%s"}}`, prefix, i, canaryMail))
	}
	return b
}

// largeBatch returns a batch that no socket's buffer holds.
func largeBatch(prefix string) *Batch {
	b := &Batch{WriteKey: NewWriteKey(canaryKey)}
	message := fmt.Appendf(nil, `{"messageId":"%s","pad":"%s"}`, prefix, strings.Repeat("x", 31_000))
	for b.Fits(len(message)) {
		b.Append(message)
	}
	return b
}

func newTestHTTP(t testing.TB, c HTTPConfig) *HTTP {
	t.Helper()
	h, err := NewHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	return h
}

func newServer(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// toHandler returns an HTTP that talks to a handler over loopback.
func toHandler(t testing.TB, handler http.HandlerFunc) *HTTP {
	t.Helper()
	return newTestHTTP(t, HTTPConfig{Endpoint: newServer(t, handler).URL})
}

// newListener serves each connection on loopback with serve, which need not close it, and returns the base URL. At the end of
// the test it closes what is still open.
func newListener(t testing.TB, serve func(conn *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var conns sync.Map
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			wg.Go(func() {
				defer conns.Delete(conn)
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-accepting
		conns.Range(func(conn, _ any) bool {
			conn.(net.Conn).Close()
			return true
		})
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// reset ends a connection as a process that crashed does.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

// A request is what a test server got.
type request struct {
	header   http.Header
	path     string
	body     []byte // unpacked
	wireLen  int
	writeKey string // of HTTP Basic
	envelope envelope
}

type envelope struct {
	Batch []struct {
		MessageID string `json:"messageId"`
	} `json:"batch"`
	SentAt   string         `json:"sentAt"`
	Context  map[string]any `json:"context"`
	WriteKey *string        `json:"writeKey"`
}

func (e envelope) ids() []string {
	var ids []string
	for _, m := range e.Batch {
		ids = append(ids, m.MessageID)
	}
	return ids
}

func readRequest(r *http.Request) (request, error) {
	wire, err := io.ReadAll(r.Body)
	if err != nil {
		return request{}, err
	}
	got := request{header: r.Header.Clone(), path: r.URL.Path, body: wire, wireLen: len(wire)}
	if r.ContentLength != int64(len(wire)) {
		return got, fmt.Errorf("Content-Length is %d, the body has %d bytes", r.ContentLength, len(wire))
	}
	got.writeKey, _, _ = r.BasicAuth()
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(wire))
		if err != nil {
			return got, err
		}
		if got.body, err = io.ReadAll(z); err != nil {
			return got, err
		}
	}
	return got, json.Unmarshal(got.body, &got.envelope)
}

// A recorder keeps the requests of a test server.
type recorder struct {
	mu       sync.Mutex
	requests []request
}

// take reads a request and keeps it.
func (rec *recorder) take(t testing.TB, r *http.Request) request {
	got, err := readRequest(r)
	if err != nil {
		t.Errorf("the server could not read the request: %v", err)
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.requests = append(rec.requests, got)
	return got
}

func (rec *recorder) all() []request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return append([]request(nil), rec.requests...)
}

func success(w http.ResponseWriter) { io.WriteString(w, `{"success":true}`) }

// check holds a result against its class, and an error of it against the result.
func check(t testing.TB, got Result, want Class, status int) *Error {
	t.Helper()
	if got.Class != want || got.Status != status {
		t.Fatalf("class %v, status %d (%v); want %v, %d", got.Class, got.Status, got.Err, want, status)
	}
	if want == Accepted {
		if got.Err != nil {
			t.Fatalf("accepted with the error %v", got.Err)
		}
		return nil
	}
	var failure *Error
	if !errors.As(got.Err, &failure) {
		t.Fatalf("the error is a %T, want an *Error", got.Err)
	}
	if failure.Class != want || failure.Status != status || failure.Reason == "" {
		t.Errorf("the error says class %v, status %d, reason %q", failure.Class, failure.Status, failure.Reason)
	}
	requireNoCanary(t, got)
	return failure
}

// requireNoCanary prints values in every form that a program might, and fails where a canary shows.
func requireNoCanary(t testing.TB, values ...any) {
	t.Helper()
	for _, v := range values {
		texts := printed(v)
		if h, ok := v.(*HTTP); ok && h != nil {
			// Not the whole of it: net/http keeps what it last sent in its buffers, and is at work there.
			if h.oauth != nil {
				texts = append(texts, dump(h.oauth.signer)...)
				texts = append(texts, dump(h.oauth.current)...)
			}
		} else {
			texts = append(texts, dump(v)...)
		}
		for _, text := range texts {
			for _, canary := range canaries {
				if strings.Contains(text, canary) {
					t.Errorf("a canary shows in %s", text)
				}
			}
		}
	}
}

// discardLog is for servers whose complaints are part of a test.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
