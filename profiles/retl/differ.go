package retl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"
)

// An event is what has happened to a row, as mappings are told it.
type event string

const (
	eventNew     event = "new"
	eventUpdated event = "updated"
	eventDeleted event = "deleted"
)

// A rowChange is a row that some mappings have to be sent.
type rowChange struct {
	entry   Entry     // what the state is told before it is sent
	pending uint64    // the mappings
	row     *tableRow // as it is now; nil where it was deleted
	old     []byte    // what the state has as its last version, nil where that is not known
	first   bool      // the state did not have it
	again   bool      // this version was tried before
}

// deleted tells whether the row is there no more.
func (c *rowChange) deleted() bool { return c.entry.Sum == [16]byte{} }

// kind is what has happened to the row as a whole.
func (c *rowChange) kind() event {
	switch {
	case c.deleted():
		return eventDeleted
	case c.first || c.pending&^c.entry.New == 0:
		return eventNew
	}
	return eventUpdated
}

// A differ holds the rows of a model against a state.
type differ struct {
	model   *Model
	state   State
	head    Head
	active  uint64 // mappings that take the model's rows
	replay  bool   // every row has changed
	empty   bool   // no rows is a number like any other
	dir     string
	memory  int
	found   time.Time
	changed func(rowChange) error // what is to be sent; the change is good during the call
	gone    func(key string) error
	failed  func(row *tableRow)

	rows, unchanged, held atomic.Int64 // so far; anybody may look

	entry Entry // the next one of the state
	more  bool  // there is one
	next  func() (Entry, error, bool)
	last  string // key of the last row
	doubt bool   // a row could not be read: what is missing here may be that one
}

// errEnough is what changed returns where no more is wanted.
var errEnough = errors.New("enough")

// ErrEmptyModel ends the sync of a model that returned no rows where the last sync had some: to go on would delete everyone. Set
// Sync.AllowEmpty where it is meant.
var ErrEmptyModel = errors.New("retl: the model returned no rows, and the state has some: deleting all of them has to be allowed (Sync.AllowEmpty)")

// counts adds what was counted to a report.
func (d *differ) counts(r *Report) {
	r.Extracted, r.Unchanged, r.Held = d.rows.Load(), d.unchanged.Load(), d.held.Load()
}

// run compares everything.
func (d *differ) run(ctx context.Context) error {
	next, stop := iter.Pull2(d.state.Entries(ctx))
	defer stop()
	d.next = next
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
		if err := d.skipped(); err != nil {
			return err
		}
	}
	return nil
}

// advance takes the state's next entry.
func (d *differ) advance() error {
	e, err, ok := d.next()
	d.entry, d.more = e, ok && err == nil
	if err != nil {
		return fmt.Errorf("retl: reading the state: %w", err)
	}
	return nil
}

// take compares one row.
func (d *differ) take(row *tableRow) error {
	if row.err == errToldBefore {
		return d.keep(row)
	}
	if d.rows.Add(1) > MaxSyncRecords {
		return fmt.Errorf("retl: model %q has more than %d rows", d.model.Name, MaxSyncRecords)
	}
	if row.key == "" {
		d.failed(row)
		d.doubt = d.doubt || !row.told
		return nil
	}
	switch order := CompareKeys(d.last, row.key); {
	case d.last == "":
	case order == 0:
		row.err = &KeyError{Column: d.model.Key, Reason: "is not unique: another row has the same key, and that one is taken"}
		d.failed(row)
		return nil
	case order > 0:
		return &OrderError{Model: d.model.Name, Row: d.rows.Load()}
	}
	if row.err != nil {
		d.failed(row)
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
		entry: Entry{Key: row.key, Sum: row.sum, Version: d.head.Generation, Seen: d.active, New: d.active, Found: d.found},
		row:   row, pending: d.active, first: true,
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
		if err := d.skipped(); err != nil {
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
	c := rowChange{entry: e, row: row, old: e.Row}
	if e.Sum == row.sum && !d.replay {
		c.pending = d.active &^ e.Accepted
		if c.pending == 0 {
			d.unchanged.Add(1)
			return nil
		}
		c.again = true
		c.entry.New |= c.pending &^ e.Seen
		c.entry.Seen |= c.pending
		return d.changed(c)
	}
	c.first = e.Sum == [16]byte{}
	c.pending = d.active
	c.entry = Entry{
		Key: e.Key, Sum: row.sum, Version: max(d.head.Generation, e.Version+1), Seen: e.Seen | d.active,
		New: (e.New&^e.Accepted | d.active&^e.Seen) & d.active, Found: d.found,
	}
	return d.changed(c)
}

// skipped handles the present entry, whose row was not there, and goes on to the next.
func (d *differ) skipped() error {
	e := d.entry
	var err error
	switch pending := e.Seen & d.active; {
	case e.Sum == [16]byte{}:
		if pending &^= e.Accepted; pending != 0 {
			err = d.changed(rowChange{entry: e, pending: pending, again: true})
		} else if e.Version < d.head.Generation { // not before: the same row may come back in a sync that goes on
			err = d.gone(e.Key)
		}
	case d.doubt:
		d.held.Add(1)
	case pending == 0:
		err = d.gone(e.Key)
	default:
		err = d.changed(rowChange{pending: pending, old: e.Row, entry: Entry{
			Key: e.Key, Version: max(d.head.Generation, e.Version+1), Seen: e.Seen, Found: d.found,
		}})
	}
	if err != nil {
		return err
	}
	return d.advance()
}

// A mappingBits gives mappings their bits in a state's entries.
type mappingBits struct {
	names []string // all that the state knows
	bits  map[string]uint64
	ids   [64]string
}

// errTooManyMappings: a state has a bit for each mapping that it ever had.
var errTooManyMappings = errors.New("retl: the state has known more than 64 mappings over time: reset it")

// add gives a mapping its bit. Its name in the state says for which Profile Space it is: another one has been sent nothing.
func (b *mappingBits) add(id, name string) error {
	i := slices.Index(b.names, name)
	if i < 0 {
		i = len(b.names)
		if i == 64 {
			return errTooManyMappings
		}
		b.names = append(b.names, name)
	}
	b.bits[id], b.ids[i] = 1<<i, id
	return nil
}

// all is the bits that were given.
func (b *mappingBits) all() (all uint64) {
	for _, bit := range b.bits {
		all |= bit
	}
	return all
}
