package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// people sends the rows of the tests' table, and marks those that were deleted.
const people = `{"name": "People", "mappings": [
  {"id": "people", "action": "sendIdentify", "trigger": "event = \"new\" or event = \"updated\"", "fields": {
    "engage_space": "space-1", "user_id": {"@path": "$.properties.__segment_id"}, "timestamp": {"@path": "$.timestamp"},
    "traits": {"event": {"@path": "$.event"}, "email": {"@path": "$.properties.email"}, "n": {"@path": "$.properties.n"}}}},
  {"id": "gone", "action": "sendIdentify", "trigger": "event = \"deleted\"", "fields": {
    "engage_space": "space-1", "user_id": {"@path": "$.properties.__segment_id"}, "timestamp": {"@path": "$.timestamp"}, "traits": {"event": "deleted"}}}]}`

// A table is a SQLite file with a table of people, and what a sync of it needs.
type table struct {
	t                 *testing.T
	path, state, dest string
	server            *transporttest.Server
}

// newTable makes a table of n rows.
func newTable(t *testing.T, n int) *table {
	t.Helper()
	w := &table{
		t: t, path: newFile(t, "shop.sqlite"), state: newFile(t, "people.state"), dest: file(t, "d.json", people),
		server: transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1}),
	}
	w.exec(`CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, n INTEGER);
	  WITH RECURSIVE r(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM r WHERE i < ` + fmt.Sprint(n) + `)
	  INSERT INTO people SELECT i, 'u' || i || '@example.com', 0 FROM r`)
	return w
}

// exec changes the database.
func (w *table) exec(script string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(w.t.Context(), script); err != nil {
		w.t.Fatal(err)
	}
}

// args are the flags of a sync, and more.
func (w *table) args(more ...string) []string {
	return append([]string{"-sqlite", w.path, "-table", "people", "-key", "id", "-state", w.state, "-destination", w.dest, "-endpoint", w.server.URL()}, more...)
}

// sent returns what came since the last call: "7 new u7@example.com", sorted.
func (w *table) sent() []string {
	w.t.Helper()
	var all []string
	for _, e := range w.server.Events() {
		traits, _ := e.Message["traits"].(map[string]any)
		text := fmt.Sprint(e.UserID, " ", traits["event"])
		if email := traits["email"]; email != nil {
			text += fmt.Sprint(" ", email)
		}
		if e.Status != transporttest.EventKept {
			text += " " + string(e.Status)
		}
		all = append(all, text)
	}
	w.server.Reset()
	slices.Sort(all)
	return all
}

func (w *table) requireSent(want ...string) {
	w.t.Helper()
	if got := w.sent(); !slices.Equal(got, want) {
		w.t.Errorf("it sent %q, want %q", got, want)
	}
}

// files are the names of what lies in the directories of the database and the state.
func (w *table) files() (names []string) {
	w.t.Helper()
	for _, path := range []string{w.path, w.state} {
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestModel(t *testing.T) {
	w := newTable(t, 59)
	report := newFile(t, "report.json")
	runSync(t, w.args("-report", report)...).require(t, 0, "sync of people to People: successful", "extracted 59: 59 added")
	if got := w.sent(); len(got) != 59 || !slices.Contains(got, "59 new u59@example.com") {
		t.Errorf("the first sync sent %q", got)
	}
	if text := read(t, report); !strings.Contains(text, `"status": "successful"`) || !strings.Contains(text, `"loaded": 59`) {
		t.Errorf("the report is %s", text)
	}
	runSync(t, w.args()...).require(t, 0, "59 unchanged")
	w.requireSent()
	w.exec(`UPDATE people SET email = 'new@example.com' WHERE id = 17; DELETE FROM people WHERE id = 30`)
	runSync(t, w.args()...).require(t, 0, "0 added, 1 updated, 1 deleted, 57 unchanged")
	w.requireSent("17 updated new@example.com", "30 deleted")
	runSync(t, w.args("-resend")...).require(t, 0, "58 added")
	if got := w.sent(); len(got) != 58 {
		t.Errorf("sent again: %q", got)
	}
	runSync(t, w.args("-reset")...).require(t, 0, "58 added")
	if got := w.sent(); len(got) != 58 || got[0] != "1 new u1@example.com" {
		t.Errorf("after a reset: %q", got)
	}
}

// An e-mail that goes back to what it was on the same day: the server knows the messageIds, and takes all three.
func TestModelThereAndBack(t *testing.T) {
	w := newTable(t, 1)
	for _, email := range []string{"a@example.com", "b@example.com", "a@example.com"} {
		w.exec(`UPDATE people SET email = '` + email + `'`)
		runSync(t, w.args()...).require(t, 0)
		if got := w.server.Space(space1).Profile("1").Traits["email"]; got != email {
			t.Errorf("the profile has %v, want %s", got, email)
		}
	}
	if stats := w.server.Stats(); stats.Kept != 3 || stats.Duplicates != 0 {
		t.Errorf("%d were kept and %d duplicates, want 3 and none", stats.Kept, stats.Duplicates)
	}
}

func TestModelLimit(t *testing.T) {
	w := newTable(t, 25)
	for i, want := range []int{10, 10, 5, 0} {
		r := runSync(t, w.args("-limit", "10", "-ordered")...)
		r.require(t, 0)
		if got := w.sent(); len(got) != want || strings.Contains(r.stdout, "the next sync sends the rest") != (want == 10) {
			t.Errorf("run %d sent %d rows, want %d:\n%s", i, len(got), want, r.stdout)
		}
	}
}

func TestModelDryRun(t *testing.T) {
	w := newTable(t, 3)
	r := runSync(t, w.args("-dry-run", "-limit", "1")...)
	r.require(t, 0, "1 rows would be sent: 1 new")
	if want := "1 new\n  email  null -> \"u1@example.com\"\n  id     null -> 1\n  n      null -> 0\n  sent by people\n"; r.stdout != want {
		t.Errorf("it printed\n%s", r.stdout)
	}
	if names := w.files(); !slices.Equal(names, []string{"shop.sqlite"}) {
		t.Errorf("a dry run left %q", names)
	}
	runSync(t, w.args()...).require(t, 0)
	w.sent()
	w.exec(`UPDATE people SET email = NULL WHERE id = 2; DELETE FROM people WHERE id = 3; INSERT INTO people (id) VALUES (4)`)
	before := read(t, w.state)
	want := "2 updated\n  email  \"u2@example.com\" -> null\n  sent by people\n" +
		"3 deleted\n  email  \"u3@example.com\" -> null\n  id     3 -> null\n  n      0 -> null\n  sent by gone\n" +
		"4 new\n  id  null -> 4\n  sent by people\n"
	for range 2 {
		r = runSync(t, w.args("-dry-run")...)
		r.require(t, 0, "3 rows would be sent: 1 new, 1 updated, 1 deleted")
		if r.stdout != want {
			t.Errorf("it printed\n%s", r.stdout)
		}
	}
	if w.requireSent(); read(t, w.state) != before {
		t.Error("a dry run has changed the state")
	}
	runSync(t, w.args("-dry-run", "-reset")...).require(t, 0, "3 rows would be sent: 3 new")
	runSync(t, w.args()...).require(t, 0)
	w.requireSent("2 updated", "3 deleted", "4 new")
}

func TestModelOfCSV(t *testing.T) {
	w := newTable(t, 0)
	csv := file(t, "people.csv", "id;email;n\n1;a@example.com;7\n2;\"b;@example.com\";8\n")
	args := []string{"-csv", csv, "-comma", ";", "-types", "n=number", "-key", "id", "-state", w.state, "-destination", w.dest, "-endpoint", w.server.URL()}
	runSync(t, args...).require(t, 0, "sync of people to People", "2 added")
	w.requireSent("1 new a@example.com", "2 new b;@example.com")
	if err := os.WriteFile(csv, []byte("id;email;n\n1;a@example.com;7\n2;b@example.com;x\n3;c@example.com;9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runSync(t, args...)
	r.require(t, 2, "partially successful", `line 3: column "n" is not a number`, "1 added, 0 updated, 0 deleted, 1 unchanged")
	w.requireSent("3 new c@example.com")
	if err := os.WriteFile(csv, []byte("id;email;n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runSync(t, args...).require(t, 1, "(see -allow-empty)")
	w.requireSent()
	runSync(t, append(args, "-allow-empty")...).require(t, 0, "3 deleted")
}

// A database is read, and nothing else: it is not made, and nothing is written beside it.
func TestModelOnlyReads(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		w := newTable(t, 5)
		w.exec(`PRAGMA journal_mode = ` + mode)
		before := read(t, w.path)
		runSync(t, w.args()...).require(t, 0, "5 added")
		names := w.files()
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "shop.sqlite-") }) || read(t, w.path) != before {
			t.Errorf("%s: there are %q, and the database is the same: %t", mode, names, read(t, w.path) == before)
		}
		runSync(t, "-sqlite", w.path, "-query", "DELETE FROM people", "-model", "people", "-key", "id", "-state", w.state, "-destination", w.dest,
			"-endpoint", w.server.URL()).require(t, 1, "readonly")
	}
	w := newTable(t, 0)
	missing := newFile(t, "no.sqlite")
	runSync(t, "-sqlite", missing, "-table", "people", "-key", "id", "-state", w.state, "-destination", w.dest).require(t, 1, "-sqlite: stat "+missing)
	if names := w.files(); exists(missing) || !slices.Equal(names, []string{"shop.sqlite"}) {
		t.Errorf("there are %q, and the missing file: %t", names, exists(missing))
	}
}

// Somebody writes while rows are read: what is in the log counts as well.
func TestModelOfADatabaseInUse(t *testing.T) {
	w := newTable(t, 5)
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA journal_mode = WAL; INSERT INTO people (id) VALUES (6)`); err != nil {
		t.Fatal(err)
	}
	runSync(t, w.args()...).require(t, 0, "6 added")
}

func TestStateInUse(t *testing.T) {
	w := newTable(t, 2)
	state, err := retl.OpenState(w.state)
	if err != nil {
		t.Fatal(err)
	}
	runSync(t, w.args()...).require(t, 1, "-state: retl: the state "+w.state+" is in use")
	w.requireSent()
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	runSync(t, w.args()...).require(t, 0)
}

// What was sent to one place says nothing of another.
func TestStateOfAnotherPlace(t *testing.T) {
	w := newTable(t, 2)
	runSync(t, w.args()...).require(t, 0)
	w.server = transporttest.NewServer(t)
	runSync(t, w.args()...).require(t, 1, "-state: "+w.state+" says what was sent to 127.0.0.1")
	w.requireSent()
	runSync(t, w.args("-model", "others", "-reset")...).require(t, 0, "2 added")
	runSync(t, w.args()...).require(t, 1, `the state belongs to the model "others", and this is "people"`, "-reset")
}

// A damaged state is refused, and forgotten on demand; a file that is none is left alone all the same.
func TestDamagedState(t *testing.T) {
	w := newTable(t, 2)
	runSync(t, w.args()...).require(t, 0)
	text := read(t, w.state)
	if err := os.WriteFile(w.state, []byte(text[:len(text)/2]+"x"+text[len(text)/2+1:]), 0o600); err != nil {
		t.Fatal(err)
	}
	runSync(t, w.args()...).require(t, 1, "-state: ")
	w.sent()
	runSync(t, w.args("-reset")...).require(t, 0, "2 added")
	w.requireSent("1 new u1@example.com", "2 new u2@example.com")
	w.state = file(t, "letter.txt", "Dear Ada")
	runSync(t, w.args("-reset")...).require(t, 1, "-state: ")
	if got := read(t, w.state); got != "Dear Ada" {
		t.Errorf("the file is now %q", got)
	}
}
