package signup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/examples/signup"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

var ada = signup.Customer{ID: "u1", Email: "ada@example.com", Plan: "pro", Newsletter: true}

// In memory: what was sent, and nothing else.
func TestSignUp(t *testing.T) {
	client, sent := profilestest.NewClient(t)

	if err := signup.SignUp(t.Context(), client, ada); err != nil {
		t.Fatal(err)
	}
	sent.RequireOnly(t,
		actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"email": "ada@example.com", "plan": "pro"}},
		actions.SendSubscriptions{UserID: "u1", Email: "ada@example.com", EmailStatus: actions.Subscribed},
		actions.SendTrack{UserID: "u1", Event: "Signed Up"},
	)
}

func TestSignUpWithoutNewsletter(t *testing.T) {
	client, sent := profilestest.NewClient(t)
	customer := ada
	customer.Newsletter = false

	if err := signup.SignUp(t.Context(), client, customer); err != nil {
		t.Fatal(err)
	}
	sent.RequireOnly(t,
		actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"email": "ada@example.com", "plan": "pro"}},
		actions.SendTrack{UserID: "u1", Event: "Signed Up"},
	)
}

// A customer without an id never reaches Segment, which would answer 200 and drop them.
func TestSignUpWithoutID(t *testing.T) {
	client, sent := profilestest.NewClient(t)

	err := signup.SignUp(t.Context(), client, signup.Customer{Email: "ada@example.com"})
	var invalid *actions.Error
	if !errors.As(err, &invalid) || invalid.Fields[0].Rule != actions.RuleIdentityRequired {
		t.Fatalf("got %v, want that an id is required", err)
	}
	sent.RequireNone(t)
}

// Failures can be scripted in memory as well.
func TestSignUpRejected(t *testing.T) {
	client, sent := profilestest.NewClient(t)
	sent.Recorder().Fail(transport.Credentials)

	err := signup.SignUp(t.Context(), client, ada)
	var failed *profiles.Error
	if !errors.As(err, &failed) || failed.Status != profiles.Rejected {
		t.Fatalf("got %v, want a rejected message", err)
	}
	sent.RequireNone(t)
}

// Against a Tracking API: over HTTP, with Segment's limits, and with what Segment would then know. It is busy at first; nothing is
// lost, nothing comes twice.
func TestSignUpWhileSegmentIsBusy(t *testing.T) {
	server := transporttest.NewServer(t)
	server.Fail(transporttest.TooManyRequests(time.Second))
	client, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey("test-space")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })

	if err := signup.SignUp(t.Context(), client, ada); err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	profile := server.Profile("u1")
	if got := profile.Traits["plan"]; got != "pro" {
		t.Errorf("plan is %v, want pro", got)
	}
	if got := profile.Subscription("EMAIL", "ada@example.com").Status; got != "SUBSCRIBED" {
		t.Errorf("email status is %q, want SUBSCRIBED", got)
	}
	if len(profile.Events) != 1 || profile.Events[0].Name != "Signed Up" {
		t.Errorf("events are %v, want one Signed Up", profile.Events)
	}
	stats := server.Stats()
	if stats.Faults[transporttest.FaultTooManyRequests] != 1 {
		t.Errorf("the server was busy %d times, want once", stats.Faults[transporttest.FaultTooManyRequests])
	}
	if stats.Duplicates != 0 || stats.Kept != 3 {
		t.Errorf("%d messages kept and %d duplicates, want 3 and none", stats.Kept, stats.Duplicates)
	}
}
