package actions_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

func TestFromFieldsText(t *testing.T) {
	type named string
	text := "u1"
	for _, c := range []struct {
		name  string
		value any
		want  string // with bad: nothing
		bad   bool
	}{
		{"text as it is", "  spaced  ", "  spaced  ", false},
		{"a type of text", named("u1"), "u1", false},
		{"a pointer to text", &text, "u1", false},
		{"true", true, "true", false},
		{"false", false, "false", false},
		{"an integer past a double", int64(9007199254740993), "9007199254740993", false},
		{"an unsigned integer", uint64(math.MaxUint64), "18446744073709551615", false},
		{"a number's digits", json.Number("9007199254740993"), "9007199254740993", false},
		{"an integer of 25 digits", json.Number("1234567890123456789012345"), "1234567890123456789012345", false},
		{"a fraction", 3.5, "3.5", false},
		{"a large double", 1e21, "1e+21", false},
		{"a number with an exponent", json.Number("1E3"), "1000", false},
		{"minus zero", math.Copysign(0, -1), "0", false},
		{"an array of one text", []any{"one"}, "one", false},
		{"an array of one number", []any{json.Number("7")}, "7", false},
		{"an array of one text, typed", []string{"one"}, "one", false},
		{"an array of the empty text", []any{""}, "", false},
		{"an array of null", []any{nil}, "", false},
		{"a time", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "2024-01-02T03:04:05Z", false},
		{"an empty array", []any{}, "", true},
		{"an array of two", []any{"a", "b"}, "", true},
		{"an array in an array", []any{[]any{"a"}}, "", true},
		{"an array of an object", []any{map[string]any{}}, "", true},
		{"an object", map[string]any{"a": 1}, "", true},
		{"not a number", math.NaN(), "", true},
		{"infinity", math.Inf(-1), "", true},
		{"a number that overflows a double", json.Number("1e999"), "", true},
		{"a json.Number that is no number", json.Number("u1"), "", true},
	} {
		a, err := actions.FromFields(actions.KindIdentify, map[string]any{"user_id": c.value, "anonymous_id": "a1"})
		if c.bad {
			wantRules(t, err, "user_id wrong_type")
			continue
		}
		want := actions.SendIdentify{UserID: c.want, AnonymousID: "a1"}
		if diff := cmp.Diff(actions.Action(want), a); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", c.name, err, diff)
		}
	}
}

func TestFromFieldsLeavesOut(t *testing.T) {
	for name, nothing := range map[string]any{
		"null": nil, "undefined": jsvalue.Undefined, "the empty string": "", "a nil pointer": (*string)(nil),
	} {
		fields := map[string]any{}
		for _, f := range actions.Fields(actions.KindSubscriptions) {
			fields[f.Name] = nothing
		}
		fields["email"], fields["email_subscription_status"] = "e", "true"
		a, err := actions.FromFields(actions.KindSubscriptions, fields)
		want := actions.SendSubscriptions{Email: "e", EmailStatus: actions.Subscribed}
		if diff := cmp.Diff(actions.Action(want), a); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", name, err, diff)
		}
	}
}

func TestFromFieldsEveryField(t *testing.T) {
	traits := map[string]any{"n": nil, "e": "", "big": json.Number("9007199254740993")}
	consent := map[string]any{"categoryPreferences": map[string]any{"a": true}, "extra": "x"}
	typed := actions.Consent{CategoryPreferences: map[string]bool{"a": true}, Extra: map[string]any{"extra": "x"}}
	fields := map[string]any{
		"user_id": "u", "anonymous_id": "a", "group_id": "g", "traits": traits, "properties": traits, "event_name": "E",
		"timestamp": noon, "message_id": "m", "consent": consent, "email": "e", "phone": "p", "android_push_token": "ta",
		"ios_push_token": "ti", "email_subscription_status": "true", "sms_subscription_status": "FALSE",
		"whatsapp_subscription_status": " did-not-subscribe ", "android_push_subscription_status": true,
		"ios_push_subscription_status": []any{false}, "subscription_groups": map[string]any{"g": "true", "blank": nil},
		"unknown": "dropped", "engage_space": "write key",
	}
	for _, want := range []actions.Action{
		actions.SendIdentify{UserID: "u", AnonymousID: "a", GroupID: "g", Traits: traits, Timestamp: noon, MessageID: "m", Consent: typed},
		actions.SendGroup{UserID: "u", AnonymousID: "a", GroupID: "g", Traits: traits, Timestamp: noon, MessageID: "m", Consent: typed},
		actions.SendTrack{UserID: "u", AnonymousID: "a", GroupID: "g", Properties: traits, Event: "E", Timestamp: noon, MessageID: "m", Consent: typed},
		actions.SendSubscriptions{
			UserID: "u", AnonymousID: "a", Traits: traits, Timestamp: noon, MessageID: "m", Consent: typed,
			Email: "e", Phone: "p", AndroidPushToken: "ta", IOSPushToken: "ti",
			EmailStatus: actions.Subscribed, SMSStatus: actions.Unsubscribed, WhatsAppStatus: actions.DidNotSubscribe,
			AndroidPushStatus: actions.Subscribed, IOSPushStatus: actions.Unsubscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"g": actions.Subscribed, "blank": 0},
		},
	} {
		got, err := actions.FromFields(want.Kind(), fields)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v: %v, %s", want.Kind(), err, diff)
		}
	}
}

// Segment reads an array of one as a number wherever it can be one, and has no date in an array.
func TestFromFieldsTimestampInAnArray(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	for _, c := range []struct {
		name string
		item any
		want time.Time
		rule string
	}{
		{"a number", json.Number("1700000000"), at, ""},
		{"digits", "1700000000", at, ""},
		{"a number with a fraction", "1700000000.5", at.Add(time.Second / 2), ""},
		{"a number as JavaScript reads it", " 17e8 ", at, ""},
		{"zero", "0", time.Unix(0, 0).UTC(), ""},
		{"a date", "2023-11-14", time.Time{}, "wrong_type"},
		{"the empty string", "", time.Time{}, "wrong_type"},
		{"a word", "x", time.Time{}, "wrong_type"},
		{"a boolean", true, time.Time{}, "wrong_type"},
		{"null", nil, time.Time{}, "wrong_type"},
		{"an array", []any{"1700000000"}, time.Time{}, "wrong_type"},
		{"a number below zero", "-1", time.Time{}, "timestamp_range"},
		{"a number without end", "Infinity", time.Time{}, "timestamp"},
	} {
		a, err := actions.FromFields(actions.KindIdentify, map[string]any{"user_id": "u", "timestamp": []any{c.item}})
		if c.rule != "" {
			var wrong *actions.Error
			if !errors.As(err, &wrong) || len(wrong.Fields) != 1 || wrong.Fields[0].Field != "timestamp" || wrong.Fields[0].Rule.String() != c.rule {
				t.Errorf("%s: %v, %v, want %s", c.name, a, err, c.rule)
			}
			continue
		}
		if diff := cmp.Diff(actions.Action(actions.SendIdentify{UserID: "u", Timestamp: c.want}), a); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", c.name, err, diff)
		}
	}
}

func TestFromFieldsStatus(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  actions.SubscriptionStatus
		rule  string
	}{
		{"a word", "Did_Not_Subscribe", actions.DidNotSubscribe, ""},
		{"a boolean", false, actions.Unsubscribed, ""},
		{"blank", " \t ", 0, ""},
		{"an array of one boolean", []any{true}, actions.Subscribed, ""},
		{"an array of null", []any{nil}, 0, ""},
		{"an array of the empty text", []any{""}, 0, ""},
		{"an array of one word", []any{"true"}, 0, "wrong_type"},
		{"an array of two", []any{true, true}, 0, "wrong_type"},
		{"an object", map[string]any{}, 0, "wrong_type"},
		{"another word", "yes", 0, "unknown_status"},
		{"a number", 1, 0, "unknown_status"},
		{"zero", json.Number("0"), 0, "unknown_status"},
		{"a long s", "ſubscribed", 0, "unknown_status"},
	} {
		a, err := actions.FromFields(actions.KindSubscriptions, map[string]any{
			"email": "e", "email_subscription_status": "true", "phone": "p", "sms_subscription_status": c.value,
		})
		if c.rule != "" {
			wantRules(t, err, "sms_subscription_status "+c.rule)
			continue
		}
		want := actions.SendSubscriptions{Email: "e", EmailStatus: actions.Subscribed, Phone: "p", SMSStatus: c.want}
		if diff := cmp.Diff(actions.Action(want), a); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", c.name, err, diff)
		}
	}
}

func TestFromFieldsReportsEverything(t *testing.T) {
	object, array := map[string]any{"a": 1}, []any{"a", "b"}
	for _, c := range []struct {
		name   string
		kind   actions.Kind
		fields map[string]any
		want   []string
	}{
		{"no fields", actions.KindIdentify, nil, []string{"user_id identity_required"}},
		{"wrong types and rules together", actions.KindTrack, map[string]any{
			"user_id": object, "properties": "p", "timestamp": "garbage", "message_id": array, "consent": "x", "group_id": array,
		}, []string{
			"user_id wrong_type", "group_id wrong_type", "properties wrong_type", "event_name required", "timestamp timestamp",
			"message_id wrong_type", "consent wrong_type",
		}},
		{"a rule that only a wrong type breaks is not told", actions.KindGroup, map[string]any{"anonymous_id": array, "group_id": object},
			[]string{"anonymous_id wrong_type", "group_id wrong_type"}},
		{"a required field of a wrong type is not missing", actions.KindTrack, map[string]any{"user_id": "u", "event_name": array},
			[]string{"event_name wrong_type"}},
		{"an object is not in an array", actions.KindIdentify, map[string]any{"user_id": "u", "traits": []any{object}},
			[]string{"traits wrong_type"}},
		{"too many traits, and one that cannot be written", actions.KindIdentify, map[string]any{"traits": map[string]any{"f": math.NaN()}},
			[]string{"user_id identity_required", "traits/f unencodable"}},
		{"consent without preferences", actions.KindIdentify, map[string]any{"user_id": "u", "consent": object}, []string{"consent consent"}},
		{"preferences that are no object", actions.KindIdentify,
			map[string]any{"user_id": "u", "consent": map[string]any{"categoryPreferences": nil}}, []string{"consent consent"}},
		{"preferences that are no booleans", actions.KindIdentify,
			map[string]any{"user_id": "u", "consent": map[string]any{"categoryPreferences": map[string]any{"a": "true"}}},
			[]string{"consent consent"}},
		{"a zero time is before 1970", actions.KindIdentify, map[string]any{"user_id": "u", "timestamp": time.Time{}},
			[]string{"timestamp timestamp_range"}},
		{"before 1970", actions.KindIdentify, map[string]any{"user_id": "u", "timestamp": -1}, []string{"timestamp timestamp_range"}},
		{"an array of a timestamp", actions.KindIdentify, map[string]any{"user_id": "u", "timestamp": []any{"2024-01-02"}},
			[]string{"timestamp wrong_type"}},
		{"contact values of a wrong type", actions.KindSubscriptions, map[string]any{
			"email": object, "email_subscription_status": "true", "phone": array, "sms_subscription_status": "true",
		}, []string{"email wrong_type", "phone wrong_type"}},
		{"a status of a wrong type", actions.KindSubscriptions, map[string]any{
			"email": "e", "email_subscription_status": object, "subscription_groups": map[string]any{"g": "true"},
		}, []string{"email_subscription_status wrong_type"}},
		{"unknown statuses of groups", actions.KindSubscriptions, map[string]any{
			"email": "e", "email_subscription_status": true,
			"subscription_groups": map[string]any{"a": "maybe", "b": map[string]any{}, "c": []any{"true"}, "d": 1, "e": nil},
		}, []string{
			"subscription_groups/a unknown_status", "subscription_groups/b unknown_status", "subscription_groups/d unknown_status",
		}},
		{"unknown statuses, and what they need", actions.KindSubscriptions, map[string]any{
			"phone": "p", "email_subscription_status": "maybe", "subscription_groups": map[string]any{"a": "maybe"},
		}, []string{
			"email_subscription_status unknown_status", "email_subscription_status status_without_contact",
			"subscription_groups/a unknown_status",
		}},
		{"an unknown status of a group, and no email status", actions.KindSubscriptions, map[string]any{
			"phone": "p", "sms_subscription_status": true, "subscription_groups": map[string]any{"a": "maybe"},
		}, []string{"subscription_groups groups_without_status", "subscription_groups/a unknown_status"}},
		{"groups that are no object, one problem", actions.KindSubscriptions, map[string]any{"subscription_groups": "x"}, []string{
			"email contact_required", "email_subscription_status status_required", "subscription_groups wrong_type",
		}},
		{"only blank groups and no email status", actions.KindSubscriptions, map[string]any{
			"phone": "p", "sms_subscription_status": true, "subscription_groups": map[string]any{"g": nil},
		}, []string{"subscription_groups groups_without_status"}},
		{"no action", 0, map[string]any{"user_id": "u"}, []string{"action unknown_action"}},
		{"no action either", 9, nil, []string{"action unknown_action"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := actions.FromFields(c.kind, c.fields)
			if a != nil {
				t.Errorf("an action: %v", a)
			}
			wantRules(t, err, c.want...)
		})
	}
}

func TestSpaceFromFields(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
		rule  string
	}{
		{"text", "write-key-1", "write-key-1", ""},
		{"a number", 12, "12", ""},
		{"an array of one text", []any{"k"}, "k", ""},
		{"missing", nil, "", "required"},
		{"empty", "", "", "required"},
		{"an object", map[string]any{}, "", "wrong_type"},
	} {
		got, err := actions.SpaceFromFields(map[string]any{"engage_space": c.value})
		if got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
		if c.rule != "" {
			wantRules(t, err, "engage_space "+c.rule)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
