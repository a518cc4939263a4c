package mapping_test

import (
	"strings"
	"testing"
)

func TestTriggerWarnings(t *testing.T) {
	// Each warning: its offset, and words that its advice has.
	type warning struct {
		offset int
		advice string
	}
	for trigger, want := range map[string][]warning{
		// nothing to say
		`type = "track"`: nil,
		`type = "track" or type = "identify" or (event = "a" and userId != null)`:                    nil,
		`type = "track" and traits.n > 1 and traits.n < 5 and traits.n != 3`:                         nil,
		`type = "track" and (event = "a" or contains(event, "b")) and !match(event, "*c")`:           nil,
		`(contains(event, "a")) or (match(name, "b*"))`:                                              nil,
		`traits.a = "x" and traits.a != "y" and contains(traits.a, "x") and traits.a != null`:        nil,
		`traits.a = null and traits.a != "x" and traits.b = true and name = null and userId = false`: nil,
		`type = "a" and type != "b" and event = "a"`:                                                 nil,

		// a level that mixes and with or
		`type = "a" and event = "b" or event = "c"`:                   {{27, "last one written, here or"}},
		`type = "a" or event = "b" and event != "c"`:                  {{26, "here and"}},
		`type = "a" and (event = "b" or userId = "c" and name = "d")`: {{44, "here and"}},

		// what is passed over
		`type = "a" OR type = "b"`:           {{11, "lower case"}, {14, "contradicts"}},
		`type = "a" or(event = "b")`:         {{11, "lower case"}},
		`not type = "a"`:                     {{0, "no condition"}},
		`!(type = "a")`:                      {{0, "!"}},
		`type = "a")`:                        {{10, "closing parenthesis"}},
		`foo = "b" and type = "a"`:           {{0, "no condition"}, {4, "no condition"}, {6, "no condition"}},
		`event.first = "a"`:                  {{0, "event has no members"}},
		`type = "a" and contains(type, "a")`: {{15, "drops a function on type"}},
		`type = "a" and !match(email, "a*")`: {{15, "drops a function unless"}},

		// groups
		`(contains(event, "a") and name = "b")`:                {{0, "ends at the parenthesis"}},
		`(name = "b" and !contains(event, "a"))`:               nil,
		`(match(event, "a*") or match(event, "b*")) and a = 1`: {{0, "ends at the parenthesis"}, {47, "no condition"}, {49, "no condition"}, {51, "no condition"}, {43, "here and"}},
		`type = "a" or (contains(type, "a"))`:                  {{14, "no condition in this group"}, {15, "drops"}},

		// conditions that do not mean what they say
		`type =`:                  {{6, "missing"}},
		`(event =) or type = "a"`: {{8, "missing"}},
		`event like "a"`:          {{6, "no operator"}},
		`event =< 5`:              {{7, "no value"}, {9, "no condition"}},
		`type = 'a'`:              {{7, "single quotes"}},
		`contains(event, 'a')`:    {{16, "single quotes"}},
		`contains(event, 5)`:      {{16, "double quotes"}},
		`match(event, "abc")`:     {{13, "needs a *"}},
		`match(event, "*abc*")`:   {{13, "one *"}},
		`match(event, "*")`:       nil,
		`traits.n < "many"`:       {{11, "needs a number"}},
		`traits.n < null`:         {{11, "needs a number"}},
		`traits.n < "5"`:          nil,
		`type = null`:             {{7, "cannot be tested for null"}},
		`event != null`:           {{9, "cannot be tested for null"}},
		`name = true`:             {{7, "cannot be tested for true"}},
		`traits.a != true`:        {{12, "both true and false"}},

		// contradictions
		`type = "a" and type = "b"`:                   {{15, "contradicts"}},
		`type = "a" and type != "a"`:                  {{15, "contradicts"}},
		`type = "a" and type = 5`:                     {{15, "contradicts"}},
		`type = "a" and (type = "b")`:                 {{16, "contradicts"}},
		`traits.n > 5 and traits.n = 5`:               {{0, "contradicts another condition on traits.n"}},
		`traits.n = 5 and traits.n = "5"`:             {{17, "contradicts"}},
		`traits.n = true and traits.n = false`:        {{20, "contradicts"}},
		`traits.n = null and traits.n != null`:        {{20, "contradicts"}},
		`event = "abc" and contains(event, "d")`:      {{18, "contradicts"}},
		`type = "a" or type = "b"`:                    nil,
		`name = "x" or (event = "a" and event = "b")`: {{31, "contradicts"}},
	} {
		got := compileTrigger(t, trigger).Warnings()
		if len(got) != len(want) {
			t.Errorf("%s: %d warnings, want %d: %v", trigger, len(got), len(want), got)
			continue
		}
		for _, w := range want {
			found := false
			for _, g := range got {
				found = found || g.Offset == w.offset && strings.Contains(g.Advice, w.advice)
			}
			if !found {
				t.Errorf("%s: no warning at %d with %q: %v", trigger, w.offset, w.advice, got)
			}
		}
	}
}

func TestTriggerWarningsAreFew(t *testing.T) {
	trigger := compileTrigger(t, `type = "a" `+strings.Repeat("x ", 40_000))
	got := trigger.Warnings()
	if len(got) != 100 {
		t.Fatalf("%d warnings", len(got))
	}
	got[0].Advice = "changed"
	if trigger.Warnings()[0].Advice == "changed" {
		t.Error("a caller changed the trigger's warnings")
	}
}
