package retl_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A sync that would succeed, and change no profile: the mapping has the trigger that Segment fills in, and the key is written as the
// database does not. Nothing is sent, and nothing is moved.
func ExampleSync_Preflight() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{}) // in the place of Segment
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey("customers-space")})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	destination, err := profiles.ParseDestination([]byte(`{"name": "CRM", "mappings": [
	  {"id": "customers", "action": "sendIdentify", "trigger": "type = \"identify\"", "fields": {
	    "user_id": {"@path": "$.properties.__segment_id"}, "timestamp": {"@path": "$.timestamp"},
	    "traits": {"email": {"@path": "$.properties.EMAIL"}}}}]}`))
	if err != nil {
		panic(err)
	}
	sync := retl.Sync{
		Client: client, Destination: destination, State: new(retl.MemoryState),
		Model: retl.Model{Name: "customers", Key: "id", Records: retl.CSV(strings.NewReader("ID,EMAIL\n7,ada@example.com\n"), retl.CSVOptions{})},
	}

	var segment retl.Preflight
	segment.CDN.URL = server.URL() + "/v1" // leave it out: the zero value is Segment's
	segment.CDN.HTTPClient = server.Client()
	report := sync.Preflight(context.Background(), segment)
	fmt.Println("OK:", report.OK())
	for _, check := range report.In(retl.VerdictProblem) {
		fmt.Println(check)
	}
	// Output:
	// OK: false
	// rows: problem: 1 of 1 row: key column "id" is missing. There is a column whose name differs in upper and lower case alone: write Model.Key as the source does.
	// mapping "customers": problem: trigger: never matches the rows of a model, which are of type track: write type = "track", or event = "new" or event = "updated"
}
