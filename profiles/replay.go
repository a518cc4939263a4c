package profiles

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// Replay sends the messages of dead letters again, each under its messageId, and yields one outcome for each letter, as Process does for
// records: in their order, ended by ctx and by leaving the loop in the same ways. A *BadRecord of letters is an Invalid outcome; any
// other error ends the range.
//
// A message goes to the Profile Space that it was for, which is the client's own or one of spaces; for any other it is Invalid. It is
// checked again: a message that was corrected by hand has to keep the rules of its action. So is a letter without a message: its Event is
// for Process.
//
// What fails again is handed to Config.DeadLetters again. Read the letters from a file that has been moved away, not from the one that
// is being written.
//
// Segment drops a message whose messageId it has seen in the last day or so. That of a Rejected letter it has not taken; an Ambiguous
// one it may have.
func (c *Client) Replay(ctx context.Context, letters iter.Seq2[DeadLetter, error], spaces ...WriteKey) iter.Seq2[RecordOutcome, error] {
	return func(yield func(RecordOutcome, error) bool) {
		if c.dispatcher == nil {
			yield(RecordOutcome{}, errNoClient)
			return
		}
		var letter DeadLetter                 // the one that is being read: draft is called by who reads, before it goes on
		r := newRun(ctx, c, new(Destination)) // every message has its id
		r.drafts = func(_ Record, index int, out []draft) ([]draft, Skip) {
			r.comesFrom(index, &DeadLetter{Record: letter.Record, Input: letter.Input, Line: letter.Line})
			return append(out, c.draft(&letter, spaces)), NotSkipped
		}
		r.stillborn = func(_ Record, o *Outcome) DeadLetter {
			l := letter // with what it holds, and where it came from
			l.FailedAt, l.Status = time.Now(), Invalid
			l.because(o.Err)
			return l
		}
		r.run(func(yield func(Record, error) bool) {
			for l, err := range letters {
				letter = l
				if !yield(nil, err) {
					return
				}
			}
		}, yield)
	}
}

// comesFrom notes where a record of the run was first.
func (r *run) comesFrom(index int, from *DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slot(index).from = from
}

// draft makes a message of a dead letter again.
func (c *Client) draft(l *DeadLetter, spaces []WriteKey) draft {
	d := draft{mappingID: l.Mapping, id: l.MessageID}
	if len(l.Message) == 0 {
		d.err = errNoMessage
		return d
	}
	if d.action, d.err = actions.Parse(l.Message); d.err != nil {
		return d
	}
	d.id = actions.MessageID(d.action)
	for _, key := range append([]WriteKey{c.cfg.WriteKey}, spaces...) {
		if !key.IsZero() && (l.Space == "" || l.Space == spaceTag(key, l.MessageID)) {
			d.space = key
			return d
		}
	}
	d.err = errOtherSpace
	return d
}

var (
	errNoMessage  = errors.New("the dead letter has no message: process its event")
	errOtherSpace = errors.New("the dead letter is of a Profile Space whose write key is not given")
)
