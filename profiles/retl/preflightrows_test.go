package retl_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

func broken(n int, err error) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for i := range n {
			if !yield(row(i), nil) {
				return
			}
		}
		yield(nil, err)
	}
}

func TestPreflightRows(t *testing.T) {
	wide := row(1)
	for i := range retl.MaxColumns {
		wide[fmt.Sprint("c", i)] = i
	}
	noKey := profiles.Record{"ID": "SECRET", "email": "SECRET"}
	tests := []struct {
		name    string
		change  func(*retl.Sync)
		verdict retl.Verdict
		text    string
	}{
		{"all", func(s *retl.Sync) { s.Model.Records = rowsOf(3) }, retl.VerdictOK, "3 of the first 3 rows can be sent, of 2 columns; there are no more"},
		{"none", func(s *retl.Sync) { s.Model.Records = these() }, retl.VerdictWarning, "has no rows"},
		{"no such key", func(s *retl.Sync) { s.Model.Key = "key" }, retl.VerdictProblem, `10 of 10 rows: key column "key" is missing. No row has this column`},
		{"key in another case", func(s *retl.Sync) { s.Model.Records = these(noKey) }, retl.VerdictProblem, "differs in upper and lower case alone"},
		{"key missing once", func(s *retl.Sync) { s.Model.Records = these(row(1), noKey) }, retl.VerdictProblem, `1 of 2 rows: key column "id" is missing. Such rows fail`},
		{"null", func(s *retl.Sync) {
			s.Model.Records = these(row(1), profiles.Record{"id": nil}, profiles.Record{"id": nil})
		}, retl.VerdictProblem, `2 of 3 rows: key column "id" is null`},
		{"object", func(s *retl.Sync) { s.Model.Records = these(profiles.Record{"id": []any{"SECRET"}}) }, retl.VerdictProblem, `must be text or a number`},
		{"twice", func(s *retl.Sync) { s.Model.Records = these(row(1), row(2), row(1)) }, retl.VerdictProblem, `1 of 3 rows: key column "id" is not unique`},
		{"too many columns", func(s *retl.Sync) { s.Model.Records = these(wide, row(2)) }, retl.VerdictProblem, "1 of 2 rows: the row has more than 512 columns"},
		{"too large", func(s *retl.Sync) {
			s.Model.Records = these(profiles.Record{"id": 1, "note": strings.Repeat("SECRET", retl.MaxColumnBytes)})
		}, retl.VerdictProblem, `column "note" has more than`},
		{"no JSON", func(s *retl.Sync) { s.Model.Records = these(profiles.Record{"id": 1, "x": math.NaN()}) }, retl.VerdictProblem, "1 of 1 row: a value "},
		{"unordered", func(s *retl.Sync) {
			s.Model.Ordered = true
			s.Model.Records = these(row(1), row(3), row(2), row(1))
		}, retl.VerdictProblem, "row 3 is not in the order of the key"},
		{"bad line", func(s *retl.Sync) {
			s.Model.Records = retl.NDJSON(strings.NewReader("{\"id\": 1}\nSECRET\n{\"id\": 2}\n"))
		}, retl.VerdictProblem, "1 of 3 rows: line 2 is not JSON"},
		{"fails", func(s *retl.Sync) { s.Model.Records = broken(4, fmt.Errorf("query: %w", errors.New("SECRET"))) }, retl.VerdictProblem, "fails after 4 rows: an error of type *errors.errorString"},
		{"bad header", func(s *retl.Sync) { s.Model.Records = retl.CSV(strings.NewReader("id,id\n"), retl.CSVOptions{}) }, retl.VerdictProblem, `column "id" is there twice`},
		{"ignored", func(s *retl.Sync) { s.Model.Ignore = []string{"email", "Email"} }, retl.VerdictWarning, `"Email", which no row has`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			tt.change(&w.sync)
			r := w.run()
			c := says(t, r, retl.CheckRows, tt.verdict, tt.text)
			if tt.verdict == retl.VerdictProblem && (c.Err == nil || r.OK()) {
				t.Errorf("%+v, OK is %t", c, r.OK())
			}
		})
	}
}

// The model is read no further than was asked for, and not at all where a sample is given.
func TestPreflightReadsNoMore(t *testing.T) {
	for _, tt := range []struct{ rows, want int }{{0, 10}, {1, 1}, {25, 25}, {-1, 0}} {
		w := newPreflight(t)
		read, left := 0, false
		w.sync.Model.Records = func(yield func(profiles.Record, error) bool) {
			for i := 0; ; i++ {
				read++
				if !yield(row(i), nil) {
					left = true
					return
				}
			}
		}
		w.flight.Rows = tt.rows
		w.run()
		if read != tt.want || left != (tt.want > 0) {
			t.Errorf("Rows %d: %d were read", tt.rows, read)
		}
		read = 0
		w.flight.Rows, w.flight.Sample = 2, rowsOf(3)
		r := w.run()
		says(t, r, retl.CheckRows, retl.VerdictOK, "2 of the first 2")
		if read > 0 {
			t.Error("the model was read in spite of a sample")
		}
	}
}

// Rows, and what they hold, stay as they are.
func TestPreflightWritesNoRow(t *testing.T) {
	w := newPreflight(t)
	mine := row(1)
	w.sync.Model.Records = these(mine)
	w.run()
	if len(mine) != 2 || mine["email"] == nil {
		t.Errorf("the row has become %v", mine)
	}
}

func TestPreflightMappings(t *testing.T) {
	dest := func(mappings ...string) string { return `{"mappings": [` + strings.Join(mappings, ",") + `]}` }
	identify := func(id, trigger, fields string) string {
		return fmt.Sprintf(`{"id": %q, "action": "sendIdentify", "trigger": %q, "fields": {%s}}`, id, trigger, fields)
	}
	const user, always, changed = `"user_id": {"@path": "$.properties.id"}`, `type = "track"`, `event = "new" or event = "updated"`
	type want struct {
		verdict retl.Verdict
		text    string
	}
	tests := []struct {
		name string
		dest string
		ok   bool
		want []want
	}{
		{"default trigger", dest(identify("a", `type = "identify"`, user)), false, []want{
			{retl.VerdictProblem, "none of 10 rows gives a message"}, {retl.VerdictWarning, `mapping "a": warning: its trigger matches none of 10 rows`},
			{retl.VerdictProblem, "never matches the rows of a model"}}},
		{"default trigger beside another", dest(identify("a", `type = "identify"`, user), identify("b", changed, user)), false, []want{
			{retl.VerdictOK, "10 of 10 rows give messages"}, {retl.VerdictProblem, `mapping "a": problem: trigger: never matches`}}},
		{"values that no row has", dest(identify("a", `properties.plan = "pro"`, user), identify("b", changed, user)), true, []want{
			{retl.VerdictWarning, `mapping "a": warning: its trigger matches none`}}},
		{"deleted rows fail", dest(identify("a", always, user)), true, []want{
			{retl.VerdictOK, "matches 10 new, 10 updated, 10 deleted"}, {retl.VerdictWarning, "10 of 10 rows that it matches as deleted give an invalid message"}}},
		{"deleted rows alone", dest(identify("a", `event = "deleted"`, `"user_id": {"@path": "$.properties.__segment_id"}, "traits": {"m": {"@path": "$.properties.email"}}`)), true, []want{
			{retl.VerdictWarning, "deleted ones alone do"}}},
		{"no id", dest(identify("a", changed, `"user_id": {"@path": "$.properties.user"}`)), false, []want{
			{retl.VerdictProblem, "none of 10 rows gives a message"}, {retl.VerdictProblem, "10 of 10 rows that it matches as new or updated give an invalid message"},
			{retl.VerdictWarning, "none of the"}}},
		{"no such column", dest(identify("a", changed, user+`, "traits": {"plan": {"@path": "$.properties.plan"}}`)), true, []want{
			{retl.VerdictWarning, "properties.plan"}}},
		{"two of one row", dest(identify("a", changed, user), identify("b", changed, user+`, "traits": {"x": 1}`)), true, []want{
			{retl.VerdictOK, "10 of 10 rows give messages; as new rows they give 20"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			w.dest = tt.dest
			r := w.run()
			for _, want := range tt.want {
				says(t, r, retl.CheckMapping, want.verdict, want.text)
			}
			if r.OK() != tt.ok {
				t.Errorf("OK is %t\n%s", r.OK(), r)
			}
			only(t, r, retl.CheckMapping)
		})
	}
	t.Run("no rows", func(t *testing.T) {
		w := newPreflight(t)
		w.dest, w.flight.Rows = dest(identify("a", `type = "identify"`, user), identify("b", changed, `"traits": {}`)), -1
		r := w.run()
		says(t, r, retl.CheckMapping, retl.VerdictNotChecked, `mapping "a"`)
		says(t, r, retl.CheckMapping, retl.VerdictProblem, `mapping "a": problem: trigger: never matches`)
		says(t, r, retl.CheckMapping, retl.VerdictProblem, `mapping "b"`)
		if slices.ContainsFunc(r.Checks, func(c retl.Check) bool { return strings.Contains(c.Found, "samples") }) {
			t.Errorf("%s", r)
		}
	})
}

// What breaks a limit of Segment's is told by rows.
func TestPreflightLimitsOfMessages(t *testing.T) {
	w := newPreflight(t)
	wide := row(1)
	for i := range 300 {
		wide[fmt.Sprint("c", i)] = i
	}
	w.sync.Model.Records = these(row(0), wide)
	w.dest = `{"mappings": [{"id": "a", "action": "sendIdentify", "trigger": "event = \"new\" or event = \"updated\"", "fields": {
		"user_id": {"@path": "$.properties.__segment_id"}, "traits": {"@path": "$.properties"}}}]}`
	r := w.run()
	says(t, r, retl.CheckMapping, retl.VerdictProblem, "1 of 2 rows that it matches as new or updated give an invalid message")
	says(t, r, retl.CheckMapping, retl.VerdictOK, "1 of 2 rows give messages")
}
