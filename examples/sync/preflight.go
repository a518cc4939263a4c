package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// check prints what would keep a sync from changing what it should. Its error is of the program's own output.
func (j *modelJob) check(ctx context.Context, stdout io.Writer) error {
	p := retl.Preflight{Sample: j.rows}
	p.SkipWriteKeys = stays(j.client.Config().Endpoint)
	r := j.sync.Preflight(ctx, p)
	j.screen.done()
	j.unfit = !r.OK()
	if _, err := io.WriteString(stdout, r.String()); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if p.SkipWriteKeys {
		j.screen.printf("Segment was not asked for the write key: the endpoint is on this machine.")
	}
	for _, c := range r.Checks {
		if c.Name == retl.CheckRows && c.Err != nil && !strings.Contains(c.Found, c.Err.Error()) {
			j.screen.printf("%s: %v", c.Name, c.Err) // the report leaves out what a driver says
		}
	}
	if j.files.report == nil {
		return nil
	}
	enc := json.NewEncoder(j.files.report)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	return nil
}

// stays tells whether what is sent to an endpoint stays on this machine. Its write keys are none of Segment's, then, and are not told to it.
func stays(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}
