package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// The exit statuses.
const (
	exitAccepted = 0
	exitNotRun   = 1 // could not run, or not write its output
	exitFailed   = 2 // ran, and some records failed or not all were read
)

// run is the program. The first of interrupts stops the reading, the second one, or the end of ctx, cancels.
func run(ctx context.Context, interrupts <-chan os.Signal, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	screen := newScreen(stderr)
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitAccepted
	}
	if err != nil {
		screen.printf("%v", err)
		screen.printf("sync -h lists the flags")
		return exitNotRun
	}
	job, err := prepare(o, stdin, screen)
	if err != nil {
		screen.printf("%v", err)
		return exitNotRun
	}
	defer job.close()

	screen.printf("%s", job.where)
	if err := job.run(ctx, interrupts, stdout); err != nil {
		screen.printf("%v", err)
		return exitNotRun
	}
	if !job.complete() {
		return exitFailed
	}
	return exitAccepted
}

// A job is one sync, ready to run.
type job struct {
	options options
	input   *input
	dest    *profiles.Destination
	client  *profiles.Client
	server  *transporttest.Server // nil where the messages go elsewhere
	where   string                // in words
	files   outputs
	screen  *screen

	failed      *failures
	report      *profiles.Report
	source      *source
	interrupted bool
}

// prepare finds out everything that can be wrong before the first record is read: what it returns has sent nothing.
func prepare(o options, stdin io.Reader, screen *screen) (_ *job, err error) {
	j := &job{options: o, screen: screen}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if j.input, err = openEvents(o.events, stdin); err != nil {
		return nil, err
	}
	if j.dest, err = loadDestination(o.destination, j.input); err != nil {
		return nil, err
	}
	if err = j.connect(); err != nil {
		return nil, err
	}
	if err = j.client.Check(j.dest); err != nil {
		return nil, fmt.Errorf("%w (see -write-key, -region)", inFile(err, o.destination))
	}
	if j.files, err = openOutputs(o); err != nil {
		return nil, err
	}
	return j, nil
}

// connect makes the client, and the Tracking API that it sends to where no other is named.
func (j *job) connect() error {
	o := j.options
	cfg := profiles.Config{
		Region:          o.region,
		Endpoint:        o.endpoint,
		WriteKey:        o.writeKey,
		EventsPerSecond: o.rate,
		Window:          window(o.rate),
		Hooks:           profiles.Hooks{Attempt: j.waiting()},
	}
	switch {
	case o.dryRun:
		j.where = "A dry run: nothing is sent."
	case o.endpoint != "":
		j.where = "Sending to the endpoint."
	case o.region.Valid():
		j.where = "Sending to Segment's Tracking API of " + o.region.String() + "."
	}
	if o.endpoint == "" && !o.region.Valid() {
		if o.dryRun {
			cfg.Transport = new(transporttest.Recorder) // a client has to have one
		} else {
			server, err := transporttest.StartServer(transporttest.ServerConfig{})
			if err != nil {
				return fmt.Errorf("starting the Tracking API: %w", err)
			}
			j.server = server
			cfg.Endpoint = server.URL()
			j.where = "Nothing leaves this machine: sending to this program's own Tracking API on loopback (see -endpoint, -region)."
		}
	}
	client, err := profiles.New(cfg)
	if err != nil {
		return flagsOf(err)
	}
	j.client = client
	if u, err := url.Parse(o.endpoint); err == nil && u.Host != "" && !o.dryRun {
		j.where = "Sending to " + u.Host + "."
	}
	return nil
}

// flagsOf names what is wrong with the client's config by the flags that it comes from.
func flagsOf(err error) error {
	var config *profiles.ConfigError
	if !errors.As(err, &config) {
		return err
	}
	flags := map[string]string{"Endpoint": "-endpoint", "Region": "-region", "WriteKey": "-write-key", "EventsPerSecond": "-rate"}
	var problems []error
	for _, p := range config.Problems {
		name := flags[p.Field]
		if name == "" {
			name = p.Field
		}
		problems = append(problems, fmt.Errorf("%s: %s", name, p.Reason))
	}
	return errors.Join(problems...)
}

// inFile adds to what is wrong with a destination the file that it is in.
func inFile(err error, path string) error {
	var dest *profiles.DestinationError
	if errors.As(err, &dest) && path != "" {
		dest.File = path
	}
	return err
}

// window returns how many records to read ahead: what is delivered in two seconds, so that an interrupt is soon followed by the
// end, and enough of them to fill the batches.
func window(rate float64) int {
	switch {
	case rate < 0:
		return profiles.DefaultWindow
	case rate == 0:
		rate = transport.DefaultEventsPerSecond
	}
	return int(math.Ceil(min(max(2*rate, 10), profiles.DefaultWindow)))
}

// waiting returns a hook that tells why nothing moves, once a second at most.
func (j *job) waiting() func(profiles.Attempt) {
	var mu sync.Mutex
	var next time.Time
	return func(a profiles.Attempt) {
		var cause *transport.Error
		if !errors.As(a.Err, &cause) || cause.Class != transport.Retry {
			return
		}
		mu.Lock()
		due := !time.Now().Before(next)
		if due {
			next = time.Now().Add(time.Second)
		}
		mu.Unlock()
		if !due {
			return
		}
		wait := ""
		if a.RetryAfter > 0 {
			wait = fmt.Sprintf(" after %s, as the server asks", a.RetryAfter.Round(time.Millisecond))
		}
		j.screen.printf("%d messages will be sent again%s: %v", a.Messages, wait, cause)
	}
}

// run reads, delivers and reports. Its error is about the program's own output.
func (j *job) run(ctx context.Context, interrupts <-chan os.Signal, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.report = profiles.NewReport(j.dest)
	j.failed = &failures{file: j.input.name, screen: j.screen, stop: func() { j.source.stop() }}
	if j.files.deadLetter != nil {
		j.failed.out = j.files.deadLetter
	}
	j.source = newSource(ctx, j.input, j.files.deadLetter != nil, j.failed.line)
	var watch sync.WaitGroup
	watch.Go(func() { j.watch(ctx, cancel, interrupts) })

	before, begun := j.client.Stats(), time.Now()
	var err, outErr error
	if j.options.dryRun {
		err, outErr = j.preview(ctx, stdout)
	} else {
		err = j.deliver(ctx)
	}
	j.report.Finish(before, j.client.Stats(), time.Since(begun))
	cancel()
	watch.Wait()
	j.screen.done()

	j.interrupted = !j.source.ended
	if err != nil && !errors.Is(err, context.Canceled) {
		j.screen.printf("%s: reading stopped: %v", j.input.name, err)
	}
	if n := j.failed.total() - maxTold; n > 0 {
		j.screen.printf("and %d more failures", n)
	}
	return errors.Join(outErr, j.tell(stdout), j.writeReport(), j.failed.lost())
}

// watch turns interrupts into an end of the reading, and then into an end.
func (j *job) watch(ctx context.Context, cancel func(), interrupts <-chan os.Signal) {
	select {
	case <-interrupts:
	case <-ctx.Done():
		return
	}
	j.screen.printf("interrupted: delivering what was read; interrupt again to give it up")
	j.source.stop()
	select {
	case <-interrupts:
		j.screen.printf("interrupted again: giving up what is left")
		cancel()
	case <-ctx.Done():
	}
}

// deliver processes the input. Its error is why the input was not read to its end.
func (j *job) deliver(ctx context.Context) error {
	for outcome, err := range j.client.Process(ctx, j.dest, j.source.records(ctx)) {
		if err != nil {
			return err
		}
		j.settle(outcome)
	}
	return nil
}

// settle takes the outcome of the oldest record that has not had one. A tool that keeps a checkpoint would move it here.
func (j *job) settle(outcome profiles.RecordOutcome) {
	line := j.source.taken()
	j.report.Add(outcome)
	j.failed.record(line, outcome)
	j.screen.progress(j.report.Records, j.failed.total(), line.end, j.input.size)
}

// preview prints what deliver would send. It has two errors: why the input was not read to its end, and that of writing.
func (j *job) preview(ctx context.Context, stdout io.Writer) (err, outErr error) {
	index := 0
	for rec, err := range j.source.records(ctx) {
		if err != nil {
			return err, nil
		}
		p := j.client.Preview(j.dest, rec, index)
		outcome := profiles.RecordOutcome{Index: index, Skip: p.Skip}
		if len(p.Messages) == 0 {
			outcome.Status = profiles.Skipped
		}
		for _, m := range p.Messages {
			o := profiles.Outcome{MessageID: m.MessageID, Mapping: m.Mapping.ID()}
			if m.Err != nil {
				o.Status, o.Err = profiles.Invalid, m.Err
			} else if _, err := stdout.Write(append(m.Message, '\n')); err != nil {
				return nil, fmt.Errorf("standard output: %w", err)
			}
			outcome.Outcomes = append(outcome.Outcomes, o)
		}
		j.settle(outcome)
		index++
	}
	return nil, nil
}

// complete tells whether everything was read and nothing failed.
func (j *job) complete() bool { return !j.interrupted && j.failed.total() == 0 }

// close ends what prepare has made, as far as it came.
func (j *job) close() {
	if j.client != nil {
		j.client.Close()
	}
	if j.server != nil {
		j.server.Close()
	}
	if j.input != nil {
		j.input.close()
	}
	j.files.close()
}
