// Command service is a Go service that tells Segment about its customers by typed calls: Send where the answer counts, Enqueue where
// throughput does, another Profile Space beside its own, hooks, and an orderly end. It talks to a Tracking API inside the program:
// nothing leaves the machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// The Profile Spaces. A real service reads their keys from where it keeps its secrets.
var (
	shopSpace  = profiles.NewWriteKey("sample-shop-space")
	staffSpace = profiles.NewWriteKey("sample-staff-space")
)

func run(ctx context.Context, out io.Writer) (err error) {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		return err
	}
	defer server.Close()

	// One client serves the whole program, however many goroutines use it.
	var accepted, failed atomic.Int64
	client, err := profiles.New(profiles.Config{
		Endpoint: server.URL(), // a real service sets Region instead
		WriteKey: shopSpace,
		Hooks: profiles.Hooks{
			// Called once for each message that was taken into the queue, whoever sent it.
			Outcome: func(o profiles.Outcome) {
				if o.Status == profiles.Accepted {
					accepted.Add(1)
					return
				}
				failed.Add(1)
				fmt.Fprintln(os.Stderr, "service:", o.Err) // names fields and codes, never what a message holds
			},
		},
	})
	if err != nil {
		return err
	}
	// Close delivers what is queued, for as long as Config.CloseTimeout, and its error counts what it could not.
	defer func() { err = errors.Join(err, client.Close()) }()

	if err := signUp(ctx, client); err != nil {
		return err
	}
	if err := sell(ctx, client); err != nil {
		return err
	}
	reject(ctx, client, out)

	// Flush waits for what was enqueued before it. A service needs it at a checkpoint, not after each call.
	if err := client.Flush(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "accepted %d, failed %d\n", accepted.Load(), failed.Load())
	show(out, server)
	return nil
}

// signUp waits for the answer: its caller wants to know that Segment has taken the person before it goes on.
func signUp(ctx context.Context, client *profiles.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := client.Send(ctx, actions.SendIdentify{
		UserID: "u-1",
		Traits: actions.Traits{"name": "Ada Okafor", "plan": "pro", "seats": 3},
	})
	if err != nil {
		return err
	}
	_, err = client.Send(ctx, actions.SendSubscriptions{
		UserID:      "u-1",
		Email:       "ada@example.com",
		EmailStatus: actions.Subscribed,
		EmailGroups: map[string]actions.SubscriptionStatus{"newsletter": actions.Subscribed, "offers": actions.DidNotSubscribe},
	})
	return err
}

// sell does not wait: Enqueue returns once the message is queued. It waits only while the queue is full, as long as ctx lets it.
func sell(ctx context.Context, client *profiles.Client) error {
	for order := 1; order <= 3; order++ {
		err := client.Enqueue(ctx, actions.SendTrack{
			UserID:     "u-1",
			Event:      "Order Completed",
			Properties: actions.Properties{"order": order, "total": 12.5 * float64(order)},
			// An id of one's own: if this order is sent once more, even by another process, Segment drops the repeat.
			MessageID: fmt.Sprintf("order-%d", order),
		})
		if err != nil {
			return err
		}
	}
	// Another Profile Space, the same client, queue and rate.
	return client.Space(staffSpace).Enqueue(ctx, actions.SendGroup{
		UserID: "s-9", GroupID: "warehouse", Traits: actions.Traits{"city": "Berlin"},
	})
}

// reject shows what becomes of a mistake: it is found before anything is sent, with every field that is at fault.
func reject(ctx context.Context, client *profiles.Client, out io.Writer) {
	err := client.Enqueue(ctx, actions.SendTrack{Properties: actions.Properties{"total": 1}})
	var invalid *actions.Error
	if errors.As(err, &invalid) {
		for _, field := range invalid.Fields {
			fmt.Fprintf(out, "not sent: %s: %s\n", field.Rule, field.Error())
		}
	}
}

// show prints what the Tracking API knows now.
func show(out io.Writer, server *transporttest.Server) {
	p := server.Space(shopSpace).Profile("u-1")
	fmt.Fprintf(out, "profile %s: %v, plan %v\n", p.ID, p.Traits["name"], p.Traits["plan"])
	for _, s := range p.Subscriptions {
		fmt.Fprintf(out, "  %s %s, newsletter %s, offers %s\n", s.Channel, s.Status, s.Groups["newsletter"], s.Groups["offers"])
	}
	for _, e := range p.Events {
		properties, _ := e.Message["properties"].(map[string]any)
		fmt.Fprintf(out, "  %s %s: %v\n", e.Name, e.MessageID, properties["total"])
	}
	g := server.Space(staffSpace).Group("warehouse")
	fmt.Fprintf(out, "group %s in another Profile Space: %v, members %v\n", g.ID, g.Traits["city"], g.Members)
}
