package transporttest_test

import (
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestRecorderIsATransport(t *testing.T) {
	transporttest.TestTransport(t, transporttest.Harness{
		New:   func(transporttest.TB, *transporttest.Server) transport.Transport { return new(transporttest.Recorder) },
		Local: true,
	})
}

func TestHTTPIsATransport(t *testing.T) {
	for name, gzip := range map[string]bool{"plain": false, "gzip": true} {
		t.Run(name, func(t *testing.T) {
			transporttest.TestTransport(t, transporttest.Harness{
				New: func(t transporttest.TB, server *transporttest.Server) transport.Transport {
					h, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: server.URL(), Gzip: gzip})
					if err != nil {
						t.Fatalf("%v", err)
					}
					t.Cleanup(h.CloseIdleConnections)
					return h
				},
			})
		})
	}
}
