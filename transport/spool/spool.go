// Package spool keeps a client's messages on disk until they have their outcome: in a directory, one queue for each write key. A
// client opens its spool by itself, see profiles.Config; here are the configuration, the errors, and what people need who look after
// a spool: Inspect, Verify, Drain and Purge.
//
// # What is promised
//
// In Sync mode a message that was taken survives a kill of the process and a power cut, given a disk that honours fsync, until its
// outcome. In Interval mode it survives a kill; a power cut may cost what was taken in the last Interval. In Memory mode nothing is
// synced: a kill costs nothing, a power cut anything. Delivery is at least once under one messageId.
//
// # Where it lies
//
// The directory has mode 0700 and its files 0600, whatever the umask. It holds what the messages hold, personal data, and no write key:
// a queue is named by a keyed hash of its key. One process owns a spool; a second one is refused at once. A spool is made for one
// endpoint, and opens for no other.
package spool

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/internal/seglog"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Mode says when a message that was taken is on the disk.
type Mode uint8

const (
	// Sync: before Enqueue returns. Calls at the same time share one write and one sync. The zero value.
	Sync Mode = iota
	// Interval: at most Config.Interval later.
	Interval
	// Memory: when the operating system sees fit. A queue in this mode is read whole when it is opened; in the others, only its end is.
	Memory
)

// The defaults of Config's fields.
const (
	DefaultInterval = 100 * time.Millisecond
	DefaultMaxBytes = 1 << 30
)

// recordVersion is the version of what dispatch writes into a queue.
const recordVersion = 1

// Config says where a spool lies and how it works.
type Config struct {
	// Dir is the directory, for the spool alone. It is made where it is not there, and given mode 0700 where it is; one that others may
	// write to, or a link, is refused.
	Dir string
	// Mode is when messages are on the disk. Defaults to Sync.
	Mode Mode
	// Interval is for the mode of that name. Defaults to 100 ms.
	Interval time.Duration
	// MaxBytes bounds the queue of each write key on disk. Defaults to 1 GiB. A message that has no room waits, or is refused, as
	// with a full queue in memory; nothing older is ever dropped for it.
	MaxBytes int64
	// MaxAge is how long a message is kept and tried, from when it was taken. A message past it is Exhausted. Defaults to no limit.
	MaxAge time.Duration
}

// A ConfigError says what is wrong with a Config.
type ConfigError struct {
	Field, Reason string
}

// Error names the field and what is wrong with it.
func (e *ConfigError) Error() string { return "spool: " + e.Field + " " + e.Reason }

// Check tells what is wrong with the config, as a *ConfigError, or returns nil.
func (c Config) Check() error {
	switch {
	case c.Dir == "":
		return &ConfigError{"Dir", "is required"}
	case c.Mode > Memory:
		return &ConfigError{"Mode", "is none of Sync, Interval and Memory"}
	case c.Interval < 0:
		return &ConfigError{"Interval", "is negative"}
	case c.MaxBytes < 0 || c.MaxBytes > 0 && c.MaxBytes < 1<<20:
		return &ConfigError{"MaxBytes", "must be at least 1 MiB"}
	case c.MaxAge < 0:
		return &ConfigError{"MaxAge", "is negative"}
	}
	return nil
}

// A Spool is an open spool. It is made by Open and used by one client. It is safe for concurrent use.
type Spool struct {
	cfg     Config
	dir     *vfs.Dir    // of the catalog
	catalog *seglog.Log // holds the lock, the salt and the identity; it has no records
	salt    [32]byte

	mu     sync.Mutex
	closed bool
	queues map[transport.WriteKey]*queue
	others map[string]int64 // messages in the folders of queues that are not open, as far as they were counted
}

// Open opens a spool for an endpoint, making it where there is none. Errors: *ConfigError, *OpenError.
func Open(c Config, endpoint string) (*Spool, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if err := settle(c.Dir); err != nil {
		return nil, openError(c.Dir, err)
	}
	dir, err := vfs.OpenDir(filepath.Join(c.Dir, catalogName))
	if err != nil {
		return nil, openError(c.Dir, err)
	}
	catalog, _, err := seglog.Open(dir, seglog.Config{Identity: []byte(endpoint), Version: recordVersion})
	if err != nil {
		return nil, openError(c.Dir, errors.Join(err, dir.Close()))
	}
	return &Spool{cfg: c, dir: dir, catalog: catalog, salt: catalog.Salt(), queues: make(map[transport.WriteKey]*queue)}, nil
}

// settle makes the spool's own directory, or refuses one that is a link or that others may write to: they could put other folders in
// the place of those in it.
func settle(path string) error {
	dir, err := vfs.OpenDir(path)
	if err != nil {
		return err
	}
	return dir.Close()
}

// catalogName is the folder of the spool's own log; those of the queues are named by hashes.
const catalogName = "catalog"

// Queue opens the queue of a write key. It is for the client that owns the spool.
func (s *Spool) Queue(key transport.WriteKey) (dispatch.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, dispatch.ErrClosed
	}
	if q := s.queues[key]; q != nil {
		return q, nil
	}
	name := s.name(key)
	dir, err := vfs.OpenDir(filepath.Join(s.cfg.Dir, name))
	if err != nil {
		return nil, openError(s.cfg.Dir, err)
	}
	log, _, err := seglog.Open(dir, seglog.Config{ // what it found is in the log's Stats
		Mode: seglog.Mode(s.cfg.Mode), Interval: s.cfg.Interval, MaxBytes: s.cfg.MaxBytes, Identity: []byte(name), Version: recordVersion,
	})
	if err != nil {
		return nil, openError(s.cfg.Dir, errors.Join(err, dir.Close()))
	}
	q := &queue{log: log, dir: dir, reader: log.Reader(0)}
	s.queues[key] = q
	delete(s.others, name)
	return q, nil
}

// name returns the name of a key's folder: a keyed hash, so that the name does not tell the key, nor whether another spool has it.
func (s *Spool) name(key transport.WriteKey) string {
	mac := hmac.New(sha256.New, s.salt[:])
	mac.Write([]byte(key.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Quarantined returns how many messages were damaged on disk, in the queues that are open. They are lost: the bytes are kept in files
// that end in .broken, and nothing of them was sent.
func (s *Spool) Quarantined() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(0)
	for _, q := range s.queues {
		n += q.log.Stats().QuarantinedRecords
	}
	return n
}

// Unclaimed returns how many messages lie in queues that are not open: their write keys were not named since the spool was opened. They
// stay as they are.
func (s *Spool) Unclaimed() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	if s.others == nil { // nobody else adds to them
		s.others = make(map[string]int64)
		names, _ := queueNames(s.cfg.Dir)
		for _, name := range names {
			if log, err := lookAt(filepath.Join(s.cfg.Dir, name), seglog.Inspect); err == nil {
				s.others[name] = log.Records
			}
		}
		for key := range s.queues {
			delete(s.others, s.name(key))
		}
	}
	n := int64(0)
	for _, records := range s.others {
		n += records
	}
	return n
}

// Close writes down what is known to be done, and gives the spool free. What is queued stays.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, q := range s.queues {
		errs = append(errs, q.log.Close(), q.dir.Close())
	}
	return errors.Join(append(errs, s.catalog.Close(), s.dir.Close())...)
}

// An OpenError says why a spool, or a queue in it, cannot be opened. What is stored stays as it was.
type OpenError struct {
	Dir    string
	Advice string // what to do
	Err    error
}

// Error says what is wrong and what to do.
func (e *OpenError) Error() string { return fmt.Sprintf("spool %s: %v: %s", e.Dir, e.Err, e.Advice) }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// openError finds the advice for a cause.
func openError(dir string, err error) error {
	var (
		locked     *seglog.LockedError
		identity   *seglog.IdentityError
		version    *seglog.VersionError
		missing    *seglog.MissingError
		corrupt    *seglog.CorruptError
		permission *vfs.PermissionError
	)
	advice := "make the directory readable and writable for this user, on a disk with room"
	switch {
	case errors.As(err, &locked):
		advice = "end the other process, or give this one a directory of its own"
	case errors.As(err, &identity):
		advice = "it was made for another endpoint or region: use the one that it was made for until it is empty, or another directory"
	case errors.As(err, &version):
		advice = "a later version of this library wrote it: use that version"
	case errors.As(err, &missing), errors.As(err, &corrupt):
		advice = "restore the files that are gone or changed, or move the directory away to begin a new one"
	case errors.As(err, &permission):
		advice = "give the directory to this user alone, mode 0700, and let it be no link"
	}
	return &OpenError{Dir: dir, Advice: advice, Err: err}
}
