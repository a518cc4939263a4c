package profiles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

// A Client delivers messages to Profile Spaces. Its methods are safe for concurrent use. A client with nothing queued owns no
// goroutine and no timer; the connections that net/http keeps for it end after 30 s without use, or at Close.
type Client struct {
	cfg        Config
	dispatcher *dispatch.Dispatcher
	transport  transport.Transport
	spool      *spool.Spool // nil without one
	space      Space
}

// New returns a client. It does not connect. The error is a *ConfigError that lists everything that is wrong with cfg.
func New(cfg Config) (*Client, error) {
	problems := cfg.check()
	limiter := cfg.Limiter
	if limiter == nil {
		var err error
		limiter, err = transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: cfg.EventsPerSecond, RequestsPerSecond: cfg.RequestsPerSecond, Adaptive: cfg.Adaptive})
		if err != nil {
			problems = append(problems, problemsOf(err, "EventsPerSecond", nil)...)
		}
	}
	cfg = cfg.withDefaults()
	carrier := cfg.Transport
	if carrier == nil {
		http, err := transport.NewHTTP(transport.HTTPConfig{
			Region:         cfg.Region,
			Endpoint:       cfg.Endpoint,
			Client:         cfg.HTTPClient,
			Gzip:           cfg.Gzip,
			OAuth:          cfg.OAuth,
			AttemptTimeout: cfg.AttemptTimeout,
		})
		if err != nil {
			problems = append(problems, problemsOf(err, "Endpoint", problems)...)
		}
		carrier = http
	}
	var store *spool.Spool
	if cfg.Spool != nil && len(problems) == 0 {
		var err error
		if store, err = spool.Open(*cfg.Spool, cfg.endpoint()); err != nil {
			problems = append(problems, ConfigProblem{Field: "Spool", Reason: err.Error(), Err: err})
		}
	}
	if len(problems) > 0 {
		return nil, &ConfigError{Problems: problems}
	}
	c := &Client{cfg: cfg, transport: carrier}
	c.space = Space{client: c, key: cfg.WriteKey}
	queue := dispatch.Config{
		Transport:     carrier,
		Limiter:       limiter,
		Lanes:         cfg.Lanes,
		BatchMessages: cfg.BatchMessages,
		Linger:        cfg.Linger,
		MaxMessages:   cfg.QueueMessages,
		MaxBytes:      cfg.QueueBytes,
		Deadline:      cfg.Deadline,
		AttemptTime:   cfg.AttemptTimeout,
		DeadLetters:   c.deadLetters(),
		Observer:      c.observer(),
		Attempt:       c.attemptObserver(),
	}
	if store != nil {
		c.spool = store
		queue.Store, queue.MaxAge = store, cfg.Spool.MaxAge
	}
	c.dispatcher = dispatch.New(queue)
	if err := c.open(cfg.WriteKey); err != nil {
		return nil, &ConfigError{Problems: []ConfigProblem{{Field: "Spool", Reason: err.Error(), Err: errors.Join(err, store.Close())}}}
	}
	return c, nil
}

// open begins to deliver what the spool holds for a key.
func (c *Client) open(key WriteKey) error {
	if key.IsZero() {
		return nil
	}
	if err := c.dispatcher.Open(key); !errors.Is(err, dispatch.ErrClosed) {
		return err
	}
	return ErrClosed
}

// Send delivers one action to the client's own Profile Space and waits for its outcome, without lingering: it may wait for a
// round trip, a retry or the rate. The error is nil only for an Accepted message; else it is an *Error, whose Status says how the
// message ended, and is the outcome's. If ctx ends while the message waits for room, the status is NotQueued, and the message is not
// sent; if ctx ends later it is Pending: the message goes on, and what became of it is told to Hooks.Outcome, as for every message
// that was queued.
//
// A message without a timestamp gets the time of the call. One without a MessageID gets a new one.
func (c *Client) Send(ctx context.Context, a actions.Action) (Outcome, error) {
	return c.space.Send(ctx, a)
}

// Enqueue queues one action for the client's own Profile Space. Once it has returned nil the message has exactly one outcome,
// told to Hooks.Outcome. Where there is no room it waits for some until ctx ends; ctx bounds that wait and nothing else. The
// error is an *Error: Invalid where the action breaks a rule, which the hook is not told, or NotQueued, around ErrClosed or ctx's
// error.
//
// A message without a timestamp gets the time of the call. One without a MessageID gets a new one; to find a message again in the
// hook, give it one. A message that is queued already under the same id is not queued twice if it has the same content, and both
// end as the first does; with other content it is Invalid, because Segment would drop it, or with a spool Rejected, where the first is
// on disk and not in memory. The action is encoded before Enqueue
// returns: its maps may be changed afterwards.
func (c *Client) Enqueue(ctx context.Context, a actions.Action) error { return c.space.Enqueue(ctx, a) }

// TryEnqueue is Enqueue without the wait: where there is no room the error is NotQueued, around ErrQueueFull.
func (c *Client) TryEnqueue(a actions.Action) error { return c.space.TryEnqueue(a) }

// Config returns what the client was made of, with the defaults in the place of zero values. It is for checks and reports. What it points
// to, such as the HTTPClient and the Limiter, is the client's: it must not be changed.
func (c *Client) Config() Config { return c.cfg }

// Space returns a handle on another Profile Space with the same queue, limits and lifecycle. It costs nothing and needs no
// closing. A key that Segment could not take is reported by the handle's methods.
func (c *Client) Space(key WriteKey) Space { return Space{client: c, key: key} }

// Flush sends what was admitted before the call without lingering, and waits until each of those messages has its outcome and
// the hooks have been told. The client stays usable. If ctx ends first Flush returns its error, and the messages go on.
func (c *Client) Flush(ctx context.Context) error {
	if c.dispatcher == nil {
		return errNoClient
	}
	if err := c.dispatcher.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Shutdown stops admission, delivers what was admitted until ctx ends, cancels the rest, and returns a *ShutdownError that
// counts it, or nil if nothing was left. It may be called again, from anywhere; each call waits for the end, and the first whose
// ctx ends cancels for all. After ctx has ended it returns within a tenth of a second or so, whatever a transport or a hook does.
func (c *Client) Shutdown(ctx context.Context) error {
	if c.dispatcher == nil {
		return nil
	}
	left := c.dispatcher.Shutdown(ctx)
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	var spoolErr error
	if c.spool != nil {
		spoolErr = c.spool.Close()
	}
	if left == (dispatch.Remainder{}) {
		return spoolErr
	}
	err := &ShutdownError{Canceled: left.Canceled, Ambiguous: left.Ambiguous, Kept: left.Kept, Unreported: left.Unreported, Err: spoolErr}
	if c.cfg.Logger != nil {
		c.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "shut down with messages left", slog.Int("canceled", err.Canceled),
			slog.Int("ambiguous", err.Ambiguous), slog.Int("kept", err.Kept), slog.Int("unreported", err.Unreported))
	}
	return err
}

// Close is Shutdown with Config.CloseTimeout, 10 s where it is not set. A queue that is longer than what the rate lets through in
// that time is not delivered: Flush first, with as long a context as it may take. When Close has returned nil, every outcome has
// been told to the hooks, and they have returned. A later Close returns what is left then.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
	defer cancel()
	return c.Shutdown(ctx)
}

// A ShutdownError tells what a Shutdown, or a Close, could not bring to an end.
type ShutdownError struct {
	// Canceled is how many messages were given up: each has its outcome Canceled.
	Canceled int
	// Ambiguous is how many of them were on the wire when time ran out: Segment may have taken them.
	Ambiguous int
	// Kept is how many messages are left in the spool, for another run.
	Kept int
	// Unreported is how many messages were waiting for a hook that had not returned.
	Unreported int
	// Err is what went wrong with closing the spool.
	Err error
}

// Unwrap returns Err.
func (e *ShutdownError) Unwrap() error { return e.Err }

// Error counts what was left.
func (e *ShutdownError) Error() string {
	text := fmt.Sprintf("shut down with %d messages given up, %d of them on the wire, %d kept in the spool, and %d not reported yet",
		e.Canceled, e.Ambiguous, e.Kept, e.Unreported)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}
