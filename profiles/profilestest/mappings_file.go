package profilestest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// loadMappingTests reads the tests of a destination. The error lists everything that is wrong, each with file and line.
func loadMappingTests(file string, dest *profiles.Destination) ([]mappingTest, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := testParser{text: text, dest: dest}
	tests := p.parse()
	var errs []error
	for _, problem := range p.problems {
		errs = append(errs, fmt.Errorf("%s:%d: %s", file, problem.line, problem.reason))
	}
	return tests, errors.Join(errs...)
}

// A testParser collects what is wrong on its way.
type testParser struct {
	text     []byte
	dest     *profiles.Destination
	problems []fileProblem
}

type fileProblem struct {
	line   int
	reason string
}

// A place is a value of the file.
type place struct {
	at  int // its offset
	raw json.RawMessage
}

func (p *testParser) problem(at int, format string, args ...any) {
	p.problems = append(p.problems, fileProblem{p.line(at), fmt.Sprintf(format, args...)})
}

func (p *testParser) line(at int) int {
	return 1 + bytes.Count(p.text[:min(at, len(p.text))], []byte("\n"))
}

func (p *testParser) parse() []mappingTest {
	root, ok := p.decode()
	if !ok {
		return nil
	}
	items, ok := p.items(root)
	if !ok {
		p.problem(root.at, "the tests must be an array")
		return nil
	}
	if len(items) == 0 {
		p.problem(root.at, "there are no tests")
	}
	var tests []mappingTest
	seen := make(map[string]bool)
	for _, item := range items {
		t := p.test(item)
		if t.name != "" && seen[t.name] {
			p.problem(item.at, "there is another test with this name")
		}
		seen[t.name] = true
		tests = append(tests, t)
	}
	return tests
}

// decode checks that the text is one JSON value.
func (p *testParser) decode() (place, bool) {
	d := json.NewDecoder(bytes.NewReader(p.text))
	var root json.RawMessage
	err := d.Decode(&root)
	at := int(d.InputOffset()) - len(root)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return place{at, root}, true
		}
		p.problem(int(d.InputOffset()), "something follows the array of tests")
		return place{}, false
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		p.problem(int(syntax.Offset), "is not JSON: syntax error at byte %d", syntax.Offset)
	case err == io.EOF:
		p.problem(len(p.text), "is not JSON: it is empty")
	default:
		p.problem(len(p.text), "is not JSON: it ends in the middle of a value")
	}
	return place{}, false
}

// items returns the items of an array.
func (p *testParser) items(v place) ([]place, bool) {
	d := json.NewDecoder(bytes.NewReader(v.raw))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil, false
	}
	var items []place
	for d.More() {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, false
		}
		items = append(items, place{v.at + int(d.InputOffset()) - len(raw), raw})
	}
	return items, true
}

// members calls each of the functions with the member of its name. What is no object, and members that have no function or
// come twice, are problems; what names the object in them.
func (p *testParser) members(v place, what string, known map[string]func(place)) {
	d := json.NewDecoder(bytes.NewReader(v.raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		p.problem(v.at, "%s must be an object", what)
		return
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		at := v.at + int(d.InputOffset())
		var raw json.RawMessage
		if err != nil || !ok || d.Decode(&raw) != nil {
			return
		}
		use, ok := known[name]
		switch {
		case !ok:
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			p.problem(at, "%q is not a member of %s: %s", name, what, strings.Join(names, ", "))
		case seen[name]:
			p.problem(at, "%q is there twice", name)
		default:
			use(place{v.at + int(d.InputOffset()) - len(raw), raw})
		}
		seen[name] = true
	}
}

func (p *testParser) test(v place) mappingTest {
	t := mappingTest{line: p.line(v.at)}
	before := len(p.problems)
	p.members(v, "a test", map[string]func(place){
		"name":     func(v place) { t.name = p.str(v, "name") },
		"model":    func(v place) { t.model = p.model(v) },
		"record":   func(v place) { t.record = p.object(v, "record") },
		"skipped":  func(v place) { t.skipped = p.skipped(v) },
		"messages": func(v place) { p.list(v, "messages", func(v place) { t.messages = append(t.messages, p.message(v)) }) },
		"invalid":  func(v place) { p.list(v, "invalid", func(v place) { t.invalid = append(t.invalid, p.invalid(v)) }) },
	})
	if len(p.problems) > before {
		return t
	}
	if t.name == "" {
		p.problem(v.at, "a test has no name")
	}
	if t.record == nil {
		p.problem(v.at, "a test has no record")
	}
	switch many := len(t.messages)+len(t.invalid) > 0; {
	case t.skipped == "" && !many:
		p.problem(v.at, "a test expects nothing: it needs messages, invalid or skipped")
	case t.skipped != "" && many:
		p.problem(v.at, "a test that expects skipped must not expect messages or invalid")
	}
	return t
}

// list calls f with each item of an array.
func (p *testParser) list(v place, name string, f func(place)) {
	items, ok := p.items(v)
	if !ok {
		p.problem(v.at, "%s must be an array", name)
	}
	for _, item := range items {
		f(item)
	}
}

// message reads a message that is expected: members of the wire, and the mapping's id.
func (p *testParser) message(v place) wantedMessage {
	m := wantedMessage{members: make(map[string]any)}
	known := map[string]func(place){"mapping": func(v place) { m.mapping = p.mapping(v) }}
	for _, name := range []string{
		"anonymousId", "context", "event", "groupId", "integrations", "messageId", "properties", "timestamp", "traits", "type", "userId",
	} {
		known[name] = func(v place) { m.members[name] = p.any(v) }
	}
	p.members(v, "an expected message", known)
	return m
}

// invalid reads a problem that is expected.
func (p *testParser) invalid(v place) problem {
	var found problem
	before := len(p.problems)
	p.members(v, "an expected problem", map[string]func(place){
		"mapping": func(v place) { found.Mapping = p.mapping(v) },
		"field":   func(v place) { found.Field = p.str(v, "field") },
		"rule": func(v place) {
			var rule actions.Rule
			found.Rule = p.str(v, "rule")
			if found.Rule != "" && rule.UnmarshalText([]byte(found.Rule)) != nil {
				p.problem(v.at, "rule must be the word of a rule of package actions: %s", strings.Join(ruleWords(), ", "))
			}
		},
	})
	if found.Field == "" && len(p.problems) == before {
		p.problem(v.at, "an expected problem has no field")
	}
	return found
}

func (p *testParser) mapping(v place) string {
	id := p.str(v, "mapping")
	if id != "" && !slices.ContainsFunc(p.dest.Mappings(), func(m *profiles.Mapping) bool { return m.ID() == id }) {
		p.problem(v.at, "mapping must be the id of a mapping of the destination")
	}
	return id
}

func (p *testParser) model(v place) string {
	model := p.str(v, "model")
	if model != "" && !slices.ContainsFunc(p.dest.Mappings(), func(m *profiles.Mapping) bool { return m.ModelID() == model }) {
		p.problem(v.at, "model must be the model of a mapping of the destination")
	}
	return model
}

func (p *testParser) skipped(v place) string {
	reason := p.str(v, "skipped")
	reasons := []string{profiles.SkipNoMapping.String(), profiles.SkipIntegrations.String(), profiles.SkipDisabled.String()}
	if reason != "" && !slices.Contains(reasons, reason) {
		p.problem(v.at, "skipped must be one of: %s", strings.Join(reasons, "; "))
	}
	return reason
}

// str returns a text that must not be empty.
func (p *testParser) str(v place, name string) string {
	s, _ := p.any(v).(string)
	if s == "" {
		p.problem(v.at, "%s must be text that is not empty", name)
	}
	return s
}

func (p *testParser) object(v place, name string) map[string]any {
	m, ok := p.any(v).(map[string]any)
	if !ok {
		p.problem(v.at, "%s must be an object", name)
	}
	return m
}

// any returns a value, numbers with their digits.
func (p *testParser) any(v place) any {
	d := json.NewDecoder(bytes.NewReader(v.raw))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		p.problem(v.at, "is not JSON")
	}
	return out
}

// ruleWords returns the words of all rules.
func ruleWords() []string {
	var words []string
	for r := actions.RuleRequired; ; r++ {
		text, err := r.MarshalText()
		if err != nil {
			return words
		}
		words = append(words, string(text))
	}
}
