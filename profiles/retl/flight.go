package retl

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

const (
	// together is how many rows the state is told of at once, before they are sent and after: to sync each by itself would be slow.
	together = 2048
	// togetherBytes is how large the rows may be that are kept for that.
	togetherBytes = 4 << 20
)

// A flight is a sync that runs. One goroutine compares and hands records to the client, that which called Run takes the outcomes.
type flight struct {
	sync *Sync
	was  Head // the state's, before
	head Head
	bits mappingBits
	diff *differ

	// Only the goroutine that compares uses these.
	entries []Entry // of rows that the state is to be told of before they are sent
	ready   []readyRow
	bytes   int
	columns map[string]struct{}
	sent    int
	row     profiles.Row // of the record that the client is given
	yield   func(profiles.Record, error) bool

	told bool        // the state was told of rows
	stop atomic.Bool // nothing more is to be sent

	mu     sync.Mutex
	flying []flying // records that the client has, in their order
	report Report

	// Only the goroutine that takes outcomes uses these.
	marks    []Mark
	err      error // why it was stopped
	canceled error // of a row that the client gave up
}

// A readyRow is a row that the state is about to be told of.
type readyRow struct {
	entry   Entry
	pending uint64
	columns profiles.Record // nil where it was deleted
	kind    event
	again   bool
}

// A flying is a record whose outcome is not known.
type flying struct {
	row   *rowState
	takes uint64 // the mappings that it is for
	last  bool   // of its row
}

// A rowState is what becomes of a row, over all of its records.
type rowState struct {
	entry                Entry // without the row
	deleted              bool
	failed, taken        uint64 // mappings for which it failed, and may have been taken all the same
	undelivered, accepts uint64
}

// Run runs a sync. The report is whole also where there is an error, which is
//
//   - a *ConfigError, a *MismatchError, or a *profiles.DestinationError, before anything is done;
//   - ctx's, an error of the model's source or an *OrderError, ErrEmptyModel, a *FailureRateError, an *UndeliveredError, an error of the
//     client or of the state: the sync has ended early, what was accepted until then is kept, and the next sync goes on from there.
//
// Rows that failed are no error: the report has them, and Status is PartiallySuccessful.
//
// When ctx ends, what is queued is canceled, and Run returns when what is on the wire has its answer, after Config.AttemptTimeout at most.
func (s Sync) Run(ctx context.Context) (Report, error) {
	start := time.Now()
	failed := func(err error) (Report, error) {
		return Report{Status: Failed, Model: s.Model.Name, Started: start.UTC(), Error: err.Error()}, err
	}
	if err := s.check(); err != nil {
		return failed(err)
	}
	was, err := s.readHead(ctx)
	if err != nil {
		return failed(err)
	}
	head, bits, err := s.bind(was)
	if err != nil {
		return failed(err)
	}
	// Before the first row is on its way: what its entry's bits mean, and whose it is, has to outlive a kill.
	if !reflect.DeepEqual(was, head) {
		if err := s.State.Commit(ctx, head); err != nil {
			return failed(fmt.Errorf("retl: writing the state: %w", err))
		}
	}
	f := &flight{sync: &s, was: was, head: head, bits: bits, columns: make(map[string]struct{}), report: Report{
		Status: InProgress, Model: s.Model.Name, Destination: s.Destination.Name(), Started: start.UTC(),
		Mappings: []MappingReport{}, Reasons: []Reason{},
	}}
	for _, m := range s.Destination.Mappings() {
		if bits.bits[m.ID()] != 0 {
			f.report.Mappings = append(f.report.Mappings, MappingReport{ID: m.ID(), Name: m.Name(), Action: m.Kind().String()})
		}
	}
	for _, column := range head.Columns {
		f.columns[column] = struct{}{}
	}
	f.diff = s.differ(head, bits)
	f.diff.changed, f.diff.gone, f.diff.failed = f.change, f.forget, f.unreadable
	err = f.run(ctx)
	return f.end(ctx, start, err)
}

// run goes through the model, and takes the outcomes. Its error is why it has not come to the end.
func (f *flight) run(ctx context.Context) error {
	in := f.sync.input()
	in.Row = func(profiles.Record) profiles.Row { return f.row }
	source := func(yield func(profiles.Record, error) bool) {
		f.yield = yield
		err := f.diff.run(ctx)
		if err == errEnough {
			err = nil
		}
		if err == nil && !f.stop.Load() {
			err = f.send(ctx)
		}
		if err != nil && err != errLeft {
			yield(nil, err)
		}
	}
	var ended error
	for o, err := range f.sync.Client.Process(ctx, f.sync.Destination.For(in), source) {
		if err != nil {
			ended = err
			break
		}
		if err := f.outcome(ctx, o); err != nil {
			f.fail(err)
		}
	}
	switch {
	case f.err != nil:
		return f.err
	case ended == nil && f.canceled != nil && ctx.Err() != nil:
		return ctx.Err()
	case ended == nil && f.canceled != nil:
		return &UndeliveredError{f.canceled}
	}
	return ended
}

// errLeft ends the comparing where the client takes no more.
var errLeft = errors.New("the client takes no more")

// change is told of each row that has to be sent.
func (f *flight) change(c rowChange) error {
	if f.stop.Load() {
		return errEnough
	}
	if f.sync.Limit > 0 && f.sent >= f.sync.Limit {
		f.mu.Lock()
		f.report.Limited = true
		f.mu.Unlock()
		return errEnough
	}
	f.sent++
	r := readyRow{entry: c.entry, pending: c.pending, kind: c.kind(), again: c.again}
	r.entry.Row = nil
	if !c.deleted() {
		columns, err := c.row.columns()
		if err != nil {
			return fmt.Errorf("retl: reading a row back: %w", err)
		}
		for column := range columns {
			if len(f.columns) < MaxColumns { // more is for a source whose rows have ever other columns
				f.columns[column] = struct{}{}
			}
		}
		r.columns = columns
		f.bytes += len(c.row.text)
		if !f.sync.HashOnly {
			r.entry.Row = slices.Clone(c.row.text)
		}
	}
	f.entries = append(f.entries, r.entry)
	f.ready = append(f.ready, r)
	return f.sendIfMany()
}

// forget is told of each entry that is not needed any more.
func (f *flight) forget(key string) error {
	f.entries = append(f.entries, Entry{Key: key, Gone: true})
	return f.sendIfMany()
}

func (f *flight) sendIfMany() error {
	if len(f.entries) < together && f.bytes < togetherBytes {
		return nil
	}
	return f.send(context.Background())
}

// send tells the state of the rows that have gathered, and then the client.
func (f *flight) send(ctx context.Context) error {
	if len(f.entries) == 0 {
		return nil
	}
	f.told = true
	if err := f.sync.State.Sending(context.WithoutCancel(ctx), f.entries); err != nil {
		return fmt.Errorf("retl: writing the state: %w", err)
	}
	for i := range f.ready {
		if err := f.sendRow(&f.ready[i]); err != nil {
			return err
		}
	}
	clear(f.entries)
	clear(f.ready)
	f.entries, f.ready, f.bytes = f.entries[:0], f.ready[:0], 0
	return nil
}

// sendRow hands the client a row's record, or two where it is new to some mappings and updated to others.
func (f *flight) sendRow(r *readyRow) error {
	e := r.entry
	e.Row = nil
	row := &rowState{entry: e, deleted: r.columns == nil}
	f.mu.Lock()
	f.report.count(r)
	f.mu.Unlock()
	if row.deleted {
		return f.sendRecord(row, eventDeleted, r.pending, f.nulls(), true)
	}
	isNew, updated := r.pending&e.New, r.pending&^e.New
	if isNew != 0 && updated != 0 {
		columns := make(profiles.Record, len(r.columns)+1)
		for name, v := range r.columns {
			columns[name] = v
		}
		if err := f.sendRecord(row, eventNew, isNew, columns, false); err != nil {
			return err
		}
		isNew = 0
	}
	if isNew != 0 {
		return f.sendRecord(row, eventNew, isNew, r.columns, true)
	}
	return f.sendRecord(row, eventUpdated, updated, r.columns, true)
}

func (f *flight) sendRecord(row *rowState, e event, takes uint64, columns profiles.Record, last bool) error {
	rec := record(e, row.entry.Found, row.entry.Key, columns)
	f.row = profiles.Row{
		Generation: row.entry.Version, Found: rec["timestamp"].(string),
		Takes: func(id string) bool { return f.bits.bits[id]&takes != 0 },
	}
	f.mu.Lock()
	f.flying = append(f.flying, flying{row, takes, last})
	f.mu.Unlock()
	if !f.yield(rec, nil) {
		return errLeft
	}
	return nil
}

// nulls are the columns of a row that was deleted.
func (f *flight) nulls() profiles.Record {
	columns := make(profiles.Record, len(f.columns)+1)
	for name := range f.columns {
		columns[name] = nil
	}
	return columns
}

// unreadable is told of each row that cannot be sent.
func (f *flight) unreadable(row *tableRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Failed++
	var message []byte
	f.report.because("", row.err, row.key, message, f.sync.samples())
}

func (s *Sync) samples() int {
	if s.Samples == 0 {
		return DefaultSamples
	}
	return s.Samples
}

// outcome takes what became of the oldest record. Its error is the state's.
func (f *flight) outcome(ctx context.Context, o profiles.RecordOutcome) error {
	f.mu.Lock()
	of := f.flying[0]
	f.flying[0] = flying{}
	f.flying = f.flying[1:]
	f.judge(of, o)
	f.mu.Unlock()
	if !of.last {
		return nil
	}
	f.marks = append(f.marks, f.conclude(of.row))
	if len(f.marks) < together {
		return nil
	}
	return f.tell(ctx)
}

// judge counts the messages of a record. The lock is held.
func (f *flight) judge(of flying, o profiles.RecordOutcome) {
	row, rest := of.row, of.takes
	for i := range o.Outcomes {
		m := &o.Outcomes[i]
		bit := f.bits.bits[m.Mapping]
		rest &^= bit
		counts := f.report.mapping(m.Mapping)
		switch done := o.Done(); {
		case m.Status == profiles.Accepted || m.Status == profiles.Kept:
			row.accepts |= bit
			counts.Accepted++
			continue
		case m.Status == profiles.Invalid || m.Status == profiles.Rejected && done:
			row.failed |= bit
			counts.Failed++
		default:
			row.undelivered |= bit
			counts.Undelivered++
			if m.Status == profiles.Canceled {
				f.canceled = m.Err
			} else if f.err == nil {
				f.err = &UndeliveredError{m.Err}
			}
			f.stop.Store(true)
		}
		if m.Status != profiles.Invalid {
			row.taken |= bit
		}
		f.report.because(m.Mapping, m.Err, row.entry.Key, m.Message(), f.sync.samples())
	}
	row.accepts |= rest // what no trigger matched is done with
	for i := range f.report.Mappings {
		if rest&f.bits.bits[f.report.Mappings[i].ID] != 0 {
			f.report.Mappings[i].Skipped++
		}
	}
}

// conclude counts a row, and returns what the state has to know of it.
func (f *flight) conclude(row *rowState) Mark {
	e := &row.entry
	m := Mark{Key: e.Key, Accepted: e.Accepted | row.accepts, Seen: e.Seen, Tries: e.Tries}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case row.undelivered != 0:
		f.report.Undelivered++
	case row.failed != 0:
		f.report.Failed++
		if m.Tries++; m.Tries >= f.sync.maxTries() {
			m.Accepted |= row.failed
			f.report.GivenUp++
		}
	default:
		f.report.Loaded++
	}
	if row.deleted {
		m.Seen &^= m.Accepted
	} else {
		m.Seen &^= row.failed &^ row.taken & e.New // it never left
	}
	r := &f.report
	if rows := r.Loaded + r.Failed + r.Undelivered; f.sync.MaxFailureRate > 0 && rows >= 100 && float64(r.Failed) > f.sync.MaxFailureRate*float64(rows) && f.err == nil {
		f.err = &FailureRateError{Failed: r.Failed, Rows: rows, Max: f.sync.MaxFailureRate}
		f.stop.Store(true)
	}
	return m
}

func (s *Sync) maxTries() int {
	if s.MaxTries <= 0 {
		return DefaultMaxTries
	}
	return s.MaxTries
}

// fail ends the sync.
func (f *flight) fail(err error) {
	f.stop.Store(true)
	if f.err == nil {
		f.err = err
	}
}

// tell tells the state what became of rows, also where ctx has ended.
func (f *flight) tell(ctx context.Context) error {
	if len(f.marks) > 0 {
		if err := f.sync.State.Sent(context.WithoutCancel(ctx), f.marks); err != nil {
			return fmt.Errorf("retl: writing the state: %w", err)
		}
		f.marks = f.marks[:0]
	}
	if f.sync.Progress != nil {
		f.mu.Lock()
		r := f.report.sorted()
		f.mu.Unlock()
		f.diff.counts(&r)
		f.sync.Progress(r)
	}
	return nil
}

// end ends the sync: the state is told what it was not told, and keeps it.
func (f *flight) end(ctx context.Context, start time.Time, err error) (Report, error) {
	if told := f.tell(ctx); told != nil && err == nil {
		err = told
	}
	head := f.head
	head.Columns = sortedNames(f.columns)
	if err != nil && !f.told {
		head = f.was // it has not begun: a key or a query that was a slip does not make the state its own
	}
	if err == nil && !f.report.Limited {
		head.Generation++
		head.Rows, head.Synced = f.diff.rows.Load(), time.Now().UTC()
	}
	if kept := f.sync.State.Commit(context.WithoutCancel(ctx), head); kept != nil && err == nil {
		err = fmt.Errorf("retl: writing the state: %w", kept)
	}
	r := f.report.sorted()
	f.diff.counts(&r)
	r.DurationSeconds = time.Since(start).Seconds()
	switch {
	case err == nil && r.Failed == 0:
		r.Status = Successful
	case err == nil:
		r.Status = PartiallySuccessful
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		r.Status = Canceled
	default:
		r.Status = Failed
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r, err
}
