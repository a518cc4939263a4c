package retl_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A file of lines of JSON is a source; a line that holds no record does not end it.
func ExampleNDJSON() {
	input := "{\"id\": 1, \"plan\": \"pro\"}\nnot a record\n{\"id\": 2, \"plan\": null}\n"
	for record, err := range retl.NDJSON(strings.NewReader(input)) {
		if err != nil {
			fmt.Println(err) // a *profiles.BadRecord, or why the range ends
			continue
		}
		fmt.Println(record["id"], record["plan"])
	}
	// Output:
	// 1 pro
	// line 2 is not JSON: syntax error at byte 2
	// 2 <nil>
}

// All fields of a CSV are text, but for the columns that are given another type.
func ExampleCSV() {
	input := "id,email,total,newsletter\n0017,ada@example.com,12.50,true\n0018,,,false\n"
	records := retl.CSV(strings.NewReader(input), retl.CSVOptions{
		Types: map[string]retl.ColumnType{"total": retl.ColumnNumber, "newsletter": retl.ColumnBool},
	})
	for record, err := range records {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%q %v %v %v\n", record["id"], record["email"], record["total"], record["newsletter"])
	}
	// Output:
	// "0017" ada@example.com 12.50 true
	// "0018" <nil> <nil> false
}

// A query of any database that has a driver is a source, which runs it anew for each range.
func ExampleQuery() {
	db := retl.Shop() // sql.Open("pgx", dsn)
	defer db.Close()
	customers := retl.Query(context.Background(), db, "SELECT id, email, total FROM customers WHERE active = $1 ORDER BY id", true)
	for record, err := range customers {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(record["id"], record["email"], record["total"])
	}
	// Output:
	// 1 ada@example.com 12.50
	// 2 bob@example.com <nil>
}
