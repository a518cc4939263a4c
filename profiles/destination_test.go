package profiles_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestLoadOwnForm(t *testing.T) {
	d := shop(t)
	if d.Name() != "Shop" || d.Region() != region.Europe || !d.Enabled() {
		t.Errorf("loaded %q, %v, enabled %v", d.Name(), d.Region(), d.Enabled())
	}
	var got []string
	for _, m := range d.Mappings() {
		got = append(got, fmt.Sprint(m.ID(), " ", m.Kind(), " ", m.Enabled()))
	}
	want := "[people sendIdentify true consent sendSubscription true companies sendGroup true orders sendTrack true off sendTrack false]"
	if fmt.Sprint(got) != want {
		t.Errorf("mappings %v, want %v", got, want)
	}
}

// The Public API's answers, with members that it adds and we do not know.
func TestLoadPublicAPIAnswers(t *testing.T) {
	const one = `{"id":"s1","name":"Identify","actionId":"sendIdentify","actionSlug":"sendIdentify","destinationId":"d1","modelId":"",
		"enabled":true,"trigger":"type = \"identify\"","somethingNew":{"a":1},
		"settings":{"user_id":{"@path":"$.userId"},"batch_size":10},"reverseETLSchedule":{"strategy":"PERIODIC","config":{}}}`
	for name, text := range map[string]string{
		"list":                    `{"data":{"subscriptions":[` + one + `],"pagination":{"current":"MA==","totalEntries":1}}}`,
		"one subscription":        `{"data":{"subscription":` + one + `}}`,
		"destinationSubscription": `{"data":{"destinationSubscription":` + one + `}}`,
		"own file around it":      `{"name":"D","region":"europe","enabled":true,"subscriptions":[` + one + `]}`,
		"actionId alone":          `{"data":{"subscriptions":[` + strings.Replace(one, `"actionSlug":"sendIdentify",`, "", 1) + `]}}`,
	} {
		d, err := profiles.ParseDestination([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := d.Mappings()
		if len(m) != 1 || m[0].ID() != "s1" || m[0].Kind() != actions.KindIdentify || m[0].ModelID() != "" {
			t.Errorf("%s: loaded %+v", name, m)
		}
	}
}

func TestBadDestinations(t *testing.T) {
	mappingWith := func(members string) string {
		return `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{"user_id":"u"}` + members + `}]}`
	}
	for _, c := range []struct {
		name, text string
		want       []string // "line path", each of the problems
	}{
		{"empty", "", []string{"1 "}},
		{"not JSON", "{\n\"name\": secret@example.com}", []string{"2 "}},
		{"cut off", `{"name": "a`, []string{"1 "}},
		{"two documents", `{"mappings":[]} {}`, []string{"1 "}},
		{"not an object", `[1]`, []string{"1 "}},
		{"no mappings", `{}`, []string{"1 "}},
		{"unknown member", "{\"mappings\":[],\n\"nmae\":\"x\"}", []string{"2 /nmae"}},
		{"unknown region", "{\"region\":\n\"mars\",\"mappings\":[]}", []string{"1 /region"}},
		{"both forms", `{"mappings":[],"subscriptions":[]}`, []string{"1 /mappings"}},
		{"enabled is no flag", `{"enabled":"yes","mappings":[]}`, []string{"1 /enabled"}},
		{"mapping is no object", `{"mappings":[1]}`, []string{"1 /mappings/0"}},
		{"unknown member of a mapping", mappingWith(`,"settings":{}`), []string{"1 /mappings/0/settings"}},
		{"no action", `{"mappings":[{"trigger":"type = \"a\"","fields":{}}]}`, []string{"1 /mappings/0"}},
		{"unknown action", `{"mappings":[{"action":"sendPage","trigger":"type = \"a\"","fields":{}}]}`, []string{"1 /mappings/0/action"}},
		{"no trigger, no fields", `{"mappings":[{"action":"sendTrack"}]}`, []string{"1 /mappings/0", "1 /mappings/0"}},
		{"trigger does not parse", `{"mappings":[{"action":"sendTrack","trigger":"type ~ 1","fields":{}}]}`, []string{"1 /mappings/0/trigger"}},
		{"unknown field", `{"mappings":[{"action":"sendTrack","trigger":"type = \"a\"","fields":{"traits":{}}}]}`, []string{"1 /mappings/0/fields/traits"}},
		{"bad write key", `{"mappings":[{"action":"sendTrack","trigger":"type = \"a\"","fields":{"engage_space":"a b"}}]}`,
			[]string{"1 /mappings/0/fields/engage_space"}},
		{"directives", "{\"mappings\":[{\"action\":\"sendTrack\",\"trigger\":\"type = \\\"a\\\"\",\"fields\":{\n" +
			"\"user_id\":{\"@nope\":1},\n\"properties\":{\"a\":{\"@path\":1}}}}]}",
			[]string{"3 /mappings/0/fields/properties/a/@path", "2 /mappings/0/fields/user_id"}},
		{"same id twice", `{"mappings":[{"id":"a","action":"sendTrack","trigger":"type = \"a\"","fields":{}},
			{"id":"a","action":"sendTrack","trigger":"type = \"a\"","fields":{}}]}`, []string{"2 /mappings/1/id"}},
		{"51 mappings", `{"mappings":[` + strings.TrimSuffix(strings.Repeat(`{},`, 51), ",") + `]}`, []string{"1 /mappings"}},
		{"answer without subscriptions", `{"data":{}}`, []string{"1 /data"}},
		{"all at once", `{"region":"moon","mappings":[{"action":"x","trigger":"","fields":1}]}`,
			[]string{"1 /mappings/0/action", "1 /mappings/0/trigger", "1 /mappings/0/fields", "1 /region"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := profiles.ParseDestination([]byte(c.text))
			var bad *profiles.DestinationError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, p := range bad.Problems {
				at := fmt.Sprint(p.Line, " ", p.Path)
				got = append(got, at)
				if p.Reason == "" {
					t.Errorf("no reason at %s", at)
				}
			}
			if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
				t.Errorf("problems at %q, want %q\n%v", got, c.want, err)
			}
			for _, value := range []string{"secret@example.com", "mars", "moon", "sendPage", "a b"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the error shows the value %q: %v", value, err)
				}
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "destination.json")
	if err := os.WriteFile(file, []byte("{\n\"mappings\": 1}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := profiles.LoadDestination(file)
	if want := file + ":2: /mappings: must be an array"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err = profiles.LoadDestination(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestCompileErrorsAreCauses(t *testing.T) {
	_, err := profiles.ParseDestination([]byte(`{"mappings":[{"action":"sendTrack","trigger":"","fields":{"user_id":{"@nope":1}}}]}`))
	var compile *mapping.CompileError
	var trigger *mapping.TriggerError
	if !errors.As(err, &compile) || !errors.As(err, &trigger) {
		t.Errorf("error %v does not wrap the causes", err)
	}
}

func TestCheckAgainstTheClient(t *testing.T) {
	client := newClient(t, profiles.Config{Region: region.NorthAmerica})
	err := client.Check(parse(t, `{"region":"europe","mappings":[
		{"id":"no-key","model":"m","action":"sendTrack","trigger":"type = \"a\"","fields":{}},
		{"id":"key","action":"sendTrack","trigger":"type = \"a\"","fields":{"engage_space":"k"}},
		{"id":"off","enabled":false,"model":"m","action":"sendTrack","trigger":"type = \"a\"","fields":{}}]}`))
	var bad *profiles.DestinationError
	if !errors.As(err, &bad) || len(bad.Problems) != 3 {
		t.Errorf("Check: %v, want the region, a space and a model", err)
	}
	for _, err := range client.Process(t.Context(), shop(t), records(t)) {
		if !errors.As(err, &bad) {
			t.Errorf("Process: %v", err)
		}
	}
	if err := client.Check(nil); err == nil {
		t.Error("Check took nil")
	}
}

func FuzzParseDestination(f *testing.F) {
	text, err := os.ReadFile("testdata/shop.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"data":{"subscriptions":[{"id":"s1","actionSlug":"sendIdentify","trigger":"type = \"identify\"","settings":{}}]}}`))
	f.Add([]byte(`{"mappings":[{"a~/b":{"~":[1]}}],"x/y":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := profiles.ParseDestination(text)
		var bad *profiles.DestinationError
		if err == nil {
			d.Preview(profiles.Record{"type": "identify", "userId": "u"}, 0)
			return
		}
		if !errors.As(err, &bad) || len(bad.Problems) == 0 || d != nil {
			t.Fatalf("error %v, destination %v", err, d)
		}
		for _, p := range bad.Problems {
			if p.Line < 1 || p.Line > 1+strings.Count(string(text), "\n") {
				t.Errorf("line %d of %d: %v", p.Line, 1+strings.Count(string(text), "\n"), p)
			}
		}
	})
}
