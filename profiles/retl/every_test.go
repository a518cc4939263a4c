package retl_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := new(taker)
		client, err := profiles.New(profiles.Config{Transport: x, WriteKey: profiles.NewWriteKey("space")})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		dest, err := profiles.ParseDestination([]byte(people))
		if err != nil {
			t.Fatal(err)
		}
		begin, syncs := time.Now(), 0
		s := retl.Sync{Client: client, Destination: dest, State: new(retl.MemoryState), Model: retl.Model{
			Name: "people", Key: "id", Records: func(yield func(profiles.Record, error) bool) {
				if syncs == 2 { // this one takes longer than the interval
					time.Sleep(25 * time.Minute)
				}
				yield(profiles.Record{"id": 1, "email": syncs}, nil)
			},
		}}
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		err = s.Every(ctx, 15*time.Minute, func(r retl.Report, err error) {
			if err != nil || r.Loaded != 1 {
				t.Errorf("sync %d: %v, %+v", syncs, err, r)
			}
			at = append(at, time.Since(begin).Round(time.Minute))
			if syncs++; syncs == 5 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || x.events.Load() != 5 {
			t.Errorf("Every: %v, %d events", err, x.events.Load())
		}
		for i, want := range []time.Duration{0, 15 * time.Minute, 55 * time.Minute, 55 * time.Minute, 70 * time.Minute} {
			if at[i] != want {
				t.Errorf("sync %d ended at %v, want %v", i, at[i], want)
			}
		}
	})
}
