// Command pipeline is an ETL tool whose Segment Profiles sink is this library. It has rows of its own, a destination with saved
// mappings, and a checkpoint that moves only past rows whose fate is known; rows that failed are kept with the reason. It talks to a
// Tracking API inside the program: nothing leaves the machine.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The destination as it was saved. A tool that has it as a file calls profiles.LoadDestination.
//
//go:embed destination.json
var savedDestination []byte

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server, err := transporttest.StartServer(transporttest.ServerConfig{})
	if err != nil {
		return err
	}
	defer server.Close()

	// Everything that is wrong with the mappings is known here, before the first row.
	dest, err := profiles.ParseDestination(savedDestination)
	if err != nil {
		return err
	}
	// Where the rows come from: a mapping takes the rows of its own model, and the name makes messageIds the same when rows are
	// sent again after a crash.
	dest = dest.For(profiles.Input{Name: "warehouse/customers", Model: "customers"})

	client, err := profiles.New(profiles.Config{Endpoint: server.URL()}) // a real tool sets Region instead
	if err != nil {
		return err
	}
	defer client.Close() // nothing is queued any more once Process has ended

	checkpoint, failed := 0, map[int]string{} // what the tool stores
	report := profiles.NewReport(dest)
	start := checkpoint
	for outcome, err := range client.Process(ctx, dest, changed.after(ctx, start)) {
		if err != nil {
			return fmt.Errorf("stopped at row %d: %w", checkpoint, err) // the next run goes on from there
		}
		report.Add(outcome)
		row := start + outcome.Index
		if err := outcome.Err(); err != nil {
			if outcome.Status == profiles.Canceled || outcome.Status == profiles.Exhausted {
				return fmt.Errorf("stopped at row %d: %w", row, err) // not the row's fault: it is read again next time
			}
			failed[row] = err.Error() // Invalid or Rejected: it would fail again
		}
		checkpoint = row + 1 // outcomes come in the order of the rows
	}

	fmt.Fprintf(out, "%d rows, %d accepted, %d failed; the checkpoint is row %d\n", report.Records, report.Accepted, report.Failed(), checkpoint)
	for _, row := range slices.Sorted(maps.Keys(failed)) {
		fmt.Fprintf(out, "row %d: %s\n", row, failed[row])
	}
	for _, row := range changed {
		if p := server.Profile(fmt.Sprint(row["id"])); p.ID != "" {
			fmt.Fprintf(out, "profile %s: %v, %v\n", p.ID, p.Traits["name"], p.Traits["settings"])
		}
	}
	return nil
}
