package seglog

import (
	"time"
)

// Ack notes that records are done with: they are not read again, now or after a restart. It writes them down without waiting for the disk; a
// kill loses nothing of that, a power cut up to a second's worth, and what is lost comes back as records. Numbers that were not
// appended, or were acknowledged before, are passed over.
//
// What it cannot write, because the disk is full or broken, it keeps in memory (a bit a record) and tries again about every second;
// Stats.AckFailures counts, and SyncAcks and Close return the error. After Close it does nothing.
func (l *Log) Ack(seqs ...Seq) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	acked := int64(0)
	var seg *segment
	for _, seq := range seqs {
		if seq == 0 || seq >= l.next || !l.acked.add(seq) {
			continue
		}
		acked++
		if seg == nil || seq < seg.base || seq >= seg.end {
			seg = l.segmentOf(seq)
		}
		seg.unacked--
		l.noteAck(seq)
	}
	if acked > 0 {
		l.unackedCount -= acked
		l.stats.Acked += acked
		l.freed()
	}
	reclaim := acked > 0 && l.starved() && l.reclaimable()
	l.mu.Unlock()
	if reclaim {
		l.reclaim()
	}
	l.flushAcksIfDue()
	l.writeAcks()
}

// noteAck puts a seq on the list of what is to be written. It is called with mu held.
func (l *Log) noteAck(seq Seq) {
	if n := len(l.toAck); n > 0 && l.toAck[n-1].last+1 == seq {
		l.toAck[n-1].last = seq
		return
	}
	l.toAck = append(l.toAck, seqRange{seq, seq})
}

// SyncAcks returns once all acknowledgements are on the disk. It removes the segments that they have emptied.
func (l *Log) SyncAcks() error {
	if l.isClosed() {
		return ErrClosed
	}
	return l.flushAcks(true)
}

// flushAcksIfDue syncs acknowledgements where some have waited for long enough.
func (l *Log) flushAcksIfDue() {
	l.mu.Lock()
	due := !l.closed && l.ackUnsynced && time.Since(l.ackSyncedAt) >= ackEvery
	l.mu.Unlock()
	if due && l.acks.turn.TryLock() { // somebody who has the turn is at it
		_ = l.flush(true, false) // counted; it will be due again
		l.acks.turn.Unlock()
	}
}

// writeAcks writes what is to be acknowledged, unless somebody is at it, who then writes this too.
func (l *Log) writeAcks() {
	for l.hasAcks() && l.acks.turn.TryLock() {
		err := l.flush(false, false)
		l.acks.turn.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *Log) hasAcks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.toAck) > 0
}

func (l *Log) flushAcks(sync bool) error { return l.flushAcksWith(sync, false) }

func (l *Log) flushAcksWith(sync, snapshot bool) error {
	l.sealIfAcked()
	l.acks.turn.Lock()
	defer l.acks.turn.Unlock()
	return l.flush(sync, snapshot)
}
