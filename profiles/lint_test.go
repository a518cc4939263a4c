package profiles_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// api is a destination with one mapping in the Public API's form: an action, a trigger, settings, and further members.
func api(action, trigger, settings, more string) string {
	return fmt.Sprintf(`{"subscriptions":[{"id":"m","actionSlug":%q,"trigger":%q,"settings":{%s}%s}]}`, action, trigger, settings, more)
}

// whole has all that no hint is about.
const whole = `"engage_space":"key","timestamp":{"@path":"$.timestamp"},"message_id":{"@path":"$.messageId"},`

const (
	identify = `type = "identify"`
	byUser   = whole + `"user_id":{"@path":"$.userId"}`
	aUser    = `{"type":"identify","userId":"u","messageId":"m","timestamp":"2024-01-02T03:04:05Z","traits":{"plan":"pro","city":null}}`
	aRow     = `{"type":"track","event":"new","messageId":"m","timestamp":"2024-01-02T03:04:05Z","properties":{"email":"a@b.co","__segment_id":"1"}}`
)

func TestLint(t *testing.T) {
	many := func(name string) string { // an object with 300 members
		var b strings.Builder
		for i := range 300 {
			fmt.Fprintf(&b, `,"%s%d":1`, name, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, c := range []struct {
		name, destination string
		model             string
		samples           []string
		want              []string // "path rule severity: words of the advice"
	}{
		{name: "nothing to say", destination: api("sendIdentify", identify, byUser, "")},
		{name: "nothing to say of samples", destination: api("sendIdentify", identify, byUser+`,"traits":{"plan":{"@path":"$.traits.plan"},"city":{"@path":"traits.city"}}`, ""),
			samples: []string{aUser}},
		{name: "steering settings", destination: api("sendIdentify", identify, byUser+`,"batch_size":10,"enable_batching":true,"__segment_internal_matching_key":"x"`, "")},

		// triggers
		{name: "and and or", destination: api("sendTrack", `type = "track" and event = "a" or event = "b"`, byUser+`,"event_name":"E"`, ""),
			want: []string{"trigger trigger warning: mixes and with or"}},
		{name: "never", destination: api("sendTrack", `event = "a" and event = "b"`, byUser+`,"event_name":"E"`, ""),
			want: []string{"trigger trigger warning: at byte 16: this contradicts another condition on event in the same level, all of which has to hold: the level never matches"}},
		{name: "warnings in their order", destination: api("sendTrack", `type = 'x' and event =`, byUser+`,"event_name":"E"`, ""),
			want: []string{"trigger trigger warning: at byte 7: single quotes", "trigger trigger warning: at byte 22: the value is missing"}},
		{name: "matches no sample", destination: api("sendIdentify", identify+` and traits.plna = "pro"`, byUser, ""), samples: []string{aUser, aUser},
			want: []string{"trigger no_match warning: none of the 2 samples; none of them has traits.plna"}},
		{name: "matches no sample's value", destination: api("sendIdentify", identify+` and traits.plan = "free"`, byUser, ""), samples: []string{aUser},
			want: []string{"trigger no_match warning: check the values"}},
		{name: "default trigger of a model", destination: api("sendIdentify", identify, byUser, `,"modelId":"users"`),
			want: []string{"trigger trigger_type error: type track"}},
		{name: "default trigger on rows", destination: api("sendGroup", ` type =  "group"`, byUser+`,"group_id":"g"`, ""), samples: []string{aRow},
			want: []string{"trigger trigger_type error: type track"}},
		{name: "default trigger on rows of its model", destination: api("sendIdentify", identify, byUser, `,"modelId":"users"`), model: "users", samples: []string{aRow},
			want: []string{"trigger trigger_type error: type track"}},
		{name: "default trigger on other events", destination: api("sendGroup", `type = "group"`, byUser+`,"group_id":"g"`, ""), samples: []string{aUser, aRow},
			want: []string{"trigger no_match warning: 2 samples"}},
		{name: "model with events of its own", destination: api("sendIdentify", identify, byUser, `,"modelId":"users"`), model: "users", samples: []string{aUser}},
		{name: "samples of another model", destination: api("sendTrack", `event = "x"`, byUser+`,"event_name":"E"`, `,"modelId":"users"`), model: "orders", samples: []string{aRow}},
		{name: "samples of no model", destination: api("sendTrack", `event = "x"`, byUser+`,"event_name":"E"`, `,"modelId":"users"`), samples: []string{aRow},
			want: []string{" not_sampled hint: Destination.For"}},
		{name: "samples that switch the destination off", destination: api("sendTrack", `event = "x"`, byUser+`,"event_name":"E"`, ""),
			samples: []string{`{"type":"track","integrations":{"All":false}}`}},

		// fields
		{name: "unknown fields", destination: api("sendTrack", `type = "track"`, byUser+`,"event_name":"E","userId":"u","event":"x","traits":{},"empty":"","none":null`, ""),
			want: []string{"/event unknown_field warning: did you mean event_name?", "/traits unknown_field warning: it has engage_space, user_id",
				"/userId unknown_field warning: did you mean user_id?"}},
		{name: "no hints' fields", destination: api("sendIdentify", identify, `"user_id":{"@path":"$.userId"},"timestamp":null`, ""),
			want: []string{"/engage_space no_space hint: Profile Space", "/message_id no_message_id hint: not there", "/timestamp no_timestamp hint: not there"}},
		{name: "no Profile Space in it", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `""`, 1), ""),
			want: []string{"/engage_space missing_field error: Profile Space (engage_space) is required"}},
		{name: "Profile Space of the wrong type", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `{"a":1}`, 1), ""),
			want: []string{"/engage_space bad_value error: must be a string"}},
		{name: "Profile Space by a look-up", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `{"@path":"$.context.key"}`, 1), "")},
		{name: "no identity", destination: api("sendIdentify", identify, whole+`"user_id":""`, ""),
			want: []string{"/user_id missing_field error: User ID (user_id) or Anonymous ID (anonymous_id) is required"}},
		{name: "no group", destination: api("sendGroup", `type = "group"`, byUser, ""), want: []string{"/group_id missing_field error: is required"}},
		{name: "no event", destination: api("sendTrack", `type = "track"`, byUser, ""), want: []string{"/event_name missing_field error: is required"}},
		{name: "no contact and no status", destination: api("sendSubscription", identify, byUser, ""),
			want: []string{"/email missing_field error: Phone (phone)", "/email_subscription_status missing_field error: status is required"}},
		{name: "status without its contact", destination: api("sendSubscription", identify, byUser+`,"email":{"@path":"$.e"},"sms_subscription_status":{"@path":"$.s"}`, ""),
			want: []string{"/sms_subscription_status missing_field error: needs Phone"}},
		{name: "groups without a status", destination: api("sendSubscription", identify,
			byUser+`,"email":"e","phone":"p","sms_subscription_status":"true","subscription_groups":{"a":{"@path":"$.a"}}`, ""),
			want: []string{"/subscription_groups missing_field error: need Email Subscription Status"}},
		{name: "subscriptions whole", destination: api("sendSubscription", identify, byUser+`,"email":{"@path":"$.e"},"email_subscription_status":{"@path":"$.s"},`+
			`"subscription_groups":{"a":{"@path":"$.a"},"b":"false"},"consent":{"categoryPreferences":{"ads":{"@path":"$.ads"}}}`, "")},
		{name: "values that never fit", destination: api("sendSubscription", identify,
			byUser+`,"email":"e","email_subscription_status":"perhaps","traits":"t"`, ""),
			want: []string{"/email_subscription_status bad_value error: must be true", "/traits bad_value error: must be an object"}},
		{name: "300 traits written out", destination: api("sendIdentify", identify, byUser+`,"traits":`+many("t"), ""),
			want: []string{"/traits bad_value error: at most 299"}},
		{name: "300 traits that may be there", destination: api("sendIdentify", identify, byUser+`,"traits":`+strings.ReplaceAll(many("t"), ":1", `:{"@path":"$.t"}`), "")},
		{name: "directive that cannot run", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@liquid":"{{ a | nonsense "}}`, ""),
			want: []string{"/traits/a/@liquid directive error: every record that comes to it is Invalid"}},
		{name: "paths without a directive", destination: api("sendIdentify", identify, whole+`"user_id":"$.userId","traits":{"a":["{{b}}"],"c":{"@if":{"exists":{"@path":"$.d"},"then":"$.d"}},`+
			`"fine":{"@literal":"$.x"},"prices":{"@replace":{"value":{"@path":"$.p"},"pattern":"$.","replacement":""}},"list":{"@arrayPath":["$.l",{"x":{"@path":"$.x"}}]}}`, ""),
			want: []string{"/traits/a/0 plain_text warning: @template", "/traits/c/@if/then plain_text warning: @path", "/user_id plain_text warning: in no directive"}},
		{name: "Profile Space without a directive", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `"$.context.key"`, 1), ""),
			want: []string{"/engage_space plain_text warning: in no directive"}},
		{name: "the same id for all", destination: api("sendIdentify", identify, `"engage_space":"k","timestamp":{"@path":"$.timestamp"},"user_id":1,"anonymous_id":"a","message_id":"m"`, ""),
			want: []string{"/anonymous_id constant_id warning: one person", "/message_id constant_id warning: repeat", "/user_id constant_id warning: one person"}},
		{name: "one directive for all", destination: api("sendIdentify", identify, `"__segment_internal_directive":{"@transform":{"apply":{"x":{"@path":"$.userId"}}}},"user_id":{"@path":"$.x"}`, ""),
			samples: []string{aUser}},

		// paths
		{name: "path that no sample has", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"plna":{"@case":{"operator":"upper","value":{"@path":"$.traits.plna"}}}}}`, ""),
			samples: []string{aUser},
			want:    []string{"/traits/a/plna path_not_found warning: none of the 1 samples that the trigger matches has traits.plna"}},
		{name: "path of events on rows", destination: api("sendTrack", `type = "track"`, whole+`"user_id":{"@path":"$.properties.__segment_id"},"event_name":"E","properties":{"mail":{"@path":"$.traits.email"}}`, ""),
			samples: []string{aRow},
			want:    []string{"/properties/mail path_not_found warning: has traits.email, but properties.email is there"}},
		{name: "paths of templates", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@template":"{{traits.plan}} {{traits.x}}"},"b":{"@liquid":"{{ traits.y | upcase }}"}}`, ""),
			samples: []string{aUser},
			want:    []string{"/traits/a path_not_found warning: traits.x", "/traits/b path_not_found warning: traits.y"}},
		{name: "path that is asked for", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@if":{"exists":{"@path":"$.traits.a"},"then":{"@path":"$.traits.a"},"else":"none"}},`+
			`"b":{"@case":{"operator":"lower","value":{"@if":{"blank":{"@path":"$.traits.b"},"then":{"@path":"$.traits.b"},"else":{"@path":"$.traits.c"}}}}}}`, ""),
			samples: []string{aUser}, want: []string{"/traits/b path_not_found warning: traits.c"}},
		{name: "path that one sample has", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@path":"$.traits.a"}}`, ""),
			samples: []string{aUser, `{"type":"identify","userId":"u","messageId":"m","timestamp":1700000000,"traits":{"a":null}}`}},
		{name: "path among samples that do not match", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@path":"$.traits.a"}}`, ""),
			samples: []string{aUser, `{"type":"track","traits":{"a":1}}`}, want: []string{"/traits/a path_not_found warning: 1 samples"}},
		{name: "pre-filled paths", destination: api("sendIdentify", identify, byUser+`,"consent":{"@path":"$.context.consent"}`, ""), samples: []string{`{"type":"identify","userId":"u"}`},
			want: []string{"/message_id no_message_id hint: no sample", "/timestamp no_timestamp hint: no sample"}},

		// samples
		{name: "over the limits", destination: api("sendIdentify", identify, byUser+`,"traits":{"@path":"$.traits"},"group_id":{"@path":"$.groupId"}`, ""),
			samples: []string{
				strings.Replace(aUser, `{"plan":"pro","city":null}`, many("t"), 1), aUser,
				`{"type":"identify","userId":"u","groupId":"` + strings.Repeat("g", 501) + `","messageId":"` + strings.Repeat("m", 100) + `","traits":{"a":"` + strings.Repeat("a", 32000) + `"}}`,
				strings.Replace(aUser, `{"plan":"pro","city":null}`, many("t"), 1),
			},
			want: []string{" limit warning: 32000 bytes when encoded: so it is with 1 of the 4 samples that the trigger matches, the first is samples[2]",
				"/group_id limit warning: 500 characters", "/message_id limit warning: 99 characters",
				"/traits limit warning: at most 299 top-level members: so it is with 2 of the 4 samples that the trigger matches, the first is samples[0]"}},
		{name: "invalid samples", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@template":{"@path":"$.traits.template"}}}`, ""),
			samples: []string{aUser, `{"type":"identify","userId":"u","timestamp":"yesterday","messageId":{},"traits":{"template":"x"}}`},
			want: []string{"/message_id invalid warning: must be a string: so it is with 1 of the 2", "/timestamp invalid warning: RFC 3339",
				"/traits/a/@template invalid warning: needs a string but its value is undefined: so it is with 1 of the 2"}},
		{name: "what is wrong with all is told once", destination: api("sendGroup", `type = "identify"`, byUser, ""), samples: []string{aUser, aUser},
			want: []string{"/group_id missing_field error: is required: as the mapping is"}},
		{name: "broken directive is told once", destination: api("sendIdentify", identify, byUser+`,"traits":{"a":{"@liquid":"{{"}}`, ""), samples: []string{aUser},
			want: []string{"/traits/a/@liquid directive error: Invalid"}},
		{name: "Profile Space of a sample", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `{"@path":"$.traits.plan"}`, 1), ""),
			samples: []string{strings.Replace(aUser, "pro", "p r o", 1)}, want: []string{"/engage_space invalid warning: write key has a character"}},

		// mappings that are switched off
		{name: "off and fit", destination: api("sendIdentify", identify, byUser, `,"enabled":false`), samples: []string{aUser}},
		{name: "off and not fit", destination: api("sendGroup", identify, byUser, `,"enabled":false`), want: []string{"/group_id missing_field warning: required"}},
		{name: "off and not compiled", destination: api("sendGroup", "type ~", byUser+`,"traits":{"a":{"@nope":1}}`, `,"enabled":false`), samples: []string{aUser},
			want: []string{"trigger not_compiled warning: will not load", "/traits/a not_compiled warning: unknown directive @nope"}},
		{name: "off and without settings", destination: `{"mappings":[{"id":"m","action":"sendTrack","enabled":false}]}`,
			want: []string{" not_compiled warning: has no fields", " not_compiled warning: has no trigger"}},
		{name: "off with a bad key", destination: api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `"k e y"`, 1), `,"enabled":false`),
			want: []string{"/engage_space not_compiled warning: not allowed"}},
		{name: "off in our own form", destination: `{"enabled":false,"mappings":[{"id":"m","action":"sendTrack","enabled":false,"trigger":"type = \"track\"","fields":{"traits":{}}}]}`,
			want: []string{"/traits not_compiled warning: is not a field of sendTrack"}},
		{name: "destination switched off", destination: strings.Replace(api("sendIdentify", identify+` and name = "x"`, byUser, ""), "{", `{"enabled":false,`, 1), samples: []string{aUser},
			want: []string{"trigger no_match warning: samples"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var samples []profiles.Record
			for _, s := range c.samples {
				samples = append(samples, record(t, s))
			}
			got := parse(t, c.destination).For(profiles.Input{Model: c.model}).Lint(samples...)
			if len(got) != len(c.want) {
				t.Fatalf("%d findings, want %d:\n%s", len(got), len(c.want), lines(got))
			}
			for i, f := range got {
				head, words, _ := strings.Cut(c.want[i], ": ")
				if at := fmt.Sprint(f.Path, " ", f.Rule, " ", f.Severity); at != head || !strings.Contains(f.Advice, words) || f.Mapping != "m" {
					t.Errorf("finding %d is %v,\nwant %s", i, f, c.want[i])
				}
			}
		})
	}
}

func lines(findings []profiles.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func TestLintDuplicates(t *testing.T) {
	mapping := func(id, more string) string {
		return `{"id":"` + id + `","name":"` + id + `","actionSlug":"sendIdentify","trigger":"type = \"identify\"","settings":{` + byUser + `}` + more + `}`
	}
	d := parse(t, `{"subscriptions":[`+strings.Join([]string{
		mapping("a", ""),
		strings.Replace(mapping("b", ""), byUser, byUser+`,"batch_size":5`, 1),
		mapping("off", `,"enabled":false`),
		mapping("model", `,"modelId":"x"`),
		strings.Replace(mapping("space", ""), `"key"`, `"other"`, 1),
		strings.Replace(mapping("fields", ""), "$.userId", "$.traits.id", 1),
		strings.Replace(mapping("action", ""), "sendIdentify", "sendTrack", 1),
		mapping("c", ""),
	}, ",")+`]}`)
	var got []string
	for _, f := range d.Lint() {
		if f.Rule == profiles.RuleDuplicate {
			got = append(got, f.Mapping+" "+f.Path+f.Advice[:strings.Index(f.Advice, " before")])
		}
	}
	want := []string{"b does the same as mapping a", "c does the same as mapping a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("duplicates (-want +got):\n%s", diff)
	}
}

func TestLintOfWhatThereIs(t *testing.T) {
	var none *profiles.Destination
	if got := none.Lint(record(t, aUser)); got != nil {
		t.Errorf("no destination has %v", got)
	}
	if got := new(profiles.Destination).Lint(record(t, aUser)); got != nil {
		t.Errorf("an empty destination has %v", got)
	}
	for _, f := range shop(t).Lint(record(t, aUser), nil) {
		if f.Severity == profiles.SeverityError {
			t.Errorf("the shop has %v", f)
		}
	}
}

// Findings are made for reports that go anywhere: they hold nothing of records, keys, or of the mapping's own values.
func TestLintShowsNoValues(t *testing.T) {
	s := &spy{t: t}
	bad := strings.NewReplacer("KEY", canaryKey, "EMAIL", canaryEmail).Replace
	for _, text := range []string{
		api("sendSubscription", `type = "EMAIL" and type = 'EMAIL' or contains(type, "KEY") and event = KEY`,
			`"engage_space":"KEY","user_id":"EMAIL","email":"{{EMAIL}}","email_subscription_status":"EMAIL","message_id":"KEY"`, ""),
		api("sendIdentify", identify, `"engage_space":"KEY {{}}","user_id":{"@path":1},"traits":{"a":{"@case":"EMAIL"}}`, `,"enabled":false`),
		api("sendIdentify", `type != "EMAIL"`, `"engage_space":{"@path":"$.key"},"user_id":{"@path":"$.userId"},"timestamp":{"@path":"$.at"},"traits":{"@path":"$.traits"},`+
			`"group_id":{"@path":"$.groupId"},"consent":{"@path":"$.traits"}`, ""),
	} {
		d := parse(t, bad(text))
		findings := d.Lint(record(t, bad(`{"type":"x","key":"KEY KEY","userId":["EMAIL",1],"at":"EMAIL","groupId":["EMAIL",1],"traits":{"a":"EMAIL"}}`)))
		if len(findings) < 3 {
			t.Errorf("only %d findings:\n%s", len(findings), lines(findings))
		}
		s.dump("findings", findings, lines(findings))
	}
	for _, more := range []string{"", `,"enabled":false`} { // what is kept for Lint does not show either
		d := parse(t, api("sendIdentify", identify, strings.Replace(byUser, `"key"`, `"`+canaryKey+`"`, 1), more))
		s.dump("destination", d, *d, d.Mappings()[0], *d.Mappings()[0])
	}
}

func TestLintLeavesAllAsItIs(t *testing.T) {
	text := api("sendIdentify", identify, byUser+`,"traits":{"a":{"@path":"$.traits.plan"},"b":{"@merge":{"direction":"left","objects":[{"@path":"$.traits"}]}}}`, `,"enabled":false`)
	d, sample := parse(t, text), record(t, aUser)
	first := d.Lint(sample)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if again := d.Lint(sample); !reflect.DeepEqual(again, first) {
					t.Errorf("first\n%sthen\n%s", lines(first), lines(again))
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(record(t, aUser), sample); diff != "" {
		t.Errorf("the sample has changed:\n%s", diff)
	}
	if d.Mappings()[0].Enabled() || d.Preview(sample, 0).Skip != profiles.SkipNoMapping {
		t.Error("the mapping has been switched on")
	}
}

func TestRulesAndSeveritiesAsText(t *testing.T) {
	for r := profiles.RuleNotCompiled; r <= profiles.RuleInvalid; r++ {
		var back profiles.Rule
		text, err := r.MarshalText()
		if err != nil || string(text) != r.String() || back.UnmarshalText(text) != nil || back != r {
			t.Errorf("rule %d as text is %q, %v, and back %v", r, text, err, back)
		}
		if s := r.Severity(); s < profiles.SeverityHint || s > profiles.SeverityError {
			t.Errorf("%v has the severity %v", r, s)
		}
	}
	for s := profiles.SeverityHint; s <= profiles.SeverityError; s++ {
		var back profiles.Severity
		text, err := s.MarshalText()
		if err != nil || string(text) != s.String() || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("severity %d as text is %q, %v, and back %v", s, text, err, back)
		}
	}
	rule, severity := profiles.RuleLimit, profiles.SeverityHint
	if rule.UnmarshalText(nil) == nil || rule != profiles.RuleLimit || severity.UnmarshalText([]byte("bad")) == nil || severity != profiles.SeverityHint {
		t.Errorf("text that is none gives %v and %v", rule, severity)
	}
	for _, none := range []profiles.Rule{0, profiles.RuleInvalid + 1} {
		if _, err := none.MarshalText(); err == nil || none.Severity() != 0 {
			t.Errorf("%v has a text or a severity", none)
		}
	}
	for _, none := range []profiles.Severity{0, profiles.SeverityError + 1} {
		if _, err := none.MarshalText(); err == nil {
			t.Errorf("%v has a text", none)
		}
	}
	text, err := json.Marshal(profiles.Finding{Mapping: "m", Path: "/user_id", Rule: profiles.RuleConstantID, Severity: profiles.SeverityWarning, Advice: "a"})
	if want := `{"mapping":"m","path":"/user_id","rule":"constant_id","severity":"warning","advice":"a"}`; err != nil || string(text) != want {
		t.Errorf("a finding is %s, %v", text, err)
	}
}

func FuzzLint(f *testing.F) {
	f.Add([]byte(api("sendIdentify", identify, byUser, "")), []byte(aUser))
	f.Add([]byte(api("sendTrack", `event = "new" or x and y`, `"__segment_internal_directive":{"@arrayPath":["$.properties"]},"a":{"@if":{"exists":{"@path":"$.x"}}}`, `,"enabled":false`)), []byte(aRow))
	f.Add([]byte(api("sendSubscription", identify, `"subscription_groups":{"@merge":{"direction":"left","objects":[{"a":"{{b}}"}]}}`, "")), []byte(`{"type":{},"traits":[1]}`))
	f.Fuzz(func(t *testing.T, destination, sample []byte) {
		d, err := profiles.ParseDestination(destination)
		var r profiles.Record
		if err != nil || json.Unmarshal(sample, &r) != nil {
			return
		}
		ids := map[string]bool{}
		for _, m := range d.Mappings() {
			ids[m.ID()] = true
		}
		findings := d.Lint(r)
		for _, f := range findings {
			if f.Rule.Severity() == 0 || f.Severity > f.Rule.Severity() || f.Advice == "" || !ids[f.Mapping] {
				t.Errorf("finding %+v", f)
			}
			if f.Path != "" && f.Path != "trigger" && f.Path[0] != '/' {
				t.Errorf("%q is no JSON pointer", f.Path)
			}
		}
		if !reflect.DeepEqual(d.Lint(r), findings) {
			t.Error("other findings the second time")
		}
	})
}
