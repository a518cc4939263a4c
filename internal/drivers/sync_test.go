package drivers

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

const destination = `{"name": "Shop", "mappings": [
  {"id": "people", "action": "sendIdentify", "trigger": "event != \"deleted\"", "fields": {"user_id": {"@path": "$.properties.code"},
    "traits": {"email": {"@path": "$.properties.email"}, "active": {"@path": "$.properties.active"}, "balance": {"@path": "$.properties.balance"},
      "since": {"@path": "$.properties.since"}, "city": {"@path": "$.properties.prefs.city"}, "event": {"@path": "$.event"}}}},
  {"id": "gone", "action": "sendIdentify", "trigger": "event = \"deleted\"", "fields": {"user_id": {"@path": "$.properties.__segment_id"}, "traits": {"gone": true}}}]}`

func TestSyncsOfSQLite(t *testing.T) {
	db := sqlite(t)
	exec(t, db, `create table people (code text primary key, email text, active boolean, balance decimal(12,2), since timestamp, prefs json)`)
	testSyncs(t, db, `select * from people order by code`)
}

func TestSyncsOfPostgres(t *testing.T) {
	db := postgres(t)
	exec(t, db, `create temporary table people (code text primary key, email text, active boolean, balance numeric(12,2), since timestamptz, prefs jsonb)`)
	testSyncs(t, db, `select * from people order by code collate "C"`)
}

// testSyncs syncs a table of 59 people, then nothing, then an e-mail that was changed and a row that was deleted: with the state in a file, and
// the rows in the order of a key of text.
func testSyncs(t *testing.T, db *sql.DB, query string) {
	for i := range 59 {
		exec(t, db, fmt.Sprintf(`insert into people values ('%s-%d', 'u%d@example.com', %t, 1%d.50, '2024-02-29 12:30:45', '{"city": "Zürich"}')`,
			[]string{"a", "B", "ä", "_"}[i%4], i, i, i%2 == 0, i))
	}
	server := transporttest.NewServer(t)
	client, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey("space")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dest, err := profiles.ParseDestination([]byte(destination))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "people.state")
	run := func() (retl.Report, []string) {
		t.Helper()
		state, err := retl.OpenState(file)
		if err != nil {
			t.Fatal(err)
		}
		defer state.Close()
		before := len(server.Events())
		report, err := retl.Sync{Client: client, Destination: dest, State: state, Model: retl.Model{
			Name: "people", Key: "code", Ordered: true, Records: retl.Query(t.Context(), db, query),
		}}.Run(t.Context())
		if err != nil || report.Status != retl.Successful {
			t.Fatalf("%v, %s", err, report)
		}
		var sent []string
		for _, e := range server.Events()[before:] {
			sent = append(sent, e.UserID)
		}
		slices.Sort(sent)
		return report, sent
	}
	if r, sent := run(); r.Added != 59 || len(sent) != 59 {
		t.Errorf("the first sync sent %q: %s", sent, r)
	}
	traits := server.Profile("a-0").Traits
	if traits["active"] != true || fmt.Sprint(traits["balance"]) != "10.5" && fmt.Sprint(traits["balance"]) != "10.50" || traits["since"] != "2024-02-29T12:30:45Z" || traits["city"] != "Zürich" || traits["event"] != "new" {
		t.Errorf("a profile has %v", traits)
	}
	if r, sent := run(); r.Unchanged != 59 || len(sent) != 0 {
		t.Errorf("the second sync sent %q: %s", sent, r)
	}
	exec(t, db, `update people set email = 'new@example.com' where code = 'B-1'`)
	exec(t, db, `delete from people where code = 'ä-2'`)
	if r, sent := run(); r.Updated != 1 || r.Deleted != 1 || !slices.Equal(sent, []string{"B-1", "ä-2"}) {
		t.Errorf("the third sync sent %q: %s", sent, r)
	}
	if p := server.Profile("B-1"); p.Traits["email"] != "new@example.com" {
		t.Errorf("the profile has %v", p.Traits)
	}
}
