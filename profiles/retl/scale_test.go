package retl_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

var scaleRows = flag.Int("scale", 60_000, "rows of TestSyncScales; make scale takes ten million")

// taker is a transport that takes everything, and counts it.
type taker struct{ events atomic.Int64 }

func (x *taker) Deliver(_ context.Context, b *transport.Batch) transport.Result {
	x.events.Add(int64(b.Len()))
	return transport.Result{Class: transport.Accepted, Status: 200}
}

// maxHeap is what the heap of a sync may hold at any time, the client's queue and window included, however many rows there are.
const maxHeap = 160 << 20

// TestSyncScales runs a first sync, one without a change, and one with a change in each hundredth row, with the state in a file: memory does
// not grow with the rows, and the third sync sends one hundredth.
func TestSyncScales(t *testing.T) {
	n := *scaleRows
	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprint("ordered ", ordered), func(t *testing.T) {
			dir := t.TempDir()
			x := new(taker)
			client, err := profiles.New(profiles.Config{Transport: x, WriteKey: profiles.NewWriteKey("space"), EventsPerSecond: -1, RequestsPerSecond: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			dest, err := profiles.ParseDestination([]byte(people))
			if err != nil {
				t.Fatal(err)
			}
			for round, want := range []int{n, 0, n / 100} {
				state, err := retl.OpenState(filepath.Join(dir, "people.state"))
				if err != nil {
					t.Fatal(err)
				}
				watch := &heapWatch{}
				s := retl.Sync{Client: client, Destination: dest, State: state, TempDir: dir, Model: retl.Model{
					Name: "people", Key: "id", Ordered: ordered, Records: generated(n, ordered, round, watch),
				}}
				before, start := x.events.Load(), time.Now()
				r, err := s.Run(t.Context())
				if err != nil || r.Status != retl.Successful || r.Extracted != int64(n) {
					t.Fatalf("%v, %+v", err, r)
				}
				took := time.Since(start)
				if err := state.Close(); err != nil {
					t.Fatal(err)
				}
				if got := x.events.Load() - before; got != int64(want) {
					t.Errorf("sync %d sent %d of %d rows, want %d", round+1, got, n, want)
				}
				t.Logf("sync %d: %d rows, %d sent, %.0f ns a row, at most %d MB of heap", round+1, n, want, float64(took.Nanoseconds())/float64(n), watch.most>>20)
				if watch.most > maxHeap {
					t.Errorf("the heap was %d MB", watch.most>>20)
				}
			}
		})
	}
}

// generated yields n rows, of which each hundredth changes from the third round on.
func generated(n int, ordered bool, round int, watch *heapWatch) func(func(profiles.Record, error) bool) {
	return func(yield func(profiles.Record, error) bool) {
		for i := range n {
			id := i
			if !ordered { // each id once, in no order: the step is prime
				id = int(int64(i) * 7_368_787 % int64(n))
			}
			email := fmt.Sprint("user", id, "@example.com")
			if round == 2 && id%100 == 0 {
				email = fmt.Sprint("changed", id, "@example.com")
			}
			if !yield(profiles.Record{"id": int64(id), "email": email, "plan": "enterprise", "seats": int64(id % 50), "country": "GB"}, nil) {
				return
			}
			if i%(max(n/20, 1)) == 0 {
				watch.look()
			}
		}
		watch.look()
	}
}

// heapWatch keeps the most that the heap has held.
type heapWatch struct{ most uint64 }

func (w *heapWatch) look() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.most = max(w.most, m.HeapAlloc)
}
