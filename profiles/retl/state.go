package retl

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"
)

// A State remembers what has become of each row of one model, from one sync to the next. OpenState keeps it in a file, and so does
// MemoryState in memory; a table of a database would do as well.
//
// One sync at a time uses a state, from two goroutines: while Entries is ranged over, Sending and Sent may be called. What they write
// need not show in a range that has begun; a range that begins later shows it, with or without a Commit. A sync begins with a range, and the
// order of its keys with it: what a sync before has left without a Commit is not in its way. Package retltest has a test of all this.
type State interface {
	// Head returns what the last Commit or Reset was given, the zero Head where there was none.
	Head(ctx context.Context) (Head, error)
	// Entries yields all entries in the order of CompareKeys. They are the caller's to keep. An error is the last thing that it yields, and
	// that of a context that has ended is one.
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	// Sending is told of rows that are about to be sent, and of entries that are no longer needed (Entry.Gone). When it has returned nil
	// they replace what was there under their keys, for good: the rows are sent then. Within a sync keys come in the order of CompareKeys,
	// each once: where a key is empty, or is not after the one before, also over several calls, it is an error, and nothing of the call is kept.
	// The entries and what they point to belong to the caller again afterwards.
	Sending(ctx context.Context, entries []Entry) error
	// Sent is told what became of rows that Sending was told of, or that were there, once for each row, in the order of CompareKeys: the
	// mark takes the place of the entry's fields of the same names. A mark without an entry is passed over; keys are refused as by Sending.
	// Where marks are lost the rows are sent again, under the same messageIds.
	Sent(ctx context.Context, marks []Mark) error
	// Commit ends a sync: when it has returned nil, everything that the state was told stays.
	Commit(ctx context.Context, head Head) error
	// Reset forgets all entries, and keeps the head that it is given.
	Reset(ctx context.Context, head Head) error
}

// A Head is what a state knows besides the rows. All of it is the sync's own business: a state keeps it.
type Head struct {
	Model       string `json:"model"`
	Key         string `json:"key"`
	Destination string `json:"destination"`
	// Generation rises with each sync that was completed, and with each reset, past all versions of rows until then.
	Generation int `json:"generation"`
	// Replaying is the version that all rows have to reach, while a replay is under way.
	Replaying int `json:"replaying,omitempty"`
	// Mappings are names of mappings: the one at place i has bit i in the masks of entries.
	Mappings []string `json:"mappings,omitempty"`
	// Rows is how many rows the model had.
	Rows int64 `json:"rows"`
	// Synced is when the last sync was completed.
	Synced time.Time `json:"synced,omitzero"`
}

// An Entry is what is known of one row. Its masks have a bit for each mapping, see Head.Mappings; a state keeps them and looks at nothing
// but the Key.
type Entry struct {
	// Key is the row's key: any bytes, MaxKeyBytes at most, and not none. It need not be UTF-8.
	Key string
	// Sum is a checksum of the row, zero where the row was deleted.
	Sum [16]byte
	// Version counts what was found of the row: each new content has a greater one. It is part of what messageIds are made of.
	Version int
	// Accepted are the mappings that have taken this version.
	Accepted uint64
	// Seen are the mappings that the row was sent to, in any version, and that would have to hear of its deletion.
	Seen uint64
	// New are the mappings that see the row for the first time with this version.
	New uint64
	// GivenUp are the mappings that have refused this version so often that it is not sent to them again.
	GivenUp uint64
	// Tries is how many syncs have failed to send this version for a reason of its own.
	Tries int
	// Found is when this version was first found.
	Found time.Time
	// Row is the row as JSON; of a deleted row as it was last. Where rows are not kept it has the names of columns, all null.
	Row []byte
	// Gone says that the entry is to be forgotten.
	Gone bool
}

// A Mark replaces those fields of the entry under its key.
type Mark struct {
	Key                     string
	Accepted, Seen, GivenUp uint64
	Tries                   int
}

// apply sets what the mark says.
func (m *Mark) apply(e *Entry) {
	e.Accepted, e.Seen, e.GivenUp, e.Tries = m.Accepted, m.Seen, m.GivenUp, m.Tries
}

// CompareKeys orders keys: whole numbers, such as -7, 0 and 120, by their value, before everything else, which is ordered by its bytes.
// What has a leading zero or plus is not a number here.
func CompareKeys(a, b string) int {
	x, aIs := wholeNumber(a)
	y, bIs := wholeNumber(b)
	switch {
	case aIs && bIs:
		return compareNumbers(x, y)
	case aIs:
		return -1
	case bIs:
		return 1
	}
	return strings.Compare(a, b)
}

// A wholeNum is a whole number as it is written, of any length.
type wholeNum struct {
	negative bool
	digits   string
}

// wholeNumber returns the number that a key is, where it is written as strconv writes one.
func wholeNumber(key string) (n wholeNum, ok bool) {
	digits := strings.TrimPrefix(key, "-")
	if digits == "" || digits[0] == '0' && key != "0" {
		return n, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return n, false
		}
	}
	return wholeNum{len(digits) < len(key), digits}, true
}

func compareNumbers(x, y wholeNum) int {
	switch {
	case x.negative && y.negative:
		x, y = y, x
	case x.negative:
		return -1
	case y.negative:
		return 1
	}
	if c := cmp.Compare(len(x.digits), len(y.digits)); c != 0 {
		return c
	}
	return strings.Compare(x.digits, y.digits)
}
