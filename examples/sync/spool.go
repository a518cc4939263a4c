package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

// drainTime is how long the first interrupt waits for what is in the spool.
const drainTime = 10 * time.Second

// openSpool makes the client anew, with the spool: it begins at once to deliver what is there, and so comes last. Only one sync at a
// time has the spool, which is why the outputs are emptied after this.
func (j *job) openSpool() error {
	if j.options.spool == "" || j.options.dryRun {
		return nil
	}
	cfg := j.config
	cfg.Spool = &spool.Config{Dir: j.options.spool}
	j.spooled = true
	client, err := profiles.New(cfg)
	if err != nil {
		return flagsOf(err)
	}
	j.client.Close()
	j.client = client
	return nil
}

// giveUp ends the work. To cancel a Process is to take its messages out of the spool; to shut its client down is to leave them there.
func (j *job) giveUp(cancel func()) {
	if j.spooled {
		now, end := context.WithCancel(context.Background())
		end()
		_ = j.client.Shutdown(now) // closeSpool asks again
	}
	cancel()
}

// closeSpool counts what is left in the spool, of other keys than those of the destination, too.
func (j *job) closeSpool() error {
	if !j.spooled {
		return nil
	}
	err := j.client.Close()
	var left *profiles.ShutdownError
	if errors.As(err, &left) {
		err = left.Err // what is left is counted here
	}
	info, inspectErr := spool.Inspect(j.options.spool)
	for _, q := range info.Queues {
		j.kept += int(q.Messages)
	}
	if err = errors.Join(err, inspectErr); err != nil {
		return fmt.Errorf("-spool: %w", err)
	}
	return nil
}
