package retl_test

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"os"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The code of the README, run against a database that has one answer, and a server on loopback.
func TestREADMEScheduledSync(t *testing.T) {
	server := transporttest.NewServer(t)
	file, err := os.ReadFile("testdata/customers.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("customers.json", file, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	syncs := 0
	schedule := func(ctx context.Context, db *sql.DB, key string) error {
		dest, err := profiles.LoadDestination("customers.json")
		if err != nil {
			return err
		}
		client, err := profiles.New(profiles.Config{
			Region:   dest.Region(),
			WriteKey: profiles.NewWriteKey(key),
			Endpoint: server.URL(), // test only
		})
		if err != nil {
			return err
		}
		defer client.Close()
		state, err := retl.OpenState("customers.state")
		if err != nil {
			return err
		}
		defer state.Close()
		s := retl.Sync{Client: client, Destination: dest, State: state, Model: retl.Model{
			Name:    "customers",
			Key:     "id",
			Records: retl.Query(ctx, db, "SELECT id, email, total FROM customers"),
		}}
		return s.Every(ctx, 15*time.Minute, func(report retl.Report, err error) {
			log.Print(report)
			syncs++  // test only
			cancel() // test only
		})
	}
	db := retl.Shop()
	defer db.Close()
	if err := schedule(ctx, db, "key"); !errors.Is(err, context.Canceled) || syncs != 1 {
		t.Errorf("%d syncs, %v", syncs, err)
	}
	if p := server.Profile("1"); p.Traits["email"] != "ada@example.com" {
		t.Errorf("the profile has %v", p.Traits)
	}
}
