package mapping

import (
	"math"
	"testing"
)

// benchmarkRecord is a warehouse row as an ETL tool hands it over, in an identify call's shape.
func benchmarkRecord() map[string]any {
	return map[string]any{
		"type":      "identify",
		"messageId": "row-7f3a",
		"timestamp": "2024-01-02T03:04:05Z",
		"userId":    "u1",
		"traits": map[string]any{
			"email": "Ada@Example.com", "first": "Ada", "last": "Lovelace", "plan": "pro", "seats": 12.0,
			"phone": "+1 (234) 567-8901", "company": nil, "address": map[string]any{"city": "London", "country": "GB"},
			"orders": []any{map[string]any{"sku": "a-1", "price": 9.5}, map[string]any{"sku": "b-2", "price": 12.0}},
		},
	}
}

var benchmarks = []struct {
	name     string
	settings map[string]any
}{
	{"path", map[string]any{"user_id": map[string]any{"@path": "$.userId"}}},
	{"six directives", map[string]any{
		"engage_space": "space",
		"user_id":      map[string]any{"@path": "$.userId"},
		"timestamp":    map[string]any{"@path": "$.timestamp"},
		"message_id":   map[string]any{"@path": "$.messageId"},
		"traits": map[string]any{
			"email": map[string]any{"@case": map[string]any{"operator": "lower", "value": map[string]any{"@path": "$.traits.email"}}},
			"name":  map[string]any{"@template": "{{traits.first}} {{traits.last}}"},
			"plan":  map[string]any{"@path": "$.traits.plan"},
		},
	}},
	{"template", map[string]any{"name": map[string]any{"@template": "{{traits.first}} {{traits.last}} ({{traits.seats}})"}}},
	{"case", map[string]any{"name": map[string]any{"@case": map[string]any{"operator": "lower", "value": map[string]any{"@path": "$.traits.email"}}}}},
	{"replace", map[string]any{"phone": map[string]any{"@replace": map[string]any{"pattern": " ", "value": map[string]any{"@path": "$.traits.phone"}}}}},
	{"if", map[string]any{"plan": map[string]any{"@if": map[string]any{"blank": map[string]any{"@path": "$.traits.plan"}, "then": map[string]any{"@path": "$.traits.plan"}, "else": "free"}}}},
	{"merge", map[string]any{"traits": map[string]any{"@merge": map[string]any{"direction": "right", "objects": []any{
		map[string]any{"source": "crm"}, map[string]any{"@path": "$.traits"}}}}}},
	{"exclude when null", map[string]any{"traits": map[string]any{"@excludeWhenNull": map[string]any{"@path": "$.traits"}}}},
	{"array path", map[string]any{"products": map[string]any{"@arrayPath": []any{"$.traits.orders", map[string]any{
		"id": map[string]any{"@path": "sku"}, "price": map[string]any{"@path": "price"}}}}}},
	{"flatten", map[string]any{"traits": map[string]any{"@flatten": map[string]any{"separator": ".", "value": map[string]any{"@path": "$.traits"}}}}},
	{"json encode", map[string]any{"address": map[string]any{"@json": map[string]any{"mode": "encode", "value": map[string]any{"@path": "$.traits.address"}}}}},
	{"transform", map[string]any{"city": map[string]any{"@transform": map[string]any{
		"apply": map[string]any{"address": map[string]any{"@path": "$.traits.address"}}, "mapping": map[string]any{"@path": "$.address.city"}}}}},
	{"liquid", map[string]any{"name": map[string]any{"@liquid": "{{ traits.first | upcase }}"}}},
}

func BenchmarkResolve(b *testing.B) {
	record := benchmarkRecord()
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			m, err := Compile(bench.settings)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Resolve(record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(bench.settings); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations holds what a record costs: two for each object of the result, and two for each text that is new.
func TestAllocations(t *testing.T) {
	ceilings := map[string]float64{
		"path": 2, "six directives": 8, "template": 4, "case": 4, "replace": 4, "if": 2, "json encode": 5,
	}
	record := benchmarkRecord()
	for _, bench := range benchmarks {
		ceiling, ok := ceilings[bench.name]
		if !ok {
			continue
		}
		m, err := Compile(bench.settings)
		if err != nil {
			t.Fatal(err)
		}
		least := math.Inf(1) // the pool of runs may be emptied at any time
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, func() { m.Resolve(record) }))
		}
		if least > ceiling {
			t.Errorf("%s: %v allocations, at most %v", bench.name, least, ceiling)
		}
	}
}
