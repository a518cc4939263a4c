package profilestest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

func TestRunMappings(t *testing.T) {
	RunMappings(t, "testdata/shop.json", "testdata/shop.tests.json")
}

// report is a TB that keeps what a test says, and goes on.
type report struct {
	errors, fatals []string
}

func (r *report) Helper()                        {}
func (r *report) Cleanup(func())                 {}
func (r *report) Errorf(format string, a ...any) { r.errors = append(r.errors, said(format, a)) }
func (r *report) Fatalf(format string, a ...any) { r.fatals = append(r.fatals, said(format, a)) }

// said formats a failure; go-cmp writes some spaces as no-break spaces.
func said(format string, a []any) string {
	return strings.ReplaceAll(fmt.Sprintf(format, a...), "\u00a0", " ")
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "destination.tests.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRunMappingsOutsideOfTesting(t *testing.T) {
	var r report
	RunMappings(&r, "testdata/shop.json", "testdata/shop.tests.json")
	if len(r.errors)+len(r.fatals) > 0 {
		t.Errorf("said %q, %q", r.errors, r.fatals)
	}
}

func TestMappingTestsThatFail(t *testing.T) {
	const (
		ada    = `"record":{"type":"identify","userId":"u1","messageId":"m1","timestamp":"2024-01-02T03:04:05Z","traits":{"email":"a@b.co","newsletter":true}}`
		nobody = `"record":{"type":"identify","userId":[1,2],"traits":{"newsletter":true}}`
	)
	for _, c := range []struct {
		name, test string
		want       []string // each in the failure, in this order
	}{
		{"a trait", ada + `,"messages":[{"mapping":"people","traits":{"email":"A@b.co"}},{}]`,
			[]string{"the message of mapping people is not as expected (-want +got)", `-`, `"A@b.co"`, `+`, `"a@b.co"`}},
		{"a trait too many", ada + `,"messages":[{},{"traits":{"plan":"pro"}}]`, []string{"of mapping consent", "-", `"plan"`}},
		{"a member that is not there", ada + `,"messages":[{"groupId":"g"},{}]`, []string{"of mapping people", "-", `"groupId"`, `"g"`}},
		{"a member that must not be there", ada + `,"messages":[{"userId":null},{}]`, []string{"of mapping people", `"userId"`, `"u1"`}},
		{"a member of context", ada + `,"messages":[{"context":{"consent":{"categoryPreferences":{}}}},{}]`, []string{"of mapping people", "categoryPreferences"}},
		{"context that must not be there", ada + `,"messages":[{},{"context":{"externalIds":null}}]`, []string{"of mapping consent", "externalIds"}},
		{"a messageId", ada + `,"messages":[{"messageId":"m2"},{}]`, []string{"of mapping people", `"m2"`, `"m1"`}},
		{"a timestamp", ada + `,"messages":[{"timestamp":"2024-01-02T03:04:06Z"},{}]`, []string{"of mapping people", "03:04:06Z", "03:04:05Z"}},
		{"a type of value", ada + `,"messages":[{"userId":1},{}]`, []string{"of mapping people", "-", `"1"`, "+", `"u1"`}},
		{"a message too few", ada + `,"messages":[{"userId":"u1"}]`, []string{"a message of mapping consent that is not expected: {", "EMAIL"}},
		{"a message too many", ada + `,"messages":[{},{},{"userId":"u3"}]`, []string{`no message as expected: {"userId":"u3"}`}},
		{"the second message alone", ada + `,"messages":[{"mapping":"consent"}]`, []string{"a message of mapping people that is not expected"}},
		{"another mapping's message", ada + `,"messages":[{"mapping":"people"},{"mapping":"consent"},{"mapping":"orders"}]`, []string{"no message as expected of mapping orders: {}"}},
		{"not in order", ada + `,"messages":[{"mapping":"consent"},{"mapping":"people"}]`,
			[]string{"a message of mapping people that is not expected", "no message as expected of mapping people"}},
		{"skipped instead", `"record":{"type":"page"},"messages":[{}]`, []string{"the record is skipped: no mapping matched"}},
		{"not skipped", ada + `,"skipped":"no mapping matched"`, []string{"not skipped for the reason expected", "no mapping matched", "not skipped"}},
		{"skipped for another reason", `"record":{"type":"page"},"skipped":"the destination is switched off"`, []string{"the destination is switched off", "no mapping matched"}},
		{"a problem that is not expected", nobody + `,"invalid":[{"field":"email"},{"mapping":"consent","field":"user_id"},{"field":"email_subscription_status"}]`,
			[]string{"the problems are not as expected (-want +got)", "+", `"people"`, `"user_id"`, "mapping people: ", "must be a string"}},
		{"a problem that is not there", nobody + `,"invalid":[{"field":"user_id"},{"field":"email"},{"field":"user_id"},{"field":"email_subscription_status"},{"field":"traits","rule":"too_many"}]`,
			[]string{"-", `"traits"`, `"too_many"`}},
		{"a problem of another mapping", `"record":{"type":"identify"},"invalid":[{"mapping":"vip","field":"user_id"}]`, []string{"-", `"vip"`, "+", `"people"`}},
		{"a problem by another rule", `"record":{"type":"identify"},"invalid":[{"field":"user_id","rule":"wrong_type"}]`, []string{"wrong_type", "identity_required"}},
		{"invalid instead", `"record":{"type":"identify"},"messages":[{"userId":"u"}]`, []string{`no message as expected: {"userId":"u"}`, "the problems are not as expected", `"user_id"`}},
		{"valid instead", `"record":{"type":"identify","userId":"u"},"invalid":[{"field":"user_id"}]`, []string{"a message of mapping people that is not expected", "-", `"user_id"`}},
		{"digits", `"record":{"type":"identify","userId":"u","traits":{"spent":9007199254740993}},"messages":[{"traits":{"spent":9007199254740992}}]`,
			[]string{"9007199254740992", "9007199254740993"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := file(t, "[\n{\"name\":\"passes\",\"record\":{},\"skipped\":\"no mapping matched\"},\n\n{\"name\":\"the test\","+c.test+"}]")
			var r report
			RunMappings(&r, "testdata/shop.json", name)
			if len(r.errors) != 1 || len(r.fatals) != 0 {
				t.Fatalf("said %q, %q", r.errors, r.fatals)
			}
			rest, ok := strings.CutPrefix(r.errors[0], name+":4: the test: ")
			if !ok {
				t.Errorf("the failure does not begin with file, line and name:\n%s", r.errors[0])
			}
			for _, words := range c.want {
				_, after, ok := strings.Cut(rest, words)
				if !ok {
					t.Fatalf("%q is not in its place in\n%s", words, r.errors[0])
				}
				rest = after
			}
		})
	}
}

func TestMappingTestsThatDoNotLoad(t *testing.T) {
	with := func(members string) string { return "[\n{\"name\":\"n\",\"record\":{},\n" + members + "}]" }
	for _, c := range []struct {
		name, text string
		want       []string // each line of the failure: line and words
	}{
		{"empty", "", []string{"1: is not JSON: it is empty"}},
		{"not JSON", "[\n{name: 1}]", []string{"2: is not JSON: syntax error at byte 4"}},
		{"cut off", "[\n{", []string{"2: is not JSON: it ends"}},
		{"two values", "[]\n[]", []string{"2: something follows"}},
		{"no array", "\n{}", []string{"2: the tests must be an array"}},
		{"no tests", "[]", []string{"1: there are no tests"}},
		{"a test is no object", "[\n1]", []string{"2: a test must be an object"}},
		{"nothing in it", "[{}]", []string{"1: a test has no name", "1: a test has no record", "1: a test expects nothing"}},
		{"unknown member", with(`"skiped":""`), []string{`3: "skiped" is not a member of a test: invalid, messages, model, name, record, skipped`}},
		{"member twice", with("\"skipped\":\"no mapping matched\",\n\"skipped\":\"no mapping matched\""), []string{`4: "skipped" is there twice`}},
		{"name twice", `[{"name":"a","record":{},"messages":[{}]},` + "\n" + `{"name":"a","record":{},"messages":[{}]}]`, []string{"2: there is another test with this name"}},
		{"name is no text", `[{"name":1,"record":{},"messages":[{}]}]`, []string{"1: name must be text"}},
		{"record is no object", `[{"name":"n","record":[],"messages":[{}]}]`, []string{"1: record must be an object"}},
		{"expects nothing", with(`"messages":[],"invalid":[]`), []string{"2: a test expects nothing"}},
		{"expects both", with(`"messages":[{}],"skipped":"no mapping matched"`), []string{"2: a test that expects skipped must not"}},
		{"another reason", with(`"skipped":"no reason"`), []string{"3: skipped must be one of: no mapping matched; "}},
		{"unknown model", with(`"model":"x","messages":[{}]`), []string{"3: model must be the model of a mapping"}},
		{"messages are no array", with(`"messages":{}`), []string{"3: messages must be an array"}},
		{"a message is no object", with("\"messages\":[\n1,\n{}]"), []string{"4: an expected message must be an object"}},
		{"unknown members of messages", with("\"messages\":[{\"user_id\":1,\n\"Traits\":{}}]"),
			[]string{`3: "user_id" is not a member of an expected message: anonymousId, context`, `4: "Traits" is not`}},
		{"unknown mapping", with("\"messages\":[{\n\"mapping\":\"x\"},{\"mapping\":5}]"), []string{"4: mapping must be the id", "4: mapping must be text"}},
		{"unknown member of a problem", with(`"invalid":[{"field":"user_id","path":"/"}]`), []string{`3: "path" is not a member of an expected problem: field, mapping, rule`}},
		{"problem without a field", with(`"invalid":[{},{"field":""},{"mapping":"people"}]`), []string{"3: an expected problem has no field", "3: field must be text", "3: an expected problem has no field"}},
		{"unknown rule", with(`"invalid":[{"field":"user_id","rule":"x"}]`), []string{"3: rule must be the word of a rule"}},
		{"all at once", "[{\"x\":1},\n{\"model\":1,\n\"invalid\":[{\"y\":1}]}]", []string{"1: \"x\"", "2: model must be text", "3: \"y\""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := file(t, c.text)
			var r report
			RunMappings(&r, "testdata/shop.json", name)
			if len(r.fatals) != 1 || len(r.errors) != 0 {
				t.Fatalf("said %q, %q", r.errors, r.fatals)
			}
			lines := strings.Split(strings.TrimPrefix(r.fatals[0], "profilestest: "), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("said\n%s\nwant %q", r.fatals[0], c.want)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, name+":"+c.want[i]) {
					t.Errorf("said %q, want %q", line, c.want[i])
				}
			}
		})
	}
}

func TestMappingTestsWithoutFiles(t *testing.T) {
	for _, files := range [][2]string{{"testdata/none.json", "testdata/shop.tests.json"}, {"testdata/shop.json", "testdata/none.json"}, {"testdata/shop.tests.json", "testdata/shop.tests.json"}} {
		var r report
		RunMappings(&r, files[0], files[1])
		if len(r.fatals) != 1 || len(r.errors) != 0 || !strings.Contains(r.fatals[0], "testdata/") {
			t.Errorf("%v: said %q, %q", files, r.errors, r.fatals)
		}
	}
	if _, err := loadMappingTests("testdata/none.json", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func FuzzMappingTests(f *testing.F) {
	dest, err := profiles.LoadDestination("testdata/shop.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"testdata/shop.tests.json", "testdata/typo.tests.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`[{"name":"n","record":{"type":"vip"},"messages":[{"timestamp":1e999,"context":null}],"invalid":[{"field":"/~"}]}]`))
	f.Add([]byte("[\n{\"name\":\"\\u0000\",\"record\":null}] x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := testParser{text: text, dest: dest}
		tests := p.parse()
		for _, problem := range p.problems {
			if last := 1 + strings.Count(string(text), "\n"); problem.line < 1 || problem.line > last || problem.reason == "" {
				t.Errorf("problem %+v in %d lines", problem, last)
			}
		}
		if len(p.problems) > 0 {
			return
		}
		if len(tests) == 0 || !json.Valid(text) {
			t.Fatalf("%d tests of %q", len(tests), text)
		}
		for _, test := range tests {
			if test.name == "" || test.record == nil || test.skipped == "" && len(test.messages)+len(test.invalid) == 0 {
				t.Errorf("test %+v", test)
			}
			if first, again := test.run(dest) == "", test.run(dest) == ""; first != again {
				t.Errorf("%s passes once: %v, %v", test.name, first, again)
			}
		}
	})
}
