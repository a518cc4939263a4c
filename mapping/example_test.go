package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

func ExampleCompile() {
	var saved map[string]any
	if err := json.Unmarshal([]byte(`{
		"user_id": {"@path": "$.id"},
		"traits": {
			"name": {"@template": "{{first}} {{last}}"},
			"email": {"@case": {"operator": "lower", "value": {"@path": "$.email"}}},
			"plan": {"@if": {"blank": {"@path": "$.plan"}, "then": {"@path": "$.plan"}, "else": "free"}}
		}
	}`), &saved); err != nil {
		log.Fatal(err)
	}
	m, err := mapping.Compile(saved)
	if err != nil {
		log.Fatal(err)
	}
	fields, err := m.Resolve(map[string]any{"id": 7, "first": "Ada", "last": "Lovelace", "email": "Ada@Example.com", "plan": ""})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(fields["user_id"], fields["traits"])
	fmt.Println(m.Paths())
	// Output:
	// 7 map[email:ada@example.com name:Ada Lovelace plan:free]
	// [email first id last plan]
}

func ExampleCompileError() {
	_, err := mapping.Compile(map[string]any{
		"user_id": map[string]any{"@pth": "$.id"},
		"traits":  map[string]any{"email": map[string]any{"@case": map[string]any{"operator": "lower", "value": 1}}},
	})
	var compile *mapping.CompileError
	if errors.As(err, &compile) {
		for _, p := range compile.Problems {
			fmt.Println(p)
		}
	}
	// Output:
	// /traits/email/@case/value should be a directive or a string but it is a number
	// /user_id has an unknown directive @pth
}
