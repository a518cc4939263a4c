package retl_test

import (
	"context"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The first sync sends every row, the second none.
func ExampleSync_Run() {
	server, err := transporttest.StartServer(transporttest.ServerConfig{}) // in place of Segment
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	dest, err := profiles.LoadDestination("testdata/customers.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey("key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	db := retl.Shop() // sql.Open("pgx", dsn)
	defer db.Close()

	s := retl.Sync{Client: client, Destination: dest, State: new(retl.MemoryState), Model: retl.Model{
		Name: "customers", Key: "id", Records: retl.Query(context.Background(), db, "SELECT id, email, total FROM customers"),
	}}
	for range 2 {
		report, err := s.Run(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(report.Status, report.Extracted, "extracted,", report.Added, "added,", report.Unchanged, "unchanged")
	}
	fmt.Println(server.Profile("1").Traits["email"])
	// Output:
	// successful 2 extracted, 2 added, 0 unchanged
	// successful 2 extracted, 0 added, 2 unchanged
	// ada@example.com
}

// A dry run shows each column's old and new value, and moves nothing.
func ExampleSync_DryRun() {
	table := []profiles.Record{{"id": 1, "email": "ada@example.com"}, {"id": 2, "email": "bob@example.com"}}
	rows := func(yield func(profiles.Record, error) bool) {
		for _, row := range table {
			if !yield(row, nil) {
				return
			}
		}
	}
	dest, err := profiles.LoadDestination("testdata/customers.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := profiles.New(profiles.Config{Transport: new(taker), WriteKey: profiles.NewWriteKey("key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	s := retl.Sync{Client: client, Destination: dest, State: new(retl.MemoryState), Model: retl.Model{Name: "customers", Key: "id", Records: rows}}
	if _, err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	table = []profiles.Record{{"id": 1, "email": "ada@lovelace.example.com"}}
	for change, err := range s.DryRun(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(change.Event, change.Key)
		for _, column := range change.Columns() {
			fmt.Println(" ", column.Column, column.Old, "->", column.New)
		}
	}
	// Output:
	// updated 1
	//   email ada@example.com -> ada@lovelace.example.com
	// deleted 2
	//   email bob@example.com -> <nil>
	//   id 2 -> <nil>
}
