package seglog

// First returns the number of the first record that is not acknowledged, or the one that the next record gets where all are. It does
// not wait for the disk.
func (l *Log) First() Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seg := range l.segments {
		if seg.unacked == 0 {
			continue
		}
		for seq := max(seg.base, l.first); seq < seg.end; seq++ {
			if !l.acked.has(seq) {
				l.first = seq
				return seq
			}
		}
	}
	l.first = l.next
	return l.next
}
