// Command sync is reverse ETL: it runs the rows of a SQLite database or a CSV through the mappings of a saved destination and sends
// what has changed since the last time, deleted rows included. Or it reads event payloads, one JSON object a line, and delivers what
// they give. It is the whole of what an embedding tool needs: a source that is a range, outcomes in order, dead letters, a report, a
// state or a checkpoint, a spool, and an end that loses nothing.
//
// Without flags it shows two syncs of a sample warehouse, against a Tracking API inside the program. sync -h lists the flags.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Writing to a closed pipe is to be an error that is reported, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(context.Background(), interrupts, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
