// Package signup is code that uses a client, small enough to see how it is tested: signup_test.go shows both ways, against a
// recorder in memory and against a server that behaves as Segment's does.
package signup

import (
	"context"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Customer is somebody who signs up.
type Customer struct {
	ID, Email, Plan string
	Newsletter      bool // the box was ticked
}

// SignUp tells Segment about a new customer. It returns once the person is accepted; that they signed up is queued.
func SignUp(ctx context.Context, client *profiles.Client, c Customer) error {
	_, err := client.Send(ctx, actions.SendIdentify{
		UserID: c.ID,
		Traits: actions.Traits{"email": c.Email, "plan": c.Plan},
	})
	if err != nil {
		return fmt.Errorf("sign-up: %w", err)
	}
	if c.Newsletter {
		err := client.Enqueue(ctx, actions.SendSubscriptions{UserID: c.ID, Email: c.Email, EmailStatus: actions.Subscribed})
		if err != nil {
			return fmt.Errorf("sign-up: %w", err)
		}
	}
	if err := client.Enqueue(ctx, actions.SendTrack{UserID: c.ID, Event: "Signed Up"}); err != nil {
		return fmt.Errorf("sign-up: %w", err)
	}
	return nil
}
