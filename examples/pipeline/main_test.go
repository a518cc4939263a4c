package main

import (
	"context"
	"fmt"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 4 rows, 3 accepted, 1 failed; the checkpoint is row 4
	// row 2: message invalid: sendIdentify: User ID (user_id) or Anonymous ID (anonymous_id) is required
	// profile 9007199254740993: Ada Okafor, map[diet:vegetarian]
	// profile 9007199254740994: Jonas Lindqvist, map[]
	// profile 9007199254740996: Mei Tanaka, map[diet:vegan]
}
