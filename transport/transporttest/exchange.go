package transporttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// drainBytes is how much of a body that is too large is still read, so that the client comes to read the answer.
const drainBytes = 8 << 20

// An exchange is one request and its answer.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	entry   *Request // guarded by the server's mutex
	at      time.Time
	buffer  *bytes.Buffer
	body    []byte
	readErr error  // why the body could not be read
	success string // the body of an answer that says it went well
}

// A refusal is the answer to a request that is not taken. Nil: it is.
type refusal struct {
	status    int
	header    http.Header
	message   string
	throttled bool
	fault     FaultKind
}

func badRequest(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, message: message}
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, w: w, r: r, at: time.Now(), success: `{"success":true}`}
	if !x.begin() {
		panic(http.ErrAbortHandler) // the server is closed
	}
	defer s.serving.Done()
	defer x.release()
	switch path := r.URL.Path; path {
	case "/v1/batch":
		x.run(&s.script, func() *refusal { return x.take("") })
	case "/v1/identify", "/v1/group", "/v1/track":
		x.run(&s.script, func() *refusal { return x.take(strings.TrimPrefix(path, "/v1/")) })
	case "/token":
		x.run(&s.tokens, x.issue)
	default:
		if key, ok := settingsKey(path); ok {
			x.settings(key)
			return
		}
		x.refuse(&refusal{status: http.StatusNotFound, message: "no such endpoint"})
	}
}

// begin counts the request and notes what its header says. It tells whether the server is still open.
func (x *exchange) begin() bool {
	header := x.r.Header
	auth, _, _ := strings.Cut(header.Get("Authorization"), " ")
	retry, _ := strconv.Atoi(header.Get("X-Retry-Count"))
	path := x.r.URL.Path
	if _, ok := settingsKey(path); ok {
		path = "/v1/projects/{writeKey}/settings"
	}
	x.entry = &Request{At: x.at, Method: x.r.Method, Path: path, Auth: auth, Retry: retry}

	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if x.s.closed {
		return false
	}
	x.s.serving.Add(1)
	x.s.stats.Requests++
	x.entry.Number = x.s.stats.Requests
	if !x.s.config.Discard {
		x.entry.Header = maps.Clone(header)
		x.entry.Header.Del("Authorization")
		x.s.requests = append(x.s.requests, x.entry)
	}
	x.s.changes.notify()
	return true
}

func settingsKey(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/v1/projects/")
	if !ok {
		return "", false
	}
	key, ok := strings.CutSuffix(rest, "/settings")
	return key, ok && key != "" && !strings.Contains(key, "/")
}

// run lets the request fare as the script says: take is what the endpoint does where nothing goes wrong.
func (x *exchange) run(c *script, take func() *refusal) {
	x.s.mu.Lock()
	step, scripted := c.next()
	x.s.mu.Unlock()
	if !step.unread {
		x.read()
	}
	if step.takes {
		if refused := take(); refused != nil {
			if scripted && step.kind != "" {
				x.s.mu.Lock()
				c.steps = append([]Step{step}, c.steps...)
				x.s.mu.Unlock()
			}
			x.refuse(refused)
			return
		}
	}
	x.note(step.status, step.kind, false)
	x.delay()
	step.do(x)
}

// settings answers whether a write key exists, as the CDN does.
func (x *exchange) settings(key string) {
	if x.r.Method != http.MethodGet || !x.s.knows(transport.NewWriteKey(key)) {
		x.refuse(&refusal{status: http.StatusNotFound, message: "no such source"})
		return
	}
	x.note(http.StatusOK, "", false)
	x.delay()
	x.write(http.StatusOK, nil, `{"integrations":{}}`)
}

// note counts how the request ends. It comes before the answer, so that a client that has its answer finds it counted.
func (x *exchange) note(status int, fault FaultKind, throttled bool) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.entry.Status, x.entry.Fault, x.entry.Throttled = status, fault, throttled
	x.s.stats.Statuses[status]++
	if fault != "" {
		x.s.stats.Faults[fault]++
	}
	if throttled {
		x.s.stats.Throttled++
	}
	x.s.changes.notify()
}

func (x *exchange) refuse(r *refusal) {
	x.note(r.status, r.fault, r.throttled)
	x.delay()
	x.write(r.status, r.header, `{"success":false,"message":`+strconv.Quote(r.message)+`}`)
}

func (x *exchange) succeed() { x.write(http.StatusOK, nil, x.success) }

func (x *exchange) write(status int, header http.Header, body string) {
	x.header(status, header, len(body))
	_, _ = io.WriteString(x.w, body)
}

func (x *exchange) delay() {
	if x.s.config.Latency > 0 {
		x.s.pause(x.r.Context(), x.s.config.Latency)
	}
}

// pause waits, and tells whether neither the client nor the server has given up.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}

var errTooLarge = errors.New("body is too large")

// read reads the body, decompressed, up to the limit of a request and one byte.
func (x *exchange) read() {
	x.buffer = x.s.newBuffer(x.r.ContentLength)
	wire := &counter{r: x.r.Body}
	x.readErr = x.decompress(wire)
	if x.readErr == nil && x.buffer.Len() > transport.MaxBatchBytes {
		x.readErr = errTooLarge
	}
	_, _ = io.CopyN(io.Discard, wire, drainBytes)
	x.body = x.buffer.Bytes()

	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.entry.BytesWire, x.entry.BytesBody = wire.n, int64(len(x.body))
	x.s.stats.BytesWire += wire.n
	x.s.stats.BytesBody += int64(len(x.body))
	if !x.s.config.Discard {
		x.entry.body = x.buffer.Bytes
	}
}

func (x *exchange) decompress(wire io.Reader) error {
	source := wire
	if strings.EqualFold(x.r.Header.Get("Content-Encoding"), "gzip") {
		z, _ := x.s.gzips.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		defer x.s.gzips.Put(z)
		if err := z.Reset(wire); err != nil {
			return err
		}
		source = z
	}
	_, err := x.buffer.ReadFrom(io.LimitReader(source, transport.MaxBatchBytes+1))
	return err
}

// newBuffer returns an empty buffer. Only a server that keeps nothing can use one again.
func (s *Server) newBuffer(length int64) *bytes.Buffer {
	b, _ := s.buffers.Get().(*bytes.Buffer)
	if b == nil {
		b = new(bytes.Buffer)
	}
	b.Reset()
	if length > 0 {
		b.Grow(int(min(length, transport.MaxBatchBytes)) + bytes.MinRead)
	}
	return b
}

func (x *exchange) release() {
	if x.buffer != nil && x.s.config.Discard {
		x.s.buffers.Put(x.buffer)
	}
}

// A counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// isJSON tells whether a request's body says that it is JSON.
func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
