package actions_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

func TestKindText(t *testing.T) {
	for kind, want := range map[actions.Kind]struct{ slug, message, trigger string }{
		actions.KindIdentify:      {"sendIdentify", "identify", `type = "identify"`},
		actions.KindGroup:         {"sendGroup", "group", `type = "group"`},
		actions.KindTrack:         {"sendTrack", "track", ""},
		actions.KindSubscriptions: {"sendSubscription", "identify", `type = "identify"`},
	} {
		text, err := kind.MarshalText()
		var back actions.Kind
		if err != nil || string(text) != want.slug || kind.String() != want.slug || back.UnmarshalText(text) != nil || back != kind {
			t.Errorf("%v: %s, %v, back %v", kind, text, err, back)
		}
		if kind.Type() != want.message || actions.DefaultTrigger(kind) != want.trigger {
			t.Errorf("%v: type %q, trigger %q", kind, kind.Type(), actions.DefaultTrigger(kind))
		}
	}
	for _, kind := range []actions.Kind{0, 5} {
		if _, err := kind.MarshalText(); err == nil || kind.Type() != "" || actions.DefaultTrigger(kind) != "" || actions.Fields(kind) != nil {
			t.Errorf("%d is an action", kind)
		}
	}
	var kind actions.Kind
	var problem actions.FieldError
	for _, text := range []string{"", "sendidentify", "sendSubscriptions", "identify"} {
		if err := kind.UnmarshalText([]byte(text)); !errors.As(err, &problem) || problem.Rule != actions.RuleUnknownAction || kind != 0 {
			t.Errorf("%q: %v, %v", text, kind, err)
		}
	}
	if actions.Kind(9).String() != "Kind(9)" || actions.Kind(0).String() != "" {
		t.Error("String of what is no action")
	}
}

func TestStatusText(t *testing.T) {
	for text, want := range map[string]actions.SubscriptionStatus{
		"true": actions.Subscribed, "subscribed": actions.Subscribed, "SUBSCRIBED": actions.Subscribed, " True\u00a0\ufeff\n": actions.Subscribed,
		"false": actions.Unsubscribed, "Unsubscribed": actions.Unsubscribed,
		"did_not_subscribe": actions.DidNotSubscribe, "DID-NOT-SUBSCRIBE": actions.DidNotSubscribe,
		"": 0, " \t": 0,
	} {
		got := actions.SubscriptionStatus(99)
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for status, want := range map[actions.SubscriptionStatus]string{
		0: "", actions.Subscribed: "SUBSCRIBED", actions.Unsubscribed: "UNSUBSCRIBED", actions.DidNotSubscribe: "DID_NOT_SUBSCRIBE",
	} {
		text, err := status.MarshalText()
		var back actions.SubscriptionStatus
		if err != nil || string(text) != want || status.String() != want || back.UnmarshalText(text) != nil || back != status {
			t.Errorf("%d: %s, %v, back %v", status, text, err, back)
		}
	}
	var problem actions.FieldError
	for _, text := range []string{"yes", "1", "invalid", "un subscribed", "did_not-subscribe", "ſubscribed", "true\u0085", "truе"} {
		status := actions.Unsubscribed
		if err := status.UnmarshalText([]byte(text)); !errors.As(err, &problem) || problem.Rule != actions.RuleUnknownStatus {
			t.Errorf("%q: %v", text, err)
		} else if status != actions.Unsubscribed {
			t.Errorf("%q is an error and sets %v", text, status)
		}
	}
	if _, err := actions.SubscriptionStatus(4).MarshalText(); err == nil || actions.SubscriptionStatus(4).String() != "SubscriptionStatus(4)" {
		t.Error("4 is a status")
	}
}

func TestRuleText(t *testing.T) {
	seen := map[string]bool{}
	for rule := actions.RuleRequired; rule <= actions.RuleUnknownAction; rule++ {
		text, err := rule.MarshalText()
		var back actions.Rule
		if err != nil || len(text) == 0 || seen[string(text)] || rule.String() != string(text) || back.UnmarshalText(text) != nil || back != rule {
			t.Errorf("%d: %q, %v, back %d", rule, text, err, back)
		}
		seen[string(text)] = true
	}
	rule := actions.RuleConsent
	for _, text := range []string{"", "nothing"} {
		if rule.UnmarshalText([]byte(text)) == nil || rule != actions.RuleConsent {
			t.Errorf("%q is a rule", text)
		}
	}
	for _, rule := range []actions.Rule{0, actions.RuleMessageForm + 1} {
		if _, err := rule.MarshalText(); err == nil {
			t.Errorf("%d is a rule", rule)
		}
	}
	if got := actions.Rule(200).String(); got != "Rule(200)" {
		t.Error(got)
	}
}

func TestConsentJSON(t *testing.T) {
	for _, c := range []struct {
		name, text string
		consent    actions.Consent
	}{
		{"none", `{}`, actions.Consent{}},
		{"empty preferences", `{"categoryPreferences":{}}`, actions.Consent{CategoryPreferences: map[string]bool{}}},
		{"preferences", `{"categoryPreferences":{"a":true,"b":false}}`, actions.Consent{CategoryPreferences: map[string]bool{"b": false, "a": true}}},
		{"other members around them", `{"a":9007199254740993,"categoryPreferences":{"x":true},"z":null}`, actions.Consent{
			CategoryPreferences: map[string]bool{"x": true}, Extra: map[string]any{"z": nil, "a": json.Number("9007199254740993")},
		}},
	} {
		text, err := json.Marshal(c.consent)
		if err != nil || string(text) != c.text {
			t.Errorf("%s: %s, %v", c.name, text, err)
		}
		var back actions.Consent
		if err := json.Unmarshal([]byte(c.text), &back); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.consent, back); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	var problem actions.FieldError
	for _, text := range []string{`"x"`, `[]`, `{"v":1}`, `{"categoryPreferences":null}`, `{"categoryPreferences":{"a":"yes"}}`} {
		var c actions.Consent
		if err := json.Unmarshal([]byte(text), &c); !errors.As(err, &problem) || problem.Rule != actions.RuleConsent {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, c := range map[string]struct {
		consent actions.Consent
		rule    actions.Rule
	}{
		"other members alone": {actions.Consent{Extra: map[string]any{"v": 1}}, actions.RuleConsent},
		"cannot be JSON": {actions.Consent{CategoryPreferences: map[string]bool{}, Extra: map[string]any{"v": make(chan int)}},
			actions.RuleUnencodable},
	} {
		if _, err := json.Marshal(c.consent); !errors.As(err, &problem) || problem.Rule != c.rule {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestActionsAsJSON holds the actions' JSON tags: their JSON is what FromFields reads.
func TestActionsAsJSON(t *testing.T) {
	for name, want := range full() {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, f := range actions.Fields(want.Kind()) {
			known[f.Name] = true
		}
		for field := range fields {
			if !known[field] {
				t.Errorf("%s: %s is no field of %v", name, field, want.Kind())
			}
		}
		if len(fields) != len(known)-1 { // all but the Profile Space
			t.Errorf("%s: %d fields of %d", name, len(fields), len(known)-1)
		}
		if name == "subscriptions" {
			delete(fields["subscription_groups"].(map[string]any), "blank")
		}
		if _, err := actions.FromFields(want.Kind(), fields); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := json.Marshal(actions.SendSubscriptions{}); err != nil || string(text) != "{}" {
		t.Errorf("an empty action is %s, %v", text, err)
	}
}

func TestFields(t *testing.T) {
	names := func(kind actions.Kind, which func(actions.Field) bool) (names []string) {
		for _, f := range actions.Fields(kind) {
			if which(f) {
				names = append(names, f.Name)
			}
		}
		return names
	}
	all := func(actions.Field) bool { return true }
	required := func(f actions.Field) bool { return f.Required }
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"identify", names(actions.KindIdentify, all), []string{
			"engage_space", "user_id", "anonymous_id", "group_id", "traits", "timestamp", "message_id", "consent",
		}},
		{"group", names(actions.KindGroup, all), []string{
			"engage_space", "user_id", "anonymous_id", "group_id", "traits", "timestamp", "message_id", "consent",
		}},
		{"track", names(actions.KindTrack, all), []string{
			"engage_space", "user_id", "anonymous_id", "group_id", "properties", "event_name", "timestamp", "message_id", "consent",
		}},
		{"subscriptions", names(actions.KindSubscriptions, all), []string{
			"engage_space", "user_id", "anonymous_id", "traits", "timestamp", "message_id", "consent", "email", "phone",
			"android_push_token", "ios_push_token", "email_subscription_status", "sms_subscription_status",
			"whatsapp_subscription_status", "android_push_subscription_status", "ios_push_subscription_status", "subscription_groups",
		}},
		{"required of identify", names(actions.KindIdentify, required), []string{"engage_space"}},
		{"required of group", names(actions.KindGroup, required), []string{"engage_space", "group_id"}},
		{"required of track", names(actions.KindTrack, required), []string{"engage_space", "event_name"}},
		{"required of subscriptions", names(actions.KindSubscriptions, required), []string{"engage_space"}},
		{"hidden", names(actions.KindTrack, func(f actions.Field) bool { return f.Hidden }), []string{"message_id", "consent"}},
		{"nullable", names(actions.KindSubscriptions, func(f actions.Field) bool { return f.Nullable }), []string{
			"email_subscription_status", "sms_subscription_status", "whatsapp_subscription_status",
			"android_push_subscription_status", "ios_push_subscription_status",
		}},
		{"objects", names(actions.KindSubscriptions, func(f actions.Field) bool { return f.Type == actions.FieldObject }),
			[]string{"traits", "consent", "subscription_groups"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
	defaults := map[string]string{}
	for _, f := range actions.Fields(actions.KindIdentify) {
		if f.DefaultPath != "" {
			defaults[f.Name] = f.DefaultPath
		}
		if f.Label == "" || f.Type == "" {
			t.Errorf("%s has no label or no type", f.Name)
		}
	}
	want := map[string]string{"timestamp": "$.timestamp", "message_id": "$.messageId", "consent": "$.context.consent"}
	if diff := cmp.Diff(want, defaults); diff != "" {
		t.Error(diff)
	}
	actions.Fields(actions.KindIdentify)[0].Label = "changed"
	if actions.Fields(actions.KindIdentify)[0].Label != "Profile Space" {
		t.Error("Fields gives away its own memory")
	}
}
