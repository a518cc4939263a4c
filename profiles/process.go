package profiles

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
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

// Done tells whether the record is done with, so that a checkpoint may move past it: it was accepted or skipped, or is at fault
// itself (Invalid, or Rejected for what it holds), or it is safe in a spool (Kept). It is false where the record should be read again in a later run: it was
// Canceled or Exhausted, or Rejected because the write key or the endpoint is not accepted, or Rejected and its dead letter could not be
// kept.
func (o RecordOutcome) Done() bool {
	for _, m := range o.Outcomes {
		switch m.Status {
		case Canceled, Exhausted, Pending:
			return false
		case Rejected:
			if m.unburied || m.class == transport.Credentials || m.class == transport.Configuration {
				return false
			}
		}
	}
	return true
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

// Process runs records through a destination's mappings, delivers what they give, and yields one outcome for each record that was
// read, in the order of the input. A checkpoint may move past a record whose outcome is Done, and should stop at the first that is
// not.
//
// Records are read by a goroutine of their own, at most Config.Window ahead of the oldest one without an outcome. A record that
// cannot be mapped, or for which the source yields a *BadRecord, is Invalid, and the rest go on. What ends the range is an error
// that it yields last, after the outcomes of all records that were read: the source's own; ctx's, or ErrClosed, where not all was
// read or messages were Canceled; what the disk said where messages could not be stored in the spool, which are Canceled; or a
// *DestinationError where dest does not fit the client (see Check). A panic of the source is raised again in the goroutine of the loop.
//
// If ctx ends, or the loop is left early, Process stops reading, cancels what is not on the wire, and waits for what is: for at
// most Config.AttemptTimeout, and for the source's present record. Where it has to be quick, lower that timeout.
//
// Where ctx ends while the loop's body runs, what is queued is canceled at once.
//
// With Config.DeadLetters, what is Invalid is handed to it before its outcome is yielded. Where that fails, the record is Canceled, and
// the range ends with the error.
//
// The client may be used for other things meanwhile, other Processes included.
func (c *Client) Process(ctx context.Context, dest *Destination, records iter.Seq2[Record, error]) iter.Seq2[RecordOutcome, error] {
	return func(yield func(RecordOutcome, error) bool) {
		if err := c.Check(dest); err != nil {
			yield(RecordOutcome{}, err)
			return
		}
		for _, m := range dest.mappings {
			if err := c.open(m.space); err != nil {
				yield(RecordOutcome{}, err)
				return
			}
		}
		r := newRun(ctx, c, dest)
		r.start, r.input = dest.input.Start, dest.input.Name
		r.drafts = func(rec Record, index int, out []draft) ([]draft, Skip) {
			return dest.drafts(rec, origin{ordinal: dest.input.Start + index, run: r.name, space: c.cfg.WriteKey}, out, &r.objects)
		}
		r.stillborn = stillborn
		r.run(records, yield)
	}
}

// Check tells whether a destination can be processed by this client, without a record: it must not be of another region, unless
// the client has an endpoint or a transport of its own; a mapping without engage_space needs Config.WriteKey; and where a mapping
// has a model, the input has to name one. The error is a *DestinationError.
func (c *Client) Check(dest *Destination) error {
	var problems []DestinationProblem
	if c.dispatcher == nil {
		return &Error{Status: NotQueued, Err: errNoClient}
	}
	if dest == nil {
		return &DestinationError{Problems: []DestinationProblem{{Reason: "is nil"}}}
	}
	if dest.region.Valid() && c.cfg.Region.Valid() && dest.region != c.cfg.Region && c.cfg.Endpoint == "" && c.cfg.Transport == nil {
		problems = append(problems, DestinationProblem{Path: "/region", Reason: fmt.Sprintf("is %s, and the client's is %s", dest.region, c.cfg.Region)})
	}
	models, known := false, false
	for _, m := range dest.mappings {
		models = models || m.modelID != ""
		known = known || m.modelID == dest.input.Model
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
	if models && !known && dest.input.Model != "" {
		problems = append(problems, DestinationProblem{Reason: "no mapping takes the records of the model that the input names"})
	}
	if len(problems) > 0 {
		return &DestinationError{Problems: problems}
	}
	return nil
}
