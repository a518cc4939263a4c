package seglog

import (
	"fmt"
	"time"
)

// A Seq numbers a record. The first record of a log has 1, and each has one more than the one before it.
type Seq uint64

// A Mode says when an appended record is on the disk.
type Mode uint8

const (
	// Sync: when Append returns. The zero value.
	Sync Mode = iota
	// Interval: at most Config.Interval later. A kill loses nothing, a power cut what was appended in that time.
	Interval
	// Memory: when the operating system sees fit; no record is ever synced. A kill loses nothing, a power cut may lose all of them.
	Memory
)

// Limits and defaults.
const (
	DefaultInterval       = 100 * time.Millisecond
	DefaultSegmentBytes   = 8 << 20
	DefaultMaxRecordBytes = 64 << 10
	// LargestRecord bounds Config.MaxRecordBytes.
	LargestRecord = 16 << 20

	ackEvery = time.Second // how long acknowledgements may be unsynced while there is something to do
	maxBatch = 1 << 20     // bytes that one group commit writes, unless a single call brings more
)

// Config says how a log works. Its zero value is a log without limits that syncs before Append returns.
type Config struct {
	// Mode is when a record is on the disk. It may differ from one opening to the next.
	Mode Mode
	// Interval is for the mode of that name. Defaults to DefaultInterval.
	Interval time.Duration
	// SegmentBytes is the size at which a new segment is begun, without the footer (2 or 3 bytes a record). A segment is removed when all its records are acknowledged, and
	// rewritten without the acknowledged ones where others stay for long. Defaults to DefaultSegmentBytes, or an eighth of MaxBytes where that is less.
	SegmentBytes int64
	// MaxBytes bounds the bytes of segments on disk, 0 not at all. Acknowledgements and quarantined parts are not counted.
	MaxBytes int64
	// MaxRecords bounds the records that are not acknowledged, 0 not at all.
	MaxRecords int64
	// MaxRecordBytes bounds one record. Defaults to DefaultMaxRecordBytes; at most LargestRecord.
	MaxRecordBytes int
	// Identity says whose log this is, and is kept in the MANIFEST in plain. A log opens only for the identity that it was made for.
	Identity []byte
	// Version is the caller's own version of what is in the records. Each record keeps the one that it was appended with; a log with
	// records of a later one does not open.
	Version uint8
	// AcceptMissing opens a log from which records are missing without a trace of damage: they are counted in Recovery.Missing
	// instead of being a *MissingError.
	AcceptMissing bool
}

// withDefaults returns c with its defaults in place, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Mode > Memory:
		return c, fmt.Errorf("seglog: Mode is unknown")
	case c.Interval < 0:
		return c, fmt.Errorf("seglog: Interval is negative")
	case c.SegmentBytes < 0:
		return c, fmt.Errorf("seglog: SegmentBytes is negative")
	case c.MaxBytes < 0:
		return c, fmt.Errorf("seglog: MaxBytes is negative")
	case c.MaxRecords < 0:
		return c, fmt.Errorf("seglog: MaxRecords is negative")
	case c.MaxRecordBytes < 0 || c.MaxRecordBytes > LargestRecord:
		return c, fmt.Errorf("seglog: MaxRecordBytes is not between 0 and %d", LargestRecord)
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.MaxRecordBytes == 0 {
		c.MaxRecordBytes = DefaultMaxRecordBytes
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = DefaultSegmentBytes
		if c.MaxBytes > 0 {
			c.SegmentBytes = min(c.SegmentBytes, max(c.MaxBytes/8, 1))
		}
	}
	return c, nil
}
