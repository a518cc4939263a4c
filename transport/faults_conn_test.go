package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The rows of the fault matrix that are about the connection. Numbers in the names are the rows'.

// readRawRequest reads a whole request from a connection.
func readRawRequest(conn net.Conn) bool {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func TestFault1ConnectionEndsBeforeTheRequest(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		h := newTestHTTP(t, HTTPConfig{Endpoint: "http://" + l.Addr().String()})
		result := h.Deliver(t.Context(), newBatch(1, "m"))
		check(t, result, Retry, 0)
		if result.Ambiguous || result.Requests != 3 {
			t.Errorf("%+v, want three requests of which nothing was sent", result)
		}
		if op := (*net.OpError)(nil); !errors.As(result.Err, &op) {
			t.Errorf("the cause is %v", errors.Unwrap(result.Err))
		}
	})
	t.Run("reset in the TLS handshake, then well", func(t *testing.T) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { success(w) }))
		t.Cleanup(server.Close)
		var conns atomic.Int64
		base := newListener(t, func(conn *net.TCPConn) {
			if conns.Add(1) <= 2 {
				io.ReadFull(conn, make([]byte, 5))
				reset(conn)
				return
			}
			pipe(conn, server.Listener.Addr().String())
		})
		h := newTestHTTP(t, HTTPConfig{Endpoint: strings.Replace(base, "http:", "https:", 1), Client: server.Client()})
		result := h.Deliver(t.Context(), newBatch(1, "m"))
		check(t, result, Accepted, 200)
		if result.Requests != 3 || conns.Load() != 3 {
			t.Errorf("%d requests over %d connections", result.Requests, conns.Load())
		}
		h.CloseIdleConnections()
	})
	t.Run("reset as soon as it is open", func(t *testing.T) {
		// Whether net/http has handed the body to the kernel by then is chance: where it has, there is no second request.
		h := newTestHTTP(t, HTTPConfig{Endpoint: newListener(t, reset)})
		for range 10 {
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Retry, 0)
			if !result.Ambiguous && result.Requests != 3 {
				t.Fatalf("%+v: nothing was sent, and it was not tried three times", result)
			}
		}
	})
}

// pipe connects a connection to an address until either side ends.
func pipe(conn net.Conn, address string) {
	up, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer up.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(up, conn)
		up.(*net.TCPConn).CloseWrite()
	})
	io.Copy(conn, up)
	conn.Close()
	wg.Wait()
}

func TestFault2ConnectionEndsBeforeTheAnswer(t *testing.T) {
	var rec recorder
	var seen atomic.Int64
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		rec.take(t, r)
		if seen.Add(1) <= 3 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			reset(conn.(*net.TCPConn))
			return
		}
		success(w)
	})
	batch := newBatch(50, "m")
	attempts, ambiguous := deliverUntilAccepted(t, h, batch)
	if attempts != 4 || ambiguous != 3 {
		t.Errorf("%d attempts, %d of them ambiguous", attempts, ambiguous)
	}
	if n := len(rec.all()); n != 4 {
		t.Fatalf("the server saw %d requests", n)
	}
	for _, got := range rec.all() {
		inner := bytes.TrimPrefix(got.body, []byte(bodyHead))
		if !bytes.HasPrefix(inner, batch.Joined()) {
			t.Error("the messages are not the same bytes each time")
		}
	}
}

// Each connection ends after so many bytes in either direction.
func TestFault3ConnectionsThatDie(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var mu sync.Mutex
	taken := map[string]int{}
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := readRequest(r)
		if err != nil {
			return // cut off on its way
		}
		mu.Lock()
		for _, id := range got.envelope.ids() {
			taken[id]++
		}
		mu.Unlock()
		success(w)
	})
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		return &dyingConn{Conn: conn, reads: 50 + rng.IntN(500), writes: rng.IntN(40_000)}, err
	}
	h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: &http.Client{Transport: transport}})
	attempts, ambiguous := 0, 0
	for i := range 40 {
		a, b := deliverUntilAccepted(t, h, newBatch(20+i*4, fmt.Sprint("b", i)))
		attempts, ambiguous = attempts+a, ambiguous+b
	}
	doubled := 0
	for _, n := range taken {
		doubled += n - 1
	}
	if want := 40*20 + 4*40*39/2; len(taken) != want {
		t.Errorf("%d messages of %d arrived", len(taken), want)
	}
	if ambiguous == 0 || attempts == 40 {
		t.Errorf("%d attempts, %d of them ambiguous: nothing was tested", attempts, ambiguous)
	}
	if doubled > ambiguous*180 {
		t.Errorf("%d messages came more than once, after %d ambiguous attempts", doubled, ambiguous)
	}
}

type dyingConn struct {
	net.Conn
	reads, writes int
}

func (c *dyingConn) Read(p []byte) (int, error) {
	if c.reads <= 0 {
		reset(c.Conn.(*net.TCPConn))
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("died")}
	}
	n, err := c.Conn.Read(p[:min(len(p), c.reads)])
	c.reads -= n
	return n, err
}

func (c *dyingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), max(c.writes, 0))])
	c.writes -= n
	if err == nil && n < len(p) {
		reset(c.Conn.(*net.TCPConn))
		err = &net.OpError{Op: "write", Net: "tcp", Err: errors.New("died")}
	}
	return n, err
}

func TestFault5ServerThatHangs(t *testing.T) {
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, AttemptTimeout: 30 * time.Millisecond})
	begin := time.Now()
	result := h.Deliver(t.Context(), newBatch(1, "m"))
	check(t, result, Retry, 0)
	if took := time.Since(begin); took < 30*time.Millisecond || took > 5*time.Second || !result.Ambiguous || result.Requests != 1 {
		t.Errorf("after %v: %+v", took, result)
	}
	if !errors.Is(result.Err, context.DeadlineExceeded) {
		t.Errorf("the cause is %v", errors.Unwrap(result.Err))
	}
}

func newHTTP2Server(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestFault22HTTP2(t *testing.T) {
	t.Run("stream reset in the middle of the body", func(t *testing.T) {
		var seen atomic.Int64
		server := newHTTP2Server(t, func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("protocol %s", r.Proto)
			}
			if seen.Add(1) <= 2 {
				io.ReadFull(r.Body, make([]byte, 1_000))
				panic(http.ErrAbortHandler)
			}
			io.Copy(io.Discard, r.Body)
			success(w)
		})
		h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: server.Client()})
		attempts, ambiguous := deliverUntilAccepted(t, h, largeBatch("m"))
		if attempts != 3 || ambiguous != 2 || seen.Load() != 3 {
			t.Errorf("%d attempts, %d ambiguous, %d seen", attempts, ambiguous, seen.Load())
		}
	})
	t.Run("GOAWAY after each answer", func(t *testing.T) {
		var seen atomic.Int64
		server := newHTTP2Server(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			seen.Add(1)
			w.Header().Set("Connection", "close")
			success(w)
		})
		h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: server.Client()})
		for range 20 {
			deliverUntilAccepted(t, h, newBatch(10, "m"))
		}
		if seen.Load() != 20 {
			t.Errorf("%d requests for 20 batches", seen.Load())
		}
	})
	t.Run("GOAWAY in place of an answer", func(t *testing.T) {
		server := newFrameServer(t, func(conn net.Conn, kind, flags byte, stream uint32) {
			if kind == 0 && flags&1 == 1 {
				writeFrame(conn, 7, 0, 0, append([]byte{0, 0, 0, byte(stream), 0, 0, 0, 2}, canaryMail...)) // INTERNAL_ERROR
				conn.Close()
			}
		})
		h := newTestHTTP(t, HTTPConfig{Endpoint: server.url, Client: server.client})
		result := h.Deliver(t.Context(), newBatch(1, "m"))
		failure := check(t, result, Retry, 0)
		if !result.Ambiguous {
			t.Errorf("%+v", result)
		}
		requireNoCanary(t, failure.Err.Error())
	})
	t.Run("stream refused", func(t *testing.T) {
		// net/http repeats what the server says that it has not looked at; the repetition is counted.
		for _, gzip := range []bool{false, true} {
			var refused atomic.Int64
			server := newFrameServer(t, func(conn net.Conn, kind, flags byte, stream uint32) {
				switch {
				case kind == 1 && refused.CompareAndSwap(0, 1):
					writeFrame(conn, 3, 0, stream, []byte{0, 0, 0, 7}) // RST_STREAM, REFUSED_STREAM
				case kind == 0 && flags&1 == 1 && stream > 1:
					writeFrame(conn, 1, 5, stream, []byte{0x88}) // HEADERS, the last of the stream: ":status: 200"
				}
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.url, Client: server.client, Gzip: gzip})
			result := h.Deliver(t.Context(), newBatch(10, "m"))
			check(t, result, Accepted, 200)
			if refused.Load() != 1 || result.Requests != 2 {
				t.Errorf("refused %d times, %d requests counted", refused.Load(), result.Requests)
			}
		}
	})
}

// A frameServer speaks just enough HTTP/2 to do with a client's HEADERS and DATA what a test wants.
type frameServer struct {
	url    string
	client *http.Client
}

func newFrameServer(t *testing.T, serve func(conn net.Conn, kind, flags byte, stream uint32)) *frameServer {
	donor := newHTTP2Server(t, func(http.ResponseWriter, *http.Request) {})
	config := &tls.Config{Certificates: donor.TLS.Certificates, NextProtos: []string{"h2"}}
	base := newListener(t, func(raw *net.TCPConn) {
		conn := tls.Server(raw, config)
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		writeFrame(conn, 4, 0, 0, nil) // SETTINGS
		for {
			head := make([]byte, 9)
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			length, kind, flags := int(head[0])<<16|int(head[1])<<8|int(head[2]), head[3], head[4]
			if _, err := io.CopyN(io.Discard, conn, int64(length)); err != nil {
				return
			}
			if kind == 4 && flags&1 == 0 {
				writeFrame(conn, 4, 1, 0, nil) // the client's SETTINGS are acknowledged
			}
			serve(conn, kind, flags, uint32(head[5])<<24|uint32(head[6])<<16|uint32(head[7])<<8|uint32(head[8]))
		}
	})
	return &frameServer{url: strings.Replace(base, "http:", "https:", 1), client: donor.Client()}
}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	head := []byte{0, 0, byte(len(payload)), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}
	w.Write(append(head, payload...))
}

// The server closes each connection right after its answer, without saying so before: the next request meets a connection that
// is just about to end.
func TestFault23IdleConnectionEndsAsWeWrite(t *testing.T) {
	var mu sync.Mutex
	taken := map[string]int{}
	base := newListener(t, func(conn *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		got, err := readRequest(r)
		if err != nil {
			return
		}
		mu.Lock()
		for _, id := range got.envelope.ids() {
			taken[id]++
		}
		mu.Unlock()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":true}")
	})
	h := newTestHTTP(t, HTTPConfig{Endpoint: base})
	more, ambiguous := 0, 0
	for i := range 1_000 {
		a, b := deliverUntilAccepted(t, h, newBatch(1, fmt.Sprint("b", i)))
		more, ambiguous = more+a-1, ambiguous+b
	}
	if len(taken) != 1_000 {
		t.Errorf("%d batches of 1,000 arrived", len(taken))
	}
	t.Logf("%d further attempts, %d ambiguous", more, ambiguous)
}

func TestFault26Certificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request came through") }))
	server.Config.ErrorLog = discardLog()
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := func(change func(*tls.Config)) *http.Client {
		transport := newTransport()
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
		if change != nil {
			change(transport.TLSClientConfig)
		}
		return &http.Client{Transport: transport}
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request came through") }))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = discardLog()
	old.StartTLS()
	t.Cleanup(old.Close)
	clientCert := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request came through") }))
	clientCert.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	clientCert.Config.ErrorLog = discardLog()
	clientCert.StartTLS()
	t.Cleanup(clientCert.Close)
	plain := newServer(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request came through") })
	for _, c := range []struct {
		name, url string
		client    *http.Client
	}{
		{"unknown authority", server.URL, nil},
		{"another host's", strings.Replace(server.URL, "127.0.0.1", "localhost", 1), trusted(nil)},
		{"expired", server.URL, trusted(func(c *tls.Config) { c.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) } })},
		{"TLS 1.1 at most", old.URL, trusted(nil)},
		{"client certificate wanted", clientCert.URL, trusted(nil)},
		{"plain HTTP", strings.Replace(plain.URL, "http:", "https:", 1), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Endpoint: c.url, Client: c.client})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Configuration, 0)
			if result.Requests != 1 {
				t.Errorf("%d requests", result.Requests)
			}
		})
	}
}

func TestFault27Proxy(t *testing.T) {
	for _, c := range []struct {
		status int
		want   Class
	}{
		{407, Configuration}, {403, Configuration}, {405, Configuration}, {502, Retry}, {503, Retry}, {429, Retry},
	} {
		proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Proxy-Authenticate", `Basic realm="`+canaryMail+`"`)
			w.WriteHeader(c.status)
			io.WriteString(w, "denied "+canaryMail)
		})
		u, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("user", canaryKey)
		transport := newTransport()
		transport.Proxy = http.ProxyURL(u)
		t.Run(fmt.Sprintf("CONNECT answered %d", c.status), func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: transport}})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, c.want, 0)
			if result.Ambiguous || result.Requests != 1 {
				t.Errorf("%+v", result)
			}
			requireNoCanary(t, errors.Unwrap(result.Err).Error())
		})
	}
	t.Run("CONNECT answered 407, over a user's transport", func(t *testing.T) {
		proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(407) })
		u, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: client})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Configuration, 0)
	})
	t.Run("plain request answered 407", func(t *testing.T) {
		h := toHandler(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(407) })
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Configuration, 407)
	})
	t.Run("proxy that is not there", func(t *testing.T) {
		transport := newTransport()
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: transport}})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Retry, 0)
	})
	t.Run("address that is no URL", func(t *testing.T) {
		transport := newTransport()
		transport.Proxy = func(*http.Request) (*url.URL, error) { return nil, &proxyError{} }
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: transport}})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Configuration, 0)
	})
}

// Row 25: a name that does not resolve is not looked up three times in a row, and the messages stay the caller's.
func TestFault25NameThatDoesNotResolve(t *testing.T) {
	transport := newTransport()
	var lookups atomic.Int64
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		lookups.Add(1)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "segment.example.com", IsNotFound: true}}
	}
	h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: transport}})
	result := h.Deliver(t.Context(), newBatch(1, "m"))
	check(t, result, Retry, 0)
	if result.Requests != 1 || lookups.Load() != 1 || result.Ambiguous {
		t.Errorf("%d lookups, %+v", lookups.Load(), result)
	}
	if dns := (*net.DNSError)(nil); !errors.As(result.Err, &dns) {
		t.Errorf("the cause is %v", errors.Unwrap(result.Err))
	}
}

func TestFault68RoundTrippers(t *testing.T) {
	quoting := errors.New("could not send Authorization: " + basic(canaryKey) + " for " + canaryKey)
	for _, c := range []struct {
		name      string
		trip      roundTrip
		want      Class
		status    int
		ambiguous bool
		reason    string
	}{
		{"neither answer nor error", func(*http.Request) (*http.Response, error) { return nil, nil }, Retry, 0, false, "neither"},
		{"both", func(*http.Request) (*http.Response, error) { return answer(200, ""), io.ErrClosedPipe }, Retry, 0, false, "failed"},
		{"no body", func(*http.Request) (*http.Response, error) {
			r := answer(200, "")
			r.Body, r.ContentLength = nil, 5
			return r, nil
		}, Accepted, 200, false, ""},
		{"a panic", func(*http.Request) (*http.Response, error) { panic("secret " + canaryKey) }, Retry, 0, false, "panicked"},
		{"a panic of the runtime", func(*http.Request) (*http.Response, error) { return (*http.Client)(nil).Get("") }, Retry, 0, false, "panicked"},
		{"a panic after the body", func(r *http.Request) (*http.Response, error) { io.Copy(io.Discard, r.Body); panic(r) }, Retry, 0, true, "panicked"},
		{"a body that panics", func(*http.Request) (*http.Response, error) {
			r := answer(200, "")
			r.Body = panickingBody{}
			return r, nil
		}, Accepted, 200, false, ""},
		{"an error that quotes the credentials", func(*http.Request) (*http.Response, error) { return nil, quoting }, Retry, 0, false, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: c.trip}})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			failure := check(t, result, c.want, c.status)
			if result.Ambiguous != c.ambiguous || result.Requests != 1 {
				t.Errorf("%+v", result)
			}
			if failure != nil {
				if !strings.Contains(failure.Reason, c.reason) {
					t.Errorf("the reason is %q", failure.Reason)
				}
				requireNoCanary(t, failure.Err.Error())
			}
		})
	}
	if !strings.Contains(newPanicError("x").Error(), "string") {
		t.Error("a panic's type is lost")
	}
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic(canaryMail) }
func (panickingBody) Close() error             { return nil }

// Whatever RoundTrippers leave unread, connections are closed and no goroutine stays: TestMain sees to that.
func TestConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(503)
		w.Write(make([]byte, MaxResponseBytes+maxDrain-1))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL})
	for range failuresBeforeDNS {
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Retry, 503)
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
}
