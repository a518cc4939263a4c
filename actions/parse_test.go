package actions_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

// again encodes what Parse reads in a message, and fails the test unless that is the message.
func again(t *testing.T, message []byte) actions.Action {
	t.Helper()
	a, err := actions.Parse(message)
	if err != nil {
		t.Fatalf("%v: %s", err, message)
	}
	back, _, err := actions.Append(nil, a, actions.AppendOptions{Sorted: true})
	if err != nil || string(back) != string(message) {
		t.Fatalf("%v\n got %s\nwant %s", err, back, message)
	}
	return a
}

// What the measured cases give is the same again after it was parsed.
func TestParseIsBuildsInverse(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "conformance", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	parsed := make(map[actions.Kind]int)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var c struct {
				Action  actions.Kind   `json:"action"`
				Mapping map[string]any `json:"mapping"`
				Event   map[string]any `json:"event"`
			}
			if err := conformance.Decode(json.RawMessage(line), &c); err != nil {
				t.Fatal(err)
			}
			message, err := process(c.Action, c.Mapping, c.Event)
			if err != nil {
				continue
			}
			if a := again(t, message.JSON); a.Kind() != c.Action {
				t.Errorf("%v comes back as %v", c.Action, a.Kind())
			}
			parsed[c.Action]++
		}
	}
	if len(parsed) != 4 {
		t.Errorf("parsed %v", parsed)
	}
}

func TestParseRefusesWhatAppendDoesNotMake(t *testing.T) {
	const rest = `"messageId":"m","userId":"u"}`
	for _, c := range []struct{ name, message, reason string }{
		{"nothing", ``, "it is not the JSON of one"},
		{"no object", `[]`, "it is not the JSON of one"},
		{"two", `{"integrations":{"All":false},"type":"identify",` + rest + `{}`, "something follows its object"},
		{"no integrations", `{"type":"identify",` + rest, "its integrations are not All: false alone"},
		{"integrations that send on", `{"integrations":{"All":true},"type":"identify",` + rest, "its integrations are not All: false alone"},
		{"integrations that let one through", `{"integrations":{"All":false,"X":true},"type":"identify",` + rest, "its integrations are not All: false alone"},
		{"no type", `{"integrations":{"All":false},` + rest, "its type is not identify, group or track"},
		{"another type", `{"integrations":{"All":false},"type":"page",` + rest, "its type is not identify, group or track"},
		{"no messageId", `{"integrations":{"All":false},"type":"identify","userId":"u"}`, "it has no messageId"},
		{"unknown member", `{"integrations":{"All":false},"writeKey":"canary","type":"identify",` + rest, "it is not the JSON of one"},
		{"value of a wrong type", `{"integrations":{"All":false},"type":"identify","groupId":12345678,` + rest, "it is not the JSON of one"},
		{"no timestamp", `{"integrations":{"All":false},"type":"identify","timestamp":"canary",` + rest, "its timestamp is none"},
		{"identify with an event", `{"event":"e","integrations":{"All":false},"type":"identify",` + rest, "it has members that only a track call has"},
		{"group with properties", `{"properties":{},"integrations":{"All":false},"type":"group",` + rest, "it has members that only a track call has"},
		{"track with traits", `{"traits":{},"integrations":{"All":false},"type":"track",` + rest, "it has members that no track call has"},
		{"group with subscriptions", `{"context":{"externalIds":[]},"integrations":{"All":false},"type":"group",` + rest, "it has members that no group call has"},
		{"half of subscriptions", `{"context":{"externalIds":[]},"integrations":{"All":false},"type":"identify",` + rest, "it is neither an identify call nor one of subscriptions"},
		{"status of no contact", `{"context":{"messaging_subscriptions":[{"key":"k","status":"SUBSCRIBED","type":"EMAIL"}],"messaging_subscriptions_retl":true},"integrations":{"All":false},"type":"identify",` + rest, "its subscriptions do not belong to its external ids"},
		{"unknown contact", `{"context":{"externalIds":[{"collection":"users","encoding":"none","id":"k","type":"fax"}],"messaging_subscriptions_retl":true},"integrations":{"All":false},"type":"identify",` + rest, "its external ids are not those of subscriptions"},
		{"group twice", `{"context":{"externalIds":[{"collection":"users","encoding":"none","id":"k","type":"email"}],"messaging_subscriptions":[{"key":"k","status":"SUBSCRIBED","type":"EMAIL","groups":[{"name":"g","status":"SUBSCRIBED"},{"name":"g","status":"SUBSCRIBED"}]}],"messaging_subscriptions_retl":true},"integrations":{"All":false},"type":"identify",` + rest, "its subscription groups are not well formed"},
	} {
		a, err := actions.Parse([]byte(c.message))
		var of *actions.Error
		if a != nil || !errors.As(err, &of) || of.Fields[0].Rule != actions.RuleMessageForm || of.Fields[0].Reason != c.reason {
			t.Errorf("%s: %v, %v", c.name, a, err)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "1234")) {
			t.Errorf("%s: the error shows a value: %v", c.name, err)
		}
	}
	large := `{"integrations":{"All":false},"type":"identify","anonymousId":"` + strings.Repeat("a", actions.MaxMessageBytes) + `",` + rest
	var of *actions.Error
	if _, err := actions.Parse([]byte(large)); !errors.As(err, &of) || of.Fields[0].Rule != actions.RuleMessageTooLarge {
		t.Errorf("a message that is too large: %v", err)
	}
}

// FuzzParse holds that what Parse reads, and Append takes, is read the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"context":{"consent":{}},"groupId":"g","integrations":{"All":false},"messageId":"m","traits":{"a":1.0},"type":"identify","userId":"u"}`))
	f.Add([]byte(`{"context":{"consent":{"categoryPreferences":{"a":true}},"groupId":"g"},"event":"e","integrations":{"All":false},"messageId":"m","properties":{},"timestamp":"2026-01-02T03:04:05.6Z","type":"track","userId":"u"}`))
	f.Add([]byte(`{"context":{"consent":{},"externalIds":[{"collection":"users","encoding":"none","id":"k","type":"email"}],"messaging_subscriptions":[{"groups":[{"name":"g","status":"SUBSCRIBED"}],"key":"k","status":"SUBSCRIBED","type":"EMAIL"}],"messaging_subscriptions_retl":true},"integrations":{"All":false},"messageId":"m","traits":{},"type":"identify"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		a, err := actions.Parse(message)
		if err != nil {
			return
		}
		text, _, err := actions.Append(nil, a, actions.AppendOptions{Sorted: true})
		if err != nil {
			return
		}
		again(t, text)
	})
}
