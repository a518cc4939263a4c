package profiles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// observer returns what the dispatcher has to call for each settled message, nil where nobody wants to know: outcomes are then
// not even made.
func (c *Client) observer() func(*dispatch.Settlement) {
	if c.cfg.Hooks.Outcome == nil {
		return nil
	}
	return func(s *dispatch.Settlement) { c.cfg.Hooks.Outcome(outcomeOf(s, "")) }
}

// attemptObserver returns what the dispatcher has to call after each attempt.
func (c *Client) attemptObserver() func(dispatch.AttemptInfo) {
	hook, logger := c.cfg.Hooks.Attempt, c.cfg.Logger
	if hook == nil && logger == nil {
		return nil
	}
	return func(a dispatch.AttemptInfo) {
		if logger != nil {
			logAttempt(logger, a)
		}
		if hook != nil {
			hook(Attempt{
				Space: a.Key, Messages: a.Messages, Bytes: a.Bytes, Number: a.Number, Duration: a.Duration,
				HTTPStatus: a.Result.Status, RetryAfter: a.Result.RetryAfter, Err: a.Result.Err,
			})
		}
	}
}

// logAttempt tells an operator of attempts that failed: counts and codes only.
func logAttempt(logger *slog.Logger, a dispatch.AttemptInfo) {
	level, what := slog.LevelWarn, "batch not accepted, will be tried again"
	switch a.Result.Class {
	case transport.Accepted:
		return
	case transport.Split:
		what = "batch refused for its form or size"
	case transport.Credentials:
		level, what = slog.LevelError, "write key or token not accepted"
	case transport.Configuration:
		level, what = slog.LevelError, "not accepted by what answers at the endpoint"
	case transport.Final:
		level, what = slog.LevelError, "batch refused for good"
	case transport.Retry:
	}
	attrs := []slog.Attr{
		slog.Int("status", a.Result.Status), slog.Int("messages", a.Messages), slog.Int("bytes", a.Bytes), slog.Int("attempt", a.Number),
		slog.Bool("ambiguous", a.Result.Ambiguous),
	}
	if a.Result.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", a.Result.RetryAfter.Round(time.Millisecond)))
	}
	var own *transport.Error
	if errors.As(a.Result.Err, &own) {
		attrs = append(attrs, slog.String("error", own.Error()))
	} else if a.Result.Err != nil { // of somebody's transport: nobody knows what its text holds
		attrs = append(attrs, slog.String("error", fmt.Sprintf("%T", a.Result.Err)))
	}
	logger.LogAttrs(context.Background(), level, what, attrs...)
}
