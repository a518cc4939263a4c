package publicapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// subscription is a mapping as the API gives it.
func subscription(id, settings string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"id":%q,"name":"Users <&>","actionId":"a1","actionSlug":"sendIdentify","destinationId":"d","modelId":"",
		"enabled":true,"trigger":"type = \"identify\"","settings":%s,"reverseETLSchedule":{"strategy":"MANUAL"}}`, id, settings))
}

const identify = `{"engage_space":"production-write-key","user_id":{"@path":"$.userId"},"traits":{"big":12345678901234567890,"html":"<b>"}}`

func TestDestination(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.SetPageSize(2)
	var subscriptions []json.RawMessage
	for i := range 5 {
		subscriptions = append(subscriptions, subscription(fmt.Sprint("s", i), identify))
	}
	id := server.AddDestination(publicapitest.Destination{
		Name: "Warehouse <to> Profiles", Disabled: true, Settings: map[string]any{"endpoint": "europe"}, Subscriptions: subscriptions,
	})
	d, err := newClient(t, server).Destination(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if d.Name() != "Warehouse <to> Profiles" || d.Enabled() || d.Region() != region.Europe {
		t.Errorf("got %q, %v, %v", d.Name(), d.Enabled(), d.Region())
	}
	if !slices.Equal(d.Spaces(), []profiles.WriteKey{production}) {
		t.Errorf("spaces %v", d.Spaces())
	}
	mappings := d.Mappings()
	if len(mappings) != 5 || mappings[4].ID() != "s4" || mappings[4].Name() != "Users <&>" || mappings[4].Kind() != actions.KindIdentify {
		t.Errorf("got %v", mappings)
	}
	if n := len(server.Requests()); n != 4 {
		t.Errorf("%d requests, want one for the destination and three for its pages", n)
	}
}

func TestDestinationRegion(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]any
		client   region.Region
		want     region.Region
	}{
		{"the settings' own", map[string]any{"endpoint": "north_america"}, region.Europe, region.NorthAmerica},
		{"none in the settings", nil, region.Europe, region.Europe},
		{"something else in the settings", map[string]any{"endpoint": 1}, region.Europe, region.Europe},
		{"none at all", map[string]any{"endpoint": ""}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := publicapitest.NewServer(t)
			id := server.AddDestination(publicapitest.Destination{Settings: tt.settings, Subscriptions: []json.RawMessage{subscription("s", identify)}})
			client := newClient(t, server, func(c *publicapi.Config) { c.Region = tt.client })
			d, err := client.Destination(t.Context(), id)
			if err != nil || d.Region() != tt.want {
				t.Fatalf("got %v, %v", d, err)
			}
		})
	}
}

func TestDestinationProblems(t *testing.T) {
	server := publicapitest.NewServer(t)
	id := server.AddDestination(publicapitest.Destination{Subscriptions: []json.RawMessage{
		subscription("s", identify),
		subscription("s", `{"engage_space":"••••••••dada","user_id":{"@nonsense":"u"}}`),
		json.RawMessage(`{"id":"t","actionSlug":"postSale","trigger":"type = \"track\"","settings":{}}`),
	}})
	_, err := newClient(t, server).Destination(t.Context(), id)
	var problems *profiles.DestinationError
	if !errors.As(err, &problems) || len(problems.Problems) < 4 {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), "/subscriptions/2/actionSlug") || strings.Contains(err.Error(), "dada") {
		t.Errorf("got %v", err)
	}
	for _, p := range problems.Problems {
		if p.Line != 0 {
			t.Errorf("a line of a file that nobody has seen: %+v", p)
		}
	}
	empty := server.AddDestination(publicapitest.Destination{})
	if _, err := newClient(t, server).Destination(t.Context(), empty); !errors.As(err, &problems) {
		t.Errorf("without mappings: %v", err)
	}
}

func TestDestinationNotFound(t *testing.T) {
	server := publicapitest.NewServer(t)
	client := newClient(t, server)
	_, err := client.Destination(t.Context(), "abc")
	if failure := apiError(t, err); !errors.Is(err, publicapi.ErrNotFound) || failure.Call != "GET /destinations/abc" || failure.Attempts != 1 {
		t.Errorf("got %+v", failure)
	}
	before := len(server.Requests())
	for _, bad := range []string{"", "../sources", "a/b", "a?b", "a b", "ä", strings.Repeat("a", 65)} {
		if _, err := client.Destination(t.Context(), bad); apiError(t, err).Status != 0 {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if n := len(server.Requests()) - before; n != 0 {
		t.Errorf("%d requests for what is no id", n)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	server := publicapitest.NewServer(t)
	client := newClient(t, server)
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"data":null}`, `{"data":{}}`, `{"data":[]}`, `{"data":{"sources":null,"subscriptions":null}}`, `{"data":{"sources":{}}}`,
		`{"data":{"sources":[{"writeKeys":[7654321]}],"destination":7}}`, `{"data":{"sources":[],"pagination":{"next":7}}}`, `{"data":{"sources":[]}`,
		`{"data":{"sources":[]}}x`, `<html>secret-of-the-page</html>`, "\xff\xfe", `{"errors":[{"message":"no"}]}`,
	} {
		server.Fail(publicapitest.Answer(200, nil, body))
		_, err := spaces(t, client)
		if failure := apiError(t, err); failure.Status != 200 || failure.Attempts != 1 || !strings.Contains(failure.Reason, "the answer is ") {
			t.Errorf("%s: %+v", body, failure)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "7654321") {
			t.Errorf("the body is in %q", err)
		}
		server.Fail(publicapitest.Answer(200, nil, body))
		if _, err := client.Destination(t.Context(), "d"); apiError(t, err).Status != 200 {
			t.Errorf("%s: destination: %v", body, err)
		}
	}
	id := server.AddDestination(publicapitest.Destination{})
	server.Fail(publicapitest.Pass(), publicapitest.Answer(200, nil, `{"data":{}}`))
	if _, err := client.Destination(t.Context(), id); !strings.HasSuffix(apiError(t, err).Call, "/subscriptions") {
		t.Errorf("got %v", err)
	}
}
