package profiles_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A Go service sends typed actions. In production the config has a Region instead of an Endpoint.
func Example() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	ctx := context.Background()

	client, err := profiles.New(profiles.Config{
		Endpoint: server.URL(), // Region: region.Europe
		WriteKey: profiles.NewWriteKey("the-space-write-key"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	// Send waits for the outcome.
	outcome, err := client.Send(ctx, actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"plan": "pro"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(outcome.Status)

	// Enqueue does not; Flush waits for all that was enqueued.
	err = client.Enqueue(ctx, actions.SendTrack{UserID: "u1", Event: "Order Completed", Properties: actions.Properties{"total": 42}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Flush(ctx); err != nil {
		fmt.Println(err)
		return
	}

	profile := server.Profile("u1")
	fmt.Println(profile.Traits["plan"], profile.Events[0].Name)
	// Output:
	// accepted
	// pro Order Completed
}

// An ETL tool runs records through the mappings that were saved in Segment, and moves its checkpoint as outcomes come.
func ExampleClient_Process() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	client, err := profiles.New(profiles.Config{Endpoint: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	dest, err := profiles.ParseDestination([]byte(`{
	  "name": "Shop", "region": "north_america", "enabled": true,
	  "subscriptions": [{
	    "id": "s1", "name": "Customers", "actionSlug": "sendIdentify", "enabled": true, "trigger": "type = \"identify\"",
	    "settings": {
	      "engage_space": "customers-write-key",
	      "user_id": {"@path": "$.userId"},
	      "traits": {"email": {"@case": {"operator": "lower", "value": {"@path": "$.traits.email"}}}}
	    }
	  }]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	records := func(yield func(profiles.Record, error) bool) {
		for _, r := range []profiles.Record{
			{"type": "identify", "userId": "u1", "traits": map[string]any{"email": "Ada@Example.com"}},
			{"type": "identify", "traits": map[string]any{"email": "nobody@example.com"}},
			{"type": "page", "userId": "u1"},
		} {
			if !yield(r, nil) {
				return
			}
		}
	}
	for outcome, err := range client.Process(context.Background(), dest.For(profiles.Input{Name: "customers.csv"}), records) {
		if err != nil {
			fmt.Println("stopped:", err)
			break
		}
		switch outcome.Status {
		case profiles.Accepted:
			fmt.Println(outcome.Index, "accepted")
		case profiles.Skipped:
			fmt.Println(outcome.Index, "skipped:", outcome.Skip)
		default:
			fmt.Println(outcome.Index, outcome.Status, outcome.Err())
		}
	}
	fmt.Println(server.Profile("u1").Traits["email"])
	// Output:
	// 0 accepted
	// 1 invalid message invalid: sendIdentify: User ID (user_id) or Anonymous ID (anonymous_id) is required
	// 2 skipped: no mapping matched
	// ada@example.com
}

// One client serves several Profile Spaces.
func ExampleClient_Space() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := profiles.New(profiles.Config{Endpoint: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	staging, production := profiles.NewWriteKey("staging-key"), profiles.NewWriteKey("production-key")
	for _, key := range []profiles.WriteKey{staging, production} {
		if _, err := client.Space(key).Send(context.Background(), actions.SendIdentify{UserID: "u1"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(len(server.Space(staging).Profiles()), len(server.Space(production).Profiles()))
	fmt.Println(production)
	// Output:
	// 1 1
	// [write key]
}

// Errors say which field broke which rule; they never hold a value.
func ExampleError() {
	client, err := profiles.New(profiles.Config{Transport: new(transporttest.Recorder), WriteKey: profiles.NewWriteKey("key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	err = client.Enqueue(context.Background(), actions.SendGroup{Traits: actions.Traits{"name": "Acme"}})
	var invalid *actions.Error
	if errors.As(err, &invalid) {
		for _, f := range invalid.Fields {
			fmt.Printf("%s: %s\n", f.Field, f.Rule)
		}
	}
	// Output:
	// user_id: identity_required
	// group_id: required
}
