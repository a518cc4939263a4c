package profiles

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

// The defaults of Config's fields.
const (
	DefaultLanes          = 4
	DefaultLinger         = 250 * time.Millisecond
	DefaultQueueMessages  = 100_000
	DefaultQueueBytes     = 64_000_000
	DefaultDeadline       = 5 * time.Minute
	DefaultAttemptTimeout = 10 * time.Second
	DefaultCloseTimeout   = 10 * time.Second
	DefaultWindow         = 10_000
)

// Config says how a Client works. The zero value of each field is its documented default; only Region has none.
type Config struct {
	// Region is where the workspace lives. Required, unless Endpoint or Transport is set. Data that is sent to the other
	// region's endpoint may be answered 200 and never appear.
	Region region.Region
	// WriteKey is the Profile Space of the client's own methods, and of mappings that have no engage_space. May be left out
	// where every message names its own: Client.Space, or mappings with engage_space.
	WriteKey WriteKey
	// Endpoint, where set, replaces the region's Tracking API: a base URL with or without /v1, https, or http on loopback.
	Endpoint string

	// EventsPerSecond is the most messages that are sent in a second. Defaults to 1,000, what Segment takes from one
	// workspace. A negative number is without limit.
	EventsPerSecond float64
	// Adaptive makes the client find the rate that the server takes, from its 429 answers: EventsPerSecond is where it begins, and the
	// most that it sends, unless that is negative: then it begins at 1,000 and may grow. See transport.LimiterConfig.
	Adaptive bool
	// RequestsPerSecond is the most requests in a second, retries included. Defaults to 1,000. A negative number is without
	// limit.
	RequestsPerSecond float64
	// Limiter, where set, is used instead of one made of EventsPerSecond and RequestsPerSecond, which must be 0 then:
	// clients of one workspace share its limits by sharing a Limiter.
	Limiter *transport.Limiter

	// HTTPClient, where set, makes the requests: its Transport, and with it proxies, certificates and instrumentation. It is
	// not written to; redirects are never followed.
	HTTPClient *http.Client
	// Gzip compresses the bodies of requests.
	Gzip bool
	// OAuth, where set, authenticates with tokens instead of the write key alone.
	OAuth *transport.OAuthConfig
	// Transport, where set, replaces HTTP altogether. Endpoint, HTTPClient, Gzip and OAuth must not be set then.
	Transport transport.Transport

	// Lanes is how many batches of one Profile Space may be in flight at once. Defaults to 4; at most 256. The messages of
	// one profile share a lane, and stay in order.
	Lanes int `validate:"min=0,max=256"`
	// BatchMessages is the most messages of a request. Defaults to 2,500, the server's limit, or to a quarter of
	// EventsPerSecond where that is less.
	BatchMessages int `validate:"min=0,max=2500"`
	// Linger is how long an enqueued message may wait for others to fill its batch. Defaults to 250 ms. A negative duration
	// is none. Send never lingers.
	Linger time.Duration
	// QueueMessages and QueueBytes bound the queue; whatever is reached first. They default to 100,000 messages and
	// 64,000,000 bytes. A message counts with the size of its JSON and 128 bytes.
	QueueMessages int `validate:"min=0"`
	QueueBytes    int `validate:"min=0"`
	// Deadline is how long a message is tried, from its first attempt. Defaults to 5 minutes. The time during which the server
	// has asked for quiet does not count.
	Deadline time.Duration `validate:"min=0"`
	// AttemptTimeout bounds one attempt, its answer included. Defaults to 10 s.
	AttemptTimeout time.Duration `validate:"min=0"`
	// CloseTimeout bounds Close. Defaults to 10 s.
	CloseTimeout time.Duration `validate:"min=0"`
	// Window is how many records Process reads ahead of the oldest one without an outcome. Defaults to 10,000.
	Window int `validate:"min=0"`

	// Spool, where set, keeps messages on disk until they have their outcome: what was queued survives the process. Enqueue and Send
	// return once the message is there. Deadline does not apply then, but the spool's own MaxAge; messages whose key is refused are
	// kept, and tried again every 30 s; QueueMessages and QueueBytes bound what is in memory of it. See package spool for what is
	// promised. What is left there is delivered by the next client with the same directory, as soon as it knows the write key: it
	// knows Config.WriteKey at once, those of a destination when it processes it, and those of a Space when it is used.
	Spool *spool.Config

	// DeadLetters, where set, is given what has finally failed: messages that are Rejected or Exhausted, and what is Invalid of a
	// Process or a Replay, but not an action that Send or Enqueue have refused. It is called before the outcome is told to anybody, and
	// before a spool forgets the message, from several goroutines at once; it may block, which holds up a lane. What it returns nil for
	// is kept. Where it returns an error, panics or ends its goroutine, queued messages keep their room and wait, others go on, and it is
	// called again with them after 1 s, later every 30 s; a Shutdown that runs out of time leaves them Kept in the spool, and without
	// one ends them with an error that says so. After a crash a letter may be given twice. The Write of a DeadLetterFile fits here.
	DeadLetters func([]DeadLetter) error

	// Hooks are called while the client works.
	Hooks Hooks
	// Logger, where set, is told what an operator has to know: attempts that failed, keys that are not accepted, pauses that the
	// server asked for, what a shutdown gave up. It is given ids, counts and codes, never what a message holds, nor a key.
	Logger *slog.Logger
}

// A ConfigError lists everything that is wrong with a Config.
type ConfigError struct {
	Problems []ConfigProblem
}

// A ConfigProblem is one thing that is wrong with a Config.
type ConfigProblem struct {
	Field  string // as in Config: Region, WriteKey, ...
	Reason string // without the field's value
	Err    error  // the cause, where another package has found the problem
}

// Error lists the problems.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Field + ": " + p.Reason
	}
	return "profiles config: " + strings.Join(lines, "; ")
}

// Unwrap returns the causes.
func (e *ConfigError) Unwrap() []error {
	var errs []error
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}

// withDefaults returns the config with its zero values replaced.
func (c Config) withDefaults() Config {
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orTime := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	orInt(&c.Lanes, DefaultLanes)
	orInt(&c.BatchMessages, transport.MaxBatchMessages)
	orInt(&c.QueueMessages, DefaultQueueMessages)
	orInt(&c.QueueBytes, DefaultQueueBytes)
	orInt(&c.Window, DefaultWindow)
	orTime(&c.Linger, DefaultLinger)
	orTime(&c.Deadline, DefaultDeadline)
	orTime(&c.AttemptTimeout, DefaultAttemptTimeout)
	orTime(&c.CloseTimeout, DefaultCloseTimeout)
	if c.Linger < 0 {
		c.Linger = 0
	}
	return c
}

// check returns the problems of fields and of the relations between them.
func (c Config) check() []ConfigProblem {
	var problems []ConfigProblem
	add := func(field, format string, args ...any) {
		problems = append(problems, ConfigProblem{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	problems = append(problems, tagProblems(c)...)
	if !c.WriteKey.IsZero() {
		if err := c.WriteKey.Err(); err != nil {
			problems = append(problems, ConfigProblem{Field: "WriteKey", Reason: err.Error(), Err: err})
		}
	}
	if c.Limiter != nil {
		if c.EventsPerSecond != 0 {
			add("EventsPerSecond", "must not be set beside Limiter, which has its own")
		}
		if c.Adaptive {
			add("Adaptive", "must not be set beside Limiter, which has its own")
		}
		if c.RequestsPerSecond != 0 {
			add("RequestsPerSecond", "must not be set beside Limiter, which has its own")
		}
	}
	if c.Transport != nil {
		for _, other := range []struct {
			field string
			set   bool
		}{
			{"Endpoint", c.Endpoint != ""}, {"HTTPClient", c.HTTPClient != nil}, {"Gzip", c.Gzip}, {"OAuth", c.OAuth != nil},
		} {
			if other.set {
				add(other.field, "must not be set beside Transport, which replaces HTTP")
			}
		}
	}
	if c.Spool != nil {
		var bad *spool.ConfigError
		if errors.As(c.Spool.Check(), &bad) {
			problems = append(problems, ConfigProblem{Field: "Spool." + bad.Field, Reason: bad.Reason, Err: bad})
		}
	}
	if c.QueueBytes != 0 && c.QueueBytes > 0 && c.QueueBytes < transport.MaxMessageBytes {
		add("QueueBytes", "must be at least %d, the size of one message", transport.MaxMessageBytes)
	}
	return problems
}

// configRules checks the validate tags of Config.
var configRules = sync.OnceValue(func() *validator.Validate { return validator.New(validator.WithRequiredStructEnabled()) })

// tagProblems returns the fields whose values break the rule of their tag.
func tagProblems(c Config) []ConfigProblem {
	var broken validator.ValidationErrors
	err := configRules().StructPartial(c, "Lanes", "BatchMessages", "QueueMessages", "QueueBytes", "Deadline", "AttemptTimeout", "CloseTimeout", "Window")
	if !errors.As(err, &broken) {
		return nil
	}
	problems := make([]ConfigProblem, len(broken))
	for i, b := range broken {
		reason := "must be at least " + b.Param()
		if b.Tag() == "max" {
			reason = "must be at most " + b.Param()
		}
		problems[i] = ConfigProblem{Field: b.Field(), Reason: reason}
	}
	return problems
}

// problemsOf returns what package transport has found wrong, as problems of Config: its fields have the names of ours. What is
// about none of them is put down to field, and what is known already is left out.
func problemsOf(err error, field string, known []ConfigProblem) []ConfigProblem {
	var found *transport.ConfigError
	if !errors.As(err, &found) {
		return []ConfigProblem{{Field: field, Reason: err.Error(), Err: err}}
	}
	var problems []ConfigProblem
	for _, f := range found.Fields {
		if !slices.ContainsFunc(known, func(p ConfigProblem) bool { return p.Field == f.Field }) {
			problems = append(problems, ConfigProblem{Field: f.Field, Reason: f.Reason, Err: err})
		}
	}
	return problems
}

// endpoint returns what a spool is bound to: where its messages go.
func (c Config) endpoint() string {
	switch {
	case c.Endpoint != "":
		if url, err := region.ParseTrackingURL(c.Endpoint); err == nil {
			return url
		}
		return c.Endpoint
	case c.Transport != nil:
		return "transport"
	}
	return c.Region.Tracking()
}
