package mapping_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

func FuzzTrigger(f *testing.F) {
	text, err := json.Marshal(record())
	if err != nil {
		f.Fatal(err)
	}
	for _, trigger := range []string{
		benchmarked,
		`!match(properties.smile, "😀b") or (contains(context.locale, "NO"))`,
		`type = "a" or (event != 'x' and name >= -1.5) foo ! [0]`,
		`userId exists null and traits.a\ b\.c = true and traits.n=`,
		`"a"b"c" and or( null an`,
	} {
		f.Add(trigger, text)
	}
	f.Fuzz(func(t *testing.T, text string, input []byte) {
		trigger, err := mapping.CompileTrigger(text)
		if err != nil {
			var e *mapping.TriggerError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) || e.Reason == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if trigger.String() != text {
			t.Errorf("prints as %q", trigger)
		}
		warnings := trigger.Warnings()
		inOrder := slices.IsSortedFunc(warnings, func(a, b mapping.Warning) int { return a.Offset - b.Offset })
		if !inOrder || len(warnings) > 100 {
			t.Errorf("warnings %v", warnings)
		}
		for _, w := range warnings {
			if w.Offset < 0 || w.Offset > len(text) || w.Advice == "" {
				t.Errorf("warning %v", w)
			}
		}

		var event, before map[string]any
		if conformance.Decode(input, &event) != nil || conformance.Decode(input, &before) != nil {
			return
		}
		want := trigger.Match(event)
		if !reflect.DeepEqual(event, before) {
			t.Fatalf("Match changed the record to %v", event)
		}
		if again := trigger.Match(event); again != want {
			t.Errorf("%v, then %v", want, again)
		}
		// White space in front changes nothing, and a record needs no more than what Paths tells.
		spaced, err := mapping.CompileTrigger(" \n" + text)
		if len(text)+2 <= mapping.MaxTriggerLength && (err != nil || spaced.Match(event) != want) {
			t.Errorf("not %v with white space in front: %v", want, err)
		}
		read := make(map[string]any)
		for _, path := range trigger.Paths() {
			root, _, _ := strings.Cut(path, ".")
			if v, ok := event[root]; ok {
				read[root] = v
			}
		}
		if trigger.Match(read) != want {
			t.Errorf("not %v of the members that Paths tells", want)
		}
	})
}

// Numbers match alike as float64, as json.Number and as integers.
func FuzzTriggerNumbers(f *testing.F) {
	f.Add(int64(42), "=", "42")
	f.Add(int64(-1), "<", "0.5")
	f.Add(int64(9007199254740993), "!=", "9007199254740992")
	f.Fuzz(func(t *testing.T, n int64, operator, value string) {
		trigger, err := mapping.CompileTrigger("properties.n " + operator + " " + value)
		if err != nil {
			return
		}
		text, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		of := func(v any) bool {
			return trigger.Match(map[string]any{"properties": map[string]any{"n": v}})
		}
		want := of(float64(n))
		if of(n) != want || of(json.Number(bytes.TrimSpace(text))) != want {
			t.Errorf("%s of %d: float64 %v, int64 %v, json.Number %v", trigger, n, want, of(n), of(json.Number(text)))
		}
	})
}
