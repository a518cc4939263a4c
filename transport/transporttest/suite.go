package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Harness tells TestTransport how to make the transport under test.
type Harness struct {
	// New returns a transport that delivers to the server, with the write key of each batch. It is called for each of the
	// suite's tests, and may use t to clean up. Where Local is set, server is nil.
	New func(t TB, server *Server) transport.Transport
	// Local says that the transport speaks to no server, as a recorder: only the rules that can be seen without one are
	// tested.
	Local bool
}

// TestTransport tests that a transport keeps what transport.Transport promises: one attempt, whose outcome it tells as the
// client needs it; nothing kept of a batch, and nothing written into it; a context that is obeyed; no write key in errors;
// safety for concurrent use. Run it with the race detector, which sees what is kept of a batch.
//
//	func TestMyTransport(t *testing.T) {
//		transporttest.TestTransport(t, transporttest.Harness{
//			New: func(t transporttest.TB, server *transporttest.Server) transport.Transport {
//				return mytransport.New(server.URL())
//			},
//		})
//	}
func TestTransport(t *testing.T, h Harness) {
	for _, c := range checks {
		if h.Local && !c.local {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(newTrial(t, h)) })
	}
}

// A check is one rule of the suite.
type check struct {
	name  string
	local bool // needs no server
	run   func(*trial)
}

var checks = []check{
	{"delivers a batch whole", true, checkDelivers},
	{"writes sentAt for each attempt", false, checkSentAt},
	{"tells the class of an answer", false, checkClasses},
	{"reads the status before the body", false, checkBodies},
	{"reads Retry-After within its bounds", false, checkRetryAfter},
	{"follows no redirect", false, checkRedirects},
	{"makes one attempt", false, checkOneAttempt},
	{"tells when the batch may have been taken", false, checkAmbiguous},
	{"keeps nothing of the batch", true, checkKeepsNothing},
	{"keeps nothing of a batch that it was still sending", false, checkKeepsNothingUnderway},
	{"does not write into the batch", true, checkDoesNotWrite},
	{"obeys a context that has ended", true, checkEndedContext},
	{"obeys a context that ends", false, checkContext},
	{"is safe for concurrent use", true, checkConcurrent},
	{"does not show the write key", false, checkSecret},
}

// The times that a Deliver may take which has no reason to take any, and one whose context has ended: long enough for a slow
// machine under the race detector.
const (
	patience = 30 * time.Second
	promptly = 5 * time.Second
)

// The write key of the suite, which must not show.
const secret = "Canary0WriteKey1NotToBeShown2345"

// A trial is one run of a check: a transport, and the server that it delivers to, nil where the transport is local.
type trial struct {
	TB
	server    *Server
	transport transport.Transport
	patience  time.Duration
}

func newTrial(t TB, h Harness) *trial {
	t.Helper()
	r := &trial{TB: t, patience: patience}
	if !h.Local {
		r.server = NewServer(t)
	}
	r.transport = h.New(t, r.server)
	return r
}

// deliver calls Deliver, with an eye on the time and on what holds for every result.
func (t *trial) deliver(ctx context.Context, b *transport.Batch) transport.Result {
	t.Helper()
	done := make(chan transport.Result, 1)
	go func() { done <- t.transport.Deliver(ctx, b) }()
	watch := time.NewTimer(t.patience)
	defer watch.Stop()
	select {
	case result := <-done:
		if (result.Class == transport.Accepted) != (result.Err == nil) {
			t.Errorf("class %v with error %v: an error goes with every class but accepted", result.Class, result.Err)
		}
		if result.RetryAfter < 0 || result.RetryAfter > transport.MaxRetryAfter {
			t.Errorf("RetryAfter is %v, outside of 0 to %v", result.RetryAfter, transport.MaxRetryAfter)
		}
		return result
	case <-watch.C:
		t.Fatalf("Deliver has not returned after %v", t.patience)
		return transport.Result{}
	}
}

// taken requires that the server has kept these messages, all that it was sent, byte for byte.
func (t *trial) taken(messages ...string) {
	t.Helper()
	if t.server == nil {
		return
	}
	events := t.server.Events()
	if len(events) != len(messages) {
		t.Errorf("the server took %d messages, want %d", len(events), len(messages))
		return
	}
	for i, e := range events {
		if string(e.Raw) != messages[i] {
			t.Errorf("message %d came as %s, want %s", i, e.Raw, messages[i])
		}
		if e.WriteKey != transport.NewWriteKey(secret) {
			t.Errorf("message %d came with another write key", i)
		}
	}
}

// newBatch returns a batch of messages and their texts.
func newBatch(name string, n int) (*transport.Batch, []string) {
	b := &transport.Batch{WriteKey: transport.NewWriteKey(secret)}
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(`{"type":"track","userId":"%[1]s","event":"Ordered","messageId":"%[1]s.%[2]d","properties":{"n":%[2]d,"s":"é\u2028<&>"}}`, name, i)
		b.Append([]byte(texts[i]))
	}
	return b, texts
}

// newLargeBatch returns a batch that no socket's buffer takes at once.
func newLargeBatch(name string) *transport.Batch {
	b := &transport.Batch{WriteKey: transport.NewWriteKey(secret)}
	for i := range 16 {
		// Noise, so that compression does not make it small.
		b.Append(fmt.Appendf(nil, `{"type":"identify","userId":"%[1]s","messageId":"%[1]s.%[2]d","traits":{"t":"%[3]s"}}`, name, i, noise(i, 30_000)))
	}
	return b
}

// noise returns text that does not compress well, the same for the same seed.
func noise(seed, n int) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"
	var b strings.Builder
	x := uint64(seed) + 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b.WriteByte(letters[x>>58])
	}
	return b.String()
}

// overwrite spoils the bytes of a batch, as the next use of its buffer would.
func overwrite(b *transport.Batch) {
	joined := b.Joined()
	copy(joined, bytes.Repeat([]byte{'#'}, len(joined)))
}
