package presets_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// file returns the name of a preset's file, without its ending.
func file(p presets.Preset) string { return strings.ReplaceAll(p.Name(), "-", "_") }

func TestMappings(t *testing.T) {
	for _, p := range presets.All() {
		t.Run(p.Name(), func(t *testing.T) {
			profilestest.RunMappings(t, file(p)+".json", file(p)+".tests.json")
		})
	}
}

// samples returns the records of a preset's unit tests, but for those that are meant to be wrong.
func samples(t *testing.T, p presets.Preset) []profiles.Record {
	t.Helper()
	text, err := os.ReadFile(file(p) + ".tests.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Record  profiles.Record
		Invalid []any
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(&tests); err != nil {
		t.Fatal(err)
	}
	var records []profiles.Record
	for _, test := range tests {
		if test.Invalid == nil {
			records = append(records, test.Record)
		}
	}
	return records
}

// Lint has nothing to say but hints: that the Profile Space and the messageIds are left to the client.
func TestLint(t *testing.T) {
	for _, p := range presets.All() {
		dest, err := p.Destination()
		if err != nil {
			t.Fatalf("%s: %v", p.Name(), err)
		}
		for _, with := range [][]profiles.Record{nil, samples(t, p)} {
			for _, finding := range dest.Lint(with...) {
				if finding.Rule != profiles.RuleNoSpace && finding.Rule != profiles.RuleNoMessageID {
					t.Errorf("%s, %d samples: %s", p.Name(), len(with), finding)
				}
			}
		}
	}
}

var column = regexp.MustCompile(`properties\.([A-Za-z_0-9]+)`)

// What the mappings read, the API is asked for, and nothing else is.
func TestColumnsAreThoseOfTheMappings(t *testing.T) {
	for _, p := range presets.All() {
		read := map[string]bool{}
		for _, m := range column.FindAllStringSubmatch(string(p.JSON()), -1) {
			read[m[1]] = true
		}
		delete(read, "__segment_id")
		delete(read, "IsDeleted") // of queryAll, for who asks for it
		for _, name := range p.Columns() {
			if !read[name] && name != p.Key() {
				t.Errorf("%s: nothing reads %s", p.Name(), name)
			}
			delete(read, name)
		}
		for name := range read {
			t.Errorf("%s: %s is read, and not asked for", p.Name(), name)
		}
	}
}

func TestPreset(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range presets.All() {
		if p.Name() == "" || seen[p.Name()] {
			t.Errorf("two presets are called %q", p.Name())
		}
		seen[p.Name()] = true
		p.JSON()[0] = 'x'
		p.Fields()[0] = "x"
		if p.JSON()[0] != '{' || p.Fields()[0] == "x" {
			t.Errorf("%s can be written to", p.Name())
		}
		if (p.SOQL() == "") == (p.Properties() == "") {
			t.Errorf("%s is of both services, or of none", p.Name())
		}
		if dest, err := p.Destination(); err != nil || dest.Name() == "" || len(dest.Spaces()) != 0 {
			t.Errorf("%s: %v", p.Name(), err)
		}
	}
	if got := presets.HubSpotCompanies().Object() + " " + presets.SalesforceLead().Object(); got != "companies Lead" {
		t.Errorf("the objects are %s", got)
	}
	if got, want := presets.SalesforceAccount().SOQL(), "SELECT Id, Name, Website, "; !strings.HasPrefix(got, want) {
		t.Errorf("the query begins with %q, not %q", got, want)
	}
	if got, want := presets.SalesforceAccount().SOQL(), " SystemModstamp FROM Account"; !strings.HasSuffix(got, want) {
		t.Errorf("the query ends with %q, not %q", got, want)
	}
}

func TestWithUserID(t *testing.T) {
	for _, p := range presets.All() {
		for _, c := range []struct{ field, column string }{
			{"app_user_id", "app_user_id"}, {"Account.App_Id__c", "Account_App_Id__c"}, {p.Key(), p.Key()}, {"Email", "Email"},
		} {
			got, err := p.WithUserID(c.field)
			if strings.HasSuffix(p.Name(), "companies") || strings.HasSuffix(p.Name(), "account") {
				if wrong := (*presets.FieldError)(nil); !errors.As(err, &wrong) || wrong.Preset != p.Name() || !strings.Contains(err.Error(), p.Name()) {
					t.Errorf("%s: %v, not a *FieldError", p.Name(), err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(append(got.Fields(), got.Key()), c.field) {
				t.Errorf("%s: %s is not asked for", p.Name(), c.field)
			}
			dest, err := got.Destination()
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range []struct{ value, want any }{{"u1", "u1"}, {nil, nil}, {"", nil}} {
				row := profiles.Record{"type": "track", "event": "new", "timestamp": "2024-06-01T00:00:00Z", "properties": map[string]any{
					"__segment_id": "7", c.column: test.value, "HasOptedOutOfEmail": true, "hs_email_optout": "true", "AccountId": "1",
					"associatedcompanyid": "1", "ConvertedAccountId": "1",
				}}
				preview := dest.Preview(row, 0)
				if len(preview.Messages) < 2 {
					t.Fatalf("%s: %d messages", p.Name(), len(preview.Messages))
				}
				for _, m := range preview.Messages {
					var message map[string]any
					if m.Err == nil {
						if err := json.Unmarshal(m.Message, &message); err != nil {
							t.Fatal(err)
						}
						if message["userId"] != test.want || !strings.HasSuffix(message["anonymousId"].(string), "-7") {
							t.Errorf("%s, %v: %s", p.Name(), test.value, m.Message)
						}
					}
				}
			}
			again, err := got.WithUserID("other")
			if err != nil || strings.Contains(string(again.JSON()), `"$.properties.`+c.column+`"},`+"\n       \"anon") {
				t.Errorf("%s: the second field did not take the first one's place: %v", p.Name(), err)
			}
			if n, mappings := strings.Count(string(again.JSON()), `"user_id"`), len(dest.Mappings()); n != mappings {
				t.Errorf("%s: %d of %d mappings have a user_id", p.Name(), n, mappings)
			}
		}
		for _, field := range []string{"", ".", "a..b", "a b", `a"b`, "a-b", "ä", "a.", "a'b", "a,b"} {
			if _, err := p.WithUserID(field); err == nil {
				t.Errorf("%s takes %q", p.Name(), field)
			}
		}
	}
}

// The mapping that is switched off does what it says once it is on.
func TestDeleted(t *testing.T) {
	for _, p := range presets.All() {
		text := strings.Replace(string(p.JSON()), `"enabled": false`, `"enabled": true`, 1)
		dest, err := profiles.ParseDestination([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		preview := dest.Preview(profiles.Record{
			"type": "track", "event": "deleted", "timestamp": "2024-06-01T00:00:00Z", "properties": map[string]any{"__segment_id": "7", p.Key(): nil},
		}, 0)
		if len(preview.Messages) != 1 || preview.Messages[0].Err != nil || !strings.Contains(string(preview.Messages[0].Message), `_deleted":true`) {
			t.Errorf("%s: %+v", p.Name(), preview)
		}
	}
}
