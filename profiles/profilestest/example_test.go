package profilestest_test

import (
	"context"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
)

// signUp is the code under test.
func signUp(ctx context.Context, client *profiles.Client, user, plan string) error {
	if err := client.Enqueue(ctx, actions.SendIdentify{UserID: user, Traits: actions.Traits{"plan": plan}}); err != nil {
		return err
	}
	return client.Enqueue(ctx, actions.SendTrack{UserID: user, Event: "Signed Up"})
}

// printer stands in for the *testing.T of a real test.
type printer struct{ cleanup []func() }

func (p *printer) Helper()                        {}
func (p *printer) Cleanup(f func())               { p.cleanup = append(p.cleanup, f) }
func (p *printer) Errorf(format string, a ...any) { fmt.Printf(format+"\n", a...) }
func (p *printer) Fatalf(format string, a ...any) { fmt.Printf(format+"\n", a...) }

func Example() {
	t := new(printer) // the test's *testing.T
	client, sent := profilestest.NewClient(t)

	if err := signUp(context.Background(), client, "u1", "pro"); err != nil {
		t.Fatalf("signing up: %v", err)
	}

	sent.RequireOnly(t,
		actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"plan": "pro"}},
		actions.SendTrack{UserID: "u1", Event: "Signed Up"},
	)
	fmt.Println(len(sent.Messages(t)), "messages")
	// Output: 2 messages
}
