package profiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

// openFiles returns the numbers of the process's open files.
func openFiles(t *testing.T) []string {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// Row 69: New fails, at its first step or at its last. No file is left open, no goroutine left running, no lock held.
func TestFault69NewThatFailsLeavesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collector would close what was forgotten
	server := newUnlimitedServer(t)
	fresh := func() profiles.Config { return spooled(server, filepath.Join(t.TempDir(), "spool")) }
	kept := func(spoil func(dir string) error) profiles.Config {
		cfg := fresh()
		keepMessages(t, server, cfg.Spool.Dir, 3)
		if err := spoil(cfg.Spool.Dir); err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	queue := func(dir string) string {
		info, err := spool.Inspect(dir)
		if err != nil || len(info.Queues) != 1 {
			t.Fatalf("Inspect: %+v, %v", info, err)
		}
		return filepath.Join(dir, info.Queues[0].Name)
	}
	changed := func(change func(*profiles.Config)) profiles.Config {
		cfg := fresh()
		change(&cfg)
		return cfg
	}
	held := fresh()
	newClient(t, held)
	for name, cfg := range map[string]profiles.Config{
		"the key is bad":              changed(func(c *profiles.Config) { c.WriteKey = profiles.NewWriteKey("a b") }),
		"the endpoint is bad":         changed(func(c *profiles.Config) { c.Endpoint = "http://example.com" }),
		"the rate is no number":       changed(func(c *profiles.Config) { c.Limiter, c.EventsPerSecond = new(transport.Limiter), 5 }),
		"OAuth is bad":                changed(func(c *profiles.Config) { c.OAuth = &transport.OAuthConfig{} }),
		"the spool is bad":            changed(func(c *profiles.Config) { c.Spool.MaxBytes = 1 }),
		"the spool is a file":         kept(func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) }),
		"the spool is for others too": kept(func(dir string) error { return os.Chmod(dir, 0o777) }),
		"the catalog is damaged": kept(func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "catalog", "MANIFEST"), []byte("x"), 0o600)
		}),
		"the spool is another's": changed(func(c *profiles.Config) {
			*c.Spool = *kept(func(string) error { return nil }).Spool
			c.Endpoint, c.Region = "", region.Europe
		}),
		"the queue is for others too": kept(func(dir string) error { return os.Chmod(queue(dir), 0o777) }),
		"the queue is damaged":        kept(func(dir string) error { return os.WriteFile(filepath.Join(queue(dir), "MANIFEST"), []byte("x"), 0o600) }),
		"a segment is gone": kept(func(dir string) error {
			segments, err := filepath.Glob(filepath.Join(queue(dir), "*.seg"))
			if err != nil || len(segments) == 0 {
				return errors.New("there is none")
			}
			return os.Truncate(segments[0], 20)
		}),
		"the spool is held": held,
	} {
		files, goroutines := openFiles(t), runtime.NumGoroutine()
		client, err := profiles.New(cfg)
		var bad *profiles.ConfigError
		if !errors.As(err, &bad) || client != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now := openFiles(t); !slices.Equal(files, now) {
			t.Errorf("%s: the open files were %v and are %v", name, files, now)
		}
		if now := runtime.NumGoroutine(); now > goroutines {
			t.Errorf("%s: there were %d goroutines and are %d", name, goroutines, now)
		}
		if _, err := profiles.New(cfg); err == nil || err.Error() != bad.Error() { // not that somebody has the lock
			t.Errorf("%s: the second time: %v", name, err)
		}
	}
}
