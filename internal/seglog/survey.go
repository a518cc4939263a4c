package seglog

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A survey is what a directory holds, found without changing anything.
type survey struct {
	fresh    bool // nothing is there yet
	manifest manifest
	whole    bool // both lines of the MANIFEST are good

	acked      ackSet
	ackFiles   []string
	lastAck    uint64 // the highest generation
	ackDamaged int64  // bytes of acknowledgement files that are no good
	durable    Seq    // records below it are known to have been on the disk

	segments []*surveyed
	leftover []string // files that were not finished
	reserved bool     // the reserve is there
	broken   []vfs.Entry
	next     Seq // what the next record gets

	records int64 // not acknowledged
	size    int64 // of their frames
	missing lostRange

	everything bool   // footers are not trusted
	indexed    int    // bytes of the indexes of segments that have no footer; -1 where none is kept
	window     []byte // the scanners' buffer
}

// A surveyed segment.
type surveyed struct {
	name    string
	base    Seq
	attempt uint16
	mode    Mode
	limit   Seq // the next segment's base, 0 for the last
	bytes   int64
	badHead bool
	end     Seq   // the seq after the last frame, or after all that it had before it was damaged
	good    int64 // where the last good frame ends
	frames  int64
	unacked int64
	first   Seq // the first that is not acknowledged, 0 where there is none
	damage  []damage
	torn    int64  // bytes after the last good frame that are no loss, without the footer
	foot    int64  // bytes of the footer, 0 where there is none that is good
	index   *index // for the footer that it lacks; nil where it can have none
	skipped bool   // all acknowledged, and therefore not read
}

// A damage is a part of a segment that has cost records.
type damage struct {
	off, size int64
	first     Seq
	last      Seq
	records   int64 // those that were not acknowledged
}

type lostRange struct {
	unexplained bool // by anything that a crash does
	first, last Seq
	records     int64
}

func (l *lostRange) add(first, last Seq, records int64) {
	if records == 0 {
		return
	}
	if l.records == 0 {
		l.first = first
	}
	l.last = last
	l.records += records
}

// look surveys the directory of a log that c is for. Errors of reading come back as they are: what cannot be read is not there to be replaced.
func look(fsys vfs.FS, c Config) (*survey, error) { return new(survey).look(fsys, &c) }

// look does so for any log where c is nil, one that somebody is using too: segments may be removed while it looks.
func (s *survey) look(fsys vfs.FS, c *Config) (*survey, error) {
	entries, err := fsys.List()
	if err != nil {
		return nil, failed("listing the directory", err)
	}
	hasManifest := false
	for _, e := range entries {
		switch base, attempt, isSegment := parseSegmentName(e.Name); {
		case e.Name == manifestName:
			hasManifest = true
		case isSegment:
			s.segments = append(s.segments, &surveyed{name: e.Name, base: base, attempt: attempt, bytes: e.Size})
		case strings.HasSuffix(e.Name, ackSuffix):
			if generation, ok := parseAckName(e.Name); ok {
				s.ackFiles = append(s.ackFiles, e.Name)
				s.lastAck = max(s.lastAck, generation)
			}
		case e.Name == reserveName:
			s.reserved = true
		case strings.HasSuffix(e.Name, tmpSuffix):
			s.leftover = append(s.leftover, e.Name)
		case strings.HasSuffix(e.Name, brokenSuffix):
			s.broken = append(s.broken, e)
		}
	}
	if !hasManifest {
		if len(s.segments) > 0 || len(s.ackFiles) > 0 {
			return nil, &CorruptError{manifestName, "missing, and there are segments or acknowledgements"}
		}
		s.fresh, s.next = true, 1
		return s, nil
	}
	if err := s.readManifest(fsys, c); err != nil {
		return nil, err
	}
	for _, name := range s.ackFiles {
		if err := s.readAcks(fsys, name); err != nil {
			return nil, failed("reading "+name, err)
		}
	}
	slices.SortFunc(s.segments, func(a, b *surveyed) int { return strings.Compare(a.name, b.name) })
	for i, seg := range s.segments {
		if i+1 < len(s.segments) {
			seg.limit = s.segments[i+1].base
		}
		err := s.readSegment(fsys, seg)
		if c == nil && vanished(err) {
			s.removed(seg)
		} else if err != nil {
			return nil, err
		}
	}
	s.conclude()
	return s, nil
}

func (s *survey) readManifest(fsys vfs.FS, c *Config) error {
	data, err := readAll(fsys, manifestName, 1<<20)
	if err != nil {
		return failed("reading "+manifestName, err)
	}
	if s.manifest, s.whole, err = parseManifest(data); err != nil {
		return err
	}
	if c == nil {
		return nil
	}
	if string(s.manifest.identity) != string(c.Identity) {
		return &IdentityError{}
	}
	if s.manifest.version > c.Version {
		return &VersionError{Of: "records", Have: int(s.manifest.version), Max: int(c.Version)}
	}
	return nil
}

func readAll(fsys vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(size, limit))
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

func (s *survey) readAcks(fsys vfs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	tell := ackReader{
		acked:   func(r seqRange) { s.acked.addRange(r.first, r.last) },
		durable: func(seq Seq) { s.durable = max(s.durable, seq) },
	}
	buf := make([]byte, 64<<10)
	kept, off := 0, int64(0)
	for {
		n, err := f.ReadAt(buf[kept:], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		off += int64(n)
		end := errors.Is(err, io.EOF)
		damaged, rest := parseAcks(buf[:kept+n], s.manifest.seed(), !end, tell)
		s.ackDamaged += int64(damaged)
		if end {
			return nil
		}
		copy(buf, buf[kept+n-rest:kept+n])
		kept = rest
	}
}

func (s *survey) readSegment(fsys vfs.FS, seg *surveyed) error {
	f, err := fsys.Open(seg.name)
	if err != nil {
		return failed("opening "+seg.name, err)
	}
	defer f.Close()
	if seg.bytes, err = f.Size(); err != nil {
		return failed("reading "+seg.name, err)
	}
	head := make([]byte, segmentHeader)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return failed("reading "+seg.name, err)
	}
	h, ok := parseSegmentHead(head[:n], s.manifest.id, s.manifest.seed())
	if ok && (h.base != seg.base || h.attempt != seg.attempt) {
		return &CorruptError{seg.name, "a copy of another segment, or renamed"}
	}
	seg.badHead, seg.mode = !ok, h.mode
	seg.end, seg.good = seg.base, min(segmentHeader, seg.bytes)
	if seg.limit != 0 && s.acked.count(seg.base, seg.limit-1) == int64(seg.limit-seg.base) {
		seg.end, seg.skipped = seg.limit, true
		return nil
	}
	x, ok, err := s.readFooter(f, seg)
	if err != nil {
		return err
	}
	if ok {
		seg.foot = seg.bytes - x.size
	}
	if ok && !seg.badHead && !s.everything && (seg.limit == 0 || x.next <= seg.limit) {
		s.trust(seg, &x)
		return nil
	}
	return s.scan(f, seg)
}

// removed notes that a segment was removed by the one who uses the log: all of it was acknowledged.
func (s *survey) removed(seg *surveyed) {
	seg.skipped, seg.end = true, max(seg.base, seg.limit)
	s.acked.addRange(seg.base, seg.end-1)
}

// scan reads a segment's frames. Damage counts as such only where a good frame follows it; what is left is the tail.
func (s *survey) scan(f vfs.File, seg *surveyed) error {
	end := seg.bytes - seg.foot
	sc := scanner{r: f, seed: s.manifest.seed(), size: end, limit: seg.limit, off: seg.good, seq: seg.base, window: s.window[:0]}
	defer func() { s.window = sc.window }()
	var open []damage // since the last good frame
	x := newIndex(seg.base)
	for {
		got, err := sc.next()
		if err != nil {
			return failed("reading "+seg.name, err)
		}
		switch got.kind {
		case foundDamage:
			d := s.cost(got.first, got.first+Seq(got.lost)-1)
			d.off, d.size = got.off, got.size
			open = append(open, d)
		case foundRecord:
			seg.damage = append(seg.damage, slices.DeleteFunc(open, func(d damage) bool { return d.records == 0 })...)
			open = open[:0]
			seg.end, seg.good = got.head.seq+1, got.off+got.size
			s.count(seg, got.head.seq, got.size)
			if x.size == got.off {
				x.add(got.head.seq, got.head.length)
			}
		case foundEnd:
			seg.torn = end - seg.good
			s.keep(seg, x)
			return nil
		}
	}
}

// count counts a good frame.
func (s *survey) count(seg *surveyed, seq Seq, size int64) {
	seg.frames++
	if s.acked.has(seq) {
		return
	}
	seg.unacked++
	if seg.first == 0 {
		seg.first = seq
	}
	s.size += size
}

// cost returns the damage of losing the seqs from first to last.
func (s *survey) cost(first, last Seq) damage {
	d := damage{first: first, last: last}
	if first <= last {
		d.records = int64(last-first) + 1 - s.acked.count(first, last)
	}
	return d
}

// conclude finds what is missing at the segments' ends and between them, and what the next seq is.
func (s *survey) conclude() {
	s.next = max(1, s.durable, s.acked.top+1)
	at := Seq(1) // all below it is accounted for
	explained := s.ackDamaged > 0
	for i, seg := range s.segments {
		if gap := s.cost(at, seg.base-1); at < seg.base && gap.records > 0 {
			s.miss(gap, explained || seg.mode == Memory || seg.badHead || i > 0 && s.segments[i-1].mode == Memory)
		}
		limit := seg.limit
		if limit == 0 {
			limit = max(seg.end, s.durable)
		}
		s.tail(seg, limit)
		s.records += seg.unacked
		at = max(at, seg.end)
	}
	s.next = max(s.next, at)
	if at < s.durable { // also where there is no segment at all
		if gap := s.cost(at, s.durable-1); gap.records > 0 {
			s.miss(gap, explained)
		}
	}
}

// tail judges what is behind a segment's last good frame, where records up to limit should have been.
func (s *survey) tail(seg *surveyed, limit Seq) {
	if seg.torn == 0 || seg.end >= limit {
		return
	}
	d := s.cost(seg.end, limit-1)
	if d.records == 0 {
		return
	}
	if seg.limit != 0 && s.missingFile(seg, limit) {
		return
	}
	d.off, d.size = seg.good, seg.torn
	seg.damage = append(seg.damage, d)
	seg.torn, seg.end = 0, limit
}

// missingFile tells whether a torn end is too short for the records that should follow: then a segment is missing after it.
func (s *survey) missingFile(seg *surveyed, limit Seq) bool {
	return int64(limit-seg.end) > seg.torn/frameHeader+1
}

func (s *survey) miss(d damage, explained bool) {
	s.missing.add(d.first, d.last, d.records)
	s.missing.unexplained = s.missing.unexplained || !explained
}

// vanished tells whether a file was removed while a directory was surveyed.
func vanished(err error) bool { return errors.Is(err, fs.ErrNotExist) }
