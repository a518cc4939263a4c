package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The rows of the fault matrix that are about an answer. Numbers in the names are the rows'.

func TestFault11To17And20Statuses(t *testing.T) {
	want := map[int]Class{
		200: Accepted, 201: Accepted, 202: Accepted, 203: Accepted, 204: Accepted, 205: Accepted, 206: Retry, 207: Accepted,
		300: Configuration, 304: Configuration, 399: Configuration,
		400: Split, 413: Split, 401: Credentials, 403: Credentials, 404: Configuration, 407: Configuration,
		402: Final, 405: Final, 409: Final, 415: Final, 418: Final, 421: Final, 422: Final, 431: Final, 451: Final, 499: Final,
		408: Retry, 410: Retry, 429: Retry, 460: Retry,
		500: Retry, 502: Retry, 503: Retry, 504: Retry, 507: Retry, 520: Retry, 529: Retry, 599: Retry,
		501: Final, 505: Final, 511: Final,
		600: Retry, 999: Retry,
	}
	var status, requests atomic.Int64
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(int(status.Load()))
	})
	for code, class := range want {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			status.Store(int64(code))
			requests.Store(0)
			result := h.Deliver(t.Context(), newBatch(2, "m"))
			failure := check(t, result, class, code)
			if requests.Load() != 1 || result.Requests != 1 {
				t.Errorf("%d requests, counted %d", requests.Load(), result.Requests)
			}
			wait := time.Duration(0)
			if class == Retry {
				wait = 7 * time.Second
			}
			if result.RetryAfter != wait || result.Ambiguous {
				t.Errorf("RetryAfter %v, ambiguous %v", result.RetryAfter, result.Ambiguous)
			}
			if failure != nil && (failure.Host == "" || !strings.Contains(failure.Error(), strconv.Itoa(code))) {
				t.Errorf("the error is %q", failure)
			}
		})
	}
}

func TestFault4TruncatedAnswerTo200(t *testing.T) {
	for name, raw := range map[string]string{
		"shorter than its length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"success\":true",
		"chunk that is cut off":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"succ",
		"broken chunk (row 20)":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Endpoint: newListener(t, rawAnswer(raw))})
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
		})
	}
}

// rawAnswer reads a request and answers with bytes.
func rawAnswer(raw string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		if readRawRequest(conn) {
			io.WriteString(conn, raw)
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
		}
	}
}

func TestFault6AnswerWithoutEnd(t *testing.T) {
	t.Run("endless", func(t *testing.T) {
		var sent atomic.Int64
		h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			piece := bytes.Repeat([]byte(" "), 32<<10)
			for {
				n, err := w.Write(piece)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
	})
	for _, status := range []int{200, 503} {
		t.Run(fmt.Sprintf("a byte of %d, and no more", status), func(t *testing.T) {
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
				io.WriteString(w, "{")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, AttemptTimeout: 50 * time.Millisecond})
			begin := time.Now()
			want := Accepted
			if status != 200 {
				want = Retry
			}
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), want, status)
			if took := time.Since(begin); took < 50*time.Millisecond || took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestFault7To9RetryAfterOnTheWire(t *testing.T) {
	for _, status := range []int{408, 410, 429, 460, 500, 503, 529} {
		for value, want := range map[string]time.Duration{"": 0, "2": 2 * time.Second, "1.5": 1500 * time.Millisecond, "-1": 0, "99999999999999999999": MaxRetryAfter} {
			t.Run(fmt.Sprintf("%d with %q", status, value), func(t *testing.T) {
				h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
					if value != "" {
						w.Header().Set("Retry-After", value)
					}
					w.WriteHeader(status)
				})
				result := h.Deliver(t.Context(), newBatch(1, "m"))
				check(t, result, Retry, status)
				if result.RetryAfter != want {
					t.Errorf("RetryAfter is %v, want %v", result.RetryAfter, want)
				}
			})
		}
	}
}

// Half of all answers are failures; in row 28 the server has taken the batch all the same. Every message arrives, with one id.
func TestFault10And28FailuresThatPass(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 28))
	taken := map[string]int{}
	lost, doubled := 0, 0
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := readRequest(r)
		if err != nil {
			t.Error(err)
		}
		fails, applies := rng.IntN(2) == 0, rng.IntN(10) < 3
		if !fails || applies {
			for _, id := range got.envelope.ids() {
				if taken[id]++; taken[id] > 1 {
					doubled++
				}
			}
		}
		if n, _ := strconv.Atoi(got.header.Get("X-Retry-Count")); n != lost {
			t.Errorf("X-Retry-Count is %d, %d attempts went before", n, lost)
		}
		if fails {
			lost++
			w.WriteHeader([]int{500, 502, 503, 504}[rng.IntN(4)])
			return
		}
		lost = 0
		success(w)
	})
	for i := range 60 {
		batch := newBatch(3, fmt.Sprint("b", i))
		deliverUntilAccepted(t, h, batch)
	}
	if len(taken) != 180 || doubled == 0 {
		t.Errorf("%d messages of 180 arrived, %d of them twice", len(taken), doubled)
	}
}

// deliverUntilAccepted makes attempts as a client does, and returns how many there were and how many were ambiguous.
func deliverUntilAccepted(t testing.TB, h *HTTP, batch *Batch) (attempts, ambiguous int) {
	t.Helper()
	for attempts = 1; ; attempts++ {
		batch.Retry = attempts - 1
		result := h.Deliver(t.Context(), batch)
		if result.Ambiguous {
			ambiguous++
		}
		if result.Class == Accepted {
			return attempts, ambiguous
		}
		if result.Class != Retry || attempts == 200 {
			t.Fatalf("attempt %d: %v, %v", attempts, result.Class, result.Err)
		}
		requireNoCanary(t, result)
	}
}

func TestFault18RedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		success(w)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"/elsewhere", other.URL + "/v1/batch", "", "::"} {
			t.Run(fmt.Sprintf("%d to %q", status, location), func(t *testing.T) {
				h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v1/batch" || r.Method != http.MethodPost {
						elsewhere.Add(1)
					}
					if location != "" {
						w.Header().Set("Location", location)
					}
					w.WriteHeader(status)
				})
				result := h.Deliver(t.Context(), newBatch(1, "m"))
				check(t, result, Configuration, status)
				if result.Requests != 1 {
					t.Errorf("%d requests", result.Requests)
				}
			})
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestFault19AnswersTo200(t *testing.T) {
	const page = "<!DOCTYPE html><html><title>Log in to the network</title></html>"
	for _, c := range []struct {
		name, contentType, body string
		want                    Class
	}{
		{"success", "application/json", `{"success":true}`, Accepted},
		{"success, spaced out", "application/json", " {\n\"success\" : true}\n", Accepted},
		{"success, with more members", "application/json", `{"success":true,"id":1}`, Accepted},
		{"success, called HTML", "text/html", `{"success":true}`, Accepted},
		{"empty", "application/json", "", Accepted},
		{"empty, called HTML", "text/html", "", Accepted},
		{"white space", "text/plain", " \r\n", Accepted},
		{"bad JSON", "application/json", `{"success":tru`, Accepted},
		{"an object without success", "application/json", `{}`, Accepted},
		{"success is not a boolean", "application/json", `{"success":"false"}`, Accepted},
		{"success is null", "application/json", `{"success":null}`, Accepted},
		{"JSON that is no object", "application/json", `[]`, Accepted},
		{"a word", "text/plain", `OK`, Accepted},
		{"cut off at the limit", "application/json", `{"pad":"` + strings.Repeat("x", MaxResponseBytes) + `","success":false}`, Accepted},
		{"failure", "application/json", `{"success":false}`, Configuration},
		{"failure with a reason", "application/json", `{"success": false, "message": "` + canaryMail + `"}`, Configuration},
		{"failure behind a byte order mark", "application/json", "\ufeff" + `{"success":false}`, Configuration},
		{"portal", "text/html; charset=utf-8", page, Configuration},
		{"portal that is called JSON", "application/json", page, Configuration},
		{"portal behind white space", "text/plain", "\n\n " + page, Configuration},
		{"portal without tags", "text/html", "Log in to the network", Configuration},
		{"portal in XHTML", "application/xhtml+xml", "&nbsp;", Configuration},
		{"XML", "text/xml", "<?xml version=\"1.0\"?><ok/>", Configuration},
		{"large portal", "text/html", page + strings.Repeat("<p>", MaxResponseBytes), Configuration},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				io.WriteString(w, c.body)
			})
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), c.want, 200)
		})
	}
}

func TestFault20AnswersThatAreNotHTTP(t *testing.T) {
	for name, raw := range map[string]string{
		"1xx without end":       strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20),
		"HTTP/0.9":              "<html>hello " + canaryMail + "</html>\r\n",
		"not a number":          "HTTP/1.1 2OO OK " + canaryMail + "\r\n\r\n",
		"no status":             "HTTP/1.1\r\n\r\n",
		"another protocol":      "SSH-2.0-OpenSSH_9.9\r\n",
		"TLS garbage":           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a header without name": "HTTP/1.1 200 OK\r\n: " + canaryMail + "\r\n\r\n",
		"two lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"nothing at all":        "",
		"half a status line":    "HTTP/1.1 20",
		"half the headers":      "HTTP/1.1 200 OK\r\nContent-Le",
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Endpoint: newListener(t, rawAnswer(raw))})
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			failure := check(t, result, Retry, 0)
			if !result.Ambiguous || result.Requests != 1 {
				t.Errorf("%+v", result)
			}
			requireNoCanary(t, failure.Err)
		})
	}
	t.Run("101, whose body is the connection", func(t *testing.T) {
		h := newTestHTTP(t, HTTPConfig{Endpoint: newListener(t, func(conn *net.TCPConn) {
			if readRawRequest(conn) {
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				io.Copy(io.Discard, conn)
			}
		})})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Retry, 101)
	})
}

func TestFault21AnswersTooLarge(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	z.Write(make([]byte, 16<<20))
	z.Close()
	for _, client := range []*http.Client{nil, {Transport: &http.Transport{}}} {
		allocated := allocatedBy(func() {
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(bomb.Bytes())
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: client})
			check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
		})
		if allocated > 8<<20 {
			t.Errorf("%d MB were allocated for a bomb", allocated>>20)
		}
	}
	line := []byte("X-Pad: " + strings.Repeat("x", 8<<10) + "\r\n")
	allocated := allocatedBy(func() {
		h := newTestHTTP(t, HTTPConfig{Endpoint: newListener(t, func(conn *net.TCPConn) {
			if readRawRequest(conn) {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
				for range 20 << 20 / len(line) {
					if _, err := conn.Write(line); err != nil {
						return
					}
				}
			}
		})})
		check(t, h.Deliver(t.Context(), newBatch(1, "m")), Retry, 0)
	})
	if allocated > 8<<20 {
		t.Errorf("%d MB were allocated for headers", allocated>>20)
	}
}

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestFault25FiveFailuresCloseIdleConnections(t *testing.T) {
	var conns, status atomic.Int64
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(int(status.Load()))
	})
	transport := newTransport()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conns.Add(1)
		return dial(ctx, network, address)
	}
	h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: &http.Client{Transport: transport}})
	deliver := func(code, times int) {
		status.Store(int64(code))
		for range times {
			h.Deliver(t.Context(), newBatch(1, "m"))
		}
	}
	for _, step := range []struct {
		status, times int
		conns         int64
	}{
		{200, 3, 1},
		{503, 4, 1}, // not enough failures
		{200, 1, 1}, // and not in a row
		{429, 9, 1}, // the host is there
		{503, 5, 1}, // the fifth closes
		{503, 5, 2},
		{200, 2, 3},
	} {
		deliver(step.status, step.times)
		if got := conns.Load(); got != step.conns {
			t.Fatalf("after %d times %d there were %d connections, want %d", step.times, step.status, got, step.conns)
		}
	}
}

func TestFault78ServerTextIsOptIn(t *testing.T) {
	said := "bad \x1b[31m" + canaryKey + "\r\n" + basic(canaryKey) + " \u202e" + strings.Repeat("é", 400)
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, said)
	})
	failure := check(t, h.Deliver(t.Context(), newBatch(1, "m")), Split, 400)
	text := failure.ServerText()
	if len(text) > MaxServerText || len(text) < MaxServerText-6 || !strings.HasPrefix(text, `"bad \x1b[31m[write key]\r\nBasic [write key] \u202e\u00e9`) || text[len(text)-1] != '"' {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	if _, err := strconv.Unquote(text); err != nil {
		t.Errorf("not a quoted string: %v", err)
	}
	if shown := failure.Error(); strings.Contains(shown, "bad") {
		t.Errorf("the error shows it: %s", shown)
	}
	requireNoCanary(t, text)
	if text := (&Error{}).ServerText(); text != "" {
		t.Errorf("without an answer it is %q", text)
	}
	for _, form := range printed(failure) {
		if strings.Contains(form, "31m") {
			t.Fatalf("the server's text shows in %s", form)
		}
	}
}
