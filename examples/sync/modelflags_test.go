package main

import (
	"testing"
)

// Flags that are wrong, or do not go together, are told by their names, and nothing happens.
func TestModelFlags(t *testing.T) {
	w := newTable(t, 1)
	csv := file(t, "people.csv", "id\n1\n")
	model := func(more ...string) []string { return w.args(more...) }
	tests := []struct {
		name string
		args []string
		said string
	}{
		{"a limit without a model", []string{"-limit", "3"}, "-limit: needs -sqlite or -csv"},
		{"a state without a model", []string{"-state", w.state}, "-state: needs -sqlite or -csv"},
		{"a reset without a model", []string{"-reset", "-events", "sample"}, "-reset: needs -sqlite or -csv"},
		{"two models", model("-csv", csv), "-csv: must not be given beside -sqlite"},
		{"events beside a model", model("-events", "-"), "-events: must not be given beside -sqlite"},
		{"dead letters beside a model", model("-replay", csv), "-replay: must not be given beside -sqlite: -resend"},
		{"a checkpoint beside a state", model("-checkpoint", newFile(t, "c")), "-checkpoint: must not be given beside -state"},
		{"a query beside a table", model("-query", "SELECT 1"), "-query: must not be given beside -table"},
		{"a table of a CSV", []string{"-csv", csv, "-table", "x"}, "-table: must not be given beside -csv"},
		{"types of a database", model("-types", "id=text"), "-types: must not be given beside -sqlite"},
		{"types in other words", []string{"-csv", csv, "-types", "id=integer"}, "-types: must be a list"},
		{"a comma of two", []string{"-csv", csv, "-comma", ";;"}, "-comma: must be one character"},
		{"a limit in words", model("-limit", secretKey), "-limit: must be a whole number"},
		{"a limit below nothing", model("-limit", "-1"), "-limit: must be a whole number"},
		{"a rate above 1", model("-max-failure-rate", "2"), "-max-failure-rate: must be from 0 to 1"},
		{"a reset that resends", model("-reset", "-resend"), "-resend: must not be given beside -reset"},
		{"a value for -reset", model("-reset=" + secretKey), "-reset: takes no value"},
		{"a report of a dry run", model("-dry-run", "-report", newFile(t, "r")), "-report: must not be given beside -dry-run"},
		{"a preflight that resets", model("-preflight", "-reset"), "-reset: must not be given beside -preflight"},
		{"nothing but a database", []string{"-sqlite", w.path}, "-key: is needed: the column whose value no two rows share\n-state: is needed: a file that remembers what was sent; it need not be there yet\n-destination: is needed"},
		{"an empty key", []string{"-sqlite", w.path, "-key="}, "-key: is empty"},
		{"a table that there is not", model("-table", "persons"), "-table: there is no such table; " + w.path + " has people"},
		{"no table", []string{"-sqlite", w.path, "-key", "id", "-state", w.state, "-destination", w.dest}, "-table: one of -table and -query is needed; " + w.path + " has people"},
		{"a key that there is not", model("-key", "nr"), "-key: there is no such column; there are email, id, n"},
		{"a query that is wrong", []string{"-sqlite", w.path, "-query", "SELECT * FORM people", "-key", "id", "-state", newFile(t, "s"), "-destination", w.dest}, "syntax error"},
		{"a CSV for a database", []string{"-sqlite", csv, "-key", "id", "-state", w.state, "-destination", w.dest, "-table", "x"}, "file is not a database"},
		{"a directory for a CSV", []string{"-csv", t.TempDir(), "-key", "id", "-state", w.state, "-destination", w.dest}, "is a directory"},
		{"the database as state", model("-state", w.path, "-reset"), "-state: is the file of -sqlite"},
		{"the database as report", model("-report", w.path), "-report: write " + w.path + ": is in use"},
		{"no state directory", model("-state", csv+"/no/such"), "-state: "},
		{"a spool without an endpoint", []string{"-sqlite", w.path, "-spool", newFile(t, "spool")}, "-spool: needs -endpoint or -region"},
	}
	before := read(t, w.path)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := runSync(t, test.args...)
			r.require(t, 1, test.said)
			r.requireDiscreet(t)
			if r.stdout != "" {
				t.Errorf("standard output has %q", r.stdout)
			}
		})
	}
	if w.requireSent(); read(t, w.path) != before {
		t.Error("the database has changed")
	}
}
