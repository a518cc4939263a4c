package retl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
)

const (
	// DefaultPreflightRows is Preflight.Rows where it is not set: what Segment's own preview shows of a model.
	DefaultPreflightRows = 10
	// MaxPreflightRows is how many rows a preflight reads at most, whatever Preflight.Rows says.
	MaxPreflightRows = 1_000
	// DefaultPreflightTimeout is Preflight.Timeout where it is not set.
	DefaultPreflightTimeout = 10 * time.Second
)

// A Preflight says how Sync.Preflight goes about it. The zero value works: it asks Segment's CDN, and not the Public API.
type Preflight struct {
	// CDN is where write keys are looked up. Defaults to Segment's.
	CDN publicapi.CDN
	// API, where set, is asked for the workspace's Profile Spaces: a client of the Public API of the sync's region, whose token has the
	// role Source Admin. Without it nobody can tell whether a write key is that of a Profile Space, nor of which region it is.
	API *publicapi.Client
	// OtherAPI, where set, is a client of the other region's Public API, with a token of its own. It is asked where a write key is not
	// among the spaces of API.
	OtherAPI *publicapi.Client
	// Space, where set, is the name, the slug or the id of the Profile Space that the client's write key is meant to be for; where the client
	// has none, one of the mappings' keys. It needs API.
	Space string
	// Rows is how many rows of the model are read at most, and kept in memory meanwhile; negative is none. Defaults to
	// DefaultPreflightRows; MaxPreflightRows at most.
	Rows int
	// Sample, where set, is read in the place of the model's Records. Set it, or a negative Rows, where these can be read only once, such
	// as NDJSON of a pipe: a sync would find them spent (ErrSpent).
	Sample iter.Seq2[profiles.Record, error]
	// SkipWriteKeys leaves the CDN alone: where the endpoint is a stand-in, its write keys are none of Segment's.
	SkipWriteKeys bool
	// Timeout bounds each thing that is asked over the network, its retries included, and the reading of the state. Defaults to
	// DefaultPreflightTimeout. The reading of rows is bounded by the context of the Preflight, between two rows, and by the source.
	Timeout time.Duration
}

// The names of checks, in the order in which they stand in a report, which is about from the cheapest to the dearest.
const (
	// CheckConfiguration: the sync's fields are there and fit together, as Run wants them.
	CheckConfiguration = "configuration"
	// CheckRegion: the destination's region is the client's, and the endpoint is of that region.
	CheckRegion = "region"
	// CheckLimits: the destination is switched on, and a mapping that takes the model's rows, and the rate is one that Segment takes. That
	// there are not more than profiles.MaxMappings is checked where a destination is loaded.
	CheckLimits = "limits"
	// CheckState: the state is this sync's, and when it was last used.
	CheckState = "state"
	// CheckEndpoint: the endpoint can be reached, and answers as the Tracking API does. Once for a sync.
	CheckEndpoint = "endpoint"
	// CheckClock: this machine's clock is that of the endpoint, within MaxClockSkew.
	CheckClock = "clock"
	// CheckWriteKey: a write key exists. Once for each key.
	CheckWriteKey = "write_key"
	// CheckSpace: a write key is that of a Profile Space of the workspace. Once for each key, and once for Preflight.Space.
	CheckSpace = "space"
	// CheckRows: the model can be read, and its first rows have keys and keep the limits. Once or more.
	CheckRows = "rows"
	// CheckMapping: what a mapping would make of these rows. Once or more for each mapping that takes the model's rows.
	CheckMapping = "mapping"
)

// Preflight looks for what makes a sync succeed and change no profile, or fail, before it is run: a wrong region or write key, an endpoint
// that is not the Tracking API, triggers that match nothing, rows without a key. It is for people, and for a job that starts anew.
//
// Nothing is sent that could become data: the Tracking API is asked to take a batch without messages, once. The state stays as it is.
// Of the model the first rows are read, and its Records left early. What one check finds does not stop the others, and whatever goes
// wrong is in the report. When ctx ends, what is left is not checked.
//
// The report holds ids and names of mappings, columns and spaces, and never a write key or a value of a row; what a source says of a row
// that it could not read (profiles.BadRecord) is shown as it is. No sync of the same State may run meanwhile.
func (s Sync) Preflight(ctx context.Context, p Preflight) PreflightReport {
	start := time.Now()
	f := &preflight{sync: &s, Preflight: p, ctx: ctx}
	if f.Timeout <= 0 {
		f.Timeout = DefaultPreflightTimeout
	}
	f.report = PreflightReport{Model: s.Model.Name, Started: start.UTC(), Checks: []Check{}}
	if s.Destination != nil {
		f.report.Destination = s.Destination.Name()
		f.dest = s.dest()
	}
	if s.Client != nil {
		f.client = s.Client.Config()
	}
	f.configuration()
	f.region()
	f.limits()
	f.state()
	f.endpoint()
	f.keys()
	f.rows()
	f.report.DurationSeconds = time.Since(start).Seconds()
	return f.report
}

// A preflight is one that is under way.
type preflight struct {
	Preflight
	ctx    context.Context // that of the call, which it lives as long as
	sync   *Sync
	dest   *profiles.Destination // for the model's rows; nil where there is none
	client profiles.Config       // the zero value where there is no client
	head   Head
	report PreflightReport
}

// add adds a check.
func (f *preflight) add(name, of string, verdict Verdict, found, advice string) *Check {
	f.report.Checks = append(f.report.Checks, Check{Name: name, Of: of, Verdict: verdict, Found: found, Advice: advice})
	return &f.report.Checks[len(f.report.Checks)-1]
}

func (f *preflight) ok(name, of, format string, args ...any) {
	f.add(name, of, VerdictOK, fmt.Sprintf(format, args...), "")
}

// within returns the context of one thing that is asked.
func (f *preflight) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(f.ctx, f.Timeout)
}

// ended tells whether ctx has ended, and says then that a check was not made.
func (f *preflight) ended(name string) bool {
	err := f.ctx.Err()
	if err != nil {
		f.add(name, "", VerdictNotChecked, "the preflight was ended before this", "Run it again, with more time.").Err = err
	}
	return err != nil
}

// mappings are those that a sync of the model runs rows through.
func (f *preflight) mappings() (active []*profiles.Mapping) {
	if f.dest == nil {
		return nil
	}
	for _, m := range f.dest.Mappings() {
		if m.Enabled() && (m.ModelID() == "" || m.ModelID() == f.sync.Model.ID) {
			active = append(active, m)
		}
	}
	return active
}

// words is the text of an error of our own making, which holds no value; of any other, whose text may hold anything, only what it is.
func words(err error) string { return strings.ReplaceAll(wordsOf(err), "\n", "; ") }

func wordsOf(err error) string {
	var (
		bad     *profiles.BadRecord
		key     *KeyError
		row     *RowError
		column  *ColumnError
		line    *LineError
		order   *OrderError
		state   *StateError
		use     *StateInUseError
		match   *MismatchError
		api     *publicapi.Error
		space   *publicapi.SpaceError
		config  *publicapi.ConfigError
		message *profiles.Error
		dest    *profiles.DestinationError
		setup   *ConfigError

		encoding *jsonenc.Error
	)
	switch {
	case errors.As(err, &message) && message.Err != nil: // whose own text has the messageId
		return cmp.Or(message.Err.Error(), message.Status.String())
	case errors.As(err, &line):
		return line.Error()
	case errors.As(err, &bad):
		return bad.Error()
	case errors.As(err, &encoding):
		return "a value " + encoding.Reason
	case errors.As(err, &key), errors.As(err, &row), errors.As(err, &column), errors.As(err, &order), errors.As(err, &state),
		errors.As(err, &use), errors.As(err, &match), errors.As(err, &api), errors.As(err, &space), errors.As(err, &config),
		errors.As(err, &dest), errors.As(err, &setup), errors.Is(err, ErrStateClosed), errors.Is(err, errTooManyMappings):
		return err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "time ran out"
	case errors.Is(err, context.Canceled):
		return "it was canceled"
	}
	return fmt.Sprintf("an error of type %T", innermost(err))
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// quoted shows a name that somebody has given: cut, and on one line.
func quoted(name string) string { return strconv.Quote(cutName(name)) }

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
