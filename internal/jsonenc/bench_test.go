package jsonenc_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
)

// identify is an identify call with 12 traits, some 600 bytes long.
func identify() map[string]any {
	return map[string]any{
		"type":      "identify",
		"messageId": "0198c5d2-7d3a-7a4e-9f0b-3c1d2e4f5a6b",
		"userId":    "user-0042",
		"timestamp": time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC),
		"context":   map[string]any{"active": false, "groupId": "group-7"},
		"traits": map[string]any{
			"email": "ada.lovelace@example.com", "firstName": "Ada", "lastName": "Lovelace", "plan": "enterprise", "age": int64(36),
			"score": 0.87, "subscribed": true, "company": map[string]any{"name": "Analytical Engines", "employees": 120.0},
			"tags": []any{"early adopter", "math"}, "phone": nil, "accountId": json.Number("12345678901234567890"),
			"address": map[string]string{"city": "London", "country": "GB"},
		},
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	v := identify()
	room := make([]byte, 0, 4096)
	for _, o := range []jsonenc.Options{{}, {Sorted: true}} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := jsonenc.Append(room, v, o); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%+v: %v allocations", o, n)
		}
	}
	var scalars any = []any{float32(0.1), uint8(255), int16(-1), "é\xff\n", []byte("bytes"), []string{"a"}, time.Now()}
	n := testing.AllocsPerRun(100, func() {
		if _, err := jsonenc.Append(room, scalars, jsonenc.Options{}); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("scalars: %v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	v := identify()
	for _, c := range []struct {
		name string
		o    jsonenc.Options
	}{{"unsorted", jsonenc.Options{}}, {"sorted", jsonenc.Options{Sorted: true}}} {
		b.Run(c.name, func(b *testing.B) {
			room, err := jsonenc.Append(nil, v, c.o)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(room)))
			b.ReportAllocs()
			for b.Loop() {
				if room, err = jsonenc.Append(room[:0], v, c.o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
