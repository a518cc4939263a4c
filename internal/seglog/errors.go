package seglog

import (
	"errors"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// ErrClosed is returned by operations on a log that was closed.
var ErrClosed = errors.New("seglog: the log is closed")

// A LockedError says that the log is open already, in this process or another.
type LockedError = vfs.LockedError

// A FullError says that Append would pass a limit. Nothing was appended; Wait tells when there may be room.
type FullError struct {
	// Limit is the limit's name in Config: MaxBytes or MaxRecords.
	Limit string
	Max   int64
}

func (e *FullError) Error() string { return fmt.Sprintf("seglog: full: %s is %d", e.Limit, e.Max) }

// A TooLargeError says that a record, or what is to be appended at once, could never be appended.
type TooLargeError struct {
	// Limit is the limit's name in Config.
	Limit     string
	Size, Max int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("seglog: too large: %d, and %s is %d", e.Size, e.Limit, e.Max)
}

// An IdentityError says that the log belongs to something else than Config.Identity says. Nothing was changed.
type IdentityError struct{}

func (*IdentityError) Error() string { return "seglog: the log was made for another identity" }

// A VersionError says that the log was written by a later version of this package or of its caller. Nothing was changed.
type VersionError struct {
	// Of is what has the version: "format" or "records".
	Of        string
	Have, Max int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("seglog: the version of the %s is %d, the latest that is understood %d", e.Of, e.Have, e.Max)
}

// A CorruptError says that a file is not what its name and place say, in a way that no crash explains. Nothing was changed.
type CorruptError struct {
	File, Reason string
}

func (e *CorruptError) Error() string { return "seglog: " + e.File + ": " + e.Reason }

// A MissingError says that records are gone without a trace of damage: a segment was taken away or cut short, or older files were put
// back. Nothing was changed. Config.AcceptMissing opens the log all the same.
type MissingError struct {
	// First and Last are the first and the last sequence number that is missing, Records how many are.
	First, Last Seq
	Records     int64
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("seglog: %d records are missing between the numbers %d and %d", e.Records, e.First, e.Last)
}

// A DamageError says that records that were there when the log was opened cannot be read any more. They will not be served, and the
// damaged part of the segment has been copied to File where that was possible.
type DamageError struct {
	First   Seq
	Records int64
	Bytes   int64
	File    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("seglog: %d damaged records from number %d on", e.Records, e.First)
}

// failed says what the log was doing when a file operation failed.
func failed(doing string, err error) error { return fmt.Errorf("seglog: %s: %w", doing, err) }
