package profiles

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// A RecordOutcome is what became of one record.
type RecordOutcome struct {
	// Index is the record's place in the input, from Input.Start, which is 0 where it is not set.
	Index int
	// Status is the worst of Outcomes (Invalid, Rejected, Exhausted, Canceled, Accepted), or Skipped.
	Status Status
	// Skip says why a Skipped record gave no message.
	Skip Skip
	// Outcomes has one outcome for each message that the record gave, in the order of the mappings. A message that could not be
	// made is Invalid.
	Outcomes []Outcome
}

// Err returns why the record was not accepted: the errors of its messages, joined, or nil for an Accepted or Skipped one.
func (o RecordOutcome) Err() error {
	var errs []error
	for _, m := range o.Outcomes {
		if m.Err != nil {
			errs = append(errs, m.Err)
		}
	}
	return errors.Join(errs...)
}

// Process runs records through a destination's mappings, delivers what they give, and yields one outcome for each record, in the
// order of the input: once it is yielded, the record's fate is known, and a checkpoint may move past it.
//
// Records are read by a goroutine of their own, at most Config.Window ahead of the oldest one without an outcome. A record that
// cannot be mapped is Invalid, and the rest go on. What ends the range is an error that it yields last, after the outcomes of all
// records that were read: the source's own, ctx's, ErrClosed, or a *DestinationError where dest does not fit the client (see
// Check). If ctx ends, or the loop is left early, Process stops reading, cancels what is not on the wire, and waits for what is: for
// at most Config.AttemptTimeout, and for the source's present record.
//
// The client may be used for other things meanwhile, other Processes included.
func (c *Client) Process(ctx context.Context, dest *Destination, records iter.Seq2[Record, error]) iter.Seq2[RecordOutcome, error] {
	return func(yield func(RecordOutcome, error) bool) {
		if err := c.Check(dest); err != nil {
			yield(RecordOutcome{}, err)
			return
		}
		r := newRun(ctx, c, dest)
		go r.read(records)
		defer r.stop()
		for {
			outcome, ok := r.next()
			if !ok {
				break
			}
			if !yield(outcome, nil) {
				return
			}
		}
		if err := r.end(); err != nil {
			yield(RecordOutcome{}, err)
		}
	}
}

// Check tells whether a destination can be processed by this client, without a record: it must not be of another region, unless
// the client has an endpoint or a transport of its own; a mapping without engage_space needs Config.WriteKey; and where a mapping
// has a model, the input has to name one. The error is a *DestinationError.
func (c *Client) Check(dest *Destination) error {
	var problems []DestinationProblem
	if dest == nil {
		return &DestinationError{Problems: []DestinationProblem{{Reason: "is nil"}}}
	}
	if dest.region.Valid() && c.cfg.Region.Valid() && dest.region != c.cfg.Region && c.cfg.Endpoint == "" && c.cfg.Transport == nil {
		problems = append(problems, DestinationProblem{Path: "/region", Reason: fmt.Sprintf("is %s, and the client's is %s", dest.region, c.cfg.Region)})
	}
	for _, m := range dest.mappings {
		if !m.enabled {
			continue
		}
		if !m.hasSpace && !m.ownFields && c.cfg.WriteKey.IsZero() {
			problems = append(problems, DestinationProblem{Reason: fmt.Sprintf("mapping %q has no Profile Space (engage_space), and the client has no write key", m.id)})
		}
		if m.modelID != "" && dest.input.Model == "" {
			problems = append(problems, DestinationProblem{Reason: fmt.Sprintf("mapping %q takes the records of one model, and the input does not name its model: use Destination.For", m.id)})
		}
	}
	if len(problems) > 0 {
		return &DestinationError{Problems: problems}
	}
	return nil
}
