package profilestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// RunMappings runs the tests in a JSON file against the mappings of a destination file: records, and what is to become of them.
//
//	[{"name": "a customer",
//	  "record": {"type": "identify", "userId": "u1", "traits": {"email": "Ada@Example.com"}},
//	  "messages": [{"mapping": "people", "type": "identify", "userId": "u1", "traits": {"email": "ada@example.com"}}]},
//	 {"name": "a customer without an id", "record": {"type": "identify"}, "invalid": [{"field": "user_id"}]},
//	 {"name": "page views stay here", "record": {"type": "page"}, "skipped": "no mapping matched"}]
//
// Each test has a name, a record, the model that the record belongs to where mappings have models, and what is expected:
//
//   - messages: the messages in the order of their mappings, as they go to Segment. Only those members are compared that are
//     expected, each of them whole; but of context again only its expected members. A member that is null must not be
//     there. A timestamp is compared as an instant. The further member mapping is the id of the mapping that gives the message.
//   - invalid: what makes messages Invalid, an entry for each problem, in any order: the field, and where it matters the id of
//     the mapping and the rule (a word of actions.Rule). A directive's problem belongs to the field that it stands in.
//   - skipped: the reason of a record that gives no message, a text of profiles.Skip. It stands alone.
//
// All messages and all problems have to be expected. Where t is a *testing.T each test is a subtest. Nothing is sent, and no
// client is needed. Files that cannot be loaded, or have members of another name, end the test; a failure names file and line.
// It shows what the tests' records hold: write them for the purpose.
func RunMappings(t TB, destination, tests string) {
	t.Helper()
	dest, err := profiles.LoadDestination(destination)
	if err != nil {
		t.Fatalf("profilestest: %v", err)
		return
	}
	all, err := loadMappingTests(tests, dest)
	if err != nil {
		t.Fatalf("profilestest: %v", err)
		return
	}
	parent, subtests := t.(*testing.T)
	for _, test := range all {
		run := func(t TB) {
			t.Helper()
			if failure := test.run(dest); failure != "" {
				t.Errorf("%s:%d: %s: %s", tests, test.line, test.name, failure)
			}
		}
		if subtests {
			parent.Run(test.name, func(t *testing.T) {
				t.Helper()
				run(t)
			})
		} else {
			run(t)
		}
	}
}

// A mappingTest is one test of a file.
type mappingTest struct {
	name     string
	line     int // in the file
	model    string
	record   profiles.Record
	skipped  string // empty: messages are expected
	messages []wantedMessage
	invalid  []problem
}

// A wantedMessage is a message as a test expects it.
type wantedMessage struct {
	mapping string // empty: any
	members map[string]any
}

// A problem is why a message is Invalid.
type problem struct {
	Mapping string
	Field   string
	Rule    string
}

// run returns what is not as expected, or nothing.
func (m *mappingTest) run(dest *profiles.Destination) string {
	p := dest.For(profiles.Input{Model: m.model}).Preview(m.record, 0)
	var sent []profiles.MessagePreview
	var refused []profiles.MessagePreview
	for _, message := range p.Messages {
		if message.Err != nil {
			refused = append(refused, message)
		} else {
			sent = append(sent, message)
		}
	}
	switch {
	case p.Skip != profiles.NotSkipped && m.skipped == "":
		return "the record is skipped: " + p.Skip.String()
	case p.Skip != profiles.NotSkipped || m.skipped != "":
		if diff := cmp.Diff(m.skipped, p.Skip.String()); diff != "" {
			return "the record is not skipped for the reason expected (-want +got):\n" + diff
		}
		return ""
	}
	return strings.TrimSuffix(compareMessages(m.messages, sent)+compareProblems(m.invalid, refused), "\n")
}

// compareMessages pairs the messages with those expected, in their order.
func compareMessages(want []wantedMessage, sent []profiles.MessagePreview) string {
	var b strings.Builder
	next := 0
	for _, w := range want {
		at := next
		for w.mapping != "" && at < len(sent) && sent[at].Mapping.ID() != w.mapping {
			at++
		}
		if at == len(sent) {
			fmt.Fprintf(&b, "no message as expected%s: %s\n", of(w.mapping), text(w.members))
			continue
		}
		for ; next < at; next++ {
			unexpected(&b, sent[next])
		}
		next++
		if diff := messageDiff(w.members, decode(sent[at].Message)); diff != "" {
			fmt.Fprintf(&b, "the message of mapping %s is not as expected (-want +got):\n%s\n", sent[at].Mapping.ID(), diff)
		}
	}
	for _, m := range sent[next:] {
		unexpected(&b, m)
	}
	return b.String()
}

func of(mapping string) string {
	if mapping == "" {
		return ""
	}
	return " of mapping " + mapping
}

func unexpected(b *strings.Builder, m profiles.MessagePreview) {
	fmt.Fprintf(b, "a message of mapping %s that is not expected: %s\n", m.Mapping.ID(), m.Message)
}

// decode returns a message with its numbers as they are written.
func decode(message []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(message))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return map[string]any{"": "is not JSON"}
	}
	return fields
}

// messageDiff compares what is expected of a message.
func messageDiff(want, got map[string]any) string {
	want, got = expected(want, got)
	wantContext, ok := want["context"].(map[string]any)
	if gotContext, both := got["context"].(map[string]any); ok && both {
		want["context"], got["context"] = expected(wantContext, gotContext)
	}
	if sameInstant(want["timestamp"], got["timestamp"]) {
		got["timestamp"] = want["timestamp"]
	}
	return cmp.Diff(want, got, cmp.Comparer(sameNumber))
}

// expected returns copies of what is expected and of the members that it names. What must not be there, and is not, is left
// out.
func expected(want, got map[string]any) (map[string]any, map[string]any) {
	want, reduced := maps.Clone(want), make(map[string]any, len(want))
	for name, v := range want {
		if has, ok := got[name]; ok {
			reduced[name] = has
		} else if v == nil {
			delete(want, name)
		}
	}
	return want, reduced
}

func sameInstant(a, b any) bool {
	x, okA := a.(string)
	y, okB := b.(string)
	s, errA := time.Parse(time.RFC3339Nano, x)
	t, errB := time.Parse(time.RFC3339Nano, y)
	return okA && okB && errA == nil && errB == nil && s.Equal(t)
}

// sameNumber tells whether two numbers are equal however they are written; integers digit by digit.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	isInteger := func(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }
	if isInteger(a) && isInteger(b) {
		return false
	}
	x, errA := a.Float64()
	y, errB := b.Float64()
	return errA == nil && errB == nil && x == y
}

// compareProblems compares why messages are Invalid with what is expected.
func compareProblems(want []problem, refused []profiles.MessagePreview) string {
	var got []problem
	for _, m := range refused {
		got = append(got, problems(m.Mapping.ID(), m.Err)...)
	}
	// Those expected in the order of those that there are, so that the difference is what is too many and what is missing.
	var paired []problem
	rest := append([]problem(nil), want...)
	for _, p := range got {
		for i, w := range rest {
			if w.Field == p.Field && (w.Mapping == "" || w.Mapping == p.Mapping) && (w.Rule == "" || w.Rule == p.Rule) {
				paired = append(paired, p)
				rest = append(rest[:i], rest[i+1:]...)
				break
			}
		}
	}
	diff := cmp.Diff(append(paired, rest...), got)
	if diff == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the problems are not as expected (-want +got):\n%s\n", diff)
	for _, m := range refused {
		fmt.Fprintf(&b, "mapping %s: %v\n", m.Mapping.ID(), m.Err)
	}
	return b.String()
}

// problems lists what an Invalid message's error says.
func problems(id string, err error) []problem {
	var all []problem
	switch e := err.(type) {
	case *profiles.Error:
		return problems(id, e.Err)
	case *actions.Error:
		for _, f := range e.Fields {
			all = append(all, problem{Mapping: id, Field: f.Field, Rule: f.Rule.String()})
		}
	case *mapping.ResolveError:
		field, _, _ := strings.Cut(strings.TrimPrefix(e.Path, "/"), "/")
		all = append(all, problem{Mapping: id, Field: strings.NewReplacer("~1", "/", "~0", "~").Replace(field)})
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			all = append(all, problems(id, cause)...)
		}
	default:
		all = append(all, problem{Mapping: id, Field: "engage_space"}) // a key that Segment could not take
	}
	return all
}
