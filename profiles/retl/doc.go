// Package retl is reverse ETL: rows of a warehouse, objects of a CRM or lines of a file become profiles, again and again, and only
// what has changed since the last time travels.
//
// A Model is rows with a unique key, from a source: Query, Rows, CSV, NDJSON, the readers of package presets, or any range of records. A
// State remembers what each mapping of the destination has been sent of each row; OpenState keeps it in a file. A Sync holds the one
// against the other, sends what differs through a profiles.Client, and moves the state past what was accepted:
//
//	state, err := retl.OpenState("customers.state")
//	s := retl.Sync{Client: client, Destination: dest, State: state, Model: retl.Model{
//		Name: "customers", Key: "id", Records: retl.Query(ctx, db, "SELECT id, email, plan FROM customers"),
//	}}
//	report, err := s.Run(ctx)
//
// Sync.Preflight says what is wrong before the first one, Sync.DryRun what a sync would send, and Sync.Every runs it by the clock.
package retl
