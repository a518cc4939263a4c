package seglog

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A Log is an open log. It may be used by any number of goroutines.
type Log struct {
	fs       vfs.FS
	cfg      Config
	manifest manifest
	seed     uint32
	lock     io.Closer

	disk   sync.Mutex // turns at writing segments; guards write and strays
	write  segmentWriter
	strays map[Seq]uint16 // by their first seq: the attempt after those whose files could be neither made nor removed

	acks ackWriter

	users sync.WaitGroup // appends and timers that Close waits for; counted up under mu while not closed

	mu       sync.Mutex
	closed   bool
	segments []*segment // by base, never overlapping
	acked    ackSet
	next     Seq // what the next record gets; those below it may be read
	durable  Seq // those below it are on the disk
	open     *batch
	spare    [][]byte // buffers of batches to use again: one is written while the other is filled

	bytes          int64 // of all segments on disk
	unackedCount   int64
	first          Seq   // no record before it is not acknowledged; First moves it
	pendingBytes   int64 // of batches that are not published
	pendingRecords int64

	room    chan struct{} // closed when something has become free; nil while nobody waits
	waiting int           // in Wait
	refused bool          // the last Append met a limit, or a full disk

	toAck       []seqRange // acknowledged, and not written to the acknowledgement file
	ackUnsynced bool
	ackSyncedAt time.Time
	horizon     Seq  // durable as it was last written down
	sealAcked   bool // the active segment is to be given up for removal

	timer   *time.Timer // of Interval mode
	armed   bool
	stats   Stats
	closing sync.Once
	closeIs error
}

// A segment is what is known of a file of frames. Its fields are guarded by Log.mu.
type segment struct {
	base    Seq
	attempt uint16
	end     Seq   // the seq after its last one
	size    int64 // bytes that may be read
	disk    int64 // bytes that it is counted with
	unacked int64
	sealed  bool // nothing will be appended
	void    bool // frames that do not count may be behind its end: it has to go before the segment after it may
	readers int
	doomed  bool          // being removed
	moved   int           // counts changes that make a reader's offset useless
	dropped int64         // acknowledged records that are no longer in the file
	damaged bool          // thinning it out has met damage that no reader has met
	moving  chan struct{} // closed when the file has been replaced; nil while it is not being replaced
}

func (s *segment) name() string { return segmentName(s.base, s.attempt) }

// A Recovery is what was found when a log was opened.
type Recovery struct {
	// Records are not acknowledged; Bytes is the size of their frames.
	Records int64
	Bytes   int64
	// Segments is how many files they are in.
	Segments int
	// TornBytes were at the end of the log and were no complete record: what a crash leaves of an Append that had not returned. They
	// were cut off.
	TornBytes int64
	// QuarantinedRecords were damaged, and are lost: in QuarantinedRegions parts of segments, QuarantinedBytes long, which have been
	// copied to files of their own.
	QuarantinedRecords int64
	QuarantinedRegions int
	QuarantinedBytes   int64
	// Missing records are lost without a trace of damage. It is 0 unless Config.AcceptMissing was set, the log was written in Memory
	// mode, or acknowledgements were damaged too (then the records may well have been acknowledged).
	Missing int64
	// DamagedAckBytes are parts of acknowledgement files that could not be read; what they acknowledged is among Records.
	DamagedAckBytes int64
	// Postponed is why recovery could not write down what it found, where the disk was full: it will be found again.
	Postponed error
}

// Open opens the log in a directory, making it where the directory has none, and returns what it found.
//
// Errors: *LockedError, *IdentityError, *VersionError, *MissingError and *CorruptError, after which the directory is as it was; else
// what the file system says, wrapped. A log that cannot be read is never taken for an empty one. A disk that is full is no error
// unless the log is new.
func Open(fsys vfs.FS, c Config) (*Log, Recovery, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, Recovery{}, err
	}
	lock, err := fsys.Lock(lockName)
	if err != nil {
		return nil, Recovery{}, err
	}
	l, found, err := open(fsys, c, lock)
	if err != nil {
		lock.Close()
		return nil, Recovery{}, err
	}
	return l, found, nil
}

func open(fsys vfs.FS, c Config, lock io.Closer) (*Log, Recovery, error) {
	s, err := look(fsys, c)
	if err != nil {
		return nil, Recovery{}, err
	}
	if s.missing.unexplained && !c.AcceptMissing {
		return nil, Recovery{}, &MissingError{s.missing.first, s.missing.last, s.missing.records}
	}
	if err := settleManifest(fsys, c, s); err != nil {
		return nil, Recovery{}, err
	}
	if c.Mode == Memory { // but for the MANIFEST: it is written once, and without it there is no log
		fsys = unsynced{fsys}
	}
	l := &Log{fs: fsys, cfg: c, manifest: s.manifest, seed: s.manifest.seed(), lock: lock, strays: map[Seq]uint16{}}
	found, err := l.recover(s)
	if err != nil {
		l.acks.close()
		return nil, Recovery{}, err
	}
	l.keepReserve() // now, and not with the first acknowledgements: those may never come before the disk is full
	return l, found, nil
}

// settleManifest writes the MANIFEST where there is none, or where it has to change.
func settleManifest(fsys vfs.FS, c Config, s *survey) error {
	switch {
	case s.fresh:
		s.manifest = newManifest(c.Identity, c.Version)
	case s.manifest.version < c.Version:
		s.manifest.version = c.Version
	case s.whole && c.Mode == Memory:
		return fsys.SyncDir() // a kill may have come before that, and in this mode no other one follows
	case s.whole:
		return nil
	}
	data, err := s.manifest.encode()
	if err == nil {
		err = replaceFile(fsys, manifestName, data)
	}
	if err != nil && !s.fresh && s.manifest.version == c.Version && vfs.NoSpace(err) && !s.whole {
		return nil // one line of it is good
	}
	if err != nil {
		return failed("writing "+manifestName, err)
	}
	return nil
}

// replaceFile puts a file in place, whole or not at all.
func replaceFile(fsys vfs.FS, name string, data []byte) error {
	if err := writeFile(fsys, name+tmpSuffix, data); err != nil {
		return err
	}
	if err := fsys.Rename(name+tmpSuffix, name); err != nil {
		return err
	}
	return fsys.SyncDir()
}

// writeFile makes a file and syncs it, in the place of what was there.
func writeFile(fsys vfs.FS, name string, data []byte) error {
	if err := fsys.Remove(name); err != nil && !vanished(err) {
		return err
	}
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// Salt returns 32 random bytes that were made with the log and stay with it, for keyed hashes.
func (l *Log) Salt() [32]byte { return l.manifest.salt }

// ID returns the log's own random id.
func (l *Log) ID() [16]byte { return l.manifest.id }

// Close syncs what is unsynced, removes what is acknowledged, and gives the log back to others. Appends that have begun are waited for;
// later operations return ErrClosed. It may be called again, and returns what it did the first time: nil where all is on the disk.
func (l *Log) Close() error {
	l.closing.Do(func() { l.closeIs = l.shut() })
	return l.closeIs
}

func (l *Log) shut() error {
	l.mu.Lock()
	l.closed, l.sealAcked = true, true
	if l.timer != nil && l.timer.Stop() {
		l.users.Done()
	}
	l.freed()
	l.mu.Unlock()
	l.users.Wait()

	err := l.syncSegments()
	if flush := l.flushAcks(true); err == nil {
		err = flush
	}
	l.disk.Lock()
	l.write.close()
	l.disk.Unlock()
	l.acks.close()
	if lock := l.lock.Close(); err == nil && lock != nil {
		err = failed("giving the lock back", lock)
	}
	return err
}

// segmentOf returns the segment that has a seq, or the first one after it, or nil. It is called with mu held.
func (l *Log) segmentOf(seq Seq) *segment {
	i, _ := slices.BinarySearchFunc(l.segments, seq, func(s *segment, seq Seq) int {
		if s.end <= seq {
			return -1
		}
		return 1
	})
	if i == len(l.segments) {
		return nil
	}
	return l.segments[i]
}

// unsynced is a file system on which nothing is synced.
type unsynced struct{ vfs.FS }

func (u unsynced) SyncDir() error { return nil }

func (u unsynced) Create(name string) (vfs.File, error) { return u.wrap(u.FS.Create(name)) }
func (u unsynced) Open(name string) (vfs.File, error)   { return u.wrap(u.FS.Open(name)) }
func (u unsynced) Edit(name string) (vfs.File, error)   { return u.wrap(u.FS.Edit(name)) }

func (u unsynced) Verify(name string, f vfs.File) error {
	return u.FS.Verify(name, f.(unsyncedFile).File)
}

func (u unsynced) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error { return nil }
