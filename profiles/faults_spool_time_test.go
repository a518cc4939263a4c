package profiles_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Row 57: a client is closed while the server does not answer. It returns when its time is over, says that everything is kept, and the next
// client delivers it.
func TestFault57CloseWhileTheServerIsDown(t *testing.T) {
	for name, fault := range map[string]transporttest.Step{"hangs": transporttest.Hang(), "fails": transporttest.Status(503), "wants quiet": transporttest.TooManyRequests(time.Minute)} {
		dir := filepath.Join(t.TempDir(), "spool")
		synctest.Test(t, func(t *testing.T) {
			server := transporttest.NewPipeServer(t, transporttest.ServerConfig{})
			server.FailAlways(fault)
			cfg := profiles.Config{
				Endpoint: server.URL(), HTTPClient: server.Client(), WriteKey: spaceKey, Spool: &spool.Config{Dir: dir}, CloseTimeout: 5 * time.Second,
			}
			client, err := profiles.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 300 {
				if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			begin := time.Now()
			var left *profiles.ShutdownError
			if err := client.Close(); !errors.As(err, &left) || left.Kept != 300 || left.Canceled != 0 || left.Unreported != 0 || left.Err != nil {
				t.Errorf("the server %s: Close: %v", name, err)
			}
			if took := time.Since(begin); took < 5*time.Second || took > 5100*time.Millisecond {
				t.Errorf("the server %s: Close took %v", name, took)
			}
			if len(server.Stats().Faults) != 1 {
				t.Errorf("the server %s: faults %v", name, server.Stats().Faults)
			}
			server.Heal()
			client = newClient(t, cfg)
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			requireArrived(t, server, 300)
		})
	}
}

// Row 67: one key has 90 % of the messages, and the server refuses it. The other key's messages are delivered meanwhile, through a queue that
// the first one's would fill many times over. When the key is taken again, all of its messages arrive in their order.
func TestFault67RefusedKeyThatHasMostMessages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		server := transporttest.NewPipeServer(t, transporttest.ServerConfig{})
		refusedKey := profiles.NewWriteKey("refused-write-key")
		var healed atomic.Bool
		var refusals atomic.Int64
		client := newClient(t, profiles.Config{
			Endpoint: server.URL(), WriteKey: spaceKey, QueueMessages: 50, Spool: &spool.Config{Dir: dir}, CloseTimeout: time.Hour,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if user, _, _ := r.BasicAuth(); user == refusedKey.Reveal() && !healed.Load() {
					r.Body.Close()
					refusals.Add(1)
					return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				}
				return server.Client().Transport.RoundTrip(r)
			})},
		})
		refused := client.Space(refusedKey)
		for i := range 900 {
			if err := refused.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
				t.Fatal(err)
			}
			if i%9 == 0 {
				if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("other", i/9)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(5 * time.Second) // far less than a refused key is left alone for
		if got := len(server.Space(spaceKey).Events()); got != 100 || refusals.Load() == 0 {
			t.Errorf("%d of 100 messages of the other key were delivered, after %d refusals", got, refusals.Load())
		}
		if s := client.Stats(); s.Stored != 900 || s.Rejected != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		if n := refusals.Load(); n > 20 {
			t.Errorf("in about a minute the refused key was asked %d times", n)
		}
		healed.Store(true)
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, e := range server.Space(refusedKey).Profile("u1").Events {
			if want := fmt.Sprint("m", i); e.MessageID != want {
				t.Fatalf("event %d is %s, want %s", i, e.MessageID, want)
			}
		}
		if got := len(server.Space(refusedKey).Events()); got != 900 {
			t.Errorf("%d of 900 messages of the refused key were delivered", got)
		}
	})
}

// Row 67: the first message of a profile that has 90 % of all is one that the server refuses. It alone is Rejected; what is behind it comes in order.
func TestFault67PoisonAtTheHead(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "spool")} {
		synctest.Test(t, func(t *testing.T) {
			server := transporttest.NewPipeServer(t, transporttest.ServerConfig{})
			server.RejectWhere(func(m map[string]any) bool { return strings.HasPrefix(m["messageId"].(string), "poison") })
			var told audit
			var rejected atomic.Int64
			cfg := profiles.Config{
				Endpoint: server.URL(), HTTPClient: server.Client(), WriteKey: spaceKey,
				Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) {
					told.hook(o)
					if poison := strings.HasPrefix(o.MessageID, "poison"); poison != (o.Status == profiles.Rejected) {
						t.Errorf("message %s ended %s", o.MessageID, o.Status)
					} else if poison {
						rejected.Add(1)
					}
				}},
			}
			if dir != "" {
				cfg.Spool = &spool.Config{Dir: dir}
			}
			client := newClient(t, cfg)
			taken := make(map[string]bool)
			enqueue := func(user, id string) {
				if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: user, Event: "E", MessageID: id}); err != nil {
					t.Fatal(err)
				}
				taken[id] = true
			}
			enqueue("u1", "poison")
			for i := range 450 {
				enqueue("u1", fmt.Sprint("m", i))
				if i%9 == 0 {
					enqueue(fmt.Sprint("other", i), fmt.Sprint("o", i))
				}
			}
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			requireArrived(t, server, 450)
			told.require(t, taken)
			if rejected.Load() != 1 || server.Stats().Kept != 500 || server.Stats().Faults[transporttest.FaultRejected] == 0 {
				t.Errorf("%d messages were rejected, and %+v", rejected.Load(), server.Stats())
			}
			if s := client.Stats(); s.Splits == 0 || s.Splits > 20 || s.Stored != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
