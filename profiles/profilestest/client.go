// Package profilestest tests code that uses a profiles.Client: a client on a recorder in one line, and assertions on what it sent
// in Segment's terms.
//
//	client, sent := profilestest.NewClient(t)
//	signUp(client)
//	sent.Require(t, actions.SendTrack{UserID: "u1", Event: "Signed Up"})
//
// Saved mappings are tested without a client, by data: a JSON file beside the destination's says what becomes of which record.
//
//	profilestest.RunMappings(t, "destination.json", "destination.tests.json")
//
// Nothing leaves the process. For a server that behaves as Segment's does, with its limits, faults and profiles, see package
// transporttest.
package profilestest

import (
	"context"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// WriteKey is the Profile Space of clients that NewClient makes.
const WriteKey = "test-write-key"

// TB is what the package needs of testing.TB, and *testing.T has.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// settleTime bounds how long an assertion waits for what is queued, and the end of a test for the client's. A recorder answers
// at once: only a test that holds it back, or scripts failures, comes near.
const settleTime = 10 * time.Second

// NewClient returns a client without a limit of rate, and what it sends. The client is closed when the test ends.
func NewClient(t TB) (*profiles.Client, *Sent) {
	t.Helper()
	return NewClientConfig(t, profiles.Config{})
}

// NewClientConfig is NewClient with a config, for hooks and limits. WriteKey and EventsPerSecond have the values of NewClient
// where they are not set; the Transport must not be set. A config that profiles.New refuses ends the test.
func NewClientConfig(t TB, cfg profiles.Config) (*profiles.Client, *Sent) {
	t.Helper()
	if cfg.WriteKey.IsZero() {
		cfg.WriteKey = profiles.NewWriteKey(WriteKey)
	}
	if cfg.EventsPerSecond == 0 && cfg.Limiter == nil {
		cfg.EventsPerSecond = -1
	}
	if cfg.RequestsPerSecond == 0 && cfg.Limiter == nil {
		cfg.RequestsPerSecond = -1
	}
	if cfg.Transport != nil {
		t.Fatalf("profilestest: Transport is set, but the client has to send to the recorder")
	}
	recorder := new(transporttest.Recorder)
	cfg.Transport = recorder
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatalf("profilestest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), settleTime)
		defer cancel()
		recorder.Release()
		if err := client.Shutdown(ctx); err != nil {
			t.Errorf("profilestest: closing the client: %v", err)
		}
	})
	return client, &Sent{client: client, recorder: recorder}
}

// Sent is what a client has sent. It is safe for concurrent use.
type Sent struct {
	client   *profiles.Client
	recorder *transporttest.Recorder
	space    transport.WriteKey // zero: all of them
}

// Recorder returns the client's transport: to script failures, or to hold batches in flight.
func (s *Sent) Recorder() *transporttest.Recorder { return s.recorder }

// Space returns what was sent to one Profile Space.
func (s *Sent) Space(key profiles.WriteKey) *Sent {
	return &Sent{client: s.client, recorder: s.recorder, space: key}
}

// Messages waits until everything that was enqueued has its outcome, and returns the messages that were accepted: those of one
// profile in the order in which they were sent. They are copies.
func (s *Sent) Messages(t TB) []transporttest.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	if err := s.client.Flush(ctx); err != nil {
		t.Fatalf("profilestest: waiting for what was enqueued: %v", err)
	}
	all := s.recorder.Messages()
	if s.space.IsZero() {
		return all
	}
	var own []transporttest.Message
	for _, m := range all {
		if m.WriteKey == s.space {
			own = append(own, m)
		}
	}
	return own
}

// Reset forgets what was sent so far.
func (s *Sent) Reset(t TB) {
	t.Helper()
	s.Messages(t)
	s.recorder.Reset()
}
