package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// snapshot returns the bytes of every file of a spool, by its path in it.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("the spool has no files")
	}
	return files
}

// requireSame fails where a spool is not as it was.
func requireSame(t *testing.T, before map[string]string, dir string) {
	t.Helper()
	if after := snapshot(t, dir); !maps.Equal(before, after) {
		for name := range after {
			if after[name] != before[name] {
				t.Errorf("%s has changed, from %d bytes to %d", name, len(before[name]), len(after[name]))
			}
		}
		t.Errorf("of %d files there are %d", len(before), len(after))
	}
}

// keepMessages leaves n messages of one profile in a spool: m0, m1 ...
func keepMessages(t *testing.T, server *transporttest.Server, dir string, n int) {
	t.Helper()
	server.FailAlways(transporttest.Status(503))
	defer server.Heal()
	cfg := spooled(server, dir)
	cfg.CloseTimeout = 10 * time.Millisecond
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Kept != n || left.Err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// requireArrived fails where a profile's events are not those of m0, m1 ... up to n, each once and in their order.
func requireArrived(t *testing.T, server *transporttest.Server, n int) {
	t.Helper()
	events := server.Profile("u1").Events
	if len(events) != n {
		t.Errorf("the profile has %d events, want %d", len(events), n)
	}
	for i, e := range events {
		if want := fmt.Sprint("m", i); e.MessageID != want {
			t.Fatalf("event %d is %s, want %s", i, e.MessageID, want)
		}
	}
}

// pad is what makes a message large.
var pad = strings.Repeat("x", 8_000)

// Row 53: the directory is renamed while a client uses it. What would be written where nobody finds it again is refused, and once the
// directory is back it goes on, with all that was taken.
func TestFault53DirectoryIsRenamed(t *testing.T) {
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	dir := filepath.Join(t.TempDir(), "spool")
	client := newClient(t, spooled(server, dir))
	for i := range 5 {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Skip("this system does not rename a directory that is in use")
	}
	for range 3 {
		err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: "lost"})
		var of *profiles.Error
		if !errors.As(err, &of) || of.Status != profiles.NotQueued || !strings.Contains(err.Error(), "moved or removed while in use") {
			t.Errorf("Enqueue: %v", err)
		}
	}
	if err := os.Rename(dir+".moved", dir); err != nil {
		t.Fatal(err)
	}
	if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: "m5"}); err != nil {
		t.Errorf("Enqueue after the directory came back: %v", err)
	}
	server.Heal()
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, 6)
}

// manifest returns a MANIFEST of a format that there is not yet.
func manifest(format int) string {
	const body = `{"what":"it has is not known"}`
	sum := crc32.Checksum(fmt.Appendf(nil, "%d %s", format, body), crc32.MakeTable(crc32.Castagnoli))
	line := fmt.Sprintf("seglog %d %08x %s\n", format, sum, body)
	return line + line
}

// Row 54: a later version of this library wrote the spool, or one queue in it. It is refused, and left as it is.
func TestFault54LaterFormat(t *testing.T) {
	server := newUnlimitedServer(t)
	for name, pattern := range map[string]string{"of the spool": "catalog", "of a queue": "[0-9a-f]*[0-9a-f]"} {
		dir := filepath.Join(t.TempDir(), "spool")
		keepMessages(t, server, dir, 3)
		folders, err := filepath.Glob(filepath.Join(dir, pattern, "MANIFEST"))
		if err != nil || len(folders) == 0 {
			t.Fatalf("%v, %v", folders, err)
		}
		file := folders[0]
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(manifest(2)), 0o600); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, dir)
		requests := server.Stats().Requests
		_, err = profiles.New(spooled(server, dir))
		var of *spool.OpenError
		if !errors.As(err, &of) || of.Dir != dir || !strings.Contains(err.Error(), "a later version of this library wrote it: use that version") {
			t.Errorf("the format %s: %v", name, err)
		}
		requireSame(t, before, dir)
		if got := server.Stats().Requests; got != requests {
			t.Errorf("%d requests were made", got-requests)
		}
		if err := os.WriteFile(file, was, 0o600); err != nil {
			t.Fatal(err)
		}
		if info, err := spool.Inspect(dir); err != nil || info.Queues[0].Messages != 3 {
			t.Errorf("after the later version has gone: %+v, %v", info, err)
		}
	}
}

// Row 56: the spool has as many bytes as it may. TryEnqueue refuses, Enqueue waits for as long as its context lasts, and goes on as soon
// as something was delivered. What is refused is not sent, what is taken is.
func TestFault56FullSpool(t *testing.T) {
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	cfg := spooled(server, filepath.Join(t.TempDir(), "spool"))
	cfg.Spool.MaxBytes, cfg.Spool.Mode = 1<<20, spool.Memory
	client := newClient(t, cfg)
	message := func(n int) actions.SendTrack {
		return actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", n), Properties: actions.Properties{"pad": pad + pad + pad}}
	}
	taken := 0
	var err error
	for ; err == nil; taken++ {
		err = client.TryEnqueue(message(taken))
	}
	taken-- // the last was refused
	var of *profiles.Error
	if !errors.As(err, &of) || of.Status != profiles.NotQueued || !errors.Is(err, profiles.ErrQueueFull) || taken < 20 || taken > 45 {
		t.Fatalf("after %d messages: %v", taken, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := client.Enqueue(ctx, message(taken)); !errors.As(err, &of) || of.Status != profiles.NotQueued || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Enqueue: %v", err)
	}
	done := make(chan error)
	go func() { done <- client.Enqueue(t.Context(), message(taken)) }()
	server.Heal()
	if err := <-done; err != nil {
		t.Errorf("Enqueue that waited: %v", err)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, taken+1)
	if s := client.Stats(); s.Admitted != taken+1 || s.Accepted != taken+1 || s.Stored != 0 {
		t.Errorf("%d messages were taken, and %+v", taken+1, s)
	}
}

// A spool holds messages for one region: with the other one, or another endpoint, it does not open, and is left as it is.
func TestSpoolOfAnotherRegionOrEndpoint(t *testing.T) {
	server := newUnlimitedServer(t)
	var sent atomic.Int64
	nowhere := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		sent.Add(1)
		return nil, errors.New("no way out of this test")
	})}
	dir := filepath.Join(t.TempDir(), "spool")
	european := profiles.Config{
		Region: region.Europe, HTTPClient: nowhere, WriteKey: spaceKey, Spool: &spool.Config{Dir: dir}, CloseTimeout: 10 * time.Millisecond,
	}
	client, err := profiles.New(european)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"}); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err == nil {
		t.Fatal("Close found nothing left")
	}
	before, attempts := snapshot(t, dir), sent.Load()
	american := european
	american.Region = region.NorthAmerica
	for name, cfg := range map[string]profiles.Config{"region": american, "endpoint": spooled(server, dir)} {
		_, err := profiles.New(cfg)
		var of *spool.OpenError
		if !errors.As(err, &of) || of.Dir != dir || !strings.Contains(err.Error(), "use the one that it was made for until it is empty, or another directory") {
			t.Errorf("another %s: %v", name, err)
		}
		requireSame(t, before, dir)
	}
	if sent.Load() != attempts || server.Stats().Requests != 0 {
		t.Error("a message of the one went to the other")
	}
	if info, err := spool.Inspect(dir); err != nil || info.Endpoint != region.Europe.Tracking() {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
}

// Messages whose key this run does not know stay as they are and are counted by Inspect, while others are delivered; as soon as the key
// is known they are delivered as well.
func TestSpoolKeepsMessagesOfKeysThatAreNotKnown(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	keepMessages(t, server, dir, 3)
	kept, err := spool.Inspect(dir)
	if err != nil || len(kept.Queues) != 1 || kept.Queues[0].Messages != 3 {
		t.Fatalf("Inspect: %+v, %v", kept, err)
	}
	cfg := spooled(server, dir)
	cfg.WriteKey = profiles.NewWriteKey("other-write-key")
	client := newClient(t, cfg)
	if _, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u2"}); err != nil {
		t.Fatal(err)
	}
	if s := client.Stats(); s.Unclaimed != 3 || s.Stored != 0 {
		t.Errorf("%d messages are of other keys, and %d of this one", s.Unclaimed, s.Stored)
	}
	if info, err := spool.Inspect(dir); err != nil || len(info.Queues) != 2 || !slices.Contains(info.Queues, kept.Queues[0]) {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	if n := len(server.Space(spaceKey).Events()); n != 0 {
		t.Errorf("%d messages were sent with a key that was not given", n)
	}
	if _, err := client.Space(spaceKey).Send(t.Context(), actions.SendTrack{UserID: "u1", Event: "E", MessageID: "m3"}); err != nil {
		t.Fatal(err)
	}
	if events := server.Space(spaceKey).Profile("u1").Events; len(events) != 4 || events[0].MessageID != "m0" {
		t.Errorf("the profile has %v", events)
	}
	if n := client.Stats().Unclaimed; n != 0 {
		t.Errorf("%d messages are of other keys still", n)
	}
}

// roundTrip makes a RoundTripper of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
