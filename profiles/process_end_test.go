package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestOutcomesComeInOrderWithinTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 100, EventsPerSecond: -1, RequestsPerSecond: -1})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Fail(transport.Retry, transport.Accepted, transport.Retry, transport.Retry)
		read, next := 0, 0
		for o, err := range client.Process(t.Context(), shop(t), numbered(1000, &read)) {
			if err != nil {
				t.Fatal(err)
			}
			if o.Index != next || o.Status != profiles.Accepted {
				t.Fatalf("outcome %d is of record %d, %s", next, o.Index, o.Status)
			}
			next++
			synctest.Wait()
			if read > o.Index+102 {
				t.Fatalf("%d records were read when the outcome of record %d came, with a window of 100", read, o.Index)
			}
		}
		if next != 1000 {
			t.Errorf("%d outcomes of 1000 records", next)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOutcomesDoNotWaitForTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := profiles.New(profiles.Config{Transport: new(transporttest.Recorder), WriteKey: spaceKey})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		slow := func(yield func(profiles.Record, error) bool) {
			for i := range 2 {
				if !yield(profiles.Record{"type": "identify", "userId": fmt.Sprint(i)}, nil) {
					return
				}
				time.Sleep(time.Hour)
			}
		}
		var at []time.Duration
		for _, err := range client.Process(t.Context(), shop(t), slow) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(start))
		}
		if len(at) != 2 || at[0] > time.Second || at[1] > time.Hour+time.Second {
			t.Errorf("outcomes came after %v, want soon after their records", at)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakCancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		outcomes := make(map[profiles.Status]int)
		client, err := profiles.New(profiles.Config{
			Transport: recorder, WriteKey: spaceKey, Lanes: 1, BatchMessages: 50, EventsPerSecond: -1, RequestsPerSecond: -1,
			Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) { outcomes[o.Status]++ }},
		})
		if err != nil {
			t.Fatal(err)
		}
		source := func(yield func(profiles.Record, error) bool) {
			read := 0
			for r, err := range numbered(1000, &read) {
				if read == 100 {
					time.Sleep(time.Second) // the first ones are accepted meanwhile
				}
				if !yield(r, err) {
					return
				}
			}
		}
		for range client.Process(t.Context(), shop(t), source) {
			recorder.Hold()
			time.Sleep(2 * time.Second) // all the others are queued, some of them are on the wire
			go func() {
				time.Sleep(time.Second)
				recorder.Release()
			}()
			break
		}
		synctest.Wait()
		sent := len(recorder.Messages())
		if sent < 99 || outcomes[profiles.Accepted] != sent || outcomes[profiles.Canceled] == 0 || outcomes[profiles.Accepted]+outcomes[profiles.Canceled] != client.Stats().Admitted {
			t.Errorf("outcomes %v, with %d sent and %d admitted", outcomes, sent, client.Stats().Admitted)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 100})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			time.Sleep(2 * time.Second)
			recorder.Release()
		}()
		read := 0
		var last error
		var statuses []profiles.Status
		for o, err := range client.Process(ctx, shop(t), numbered(1000, &read)) {
			if last = err; err == nil {
				statuses = append(statuses, o.Status)
			}
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("the range ended with %v", last)
		}
		if len(statuses) != 100 {
			t.Errorf("%d outcomes came for the 100 records that were read", len(statuses))
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsTheRangeOfADrainedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, AttemptTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		read, checkpoint := 0, 0
		var last error
		for o, err := range client.Process(ctx, shop(t), numbered(50, &read)) {
			if last = err; err == nil && o.Done() {
				checkpoint++
			}
		}
		if !errors.Is(last, context.DeadlineExceeded) || checkpoint != 0 {
			t.Errorf("the range ended with %v, the checkpoint at %d", last, checkpoint)
		}
		recorder.Release()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownEndsTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = client.Shutdown(ctx) // gives up everything: that is the point
		}()
		read := 0
		var last error
		for _, err := range client.Process(t.Context(), shop(t), numbered(50, &read)) {
			last = err
		}
		if !errors.Is(last, profiles.ErrClosed) {
			t.Errorf("the range ended with %v", last)
		}
	})
}

func TestBadRecordsAreInvalidAndTheRestGoOn(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	broken := errors.New("line 2: not JSON")
	source := func(yield func(profiles.Record, error) bool) {
		_ = yield(profiles.Record{"type": "identify", "userId": "u1"}, nil) &&
			yield(nil, &profiles.BadRecord{Err: broken}) &&
			yield(profiles.Record{"type": "identify", "userId": "u2"}, nil)
	}
	outcomes := process(t, client, shop(t), source)
	if len(outcomes) != 3 || outcomes[1].Status != profiles.Invalid || outcomes[1].Index != 1 || !errors.Is(outcomes[1].Err(), broken) || !outcomes[1].Done() {
		t.Errorf("outcomes %+v", outcomes)
	}
	if outcomes[0].Status != profiles.Accepted || outcomes[2].Status != profiles.Accepted {
		t.Errorf("the good records ended %s and %s", outcomes[0].Status, outcomes[2].Status)
	}
}

// carrier is a transport made of a function.
type carrier func(ctx context.Context, b *transport.Batch) transport.Result

func (c carrier) Deliver(ctx context.Context, b *transport.Batch) transport.Result { return c(ctx, b) }

func TestRecordsThatWereNeverSentAreNotDone(t *testing.T) {
	for _, c := range []struct {
		name   string
		result transport.Result
	}{
		{"everything is refused", transport.Result{Class: transport.Split, Status: 400}},
		{"the key is refused by a transport with errors of its own", transport.Result{Class: transport.Credentials, Err: errors.New("no such key")}},
		{"the key is refused by a transport without an error", transport.Result{Class: transport.Credentials}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int32
			client, err := profiles.New(profiles.Config{WriteKey: spaceKey, Transport: carrier(func(context.Context, *transport.Batch) transport.Result {
				requests.Add(1)
				time.Sleep(time.Millisecond)
				return c.result
			})})
			if err != nil {
				t.Fatal(err)
			}
			read, unsent := 0, 0
			for o, err := range client.Process(t.Context(), shop(t), numbered(3000, &read)) {
				if err != nil {
					t.Fatal(err)
				}
				if o.Done() && o.Outcomes[0].Attempts == 0 {
					unsent++
				}
			}
			if unsent > 0 || requests.Load() > 110 {
				t.Errorf("%s: %d records are done that were never sent; %d requests were made", c.name, unsent, requests.Load())
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSlowLoopBodyDoesNotCutBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := profiles.New(profiles.Config{Transport: new(transporttest.Recorder), WriteKey: spaceKey, Window: 1000})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		start := time.Now()
		for range client.Process(t.Context(), shop(t), numbered(10_000, &read)) {
			time.Sleep(time.Millisecond)
		}
		if s := client.Stats(); s.Requests > 400 {
			t.Errorf("10,000 records took %d requests", s.Requests)
		}
		if took := time.Since(start); took > 13*time.Second {
			t.Errorf("10,000 records at 1,000 a second took %v", took)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsWhileTheLoopBodyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, EventsPerSecond: 10})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		read, first := 0, true
		for range client.Process(ctx, shop(t), numbered(2000, &read)) {
			if first {
				first = false
				time.Sleep(time.Minute)
				synctest.Wait()
				if sent := len(recorder.Messages()); sent > 40 {
					t.Errorf("%d messages were sent, though the context ended after 2 s at 10 a second", sent)
				}
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryRecordThatWasReadHasAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := new(transporttest.Recorder)
		client, err := profiles.New(profiles.Config{Transport: recorder, WriteKey: spaceKey, Window: 5, AttemptTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		recorder.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		read, outcomes := 0, 0
		for _, err := range client.Process(ctx, shop(t), numbered(100, &read)) {
			if err == nil {
				outcomes++
			}
		}
		if read != outcomes || read != 5 {
			t.Errorf("%d records were read, and %d had an outcome, with a window of 5", read, outcomes)
		}
		recorder.Release()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSourceThatEndsItsGoroutineHasNotEndedWell(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	for _, before := range []int{0, 3} {
		source := func(yield func(profiles.Record, error) bool) {
			for range before {
				yield(profiles.Record{"type": "identify", "userId": "u"}, nil)
			}
			runtime.Goexit()
		}
		outcomes := 0
		var last error
		for _, err := range client.Process(t.Context(), shop(t), source) {
			if last = err; err == nil {
				outcomes++
			}
		}
		if last == nil || outcomes != before {
			t.Errorf("after %d records: %d outcomes, then %v", before, outcomes, last)
		}
	}
}

func TestSourceErrorEndsTheRangeAfterTheOutcomes(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	broken := errors.New("disk on fire")
	source := func(yield func(profiles.Record, error) bool) {
		for i := range 10 {
			if !yield(profiles.Record{"type": "identify", "userId": fmt.Sprint(i)}, nil) {
				return
			}
		}
		yield(nil, broken)
	}
	var accepted int
	var last error
	for o, err := range client.Process(t.Context(), shop(t), source) {
		if err != nil {
			last = err
		} else if o.Status == profiles.Accepted {
			accepted++
		}
	}
	if last != broken || accepted != 10 {
		t.Errorf("accepted %d, then %v", accepted, last)
	}
}

func TestSourcePanicReachesTheCaller(t *testing.T) {
	client, sent := profilestest.NewClient(t)
	source := func(yield func(profiles.Record, error) bool) {
		yield(profiles.Record{"type": "identify", "userId": "u"}, nil)
		panic("source")
	}
	defer func() {
		if p := recover(); p != "source" {
			t.Errorf("recovered %v", p)
		}
		if got := len(sent.Messages(t)); got != 1 {
			t.Errorf("%d messages were sent", got)
		}
	}()
	for range client.Process(t.Context(), shop(t), source) {
	}
	t.Error("Process returned")
}

func TestSourcePanicReachesTheCallerAfterABreak(t *testing.T) {
	client, _ := profilestest.NewClient(t)
	source := func(yield func(profiles.Record, error) bool) {
		for yield(profiles.Record{"type": "identify", "userId": "u"}, nil) {
		}
		panic("clean-up")
	}
	defer func() {
		if p := recover(); p != "clean-up" {
			t.Errorf("recovered %v", p)
		}
	}()
	for range client.Process(t.Context(), shop(t), source) {
		break
	}
	t.Error("Process returned")
}
