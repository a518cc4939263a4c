package seglog

import (
	"context"
	"time"
)

// fits returns a *TooLargeError where records would never fit.
func (l *Log) fits(size, records int64) error {
	if most := l.cfg.MaxBytes; most > 0 && size+segmentHeader > most {
		return &TooLargeError{Limit: "MaxBytes", Size: size + segmentHeader, Max: most}
	}
	if most := l.cfg.MaxRecords; most > 0 && records > most {
		return &TooLargeError{Limit: "MaxRecords", Size: records, Max: most}
	}
	return nil
}

// full returns a *FullError where there is no room now. It is called with mu held.
func (l *Log) full(size, records int64) error {
	if most := l.cfg.MaxBytes; most > 0 && l.bytes+l.pendingBytes+size+segmentHeader > most {
		return &FullError{Limit: "MaxBytes", Max: most}
	}
	if most := l.cfg.MaxRecords; most > 0 && l.unackedCount+l.pendingRecords+records > most {
		return &FullError{Limit: "MaxRecords", Max: most}
	}
	return nil
}

// freed tells those who wait that something may fit now. It is called with mu held.
func (l *Log) freed() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// reclaimable tells whether a segment could be removed or thinned out. It is called with mu held.
func (l *Log) reclaimable() bool {
	for _, seg := range l.segments {
		if seg.unacked == 0 && seg.readers == 0 && seg.end > seg.base {
			return true
		}
	}
	return l.thin() != nil
}

// reclaim removes the segments whose records are all acknowledged, else the acknowledged part of one, and tells whether that made a difference.
func (l *Log) reclaim() bool {
	l.mu.Lock()
	before, possible := l.bytes, l.reclaimable()
	l.mu.Unlock()
	if !possible {
		return false
	}
	_ = l.flushAcks(true) // counted
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes < before
}

// Wait waits until records with so many bytes of payload in all would fit. It keeps nothing free for the caller: another one may be
// faster, so Append and Wait belong in a loop. It returns ctx's error where that ends first, ErrClosed, or a *TooLargeError where they
// would never fit.
func (l *Log) Wait(ctx context.Context, records int, bytes int64) error {
	size := bytes + int64(records)*frameHeader
	if err := l.fits(size, int64(records)); err != nil {
		return err
	}
	l.mu.Lock()
	l.waiting++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.waiting--
		l.mu.Unlock()
	}()
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return ErrClosed
		}
		if l.full(size, int64(records)) == nil {
			l.mu.Unlock()
			return nil
		}
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		l.mu.Unlock()
		if l.reclaim() {
			continue
		}
		if err := l.waitFor(ctx, room); err != nil {
			return err
		}
	}
}

// waitFor waits for room, or, where acknowledgements could not be written, for the time to try that again.
func (l *Log) waitFor(ctx context.Context, room <-chan struct{}) error {
	l.mu.Lock()
	possible := l.reclaimable()
	l.mu.Unlock()
	var again <-chan time.Time
	if possible {
		timer := time.NewTimer(ackEvery)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-room:
	case <-again:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// starved tells whether somebody needs room. It is called with mu held.
func (l *Log) starved() bool { return l.refused || l.waiting > 0 }
