package retl

import (
	"context"
	"time"
)

// Every runs the sync at once, and then again each time that interval has gone by since the last one began, one at a time: one that takes
// longer is followed by the next without a pause. Each report is handed to done, with Run's error, before the next sync begins; a sync
// that failed does not end it. It returns ctx's error when ctx has ended and the sync that ran has.
//
// Model.Records is ranged over by each sync: Query runs its query anew.
func (s Sync) Every(ctx context.Context, interval time.Duration, done func(Report, error)) error {
	for ctx.Err() == nil {
		next := time.Now().Add(interval)
		report, err := s.Run(ctx)
		done(report, err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
	return ctx.Err()
}
