package profiles_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

type link struct{ Next *link }

// hostile returns values that no message can hold, by name.
func hostile() map[string]any {
	const deep = 1_000_000
	var objects, lists any = "x", "x"
	chain := &link{}
	for i := range deep {
		lists, chain = []any{lists}, &link{chain}
		if i%10 == 0 {
			objects = map[string]any{"a": objects}
		}
	}
	cycle, ring := map[string]any{}, make([]any, 1)
	cycle["self"], ring[0] = cycle, ring
	loop := &link{}
	loop.Next = loop
	return map[string]any{
		"100,000 objects in each other": objects, "a million lists in each other": lists, "a million structs in each other": chain,
		"an object in itself": cycle, "a list in itself": ring, "a struct in itself": loop,
		"NaN": math.NaN(), "infinity": math.Inf(1), "NaN in a list": []float32{float32(math.NaN())},
		"a channel": make(chan int), "a function": func() {}, "a complex number": 1i,
		"raw text that is not JSON":        json.RawMessage(`{"a":`),
		"raw text of a million lists":      json.RawMessage(strings.Repeat("[", deep) + strings.Repeat("]", deep)),
		"a number that is none":            json.Number("1; DROP"),
		"a Marshaler that panics":          marshaler(func() ([]byte, error) { panic("a mistake") }),
		"a Marshaler that fails":           marshaler(func() ([]byte, error) { return nil, errors.New("no") }),
		"a Marshaler without JSON":         marshaler(func() ([]byte, error) { return []byte(`{"a":`), nil }),
		"a Marshaler with nothing":         marshaler(func() ([]byte, error) { return nil, nil }),
		"a Marshaler with two values":      marshaler(func() ([]byte, error) { return []byte(`1 2`), nil }),
		"a Marshaler of a million lists":   marshaler(func() ([]byte, error) { return []byte(strings.Repeat("[", deep)), nil }),
		"text from a Marshaler that fails": map[string]any{"k": textMarshaler{}},
	}
}

type marshaler func() ([]byte, error)

func (m marshaler) MarshalJSON() ([]byte, error) { return m() }

type textMarshaler struct{}

func (textMarshaler) MarshalText() ([]byte, error) { return nil, errors.New("no") }

// Rows 65 and 66: values that JSON has no form for, that have no end, or whose own code panics, fails or writes something else than JSON. The
// message, or the record, is Invalid with a typed error, nothing of it is sent, and the next one goes.
func TestFault65And66HostileValues(t *testing.T) {
	values := hostile()
	t.Run("typed", func(t *testing.T) { enqueueHostile(t, values) })
	t.Run("records", func(t *testing.T) { processHostile(t, values) })
}

func enqueueHostile(t *testing.T, values map[string]any) {
	client, server := newServed(t)
	for name, v := range values {
		isInvalid(t, name, client.Enqueue(t.Context(), actions.SendIdentify{UserID: "bad", Traits: actions.Traits{"v": v}}), actions.RuleUnencodable)
		isInvalid(t, name, client.TryEnqueue(actions.SendTrack{UserID: "bad", Event: "E", Properties: actions.Properties{"p": map[string]any{"v": v}}}), actions.RuleUnencodable)
		o, err := client.Send(t.Context(), actions.SendIdentify{UserID: "good", Traits: actions.Traits{"v": "x"}})
		if err != nil || o.Status != profiles.Accepted {
			t.Errorf("after %s: %+v, %v", name, o, err)
		}
	}
	if s := server.Stats(); s.Kept != len(values) {
		t.Errorf("%+v", s)
	}
	if got := server.Profile("bad"); got.ID != "" {
		t.Errorf("the profile has %+v", got)
	}
}

func processHostile(t *testing.T, values map[string]any) {
	client, server := newServed(t)
	dest := parse(t, `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{
		"engage_space":"space-write-key","user_id":{"@path":"$.userId"},"traits":{"@path":"$.traits"}}}]}`)
	var names []string
	source := func(yield func(profiles.Record, error) bool) {
		for name, v := range values {
			names = append(names, name)
			for _, traits := range []any{map[string]any{"v": v}, map[string]any{"v": "x"}} {
				if !yield(profiles.Record{"type": "identify", "userId": "u1", "traits": traits}, nil) {
					return
				}
			}
		}
	}
	outcomes := process(t, client, dest, source)
	for i, o := range outcomes {
		want := profiles.Accepted
		if i%2 == 0 {
			want = profiles.Invalid
		}
		if o.Status != want {
			t.Errorf("%s: record %d is %s: %.300v", names[i/2], i, o.Status, o.Err())
		}
	}
	if got := server.Stats().Kept; len(outcomes) != 2*len(values) || got != len(values) {
		t.Errorf("%d outcomes, and the server has %d messages", len(outcomes), got)
	}
}

// Row 65: text that is not UTF-8 is sent with U+FFFD in its place; too many members are refused; an object of 100,000 is a message too large.
func TestFault65TextAndMembers(t *testing.T) {
	client, server := newServed(t)
	bad := "a\xffb\xc3\x28\xed\xa0\x80"
	if _, err := client.Send(t.Context(), actions.SendTrack{UserID: bad, Event: bad, Properties: actions.Properties{bad: bad}}); err != nil {
		t.Fatal(err)
	}
	body := server.Requests()[0].Body()
	if !utf8.Valid(body) || !json.Valid(body) || strings.Count(string(body), "a\ufffdb\ufffd(") != 4 {
		t.Errorf("the body is %q", body)
	}
	many := make(actions.Traits)
	for i := range 100_000 {
		many[fmt.Sprint("k", i)] = i
	}
	isInvalid(t, "100,000 traits", client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"v": map[string]any(many)}}), actions.RuleMessageTooLarge)
	var fields *actions.Error
	err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1", Traits: many})
	if !errors.As(err, &fields) || fields.Fields[0].Rule != actions.RuleTooMany || fields.Fields[0].Limit != actions.MaxTraits || len(err.Error()) > 1_000 {
		t.Errorf("100,000 traits: %.300v", err)
	}
}

// Row 66: a Marshaler that does not return, or ends its goroutine, holds up its own caller and nobody else.
func TestFault66MarshalerThatDoesNotReturn(t *testing.T) {
	client, server := newServed(t)
	release, inside := make(chan struct{}), make(chan struct{})
	blocked := make(chan error)
	go func() {
		blocked <- client.Enqueue(t.Context(), actions.SendIdentify{UserID: "slow", Traits: actions.Traits{"v": marshaler(func() ([]byte, error) {
			close(inside)
			<-release
			return []byte(`"late"`), nil
		})}})
	}()
	<-inside
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		client.Enqueue(t.Context(), actions.SendIdentify{UserID: "gone", Traits: actions.Traits{"v": marshaler(func() ([]byte, error) {
			runtime.Goexit()
			return nil, nil
		})}})
		t.Error("Enqueue returned though its goroutine was ended")
	}()
	<-gone
	for range 50 {
		if _, err := client.Send(t.Context(), actions.SendIdentify{UserID: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-blocked; err != nil {
		t.Error(err)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := server.Profile("slow").Traits["v"]; got != "late" || server.Stats().Kept != 51 {
		t.Errorf("the slow message arrived as %v, and %d in all", got, server.Stats().Kept)
	}
}

// Row 77: mappings that are made to cost much. Each record that would is Invalid with a typed error that names where; the next one goes.
func TestFault77MappingsThatCostMuch(t *testing.T) {
	client, server := newServed(t)
	costly := map[string]string{
		"a template that repeats a long text": `{"@template":"` + strings.Repeat("{{traits.long}}", 100) + `"}`,
		"a replacement that grows": `{"@replace":{"pattern":"a","replacement":"aaaaaaaaaa","value":
			{"@replace":{"pattern":"a","replacement":"aaaaaaaaaa","value":{"@path":"$.traits.long"}}}}}`,
		"Liquid that fills the memory": `{"@liquid":"{% assign a = 'x xxxxxxxxxxxxxx' %}` + strings.Repeat(`{% assign a = a | append: a %}`, 28) + `{{ a }}"}`,
		"Liquid that takes long":       `{"@liquid":"{% assign b = (1..99999) %}` + strings.Repeat(`{{ b | join | size }}`, 40) + `"}`,
	}
	long := strings.Repeat("a", 1<<20)
	for name, text := range costly {
		dest := parse(t, `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{"engage_space":"space-write-key",
			"user_id":{"@path":"$.userId"},"traits":{"v":{"@if":{"exists":{"@path":"$.traits.long"},"then":`+text+`,"else":"cheap"}}}}}]}`)
		outcomes := process(t, client, dest, func(yield func(profiles.Record, error) bool) {
			_ = yield(profiles.Record{"type": "identify", "userId": name, "traits": map[string]any{"long": long}}, nil) &&
				yield(profiles.Record{"type": "identify", "userId": name, "traits": map[string]any{}}, nil)
		})
		if len(outcomes) != 2 || outcomes[0].Status != profiles.Invalid || outcomes[1].Status != profiles.Accepted {
			t.Fatalf("%s: %+v", name, outcomes)
		}
		var of *mapping.ResolveError
		if err := outcomes[0].Err(); !errors.As(err, &of) || !strings.Contains(err.Error(), "traits/v") || strings.Contains(err.Error(), "aaaaaaaaaaa") {
			t.Errorf("%s: %.300v", name, err)
		}
		if got := server.Profile(name).Traits["v"]; got != "cheap" {
			t.Errorf("%s: the next record arrived as %v", name, got)
		}
	}
	fieldsOf := func(userID string) string {
		return `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{"user_id":` + userID + `}}]}`
	}
	triggerOf := func(trigger string) string {
		return `{"mappings":[{"action":"sendIdentify","trigger":"` + trigger + `","fields":{"user_id":"x"}}]}`
	}
	for _, c := range []struct{ name, text, reason string }{
		{"a pattern that is too long", fieldsOf(`{"@replace":{"pattern":"12345678901","value":"x"}}`), "1 to 10 UTF-16 units"},
		{"a mapping that is too deep", fieldsOf(strings.Repeat(`{"a":`, 5_000) + `1` + strings.Repeat(`}`, 5_000)), "256"},
		{"a mapping that is too large", fieldsOf(`[1` + strings.Repeat(`,1`, 20_000) + `]`), "10,000"},
		{"text without an end", strings.Repeat(`{"a":`, 1_000_000), "is not JSON"},
		{"a trigger that is too long", triggerOf(strings.Repeat("x", 100_001)), "100000 bytes"},
		{"a trigger that is too deep", triggerOf(strings.Repeat("(", 90_000)), "trigger"},
	} {
		_, err := profiles.ParseDestination([]byte(c.text))
		var of *profiles.DestinationError
		if !errors.As(err, &of) || !strings.Contains(err.Error(), c.reason) || len(err.Error()) > 2_000 {
			t.Errorf("%s: %.300v", c.name, err)
		}
	}
}
