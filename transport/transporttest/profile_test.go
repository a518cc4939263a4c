package transporttest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestProfiles(t *testing.T) {
	type profile = transporttest.Profile
	email := func(status, groups string) string {
		return `"context":{"messaging_subscriptions":[{"key":"a@b.co","type":"EMAIL"` + status + groups + `}],"externalIds":[{"id":"a@b.co","type":"email","collection":"users","encoding":"none"}]}`
	}
	anEmail := []transporttest.ExternalID{{Type: "email", ID: "a@b.co"}}
	tests := []struct {
		name     string
		messages []string
		want     []profile
	}{
		{
			"traits are merged, null takes one away",
			[]string{
				`{"type":"identify","userId":"u1","traits":{"a":1,"b":{"x":1},"c":"","d":null}}`,
				`{"type":"identify","userId":"u1","traits":{"a":null,"b":{"y":2}}}`,
			},
			[]profile{{ID: "u1", UserID: "u1", Traits: map[string]any{"b": map[string]any{"y": json.Number("2")}, "c": ""}}},
		},
		{
			"a group call changes no traits of the person",
			[]string{`{"type":"group","userId":"u1","groupId":"g1","traits":{"a":1}}`, `{"type":"group","userId":"u1","groupId":"g1"}`, `{"type":"group","userId":"u1","groupId":"g2"}`},
			[]profile{{ID: "u1", UserID: "u1", Groups: []string{"g1", "g2"}}},
		},
		{
			"a dropped event reaches no profile",
			[]string{`{"type":"track","userId":"u1"}`, `{"type":"identify","traits":{"a":1}}`},
			nil,
		},
		{
			"a duplicate reaches no profile",
			[]string{`{"type":"identify","userId":"u1","messageId":"m","traits":{"a":1}}`, `{"type":"identify","userId":"u1","messageId":"m","traits":{"a":2}}`},
			[]profile{{ID: "u1", UserID: "u1", Traits: map[string]any{"a": json.Number("1")}}},
		},
		{
			"consent stays until there is another",
			[]string{
				`{"type":"identify","userId":"u1","context":{"consent":{"categoryPreferences":{"ads":true}}}}`,
				`{"type":"track","event":"e","userId":"u2","context":{"consent":{"categoryPreferences":{"ads":true}}}}`,
				`{"type":"track","event":"e","userId":"u2","context":{"consent":{"categoryPreferences":{"ads":false}}}}`,
				`{"type":"identify","userId":"u1","context":{"consent":{}}}`,
			},
			[]profile{
				{ID: "u1", UserID: "u1", Consent: map[string]any{"categoryPreferences": map[string]any{"ads": true}}},
				{ID: "u2", UserID: "u2", Consent: map[string]any{"categoryPreferences": map[string]any{"ads": false}}},
			},
		},
		{
			"statuses of subscriptions replace each other, those of groups by name",
			[]string{
				`{"type":"identify","userId":"u1",` + email(`,"status":"SUBSCRIBED"`, `,"groups":[{"name":"n1","status":"SUBSCRIBED"},{"name":"n2","status":"SUBSCRIBED"}]`) + `}`,
				`{"type":"identify","userId":"u1",` + email(`,"status":"UNSUBSCRIBED"`, `,"groups":[{"name":"n2","status":"UNSUBSCRIBED"}]`) + `}`,
			},
			[]profile{{ID: "u1", UserID: "u1", ExternalIDs: anEmail, Subscriptions: []transporttest.Subscription{
				{Channel: "EMAIL", Key: "a@b.co", Status: "UNSUBSCRIBED", Groups: map[string]string{"n1": "SUBSCRIBED", "n2": "UNSUBSCRIBED"}},
			}}},
		},
		{
			"an entry without a status leaves it",
			[]string{
				`{"type":"identify","userId":"u1",` + email(`,"status":"SUBSCRIBED"`, ``) + `}`,
				`{"type":"identify","userId":"u1",` + email(``, `,"groups":[{"name":"n1","status":"SUBSCRIBED"}]`) + `}`,
			},
			[]profile{{ID: "u1", UserID: "u1", ExternalIDs: anEmail, Subscriptions: []transporttest.Subscription{
				{Channel: "EMAIL", Key: "a@b.co", Status: "SUBSCRIBED", Groups: map[string]string{"n1": "SUBSCRIBED"}},
			}}},
		},
		{
			"one contact value, two channels",
			[]string{`{"type":"identify","context":{"messaging_subscriptions":[{"key":"+1","type":"SMS","status":"SUBSCRIBED"},{"key":"+1","type":"WHATSAPP","status":"DID_NOT_SUBSCRIBE"}],"externalIds":[{"id":"+1","type":"phone"}]}}`},
			[]profile{{ID: "+1", ExternalIDs: []transporttest.ExternalID{{Type: "phone", ID: "+1"}}, Subscriptions: []transporttest.Subscription{
				{Channel: "SMS", Key: "+1", Status: "SUBSCRIBED"}, {Channel: "WHATSAPP", Key: "+1", Status: "DID_NOT_SUBSCRIBE"},
			}}},
		},
		{
			"an external id finds the user that it came with",
			[]string{`{"type":"identify","userId":"u1",` + email(`,"status":"SUBSCRIBED"`, ``) + `}`, `{"type":"identify",` + email(`,"status":"UNSUBSCRIBED"`, ``) + `}`},
			[]profile{{ID: "u1", UserID: "u1", ExternalIDs: anEmail, Subscriptions: []transporttest.Subscription{
				{Channel: "EMAIL", Key: "a@b.co", Status: "UNSUBSCRIBED"},
			}}},
		},
		{
			"the trait email of an identify call is an external id",
			[]string{`{"type":"identify","userId":"u1","traits":{"email":"a@b.co"}}`, `{"type":"identify",` + email(`,"status":"SUBSCRIBED"`, ``) + `}`},
			[]profile{{ID: "u1", UserID: "u1", ExternalIDs: anEmail, Traits: map[string]any{"email": "a@b.co"}, Subscriptions: []transporttest.Subscription{
				{Channel: "EMAIL", Key: "a@b.co", Status: "SUBSCRIBED"},
			}}},
		},
		{
			"an anonymous person becomes a user",
			[]string{
				`{"type":"identify","anonymousId":"a1","traits":{"a":1}}`, `{"type":"identify","userId":"u1","anonymousId":"a1","traits":{"b":2}}`,
				`{"type":"identify","anonymousId":"a1","traits":{"c":3}}`,
			},
			[]profile{{ID: "u1", UserID: "u1", AnonymousIDs: []string{"a1"}, Traits: map[string]any{"a": json.Number("1"), "b": json.Number("2"), "c": json.Number("3")}}},
		},
		{
			"an anonymous person turns out to be a user who is known: the user's traits win",
			[]string{
				`{"type":"identify","anonymousId":"a1","traits":{"a":1,"b":1}}`, `{"type":"group","anonymousId":"a1","groupId":"g1"}`,
				`{"type":"identify","userId":"u1","traits":{"a":2}}`, `{"type":"identify","userId":"u1","anonymousId":"a1"}`,
			},
			[]profile{{ID: "u1", UserID: "u1", AnonymousIDs: []string{"a1"}, Groups: []string{"g1"}, Traits: map[string]any{"a": json.Number("2"), "b": json.Number("1")}}},
		},
		{
			"an id that belongs to one user stays there when it comes with another's",
			[]string{
				`{"type":"identify","userId":"u1","anonymousId":"a1","traits":{"email":"a@b.co"}}`,
				`{"type":"identify","userId":"u2","anonymousId":"a1","traits":{"email":"a@b.co"}}`,
			},
			[]profile{
				{ID: "u1", UserID: "u1", AnonymousIDs: []string{"a1"}, ExternalIDs: anEmail, Traits: map[string]any{"email": "a@b.co"}},
				{ID: "u2", UserID: "u2", Traits: map[string]any{"email": "a@b.co"}},
			},
		},
		{
			"two anonymous persons turn out to be one",
			[]string{
				`{"type":"identify","anonymousId":"a1","traits":{"a":1}}`, `{"type":"identify",` + email(`,"status":"SUBSCRIBED"`, ``) + `}`,
				`{"type":"identify","anonymousId":"a1","traits":{"email":"a@b.co"}}`,
			},
			[]profile{{ID: "a1", AnonymousIDs: []string{"a1"}, ExternalIDs: anEmail, Traits: map[string]any{"a": json.Number("1"), "email": "a@b.co"}, Subscriptions: []transporttest.Subscription{
				{Channel: "EMAIL", Key: "a@b.co", Status: "SUBSCRIBED"},
			}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := transporttest.NewServer(t)
			post(t, s, 200, tt.messages...)
			got := s.Space(key).Profiles()
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(profile{}, "Events")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, want := range tt.want {
				for _, id := range append(append([]string{want.ID}, want.AnonymousIDs...), externals(want)...) {
					if found := s.Profile(id); found.ID != want.ID {
						t.Errorf("%s finds the profile %q, want %q", id, found.ID, want.ID)
					}
				}
			}
		})
	}
}

func externals(p transporttest.Profile) (ids []string) {
	for _, x := range p.ExternalIDs {
		ids = append(ids, x.ID)
	}
	return ids
}

func TestProfileEventsKeepTheirOrderThroughAMerge(t *testing.T) {
	s := transporttest.NewServer(t)
	post(t, s, 200,
		`{"type":"track","userId":"u1","event":"1"}`, `{"type":"track","anonymousId":"a1","event":"2"}`,
		`{"type":"page","userId":"u1"}`, `{"type":"track","anonymousId":"a1","event":"4"}`,
		`{"type":"track","userId":"u1","anonymousId":"a1","event":"5"}`)
	var names string
	for _, e := range s.Profile("u1").Events {
		names += e.Type + e.Name + " "
	}
	if names != "track1 track2 page track4 track5 " {
		t.Errorf("events: %s", names)
	}
}

func TestGroups(t *testing.T) {
	s := transporttest.NewServer(t)
	post(t, s, 200,
		`{"type":"group","userId":"u1","groupId":"g1","traits":{"name":"Acme","size":3}}`,
		`{"type":"group","anonymousId":"a1","groupId":"g1"}`,
		`{"type":"group","anonymousId":"a2","groupId":"g1","traits":{"size":null,"plan":"pro"}}`,
		`{"type":"identify","userId":"u1","anonymousId":"a2"}`, // one member less
		`{"type":"identify","userId":"u3","anonymousId":"a1"}`, // a member with another name
	)
	want := transporttest.Group{ID: "g1", Traits: map[string]any{"name": "Acme", "plan": "pro"}, Members: []string{"u1", "u3"}}
	if diff := cmp.Diff(want, s.Group("g1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if g := s.Group("g2"); g.ID != "" || g.Members != nil {
		t.Errorf("a group that is none: %+v", g)
	}
}

func TestSpacesKnowNothingOfEachOther(t *testing.T) {
	s := transporttest.NewServer(t)
	other := transport.NewWriteKey("write-key-2")
	post(t, s, 200, `{"type":"identify","userId":"u1","traits":{"a":"one"}}`, `{"type":"group","userId":"u1","groupId":"g1"}`)
	for _, message := range []string{`{"type":"identify","userId":"u1","traits":{"b":"two"}}`, `{"type":"group","userId":"u2","groupId":"g2"}`} {
		if _, _, err := send(t, s, call{noKey: true, body: `{"writeKey":"write-key-2","batch":[` + message + `]}`}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Space(other).Profile("u1").Traits; !cmp.Equal(got, map[string]any{"b": "two"}) {
		t.Errorf("traits in the second space: %v", got)
	}
	if got := s.Profile("u1").Traits; !cmp.Equal(got, map[string]any{"a": "one"}) {
		t.Errorf("traits in all spaces: %v, want those of the first", got)
	}
	if s.Profile("u2").ID != "u2" || s.Space(key).Profile("u2").ID != "" || s.Group("g2").ID != "g2" || s.Space(key).Group("g2").ID != "" {
		t.Error("a profile or a group is found in the wrong space")
	}
	if got := s.Spaces(); len(got) != 2 || got[0] != key || got[1] != other {
		t.Errorf("spaces: %v", got)
	}
	if a, b := len(s.Space(key).Events()), len(s.Space(other).Events()); a != 2 || b != 2 {
		t.Errorf("%d and %d events, want 2 each", a, b)
	}
	none := s.Space(transport.NewWriteKey("write-key-3"))
	if none.Profile("u1").ID != "" || none.Profiles() != nil || none.Events() != nil || none.Group("g1").ID != "" {
		t.Error("a space that is none knows something")
	}
}

func TestSubscriptionByChannelAndKey(t *testing.T) {
	p := transporttest.Profile{Subscriptions: []transporttest.Subscription{{Channel: "SMS", Key: "+1", Status: "SUBSCRIBED"}}}
	if p.Subscription("SMS", "+1").Status != "SUBSCRIBED" || p.Subscription("SMS", "+2").Status != "" || p.Subscription("EMAIL", "+1").Key != "" {
		t.Error("the wrong subscription is found")
	}
}
