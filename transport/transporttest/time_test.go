package transporttest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// bubble runs a test against a pipe server in a bubble of its own.
func bubble(t *testing.T, config transporttest.ServerConfig, f func(*testing.T, *transporttest.Server)) {
	synctest.Test(t, func(t *testing.T) { f(t, transporttest.NewPipeServer(t, config)) })
}

func TestDedupe(t *testing.T) {
	const message = `{"type":"track","userId":"u1","event":"e","messageId":"m1"}`
	events := func(s *transporttest.Server) int { return len(s.Profile("u1").Events) }
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		post(t, s, 200, message, message)
		post(t, s, 200, message)
		if got := s.Stats(); got.Kept != 1 || got.Duplicates != 2 || events(s) != 1 {
			t.Errorf("within a moment: %d kept, %d duplicates, %d events of the profile", got.Kept, got.Duplicates, events(s))
		}
		if e := s.Events()[2]; e.Status != transporttest.EventDuplicate {
			t.Errorf("the third is %s", e.Status)
		}
		if _, _, err := send(t, s, call{noKey: true, body: `{"writeKey":"another","batch":[` + message + `]}`}); err != nil {
			t.Fatal(err)
		}
		if got := s.Stats(); got.Duplicates != 3 {
			t.Errorf("of another key: %d duplicates, want 3", got.Duplicates)
		}
		time.Sleep(transporttest.DefaultDedupeWindow - time.Nanosecond)
		post(t, s, 200, message)
		if got := s.Stats(); got.Duplicates != 4 {
			t.Errorf("just within the window: %d duplicates, want 4", got.Duplicates)
		}
		time.Sleep(time.Nanosecond)
		post(t, s, 200, message)
		if got := s.Stats(); got.Kept != 2 || events(s) != 2 {
			t.Errorf("after the window: %d kept, want 2", got.Kept)
		}
	})
	bubble(t, transporttest.ServerConfig{DedupeWindow: -1}, func(t *testing.T, s *transporttest.Server) {
		post(t, s, 200, message, message)
		if got := s.Stats(); got.Kept != 2 {
			t.Errorf("without a window: %d kept, want 2", got.Kept)
		}
	})
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		post(t, s, 200, `{"type":"identify","userId":"u1"}`, `{"type":"identify","userId":"u1"}`)
		if got := s.Stats(); got.Kept != 2 {
			t.Errorf("without messageIds: %d kept, want 2", got.Kept)
		}
	})
}

func TestTimestamps(t *testing.T) {
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		time.Sleep(time.Hour)
		now := time.Now()
		rfc := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339Nano) }
		tests := []struct {
			name, sentAt, timestamp string
			want                    time.Duration // after now
		}{
			{"a client whose clock is right", rfc(0), rfc(-time.Minute), -time.Minute},
			{"a client whose clock is an hour late", rfc(-time.Hour), rfc(-time.Hour - time.Minute), -time.Minute},
			{"a client whose clock is a day ahead", rfc(24 * time.Hour), rfc(24*time.Hour - 1500*time.Millisecond), -1500 * time.Millisecond},
			{"no sentAt", "", rfc(-time.Minute), -time.Minute},
			{"no timestamp", rfc(0), "", 0},
			{"a timestamp that is none", rfc(0), "yesterday", 0},
		}
		for i, tt := range tests {
			body := fmt.Sprintf(`{"sentAt":%q,"batch":[{"type":"identify","userId":"u1","timestamp":%q}]}`, tt.sentAt, tt.timestamp)
			if _, _, err := send(t, s, call{body: body}); err != nil {
				t.Fatal(err)
			}
			e := s.Events()[i]
			if got := e.Timestamp.Sub(now); got != tt.want {
				t.Errorf("%s: %v from now, want %v", tt.name, got, tt.want)
			}
			if !e.ReceivedAt.Equal(now) || (tt.sentAt == "") != e.SentAt.IsZero() {
				t.Errorf("%s: received at %v, sent at %v", tt.name, e.ReceivedAt, e.SentAt)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	batch := func(n int) []string {
		messages := make([]string, n)
		for i := range messages {
			messages[i] = `{"type":"identify","userId":"u1"}`
		}
		return messages
	}
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		post(t, s, 200, batch(1000)...) // full at the start
		r := post(t, s, 429, batch(1)...)
		if r.Header.Get("Retry-After") != "1" || r.Header.Get("X-RateLimit-Reset") != "1" {
			t.Errorf("429 with %v", r.Header)
		}
		time.Sleep(time.Millisecond)
		post(t, s, 200, batch(1)...)
		time.Sleep(10 * time.Second)
		post(t, s, 429, batch(1001)...) // never fits
		post(t, s, 200, batch(1000)...) // and took nothing
		s.SetRate(100, 0)
		time.Sleep(500 * time.Millisecond)
		post(t, s, 429, batch(51)...)
		post(t, s, 200, batch(50)...)
		s.SetRate(-1, 0)
		post(t, s, 200, batch(2500)...)
		s.SetRate(10, 0)
		post(t, s, 200, batch(10)...)
		post(t, s, 429, batch(1)...)
		if got := s.Stats(); got.Throttled != 4 || got.Statuses[429] != 4 || len(got.Faults) != 0 {
			t.Errorf("got %+v", got)
		}
	})
	bubble(t, transporttest.ServerConfig{RequestsPerSecond: 2}, func(t *testing.T, s *transporttest.Server) {
		post(t, s, 200, batch(1)...)
		post(t, s, 200, batch(1)...)
		post(t, s, 429, batch(1)...)
		time.Sleep(500 * time.Millisecond)
		post(t, s, 200, batch(1)...)
		post(t, s, 429, batch(1)...)
	})
}

func TestServerWait(t *testing.T) {
	bubble(t, transporttest.ServerConfig{}, func(t *testing.T, s *transporttest.Server) {
		done := make(chan error, 1)
		go func() { done <- s.Wait(t.Context(), 3) }()
		post(t, s, 200, `{"type":"identify","userId":"u1"}`, `{"type":"identify","userId":"u1"}`)
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("done with two of three messages")
		}
		post(t, s, 200, `{"type":"identify","userId":"u1"}`)
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Wait(ctx, 4); err == nil || context.Cause(ctx) == nil {
			t.Errorf("Wait for a message that does not come: %v", err)
		}
	})
}
