package actions_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

// FuzzFromFields holds what must be so for any record: no panic, nothing written into the fields, and an action that can be sent
// but for its size.
func FuzzFromFields(f *testing.F) {
	for _, seed := range []string{
		`null`,
		`{"user_id":"u","traits":{"a":null},"timestamp":"2024-01-02","consent":{"categoryPreferences":{"a":true},"v":[1]}}`,
		`{"user_id":[1],"anonymous_id":{},"group_id":1e21,"event_name":["x"],"properties":[{}],"timestamp":1700000000.5,"message_id":false}`,
		`{"email":"e","phone":12,"email_subscription_status":" TRUE ","sms_subscription_status":false,"subscription_groups":{"a":["true"],"b":null}}`,
		`{"timestamp":[1],"consent":{"x":1},"email_subscription_status":["true"],"subscription_groups":{"a/~":{}},"ios_push_token":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var fields, copied map[string]any
		if conformance.Decode(text, &fields) != nil || conformance.Decode(text, &copied) != nil {
			return
		}
		for _, kind := range actions.Kinds() {
			a, err := actions.FromFields(kind, fields)
			if !reflect.DeepEqual(fields, copied) {
				t.Fatalf("%v: fields are written to: %v", kind, fields)
			}
			var e *actions.Error
			if err != nil {
				if !errors.As(err, &e) || e.Action != kind || len(e.Fields) == 0 || a != nil {
					t.Fatalf("%v: %v with action %v", kind, err, a)
				}
				continue
			}
			if a.Kind() != kind {
				t.Fatalf("%v gives %v", kind, a.Kind())
			}
			message, _, err := actions.Append(nil, a, actions.AppendOptions{})
			if errors.As(err, &e) && (e.Fields[0].Rule == actions.RuleMessageTooLarge || e.Fields[0].Rule == actions.RuleUnencodable) {
				continue
			}
			if err != nil {
				t.Fatalf("%v: Append refuses what FromFields made: %v", kind, err)
			}
			checkMessage(t, kind, message)
		}
		if key, err := actions.SpaceFromFields(fields); (key == "") != (err != nil) {
			t.Errorf("space %q, %v", key, err)
		}
	})
}

// FuzzAppend holds what must be so for any message: it is JSON of at most the limit, says what the action says, keeps
// integrations.All=false and has its messageId where Encoded says.
func FuzzAppend(f *testing.F) {
	f.Add(uint8(0), "u", "a", "g", "E", "m", []byte(`{"a":[1,null,{"b":"c"}]}`), int64(0), "x", false)
	f.Add(uint8(1), "", "a\"", "g\\", "", "", []byte(`{}`), int64(1700000000), "", true)
	f.Add(uint8(2), "\xff", "", "", "\u2028\x00", "<&>", []byte(`{"a":1e21,"b":-0}`), int64(1), "\x1f", false)
	f.Add(uint8(3), "", "", "", "", "id", []byte(`null`), int64(0), "g", true)
	f.Fuzz(func(t *testing.T, kind uint8, user, anonymous, group, event, id string, members []byte, seconds int64, other string, sorted bool) {
		var traits map[string]any
		if conformance.Decode(members, &traits) != nil {
			return
		}
		var at time.Time
		if seconds != 0 {
			at = time.Unix(seconds, 1)
		}
		consent := actions.Consent{CategoryPreferences: map[string]bool{other: true}, Extra: map[string]any{other: user}}
		var a actions.Action
		switch kind % 4 {
		case 0:
			a = actions.SendIdentify{UserID: user, AnonymousID: anonymous, GroupID: group, Traits: traits, Timestamp: at, MessageID: id, Consent: consent}
		case 1:
			a = actions.SendGroup{UserID: user, AnonymousID: anonymous, GroupID: group, Traits: traits, Timestamp: at, MessageID: id}
		case 2:
			a = actions.SendTrack{UserID: user, GroupID: group, Properties: traits, Event: event, Timestamp: at, MessageID: id, Consent: consent}
		case 3:
			a = actions.SendSubscriptions{
				UserID: user, Email: other, Phone: group, IOSPushToken: event, Traits: traits, Timestamp: at, MessageID: id,
				EmailStatus: actions.Subscribed, SMSStatus: actions.SubscriptionStatus(seconds % 4),
				EmailGroups: map[string]actions.SubscriptionStatus{anonymous: actions.Unsubscribed, event: 0},
			}
		}
		const before = "before"
		options := actions.AppendOptions{Sorted: sorted, Stamp: time.Unix(1, 0)}
		dst, enc, err := actions.Append([]byte(before), a, options)
		text, kept := strings.CutPrefix(string(dst), before)
		if !kept {
			t.Fatalf("what was there is now %q", dst)
		}
		if err != nil {
			var e *actions.Error
			if !errors.As(err, &e) || len(e.Fields) == 0 || text != "" {
				t.Fatalf("%v and %q", err, text)
			}
			return
		}
		got := checkMessage(t, a.Kind(), []byte(text))
		var marked string
		if err := json.Unmarshal([]byte(text[enc.IDStart-1:enc.IDEnd+1]), &marked); err != nil || marked != got["messageId"] {
			t.Errorf("the id at %d is %q, in the message %q", enc.IDStart, marked, got["messageId"])
		}
		if enc.GeneratedID != (id == "") || utf8.ValidString(id) && !enc.GeneratedID && marked != id {
			t.Errorf("the id %q is written as %q, generated %v", id, marked, enc.GeneratedID)
		}
		if (enc.StampStart != 0) != at.IsZero() || enc.StampStart != 0 && !json.Valid([]byte(text[:enc.StampStart]+"}")) {
			t.Errorf("the stamp starts at %d", enc.StampStart)
		}
		if enc.Kind != a.Kind() || enc.Profile == "" {
			t.Errorf("%+v", enc)
		}
		if built, err := a.Build(); err == nil && id != "" {
			again(t, built.JSON)
		}
	})
}

func checkMessage(t *testing.T, kind actions.Kind, text []byte) map[string]any {
	t.Helper()
	var message map[string]any
	if err := conformance.Decode(text, &message); err != nil || !json.Valid(text) {
		t.Fatalf("%v: %s", err, text)
	}
	if len(text) > actions.MaxMessageBytes {
		t.Errorf("%d bytes", len(text))
	}
	if !reflect.DeepEqual(message["integrations"], map[string]any{"All": false}) {
		t.Errorf("integrations are %v", message["integrations"])
	}
	if message["type"] != kind.Type() {
		t.Errorf("type %v of %v", message["type"], kind)
	}
	for _, name := range []string{"messageId", "context"} {
		if _, ok := message[name]; !ok {
			t.Errorf("no %s in %s", name, text)
		}
	}
	return message
}
