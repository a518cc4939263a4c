package retl_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// first reads one record, and leaves.
func first(source iter.Seq2[profiles.Record, error]) (profiles.Record, error) {
	for r, err := range source {
		return r, err
	}
	return nil, errors.New("nothing was yielded")
}

func TestSourcesThatCanBeReadOnce(t *testing.T) {
	db := retl.Shop()
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT id, email, total FROM customers")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for name, source := range map[string]iter.Seq2[profiles.Record, error]{
		"NDJSON":     retl.NDJSON(strings.NewReader("{\"id\":1}\n{\"id\":2}\n")),
		"CSV":        retl.CSV(strings.NewReader("id\n1\n2\n"), retl.CSVOptions{}),
		"Rows":       retl.Rows(rows),
		"HubSpot":    presets.ReadHubSpot(strings.NewReader(`{"results":[{"id":"1","properties":{}},{"id":"2","properties":{}}]}`)),
		"Salesforce": presets.ReadSalesforce(strings.NewReader(`{"done":true,"totalSize":2,"records":[{"Id":"1"},{"Id":"2"}]}`)),
	} {
		if r, err := first(source); err != nil || r == nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		n := 0
		for r, err := range source {
			if n++; r != nil || !errors.Is(err, retl.ErrSpent) {
				t.Errorf("%s, again: %v, %v", name, r, err)
			}
		}
		if n != 1 {
			t.Errorf("%s, again: yielded %d times", name, n)
		}
	}
}

func TestSourcesThatCanBeReadAgain(t *testing.T) {
	dir := t.TempDir()
	lines, table := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "a.csv")
	if err := errors.Join(os.WriteFile(lines, []byte("{\"id\":\"1\"}\n{\"id\":\"2\"}\n"), 0o600), os.WriteFile(table, []byte("id\n1\n2\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	db := retl.Shop()
	defer db.Close()
	for name, source := range map[string]iter.Seq2[profiles.Record, error]{
		"NDJSONFile": retl.NDJSONFile(lines), "CSVFile": retl.CSVFile(table, retl.CSVOptions{}),
		"Query": retl.Query(context.Background(), db, "SELECT id, email, total FROM customers"),
	} {
		for range 2 {
			if _, err := first(source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n := 0
			for _, err := range source {
				if n++; err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if n != 2 {
				t.Errorf("%s yielded %d records", name, n)
			}
		}
	}
	var path *os.PathError
	if _, err := first(retl.CSVFile(filepath.Join(dir, "none"), retl.CSVOptions{})); !errors.As(err, &path) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A preflight, and then a sync, of an input that can be read once: the sync says so, and deletes nobody.
func TestSyncOfASpentSource(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(20)
	w.run(w.sync())
	w.sent()
	s := w.sync()
	var text strings.Builder
	for _, r := range w.rows {
		fmt.Fprintf(&text, "{\"id\": %d, \"email\": %q}\n", r["id"], r["email"])
	}
	s.Model.Records = retl.NDJSON(strings.NewReader(text.String()))
	s.Preflight(t.Context(), retl.Preflight{SkipWriteKeys: true})
	if _, err := s.Run(t.Context()); !errors.Is(err, retl.ErrSpent) {
		t.Errorf("Run: %v", err)
	}
	same(t, "the sync", w.sent(), nil)
}
