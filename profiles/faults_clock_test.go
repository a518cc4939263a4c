package profiles_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// inherits makes a trial account for the messages that another one, of an earlier life of the process, has left in the spool.
func (r *trial) inherits(from *trial) {
	r.sent = from.sent
	for id := range from.queued {
		if len(from.told[id]) == 0 {
			r.queued[id] = true
		}
	}
}

// Between two lives of the process the machine's clock was put back by a day, or forward by one. What the spool holds is delivered,
// in order, and waits that the server asks for are as long as ever; a message is too old only where the clock says so. Each life is a
// bubble of its own, whose clock begins at the same moment: to sleep for a day in the first is to put the clock back for the second.
func TestFault33WallClockIsPutBackOrForward(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second time.Duration // that each life's clock is ahead
		maxAge        time.Duration
		want          ends
	}{
		{"Fault33_back_a_day", 24 * time.Hour, 0, 2 * time.Hour, ends{accepted: each(20)}},
		{"Fault33_back_an_hour", time.Hour, 0, 2 * time.Hour, ends{accepted: each(20)}},
		{"Fault33_forward_a_day", 0, 24 * time.Hour, 0, ends{accepted: each(20)}},
		{"Fault33_forward_past_MaxAge", 0, 24 * time.Hour, 2 * time.Hour, ends{exhausted: each(20)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			aged := func(config *profiles.Config) { config.Spool.MaxAge = c.maxAge }
			var first *trial
			synctest.Test(t, func(t *testing.T) {
				server := transporttest.NewPipeServer(t, unlimited)
				server.FailAlways(transporttest.Status(503))
				time.Sleep(c.first)
				first = newTrial(t, server, dir, aged)
				first.start(20)
				waitFor(t, func() bool { return first.client.Stats().Stored == each(20) })
				first.requireLeft(0, each(20))
				first.requireFault(transporttest.FaultStatus)
			})
			synctest.Test(t, func(t *testing.T) {
				server := transporttest.NewPipeServer(t, unlimited)
				server.Fail(transporttest.TooManyRequests(7 * time.Second))
				time.Sleep(c.second)
				r := newTrial(t, server, dir, aged, func(c *profiles.Config) { c.Lanes = 1 })
				r.inherits(first)
				r.finish()
				r.require(c.want)
				if c.want.accepted > 0 {
					r.requireQuiet(7*time.Second, 8*time.Second)
				} else {
					r.requireRequests(0)
				}
			})
		})
	}
}

// The host sleeps for eight hours: for the process no time has passed, while the server has ended its connections and the token.
// The first attempts fail, one new token is asked for, and all is delivered.
func TestFault34HostSleeps(t *testing.T) {
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	inBubbles(t, func(t *testing.T, dir string) {
		config := unlimited
		config.OAuth = transporttest.OAuth{PublicKey: &key.PublicKey, Required: true}
		server := transporttest.NewPipeServer(t, config)
		var mu sync.Mutex
		var conns []net.Conn
		r := newTrial(t, server, dir, func(c *profiles.Config) {
			c.OAuth = &transport.OAuthConfig{AppID: "app", KeyID: "key", PrivateKey: key, TokenServer: server.URL()}
			c.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := server.DialContext(ctx, network, address)
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, conn)
				return conn, err
			}}}
		})
		r.deliver(20)
		server.FailAlways(transporttest.Hang()) // what is under way when the host falls asleep
		r.start(20)
		time.Sleep(time.Second)
		mu.Lock()
		open := len(conns)
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		server.RevokeTokens()
		server.Heal()
		r.start(20)
		r.finish()
		r.require(ends{accepted: each(60) + 2})
		r.requireCounted(ends{accepted: each(60) + 2})
		r.requireFault(transporttest.FaultHang)
		if got := server.Stats(); open == 0 || got.Tokens != 2 || got.Statuses[401] == 0 {
			t.Errorf("%d connections ended, %d tokens, %d requests with the old one", open, got.Tokens, got.Statuses[401])
		}
		if s := r.client.Stats(); s.Ambiguous == 0 {
			t.Error("no attempt is ambiguous: nothing was under way")
		}
	})
}

// The server is down for six hours. It computes when a message happened from its timestamp and the sentAt of the request that brought
// it: that is within a second of when it was handed to the client, or of its own timestamp, also where the process was
// started again meanwhile.
func TestFault35ReplayAfterHours(t *testing.T) {
	stamped := parse(t, `{"mappings": [{"id": "tracks", "action": "sendTrack", "trigger": "type = \"track\"", "fields": {
		"user_id": {"@path": "$.userId"}, "message_id": {"@path": "$.messageId"}, "event_name": "E", "timestamp": {"@path": "$.timestamp"}}}]}`)
	down := func(t *testing.T, dir string, restart bool) {
		server := transporttest.NewPipeServer(t, unlimited)
		var up atomic.Bool
		var refused atomic.Int64
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if !up.Load() {
				refused.Add(1)
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			return server.DialContext(ctx, network, address)
		}
		r := newTrial(t, server, dir, func(c *profiles.Config) {
			c.Deadline, c.Lanes, c.HTTPClient = 7*time.Hour, 2, &http.Client{Transport: &http.Transport{DialContext: dial}}
		})
		happened := make(map[string]time.Time)
		for i := range 10 {
			r.enqueue(2 * i)
			happened[track("e", 2*i).MessageID] = time.Now()
			old := track("e", 2*i+1)
			old.Timestamp = time.Now().Add(-48 * time.Hour)
			if err := r.client.Enqueue(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			r.took(old.MessageID)
			happened[old.MessageID] = old.Timestamp
			time.Sleep(time.Minute)
		}
		at := time.Now().Add(-time.Hour)
		r.took("p0")
		happened["p0"] = at
		r.ways.Go(func() {
			record := profiles.Record{"type": "track", "userId": "p-0", "messageId": "p0", "timestamp": at.Format(time.RFC3339Nano)}
			for o, err := range r.client.Process(context.Background(), stamped, func(yield func(profiles.Record, error) bool) { yield(record, nil) }) {
				if err != nil {
					t.Errorf("Process: %v", err)
					return
				}
				r.same("p0", o.Outcomes[0])
			}
		})
		time.Sleep(6 * time.Hour)
		if n := refused.Load(); n < 100 || n > 10_000 { // two lanes, half a minute between attempts, three connections each
			t.Errorf("%d connections were tried in six hours to a server that is down", n)
		}
		if restart {
			r.requireLeft(0, 21)
			r.open()
		}
		up.Store(true)
		r.finish()
		r.require(ends{accepted: 21})
		for _, e := range server.Events() {
			if off := e.Timestamp.Sub(happened[e.MessageID]).Abs(); off > time.Second {
				t.Errorf("message %s happened at %v, by the server at %v", e.MessageID, happened[e.MessageID], e.Timestamp)
			}
			if e.ReceivedAt.Sub(e.SentAt).Abs() > time.Second {
				t.Errorf("message %s came at %v with sentAt %v", e.MessageID, e.ReceivedAt, e.SentAt)
			}
		}
	}
	inBubbles(t, func(t *testing.T, dir string) { down(t, dir, false) })
	t.Run("spool, started again", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		synctest.Test(t, func(t *testing.T) { down(t, dir, true) })
	})
}

// The server takes a batch without an answer coming back, and is then down for longer than it remembers messageIds. In memory a
// message does not live that long. From a spool it is sent again under the same id, and is there twice: at least once is what
// is promised. Who would rather not gives the spool a MaxAge: then it is Exhausted before that, and its outcome says that it may
// have been taken.
func TestFault36AmbiguousAttemptOutlivesTheServersMemory(t *testing.T) {
	const window = 24 * time.Hour
	ambiguous := func(t *testing.T, dir string, maxAge time.Duration) (*trial, *transporttest.Server) {
		config := unlimited
		config.DedupeWindow = window
		server := transporttest.NewPipeServer(t, config)
		server.Fail(transporttest.ResetAfterRead())
		server.FailAlways(transporttest.TooManyRequests(transport.MaxRetryAfter))
		r := newTrial(t, server, dir, func(c *profiles.Config) {
			if c.Spool != nil {
				c.Spool.MaxAge = maxAge
			}
		})
		for i := range 5 {
			a := actions.SendTrack{UserID: "e-0", MessageID: fmt.Sprint("e", i), Event: "E", Properties: actions.Properties{"email": canaryEmail}}
			if err := r.client.Enqueue(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			r.took(a.MessageID)
		}
		return r, server
	}
	requireOnce := func(r *trial, server *transporttest.Server, latest time.Duration) {
		r.finish()
		r.require(ends{exhausted: 5})
		r.requireFault(transporttest.FaultResetAfterRead, transporttest.FaultTooManyRequests)
		for id, told := range r.told {
			if !told[0].Ambiguous {
				r.t.Errorf("message %s is not ambiguous, and the server has it", id)
			}
		}
		requests := server.Requests()
		if last := requests[len(requests)-1].At.Sub(requests[0].At); last > latest {
			r.t.Errorf("the messages were sent for %v", last)
		}
		if s := server.Stats(); s.Kept != 5 || s.Duplicates != 0 {
			r.t.Errorf("the server has kept %d messages", s.Kept)
		}
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, server := ambiguous(t, "", 0)
			time.Sleep(window + time.Hour)
			server.Heal()
			requireOnce(r, server, 13*time.Hour)
		})
	})
	t.Run("spool with MaxAge", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		synctest.Test(t, func(t *testing.T) {
			r, server := ambiguous(t, dir, 20*time.Hour)
			time.Sleep(window + time.Hour)
			server.Heal()
			requireOnce(r, server, 20*time.Hour+6*time.Minute) // and the quiet that the server asked for last
		})
	})
	t.Run("spool", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		synctest.Test(t, func(t *testing.T) {
			r, server := ambiguous(t, dir, 0)
			time.Sleep(window + time.Hour)
			server.Heal()
			r.finish()
			r.requireCounted(ends{accepted: 5})
			r.requireSameBytes()
			r.requireFault(transporttest.FaultResetAfterRead, transporttest.FaultTooManyRequests)
			kept := make(map[string]int)
			for _, e := range server.Events() {
				kept[e.MessageID]++
			}
			for i := range 5 {
				id := fmt.Sprint("e", i)
				if told := r.told[id]; kept[id] != 2 || len(told) != 1 || told[0].Status != profiles.Accepted {
					t.Errorf("message %s came %d times, and had the outcomes %v", id, kept[id], told)
				}
			}
			if s := server.Stats(); s.Kept != 10 || r.client.Stats().Ambiguous != 1 {
				t.Errorf("the server has kept %d messages, %d attempts are ambiguous", s.Kept, r.client.Stats().Ambiguous)
			}
		})
	})
}
