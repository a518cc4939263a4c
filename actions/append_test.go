package actions_test

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

var noon = time.Date(2024, 1, 2, 12, 0, 0, 500_000_000, time.FixedZone("", 3600))

// one of each, every field set
func full() map[string]actions.Action {
	consent := actions.Consent{CategoryPreferences: map[string]bool{"b": false, "a": true}, Extra: map[string]any{"v": 1}}
	traits := actions.Traits{"plan": "pro", "age": int64(9007199254740993), "gone": nil, "at": map[string]any{"b": 1, "a": "<&>"}}
	return map[string]actions.Action{
		"identify": actions.SendIdentify{
			UserID: "u1", AnonymousID: "a1", GroupID: "g1", Traits: traits, Timestamp: noon, MessageID: "m1", Consent: consent,
		},
		"group": actions.SendGroup{
			UserID: "u1", AnonymousID: "a1", GroupID: "g1", Traits: traits, Timestamp: noon, MessageID: "m1", Consent: consent,
		},
		"track": actions.SendTrack{
			UserID: "u1", AnonymousID: "a1", GroupID: "g1", Properties: actions.Properties(traits), Event: "Order Completed",
			Timestamp: noon, MessageID: "m1", Consent: consent,
		},
		"subscriptions": actions.SendSubscriptions{
			UserID: "u1", AnonymousID: "a1", Traits: traits, Timestamp: noon, MessageID: "m1", Consent: consent,
			Email: "a@b.co", Phone: "+12135618345", AndroidPushToken: "ta", IOSPushToken: "ti",
			EmailStatus: actions.Subscribed, SMSStatus: actions.Unsubscribed, WhatsAppStatus: actions.DidNotSubscribe,
			AndroidPushStatus: actions.Subscribed, IOSPushStatus: actions.Unsubscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"news": actions.Unsubscribed, "deals": actions.Subscribed, "blank": 0},
		},
	}
}

const (
	wireTraits  = `{"age":9007199254740993,"at":{"a":"<&>","b":1},"gone":null,"plan":"pro"}`
	wireConsent = `"consent":{"categoryPreferences":{"a":true,"b":false},"v":1}`
)

func TestWireForm(t *testing.T) {
	all := full()
	for _, c := range []struct {
		name   string
		action actions.Action
		want   string
	}{
		{"identify, every field", all["identify"], `{"anonymousId":"a1","context":{` + wireConsent + `},"groupId":"g1",` +
			`"integrations":{"All":false},"messageId":"m1","timestamp":"2024-01-02T11:00:00.5Z","traits":` + wireTraits +
			`,"type":"identify","userId":"u1"}`},
		{"identify, least", actions.SendIdentify{UserID: "u1", MessageID: "m1"}, `{"context":{"consent":{}},` +
			`"integrations":{"All":false},"messageId":"m1","traits":{},"type":"identify","userId":"u1"}`},
		{"identify, anonymous, empty preferences", actions.SendIdentify{
			AnonymousID: "a1", MessageID: "m1", Consent: actions.Consent{CategoryPreferences: map[string]bool{}},
		}, `{"anonymousId":"a1","context":{"consent":{"categoryPreferences":{}}},"integrations":{"All":false},` +
			`"messageId":"m1","traits":{},"type":"identify"}`},
		{"group, every field", all["group"], `{"anonymousId":"a1","context":{` + wireConsent + `},"groupId":"g1",` +
			`"integrations":{"All":false},"messageId":"m1","timestamp":"2024-01-02T11:00:00.5Z","traits":` + wireTraits +
			`,"type":"group","userId":"u1"}`},
		{"track, every field", all["track"], `{"anonymousId":"a1","context":{` + wireConsent + `,"groupId":"g1"},` +
			`"event":"Order Completed","integrations":{"All":false},"messageId":"m1","properties":` + wireTraits +
			`,"timestamp":"2024-01-02T11:00:00.5Z","type":"track","userId":"u1"}`},
		{"track, least", actions.SendTrack{UserID: "u1", Event: "E", MessageID: "m1"}, `{"context":{"consent":{}},"event":"E",` +
			`"integrations":{"All":false},"messageId":"m1","properties":{},"type":"track","userId":"u1"}`},
		{"subscriptions, every field", all["subscriptions"], `{"anonymousId":"a1","context":{` + wireConsent + `,"externalIds":[` +
			`{"collection":"users","encoding":"none","id":"a@b.co","type":"email"},` +
			`{"collection":"users","encoding":"none","id":"+12135618345","type":"phone"},` +
			`{"collection":"users","encoding":"none","id":"ta","type":"android.push_token"},` +
			`{"collection":"users","encoding":"none","id":"ti","type":"ios.push_token"}],"messaging_subscriptions":[` +
			`{"groups":[{"name":"deals","status":"SUBSCRIBED"},{"name":"news","status":"UNSUBSCRIBED"}],` +
			`"key":"a@b.co","status":"SUBSCRIBED","type":"EMAIL"},` +
			`{"key":"+12135618345","status":"UNSUBSCRIBED","type":"SMS"},` +
			`{"key":"+12135618345","status":"DID_NOT_SUBSCRIBE","type":"WHATSAPP"},` +
			`{"key":"ta","status":"SUBSCRIBED","type":"ANDROID_PUSH"},` +
			`{"key":"ti","status":"UNSUBSCRIBED","type":"IOS_PUSH"}],"messaging_subscriptions_retl":true},` +
			`"integrations":{"All":false},"messageId":"m1","timestamp":"2024-01-02T11:00:00.5Z","traits":` + wireTraits +
			`,"type":"identify","userId":"u1"}`},
		{"subscriptions, a contact value without a status, only blank groups", actions.SendSubscriptions{
			MessageID: "m1", Email: "e", Phone: "p", EmailStatus: actions.DidNotSubscribe,
			EmailGroups: map[string]actions.SubscriptionStatus{"blank": 0},
		}, `{"context":{"consent":{},"externalIds":[{"collection":"users","encoding":"none","id":"e","type":"email"},` +
			`{"collection":"users","encoding":"none","id":"p","type":"phone"}],"messaging_subscriptions":[` +
			`{"key":"e","status":"DID_NOT_SUBSCRIBE","type":"EMAIL"}],"messaging_subscriptions_retl":true},` +
			`"integrations":{"All":false},"messageId":"m1","traits":{},"type":"identify"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			message, err := c.action.Build()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(message.JSON)); diff != "" {
				t.Error(diff)
			}
			if !json.Valid(message.JSON) {
				t.Error("not JSON")
			}
			if message.ID != "m1" || message.Kind != c.action.Kind() {
				t.Errorf("id %q, kind %v", message.ID, message.Kind)
			}
		})
	}
}

func TestProfile(t *testing.T) {
	for _, c := range []struct {
		name   string
		action actions.Action
		want   string
	}{
		{"user id first", full()["subscriptions"], "u1"},
		{"then anonymous id", actions.SendIdentify{AnonymousID: "a1"}, "a1"},
		{"then the first external id", actions.SendSubscriptions{
			Phone: "p", IOSPushToken: "t", IOSPushStatus: actions.Subscribed,
		}, "p"},
	} {
		message, err := c.action.Build()
		if err != nil || message.Profile != c.want {
			t.Errorf("%s: %q, %v", c.name, message.Profile, err)
		}
	}
}

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestAppendTellsWhereTheMessageIDIs(t *testing.T) {
	for _, c := range []struct{ name, id, written string }{
		{"plain", "m1", "m1"},
		{"escaped", "a\"b\\c\n", `a\"b\\c\n`},
		{"generated", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			const before = `["x",`
			dst, enc, err := actions.Append([]byte(before), actions.SendIdentify{UserID: "u1", MessageID: c.id}, actions.AppendOptions{})
			if err != nil {
				t.Fatal(err)
			}
			text, kept := strings.CutPrefix(string(dst), before)
			if !kept || !json.Valid([]byte(text)) {
				t.Fatalf("%s", dst)
			}
			id := text[enc.IDStart:enc.IDEnd]
			if enc.GeneratedID != (c.id == "") {
				t.Errorf("GeneratedID is %v", enc.GeneratedID)
			}
			if enc.GeneratedID && !uuid7.MatchString(id) || !enc.GeneratedID && id != c.written {
				t.Errorf("id %q", id)
			}
			if text[enc.IDStart-1] != '"' || text[enc.IDEnd] != '"' {
				t.Error("offsets are not within the quotes")
			}
		})
	}
}

func TestBuildGivesEachMessageItsOwnID(t *testing.T) {
	a := actions.SendIdentify{UserID: "u1"}
	first, err1 := a.Build()
	second, err2 := a.Build()
	if err1 != nil || err2 != nil || first.ID == second.ID || !uuid7.MatchString(first.ID) {
		t.Errorf("%q and %q, %v, %v", first.ID, second.ID, err1, err2)
	}
	if !strings.Contains(string(first.JSON), `"messageId":"`+first.ID+`"`) {
		t.Errorf("%s has not the id %s", first.JSON, first.ID)
	}
}

// A stamp is as package time would write it to the microsecond, and always as long.
func TestStampText(t *testing.T) {
	days := make([]time.Time, 0, 12_000)
	for day := time.Unix(0, 0); day.Year() < 9999; day = day.Add(241*24*time.Hour + 12_345_678*time.Microsecond) {
		days = append(days, day)
	}
	for _, at := range append(days, []time.Time{
		time.Unix(0, 0), time.Unix(1, 999), time.Unix(1, 1000), time.Unix(951_782_400, 123_456_789), time.Unix(4_102_444_799, 999_999_999),
		time.Date(9999, 12, 31, 23, 59, 59, 10_000, time.UTC), time.Date(2026, 2, 3, 4, 5, 6, 70_000_000, time.FixedZone("", -5*3600)),
		time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2100, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 12, 31, 23, 59, 59, 0, time.UTC),
	}...) {
		text, enc, err := actions.Append(nil, actions.SendIdentify{UserID: "u"}, actions.AppendOptions{Stamp: at})
		if err != nil {
			t.Fatal(err)
		}
		want := at.UTC().Format(`,"timestamp":"2006-01-02T15:04:05.000000Z"}`)
		if got := string(text[enc.StampStart:]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	a := actions.SendIdentify{UserID: "u1", MessageID: "m1"}
	plain, enc, err := actions.Append(nil, a, actions.AppendOptions{})
	if err != nil || enc.StampStart != 0 {
		t.Fatalf("%+v, %v", enc, err)
	}
	stamped, enc, err := actions.Append(nil, a, actions.AppendOptions{Stamp: noon})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(stamped[enc.StampStart:]); got != `,"timestamp":"2024-01-02T11:00:00.500000Z"}` {
		t.Errorf("stamp %s", got)
	}
	if got, want := string(stamped[:enc.StampStart])+"}", string(plain); got != want {
		t.Errorf("before the stamp %s, without it %s", got, want)
	}

	a.Timestamp = noon.Add(time.Hour)
	own, enc, err := actions.Append(nil, a, actions.AppendOptions{Stamp: noon})
	if err != nil || enc.StampStart != 0 || !strings.Contains(string(own), `"timestamp":"2024-01-02T12:00:00.5Z"`) ||
		strings.Count(string(own), "timestamp") != 1 {
		t.Errorf("a message with a timestamp of its own: %s, %+v, %v", own, enc, err)
	}

	a.Timestamp = time.Time{}
	_, _, err = actions.Append(nil, a, actions.AppendOptions{Stamp: time.Unix(-1, 0)})
	wantRules(t, err, "timestamp timestamp_range")
}

func TestSortedMessagesOfEqualActionsAreEqual(t *testing.T) {
	for name := range full() {
		var first string
		for range 20 {
			text, _, err := actions.Append(nil, full()[name], actions.AppendOptions{Sorted: true})
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = string(text)
			}
			if string(text) != first {
				t.Fatalf("%s: %s\nand %s", name, first, text)
			}
		}
	}
}

func TestMessageSize(t *testing.T) {
	a := actions.SendIdentify{UserID: "u1", MessageID: "m1", Traits: actions.Traits{"t": ""}}
	empty, err := a.Build()
	if err != nil {
		t.Fatal(err)
	}
	room := actions.MaxMessageBytes - len(empty.JSON)
	for _, c := range []struct {
		name  string
		trait string
		ok    bool
	}{
		{"exactly the limit", strings.Repeat("x", room), true},
		{"a byte more", strings.Repeat("x", room+1), false},
		{"the limit in characters, more in bytes", strings.Repeat("é", room), false},
		{"the limit as it is given, more as it is written", strings.Repeat("\"", room), false},
	} {
		a.Traits = actions.Traits{"t": c.trait}
		message, err := a.Build()
		if c.ok {
			if err != nil || len(message.JSON) != actions.MaxMessageBytes {
				t.Errorf("%s: %d bytes, %v", c.name, len(message.JSON), err)
			}
			continue
		}
		want := &actions.Error{Action: actions.KindIdentify, Fields: []actions.FieldError{{
			Field: "message", Label: "Message", Rule: actions.RuleMessageTooLarge, Limit: actions.MaxMessageBytes,
		}}}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	a.Traits = actions.Traits{"t": strings.Repeat("x", room)}
	if _, _, err := actions.Append(nil, a, actions.AppendOptions{Stamp: noon}); err == nil {
		t.Error("the stamp does not count")
	}
}

func TestAppendCutsBackOnError(t *testing.T) {
	dst := make([]byte, 0, 100_000)
	dst = append(dst, "before"...)
	for name, a := range map[string]actions.Action{
		"no action":      nil,
		"a rule":         actions.SendIdentify{},
		"cannot be JSON": actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"t": math.Inf(1)}},
		"too large":      actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"t": strings.Repeat("x", actions.MaxMessageBytes)}},
	} {
		out, enc, err := actions.Append(dst, a, actions.AppendOptions{})
		if err == nil || string(out) != "before" || enc != (actions.Encoded{}) {
			t.Errorf("%s: %q, %+v, %v", name, out, enc, err)
		}
	}
}

func TestPointersAreActions(t *testing.T) {
	for name, a := range full() {
		var pointer actions.Action
		switch x := a.(type) {
		case actions.SendIdentify:
			pointer = &x
		case actions.SendGroup:
			pointer = &x
		case actions.SendTrack:
			pointer = &x
		case actions.SendSubscriptions:
			pointer = &x
		}
		want, err1 := a.Build()
		got, err2 := pointer.Build()
		if err1 != nil || err2 != nil || string(want.JSON) != string(got.JSON) {
			t.Errorf("%s: %s, %v, %v", name, got.JSON, err1, err2)
		}
		if got := actions.WithMessageID(pointer, "m2"); actions.MessageID(got) != "m2" || actions.MessageID(pointer) != "m1" {
			t.Errorf("%s: WithMessageID gives %q and leaves %q", name, actions.MessageID(got), actions.MessageID(pointer))
		}
		if got := actions.WithMessageID(a, "m2"); actions.MessageID(got) != "m2" || actions.MessageID(a) != "m1" {
			t.Errorf("%s: WithMessageID gives %q and leaves %q", name, actions.MessageID(got), actions.MessageID(a))
		}
	}
}

// TestConcurrentUse shares actions, good and bad, between goroutines; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	var group sync.WaitGroup
	for name, a := range full() {
		for range 4 {
			group.Go(func() {
				if _, err := a.Build(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := (actions.SendSubscriptions{EmailStatus: 9}).Build(); err == nil {
					t.Error("no error")
				}
			})
		}
	}
	group.Wait()
}

func TestNoAction(t *testing.T) {
	type embedding struct{ actions.SendIdentify }
	for name, a := range map[string]actions.Action{
		"nil":                   nil,
		"nil identify":          (*actions.SendIdentify)(nil),
		"nil group":             (*actions.SendGroup)(nil),
		"nil track":             (*actions.SendTrack)(nil),
		"nil subscriptions":     (*actions.SendSubscriptions)(nil),
		"a type that embeds it": embedding{actions.SendIdentify{UserID: "u1"}},
	} {
		_, _, err := actions.Append(nil, a, actions.AppendOptions{})
		wantRules(t, err, "action unknown_action")
		if name != "a type that embeds it" && actions.WithMessageID(a, "m1") != a {
			t.Errorf("%s: WithMessageID changes it", name)
		}
	}
}

func TestUnencodableValuesAreAllNamed(t *testing.T) {
	_, err := actions.SendTrack{
		UserID: "u1", Event: "E", MessageID: strings.Repeat("m", 100),
		Properties: actions.Properties{"a/b": []any{1, math.NaN()}},
		Consent:    actions.Consent{CategoryPreferences: map[string]bool{}, Extra: map[string]any{"f": map[string]any{"g": make(chan int)}}},
	}.Build()
	var e *actions.Error
	if !errors.As(err, &e) || len(e.Fields) != 3 {
		t.Fatal(err)
	}
	for i, want := range []struct {
		field, path string
		rule        actions.Rule
	}{
		{"properties", "/a~1b/1", actions.RuleUnencodable},
		{"message_id", "", actions.RuleTooLong},
		{"consent", "/f/g", actions.RuleUnencodable},
	} {
		if f := e.Fields[i]; f.Field != want.field || f.Path != want.path || f.Rule != want.rule {
			t.Errorf("problem %d: %+v", i, f)
		}
	}
}

// A resolved mapping may hold one value of the record many times: that is a message too large, found without writing it out.
func TestAppendOfAValueThatExpands(t *testing.T) {
	var v any = "0123456789"
	for range 40 {
		v = []any{v, v}
	}
	for _, a := range []actions.Action{
		actions.SendIdentify{UserID: "u", Traits: actions.Traits{"v": v}},
		actions.SendTrack{UserID: "u", Event: "E", Consent: actions.Consent{CategoryPreferences: map[string]bool{}, Extra: map[string]any{"v": v}}},
	} {
		_, _, err := actions.Append(nil, a, actions.AppendOptions{})
		var of *actions.Error
		if !errors.As(err, &of) || len(of.Fields) != 1 || of.Fields[0].Rule != actions.RuleMessageTooLarge {
			t.Errorf("%s: %v", a.Kind(), err)
		}
	}
}
