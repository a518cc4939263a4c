package actions_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

func ExampleSendIdentify() {
	message, err := actions.SendIdentify{
		UserID:    "u1",
		Traits:    actions.Traits{"email": "ada@example.com", "plan": "pro", "trial_ends": nil},
		Timestamp: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		MessageID: "m1",
		Consent:   actions.Consent{CategoryPreferences: map[string]bool{"analytics": true}},
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", message.JSON)
	// Output:
	// {"context":{"consent":{"categoryPreferences":{"analytics":true}}},"integrations":{"All":false},"messageId":"m1","timestamp":"2024-01-02T03:04:05Z","traits":{"email":"ada@example.com","plan":"pro","trial_ends":null},"type":"identify","userId":"u1"}
}

func ExampleSendGroup() {
	message, err := actions.SendGroup{
		UserID:    "u1",
		GroupID:   "acme",
		Traits:    actions.Traits{"name": "Acme", "seats": 12},
		MessageID: "m1",
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", message.JSON)
	// Output:
	// {"context":{"consent":{}},"groupId":"acme","integrations":{"All":false},"messageId":"m1","traits":{"name":"Acme","seats":12},"type":"group","userId":"u1"}
}

func ExampleSendTrack() {
	message, err := actions.SendTrack{
		AnonymousID: "a1",
		Event:       "Order Completed",
		Properties:  actions.Properties{"order_id": 9007199254740993, "total": 12.5},
		MessageID:   "m1",
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", message.JSON)
	// Output:
	// {"anonymousId":"a1","context":{"consent":{}},"event":"Order Completed","integrations":{"All":false},"messageId":"m1","properties":{"order_id":9007199254740993,"total":12.5},"type":"track"}
}

func ExampleSendSubscriptions() {
	message, err := actions.SendSubscriptions{
		Email:       "ada@example.com",
		EmailStatus: actions.Subscribed,
		EmailGroups: map[string]actions.SubscriptionStatus{"newsletter": actions.Unsubscribed},
		MessageID:   "m1",
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", message.JSON)
	// Output:
	// {"context":{"consent":{},"externalIds":[{"collection":"users","encoding":"none","id":"ada@example.com","type":"email"}],"messaging_subscriptions":[{"groups":[{"name":"newsletter","status":"UNSUBSCRIBED"}],"key":"ada@example.com","status":"SUBSCRIBED","type":"EMAIL"}],"messaging_subscriptions_retl":true},"integrations":{"All":false},"messageId":"m1","traits":{},"type":"identify"}
}

// Every problem is told at once, each with its field and its rule, and never with a value.
func ExampleError() {
	_, err := actions.SendSubscriptions{Phone: "+12135618345", EmailStatus: actions.Subscribed, Timestamp: time.Unix(-1, 0)}.Build()
	var e *actions.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			fmt.Printf("%s: %v\n", f.Rule, f)
		}
	}
	// Output:
	// timestamp_range: Timestamp (timestamp) must lie in the years 1970 to 9999
	// status_without_contact: Email Subscription Status (email_subscription_status) needs Email (email)
}

// What a saved mapping resolves to becomes an action, with Segment's own coercions.
func ExampleFromFields() {
	action, err := actions.FromFields(actions.KindTrack, map[string]any{
		"user_id":    42,
		"event_name": "Signed Up",
		"timestamp":  1700000000,
		"message_id": "m1",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := action.Build()
	fmt.Printf("%s %v\n", message.JSON, err)
	// Output:
	// {"context":{"consent":{}},"event":"Signed Up","integrations":{"All":false},"messageId":"m1","properties":{},"timestamp":"2023-11-14T22:13:20Z","type":"track","userId":"42"} <nil>
}

// Messages are appended to one buffer, without an allocation each.
func ExampleAppend() {
	var batch []byte
	for _, id := range []string{"m1", "m2"} {
		var encoded actions.Encoded
		var err error
		start := len(batch)
		batch, encoded, err = actions.Append(batch, actions.SendIdentify{UserID: "u1", MessageID: id}, actions.AppendOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		message := batch[start:]
		fmt.Printf("%s: %d bytes for %s\n", message[encoded.IDStart:encoded.IDEnd], len(message), encoded.Profile)
	}
	// Output:
	// m1: 116 bytes for u1
	// m2: 116 bytes for u1
}

func ExampleFields() {
	for _, f := range actions.Fields(actions.KindGroup) {
		if f.Required {
			fmt.Println(f.Name, f.Type, f.Label)
		}
	}
	// Output:
	// engage_space string Profile Space
	// group_id string Group ID
}
