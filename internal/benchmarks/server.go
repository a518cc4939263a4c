package benchmarks

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// A server takes batches over HTTP on loopback and counts the events in them. It is the same for everyone who is measured.
type server struct {
	url  string
	http *http.Server

	mu      sync.Mutex
	arrived int
	wire    int64 // bytes of bodies as they came
	plain   int64 // and as they were
	want    int
	done    chan struct{} // closed when want have arrived
}

func newServer(tb testing.TB) *server {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &server{url: "http://" + listener.Addr().String()}
	s.http = &http.Server{Handler: s}
	go s.http.Serve(listener)
	tb.Cleanup(func() { s.http.Close() })
	return s
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ServeHTTP counts a batch.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "batch") { // posthog-go asks for other things, too
		io.WriteString(w, "{}")
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(r.Body); err != nil {
		return
	}
	wire, text := body.Len(), body.Bytes()
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if text, err = io.ReadAll(z); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	n := bytes.Count(text, []byte(marker))
	io.WriteString(w, `{"success":true}`)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived += n
	s.wire += int64(wire)
	s.plain += int64(len(text))
	if s.done != nil && s.arrived >= s.want {
		close(s.done)
		s.done = nil
	}
}

// expect returns a channel that is closed when n more events have arrived.
func (s *server) expect(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan struct{})
	s.arrived, s.wire, s.plain, s.want, s.done = 0, 0, 0, n, done
	return done
}

// count returns how many events have arrived since expect was called.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}
