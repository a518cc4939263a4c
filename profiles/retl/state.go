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
	// each once. The entries and what they point to belong to the caller again afterwards.
	Sending(ctx context.Context, entries []Entry) error
	// Sent is told what became of rows that Sending was told of, or that were there, once for each row, in the order of CompareKeys: the
	// mark takes the place of the entry's fields of the same names. A mark without an entry is passed over. Where marks are lost the rows
	// are sent again, under the same messageIds.
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
	// Generation counts the syncs that were completed, resets and replays.
	Generation int `json:"generation"`
	// Columns are the model's, for the nulls of deleted rows.
	Columns []string `json:"columns,omitempty"`
	// Mappings are ids of mappings: the one at place i has bit i in Entry.Accepted and Entry.Seen.
	Mappings []string `json:"mappings,omitempty"`
	// Rows is how many rows the model had.
	Rows int64 `json:"rows"`
	// Synced is when the last sync was completed.
	Synced time.Time `json:"synced,omitzero"`
}

// An Entry is one row, in the version that was last sent or tried.
type Entry struct {
	Key string
	// Sum is a checksum of the row, zero where the row was deleted.
	Sum [16]byte
	// Version is greater for each version of the row: it is part of what messageIds are made of.
	Version int
	// Accepted are the mappings that have taken this version, Seen those that have been sent some version and not the deletion of the
	// row, New those to which this version is the first.
	Accepted, Seen, New uint64
	// Tries is how many syncs have failed to send this version for a reason of its own.
	Tries int
	// Found is when this version was first found.
	Found time.Time
	// Row is the row as JSON, for what changed; nil where rows are not kept.
	Row []byte
	// Gone says that the entry is to be forgotten.
	Gone bool
}

// A Mark changes an entry.
type Mark struct {
	Key            string
	Accepted, Seen uint64
	Tries          int
}

// CompareKeys orders keys: whole numbers, such as -7, 0 and 120, by their value, before everything else, which is ordered by its bytes.
// Numbers with a leading zero or plus, or with more than 18 digits, are not numbers here.
func CompareKeys(a, b string) int {
	x, aIs := wholeNumber(a)
	y, bIs := wholeNumber(b)
	switch {
	case aIs && bIs:
		return cmp.Compare(x, y)
	case aIs:
		return -1
	case bIs:
		return 1
	}
	return strings.Compare(a, b)
}

// wholeNumber returns the number that a key is, where it is written as strconv writes one and has at most 18 digits.
func wholeNumber(key string) (n int64, ok bool) {
	digits := strings.TrimPrefix(key, "-")
	if digits == "" || len(digits) > 18 || digits[0] == '0' && key != "0" {
		return 0, false
	}
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(key) {
		n = -n
	}
	return n, true
}
