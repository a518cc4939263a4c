package profiles_test

import (
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A row of a model, and a mapping that was written for events.
func ExampleDestination_Lint() {
	dest, err := profiles.ParseDestination([]byte(`{"mappings": [{
		"id": "people", "action": "sendIdentify",
		"trigger": "event = \"new\" or event = \"updated\"",
		"fields": {
			"engage_space": "space-write-key",
			"user_id": "$.properties.id",
			"timestamp": {"@path": "$.timestamp"},
			"message_id": {"@path": "$.messageId"},
			"traits": {"email": {"@path": "$.traits.email"}}}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	sample := profiles.Record{
		"type": "track", "event": "new", "messageId": "m1", "timestamp": "2024-01-02T03:04:05Z",
		"properties": map[string]any{"id": "u1", "email": "ada@example.com"},
	}
	for _, f := range dest.Lint(sample) {
		fmt.Printf("%s %s %s: %s\n", f.Severity, f.Mapping, f.Path, f.Advice)
	}
	// Output:
	// warning people /traits/email: none of the 1 samples that the trigger matches has traits.email, but properties.email is there
	// warning people /user_id: looks like a path or a template, but stands in no directive and is sent as it is: put it in @path, @template or @liquid
}
