package transporttest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func ExampleRecorder() {
	var sent transporttest.Recorder
	sent.Fail(transport.Retry) // the first attempt fails

	batch := &transport.Batch{WriteKey: transport.NewWriteKey("write-key-1")}
	batch.Append([]byte(`{"type":"identify","userId":"u1","traits":{"plan":"pro"}}`))
	for range 2 {
		result := sent.Deliver(context.Background(), batch)
		fmt.Println(result.Class, result.Status)
	}
	for _, m := range sent.Messages() {
		fmt.Println(m.Fields["userId"], m.Fields["traits"])
	}
	// Output:
	// retry 503
	// accepted 200
	// u1 map[plan:pro]
}

func ExampleServer() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{}) // in a test: NewServer(t)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Fail(transporttest.TooManyRequests(2 * time.Second))

	api, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.CloseIdleConnections()
	batch := &transport.Batch{WriteKey: transport.NewWriteKey("write-key-1")}
	batch.Append([]byte(`{"type":"identify","userId":"u1","traits":{"plan":"pro"},"integrations":{"All":false}}`))
	batch.Append([]byte(`{"type":"track","userId":"u1","properties":{"total":3}}`))
	for range 2 {
		result := api.Deliver(context.Background(), batch)
		fmt.Println(result.Class, result.Status, result.RetryAfter)
	}
	fmt.Println(server.Profile("u1").Traits)
	for _, e := range server.Dropped() {
		fmt.Println("dropped:", e.Reason)
	}
	// Output:
	// retry 429 2s
	// accepted 200 0s
	// map[plan:pro]
	// dropped: track without event
}

func ExampleServer_Space() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	api, err := transport.NewHTTP(transport.HTTPConfig{Endpoint: server.URL(), Client: server.Client()})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := transport.NewWriteKey("write-key-1")
	batch := &transport.Batch{WriteKey: key}
	batch.Append([]byte(`{"type":"identify","userId":"u1","context":{
		"messaging_subscriptions":[{"key":"a@b.co","type":"EMAIL","status":"SUBSCRIBED"}],
		"externalIds":[{"id":"a@b.co","type":"email","collection":"users","encoding":"none"}]}}`))
	batch.Append([]byte(`{"type":"group","userId":"u1","groupId":"acme","traits":{"plan":"pro"}}`))
	fmt.Println(api.Deliver(context.Background(), batch).Class)

	space := server.Space(key)
	person := space.Profile("a@b.co") // known by email too
	fmt.Println(person.ID, person.Groups, person.Subscription("EMAIL", "a@b.co").Status)
	fmt.Println(space.Group("acme").Traits, space.Group("acme").Members)
	// Output:
	// accepted
	// u1 [acme] SUBSCRIBED
	// map[plan:pro] [u1]
}
