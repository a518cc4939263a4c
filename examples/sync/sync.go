package main

import (
	"cmp"
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
	exitFailed   = 2 // ran, and some records failed, not all were read, or messages are kept
)

// run is the program. The first of interrupts stops the reading, the second one, or the end of ctx, cancels.
func run(ctx context.Context, interrupts <-chan os.Signal, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		return demonstrate(ctx, interrupts, stdout, stderr)
	}
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
	var job task
	if o.model != nil {
		job, err = prepareModel(ctx, o, screen)
	} else {
		job, err = prepare(o, stdin, screen)
	}
	if err != nil {
		screen.printf("%v", err)
		return exitNotRun
	}
	defer job.close()

	screen.printf("%s", job.place())
	if err := job.run(ctx, interrupts, stdout); err != nil {
		screen.printf("%v", err)
		return exitNotRun
	}
	if !job.complete() {
		return exitFailed
	}
	return exitAccepted
}

// A task is one sync, ready to run: a *job of events, or a *modelJob.
type task interface {
	place() string // where the messages go, in words
	// run reads, delivers and reports. Its error is why the sync could not run, or write its output.
	run(ctx context.Context, interrupts <-chan os.Signal, stdout io.Writer) error
	complete() bool // everything was sent and accepted
	close()
}

// A job is one sync of events.
type job struct {
	options options
	input   *input
	dest    *profiles.Destination
	client  *profiles.Client
	server  *transporttest.Server // nil where the messages go elsewhere
	where   string                // in words
	files   outputs
	screen  *screen

	config       profiles.Config // of the client
	checkpoint   *checkpoint     // nil where none is wanted
	checkpointed int             // records left out
	begun        chan struct{}   // closed when what a spool delivers may be counted
	begin        func()          // closes it
	spooled      bool            // there is a spool

	failed      *failures
	report      *profiles.Report
	source      *source
	interrupted bool
	former      int   // messages accepted that a former run had left in the spool
	kept        int   // messages left there now
	err         error // of the checkpoint, or of the spool
}

func newJob(o options, screen *screen) *job {
	begun := make(chan struct{})
	return &job{
		options: o, screen: screen, begun: begun, begin: sync.OnceFunc(func() { close(begun) }),
		failed: &failures{screen: screen, replayed: o.replay, begun: begun, broken: make(chan struct{})},
	}
}

// prepare finds out everything that can be wrong before the first record is read: what it returns has sent nothing.
func prepare(o options, stdin io.Reader, screen *screen) (_ *job, err error) {
	j := newJob(o, screen)
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if j.input, err = openEvents(o.events, stdin); err != nil {
		return nil, err
	}
	if j.checkpoint, err = openCheckpoint(o.checkpoint, j.input); err != nil {
		return nil, err
	}
	j.checkpointed = j.checkpoint.start()
	resumed := j.checkpoint != nil && j.checkpoint.resumed
	if j.dest, err = loadDestination(o.destination, j.input, j.checkpointed); err != nil {
		return nil, err
	}
	if err = j.connect(); err != nil {
		return nil, err
	}
	if err = j.client.Check(j.dest); err != nil {
		return nil, fmt.Errorf("%w (see -write-key, -region)", inFile(err, o.destination))
	}
	if o.dryRun {
		j.checkpoint = nil // it is not moved
	}
	if err = j.checkpoint.save(); err != nil {
		return nil, err
	}
	if j.files, err = openOutputs(o); err != nil {
		return nil, err
	}
	j.failed.file = j.input.name
	if err = j.openSpool(); err != nil {
		return nil, err
	}
	if err = j.emptyOutputs(resumed); err != nil {
		return nil, err
	}
	return j, nil
}

// emptyOutputs readies the outputs for what this run writes.
func (j *job) emptyOutputs(resumed bool) (err error) {
	if err = j.files.empty(resumed); err != nil || j.options.deadLetter == "" {
		return err
	}
	if j.failed.out, err = profiles.OpenDeadLetterFile(j.options.deadLetter, 0); err != nil {
		return fmt.Errorf("-dead-letter: %w", err)
	}
	return nil
}

func (j *job) place() string { return j.where }

// connect makes the client, and the Tracking API that it sends to where no other is named.
func (j *job) connect() error {
	o := j.options
	cfg := profiles.Config{
		Region:          o.region,
		Endpoint:        o.endpoint,
		WriteKey:        o.writeKey,
		EventsPerSecond: o.rate,
		Adaptive:        o.adaptive,
		Window:          window(o.rate),
		DeadLetters:     j.failed.keep,
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
		if o.writeKey.IsZero() {
			cfg.WriteKey = profiles.NewWriteKey("this-program") // of the one Profile Space that there is here
		}
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
	j.client, j.config = client, cfg
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
	flags := map[string]string{"Endpoint": "-endpoint", "Region": "-region", "WriteKey": "-write-key", "EventsPerSecond": "-rate", "Spool": "-spool", "Spool.Dir": "-spool"}
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

func (j *job) run(ctx context.Context, interrupts <-chan os.Signal, stdout io.Writer) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx)) // what ends ctx has to go through giveUp
	defer cancel()
	j.report = profiles.NewReport(j.dest)
	j.source = newSource(work, j.input, j.checkpointed)
	j.failed.source = j.source
	j.begin()
	var watch sync.WaitGroup
	watch.Go(func() {
		if j.watch(ctx, work, interrupts) {
			j.giveUp(cancel)
		}
	})

	before, begun := j.client.Stats(), time.Now()
	var err, outErr error
	if j.options.dryRun {
		err, outErr = j.preview(work, stdout)
	} else {
		err = j.deliver(work)
	}
	after := j.client.Stats()
	j.report.Finish(before, after, time.Since(begun))
	j.former = after.Accepted - j.report.Accepted
	cancel()
	watch.Wait()
	j.err = errors.Join(j.err, j.save(), j.closeSpool())
	j.screen.done()

	j.interrupted = !j.source.ended
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, profiles.ErrClosed) {
		j.screen.printf("%s: reading stopped: %v", j.input.name, err)
	}
	j.failed.rest()
	return errors.Join(outErr, j.tell(stdout), j.writeReport(), j.failed.lost(), j.err)
}

// watch turns interrupts into an end of the reading, and then into an end. It returns when the work has ended, or true when what is
// left is to be given up.
func (j *job) watch(ctx, work context.Context, interrupts <-chan os.Signal) bool {
	select {
	case <-interrupts:
	case <-ctx.Done():
		return true
	case <-j.failed.broken:
		return true
	case <-work.Done():
		return false
	}
	var late <-chan time.Time
	if j.spooled {
		j.screen.printf("interrupted: delivering what was read for %s; what is left then, or at another interrupt, stays in the spool", drainTime)
		timer := time.NewTimer(drainTime)
		defer timer.Stop()
		late = timer.C
	} else {
		j.screen.printf("interrupted: delivering what was read; interrupt again to give it up")
	}
	j.source.stop()
	select {
	case <-interrupts:
		j.screen.printf("interrupted again: giving up what is left")
		return true
	case <-late:
		return true
	case <-ctx.Done():
		return true
	case <-j.failed.broken:
		return true
	case <-work.Done():
		return false
	}
}

// deliver processes the input, and what a former run has left in the spool. Its error is why the input was not read to its end.
func (j *job) deliver(ctx context.Context) (ended error) {
	outcomes := j.client.Process(ctx, j.dest, j.source.records(ctx))
	if j.options.replay {
		outcomes = j.client.Replay(ctx, letters(j.source.records(ctx)), j.dest.Spaces()...)
	}
	for outcome, err := range outcomes {
		if err != nil {
			ended = err
			break
		}
		j.settle(outcome)
	}
	if j.spooled {
		ended = cmp.Or(ended, j.client.Flush(ctx))
	}
	return ended
}

// settle takes the outcome of the oldest record that has not had one.
func (j *job) settle(outcome profiles.RecordOutcome) {
	line := j.source.taken()
	j.report.Add(outcome)
	j.failed.record(line, outcome)
	if j.failed.lost() == nil && j.checkpoint.move(outcome) { // a failure that is not written down is not in hand
		if err := j.save(); err != nil {
			j.err = err
			j.source.stop()
		}
	}
	j.screen.progress(j.report.Records, j.failed.total(), line.end, j.input.size)
}

// save writes the checkpoint. After an error it does nothing: that one is to be told.
func (j *job) save() error {
	if j.err != nil {
		return nil
	}
	return j.checkpoint.save()
}

// preview prints what deliver would send. It has two errors: why the input was not read to its end, and that of writing.
func (j *job) preview(ctx context.Context, stdout io.Writer) (err, outErr error) {
	index := j.checkpointed - 1
	for rec, err := range j.source.records(ctx) {
		var bad *profiles.BadRecord
		if err != nil && !errors.As(err, &bad) {
			return err, nil
		}
		index++
		outcome := profiles.RecordOutcome{Index: index}
		if bad != nil {
			outcome.Status = profiles.Invalid
			outcome.Outcomes = []profiles.Outcome{{Status: profiles.Invalid, Err: bad}}
			j.failed.dry(nil, outcome)
			j.settle(outcome)
			continue
		}
		p := j.client.Preview(j.dest, rec, index)
		outcome.Skip = p.Skip
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
		j.failed.dry(rec, outcome)
		j.settle(outcome)
	}
	return nil, nil
}

// complete tells whether everything was read, nothing failed and nothing is left.
func (j *job) complete() bool { return !j.interrupted && j.failed.total() == 0 && j.kept == 0 }

// close ends what prepare has made, as far as it came.
func (j *job) close() {
	j.begin() // nobody else will
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
	if j.failed.out != nil {
		j.failed.out.Close()
	}
}
