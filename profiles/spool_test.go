package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// spooled returns a config with a spool, for a server over loopback HTTP.
func spooled(server *transporttest.Server, dir string) profiles.Config {
	return profiles.Config{
		Endpoint: server.URL(), WriteKey: spaceKey, EventsPerSecond: -1, RequestsPerSecond: -1,
		Spool: &spool.Config{Dir: dir}, CloseTimeout: 5 * time.Second,
	}
}

func newUnlimitedServer(t *testing.T) *transporttest.Server {
	t.Helper()
	return transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
}

func TestSpoolDelivers(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	client := newClient(t, spooled(server, dir))
	if o, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u0"}); err != nil || o.Status != profiles.Accepted {
		t.Fatalf("Send: %v, %+v", err, o)
	}
	var producers sync.WaitGroup
	for p := range 8 {
		producers.Go(func() {
			for i := range 100 {
				if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: fmt.Sprint("u", p), Event: fmt.Sprint("E", i)}); err != nil {
					t.Errorf("Enqueue: %v", err)
				}
			}
		})
	}
	producers.Wait()
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for p := range 8 {
		for i, e := range server.Profile(fmt.Sprint("u", p)).Events {
			if e.Name != fmt.Sprint("E", i) {
				t.Fatalf("event %d of profile u%d is %s", i, p, e.Name)
			}
		}
	}
	if s := client.Stats(); s.Accepted != 801 || s.Stored != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSpoolOutlivesTheClient(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	server.FailAlways(transporttest.Status(503))
	cfg := spooled(server, dir)
	cfg.CloseTimeout = 50 * time.Millisecond
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: fmt.Sprint("E", i), MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Kept != 100 || left.Canceled != 0 {
		t.Fatalf("Close: %v", err)
	}
	info, err := spool.Inspect(dir)
	if err != nil || len(info.Queues) != 1 || info.Queues[0].Messages != 100 || info.Endpoint != server.URL()+"/v1" {
		t.Errorf("the spool holds %+v, %v", info, err)
	}

	server.Heal()
	client = newClient(t, spooled(server, dir)) // which delivers without being asked
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := server.Profile("u1").Events
	if len(events) != 100 {
		t.Fatalf("the profile has %d events", len(events))
	}
	for i, e := range events {
		if e.Name != fmt.Sprint("E", i) || e.MessageID != fmt.Sprint("m", i) {
			t.Fatalf("event %d is %s, %s", i, e.Name, e.MessageID)
		}
	}
	if info, err = spool.Inspect(dir); err != nil {
		t.Error(err)
	}
}

func TestSpoolOfProcessedRecords(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	client := newClient(t, spooled(server, dir))
	read := 0
	next := 0
	for o, err := range client.Process(t.Context(), shop(t), numbered(500, &read)) {
		if err != nil || o.Index != next || o.Status != profiles.Accepted {
			t.Fatalf("outcome %d: %+v, %v", next, o, err)
		}
		next++
	}
	if next != 500 || server.Stats().Kept != 500 {
		t.Errorf("%d outcomes, and the server kept %d messages", next, server.Stats().Kept)
	}
}

func TestSpoolKeepsWhatARefusedKeyHas(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	server.FailAlways(transporttest.Status(401))
	cfg := spooled(server, dir)
	cfg.CloseTimeout = 50 * time.Millisecond
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Kept != 10 {
		t.Errorf("Close: %v", err)
	}
	if n, err := spool.Purge(dir); n != 10 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
}

func TestSpoolsThatDoNotOpen(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	newClient(t, spooled(server, dir))
	for _, c := range []struct {
		name   string
		cfg    profiles.Config
		advice string
	}{
		{"twice", spooled(server, dir), "end the other process"},
		{"no directory", profiles.Config{Region: region.Europe, Spool: &spool.Config{}}, "is required"},
		{"too small", profiles.Config{Region: region.Europe, Spool: &spool.Config{Dir: dir, MaxBytes: 5}}, "1 MiB"},
	} {
		_, err := profiles.New(c.cfg)
		var bad *profiles.ConfigError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.advice) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	other := filepath.Join(t.TempDir(), "spool")
	client, err := profiles.New(spooled(server, other))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = profiles.New(profiles.Config{Region: region.Europe, Spool: &spool.Config{Dir: other}})
	var open *spool.OpenError
	if !errors.As(err, &open) || !strings.Contains(err.Error(), "another endpoint") {
		t.Errorf("a spool of another endpoint: %v", err)
	}
	if strings.Contains(fmt.Sprint(os.ReadDir(other)), "space-write-key") {
		t.Error("the directory shows the key")
	}
}

// A Send whose message is on the disk, and was not even read into memory, is told that it is kept, and under which id.
func TestSendThatIsKeptHasItsMessageID(t *testing.T) {
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	cfg := spooled(server, filepath.Join(t.TempDir(), "spool"))
	cfg.QueueMessages = 1
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		outcome profiles.Outcome
		err     error
	}
	answers := make(chan answer)
	const sends = 5
	for i := range sends {
		go func() {
			o, err := client.Send(t.Context(), actions.SendIdentify{UserID: fmt.Sprint("u", i)})
			answers <- answer{o, err}
		}()
	}
	if err := server.WaitFor(t.Context(), func(s transporttest.Stats) bool { return s.Requests > 0 && client.Stats().Stored == sends }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var left *profiles.ShutdownError
	if err := client.Shutdown(ctx); !errors.As(err, &left) || left.Kept != sends {
		t.Errorf("Shutdown: %v", err)
	}
	for range sends {
		a := <-answers
		var of *profiles.Error
		if a.outcome.Status != profiles.Kept || a.outcome.MessageID == "" || !errors.As(a.err, &of) || of.MessageID != a.outcome.MessageID {
			t.Errorf("Send: %+v, %v", a.outcome, a.err)
		}
	}
}
