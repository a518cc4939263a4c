package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// options are the flags, checked one by one. Whether they go together is found out by those who use them.
type options struct {
	destination string // empty: the sample
	events      string // empty, or "sample": the sample; "-": standard input
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
	model       *modelOptions // nil: events
}

// texts are the names of the flags that have a value.
var texts = [...]string{
	"destination", "events", "endpoint", "region", "write-key", "rate", "report", "dead-letter", "replay", "spool", "checkpoint",
}

// switches are the names of those that have none.
var switches = [...]string{"dry-run", "adaptive"}

// parseFlags reads the command line. The error is flag.ErrHelp, or names every flag that is at fault; never a value, for that may
// be a write key in the wrong place.
func parseFlags(args []string) (options, error) {
	var o options
	values := make(map[string]*value)
	set := flag.NewFlagSet("sync", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	add := func(isBool bool, text string, names ...string) {
		for _, name := range names {
			values[name] = &value{isBool: isBool, text: text}
			set.Var(values[name], name, "")
		}
	}
	add(false, "", texts[:]...)
	add(false, "", modelTexts[:]...)
	add(true, "false", switches[:]...)
	add(true, "false", modelSwitches[:]...)

	if err := set.Parse(args); err != nil {
		return o, flagError(err)
	}
	if set.NArg() > 0 {
		return o, errors.New("there is an argument that belongs to no flag")
	}

	var problems []error
	problem := func(name, reason string) { problems = append(problems, fmt.Errorf("-%s: %s", name, reason)) }
	for _, name := range slices.Concat(texts[:], modelTexts[:]) {
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
	o.model = parseModel(&o, values, problem)
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
