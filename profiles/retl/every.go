package retl

import (
	"context"
	"errors"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// Every runs the sync at once, and then again each time that interval has gone by since the last one began, one at a time: one that takes
// longer is followed by the next without a pause. Each report is handed to done, with Run's error, before the next sync begins; done may
// be nil. Replay and RetryGivenUp are for the first sync alone.
//
// A sync that failed does not end it, but one that cannot be run does: a *ConfigError, which an interval that is not above 0 is as well, a
// *MismatchError, or a *profiles.DestinationError is returned. Else it returns ctx's error, when ctx has ended and the sync that ran
// has. Model.Records is ranged over by each sync: Query runs its query anew, and what can be read once, such as NDJSON, is good for the
// first sync alone (ErrSpent).
func (s Sync) Every(ctx context.Context, interval time.Duration, done func(Report, error)) error {
	if interval <= 0 {
		return &ConfigError{[]error{errors.New("the interval must be above 0")}}
	}
	for ctx.Err() == nil {
		next := time.Now().Add(interval)
		report, err := s.Run(ctx)
		if done != nil {
			done(report, err)
		}
		if neverRuns(err) {
			return err
		}
		s.Replay, s.RetryGivenUp = false, false
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
	return ctx.Err()
}

// neverRuns tells whether a sync that ended so ends so the next time.
func neverRuns(err error) bool {
	var config *ConfigError
	var mismatch *MismatchError
	var destination *profiles.DestinationError
	return errors.As(err, &config) || errors.As(err, &mismatch) || errors.As(err, &destination)
}
