package retl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
)

// An Event is what has happened to a row, as a mapping is told it in the member event of the record.
type Event string

const (
	// EventNew: the mapping was not sent the row before, or is sent all rows again.
	EventNew Event = "new"
	// EventUpdated: it was sent the row in another version.
	EventUpdated Event = "updated"
	// EventDeleted: it was sent the row, which is there no more.
	EventDeleted Event = "deleted"
)

// A rowChange is a row that some mappings have to be sent.
type rowChange struct {
	entry   Entry     // what the state is told before it is sent
	pending uint64    // the mappings
	fresh   uint64    // those of them that were not sent the row before this sync
	row     *tableRow // as it is now; nil where it was deleted
	old     []byte    // what the state has as its last version, nil where that is not known
	again   bool      // the state was told of this version before
}

// deleted tells whether the row is there no more.
func (c *rowChange) deleted() bool { return c.entry.Sum == [16]byte{} }

// kind is what has happened to the row as a whole.
func (c *rowChange) kind() Event {
	switch {
	case c.deleted():
		return EventDeleted
	case c.pending&^c.entry.New == 0:
		return EventNew
	}
	return EventUpdated
}

// A differ holds the rows of a model against a state.
type differ struct {
	model  *Model
	state  State
	head   Head
	active uint64 // mappings that take the model's rows
	idle   uint64 // those that would, and are switched off
	names  bool   // only the names of columns are kept of rows
	empty  bool   // no rows is a number like any other
	retry  bool   // what was given up is tried again
	dir    string
	memory int
	found  time.Time
	// What is found is handed to these. It is good during the call, and an error ends the comparing.
	changed func(rowChange) error
	gone    func(key string) error
	failed  func(key string, err error) error

	rows, unchanged, held, leftAlone atomic.Int64 // so far; anybody may look

	entry Entry // the next one of the state
	more  bool  // there is one
	next  func() (Entry, error, bool)
	last  string // key of the last row
	doubt bool   // a row could not be read: what is missing here may be that one
	top   int    // the greatest version
}

// errEnough is what a function of a differ returns where no more is wanted.
var errEnough = errors.New("enough")

// ErrEmptyModel ends the sync of a model that returned no rows where the last sync had some: to go on would delete everyone. Set
// Sync.AllowEmpty where it is meant.
var ErrEmptyModel = errors.New("retl: the model returned no rows, and the state has some: deleting all of them has to be allowed (Sync.AllowEmpty)")

// counts adds what was counted to a report.
func (d *differ) counts(r *Report) {
	r.Extracted, r.Unchanged, r.Held, r.LeftAlone = d.rows.Load(), d.unchanged.Load(), d.held.Load(), d.leftAlone.Load()
}

// run compares everything.
func (d *differ) run(ctx context.Context) error {
	next, stop := iter.Pull2(d.state.Entries(ctx))
	defer stop()
	d.next, d.top = next, max(d.head.Generation, d.head.Replaying)
	if err := d.advance(); err != nil {
		return err
	}
	rows := d.model.read(ctx)
	if !d.model.Ordered {
		rows = d.model.readSorted(ctx, d.dir, d.memory)
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := d.take(&row); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for d.more {
		if d.rows.Load() == 0 && !d.empty && d.entry.Sum != [16]byte{} {
			return ErrEmptyModel
		}
		if err := d.missing(); err != nil {
			return err
		}
	}
	return nil
}

// advance takes the state's next entry.
func (d *differ) advance() error {
	before := d.entry.Key
	e, err, ok := d.next()
	d.entry, d.more = e, ok && err == nil
	switch {
	case err != nil:
		return fmt.Errorf("retl: reading the state: %w", err)
	case d.more && before != "" && CompareKeys(before, e.Key) >= 0: // rows would look deleted
		return errors.New("retl: the state does not yield its entries in the order of CompareKeys, each once")
	}
	d.top = max(d.top, e.Version)
	return nil
}

// take compares one row.
func (d *differ) take(row *tableRow) error {
	if row.marked {
		return d.keep(row)
	}
	if d.rows.Add(1) > MaxSyncRecords {
		return fmt.Errorf("retl: model %q has more than %d rows", d.model.Name, MaxSyncRecords)
	}
	if row.key == "" {
		d.doubt = d.doubt || row.name == ""
		return d.failed(row.name, row.err)
	}
	switch order := CompareKeys(d.last, row.key); {
	case d.last == "":
	case order == 0:
		return d.failed(row.key, &KeyError{Column: d.model.Key, Reason: "is not unique: an earlier row has the same key"})
	case order > 0:
		return &OrderError{Model: d.model.Name, Row: d.rows.Load()}
	}
	if row.err != nil {
		if err := d.failed(row.key, row.err); err != nil {
			return err
		}
		return d.keep(row)
	}
	if err := d.upTo(row.key); err != nil {
		return err
	}
	if d.more && d.entry.Key == row.key {
		if err := d.known(row); err != nil {
			return err
		}
		return d.advance()
	}
	return d.changed(rowChange{
		entry: Entry{Key: row.key, Sum: row.sum, Version: max(d.head.Generation, d.head.Replaying), Seen: d.active, New: d.active, Found: d.found},
		row:   row, pending: d.active, fresh: d.active,
	})
}

// keep leaves the entry of a row as it is that cannot be sent: it is not deleted.
func (d *differ) keep(row *tableRow) error {
	if err := d.upTo(row.key); err != nil || !d.more || d.entry.Key != row.key {
		return err
	}
	return d.advance()
}

// upTo goes over the entries before a key: those rows are there no more.
func (d *differ) upTo(key string) error {
	for d.more && CompareKeys(d.entry.Key, key) < 0 {
		if err := d.missing(); err != nil {
			return err
		}
	}
	d.last = key
	d.doubt = d.doubt && !d.model.Ordered // in order, a row that could not be read was between its neighbours
	return nil
}

// known compares a row that the state has.
func (d *differ) known(row *tableRow) error {
	e := d.entry
	if d.retry {
		e.GivenUp, e.Tries = 0, 0
	}
	c := rowChange{entry: e, row: row, old: e.Row}
	replayed := e.Version < d.head.Replaying
	if e.Sum == row.sum && !replayed {
		c.pending = d.active &^ (e.Accepted | e.GivenUp)
		if c.pending == 0 {
			d.unchanged.Add(1)
			if e.GivenUp&d.active != 0 {
				d.leftAlone.Add(1)
			}
			return nil
		}
		c.fresh = c.pending &^ e.Seen
		c.again = e.Tries > 0 || c.fresh != c.pending
		if c.fresh&^e.New != 0 { // a mapping that has come later has all of its tries
			c.entry.Tries = 0
		}
		c.entry.New |= c.fresh
		c.entry.Seen |= c.pending
		return d.changed(c)
	}
	c.pending, c.fresh = d.active, d.active&^e.Seen
	c.entry = Entry{
		Key: e.Key, Sum: row.sum, Version: max(d.head.Generation, d.head.Replaying, e.Version+1), Seen: e.Seen | d.active,
		New: e.New&^e.Accepted | c.fresh, Found: d.found,
	}
	if replayed {
		c.entry.New = d.active
	}
	d.top = max(d.top, c.entry.Version)
	return d.changed(c)
}

// missing handles the present entry, whose row was not there, and goes on to the next.
func (d *differ) missing() error {
	e := d.entry
	if d.retry {
		e.GivenUp, e.Tries = 0, 0
	}
	wasDeleted := e.Sum == [16]byte{}
	owed := e.Seen
	if wasDeleted {
		owed &^= e.Accepted | e.GivenUp
	}
	var err error
	switch pending := owed & d.active; {
	case d.doubt && (pending != 0 || !wasDeleted):
		d.held.Add(1)
	case pending != 0 && wasDeleted:
		err = d.changed(rowChange{entry: e, pending: pending, again: true})
	case pending != 0:
		version := max(d.head.Generation, d.head.Replaying, e.Version+1)
		d.top = max(d.top, version)
		err = d.changed(rowChange{pending: pending, old: e.Row, entry: Entry{Key: e.Key, Version: version, Seen: e.Seen, Found: d.found, Row: e.Row}})
	case owed&d.idle != 0: // they hear of it when they are switched on
	case e.Version < d.head.Generation: // not before: the same row may come back in a sync that goes on
		err = d.gone(e.Key)
	}
	if err != nil {
		return err
	}
	return d.advance()
}

// kept is what the state keeps of a row.
func (d *differ) kept(row *tableRow) ([]byte, error) {
	if !d.names {
		return bytes.Clone(row.text), nil
	}
	columns, err := decodeRow(row.text)
	if err != nil {
		return nil, err
	}
	for name := range columns {
		columns[name] = nil
	}
	return encodeRow(nil, columns)
}
