package profiles_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// relay listens on loopback before a server, and returns its base URL. Each connection, counted from 1, first goes to meddle; where
// that returns false the connection is the server's.
func relay(t *testing.T, server *transporttest.Server, meddle func(n int, conn *net.TCPConn) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			all.Go(func() {
				defer func() {
					conn.Close()
					mu.Lock()
					defer mu.Unlock()
					delete(open, conn)
				}()
				if !meddle(n, conn.(*net.TCPConn)) {
					join(t, conn, server)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// join connects a connection to the server until either side ends.
func join(t *testing.T, conn net.Conn, server *transporttest.Server) {
	up, err := server.DialContext(t.Context(), "", "")
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, up)
		conn.Close()
	})
	_, _ = io.Copy(up, conn)
	up.Close()
	back.Wait()
}

// reset ends a connection as a process that crashed does.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// readRequest reads one request, and tells whether it came whole.
func readRequest(conn net.Conn) (*http.Request, bool) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return nil, false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r, err == nil
}

// answerRaw answers with bytes of no matter what protocol, and ends the connection.
func answerRaw(conn *net.TCPConn, raw string) {
	_, _ = io.WriteString(conn, raw)
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}

// before puts a handler before the server and returns its base URL. The handler calls next to let the server answer.
func before(t *testing.T, server *transporttest.Server, handler func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, server.Handler()) }))
	t.Cleanup(front.Close)
	return front.URL
}

// A mortal connection ends after a while, whatever it is doing.
type mortal struct {
	net.Conn
	end *time.Timer
}

func mortalConn(conn net.Conn, life time.Duration, died func()) net.Conn {
	return &mortal{Conn: conn, end: time.AfterFunc(life, func() {
		died()
		conn.Close()
	})}
}

func (c *mortal) Close() error {
	c.end.Stop()
	return c.Conn.Close()
}
