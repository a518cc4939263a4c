package main

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

var duration = regexp.MustCompile(`[0-9]+\.[0-9] s\b`)

func TestDemo(t *testing.T) {
	r := runSync(t)
	r.require(t, 0)
	compareGolden(t, "demo.golden", duration.ReplaceAllString(r.stdout, "0.0 s"))
	if n := strings.Count(r.stdout, "\n"); n > 45 || r.stderr != "" {
		t.Errorf("it has %d lines, and on standard error:\n%s", n, r.stderr)
	}
}

func TestWarehouseMappings(t *testing.T) {
	profilestest.RunMappings(t, "sample/warehouse.json", "testdata/warehouse.tests.json")
}

// The sample's mappings have nothing to be found, with each of its rows, as it is when it is new, updated and deleted.
func TestWarehouseIsClean(t *testing.T) {
	dest, err := profiles.ParseDestination(warehouseDestination)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(shopSQL); err != nil {
		t.Fatal(err)
	}
	var samples []profiles.Record
	sample := func(event string, columns map[string]any) {
		samples = append(samples, profiles.Record{"type": "track", "event": event, "timestamp": "2024-06-01T00:00:00Z", "properties": columns})
	}
	for rec, err := range retl.Query(t.Context(), db, customers) {
		if err != nil {
			t.Fatal(err)
		}
		nulls := map[string]any{segmentID: "1"}
		for name := range rec {
			nulls[name] = nil
		}
		rec[segmentID] = "1"
		sample("new", rec)
		sample("updated", rec)
		sample("deleted", nulls)
	}
	for _, f := range dest.Lint(samples...) {
		if f.Severity == profiles.SeverityError || f.Severity == profiles.SeverityWarning {
			t.Error(f)
		}
	}
}

// segmentID is the property that holds a row's key.
const segmentID = "__segment_id"

func TestDemoEndsWithItsContext(t *testing.T) {
	var stdout, stderr strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := run(ctx, nil, nil, strings.NewReader(""), &stdout, &stderr); code != 1 || stderr.String() != "interrupted\n" {
		t.Errorf("exit status %d, and on standard error %q", code, stderr.String())
	}
}
