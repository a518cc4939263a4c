package spool_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// What a client could not deliver is taken out again, in order, as far as whoever takes it wants it.
func TestDrain(t *testing.T) {
	server := transporttest.NewServer(t)
	server.FailAlways(transporttest.Status(503))
	dir := filepath.Join(t.TempDir(), "spool")
	mine, other := profiles.NewWriteKey("space-1"), profiles.NewWriteKey("space-2")
	client, err := profiles.New(profiles.Config{
		Endpoint: server.URL(), WriteKey: mine, Spool: &spool.Config{Dir: dir}, CloseTimeout: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u", Event: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Space(other).Enqueue(t.Context(), actions.SendTrack{UserID: "u", Event: "other"}); err != nil {
		t.Fatal(err)
	}
	_, err = spool.Drain(dir, nil, func(spool.Message) error { return nil })
	var open *spool.OpenError
	if !errors.As(err, &open) {
		t.Errorf("Drain of a spool in use: %v", err)
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Kept != 11 {
		t.Fatalf("Close: %v", err)
	}

	var got []string
	enough := errors.New("enough")
	take := func(most int) func(spool.Message) error {
		return func(m spool.Message) error {
			a, err := actions.Parse(m.JSON)
			if err != nil {
				return err
			}
			event := a.(actions.SendTrack).Event
			if (m.Space == mine) == (event == "other") || m.Queue == "" || m.At.IsZero() {
				t.Errorf("event %s is of the queue %s, taken at %v", event, m.Queue, m.At)
			}
			if most--; most < 0 {
				return enough
			}
			if event != "other" {
				got = append(got, event)
			}
			return nil
		}
	}
	first, err := spool.Drain(dir, []transport.WriteKey{mine}, take(4))
	if err != enough || first != 4 {
		t.Errorf("the first Drain removed %d: %v", first, err)
	}
	rest, err := spool.Drain(dir, []transport.WriteKey{mine}, take(100))
	if err != nil || rest != 7 {
		t.Errorf("the second Drain removed %d: %v", rest, err)
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("it took %q", got)
	}
	if info, err := spool.Inspect(dir); err != nil || len(info.Queues) != 2 || info.Queues[0].Messages+info.Queues[1].Messages != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}
