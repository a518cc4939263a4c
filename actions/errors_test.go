package actions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// wantRules fails the test unless err is an *Error with these problems, each written "field rule".
func wantRules(t *testing.T, err error, want ...string) {
	t.Helper()
	var e *actions.Error
	if !errors.As(err, &e) {
		t.Errorf("error %v is no *actions.Error", err)
		return
	}
	var got []string
	for _, f := range e.Fields {
		got = append(got, f.Field+f.Path+" "+f.Rule.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func manyMembers(n int) map[string]any {
	m := make(map[string]any, n)
	for i := range n {
		m[fmt.Sprint("t", i)] = i
	}
	return m
}

func TestRules(t *testing.T) {
	long := strings.Repeat("é", 501)
	badConsent := actions.Consent{Extra: map[string]any{"v": 1}}
	statuses := func(of map[string]actions.SubscriptionStatus) actions.SendSubscriptions {
		return actions.SendSubscriptions{Email: "e", EmailStatus: actions.Subscribed, EmailGroups: of}
	}
	for _, c := range []struct {
		name   string
		action actions.Action
		want   []string // none: valid
	}{
		{"identify: user id", actions.SendIdentify{UserID: "u"}, nil},
		{"identify: anonymous id", actions.SendIdentify{AnonymousID: "a"}, nil},
		{"identify: no id", actions.SendIdentify{}, []string{"user_id identity_required"}},
		{"identify: the longest and the most", actions.SendIdentify{
			UserID: "u", GroupID: long[:1000], MessageID: long[:198], Traits: manyMembers(299), Timestamp: time.Unix(0, 0),
		}, nil},
		{"identify: everything wrong", actions.SendIdentify{
			GroupID: long, MessageID: long[:200], Traits: manyMembers(300), Timestamp: time.Unix(-1, 0), Consent: badConsent,
		}, []string{
			"user_id identity_required", "group_id too_long", "traits too_many", "timestamp timestamp_range",
			"message_id too_long", "consent consent",
		}},
		{"identify: after the year 9999", actions.SendIdentify{UserID: "u", Timestamp: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
			[]string{"timestamp timestamp_range"}},
		{"identify: the last of the year 9999, local time past it", actions.SendIdentify{
			UserID: "u", Timestamp: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).In(time.FixedZone("", 3600)),
		}, nil},
		{"identify: preferences among the other members", actions.SendIdentify{UserID: "u", Consent: actions.Consent{
			CategoryPreferences: map[string]bool{}, Extra: map[string]any{"categoryPreferences": 1},
		}}, []string{"consent consent"}},
		{"group: group id", actions.SendGroup{UserID: "u", GroupID: "g"}, nil},
		{"group: nothing", actions.SendGroup{}, []string{"user_id identity_required", "group_id required"}},
		{"group: everything wrong", actions.SendGroup{
			GroupID: long, MessageID: long[:200], Traits: manyMembers(300), Timestamp: time.Unix(-1, 0), Consent: badConsent,
		}, []string{
			"user_id identity_required", "group_id too_long", "traits too_many", "timestamp timestamp_range",
			"message_id too_long", "consent consent",
		}},
		{"track: event", actions.SendTrack{AnonymousID: "a", Event: "E"}, nil},
		{"track: nothing", actions.SendTrack{}, []string{"user_id identity_required", "event_name required"}},
		{"track: everything wrong", actions.SendTrack{
			GroupID: long, MessageID: long[:200], Properties: manyMembers(300), Timestamp: time.Unix(-1, 0), Consent: badConsent,
		}, []string{
			"user_id identity_required", "group_id too_long", "properties too_many", "event_name required",
			"timestamp timestamp_range", "message_id too_long", "consent consent",
		}},
		{"subscriptions: a contact value and its status", actions.SendSubscriptions{Phone: "p", WhatsAppStatus: actions.Subscribed}, nil},
		{"subscriptions: nothing", actions.SendSubscriptions{}, []string{
			"email contact_required", "email_subscription_status status_required",
		}},
		{"subscriptions: ids are no contact values", actions.SendSubscriptions{UserID: "u", AnonymousID: "a", EmailStatus: actions.Subscribed},
			[]string{"email contact_required", "email_subscription_status status_without_contact"}},
		{"subscriptions: no status", actions.SendSubscriptions{IOSPushToken: "t"}, []string{"email_subscription_status status_required"}},
		{"subscriptions: each status without its contact value", actions.SendSubscriptions{
			AndroidPushToken: "t", EmailStatus: actions.Subscribed, SMSStatus: actions.Subscribed, WhatsAppStatus: actions.Subscribed,
			AndroidPushStatus: actions.Subscribed, IOSPushStatus: actions.Subscribed,
		}, []string{
			"email_subscription_status status_without_contact", "sms_subscription_status status_without_contact",
			"whatsapp_subscription_status status_without_contact", "ios_push_subscription_status status_without_contact",
		}},
		{"subscriptions: a push status without its token", actions.SendSubscriptions{IOSPushToken: "t", AndroidPushStatus: actions.Subscribed},
			[]string{"android_push_subscription_status status_without_contact"}},
		{"subscriptions: groups without email status", actions.SendSubscriptions{
			Email: "e", Phone: "p", SMSStatus: actions.Subscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"blank": 0},
		}, []string{"subscription_groups groups_without_status"}},
		{"subscriptions: no groups in the map", statuses(map[string]actions.SubscriptionStatus{}), nil},
		{"subscriptions: unknown statuses", actions.SendSubscriptions{
			Email: "e", EmailStatus: 4, IOSPushToken: "t", IOSPushStatus: 255,
			EmailGroups: map[string]actions.SubscriptionStatus{"b": 9, "a/[1].x": 7, "c": actions.Subscribed},
		}, []string{
			"email_subscription_status unknown_status", "ios_push_subscription_status unknown_status",
			"subscription_groups/a~1[1].x unknown_status", "subscription_groups/b unknown_status",
		}},
		{"subscriptions: an unknown status in a group with a name of 300 bytes", statuses(map[string]actions.SubscriptionStatus{
			strings.Repeat("n", 300): 9,
		}), []string{"subscription_groups/" + strings.Repeat("n", 300) + " unknown_status"}},
		{"subscriptions: everything else wrong", actions.SendSubscriptions{
			Email: "e", EmailStatus: actions.Subscribed,
			MessageID: long[:200], Traits: manyMembers(300), Timestamp: time.Unix(-1, 0), Consent: badConsent,
		}, []string{"traits too_many", "timestamp timestamp_range", "message_id too_long", "consent consent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.action.Build()
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRules(t, err, c.want...)
		})
	}
}

func TestErrorsAs(t *testing.T) {
	_, err := actions.SendGroup{}.Build()
	err = fmt.Errorf("record 7: %w", err)
	var e *actions.Error
	if !errors.As(err, &e) || e.Action != actions.KindGroup || len(e.Fields) != 2 {
		t.Errorf("no *Error in %v", err)
	}
	var f actions.FieldError
	if !errors.As(err, &f) || f != e.Fields[0] {
		t.Errorf("no FieldError in %v", err)
	}
	if want := e.Fields[1]; !errors.Is(err, want) {
		t.Errorf("the second problem is not in %v", err)
	}
}

func TestErrorTextNamesFieldAndLimit(t *testing.T) {
	for _, c := range []struct {
		err  actions.FieldError
		want string
	}{
		{
			err:  actions.FieldError{Field: "group_id", Label: "Group ID", Rule: actions.RuleRequired},
			want: "Group ID (group_id) is required",
		},
		{
			err:  actions.FieldError{Field: "user_id", Label: "User ID", Rule: actions.RuleIdentityRequired},
			want: "User ID (user_id) or Anonymous ID (anonymous_id) is required",
		},
		{
			err:  actions.FieldError{Field: "message_id", Label: "MessageId", Rule: actions.RuleTooLong, Limit: 99},
			want: "MessageId (message_id) must have at most 99 characters",
		},
		{
			err:  actions.FieldError{Field: "traits", Label: "Traits", Rule: actions.RuleTooMany, Limit: 299},
			want: "Traits (traits) must have at most 299 top-level members",
		},
		{
			err:  actions.FieldError{Field: "message", Label: "Message", Rule: actions.RuleMessageTooLarge, Limit: 32000},
			want: "the message must have at most 32000 bytes when encoded",
		},
		{
			err:  actions.FieldError{Field: "user_id", Label: "User ID", Rule: actions.RuleWrongType},
			want: "User ID (user_id) must be a string",
		},
		{
			err:  actions.FieldError{Field: "traits", Label: "Traits", Rule: actions.RuleWrongType},
			want: "Traits (traits) must be an object",
		},
		{
			err:  actions.FieldError{Field: "timestamp", Label: "Timestamp", Rule: actions.RuleWrongType},
			want: "Timestamp (timestamp) must be a string or a number",
		},
		{
			err:  actions.FieldError{Field: "timestamp", Label: "Timestamp", Rule: actions.RuleTimestamp},
			want: "Timestamp (timestamp) must be an RFC 3339 timestamp, a date, or epoch seconds, milliseconds, microseconds or nanoseconds",
		},
		{
			err:  actions.FieldError{Field: "timestamp", Label: "Timestamp", Rule: actions.RuleTimestampRange},
			want: "Timestamp (timestamp) must lie in the years 1970 to 9999",
		},
		{
			err:  actions.FieldError{Field: "consent", Label: "Consent", Rule: actions.RuleConsent},
			want: "Consent (consent) must hold categoryPreferences, an object of booleans",
		},
		{
			err:  actions.FieldError{Field: "subscription_groups", Label: "Email Subscription Groups", Path: "/news", Rule: actions.RuleUnknownStatus},
			want: "Email Subscription Groups (subscription_groups/news) must be true or subscribed, false or unsubscribed, did_not_subscribe, or blank",
		},
		{
			err:  actions.FieldError{Field: "email", Label: "Email", Rule: actions.RuleContactRequired},
			want: "Email (email), Phone (phone), Android Push Token (android_push_token) or Ios Push Token (ios_push_token) is required",
		},
		{
			err:  actions.FieldError{Field: "email_subscription_status", Label: "Email Subscription Status", Rule: actions.RuleStatusRequired},
			want: "a subscription status is required: of email, SMS, WhatsApp, Android push or iOS push",
		},
		{
			err:  actions.FieldError{Field: "whatsapp_subscription_status", Label: "WhatsApp Subscription Status", Rule: actions.RuleStatusWithoutContact},
			want: "WhatsApp Subscription Status (whatsapp_subscription_status) needs Phone (phone)",
		},
		{
			err:  actions.FieldError{Field: "subscription_groups", Label: "Email Subscription Groups", Rule: actions.RuleGroupsWithoutStatus},
			want: "Email Subscription Groups (subscription_groups) need Email Subscription Status (email_subscription_status)",
		},
		{
			err:  actions.FieldError{Field: "traits", Label: "Traits", Path: "/n", Rule: actions.RuleUnencodable, Reason: "is not a finite number"},
			want: "Traits (traits/n) has no JSON form: the value is not a finite number",
		},
		{
			err:  actions.FieldError{Field: "action", Label: "Action", Rule: actions.RuleUnknownAction},
			want: "the action must be sendIdentify, sendGroup, sendTrack or sendSubscription",
		},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%v: %q", c.err.Rule, got)
		}
	}
	_, err := actions.SendGroup{UserID: "u", MessageID: strings.Repeat("m", 100)}.Build()
	if want := "sendGroup: Group ID (group_id) is required; MessageId (message_id) must have at most 99 characters"; err.Error() != want {
		t.Errorf("%q", err)
	}
}

// failing is a value whose own error tells what it holds.
type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot marshal s3cret") }

// TestErrorsHoldNoValue puts a mark into every place that a value can be in and breaks every rule around it.
func TestErrorsHoldNoValue(t *testing.T) {
	const mark = "s3cret"
	long := strings.Repeat(mark, 200)
	consent := actions.Consent{Extra: map[string]any{"v": mark, "bad": failing{}}}
	traits := actions.Traits(manyMembers(300))
	traits["text"], traits["bad"] = mark, failing{}
	var errs []error
	for _, a := range []actions.Action{
		actions.SendIdentify{GroupID: long, Traits: traits, Timestamp: time.Unix(-1, 0), MessageID: long, Consent: consent},
		actions.SendGroup{UserID: mark, GroupID: long, Traits: traits, MessageID: long, Consent: consent},
		actions.SendTrack{UserID: mark, GroupID: long, Properties: actions.Properties(traits), MessageID: long, Consent: consent},
		actions.SendTrack{UserID: mark, Event: mark, Properties: actions.Properties{"large": strings.Repeat(mark, 6000)}},
		actions.SendSubscriptions{
			UserID: mark, Traits: traits, MessageID: long, Consent: consent, Email: mark, EmailStatus: 77, SMSStatus: actions.Subscribed,
			EmailGroups: map[string]actions.SubscriptionStatus{"g": 77},
		},
	} {
		_, err := a.Build()
		errs = append(errs, err)
	}
	for _, bad := range []any{mark, long, []any{mark, mark}, map[string]any{mark: mark}, []any{map[string]any{"a": mark}}, failing{}, math.NaN()} {
		fields := map[string]any{}
		for _, f := range actions.Fields(actions.KindSubscriptions) {
			fields[f.Name] = bad
		}
		for _, f := range actions.Fields(actions.KindTrack) {
			fields[f.Name] = bad
		}
		fields["subscription_groups"] = map[string]any{"g": bad}
		for _, kind := range actions.Kinds() {
			_, err := actions.FromFields(kind, fields)
			errs = append(errs, err)
		}
		if _, ok := bad.(string); !ok {
			_, err := actions.SpaceFromFields(fields)
			errs = append(errs, err)
		}
	}
	var status actions.SubscriptionStatus
	var kind actions.Kind
	var rule actions.Rule
	var c actions.Consent
	errs = append(errs, status.UnmarshalText([]byte(mark)), kind.UnmarshalText([]byte(mark)), rule.UnmarshalText([]byte(mark)),
		json.Unmarshal([]byte(`{"`+mark+`":"`+mark+`"}`), &c))
	for i, err := range errs {
		if err == nil {
			t.Errorf("case %d is no error", i)
		} else if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, mark) {
			t.Errorf("case %d: %s", i, text)
		}
	}
}
