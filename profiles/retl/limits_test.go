package retl

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

func TestCheckRow(t *testing.T) {
	wide := func(n int) profiles.Record {
		rec := make(profiles.Record, n)
		for i := range n {
			rec[fmt.Sprint("c", i)] = nil
		}
		return rec
	}
	filled := func(n, each int) profiles.Record {
		rec := make(profiles.Record, n)
		for i := range n {
			rec[fmt.Sprintf("c%02d", i)] = strings.Repeat("x", each)
		}
		return rec
	}
	long := strings.Repeat("ü", MaxColumnNameLen)
	for _, test := range []struct {
		name string
		row  profiles.Record
		want *RowError
	}{
		{"no columns", profiles.Record{}, nil},
		{"as many columns as there may be", wide(MaxColumns), nil},
		{"one more", wide(MaxColumns + 1), &RowError{Rule: TooManyColumns, Limit: 512}},
		{"a name as long as it may be, in characters", profiles.Record{long: 1}, nil},
		{"one more", profiles.Record{long + "x": 1, long + "y": 1}, &RowError{Rule: ColumnNameTooLong, Column: long + "…", Limit: 128}},
		{"a column as large as it may be", profiles.Record{"a": strings.Repeat("x", MaxColumnBytes-2)}, nil},
		{"one byte more", profiles.Record{"b": strings.Repeat("x", MaxColumnBytes-1), "a": strings.Repeat("x", MaxColumnBytes)},
			&RowError{Rule: ColumnTooLarge, Column: "a", Limit: 128 << 10}},
		{"a large number", profiles.Record{"a": json.Number(strings.Repeat("1", MaxColumnBytes+1))},
			&RowError{Rule: ColumnTooLarge, Column: "a", Limit: 128 << 10}},
		{"large within a list", profiles.Record{"a": []any{map[string]any{"b": strings.Repeat("x", MaxColumnBytes)}}},
			&RowError{Rule: ColumnTooLarge, Column: "a", Limit: 128 << 10}},
		{"large names within", profiles.Record{"a": map[string]any{strings.Repeat("x", MaxColumnBytes): true}},
			&RowError{Rule: ColumnTooLarge, Column: "a", Limit: 128 << 10}},
		{"many that are large together", filled(8, 65_500), nil},
		{"one of them a little larger", filled(8, 65_536), &RowError{Rule: RecordTooLarge, Limit: 512 << 10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := checkRow(test.row)
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			got, ok := errors.AsType[*RowError](err)
			if !ok {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if text := err.Error(); !strings.Contains(text, fmt.Sprint(got.Limit)) || !strings.Contains(text, got.Column) || strings.Contains(text, "xxx") {
				t.Errorf("text is %.200q", text)
			}
		})
	}
}

func TestCheckRowAllocatesNothing(t *testing.T) {
	row := profiles.Record{"id": int64(1), "name": "x", "tags": []any{"a", nil}, "paid": true}
	if n := testing.AllocsPerRun(100, func() {
		if err := checkRow(row); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
