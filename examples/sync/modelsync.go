package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A modelJob is one sync of a model.
type modelJob struct {
	*job
	sync   retl.Sync
	state  *stateFile
	rows   iter.Seq2[profiles.Record, error]
	source io.Closer // of the rows
	report modelReport
	unfit  bool // a dry run has found rows that could not be sent, or a preflight a problem
}

// A modelReport is what -report writes of a model.
type modelReport struct {
	retl.Report
	// Kept is how many messages are left in the spool, of this run and of former ones.
	Kept int `json:"kept"`
}

// prepareModel finds out what can be wrong before the first row is read: what it returns has sent nothing.
func prepareModel(ctx context.Context, o options, screen *screen) (_ *modelJob, err error) {
	m := o.model
	j := &modelJob{job: newJob(o, screen)}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if j.dest, err = profiles.LoadDestination(o.destination); err != nil {
		return nil, err
	}
	j.sync = retl.Sync{
		Destination: j.dest, Limit: m.limit, AllowEmpty: m.allowEmpty, Replay: m.resend, MaxFailureRate: m.maxFailureRate, Progress: j.progress,
	}
	if j.rows, j.source, err = openModel(ctx, m); err != nil {
		return nil, err
	}
	j.sync.Model = retl.Model{
		Name: m.name, ID: m.id, Key: m.key, Ordered: m.ordered, Ignore: m.ignore, Records: watched(j.rows, m.key, j.reading),
	}
	if j.state, err = openState(ctx, o); err != nil {
		return nil, err
	}
	j.sync.State = j.state
	if err = j.connect(); err != nil {
		return nil, err
	}
	j.sync.Client = j.client
	if m.preflight { // which says it all at once
		j.files, err = openOutputs(o)
		return j, errors.Join(err, j.files.empty(false))
	}
	if err = j.client.Check(j.dest.For(profiles.Input{Name: m.name, Model: m.id})); err != nil {
		return nil, fmt.Errorf("%w (see -write-key, -region, -model-id)", inFile(err, o.destination))
	}
	if !o.dryRun {
		err = j.prepareOutputs()
	}
	j.sync.Client = j.client
	return j, err
}

// prepareOutputs readies the files that a sync writes, the state as the last one: it may be forgotten.
func (j *modelJob) prepareOutputs() (err error) {
	reset := j.options.model.reset
	if j.files, err = openOutputs(j.options); err != nil {
		return err
	}
	if err = j.openSpool(); err != nil {
		return err
	}
	if err = j.emptyOutputs(j.state.former && !reset); err != nil {
		return err
	}
	if reset {
		if err = j.sync.Reset(context.Background()); err != nil {
			return fmt.Errorf("-reset: %w", err)
		}
	}
	return j.state.note(target(j.options))
}

// reading shows how many rows were read, progress how many of them were sent.
func (j *modelJob) reading(rows int) {
	j.screen.show(0, 0, func() string { return fmt.Sprintf("%d rows read", rows) })
}

func (j *modelJob) progress(r retl.Report) {
	j.screen.show(0, 0, func() string {
		text := fmt.Sprintf("%d rows read, %d sent", r.Extracted, r.Loaded)
		if r.Failed > 0 {
			text += fmt.Sprintf(", %d failed", r.Failed)
		}
		return text
	})
}

func (j *modelJob) run(ctx context.Context, interrupts <-chan os.Signal, stdout io.Writer) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	j.failed.rows = true
	j.begin()
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { j.watch(ctx, ended, interrupts, cancel) })
	var err error
	looks := true
	switch {
	case j.options.model.preflight:
		err = j.check(work, stdout)
	case j.options.dryRun:
		err = j.preview(work, stdout)
	default:
		err, looks = j.deliver(work), false
	}
	close(ended)
	watch.Wait()
	if looks {
		return err
	}
	return errors.Join(err, j.tell(stdout), j.writeReport(), j.failed.lost())
}

// watch ends the sync at an interrupt: it leaves what has not been sent to the next one. At a second one it waits for no answer.
func (j *modelJob) watch(ctx context.Context, ended <-chan struct{}, interrupts <-chan os.Signal, cancel func()) {
	select {
	case <-interrupts:
		j.screen.printf("interrupted: waiting for what is on the wire; the next run sends the rest")
	case <-ctx.Done():
	case <-j.failed.broken:
	case <-ended:
		return
	}
	cancel()
	select {
	case <-interrupts:
		j.screen.printf("interrupted again: giving up what is on the wire")
		now, end := context.WithCancel(context.Background())
		end()
		_ = j.client.Shutdown(now) // the report has what was given up
	case <-ended:
	}
}

// deliver runs the sync, and delivers what a former run has left in the spool. Its error is why nothing was sent, or what the state or
// the spool met; another end before the end is told.
func (j *modelJob) deliver(ctx context.Context) error {
	before := j.client.Stats()
	r, err := j.sync.Run(ctx)
	accepted := 0
	for _, m := range r.Mappings {
		accepted += int(m.Accepted)
	}
	if err == nil && j.spooled {
		_ = j.client.Flush(ctx) // what is left is counted
	}
	after := j.client.Stats()
	j.former = max(0, after.Accepted-before.Accepted-accepted)
	j.report.Report = r
	spoolErr := j.closeSpool()
	j.report.Kept = j.kept
	j.screen.done()
	j.failed.rest()
	switch {
	case err == nil, r.Status == retl.Canceled:
		return spoolErr
	case j.state.broken() != nil:
		return errors.Join(j.state.broken(), spoolErr)
	case r.Loaded+r.Failed+r.Undelivered == 0:
		return errors.Join(advised(err), spoolErr)
	}
	j.screen.printf("%v", advised(err))
	return spoolErr
}

// advised names the flags that help.
func advised(err error) error {
	var mismatch *retl.MismatchError
	var failures *retl.FailureRateError
	switch {
	case errors.As(err, &mismatch):
		return fmt.Errorf("-state: %w (see -reset)", err)
	case errors.As(err, &failures):
		return fmt.Errorf("-max-failure-rate: %w", err)
	case errors.Is(err, retl.ErrEmptyModel):
		return fmt.Errorf("%w (see -allow-empty)", err)
	}
	return err
}

// tell prints the report, unless the sync has not begun.
func (j *modelJob) tell(stdout io.Writer) error {
	r := &j.report
	if r.Extracted+r.Loaded+r.Failed+r.Undelivered == 0 && r.Status == retl.Failed {
		return nil
	}
	var b strings.Builder
	b.WriteString(r.String())
	if j.former > 0 {
		fmt.Fprintf(&b, "%d messages that a former run had left in the spool were accepted\n", j.former)
	}
	if j.kept > 0 {
		fmt.Fprintf(&b, "%d messages are kept in the spool, for another run to deliver\n", j.kept)
	}
	if j.server != nil && j.server.Stats().Requests > 0 {
		writeArrived(&b, j.server, false)
	}
	if _, err := io.WriteString(stdout, b.String()); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func (j *modelJob) writeReport() error {
	if j.files.report == nil {
		return nil
	}
	enc := json.NewEncoder(j.files.report)
	enc.SetIndent("", "  ")
	if err := enc.Encode(j.report); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	return nil
}

func (j *modelJob) complete() bool {
	if j.options.dryRun || j.options.model.preflight {
		return !j.unfit
	}
	return j.report.Status == retl.Successful && j.failed.total() == 0 && j.kept == 0
}

// close ends what prepareModel has made, as far as it came.
func (j *modelJob) close() {
	j.job.close()
	if j.source != nil {
		j.source.Close()
	}
	if j.state != nil {
		j.state.close()
	}
}
