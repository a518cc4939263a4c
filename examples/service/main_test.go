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
	// not sent: identity_required: User ID (user_id) or Anonymous ID (anonymous_id) is required
	// not sent: required: Event Name (event_name) is required
	// accepted 6, failed 0
	// profile u-1: Ada Okafor, plan pro
	//   EMAIL SUBSCRIBED, newsletter SUBSCRIBED, offers DID_NOT_SUBSCRIBE
	//   Order Completed order-1: 12.5
	//   Order Completed order-2: 25
	//   Order Completed order-3: 37.5
	// group warehouse in another Profile Space: Berlin, members [s-9]
}
