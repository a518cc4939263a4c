package spool

import (
	"context"
	"errors"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/internal/seglog"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// A queue is a key's log, as the dispatcher wants to see it.
type queue struct {
	log    *seglog.Log
	dir    *vfs.Dir
	reader *seglog.Reader // of the dispatcher's one reading goroutine
}

// Append implements dispatch.Queue.
func (q *queue) Append(ctx context.Context, payloads [][]byte, block bool) error {
	for {
		if _, err := q.log.Append(payloads...); err == nil {
			return nil
		} else if err = refusal(err, block); err != nil {
			return err
		}
		if err := q.log.Wait(ctx, len(payloads), size(payloads)); err != nil {
			return err
		}
	}
}

// refusal is why the log did not take messages, nil where it is to be waited for room.
func refusal(err error, block bool) error {
	var full *seglog.FullError
	switch {
	case errors.Is(err, seglog.ErrClosed):
		return dispatch.ErrClosed
	case !errors.As(err, &full):
		return err
	case !block:
		return dispatch.ErrQueueFull
	}
	return nil
}

func size(payloads [][]byte) (n int64) {
	for _, p := range payloads {
		n += int64(len(p))
	}
	return n
}

// Next implements dispatch.Queue. A damaged part of the log is passed over: the log has counted it and put it aside.
func (q *queue) Next(maxBytes int) ([]dispatch.Stored, error) {
	for {
		records, err := q.reader.Next(maxBytes)
		var damage *seglog.DamageError
		if errors.As(err, &damage) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out := make([]dispatch.Stored, len(records))
		for i, r := range records {
			out[i] = dispatch.Stored{Seq: uint64(r.Seq), Payload: r.Payload, At: r.AppendedAt}
		}
		return out, nil
	}
}

// Reset implements dispatch.Queue.
func (q *queue) Reset(seq uint64) { q.reader.Reset(seglog.Seq(seq)) }

// Done implements dispatch.Queue.
func (q *queue) Done(seqs []uint64) {
	acks := make([]seglog.Seq, len(seqs))
	for i, seq := range seqs {
		acks[i] = seglog.Seq(seq)
	}
	q.log.Ack(acks...)
}

// First implements dispatch.Queue.
func (q *queue) First() uint64 { return uint64(q.log.First()) }

// Last implements dispatch.Queue.
func (q *queue) Last() uint64 { return uint64(q.log.Stats().Next) - 1 }

// Len implements dispatch.Queue.
func (q *queue) Len() int { return int(q.log.Stats().Records) }
