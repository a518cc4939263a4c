package retl

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// configuration checks what Run checks before it begins, but for the region.
func (f *preflight) configuration() {
	err := f.sync.check()
	var fields *ConfigError
	var dest *profiles.DestinationError
	found := false
	switch {
	case errors.As(err, &fields):
		for _, problem := range fields.Problems {
			found = true
			advice := "Correct the destination's file."
			if strings.HasPrefix(problem.Error(), "the field ") {
				advice = "Set the field of the Sync."
			}
			f.add(CheckConfiguration, "", VerdictProblem, problem.Error(), advice)
		}
	case errors.As(err, &dest):
		for _, problem := range dest.Problems {
			if problem.Path == "/region" {
				continue // told under its own name
			}
			found = true
			f.add(CheckConfiguration, "", VerdictProblem, problem.Reason, "Correct the destination, or the model's ID, or the client's WriteKey.")
		}
	case err != nil:
		found = true
		f.add(CheckConfiguration, "", VerdictProblem, words(err), "Make the client with profiles.New.").Err = err
	}
	if !found {
		f.ok(CheckConfiguration, "", "the sync's fields are there and fit together")
	}
}

// endpointURL is the base URL that the client sends to; empty where it has a transport of its own, or there is no client.
func (f *preflight) endpointURL() string {
	switch {
	case f.client.Transport != nil:
		return ""
	case f.client.Endpoint != "":
		base, err := region.ParseTrackingURL(f.client.Endpoint)
		if err != nil {
			return ""
		}
		return base
	}
	return f.client.Region.Tracking()
}

// regionOf is the region whose Tracking API a base URL is, the zero Region for any other server.
func regionOf(base string) region.Region {
	for _, r := range []region.Region{region.NorthAmerica, region.Europe} {
		if base == r.Tracking() {
			return r
		}
	}
	return 0
}

const sameRegion = "All three have to be the region of the workspace, which its settings in the Segment app show: the destination's Endpoint Region, the client's Region, and the endpoint."

// region holds the regions of the destination, of the client and of the endpoint against each other.
func (f *preflight) region() {
	at := regionOf(f.endpointURL())
	var wanted region.Region
	if f.dest != nil {
		wanted = f.dest.Region()
	}
	switch {
	case f.sync.Client == nil:
		f.add(CheckRegion, "", VerdictNotChecked, "there is no client", "")
	case at.Valid() && f.client.Region.Valid() && at != f.client.Region:
		f.add(CheckRegion, "", VerdictProblem, fmt.Sprintf("the client's Region is %s, and its Endpoint is that of %s: data that is sent to the other region may be accepted and never appear", f.client.Region, at), sameRegion)
	case at.Valid() && wanted.Valid() && at != wanted:
		f.add(CheckRegion, "", VerdictProblem, fmt.Sprintf("the destination's Endpoint Region is %s, and the client sends to that of %s: data that is sent to the other region may be accepted and never appear", wanted, at), sameRegion)
	case wanted.Valid() && f.client.Region.Valid() && wanted != f.client.Region:
		f.add(CheckRegion, "", VerdictProblem, fmt.Sprintf("the destination's Endpoint Region is %s, and the client's Region is %s", wanted, f.client.Region), sameRegion)
	case !at.Valid():
		f.add(CheckRegion, "", VerdictNotChecked, "the client sends to a server or a transport of your own, of which the region is not known", "Make sure that what it passes on goes to the region of the workspace.")
	case !wanted.Valid():
		f.ok(CheckRegion, "", "the client sends to %s, and the destination names no region; whether the workspace is there, see %s", at, CheckSpace)
	default:
		f.ok(CheckRegion, "", "the client and the destination both say %s; whether the workspace is there, see %s", at, CheckSpace)
	}
}

// maxRate is how many events a second Segment takes from one workspace.
const maxRate = 1_000

// rate is how many events a second the client sends at most, +Inf without limit.
func (f *preflight) rate() float64 {
	switch {
	case f.client.Limiter != nil:
		return f.client.Limiter.EventsPerSecond()
	case f.client.EventsPerSecond < 0 && f.client.Adaptive, f.client.EventsPerSecond == 0:
		return maxRate
	case f.client.EventsPerSecond < 0:
		return math.Inf(1)
	}
	return f.client.EventsPerSecond
}

// limits checks numbers, and that anything is switched on.
func (f *preflight) limits() {
	before := len(f.report.Checks)
	if f.dest != nil {
		all, active := len(f.dest.Mappings()), len(f.mappings())
		switch {
		case !f.dest.Enabled():
			f.add(CheckLimits, "", VerdictProblem, "the destination is switched off: every row would be skipped, and the sync succeed", "Enable the destination.")
		case active == 0:
			f.add(CheckLimits, "", VerdictProblem, fmt.Sprintf("none of the destination's %s is switched on and takes the rows of this model: every row would be skipped, and the sync succeed", count(all, "mapping")),
				"Enable a mapping, or set Model.ID to the modelId that the mappings name.")
		}
	}
	if rate := f.rate(); rate > maxRate && f.client.Transport == nil && f.sync.Client != nil {
		at := regionOf(f.endpointURL())
		if at.Valid() {
			f.add(CheckLimits, "", VerdictWarning, "the client may send more than the 1,000 events a second that Segment takes from one workspace: what is beyond is refused and sent again", "Leave EventsPerSecond at 0, or set it to 1,000 or less.")
		}
	}
	if f.sync.Replay {
		f.add(CheckLimits, "", VerdictWarning, "Replay is set: all rows are sent again, changed or not", "Leave it off, unless it is meant.")
	}
	if len(f.report.Checks) > before {
		return
	}
	if f.dest == nil {
		f.add(CheckLimits, "", VerdictNotChecked, "there is no destination", "")
		return
	}
	f.ok(CheckLimits, "", "%s of %d %s this model's rows", count(len(f.mappings()), "mapping"), len(f.dest.Mappings()), verb(len(f.mappings()), "takes", "take"))
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// state checks that the state is this sync's.
func (f *preflight) state() {
	if f.ended(CheckState) {
		return
	}
	if f.sync.State == nil || f.dest == nil || f.sync.Client == nil {
		f.add(CheckState, "", VerdictNotChecked, "there is no state, no client or no destination", "")
		return
	}
	ctx, cancel := f.within()
	defer cancel()
	before, err := f.sync.readHead(ctx)
	opened := before
	if err == nil {
		opened, _, err = f.sync.bind(before)
	}
	var mismatch *MismatchError
	switch {
	case errors.As(err, &mismatch), errors.Is(err, errTooManyMappings):
		f.add(CheckState, "", VerdictProblem, strings.TrimPrefix(words(err), "retl: "), "Give each model and destination a state of its own. A state that is reset sends all rows again.").Err = err
		return
	case err != nil:
		f.add(CheckState, "", VerdictProblem, "the state cannot be read: "+strings.TrimPrefix(words(err), "retl: "), "See to its file or database before a sync.").Err = err
		return
	}
	f.head = before
	if before.Synced.IsZero() {
		f.ok(CheckState, "", "no sync was completed with this state: every row that it does not have counts as new")
		return
	}
	since := time.Since(before.Synced)
	switch {
	case since < -time.Minute:
		f.add(CheckState, "", VerdictWarning, fmt.Sprintf("the last sync was completed %s in the future: this machine's clock, or that of the one that ran it, is wrong", ago(-since)), "Set the clock.")
	case since < MinSyncInterval:
		f.add(CheckState, "", VerdictWarning, fmt.Sprintf("the last sync was completed %s ago: Segment's own leave %s between two", ago(since), ago(MinSyncInterval)), "It would run all the same.")
	}
	when := ", the last completed " + ago(since) + " ago"
	if since < 0 {
		when = ""
	}
	f.ok(CheckState, "", "the state is this sync's: %d rows after %s%s%s", before.Rows, count(before.Generation, "sync"), when, newMappings(opened.Mappings[len(before.Mappings):]))
}

// newMappings says which mappings the state has never seen, or not for their present Profile Space.
func newMappings(names []string) string {
	if len(names) == 0 {
		return ""
	}
	ids := make([]string, len(names))
	for i, name := range names { // the id, a space, and a checksum
		ids[i] = quoted(name[:max(0, strings.LastIndexByte(name, ' '))])
	}
	return "; new to it, so that every row will be sent to them: " + strings.Join(ids, ", ")
}

// ago is a time in words of at most two units.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return count(int(d/time.Second), "second")
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/(24*time.Hour)), "day")
}

// hostOf is the host of a base URL.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
}
