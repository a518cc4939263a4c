package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

// Segment's own parser and matcher gave these answers.
func TestTriggerConformance(t *testing.T) {
	conformance.Run(t, conformance.Files(t, "trigger"), func(_ *testing.T, line json.RawMessage) error {
		var c struct {
			Trigger string
			Event   map[string]any
			Match   bool
			Invalid bool
		}
		if err := conformance.Decode(line, &c); err != nil {
			return err
		}
		trigger, err := mapping.CompileTrigger(c.Trigger)
		var wrong *mapping.TriggerError
		switch {
		case err != nil && !errors.As(err, &wrong):
			return fmt.Errorf("%s: not a TriggerError: %w", c.Trigger, err)
		case c.Invalid != (err != nil):
			return fmt.Errorf("%q: error %v, want one: %v", c.Trigger, err, c.Invalid)
		case err != nil:
			return nil
		}
		if got := trigger.Match(c.Event); got != c.Match {
			return fmt.Errorf("%q of %v: %v, want %v", c.Trigger, c.Event, got, c.Match)
		}
		return nil
	})
}

func compileTrigger(t testing.TB, text string) *mapping.Trigger {
	t.Helper()
	trigger, err := mapping.CompileTrigger(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return trigger
}

// record is what the tables below are matched against.
func record() map[string]any {
	return map[string]any{
		"type": "track", "event": "Order Completed", "userId": "42",
		"properties": map[string]any{
			"total": 42.5, "count": json.Number("42"), "big": json.Number("9007199254740993"), "coupon": nil, "empty": "", "zero": 0.0,
			"paid": true, "free": false, "text": "42", "word": "true", "smile": "a😀b", "a b": 1.0, "items": []any{"x", map[string]any{"sku": "y"}},
			"eos": "eos",
		},
		"traits":  map[string]any{"plan": "pro", "address": map[string]any{"city": "Oslo"}},
		"context": map[string]string{"locale": "nb-NO"},
	}
}

func TestTriggerMatch(t *testing.T) {
	for trigger, want := range map[string]bool{
		// paths
		`type = "track"`:                       true,
		`event = "Order Completed"`:            true,
		`name = "Order Completed"`:             false,
		`userId = "42"`:                        true,
		`traits.address.city = "Oslo"`:         true,
		`traits.address.city.length = 4`:       true,
		`context.locale = "nb-NO"`:             true,
		`properties.items.length = 2`:          true,
		`properties.items.\0 = "x"`:            true,
		`properties.items.\1.sku = "y"`:        true,
		`properties.a\ b = 1`:                  true,
		`properties.missing.deeper = null`:     true,
		`properties.zero.deeper = 0`:           true, // a path stops at a falsy value
		`properties.total.deeper = null`:       true,
		`event.anything = "Order Completed"`:   true, // what follows the dot is passed over
		`properties = "x"`:                     false,
		`properties.\. != "x" or type = "a"`:   false, // Segment fails at a path without a name
		`type = "track" or properties.\. = 1`:  true,  // and does not get there here
		`(contains(type, "a")) or userId = 42`: false,

		// texts
		`properties.text = "42"`:                             true,
		`properties.count = "42"`:                            false,
		`properties.count != "42"`:                           true,
		`properties.missing != "x"`:                          true,
		`properties.text != "42"`:                            false,
		`properties.text = '42'`:                             false,
		`properties.eos =`:                                   true,
		`type = track`:                                       true,
		`userId = 42`:                                        true,
		`userId = 42.0`:                                      true,
		`userId != 42`:                                       false,
		`properties.empty = ""`:                              true,
		`properties.word = true`:                             false,
		`properties.word != true`:                            false,
		`properties.paid != true`:                            true,
		`properties.paid = "true"`:                           false,
		"type = \"track\"\nand\tevent = \"Order Completed\"": true,

		`type = "track"and"`: true, // a quote with no end behind it opens the next text
		`type = "x"and"`:     false,

		// numbers
		`properties.count = 42`:             true,
		`properties.count = +42.0`:          true,
		`properties.text = 42`:              false,
		`properties.text != 42`:             false,
		`properties.total != 42`:            true,
		`properties.big = 9007199254740992`: true, // as doubles they are one
		`properties.total > 42`:             true,
		`properties.total >= 42.5`:          true,
		`properties.total < 42.5`:           false,
		`properties.total <= 42.5`:          true,
		`properties.text > 1`:               false,
		`properties.total > "42"`:           true, // the text is read as a number
		`properties.total > " 0x10 "`:       true,
		`properties.total > "x"`:            false,
		`properties.total < "Infinity"`:     true,
		`properties.zero < true`:            true,
		`properties.coupon < 1`:             false,
		`type > 1`:                          false,
		`properties.zero = -0`:              true,
		`properties.zero != -`:              true, // a sign alone is not a number, which no number equals
		`properties.zero = -`:               false,

		// null, true, false
		`properties.coupon = null`:  true,
		`properties.coupon != null`: false,
		`properties.missing = null`: true,
		`properties.empty != null`:  true,
		`properties.paid = true`:    true,
		`properties.free = false`:   true,
		`properties.free = true`:    false,
		`userId = null`:             false,
		`userId != null`:            true,
		`name = null`:               true,
		`name != null`:              false,
		`event = null`:              false,
		`type != null`:              true,

		// functions
		`contains(event, "Comp")`:                true,
		`contains(event, "comp")`:                false,
		`contains(event, "")`:                    true,
		`!contains(event, "comp")`:               true,
		`contains(properties.total, "4")`:        false,
		`!contains(properties.total, "x")`:       false,
		`!contains(name, "x")`:                   false,
		`match(event, "Order*")`:                 true,
		`match(event, "*Completed")`:             true,
		`match(event, "Completed*")`:             false,
		`!match(event, "Completed*")`:            true,
		`!match(event, "*Completed")`:            false,
		`match(event, "*")`:                      true,
		`match(event, "xCompleted")`:             true, // the first character is taken to be the star
		`match(properties.smile, "*😀b")`:         true,
		`match(properties.smile, "😀b")`:          true, // half of the character is left to end with
		`match(properties.smile, "😁b")`:          false,
		`match(properties.smile, "🨀b")`:          true, // with the same second half
		`event contains "Comp"`:                  true,
		`traits.plan not_starts_with "free"`:     true,
		`traits.plan like "pro"`:                 false,
		`contains(propertiesx, "a")`:             false,
		`type = "track" and contains(type, "x")`: true,

		// and, or, groups
		`type = "track" and event = "x"`:                                false,
		`type = "x" or event = "Order Completed"`:                       true,
		`type = "track" or event = "x" and userId = "x"`:                false,
		`type = "x" and event = "x" or userId = "42"`:                   true,
		`type = "x" and (event = "x" or userId = "42")`:                 false,
		`type = "track" and (event = "x" or userId = "42")`:             true,
		`(type = "track")`:                                              true,
		`(type = "x") or (userId = "42" and event != null)`:             true,
		`!(type = "track")`:                                             true,
		`not type = "track"`:                                            true,
		`type = "track" OR type = "x"`:                                  false,
		`type = "track" or(type = "x")`:                                 false,
		`(contains(event, "Order") and userId = "x") or type = "track"`: true,
		`(contains(event, "x") and userId = "42") and type = "track"`:   false,
		`(contains(event, "x") or type = "x") or userId = "42"`:         true,
		`type = "x" or (contains(event, "Order") and userId = "x")`:     false, // "and" ends up in the level around
		`type = "track")`:                                               true,
		`and type = "track" and`:                                        true,
	} {
		compiled := compileTrigger(t, trigger)
		if got := compiled.Match(record()); got != want {
			t.Errorf("%s: %v", trigger, got)
		}
		if compiled.String() != trigger {
			t.Errorf("%s prints as %s", trigger, compiled)
		}
	}
}

func TestTriggerErrors(t *testing.T) {
	for trigger, offset := range map[string]int{
		"":                                   0,
		" \n ":                               0,
		"foo":                                0,
		`contains(type, "x")`:                0, // dropped, and nothing is left
		`(!contains(type, "x"))`:             0,
		`type`:                               4,
		`type = "a" and event`:               20,
		`type = "a" and event =`:             -1,
		`contains(event`:                     0,
		`type = "a" or !match(`:              15,
		`(type = "a"`:                        0,
		`type = "a" or (`:                    14,
		`((type = "a"))`:                     1, // groups do not nest
		`type = "a`:                          7,
		`type = 'a"`:                         7,
		`type < 5.`:                          8,
		`type < 5.5.5`:                       10,
		`type<"a"`:                           4,
		`type ! = "a"`:                       5,
		`! contains(event, "a")`:             0,
		`type = "a" && event = "b"`:          11,
		`traits.tags[0] = "a"`:               11,
		`traits.café = "a"`:                  10,
		"type = \"a\" \r\nand event = \"b\"": 11,
		`traits.b\`:                          7,
		`"é" = é`:                            7,
		strings.Repeat(" ", 100_001):         100_000,
	} {
		_, err := mapping.CompileTrigger(trigger)
		if offset < 0 {
			if err != nil {
				t.Errorf("%q: %v", trigger, err)
			}
			continue
		}
		var e *mapping.TriggerError
		if !errors.As(err, &e) {
			t.Errorf("%.80q: error %v, want a TriggerError", trigger, err)
			continue
		}
		if e.Offset != offset || e.Reason == "" || !strings.Contains(e.Error(), e.Reason) {
			t.Errorf("%.80q: %v, want offset %d", trigger, e, offset)
		}
	}
}

func TestTriggerPaths(t *testing.T) {
	trigger := compileTrigger(t, `type = "a" and (traits.a.b = 1 or contains(traits.a.b, "x") or properties.c\ d < 2) and name = "n" and userId.x = 1`)
	want := []string{"type", "traits.a.b", "properties.c d", "name", "userId"}
	got := trigger.Paths()
	if !slices.Equal(got, want) {
		t.Fatalf("paths %q, want %q", got, want)
	}
	got[0] = "changed"
	if again := trigger.Paths(); !slices.Equal(again, want) {
		t.Errorf("a caller changed the trigger's paths to %q", again)
	}
}

func TestTriggerZeroValue(t *testing.T) {
	var trigger mapping.Trigger
	if trigger.Match(record()) || trigger.String() != "" || len(trigger.Paths()) != 0 || len(trigger.Warnings()) != 0 {
		t.Error("the zero value is not empty")
	}
}

func TestTriggerEmptyRecord(t *testing.T) {
	for _, empty := range []map[string]any{nil, {}, {"type": nil, "traits": nil}, {"traits": map[string]any(nil)}} {
		if compileTrigger(t, `type = "track" or traits.plan != null`).Match(empty) {
			t.Errorf("%v matches", empty)
		}
		if !compileTrigger(t, `traits.plan = null and type != "track"`).Match(empty) {
			t.Errorf("%v does not match", empty)
		}
	}
}

func TestTriggerConcurrently(t *testing.T) {
	trigger := compileTrigger(t, `type = "track" and (properties.total > 42 or contains(traits.plan, "x"))`)
	shared, before := record(), record()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if !trigger.Match(shared) || len(trigger.Paths()) != 3 {
					t.Error("another answer than alone")
					return
				}
			}
		})
	}
	wg.Wait()
	if !reflect.DeepEqual(shared, before) {
		t.Errorf("Match changed the record to %v", shared)
	}
}

const benchmarked = `type = "track" and event = "Order Completed" and (properties.count > 40 or contains(traits.plan, "pro")) and traits.address.city != null`

func TestTriggerDoesNotAllocate(t *testing.T) {
	trigger, r := compileTrigger(t, benchmarked), record()
	if n := testing.AllocsPerRun(100, func() { trigger.Match(r) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

func BenchmarkTriggerMatch(b *testing.B) {
	trigger, r := compileTrigger(b, benchmarked), record()
	b.ReportAllocs()
	for b.Loop() {
		if !trigger.Match(r) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkCompileTrigger(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.CompileTrigger(benchmarked); err != nil {
			b.Fatal(err)
		}
	}
}
