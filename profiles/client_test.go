package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestSendIsAcceptedAndReachesTheProfile(t *testing.T) {
	client, server := newServed(t)
	o, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"plan": "pro", "id": int64(9007199254740993)}})
	if err != nil {
		t.Fatal(err)
	}
	if o.Status != profiles.Accepted || o.MessageID == "" || o.Attempts != 1 || o.HTTPStatus != 200 || o.Space != spaceKey {
		t.Errorf("outcome %+v", o)
	}
	if got := fmt.Sprint(server.Profile("u1").Traits); got != "map[id:9007199254740993 plan:pro]" {
		t.Errorf("the profile has traits %v", got)
	}
	events := server.Events()
	if len(events) != 1 || events[0].MessageID != o.MessageID || events[0].Message["timestamp"] == nil {
		t.Errorf("the server has %+v", events)
	}
}

func TestSendOfAnInvalidAction(t *testing.T) {
	client, server := newServed(t)
	o, err := client.Send(t.Context(), actions.SendGroup{MessageID: "m1", Traits: actions.Traits{"e": "a@b.co"}})
	var of *profiles.Error
	var fields *actions.Error
	if !errors.As(err, &of) || of.Status != profiles.Invalid || of.MessageID != "m1" || !errors.As(err, &fields) || len(fields.Fields) != 2 {
		t.Fatalf("Send: %v", err)
	}
	if o.Status != profiles.Invalid || o.MessageID != "m1" || o.Err == nil {
		t.Errorf("outcome %+v", o)
	}
	if got := server.Stats().Requests; got != 0 {
		t.Errorf("%d requests were made", got)
	}
	var none *actions.SendIdentify
	for _, a := range []actions.Action{nil, none} {
		if err := client.Enqueue(t.Context(), a); !errors.As(err, &fields) {
			t.Errorf("Enqueue of nil: %v", err)
		}
	}
}

func TestSendRejectedHasTheReasonAndTheMessage(t *testing.T) {
	client, server := newServed(t)
	server.RejectWhere(func(m map[string]any) bool { return m["userId"] == "poison" })
	o, err := client.Send(t.Context(), actions.SendTrack{UserID: "poison", Event: "E", MessageID: "m1"})
	var of *profiles.Error
	var cause *transport.Error
	if !errors.As(err, &of) || of.Status != profiles.Rejected || !errors.As(err, &cause) || cause.Status != 400 {
		t.Fatalf("Send: %v", err)
	}
	if !strings.Contains(string(o.Message()), `"userId":"poison"`) {
		t.Errorf("the outcome holds the message %q", o.Message())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if dump := fmt.Sprintf(verb, o); strings.Contains(dump, "poison") {
			t.Errorf("a dump of the outcome with %s shows the message: %s", verb, dump)
		}
	}
}

func TestSendWhoseContextEndsIsPending(t *testing.T) {
	outcomes := make(chan profiles.Outcome, 1)
	client, server := newServed(t, func(c *profiles.Config) { c.Hooks.Outcome = func(o profiles.Outcome) { outcomes <- o } })
	server.Fail(transporttest.TooManyRequests(time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	o, err := client.Send(ctx, actions.SendIdentify{UserID: "u1"})
	var of *profiles.Error
	if !errors.As(err, &of) || of.Status != profiles.Pending || !errors.Is(err, context.DeadlineExceeded) || o.Status != profiles.Pending {
		t.Fatalf("Send: %v, %+v", err, o)
	}
	if late := <-outcomes; late.MessageID != o.MessageID || late.Status != profiles.Accepted {
		t.Errorf("the hook was told %+v", late)
	}
	if server.Stats().Faults[transporttest.FaultTooManyRequests] != 1 {
		t.Error("the fault was not injected")
	}
}

func TestEnqueueTakesASnapshot(t *testing.T) {
	client, server := newServed(t)
	traits := actions.Traits{"n": 1}
	for i := range 100 {
		traits["n"] = i
		if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: fmt.Sprint("u", i), Traits: traits}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if got := server.Profile(fmt.Sprint("u", i)).Traits["n"]; fmt.Sprint(got) != fmt.Sprint(i) {
			t.Errorf("profile u%d has n = %v", i, got)
		}
	}
}

func TestSpacesAreKeptApart(t *testing.T) {
	client, server := newServed(t)
	other := profiles.NewWriteKey("other-write-key")
	if _, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"in": "own"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Space(other).Send(t.Context(), actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"in": "other"}}); err != nil {
		t.Fatal(err)
	}
	if a, b := server.Space(spaceKey).Profile("u1"), server.Space(other).Profile("u1"); a.Traits["in"] != "own" || b.Traits["in"] != "other" {
		t.Errorf("the spaces hold %v and %v", a.Traits, b.Traits)
	}
	for _, key := range []profiles.WriteKey{{}, profiles.NewWriteKey("with space"), profiles.NewWriteKey("with\r\nline")} {
		var of *profiles.Error
		if err := client.Space(key).Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"}); !errors.As(err, &of) || of.Status != profiles.Invalid {
			t.Errorf("Enqueue to a bad key: %v", err)
		}
	}
}

func TestOrderOfAProfileThroughFaults(t *testing.T) {
	var mu sync.Mutex
	outcomes := make(map[string]int)
	client, server := newServed(t, func(c *profiles.Config) {
		c.BatchMessages = 20
		c.Hooks.Outcome = func(o profiles.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			outcomes[o.MessageID]++
			if o.Status != profiles.Accepted {
				t.Errorf("message %s ended %s: %v", o.MessageID, o.Status, o.Err)
			}
		}
	})
	if err := server.SetFaults(transporttest.Faults{Seed: 1, ServerError: 0.05, ResetBefore: 0.05, ResetAfter: 0.05}); err != nil {
		t.Fatal(err)
	}
	const people, each = 20, 100
	for i := range each {
		for p := range people {
			a := actions.SendTrack{UserID: fmt.Sprint("u", p), Event: fmt.Sprint("E", i), MessageID: fmt.Sprintf("m-%d-%d", p, i)}
			if err := client.Enqueue(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for p := range people {
		events := server.Profile(fmt.Sprint("u", p)).Events
		if len(events) != each {
			t.Errorf("profile u%d has %d events, want %d", p, len(events), each)
			continue
		}
		for i, e := range events {
			if e.Name != fmt.Sprint("E", i) {
				t.Fatalf("event %d of profile u%d is %s", i, p, e.Name)
			}
		}
	}
	if len(outcomes) != people*each {
		t.Errorf("%d messages had an outcome, want %d", len(outcomes), people*each)
	}
	for id, n := range outcomes {
		if n != 1 {
			t.Errorf("message %s had %d outcomes", id, n)
		}
	}
	stats := server.Stats()
	for _, f := range []transporttest.FaultKind{transporttest.FaultStatus, transporttest.FaultResetBeforeRead, transporttest.FaultResetAfterRead} {
		if stats.Faults[f] == 0 {
			t.Errorf("fault %s was never injected", f)
		}
	}
	if stats.Duplicates == 0 {
		t.Error("no batch came twice: the fault after taking it did nothing")
	}
}

// TestWhatTheServerDropsIsInvalidHere holds each rule by which the Tracking API answers 200 and drops against the client.
func TestWhatTheServerDropsIsInvalidHere(t *testing.T) {
	client, server := newServed(t)
	many := make(actions.Traits)
	for i := range 300 {
		many[fmt.Sprint("t", i)] = i
	}
	for rule, a := range map[transporttest.DropReason]actions.Action{
		transporttest.DropNoIdentity:    actions.SendIdentify{Traits: actions.Traits{"a": 1}},
		transporttest.DropNoExternalID:  actions.SendSubscriptions{UserID: "u1", EmailStatus: actions.Subscribed},
		transporttest.DropNoEventName:   actions.SendTrack{UserID: "u1"},
		transporttest.DropLongMessageID: actions.SendIdentify{UserID: "u1", MessageID: strings.Repeat("m", 100)},
		transporttest.DropNoGroupID:     actions.SendGroup{UserID: "u1"},
		transporttest.DropLongGroupID:   actions.SendGroup{UserID: "u1", GroupID: strings.Repeat("g", 501)},
		transporttest.DropTooManyTraits: actions.SendIdentify{UserID: "u1", Traits: many},
		transporttest.DropBeforeEpoch:   actions.SendIdentify{UserID: "u1", Timestamp: time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)},
		"message of more than 32,000 bytes": actions.SendIdentify{UserID: "u1", Traits: actions.Traits{
			"long": strings.Repeat("x", 32_000)}},
	} {
		var of *profiles.Error
		if err := client.Enqueue(t.Context(), a); !errors.As(err, &of) || of.Status != profiles.Invalid {
			t.Errorf("%s: %v", rule, err)
		}
	}
	// At the limits, and in more than one batch's worth, nothing is dropped.
	delete(many, "t0")
	for i := range 6000 {
		a := actions.SendGroup{UserID: fmt.Sprint("u", i), GroupID: strings.Repeat("g", 500), MessageID: fmt.Sprintf("%099d", i)}
		if i == 0 {
			a.Traits = many
		}
		if err := client.Enqueue(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := server.Stats(); s.Kept != 6000 || s.Dropped != 0 || s.Statuses[400] != 0 {
		t.Errorf("the server counts %+v", s)
	}
}

func TestQueueFullAndClosed(t *testing.T) {
	recorder := new(transporttest.Recorder)
	client := newClient(t, profiles.Config{Transport: recorder, WriteKey: spaceKey, QueueMessages: 3})
	recorder.Hold()
	for range 3 {
		if err := client.TryEnqueue(actions.SendIdentify{UserID: "u"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.TryEnqueue(actions.SendIdentify{UserID: "u"}); !errors.Is(err, profiles.ErrQueueFull) {
		t.Errorf("TryEnqueue: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := client.Enqueue(ctx, actions.SendIdentify{UserID: "u"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Enqueue: %v", err)
	}
	recorder.Release()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u"}); !errors.Is(err, profiles.ErrClosed) {
		t.Errorf("Enqueue after Close: %v", err)
	}
	if o, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u"}); !errors.Is(err, profiles.ErrClosed) || o.Status != profiles.NotQueued {
		t.Errorf("Send after Close: %v, %+v", err, o)
	}
	for _, err := range client.Process(t.Context(), shop(t), records(t, `{"type":"identify","userId":"u"}`)) {
		if err == nil {
			continue
		}
		if !errors.Is(err, profiles.ErrClosed) {
			t.Errorf("Process after Close: %v", err)
		}
	}
	if s := client.Stats(); s.Accepted != 3 || s.Admitted != 3 || s.Queued != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseReportsWhatItGaveUp(t *testing.T) {
	recorder := new(transporttest.Recorder)
	var canceled int
	client, err := profiles.New(profiles.Config{
		Transport: recorder, WriteKey: spaceKey, CloseTimeout: 20 * time.Millisecond,
		Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) {
			if o.Status == profiles.Canceled && o.Ambiguous {
				canceled++
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	recorder.Hold()
	for range 5 {
		if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u"}); err != nil {
			t.Fatal(err)
		}
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Canceled != 5 || left.Ambiguous != 5 || left.Unreported != 0 {
		t.Errorf("Close: %v", err)
	}
	if canceled != 5 {
		t.Errorf("the hook was told of %d canceled messages, want 5", canceled)
	}
	if err := client.Close(); !errors.As(err, &left) || left.Canceled != 5 {
		t.Errorf("the second Close: %v", err)
	}
}

func TestZeroClientAndZeroSpaceDoNotPanic(t *testing.T) {
	var client profiles.Client
	a := actions.SendIdentify{UserID: "u"}
	for name, err := range map[string]error{
		"Enqueue":    client.Enqueue(t.Context(), a),
		"TryEnqueue": client.TryEnqueue(a),
		"Space":      client.Space(spaceKey).Enqueue(t.Context(), a),
		"zero Space": profiles.Space{}.Enqueue(t.Context(), a),
		"Check":      client.Check(shop(t)),
	} {
		var of *profiles.Error
		if !errors.As(err, &of) || of.Status != profiles.NotQueued {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := client.Flush(t.Context()); err == nil {
		t.Error("Flush of a client that was not made")
	}
	if err := client.Close(); err != nil || client.Stats() != (profiles.Stats{}) {
		t.Errorf("Close: %v", err)
	}
	for _, err := range client.Process(t.Context(), shop(t), records(t)) {
		if err == nil {
			t.Error("Process of a client that was not made")
		}
	}
	if (&profiles.BadRecord{}).Error() == "" {
		t.Error("a BadRecord without a cause has no text")
	}
}
