package seglog

// Stats are what a log holds, and what it has done since it was opened.
type Stats struct {
	// Records are not acknowledged. Bytes is the size of all segments on disk, Segments their number.
	Records  int64
	Bytes    int64
	Segments int
	// Next is the number that the next record gets.
	Next Seq

	// Appended and Acked count records; Commits the group commits that appended them.
	Appended, Acked, Commits int64
	// Full counts Appends that met a limit, before any room was made for them.
	Full int64
	// Syncs counts fsyncs of files; SyncFailures those that failed.
	Syncs, SyncFailures int64
	// AppendFailures counts group commits that failed, AckFailures writes of acknowledgements, RemoveFailures segments that could not
	// be removed and will be tried again.
	AppendFailures, AckFailures, RemoveFailures int64
	// Unsafe counts records of Interval mode whose sync failed and that could not be moved: they are readable, and may not
	// survive a power cut.
	Unsafe int64
	// Quarantined counts what was damaged, when the log was opened and since.
	QuarantinedRecords, QuarantinedRegions, QuarantinedBytes int64
}

// Stats returns the present figures. It does not wait for the disk.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Records, s.Bytes, s.Segments, s.Next = l.unackedCount, l.bytes, len(l.segments), l.next
	return s
}
