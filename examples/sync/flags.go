package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

const usage = `sync runs event payloads through a destination's mappings and delivers what they give.

Nothing leaves this machine unless -endpoint or -region is given: without them, the messages go to a Tracking API that is part
of this program, listens on loopback only, and keeps Segment's limits.

  sync [flags]

  -destination FILE   the destination and its mappings, as JSON; an answer of Segment's Public API serves as it is
                      (default: a sample)
  -events FILE|-      event payloads, one JSON object a line of at most 1 MiB; - reads standard input (default: a sample)
  -endpoint URL       send to this Tracking API: https, or http on loopback
  -region NAME        send to Segment's own Tracking API of north_america or europe
  -write-key KEY      the Profile Space of mappings without engage_space
  -rate N             events a second: 0 is the default of 1000, below 0 is without limit
  -adaptive           send slower where the server takes less than -rate; below 0, begin at 1000 and find out how much it takes
  -dry-run            print the messages, one a line, and send nothing
  -report FILE        write what was counted, as JSON
  -dead-letter FILE   write what failed, and why, one JSON object a line; it holds personal data
  -replay FILE        send the messages of a dead-letter file again, under their messageIds, instead of -events; what fails again
                      is written to -dead-letter, another file
  -spool DIR          keep messages in this directory until they have their outcome; it holds personal data
  -checkpoint FILE    note how many records are done with, and go on from there when started again with the same -events file

With -spool, messages outlive a kill or a power cut: the next run with the same directory and endpoint delivers what is left,
also where it has no events. A message of a key that is refused is kept, too, and tried again. The dead letter of a message that
the server refused has its message, but not its line, as it may have been read by a former run.

With -checkpoint, a record is done with when it was accepted, skipped, or has failed for what it holds and is in the -dead-letter
file, if there is one; with -spool also when its messages stay there. The first record that is not is read again, and all behind
it, under the same messageIds, so that Segment drops repeats. Going on from a checkpoint, the -dead-letter file is appended to; what
failed after the checkpoint was written last is in it twice then. Lines that are not JSON count as records, empty lines do not.

The first interrupt (SIGINT, SIGTERM) stops reading, delivers what was read and reports; a second one gives up what is left. With
-spool nothing is given up: what is not delivered within 10 s of the first one, or at the second, stays in the spool.

Exit status: 0 where everything was accepted, 1 where sync could not run or not write its output, 2 where it ran and records
failed, not all were read, or messages are kept in the spool.
`

// options are the flags, checked one by one. Whether they go together is found out by those who use them.
type options struct {
	destination string // empty: the sample
	events      string // empty: the sample; "-": standard input
	replay      bool   // events are dead letters
	endpoint    string
	region      region.Region
	writeKey    profiles.WriteKey
	rate        float64
	adaptive    bool
	dryRun      bool
	report      string
	deadLetter  string
	spool       string
	checkpoint  string
}

// texts are the names of the flags that have a value.
var texts = [...]string{
	"destination", "events", "endpoint", "region", "write-key", "rate", "report", "dead-letter", "replay", "spool", "checkpoint",
}

// parseFlags reads the command line. The error is flag.ErrHelp, or names every flag that is at fault; never a value, for that may
// be a write key in the wrong place.
func parseFlags(args []string) (options, error) {
	var o options
	values := make(map[string]*value)
	set := flag.NewFlagSet("sync", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, name := range texts {
		values[name] = new(value)
		set.Var(values[name], name, "")
	}
	for _, name := range []string{"dry-run", "adaptive"} {
		values[name] = &value{isBool: true, text: "false"}
		set.Var(values[name], name, "")
	}

	if err := set.Parse(args); err != nil {
		return o, flagError(err)
	}
	if set.NArg() > 0 {
		return o, errors.New("there is an argument that belongs to no flag")
	}

	var problems []error
	problem := func(name, reason string) { problems = append(problems, fmt.Errorf("-%s: %s", name, reason)) }
	for _, name := range texts {
		if v := values[name]; v.given && v.text == "" {
			problem(name, "is empty")
		}
	}
	var err error
	if o.dryRun, err = strconv.ParseBool(values["dry-run"].text); err != nil {
		problem("dry-run", "takes no value")
	}
	if o.adaptive, err = strconv.ParseBool(values["adaptive"].text); err != nil {
		problem("adaptive", "takes no value")
	}
	if v := values["region"]; v.text != "" {
		if o.region, err = region.Parse(v.text); err != nil {
			problem("region", "must be north_america or europe")
		}
	}
	if v := values["rate"]; v.text != "" {
		o.rate, err = strconv.ParseFloat(v.text, 64)
		if err != nil || math.IsNaN(o.rate) || math.IsInf(o.rate, 0) {
			problem("rate", "must be a number")
		}
	}
	if v := values["write-key"]; v.text != "" {
		o.writeKey = profiles.NewWriteKey(v.text)
		if err := o.writeKey.Err(); err != nil {
			problem("write-key", err.Error())
		}
	}
	o.destination = values["destination"].text
	o.events = values["events"].text
	o.endpoint = values["endpoint"].text
	o.report = values["report"].text
	o.deadLetter = values["dead-letter"].text
	o.spool = values["spool"].text
	o.checkpoint = values["checkpoint"].text
	if letters := values["replay"].text; letters != "" {
		if o.events != "" {
			problem("replay", "must not be given beside -events")
		}
		if o.dryRun {
			problem("replay", "must not be given beside -dry-run: the file shows what would be sent")
		}
		if o.spool != "" {
			problem("replay", "must not be given beside -spool: what fails could be of an earlier run")
		}
		o.events, o.replay = letters, true
	}
	if o.spool != "" && o.endpoint == "" && !o.region.Valid() && values["region"].text == "" && !o.dryRun {
		problem("spool", "needs -endpoint or -region: this program's own Tracking API is another one each time")
	}
	return o, errors.Join(problems...)
}

// flagError returns a parser's error without what it may quote of a value. The values themselves cannot cause one.
func flagError(err error) error {
	if what, _, quoted := strings.Cut(err.Error(), ": "); quoted && strings.Contains(what, "syntax") {
		return errors.New(what)
	}
	return err
}

// A value keeps a flag's text as it is. It takes everything: package flag would quote what it refused.
type value struct {
	text   string
	given  bool
	isBool bool
}

func (v *value) Set(text string) error {
	v.text, v.given = text, true
	return nil
}

func (v *value) String() string   { return "" }
func (v *value) IsBoolFlag() bool { return v.isBool }
