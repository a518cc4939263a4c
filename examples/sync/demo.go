package main

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// A warehouse of an invented shop, what happens to it between two syncs, and a destination for it.
var (
	//go:embed sample/shop.sql
	shopSQL string
	//go:embed sample/changes.sql
	changesSQL string
	//go:embed sample/warehouse.json
	warehouseDestination []byte
)

// customers is the query of the sample's model.
const customers = "SELECT * FROM customers"

// changed are the keys of the rows that changes.sql touches.
var changed = []string{"7", "22", "31"}

const whatNext = `
Next, with a table of your own. This shows what would be sent; without -dry-run it goes to the server inside this program,
and with -region and a state of its own to Segment:
  go run ./examples/sync -sqlite FILE -table NAME -key COLUMN -state FILE -destination FILE -dry-run
Mappings to copy are in examples/sync/sample/warehouse.json; -h lists the flags.
`

// A demo shows two syncs of a warehouse that is in memory.
type demo struct {
	db     *sql.DB
	server *transporttest.Server
	sync   retl.Sync
	out    io.Writer
}

// demonstrate is the program without flags. An interrupt ends it.
func demonstrate(ctx context.Context, interrupts <-chan os.Signal, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := errors.New("interrupted")
	if shown := show(ctx, stdout); ctx.Err() == nil {
		err = shown
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitNotRun
	}
	return exitAccepted
}

func show(ctx context.Context, out io.Writer) error {
	d := demo{out: out}
	defer d.close()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{d.first, d.change, d.second, d.profiles}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.printf("%s", whatNext)
}

// prepare makes the warehouse, the server, and the sync of the one to the other.
func (d *demo) prepare(ctx context.Context) (err error) {
	if d.db, err = sql.Open("sqlite", ":memory:"); err != nil {
		return err
	}
	d.db.SetMaxOpenConns(1) // each would have a database of its own
	if _, err = d.db.ExecContext(ctx, shopSQL); err != nil {
		return err
	}
	if d.server, err = transporttest.StartServer(transporttest.ServerConfig{}); err != nil {
		return err
	}
	dest, err := profiles.ParseDestination(warehouseDestination)
	if err != nil {
		return err
	}
	client, err := profiles.New(profiles.Config{Endpoint: d.server.URL()})
	if err != nil {
		return err
	}
	d.sync = retl.Sync{
		Client: client, Destination: dest, State: new(retl.MemoryState), // with a file, a sync outlives the process
		Model: retl.Model{Name: "customers", Key: "id", Records: retl.Query(ctx, d.db, customers)},
	}
	return d.printf("A warehouse in memory: Tern & Tide, a shop for sailors. Nothing leaves this machine: a Tracking API\ninside this program takes the messages.\n\n")
}

// first sends every row: all are new.
func (d *demo) first(ctx context.Context) error {
	if err := d.printf("1. The first sync of the model customers, %s, by its key id\n", customers); err != nil {
		return err
	}
	return d.run(ctx)
}

// change changes the warehouse, and shows what a sync makes of it, without sending anything.
func (d *demo) change(ctx context.Context) error {
	if _, err := d.db.ExecContext(ctx, changesSQL); err != nil {
		return err
	}
	if err := d.printf("2. Then this happens in the warehouse\n%s   and a dry run says\n", indented(changesSQL)); err != nil {
		return err
	}
	for c, err := range d.sync.DryRun(ctx) {
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%-3s %s", c.Key, c.Event)
		for _, column := range c.Columns() {
			if column.Column == "email" {
				line = fmt.Sprintf("%-3s %-8s email %s -> %s", c.Key, c.Event, shown(column.Old), shown(column.New))
			}
		}
		if err := d.printf("     %s\n", line); err != nil {
			return err
		}
	}
	return d.printf("\n")
}

// second sends these rows and no other.
func (d *demo) second(ctx context.Context) error {
	if err := d.printf("3. The second sync sends these and nothing else\n"); err != nil {
		return err
	}
	return d.run(ctx)
}

func (d *demo) run(ctx context.Context) error {
	report, err := d.sync.Run(ctx)
	if err != nil {
		return err
	}
	return d.printf("%s\n", indented(report.String()))
}

// profiles shows what has become of the rows.
func (d *demo) profiles(context.Context) error {
	space := d.server.Space(d.server.Spaces()[0])
	if err := d.printf("4. The Profile Space has %d profiles, and these are now\n", len(space.Profiles())); err != nil {
		return err
	}
	for _, id := range changed {
		p := space.Profile(id)
		consent := "never asked"
		for _, s := range p.Subscriptions {
			consent = strings.ToLower(string(s.Status)) + " " + s.Key
		}
		name := fmt.Sprint(p.Traits["first_name"], " ", p.Traits["last_name"])
		if err := d.printf("     %-3s %-15s %-9s %-26s %s\n", id, name, p.Traits["status"], p.Traits["email"], consent); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(d.out, format, args...); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func (d *demo) close() {
	if d.sync.Client != nil {
		d.sync.Client.Close()
	}
	if d.server != nil {
		d.server.Close()
	}
	if d.db != nil {
		d.db.Close()
	}
}

// indented sets lines in.
func indented(text string) string {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		b.WriteString("     " + line)
	}
	return b.String()
}
