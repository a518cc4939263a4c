package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A syncReport is what -report writes.
type syncReport struct {
	*profiles.Report
	// Start is how many records were left out, because a former run had them in hand.
	Start int `json:"start"`
	// Kept is how many messages are left in the spool, of this run and of former ones.
	Kept int `json:"kept"`
	// BadLines is how many lines held no record. Each counts as a record, and as a message that is Invalid, of no mapping.
	BadLines int `json:"badLines"`
	// Interrupted tells that the input was not read to its end.
	Interrupted bool `json:"interrupted"`
	// DryRun tells that nothing was sent: Messages is what would have been, and of the statuses only Invalid and Skipped are
	// known.
	DryRun bool `json:"dryRun"`
}

// writeReport writes the report file, if one is wanted.
func (j *job) writeReport() error {
	if j.files.report == nil {
		return nil
	}
	enc := json.NewEncoder(j.files.report)
	enc.SetIndent("", "  ")
	err := enc.Encode(syncReport{
		Report: j.report, Start: j.checkpointed, Kept: j.kept, BadLines: j.failed.badLines, Interrupted: j.interrupted, DryRun: j.options.dryRun,
	})
	if err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	return nil
}

// tell prints the summary: on standard output, where a dry run has its messages, on standard error then.
func (j *job) tell(stdout io.Writer) error {
	var b bytes.Buffer
	writeSummary(&b, j.report, j.options.dryRun)
	if j.failed.badLines > 0 {
		fmt.Fprintf(&b, "%d of the invalid are lines that hold no record\n", j.failed.badLines)
	}
	if j.checkpointed > 0 {
		fmt.Fprintf(&b, "%d records before them were left out: the checkpoint has them\n", j.checkpointed)
	}
	if j.spooled && j.former > 0 {
		fmt.Fprintf(&b, "%d messages that a former run had left in the spool were accepted\n", j.former)
	}
	if j.kept > 0 {
		fmt.Fprintf(&b, "%d messages are kept in the spool, for another run to deliver\n", j.kept)
	}
	if j.interrupted {
		fmt.Fprintln(&b, "not all of the input was read")
	}
	if j.options.dryRun {
		j.screen.printf("%s", strings.TrimSuffix(b.String(), "\n"))
		return nil
	}
	if j.server != nil {
		own := j.options.destination == "" && (j.options.events == "" || j.options.events == sampleEventsName)
		writeArrived(&b, j.server, own)
	}
	if _, err := stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func writeSummary(b *bytes.Buffer, r *profiles.Report, dryRun bool) {
	fmt.Fprintf(b, "%d records, %d messages%s\n", r.Records, r.Messages, ending(r, dryRun))
	fmt.Fprintf(b, "%d records matched a mapping, %d were skipped\n", r.Matched, r.Skipped)
	for _, m := range r.Mappings {
		state := ""
		if !m.Enabled {
			state = ", switched off"
		} else if failed := m.Invalid + m.Rejected + m.Exhausted + m.Canceled; failed > 0 && !dryRun {
			state = fmt.Sprintf(", %d failed", failed)
		}
		fmt.Fprintf(b, "  %-16s %-18s %6d%s\n", cmp.Or(m.Name, m.ID), m.Action, m.Messages, state)
	}
	if !dryRun {
		fmt.Fprintf(b, "%d requests, %d retries, %d throttled, %d bytes, %.1f s\n", r.Requests, r.Retries, r.Throttled, r.BytesWire, r.DurationSeconds)
	}
}

// ending says how the messages ended.
func ending(r *profiles.Report, dryRun bool) string {
	var parts []string
	for _, s := range []struct {
		status profiles.Status
		count  int
	}{
		{profiles.Accepted, r.Accepted}, {profiles.Invalid, r.Invalid}, {profiles.Rejected, r.Rejected},
		{profiles.Exhausted, r.Exhausted}, {profiles.Canceled, r.Canceled},
	} {
		if s.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", s.count, s.status))
		}
	}
	if dryRun {
		parts = append([]string{"none sent"}, parts...)
	} else if r.Accepted == r.Messages && r.Messages > 0 {
		return ", all accepted"
	} else if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
