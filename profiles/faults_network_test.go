package profiles_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Connections that are reset as soon as they are open: what was not sent is sent again, and nothing else comes of it.
func TestFault1ConnectionIsResetBeforeTheRequest(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		var resets atomic.Int64
		url := relay(t, server, func(n int, conn *net.TCPConn) bool {
			if n > 6 {
				return false
			}
			resets.Add(1)
			reset(conn)
			return true
		})
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint = url })
		r.deliver(30)
		r.require(ends{accepted: each(30)})
		r.requireCounted(ends{accepted: each(30)})
		if resets.Load() != 6 {
			t.Errorf("%d connections were reset, want 6", resets.Load())
		}
	})
}

// The server takes a batch and resets the connection instead of answering: the batch comes again with the same ids and bytes, and a
// server that drops repeats has each message once.
func TestFault2ConnectionIsResetBeforeTheAnswer(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		server.Fail(transporttest.ResetAfterRead(), transporttest.Pass(), transporttest.ResetAfterRead(), transporttest.ResetAfterRead())
		r := newTrial(t, server, dir)
		r.deliver(50)
		r.require(ends{accepted: each(50)})
		r.requireCounted(ends{accepted: each(50)})
		s := server.Stats()
		if got := r.client.Stats().Ambiguous; got != 3 || s.Faults[transporttest.FaultResetAfterRead] != 3 {
			t.Errorf("%d attempts are ambiguous after %d resets, want 3", got, s.Faults[transporttest.FaultResetAfterRead])
		}
		if s.Duplicates == 0 || s.Duplicates > 3*10 {
			t.Errorf("%d messages came again, want those of three batches", s.Duplicates)
		}
	})
}

// Every connection dies half a second to one and a half after it was made, whatever it is doing: all is delivered, each profile's
// messages in order.
func TestFault3ConnectionsThatDie(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		config := unlimited
		config.Latency = 200 * time.Millisecond
		server := transporttest.NewPipeServer(t, config)
		rng := rand.New(rand.NewPCG(3, 3))
		var mu sync.Mutex
		died := 0
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := server.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			return mortalConn(conn, 500*time.Millisecond+time.Duration(rng.IntN(1000))*time.Millisecond, func() {
				mu.Lock()
				defer mu.Unlock()
				died++
			}), nil
		}}
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.HTTPClient = &http.Client{Transport: transport} })
		r.deliver(400)
		r.require(ends{accepted: each(400)})
		r.requireCounted(ends{accepted: each(400)})
		if s := r.client.Stats(); died == 0 || s.Ambiguous == 0 || server.Stats().Duplicates > 10*s.Ambiguous {
			t.Errorf("%d connections died, %d attempts are ambiguous, and %d messages came again", died, s.Ambiguous, server.Stats().Duplicates)
		}
	})
}

// An answer whose body breaks off after its status: the status decides, and nothing is sent twice.
func TestFault4AnswerIsTruncated(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		server.FailAlways(transporttest.TruncatedBody())
		r := newTrial(t, server, dir)
		r.deliver(30)
		r.require(ends{accepted: each(30)})
		r.requireFault(transporttest.FaultTruncatedBody)
		if s := server.Stats(); s.Duplicates != 0 || r.client.Stats().Retries != 0 {
			t.Errorf("%d messages came again", s.Duplicates)
		}
	})
}

// A server that never answers: each attempt ends after its time, Close returns in its own and says what is left. A spool keeps it,
// and the next client delivers.
func TestFault5ServerHangs(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		server.FailAlways(transporttest.Hang())
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.AttemptTimeout = 10 * time.Second })
		r.start(20)
		time.Sleep(40 * time.Second)
		hung := server.Stats().Faults[transporttest.FaultHang]
		if hung < 8 || hung > 24 { // two to six times each of four lanes
			t.Errorf("%d requests hung in 40 s", hung)
		}
		for _, req := range server.Requests() {
			if req.Retry > 0 && req.At.Sub(server.Requests()[0].At) < 10*time.Second {
				t.Errorf("a batch was tried again after %v", req.At.Sub(server.Requests()[0].At))
			}
		}
		begun := time.Now()
		if dir == "" {
			left := r.requireLeft(each(20), 0)
			r.require(ends{canceled: each(20)})
			if left.Ambiguous == 0 {
				t.Error("no message is ambiguous")
			}
		} else {
			r.requireLeft(0, each(20))
			r.require(ends{left: each(20)})
		}
		if took := time.Since(begun); took < r.cfg.CloseTimeout || took > r.cfg.CloseTimeout+100*time.Millisecond {
			t.Errorf("Close took %v, its time is %v", took, r.cfg.CloseTimeout)
		}
		if dir != "" {
			server.Heal()
			r.open()
			r.finish()
			r.require(ends{accepted: each(20)})
		}
	})
}

// An answer that comes a byte a second, and one without end: an attempt takes no longer than its time, and no more memory than
// an answer may have. The status has been said: nothing is sent again.
func TestFault6AnswerWithoutEnd(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		server.Fail(transporttest.Drip(time.Second), transporttest.EndlessBody())
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.AttemptTimeout, c.Lanes, c.BatchMessages = 5*time.Second, 1, 100 })
		begun := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.deliver(10)
		runtime.ReadMemStats(&after)
		r.require(ends{accepted: each(10)})
		r.requireFault(transporttest.FaultDrip)
		r.deliver(10)
		r.requireFault(transporttest.FaultEndlessBody)
		r.require(ends{accepted: each(20) + 1})
		if took := time.Since(begun); took < 5*time.Second || took > 12*time.Second {
			t.Errorf("it took %v", took)
		}
		if s := r.client.Stats(); s.Retries != 0 || server.Stats().Duplicates != 0 {
			t.Errorf("%d retries", s.Retries)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
			t.Errorf("%d MB were allocated", allocated>>20)
		}
	})
}

// Answers that are no HTTP, and statuses that nobody answers with: errors of the attempt, which is made again.
func TestFault20AnswersThatAreNoAnswers(t *testing.T) {
	garbage := []string{
		strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), // 1xx without end
		"<html>" + canaryEmail + "</html>\r\n",                 // HTTP/0.9
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",         // TLS
		"SSH-2.0-OpenSSH_9.9\r\n",
		"HTTP/1.1 20",
		"HTTP/1.1 200 OK\r\n: " + canaryKey + "\r\n\r\n", // a header without a name
	}
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		server.Fail(transporttest.Status(206), transporttest.Status(600), transporttest.Status(999))
		var given atomic.Int64
		url := relay(t, server, func(n int, conn *net.TCPConn) bool {
			if n > len(garbage) {
				return false
			}
			if _, ok := readRequest(conn); ok {
				given.Add(1)
				answerRaw(conn, garbage[n-1])
			}
			return true
		})
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.Lanes = url, 16 })
		r.deliver(100)
		r.require(ends{accepted: each(100)})
		r.requireCounted(ends{accepted: each(100)})
		// A connection that net/http made and then had no use for has had none.
		if n := int(given.Load()); n < len(garbage)/2 || r.client.Stats().Ambiguous != n {
			t.Errorf("%d answers of garbage, %d attempts are ambiguous", n, r.client.Stats().Ambiguous)
		}
		if got := server.Stats().Statuses; got[206] != 1 || got[600] != 1 || got[999] != 1 {
			t.Errorf("the server answered %v", got)
		}
	})
}

// A compressed answer that unpacks to a thousand times its size, and headers of 20 MB: neither fills the memory.
func TestFault21AnswersTooLarge(t *testing.T) {
	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := z.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		var bombs, headers atomic.Int64
		front := before(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			taken := httptest.NewRecorder()
			next.ServeHTTP(taken, r)
			bombs.Add(1)
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(taken.Code)
			_, _ = w.Write(bomb.Bytes())
		})
		line := []byte("X-Pad: " + strings.Repeat("x", 8<<10) + "\r\n")
		address := strings.TrimPrefix(front, "http://")
		url := relay(t, server, func(n int, conn *net.TCPConn) bool {
			if n > 1 {
				up, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return true
				}
				var back sync.WaitGroup
				back.Go(func() { _, _ = io.Copy(conn, up); conn.Close() })
				_, _ = io.Copy(up, conn)
				up.Close()
				back.Wait()
				return true
			}
			if _, ok := readRequest(conn); ok {
				headers.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
				for range 20 << 20 / len(line) {
					if _, err := conn.Write(line); err != nil {
						break
					}
				}
			}
			return true
		})
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.Lanes = url, 1 })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.deliver(20)
		runtime.ReadMemStats(&after)
		r.require(ends{accepted: each(20)})
		if headers.Load() != 1 || bombs.Load() == 0 || r.client.Stats().Retries != 1 {
			t.Errorf("%d answers with headers too large, %d bombs, %d retries", headers.Load(), bombs.Load(), r.client.Stats().Retries)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
			t.Errorf("%d MB were allocated", allocated>>20)
		}
	})
}

// HTTP/2: streams that are reset while the body is sent or before the answer, and connections that the server takes leave of.
func TestFault22HTTP2(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		server.Fail(transporttest.ResetBeforeRead(), transporttest.ResetAfterRead(), transporttest.Pass(), transporttest.ResetAfterRead())
		var protocols, farewells atomic.Int64
		front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protocols.Add(int64(r.ProtoMajor - 1))
			if farewells.Add(1) == 5 {
				w.Header().Set("Connection", "close") // GOAWAY
			}
			server.Handler().ServeHTTP(w, r)
		}))
		front.EnableHTTP2 = true
		front.Config.ErrorLog = log.New(io.Discard, "", 0)
		front.StartTLS()
		t.Cleanup(front.Close)
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.HTTPClient = front.URL, front.Client() })
		r.deliver(50)
		r.require(ends{accepted: each(50)})
		r.requireFault(transporttest.FaultResetBeforeRead, transporttest.FaultResetAfterRead)
		s := server.Stats()
		if int(protocols.Load()) != s.Requests || farewells.Load() < 5 || s.Duplicates == 0 {
			t.Errorf("%d of %d requests came over HTTP/2, %d messages again", protocols.Load(), s.Requests, s.Duplicates)
		}
		if c := r.client.Stats(); c.Requests < s.Requests || c.Ambiguous < 2 { // net/http repeats what a server that took leave has not looked at
			t.Errorf("the client counts %d requests and the server %d; %d attempts are ambiguous", c.Requests, s.Requests, c.Ambiguous)
		}
	})
}

// The server ends each connection right after its answer without having said so: the next request may meet it as it ends.
func TestFault23IdleConnectionEndsAsWeWrite(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		var ended atomic.Int64
		url := relay(t, server, func(_ int, conn *net.TCPConn) bool {
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return true
			}
			answer := httptest.NewRecorder()
			server.Handler().ServeHTTP(answer, req)
			body := answer.Body.String()
			ended.Add(1)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s", answer.Code, len(body), body)
			return true
		})
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.Lanes, c.BatchMessages = url, 16, 1 })
		const n = 25
		r.deliver(n)
		r.require(ends{accepted: each(n)})
		if ended.Load() < int64(each(n)) {
			t.Errorf("%d connections ended after their answer", ended.Load())
		}
		if s := server.Stats(); s.Requests > each(n)+each(n)/2 {
			t.Errorf("%d requests for %d batches", s.Requests, each(n))
		}
	})
}

// A header Idempotency-Key would have net/http resend a POST by itself. The library sets none; where somebody's RoundTripper does,
// the repetition has the same messages, and is counted.
func TestFault24IdempotencyKey(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		r := newTrial(t, server, dir)
		r.deliver(5)
		for _, req := range server.Requests() {
			if req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil {
				t.Fatal("a request has an Idempotency-Key")
			}
		}
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		r.cfg.HTTPClient = &http.Client{Transport: adding{new(http.Transport)}}
		r.cfg.Lanes = 1
		r.open()
		r.deliver(1) // so that there are connections to be used again
		begun := server.Stats().Requests - r.client.Stats().Requests
		server.Fail(transporttest.ResetAfterRead(), transporttest.ResetAfterRead(), transporttest.ResetAfterRead())
		r.deliver(5)
		r.requireArrived()
		r.requireFault(transporttest.FaultResetAfterRead)
		counted, came := r.client.Stats(), server.Stats()
		if all := came.Requests - begun; counted.Requests < all {
			t.Errorf("the client counts %d requests, and %d came", counted.Requests, all)
		}
		if counted.Requests <= counted.Attempts {
			t.Errorf("%d attempts, %d requests: net/http has not repeated one by itself", counted.Attempts, counted.Requests)
		}
		if came.Duplicates == 0 {
			t.Error("no message came again")
		}
	})
}

type adding struct{ *http.Transport }

func (a adding) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Idempotency-Key", "k")
	return a.Transport.RoundTrip(req)
}

// The name does not resolve, then does; later the server at its address fails for long, and the name has come to mean another one:
// the queue is kept, and the client asks for the address again.
func TestFault25NameAndAddressChange(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		old := transporttest.NewPipeServer(t, unlimited)
		server := transporttest.NewPipeServer(t, unlimited)
		var mu sync.Mutex
		unresolved, dials, moved := 0, 0, false
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dials++
			if unresolved < 10 {
				unresolved++
				return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}}
			}
			if moved {
				return server.DialContext(ctx, network, address)
			}
			return old.DialContext(ctx, network, address)
		}}
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.HTTPClient = &http.Client{Transport: transport} })
		old.FailAlways(transporttest.Status(503))
		r.start(20)
		time.Sleep(90 * time.Second)
		mu.Lock()
		moved = true
		mu.Unlock()
		r.finish()
		r.require(ends{accepted: each(20)})
		r.requireCounted(ends{accepted: each(20)})
		if n := old.Stats().Faults[transporttest.FaultStatus]; unresolved != 10 || n < 5 {
			t.Errorf("%d lookups failed, and the old server answered %d times", unresolved, n)
		}
		if n := old.Stats().Requests; n > 60 {
			t.Errorf("%d requests in a minute and a half to a server that fails", n)
		}
	})
}

// A certificate that is not trusted does not get better by asking again: one attempt a lane, then the key fails fast in memory, or
// waits in the spool until a client trusts it.
func TestFault26Certificates(t *testing.T) {
	inMemoryAndSpooled(t, func(t *testing.T, dir string) {
		server := transporttest.NewServerWith(t, unlimited)
		var handshakes atomic.Int64
		front := httptest.NewUnstartedServer(server.Handler())
		front.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			handshakes.Add(1)
			return nil, nil
		}}
		front.Config.ErrorLog = log.New(io.Discard, "", 0)
		front.StartTLS()
		t.Cleanup(front.Close)
		r := newTrial(t, server, dir, func(c *profiles.Config) { c.Endpoint, c.CloseTimeout = front.URL, 50*time.Millisecond })
		if dir == "" {
			r.deliver(100)
			r.require(ends{rejected: each(100)})
		} else {
			r.start(100)
			waitFor(t, func() bool { s := r.client.Stats(); return s.Attempts > 0 && s.Stored == each(100) })
			r.requireLeft(0, each(100))
		}
		if n := handshakes.Load(); n == 0 || n > 2*profiles.DefaultLanes {
			t.Errorf("%d handshakes with a server that is not trusted", n)
		}
		if !r.logged("not accepted by what answers at the endpoint") || server.Stats().Requests != 0 {
			t.Errorf("it is not logged, or a request came through")
		}
		if dir != "" {
			r.cfg.HTTPClient, r.cfg.CloseTimeout = front.Client(), 5*time.Second
			r.open()
			r.finish()
			r.require(ends{accepted: each(100)})
		}
	})
}

// A proxy that wants credentials, asked to connect or for a plain request, is a fault of the configuration, as a certificate is. Its
// password shows nowhere.
func TestFault27Proxy(t *testing.T) {
	for _, scheme := range []string{"https", "http"} {
		t.Run("Fault27_"+scheme, func(t *testing.T) {
			inMemoryAndSpooled(t, func(t *testing.T, dir string) {
				server := transporttest.NewServerWith(t, unlimited)
				front := httptest.NewUnstartedServer(server.Handler())
				if scheme == "https" {
					front.StartTLS()
				} else {
					front.Start()
				}
				t.Cleanup(front.Close)
				var refused atomic.Int64
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if connect := req.Method == http.MethodConnect; connect != (scheme == "https") {
						t.Errorf("the proxy was asked to %s", req.Method)
					}
					refused.Add(1)
					w.Header().Set("Proxy-Authenticate", `Basic realm="`+canaryEmail+`"`)
					w.WriteHeader(http.StatusProxyAuthRequired)
					_, _ = io.WriteString(w, canaryEmail+req.Header.Get("Proxy-Authorization"))
				}))
				t.Cleanup(proxy.Close)
				u, err := url.Parse(proxy.URL)
				if err != nil {
					t.Fatal(err)
				}
				u.User = url.UserPassword("user", canaryKey)
				direct := front.Client().Transport.(*http.Transport)
				proxied := direct.Clone()
				proxied.Proxy = func(*http.Request) (*url.URL, error) { return u, nil }
				r := newTrial(t, server, dir, func(c *profiles.Config) {
					c.Endpoint, c.HTTPClient, c.CloseTimeout = front.URL, &http.Client{Transport: proxied}, 50*time.Millisecond
				})
				if dir == "" {
					r.deliver(100)
					r.require(ends{rejected: each(100)})
				} else {
					r.start(100)
					waitFor(t, func() bool { return refused.Load() > 0 && r.client.Stats().Stored == each(100) })
					r.requireLeft(0, each(100))
				}
				if n := refused.Load(); n == 0 || n > 2*profiles.DefaultLanes {
					t.Errorf("the proxy was asked %d times", n)
				}
				if dir != "" {
					r.cfg.HTTPClient, r.cfg.CloseTimeout = &http.Client{Transport: direct}, 5*time.Second
					r.open()
					r.finish()
					r.require(ends{accepted: each(100)})
				}
			})
		})
	}
}

// waitFor waits for what happens on other goroutines' time.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not come to that within 30 s")
		}
	}
}

// The server takes the batch and answers 500 in three of ten cases: what comes again is the same, and is dropped as such.
func TestFault28ServerTakesAndFails(t *testing.T) {
	inBubbles(t, func(t *testing.T, dir string) {
		server := transporttest.NewPipeServer(t, unlimited)
		if err := server.SetFaults(transporttest.Faults{Seed: 28, ErrorAfter: 0.3}); err != nil {
			t.Fatal(err)
		}
		r := newTrial(t, server, dir)
		r.deliver(300)
		r.require(ends{accepted: each(300)})
		r.requireCounted(ends{accepted: each(300)})
		r.requireFault(transporttest.FaultAcceptThenStatus)
		if s := server.Stats(); s.Duplicates == 0 {
			t.Error("no message came twice")
		}
	})
}
