package transporttest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Many clients at once send through faults at random, each batch again until it is accepted: nothing is lost, what was taken
// twice counts once, and every fault was met.
func TestNothingIsLostThroughFaults(t *testing.T) {
	s := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
	if err := s.SetFaults(transporttest.Faults{Seed: 7, ServerError: 0.1, TooManyRequests: 0.1, ResetBefore: 0.1, ResetAfter: 0.1, ErrorAfter: 0.1}); err != nil {
		t.Fatal(err)
	}
	h, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: s.URL(), Gzip: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	const workers, batches, messages = 6, 40, 3
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range batches {
				b := &transport.Batch{WriteKey: key}
				for m := range messages {
					b.Append(fmt.Appendf(nil, `{"type":"track","userId":"u%d","event":"e","messageId":"%d.%d.%d"}`, w, w, i, m))
				}
				for ; h.Deliver(t.Context(), b).Class != transport.Accepted; b.Retry++ {
					s.Profile("u1") // read in between
					s.Stats()
				}
			}
		})
	}
	all.Wait()
	stats := s.Stats()
	if stats.Kept != workers*batches*messages || stats.Duplicates == 0 || stats.Messages != stats.Kept+stats.Duplicates {
		t.Errorf("%d messages, %d kept, %d duplicates, want %d kept", stats.Messages, stats.Kept, stats.Duplicates, workers*batches*messages)
	}
	for _, kind := range []transporttest.FaultKind{
		transporttest.FaultStatus, transporttest.FaultTooManyRequests, transporttest.FaultResetBeforeRead,
		transporttest.FaultResetAfterRead, transporttest.FaultAcceptThenStatus,
	} {
		if stats.Faults[kind] == 0 {
			t.Errorf("%s was never injected", kind)
		}
	}
	for w := range workers {
		events := s.Profile(fmt.Sprintf("u%d", w)).Events
		if len(events) != batches*messages {
			t.Fatalf("worker %d: %d events, want %d", w, len(events), batches*messages)
		}
		for i, e := range events {
			if want := fmt.Sprintf("%d.%d.%d", w, i/messages, i%messages); e.MessageID != want {
				t.Fatalf("worker %d: event %d is %s, want %s", w, i, e.MessageID, want)
			}
		}
	}
}

// BenchmarkServer tells what the server costs a benchmark that runs against it: ns/op is that of one message.
func BenchmarkServer(b *testing.B) {
	const messages = 500
	texts := make([]string, messages)
	for i := range texts {
		texts[i] = fmt.Sprintf(`{"type":"identify","userId":"u%d","traits":{"email":"u%[1]d@example.com","plan":"pro","n":%[1]d,"pad":%q},"integrations":{"All":false},"context":{"consent":{}}}`, i, strings.Repeat("x", 400))
	}
	body := []byte(batchOf(texts...))
	for _, discard := range []bool{true, false} {
		b.Run(fmt.Sprintf("discard=%v", discard), func(b *testing.B) {
			s := transporttest.NewServerWith(b, transporttest.ServerConfig{Discard: discard, EventsPerSecond: -1, RequestsPerSecond: -1})
			b.ReportAllocs()
			for sent := 0; sent < b.N; sent += messages {
				request, err := http.NewRequest(http.MethodPost, s.URL()+"/v1/batch", bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				request.SetBasicAuth(key.Reveal(), "")
				request.Header.Set("Content-Type", "application/json")
				response, err := s.Client().Do(request)
				if err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response, err)
				}
				response.Body.Close()
			}
		})
	}
}
