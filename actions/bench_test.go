package actions_test

import (
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

func twelveTraits() map[string]any {
	return map[string]any{
		"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "plan": "enterprise", "seats": int64(42), "mrr": 1299.5,
		"active": true, "referrer": nil, "city": "London", "country": "GB", "created_at": "2024-01-02T03:04:05Z",
		"company": map[string]any{"name": "Analytical Engines", "employees": int64(12)},
	}
}

// typical are messages as services send them, without a messageId.
func typical() map[string]actions.Action {
	return map[string]actions.Action{
		"identify": actions.SendIdentify{UserID: "user-0123456789", Traits: twelveTraits(), Timestamp: noon},
		"group":    actions.SendGroup{UserID: "user-0123456789", GroupID: "g1", Traits: twelveTraits()},
		"track": actions.SendTrack{
			UserID: "user-0123456789", Event: "Order Completed", Properties: twelveTraits(),
			Consent: actions.Consent{CategoryPreferences: map[string]bool{"analytics": true, "ads": false}},
		},
		"subscriptions": actions.SendSubscriptions{
			Email: "ada@example.com", EmailStatus: actions.Subscribed, Phone: "+12135618345", SMSStatus: actions.Unsubscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"news": actions.Subscribed, "deals": actions.Unsubscribed},
		},
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, actions.MaxMessageBytes)
	for name, a := range typical() {
		for _, options := range []actions.AppendOptions{{}, {Sorted: true}, {Stamp: noon}} {
			if allocs := testing.AllocsPerRun(200, func() {
				if _, _, err := actions.Append(dst, a, options); err != nil {
					t.Fatal(err)
				}
			}); allocs > 0 {
				t.Errorf("%s, %+v: %v allocations", name, options, allocs)
			}
		}
	}
}

func TestFromFieldsAllocatesTheActionAlone(t *testing.T) {
	fields := map[string]any{
		"user_id": "user-0123456789", "traits": twelveTraits(), "timestamp": "2024-01-02T03:04:05Z", "message_id": "m1", "event_name": "E",
	}
	for _, kind := range []actions.Kind{actions.KindIdentify, actions.KindTrack} {
		if allocs := testing.AllocsPerRun(200, func() {
			if _, err := actions.FromFields(kind, fields); err != nil {
				t.Fatal(err)
			}
		}); allocs > 1 {
			t.Errorf("%v: %v allocations", kind, allocs)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	dst := make([]byte, 0, actions.MaxMessageBytes)
	for name, a := range typical() {
		for how, options := range map[string]actions.AppendOptions{"unsorted": {}, "sorted": {Sorted: true}} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					out, _, err := actions.Append(dst, a, options)
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(len(out)))
				}
			})
		}
	}
}

func BenchmarkFromFields(b *testing.B) {
	fields := map[string]any{
		"engage_space": "key", "user_id": "user-0123456789", "traits": twelveTraits(), "timestamp": "2024-01-02T03:04:05Z", "message_id": "m1",
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := actions.FromFields(actions.KindIdentify, fields); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInvalid(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := actions.Append(nil, actions.SendGroup{}, actions.AppendOptions{}); err == nil {
			b.Fatal("no error")
		}
	}
}
