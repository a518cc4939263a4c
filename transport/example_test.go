package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// One attempt to deliver one batch, without a client around it.
func ExampleHTTP() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()

	h, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: server.URL, AttemptTimeout: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.CloseIdleConnections()

	batch := &transport.Batch{WriteKey: transport.NewWriteKey("key-of-the-profile-space")}
	batch.Append([]byte(`{"type":"identify","userId":"u1","messageId":"m1","traits":{"plan":"pro"}}`))

	result := h.Deliver(context.Background(), batch)
	fmt.Println(result.Class, result.Status, result.RetryAfter)
	// Output: retry 429 2s
}

// A Limiter says how long to wait; the caller waits.
func ExampleLimiter() {
	limiter, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: 1_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	fmt.Println(limiter.MaxBatch())
	fmt.Println(limiter.Reserve(now, 250)) // the bucket is full at the start
	fmt.Println(limiter.Reserve(now, 250))
	// Output:
	// 250
	// 0s
	// 250ms
}

// Everything that is wrong with a configuration is reported at once.
func ExampleConfigError() {
	_, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: "http://api.segment.io", AttemptTimeout: -time.Second})
	fmt.Println(err)
	// Output: transport: invalid configuration: Endpoint is plain http: allowed for loopback addresses only; AttemptTimeout is negative
}
