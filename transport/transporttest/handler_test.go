package transporttest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Over HTTP/2 no connection can be taken over: the request alone is cut off.
func TestHandlerOverHTTP2(t *testing.T) {
	s := transporttest.NewServer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	outer := &http.Server{Handler: s.Handler(), Protocols: &protocols}
	served := make(chan error, 1)
	go func() { served <- outer.Serve(listener) }()
	base := &http.Transport{Protocols: &protocols}
	post := func() (*http.Response, error) {
		request, err := http.NewRequest(http.MethodPost, "http://"+listener.Addr().String()+"/v1/batch", strings.NewReader(batchOf(identify)))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(key.Reveal(), "")
		request.Header.Set("Content-Type", "application/json")
		response, err := base.RoundTrip(request)
		if err == nil {
			response.Body.Close()
		}
		return response, err
	}
	s.Fail(transporttest.ResetAfterRead())
	if response, err := post(); err == nil {
		t.Errorf("a request that is cut off was answered with %d", response.StatusCode)
	}
	response, err := post()
	if err != nil || response.StatusCode != 200 || response.ProtoMajor != 2 {
		t.Errorf("another request: %v, %v", response, err)
	}
	if got := s.Stats(); got.Kept != 2 || got.Faults[transporttest.FaultResetAfterRead] != 1 {
		t.Errorf("got %+v", got)
	}
	s.Close()
	if _, err := post(); err == nil {
		t.Error("the handler of a closed server answers")
	}
	base.CloseIdleConnections()
	outer.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestDialContext(t *testing.T) {
	for name, s := range map[string]*transporttest.Server{
		"loopback": transporttest.NewServer(t),
		"pipe":     transporttest.NewPipeServer(t, transporttest.ServerConfig{}),
	} {
		conn, err := s.DialContext(t.Context(), "tcp", "api.segment.io:443")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.DialContext(ctx, "tcp", "x:1"); err == nil {
			t.Errorf("%s: connected although the context had ended", name)
		}
		s.Close()
		if _, err := s.DialContext(t.Context(), "tcp", "x:1"); err == nil {
			t.Errorf("%s: connected to a closed server", name)
		}
	}
}
