package profiles_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The code of the README, run against a server on loopback.

func TestREADMEService(t *testing.T) {
	server := transporttest.NewServer(t)
	key := "space-write-key"
	service := func(ctx context.Context) error {
		client, err := profiles.New(profiles.Config{
			Region:   region.Europe,
			WriteKey: profiles.NewWriteKey(key),
			Endpoint: server.URL(), // test only
		})
		if err != nil {
			return err
		}
		defer client.Close()

		// Waits for the outcome: nil means that the Tracking API accepted the message.
		_, err = client.Send(ctx, actions.SendIdentify{
			UserID: "u1",
			Traits: actions.Traits{"email": "ada@example.com", "plan": "pro"},
		})
		if err != nil {
			return err
		}

		// Queues, and goes on. Close delivers what is queued for up to 10 s; Flush does so for as long as its context lasts.
		return client.Enqueue(ctx, actions.SendSubscriptions{
			UserID:      "u1",
			Email:       "ada@example.com",
			EmailStatus: actions.Subscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"newsletter": actions.Unsubscribed},
		})
	}
	if err := service(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := server.Profile("u1")
	if p.Traits["plan"] != "pro" || p.Subscription("EMAIL", "ada@example.com").Groups["newsletter"] != "UNSUBSCRIBED" {
		t.Errorf("the profile is %+v", p)
	}
}

func TestREADMEPipeline(t *testing.T) {
	server := transporttest.NewServer(t)
	rows := records(t, `{"type":"identify","userId":"u1","traits":{"plan":"pro"}}`, `{"type":"identify"}`)
	saved := 0
	save := func(checkpoint int) { saved = checkpoint }
	pipeline := func(ctx context.Context, records iter.Seq2[profiles.Record, error]) error {
		dest, err := profiles.LoadDestination("testdata/shop.json")
		if err != nil {
			return err // every mistake in the file, each with its line
		}
		client, err := profiles.New(profiles.Config{
			Region:   dest.Region(),
			WriteKey: spaceKey,     // test only
			Endpoint: server.URL(), // test only
		})
		if err != nil {
			return err
		}
		defer client.Close()

		for outcome, err := range client.Process(ctx, dest.For(profiles.Input{Name: "customers"}), records) {
			if err != nil {
				return err // of the source, or of the context
			}
			if !outcome.Done() {
				return outcome.Err() // not the row's fault: the next run reads it again
			}
			if err := outcome.Err(); err != nil {
				log.Printf("row %d: %v", outcome.Index, err)
			}
			save(outcome.Index + 1)
		}
		return nil
	}
	if err := pipeline(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if saved != 2 || server.Profile("u1").Traits["plan"] != "pro" {
		t.Errorf("the checkpoint is %d, the profile %+v", saved, server.Profile("u1"))
	}
}

func TestREADMEDeadLetters(t *testing.T) {
	t.Chdir(t.TempDir())
	server := transporttest.NewServer(t)
	message, err := actions.SendIdentify{UserID: "u1", MessageID: "m1"}.Build()
	if err != nil {
		t.Fatal(err)
	}
	var old bytes.Buffer
	if err := json.NewEncoder(&old).Encode(profiles.DeadLetter{Status: profiles.Rejected, Message: message.JSON}); err != nil {
		t.Fatal(err)
	}
	again := func(ctx context.Context, key profiles.WriteKey, lastWeek io.Reader) error {
		dead, err := profiles.OpenDeadLetterFile("dead.ndjson", 0)
		if err != nil {
			return err
		}
		defer dead.Close()
		client, err := profiles.New(profiles.Config{
			Region:      region.Europe,
			WriteKey:    key,
			DeadLetters: dead.Write,
			Endpoint:    server.URL(), // test only
		})
		if err != nil {
			return err
		}
		defer client.Close()

		for outcome, err := range client.Replay(ctx, profiles.ReadDeadLetters(lastWeek)) {
			if err != nil {
				return err
			}
			log.Printf("letter %d: %s", outcome.Index, outcome.Status)
		}
		return nil
	}
	if err := again(t.Context(), spaceKey, &old); err != nil {
		t.Fatal(err)
	}
	if server.Profile("u1").ID != "u1" {
		t.Error("the letter's message did not arrive")
	}
}

func TestREADMETests(t *testing.T) {
	signUp := func(client *profiles.Client) {
		if err := client.Enqueue(t.Context(), actions.SendTrack{UserID: "u1", Event: "Signed Up"}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("recorder", func(t *testing.T) {
		client, sent := profilestest.NewClient(t)
		signUp(client)
		sent.Require(t, actions.SendTrack{UserID: "u1", Event: "Signed Up"})
	})
	t.Run("server", func(t *testing.T) {
		server := transporttest.NewServer(t)
		server.Fail(transporttest.ResetAfterRead()) // the batch is taken, and the answer lost
		client, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey("key")})
		if err != nil {
			t.Fatal(err)
		}
		signUp(client)
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(server.Profile("u1").Events); n != 1 {
			t.Errorf("the profile has %d events", n)
		}
	})
}

// Before anything is sent: what would a record give?
func ExampleDestination_Preview() {
	dest, err := profiles.LoadDestination("testdata/shop.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	record := profiles.Record{"type": "identify", "messageId": "m1", "userId": "u1", "traits": map[string]any{"email": "ADA@example.com", "newsletter": "maybe"}}
	preview := dest.Preview(record, 0)
	for _, m := range preview.Messages {
		fmt.Println(m.Mapping.ID(), string(m.Message), m.Err)
	}
	// Output:
	// people {"context":{"consent":{}},"integrations":{"All":false},"messageId":"m1","traits":{"email":"ada@example.com"},"type":"identify","userId":"u1"} <nil>
	// consent  message invalid: sendSubscription: Email Subscription Status (email_subscription_status) must be true or subscribed, false or unsubscribed, did_not_subscribe, or blank
}
