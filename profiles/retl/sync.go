package retl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

const (
	// DefaultSortBytes is Sync.SortBytes where it is not set: 64 MiB.
	DefaultSortBytes = 64 << 20
	// DefaultMaxTries is Sync.MaxTries where it is not set: what Segment's own reverse ETL does.
	DefaultMaxTries = 5
	// DefaultSamples is Sync.Samples where it is not set.
	DefaultSamples = 3
)

// A Sync sends what has changed in a model since the last sync of the same State. A value may be run again, one run at a time for each
// State.
//
// A mapping that is edited under the same id is not run again for rows that have not changed: set Replay once. One with a new id is sent every
// row. One that was switched off for a while is sent what has changed meanwhile, but for rows that came and went in that time.
//
// The state moves only past what was accepted, mapping by mapping. A row that failed, or could not be delivered, is sent again by the next
// sync, in the version that it has then. When the process dies, the next sync finds what was accepted and sends the rest: rows that
// were on their way go again under the same messageIds, and Segment drops those that it has.
type Sync struct {
	Client      *profiles.Client      // required
	Destination *profiles.Destination // required; see Client.Check
	Model       Model                 // required
	// State is required. It is good for one model, one destination and one place: what was sent to a stand-in says nothing of Segment. Other
	// write keys of mappings, or of the client, count as mappings that were sent nothing.
	State State

	// Limit is how many rows that have changed are sent at most, those with the lowest keys first, 0 for all. The rest waits for the next
	// sync.
	Limit int
	// AllowEmpty lets a model that returns no rows delete all rows of the last sync. Without it that is ErrEmptyModel.
	AllowEmpty bool
	// Replay sends all rows again, changed or not, as new ones and under new messageIds. A replay that has not come to its end, because of
	// Limit or for any other reason, is gone on with by the next sync, whatever that one's Replay says; when it has, Replay begins another.
	// (Client.Replay is for dead letters.)
	Replay bool
	// RetryGivenUp tries rows again that were given up: see MaxTries.
	RetryGivenUp bool
	// MaxFailureRate ends the sync with a *FailureRateError when more than this share, from 0 to 1, has failed of the rows that were sent or
	// could not be, counted from the hundredth on. Unchanged rows do not count. 0 is no limit.
	MaxFailureRate float64
	// MaxTries is how many syncs try a row that fails for a reason of its own, before it is given up: left alone until it changes, or until a
	// sync with RetryGivenUp or Replay. Reports count the rows that are left alone. Defaults to DefaultMaxTries. A row that could not be
	// delivered is tried for ever.
	MaxTries int
	// Samples is how many samples the report has of each reason for which rows failed; negative is none. Defaults to DefaultSamples. A
	// sample holds the row's key and message: personal data.
	Samples int
	// HashOnly keeps nothing of rows in the state but checksums and the names of columns: it holds no personal data but the keys. DryRun can
	// then not tell what a column was before.
	HashOnly bool
	// SortBytes is about how much memory the sorting of a model that is not Ordered takes. Defaults to DefaultSortBytes.
	SortBytes int
	// TempDir is where rows are sorted that do not fit. Defaults to the system's directory for temporary files. The files are for their
	// owner alone, and are removed when the sync ends.
	TempDir string
	// Progress, where set, is called with the report as it stands, after every 2,048 rows that have ended, and at the end, and by the goroutine that
	// called Run. It must not keep the report's slices.
	Progress func(Report)
}

// A ConfigError lists everything that is wrong with a Sync.
type ConfigError struct{ Problems []error }

// Error lists the problems, one a line where there are several.
func (e *ConfigError) Error() string { return "retl: " + errors.Join(e.Problems...).Error() }

// Unwrap returns the problems.
func (e *ConfigError) Unwrap() []error { return e.Problems }

// A MismatchError is a state that belongs to something else: what its rows were sent to says nothing of this sync.
type MismatchError struct {
	What      string // model, key column or destination
	Has, Want string // the state's, and the sync's
}

// Error says what does not match, and what to do.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("retl: the state belongs to the %s %q, and this is %q: give each its own state, or Reset it", e.What, e.Has, e.Want)
}

// A FailureRateError ends a sync in which too many rows failed: see Sync.MaxFailureRate.
type FailureRateError struct {
	Failed, Rows int64
	Max          float64
}

// Error says how many failed, and what was allowed.
func (e *FailureRateError) Error() string {
	return fmt.Sprintf("retl: %d of %d rows have failed, more than the share of %g that is allowed: the report has the reasons", e.Failed, e.Rows, e.Max)
}

// An UndeliveredError ends a sync in which a row could not be delivered, for no fault of its own. The next sync sends it.
type UndeliveredError struct{ Err error }

// Error says why.
func (e *UndeliveredError) Error() string {
	return "retl: a row could not be delivered, and the next sync tries again: " + e.Err.Error()
}

// Unwrap returns what became of the row's message, a *profiles.Error.
func (e *UndeliveredError) Unwrap() error { return e.Err }

// check returns a *ConfigError where the sync cannot be run.
func (s *Sync) check() error {
	problems := s.Model.check()
	if s.Client == nil {
		problems = append(problems, errors.New("the field Client is required"))
	}
	if s.Destination == nil {
		problems = append(problems, errors.New("the field Destination is required"))
	}
	if s.State == nil {
		problems = append(problems, errors.New("the field State is required"))
	}
	if !(s.MaxFailureRate >= 0 && s.MaxFailureRate <= 1) {
		problems = append(problems, errors.New("the field MaxFailureRate must be from 0 to 1"))
	}
	if s.Limit < 0 {
		problems = append(problems, errors.New("the field Limit must not be negative"))
	}
	if len(problems) > 0 {
		return &ConfigError{problems}
	}
	if err := s.Client.Check(s.dest()); err != nil {
		return err
	}
	if problems = s.checkMappings(); len(problems) > 0 {
		return &ConfigError{problems}
	}
	return nil
}

// checkMappings lists what would have rows taken for sent that nobody was sent.
func (s *Sync) checkMappings() (problems []error) {
	if !s.Destination.Enabled() {
		problems = append(problems, errors.New("the destination is switched off"))
	}
	active := 0
	for _, m := range s.Destination.Mappings() {
		if !s.takes(m) {
			continue
		}
		if !m.HasID() {
			problems = append(problems, fmt.Errorf("the mapping at place %q has no id: without one it would be taken for another when the file changes", m.ID()))
		}
		if m.Enabled() {
			active++
		}
	}
	if active == 0 {
		problems = append(problems, errors.New("no mapping that is switched on takes the model's rows"))
	}
	return problems
}

// dest is the destination for the model's rows.
func (s *Sync) dest() *profiles.Destination { return s.Destination.For(s.input()) }

func (s *Sync) input() profiles.Input {
	return profiles.Input{Name: s.Model.Name, Model: s.Model.ID}
}

// readHead returns the state's head.
func (s *Sync) readHead(ctx context.Context) (Head, error) {
	head, err := s.State.Head(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("retl: reading the state: %w", err)
	}
	return head, nil
}

// bind makes the head of a state that of this sync, and gives each mapping its bit.
func (s *Sync) bind(head Head) (Head, mappingBits, error) {
	for _, of := range []struct{ what, has, want string }{
		{"model", head.Model, s.Model.Name}, {"key column", head.Key, s.Model.Key}, {"destination", head.Destination, s.Destination.Name()},
	} {
		if head.Model != "" && of.has != of.want {
			return head, mappingBits{}, &MismatchError{What: of.what, Has: of.has, Want: of.want}
		}
	}
	head.Model, head.Key, head.Destination = s.Model.Name, s.Model.Key, s.Destination.Name()
	if s.Replay && head.Replaying == 0 {
		head.Replaying = past(head)
	}
	bits := mappingBits{names: slices.Clone(head.Mappings), bits: make(map[string]uint64)}
	for _, m := range s.Destination.Mappings() {
		if !s.takes(m) {
			continue
		}
		space := m.Space()
		if space.IsZero() {
			space = s.Client.Config().WriteKey
		}
		if err := bits.add(m.ID(), m.ID()+" "+messageid.Hash("space", space.Reveal()), m.Enabled()); err != nil {
			return head, bits, err
		}
	}
	head.Mappings = bits.names
	return head, bits, nil
}

// takes tells whether a mapping takes the model's rows, or would if it were switched on.
func (s *Sync) takes(m *profiles.Mapping) bool { return m.ModelID() == "" || m.ModelID() == s.Model.ID }

// past is a version that no row has had: their versions grow by one a sync at most, which are not that frequent.
func past(head Head) int { return max(head.Generation+1, int(time.Now().Unix())) }

// emptied is the head of a state that forgets its rows, and keeps what makes messageIds new.
func emptied(head Head) Head { return Head{Generation: past(head)} }

// Reset forgets what was sent: the next sync takes every row for a new one, and sends it under a new messageId. Rows that were deleted
// since the last sync are not sent as deleted any more. It changes nothing where it fails, with an error of the State.
func (s Sync) Reset(ctx context.Context) error {
	if s.State == nil {
		return &ConfigError{[]error{errors.New("the field State is required")}}
	}
	head, err := s.State.Head(ctx)
	if err == nil {
		err = s.State.Reset(ctx, emptied(head))
	}
	if err != nil {
		return fmt.Errorf("retl: resetting the state: %w", err)
	}
	return nil
}

// differ makes what compares the model to the state.
func (s *Sync) differ(head Head, bits mappingBits) *differ {
	d := &differ{
		model: &s.Model, state: s.State, head: head, active: bits.active, idle: bits.idle, names: s.HashOnly, empty: s.AllowEmpty,
		retry: s.RetryGivenUp, dir: s.TempDir, memory: s.SortBytes, found: time.Now().UTC().Truncate(time.Microsecond),
	}
	if d.memory <= 0 {
		d.memory = DefaultSortBytes
	}
	return d
}

// A mappingBits gives mappings their bits in a state's entries.
type mappingBits struct {
	names        []string // all that the state knows
	bits         map[string]uint64
	active, idle uint64 // those that are switched on, and off
}

// maxMappings is how many bits there are.
const maxMappings = 64

// errTooManyMappings: a state has a bit for each mapping that it ever had.
var errTooManyMappings = errors.New("retl: the state has known more than 64 mappings over time, those of other write keys included: Reset it")

// add gives a mapping its bit. Its name in the state says for which Profile Space it is: another one has been sent nothing.
func (b *mappingBits) add(id, name string, on bool) error {
	i := slices.Index(b.names, name)
	if i < 0 {
		i = len(b.names)
		if i == maxMappings {
			return errTooManyMappings
		}
		b.names = append(b.names, name)
	}
	b.bits[id] = 1 << i
	if on {
		b.active |= 1 << i
	} else {
		b.idle |= 1 << i
	}
	return nil
}

// record is a row as a mapping sees it. columns becomes part of it.
func record(e Event, found time.Time, key string, columns profiles.Record) profiles.Record {
	columns[segmentID] = key
	return profiles.Record{"type": "track", "event": string(e), "timestamp": found.Format(time.RFC3339Nano), "properties": map[string]any(columns)}
}
