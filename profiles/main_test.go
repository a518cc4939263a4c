package profiles_test

import (
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var spaceKey = profiles.NewWriteKey("space-write-key")

// newServed returns a client of a server over loopback HTTP, without a limit of rate on either side.
func newServed(t *testing.T, change ...func(*profiles.Config)) (*profiles.Client, *transporttest.Server) {
	t.Helper()
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
	cfg := profiles.Config{Endpoint: server.URL(), WriteKey: spaceKey, EventsPerSecond: -1, RequestsPerSecond: -1}
	for _, f := range change {
		f(&cfg)
	}
	return newClient(t, cfg), server
}

// newClient returns a client that is closed, with nothing left, when the test ends.
func newClient(t *testing.T, cfg profiles.Config) *profiles.Client {
	t.Helper()
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return client
}

// shop is the destination that most tests use.
func shop(t *testing.T) *profiles.Destination {
	t.Helper()
	d, err := profiles.LoadDestination("testdata/shop.json")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parse makes a destination of JSON.
func parse(t *testing.T, text string) *profiles.Destination {
	t.Helper()
	d, err := profiles.ParseDestination([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// record decodes one payload.
func record(t testing.TB, text string) profiles.Record {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var r profiles.Record
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// records is a source of payloads.
func records(t testing.TB, payloads ...string) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for _, p := range payloads {
			if !yield(record(t, p), nil) {
				return
			}
		}
	}
}

// process runs records to their end and returns their outcomes.
func process(t *testing.T, c *profiles.Client, d *profiles.Destination, source iter.Seq2[profiles.Record, error]) []profiles.RecordOutcome {
	t.Helper()
	var all []profiles.RecordOutcome
	for o, err := range c.Process(t.Context(), d, source) {
		if err != nil {
			t.Fatalf("Process: %v", err)
		}
		all = append(all, o)
	}
	return all
}
