package seglog

// stillOwed tells whether damage has cost records that are not acknowledged.
func (l *Log) stillOwed(f found) bool {
	if f.lost == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owed(f) > 0
}

// owed is called with mu held.
func (l *Log) owed(f found) int64 {
	return int64(f.lost) - l.acked.count(f.first, f.first+Seq(f.lost)-1)
}

// writeOff gives up records that a reader could not read: their part of the segment is copied, and they count as acknowledged. Where it cannot be
// copied they stay, and will be met again.
func (l *Log) writeOff(seg *segment, f found) error {
	damage := &DamageError{First: f.first, Bytes: f.size}
	kept := error(nil)
	if f.size > 0 {
		name := brokenName(seg.base, seg.attempt, f.off)
		if kept = l.quarantine(seg.name(), name, f.off, f.size); kept == nil {
			damage.File = name
			kept = l.fs.SyncDir()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	damage.Records = l.owed(f)
	if kept != nil || damage.Records == 0 {
		return damage
	}
	last := f.first + Seq(f.lost) - 1
	l.acked.addRange(f.first, last)
	l.toAck = append(l.toAck, seqRange{f.first, last})
	seg.unacked -= damage.Records
	seg.damaged = false // or it is found out again
	l.unackedCount -= damage.Records
	l.stats.QuarantinedRecords += damage.Records
	l.stats.QuarantinedRegions++
	l.stats.QuarantinedBytes += f.size
	l.freed()
	return damage
}
