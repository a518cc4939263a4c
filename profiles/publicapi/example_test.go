package publicapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A Profile Space is given by its name, as in Segment's app, and the mappings of a destination file, which have no engage_space, go there.
func ExampleClient_Space() {
	segment, tracking := startServers()
	defer segment.Close()
	defer tracking.Close()

	// In production: publicapi.Config{Region: region.NorthAmerica, Token: publicapi.NewToken(os.Getenv("SEGMENT_TOKEN"))}
	api, err := publicapi.New(segment.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	space, err := api.Space(ctx, "Production")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := profiles.New(profiles.Config{Endpoint: tracking.URL(), WriteKey: space.Key})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	destination, err := profiles.ParseDestination([]byte(`{"mappings": [{
		"action": "sendIdentify", "trigger": "type = \"identify\"",
		"fields": {"user_id": {"@path": "$.userId"}, "traits": {"@path": "$.traits"}}
	}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	records := []profiles.Record{{"type": "identify", "userId": "u1", "traits": map[string]any{"plan": "pro"}}}
	for outcome, err := range client.Process(ctx, destination, all(records)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(outcome.Status)
	}
	fmt.Println(space.Name, space.Key, tracking.Space(space.Key).Profile("u1").Traits)
	// Output:
	// accepted
	// Production [write key] map[plan:pro]
}

// An error tells what to do.
func ExampleError() {
	segment, tracking := startServers()
	defer segment.Close()
	defer tracking.Close()
	api, err := publicapi.New(segment.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = api.Space(context.Background(), "production")
	fmt.Println(errors.Is(err, publicapi.ErrNotFound), err)
	// Output:
	// true publicapi: Profile Space "production": there is none of this name, slug or id among the 2 that the token sees: "Production", "Staging"
}

func ExampleClient_Destination() {
	segment, tracking := startServers()
	defer segment.Close()
	defer tracking.Close()
	api, err := publicapi.New(segment.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	destination, err := api.Destination(context.Background(), "66be7aeca665bd11f8908630")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(destination.Name(), destination.Region(), len(destination.Mappings()), destination.Spaces())
	// Output:
	// Warehouse to Profiles europe 1 [[write key]]
}

// all gives records that are there already.
func all(records []profiles.Record) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// startServers starts stand-ins for the Public API and the Tracking API.
func startServers() (*publicapitest.Server, *transporttest.Server) {
	segment, err := publicapitest.StartServer() // in a test: NewServer(t)
	if err != nil {
		panic(err)
	}
	tracking, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		panic(err)
	}
	segment.AddSpace("Production", profiles.NewWriteKey("production-write-key"))
	segment.AddSpace("Staging", profiles.NewWriteKey("staging-write-key"))
	segment.AddDestination(publicapitest.Destination{
		ID: "66be7aeca665bd11f8908630", Name: "Warehouse to Profiles", Settings: map[string]any{"endpoint": "europe"},
		Subscriptions: []json.RawMessage{json.RawMessage(`{"id": "s1", "actionSlug": "sendIdentify", "trigger": "type = \"identify\"", "enabled": true,
			"settings": {"engage_space": "production-write-key", "user_id": {"@path": "$.userId"}}}`)},
	})
	return segment, tracking
}
