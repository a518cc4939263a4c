package retl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
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
	sent    int
	row     profiles.Row // of the record that the client is given
	yield   func(profiles.Record, error) bool

	told bool // the state was told of rows

	halted atomic.Bool        // nothing more is to be sent
	cancel context.CancelFunc // ends the comparing

	mu          sync.Mutex
	flying      []flying // records that the client has, in their order
	begun       int64    // rows of which a record was handed to the client, less those that have ended
	report      Report
	err         error // why it was halted
	undelivered error // why the first row was not delivered that was not
	dry         int   // rows in a row that were not delivered

	marks []Mark // of rows that have ended; only the goroutine that takes outcomes uses them
}

// A readyRow is a row that the state is about to be told of.
type readyRow struct {
	entry          Entry
	pending, fresh uint64
	columns        profiles.Record // as mappings see them
	kind           Event
	again          bool
}

// A flying is a record whose outcome is not known.
type flying struct {
	row   *rowState
	takes uint64 // the mappings that it is for
	last  bool   // of its row
}

// A rowState is what becomes of a row, over all of its records.
type rowState struct {
	entry   Entry // without the row
	deleted bool
	fresh   uint64 // mappings that were not sent the row before this sync
	// The mappings that have taken it, or did not want it; for which it failed for a reason of its own; to which it could not be delivered;
	// and those to which it may have got all the same, of these two.
	accepted, failed, undelivered, left uint64
}

// Run runs a sync. The report is whole also where there is an error, which is
//
//   - a *ConfigError, a *MismatchError, or a *profiles.DestinationError, before anything is done;
//   - ctx's, an error of the model's source or an *OrderError, ErrEmptyModel, a *FailureRateError, an *UndeliveredError, an error of the
//     client or of the state: the sync has ended early, what was accepted until then is kept, and the next sync goes on from there.
//
// Rows that failed are no error: the report has them, and Status is PartiallySuccessful, or Failed where all of them did.
//
// When ctx ends, what is queued is canceled, and Run returns when what is on the wire has its answer, after Config.AttemptTimeout at most.
func (s Sync) Run(ctx context.Context) (Report, error) {
	start := time.Now()
	failed := func(err error) (Report, error) {
		r := s.newReport(start)
		r.Status, r.Error = Failed, err.Error()
		return r, err
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
	f := &flight{sync: &s, was: was, head: head, bits: bits, report: s.newReport(start)}
	for _, m := range s.Destination.Mappings() {
		if bits.bits[m.ID()]&bits.active != 0 {
			f.report.Mappings = append(f.report.Mappings, MappingReport{ID: m.ID(), Name: m.Name(), Action: m.Kind().String()})
		}
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
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	f.cancel = cancel
	source := func(yield func(profiles.Record, error) bool) {
		f.yield = yield
		err := f.diff.run(reading)
		if (err == nil || err == errEnough) && !f.halted.Load() {
			err = f.send()
		}
		switch {
		case err == nil, err == errEnough, err == errLeft:
		case f.halted.Load() && errors.Is(err, context.Canceled): // which is what ended the reading
		default:
			yield(nil, err)
		}
	}
	var ended error
	for o, err := range f.sync.Client.Process(ctx, f.sync.Destination.For(in), source) {
		if err != nil {
			ended = err
			break
		}
		if err := f.outcome(o); err != nil {
			f.halt(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case ended != nil:
		return ended
	case f.undelivered != nil && ctx.Err() != nil:
		return ctx.Err()
	case f.undelivered != nil:
		return &UndeliveredError{f.undelivered}
	}
	return nil
}

// halt ends the sync, for the first reason that there is. What the client has comes to its end.
func (f *flight) halt(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.haltLocked(err)
}

func (f *flight) haltLocked(err error) {
	if f.err == nil {
		f.err = err
	}
	f.halted.Store(true)
	f.cancel()
}

// errLeft ends the comparing where the client takes no more.
var errLeft = errors.New("the client takes no more")

// change is told of each row that has to be sent.
func (f *flight) change(c rowChange) error {
	if f.halted.Load() {
		return errEnough
	}
	if f.sync.Limit > 0 && f.sent >= f.sync.Limit {
		f.mu.Lock()
		f.report.Limited = true
		f.mu.Unlock()
		return errEnough
	}
	f.sent++
	r := readyRow{entry: c.entry, pending: c.pending, fresh: c.fresh, kind: c.kind(), again: c.again}
	var err error
	if c.deleted() {
		r.entry.Row = bytes.Clone(c.entry.Row) // its columns, for the next try
		r.columns, err = nulls(c.entry.Row)
	} else {
		if r.columns, err = decodeRow(c.row.text); err == nil {
			r.entry.Row, err = f.diff.kept(c.row)
		}
		f.bytes += len(c.row.text)
	}
	if err != nil {
		return fmt.Errorf("retl: reading a row back: %w", err)
	}
	f.entries = append(f.entries, r.entry)
	f.ready = append(f.ready, r)
	return f.sendIfMany()
}

// nulls are the columns of a row that was deleted, as a state has kept it.
func nulls(row []byte) (profiles.Record, error) {
	if row == nil {
		return profiles.Record{}, nil
	}
	columns, err := decodeRow(row)
	for name := range columns {
		columns[name] = nil
	}
	return columns, err
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
	return f.send()
}

// send tells the state of the rows that have gathered, also where the sync's context has ended meanwhile, and then hands them to the client.
func (f *flight) send() error {
	if len(f.entries) == 0 {
		return nil
	}
	f.told = true
	if err := f.sync.State.Sending(context.Background(), f.entries); err != nil {
		return fmt.Errorf("retl: writing the state: %w", err)
	}
	for i := range f.ready {
		if f.halted.Load() {
			return errEnough
		}
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
	row := &rowState{entry: e, deleted: r.kind == EventDeleted, fresh: r.fresh}
	f.mu.Lock()
	f.begun++
	f.report.count(r)
	f.mu.Unlock()
	records := r.records()
	for i, rec := range records {
		if err := f.sendRecord(row, rec, i == len(records)-1); err != nil {
			return err
		}
	}
	return nil
}

// A rowRecord is a row as some mappings see it.
type rowRecord struct {
	profiles.Record
	takes uint64 // these
	found string
}

// records are the records that a row gives.
func (r *readyRow) records() []rowRecord {
	as := func(e Event, takes uint64, columns profiles.Record) rowRecord {
		rec := record(e, r.entry.Found, r.entry.Key, columns)
		return rowRecord{rec, takes, rec["timestamp"].(string)}
	}
	isNew, updated := r.pending&r.entry.New, r.pending&^r.entry.New
	switch {
	case r.kind == EventDeleted:
		return []rowRecord{as(EventDeleted, r.pending, r.columns)}
	case updated == 0:
		return []rowRecord{as(EventNew, isNew, r.columns)}
	case isNew == 0:
		return []rowRecord{as(EventUpdated, updated, r.columns)}
	}
	return []rowRecord{as(EventNew, isNew, maps.Clone(r.columns)), as(EventUpdated, updated, r.columns)}
}

// of says what the client has to know of a record.
func (b *mappingBits) of(e *Entry, rec *rowRecord) profiles.Row {
	takes := rec.takes
	return profiles.Row{Generation: e.Version, Found: rec.found, Takes: func(id string) bool { return b.bits[id]&takes != 0 }}
}

func (f *flight) sendRecord(row *rowState, rec rowRecord, last bool) error {
	f.row = f.bits.of(&row.entry, &rec)
	f.mu.Lock()
	f.flying = append(f.flying, flying{row, rec.takes, last})
	f.mu.Unlock()
	if !f.yield(rec.Record, nil) {
		return errLeft
	}
	return nil
}

// unreadable is told of each row that cannot be sent.
func (f *flight) unreadable(key string, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Failed++
	f.report.because("", err, key, nil, f.sync.samples())
	f.tooManyFailed()
	if f.halted.Load() {
		return errEnough
	}
	return nil
}

// tooManyFailed halts the sync where that is so. The lock is held.
func (f *flight) tooManyFailed() {
	r := &f.report
	rows := r.Loaded + r.Failed + r.Undelivered
	if limit := f.sync.MaxFailureRate; limit > 0 && rows >= 100 && float64(r.Failed) > limit*float64(rows) {
		f.haltLocked(&FailureRateError{Failed: r.Failed, Rows: rows, Max: limit})
	}
}

func (s *Sync) samples() int {
	if s.Samples == 0 {
		return DefaultSamples
	}
	return s.Samples
}

// outcome takes what became of the oldest record. Its error is the state's.
func (f *flight) outcome(o profiles.RecordOutcome) error {
	f.mu.Lock()
	of := f.flying[0]
	f.flying[0] = flying{}
	f.flying = f.flying[1:]
	f.judge(of, o)
	if of.last {
		f.marks = append(f.marks, f.conclude(of.row))
	}
	f.mu.Unlock()
	if len(f.marks) < together {
		return nil
	}
	return f.tell()
}

// judge counts the messages of a record. The lock is held.
func (f *flight) judge(of flying, o profiles.RecordOutcome) {
	row, rest := of.row, of.takes
	for i := range o.Outcomes {
		m := &o.Outcomes[i]
		bit := f.bits.bits[m.Mapping]
		rest &^= bit
		counts := f.report.mapping(m.Mapping)
		// Whether it is the row's own fault is asked of this message alone.
		own := profiles.RecordOutcome{Outcomes: o.Outcomes[i : i+1]}.Done()
		switch {
		case m.Status == profiles.Accepted || m.Status == profiles.Kept:
			row.accepted |= bit
			counts.Accepted++
			continue
		case own:
			row.failed |= bit
			counts.Failed++
		default:
			row.undelivered |= bit
			counts.Undelivered++
			if f.undelivered == nil {
				f.undelivered = m.Err
			}
			if m.Status == profiles.Canceled {
				f.halted.Store(true)
				f.cancel()
			}
		}
		if m.Status != profiles.Invalid {
			row.left |= bit
		}
		f.report.because(m.Mapping, m.Err, row.entry.Key, m.Message(), f.sync.samples())
	}
	row.accepted |= rest // what no trigger matched is done with
	for i := range f.report.Mappings {
		if rest&f.bits.bits[f.report.Mappings[i].ID] != 0 {
			f.report.Mappings[i].Skipped++
		}
	}
}

// maxDry is how many rows after one another may not be delivered before the sync gives up: one Profile Space that is refused does not keep the
// rows of others, and a server that is down is not asked for ever.
const maxDry = 1000

// conclude counts a row, and returns what the state has to know of it. The lock is held.
func (f *flight) conclude(row *rowState) Mark {
	e := &row.entry
	m := Mark{Key: e.Key, Accepted: e.Accepted | row.accepted, Seen: e.Seen, GivenUp: e.GivenUp, Tries: e.Tries}
	if row.failed != 0 {
		if m.Tries++; m.Tries >= f.sync.maxTries() {
			m.GivenUp |= row.failed
			f.report.GivenUp++
		}
	}
	f.begun--
	f.dry++
	switch {
	case row.undelivered != 0:
		f.report.Undelivered++
		if f.dry >= maxDry {
			f.haltLocked(&UndeliveredError{f.undelivered})
		}
	case row.failed != 0:
		f.dry = 0
		f.report.Failed++
	default:
		f.dry = 0
		f.report.Loaded++
	}
	if row.deleted {
		m.Seen &^= m.Accepted | m.GivenUp
	} else {
		m.Seen &^= row.failed &^ row.left & row.fresh // to these it was never sent
	}
	f.tooManyFailed()
	return m
}

func (s *Sync) maxTries() int {
	if s.MaxTries <= 0 {
		return DefaultMaxTries
	}
	return s.MaxTries
}

// tell tells the state what became of rows, also where the sync's context has ended.
func (f *flight) tell() error {
	if len(f.marks) > 0 {
		if err := f.sync.State.Sent(context.Background(), f.marks); err != nil {
			return fmt.Errorf("retl: writing the state: %w", err)
		}
		f.marks = f.marks[:0]
	}
	if f.sync.Progress != nil {
		f.sync.Progress(f.so())
	}
	return nil
}

// so is the report as it stands.
func (f *flight) so() Report {
	f.mu.Lock()
	r := f.report.sorted()
	f.mu.Unlock()
	f.diff.counts(&r)
	r.DurationSeconds = time.Since(r.Started).Seconds()
	return r
}

// end ends the sync: the state is told what it was not told, and keeps it.
func (f *flight) end(ctx context.Context, start time.Time, err error) (Report, error) {
	if told := f.tell(); told != nil && err == nil {
		err = told
	}
	head := f.head
	if err != nil && !f.told {
		head = f.was // it has not begun: a key or a query that was a slip does not make the state its own
	} else {
		head.Generation = max(head.Generation, f.diff.top)
	}
	if err == nil && !f.report.Limited {
		head.Generation, head.Replaying = head.Generation+1, 0
		head.Rows, head.Synced = f.diff.rows.Load(), time.Now().UTC()
	}
	if kept := f.sync.State.Commit(context.Background(), head); kept != nil && err == nil {
		err = fmt.Errorf("retl: writing the state: %w", kept)
	}
	r := f.so()
	r.DurationSeconds = time.Since(start).Seconds()
	r.Undelivered += f.begun // of which one record was sent, and not the other
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		r.Status = Canceled
	case err != nil, r.Failed > 0 && r.Loaded+r.Unchanged == 0:
		r.Status = Failed
	case r.Failed > 0:
		r.Status = PartiallySuccessful
	default:
		r.Status = Successful
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r, err
}
