package retl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Status says how a sync stands, or has ended. Its text is the words below, in both directions.
type Status uint8

const (
	// InProgress, in_progress: it has not ended.
	InProgress Status = iota + 1
	// Successful, successful: every row that had changed was accepted, or no mapping wanted it.
	Successful
	// PartiallySuccessful, partially_successful: it went to the end, and some rows failed.
	PartiallySuccessful
	// Failed, failed: it ended before its end, or every row failed. What was accepted is kept, and the next sync sends the rest.
	Failed
	// Canceled, canceled: its context ended. The same holds.
	Canceled
)

var statusNames = [...]string{
	InProgress: "in_progress", Successful: "successful", PartiallySuccessful: "partially_successful", Failed: "failed", Canceled: "canceled",
}

// String returns the status's word, "" for the zero value, and Status(n) for what is no status.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", s)
}

// MarshalText returns the status's word. It is an error for what is none.
func (s Status) MarshalText() ([]byte, error) {
	if s == 0 || int(s) >= len(statusNames) {
		return nil, fmt.Errorf("retl: %d is not a status", s)
	}
	return []byte(statusNames[s]), nil
}

// UnmarshalText is MarshalText's inverse. It is an error for any other text, and s stays as it is.
func (s *Status) UnmarshalText(text []byte) error {
	i := slices.Index(statusNames[:], string(text))
	if i <= 0 {
		return errors.New("retl: not the word of a status")
	}
	*s = Status(i)
	return nil
}

// A Report is what a sync did. Its text, String, and what slog logs of it, hold no value of a row, but for what a database's driver may say
// in Error; its value and its JSON have samples of what failed, which are personal data, unless Sync.Samples is negative.
type Report struct {
	Status          Status    `json:"status"`
	Model           string    `json:"model"`
	Destination     string    `json:"destination"`
	Started         time.Time `json:"started"`
	DurationSeconds float64   `json:"durationSeconds"`

	// Rows: what was read, and what had happened to the rows that had to be sent. Added ones are new to a mapping, which may have come later
	// than the row. Retried ones are those that a sync before has tried in the same version, or was about to.
	Extracted int64 `json:"extracted"`
	Unchanged int64 `json:"unchanged"`
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"`
	Deleted   int64 `json:"deleted"`
	Retried   int64 `json:"retried"`
	// And what became of them. A row is loaded if everything that it gave was accepted; it is failed if something of it was not, for a
	// reason of its own, or if it could not be read; it is undelivered if the next sync sends it again.
	Loaded      int64 `json:"loaded"`
	Failed      int64 `json:"failed"`
	Undelivered int64 `json:"undelivered"`
	// GivenUp is how many of the failed rows are left alone from now on, see Sync.MaxTries, and LeftAlone how many of the unchanged ones are
	// since an earlier sync: a mapping has not accepted them.
	GivenUp   int64 `json:"givenUp"`
	LeftAlone int64 `json:"leftAlone"`
	// Held is how many rows were not there and are not sent as deleted, because rows could not be read that they may have been.
	Held int64 `json:"held"`
	// Limited is true where Sync.Limit has kept rows for the next sync.
	Limited bool `json:"limited"`

	Mappings []MappingReport `json:"mappings"`
	// Reasons are why rows failed or were not delivered, the most frequent first: at most MaxReasons, and Other for the rest.
	Reasons []Reason `json:"reasons"`
	// Error is why the sync has not come to its end, in words, which may be those of a database's driver; empty where it has.
	Error string `json:"error,omitempty"`
}

// A MappingReport counts the messages of one mapping.
type MappingReport struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Action      string `json:"action"`
	Accepted    int64  `json:"accepted"`
	Failed      int64  `json:"failed"`
	Undelivered int64  `json:"undelivered"`
	// Skipped counts rows that the mapping's trigger did not match.
	Skipped int64 `json:"skipped"`
}

// A Reason is why messages or rows failed.
type Reason struct {
	Mapping string   `json:"mapping,omitempty"` // empty for a row that could not be read
	Reason  string   `json:"reason"`            // without a value
	Count   int64    `json:"count"`
	Samples []Sample `json:"samples,omitempty"`
}

// A Sample is a row that failed.
type Sample struct {
	Key     string          `json:"key,omitempty"`
	Message json.RawMessage `json:"message,omitempty"` // as it would have been sent, nil where none was made
}

// MaxReasons is how many different reasons a report tells apart.
const MaxReasons = 50

// Other is the reason of those beyond MaxReasons.
const Other = "other reasons"

// newReport is the report of a sync that begins.
func (s *Sync) newReport(start time.Time) Report {
	r := Report{Status: InProgress, Model: s.Model.Name, Started: start.UTC(), Mappings: []MappingReport{}, Reasons: []Reason{}}
	if s.Destination != nil {
		r.Destination = s.Destination.Name()
	}
	return r
}

// LogValue implements slog.LogValuer: the report without its samples.
func (r Report) LogValue() slog.Value {
	type plain Report // which slog takes as it is
	r = r.sorted()
	for i := range r.Reasons {
		r.Reasons[i].Samples = nil
	}
	return slog.AnyValue(plain(r))
}

// String returns the report as text for people, several lines of it.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sync of %s to %s: %s, %.1f s\n", orUnnamed(r.Model), orUnnamed(r.Destination), strings.ReplaceAll(r.Status.String(), "_", " "), r.DurationSeconds)
	fmt.Fprintf(&b, "  extracted %d: %d added, %d updated, %d deleted, %d unchanged", r.Extracted, r.Added, r.Updated, r.Deleted, r.Unchanged)
	if r.Retried > 0 {
		fmt.Fprintf(&b, ", %d tried again", r.Retried)
	}
	fmt.Fprintf(&b, "\n  loaded %d, failed %d", r.Loaded, r.Failed)
	if r.GivenUp > 0 {
		fmt.Fprintf(&b, ", of which given up until they change %d", r.GivenUp)
	}
	if r.Undelivered > 0 {
		fmt.Fprintf(&b, ", not delivered %d: the next sync sends them", r.Undelivered)
	}
	b.WriteString("\n")
	if r.LeftAlone > 0 {
		fmt.Fprintf(&b, "  given up by earlier syncs and not tried again: %d\n", r.LeftAlone)
	}
	if r.Held > 0 {
		fmt.Fprintf(&b, "  not deleted although missing, because some rows could not be read: %d\n", r.Held)
	}
	if r.Limited {
		b.WriteString("  the limit was reached: the next sync sends the rest\n")
	}
	for _, m := range r.Mappings {
		fmt.Fprintf(&b, "  mapping %s (%s): accepted %d, failed %d, not delivered %d, not matched %d\n", m.ID, m.Action, m.Accepted, m.Failed, m.Undelivered, m.Skipped)
	}
	for _, reason := range r.Reasons {
		of := ""
		if reason.Mapping != "" {
			of = "mapping " + reason.Mapping + ": "
		}
		fmt.Fprintf(&b, "  %s: %s%s\n", count(int(reason.Count), "time"), of, strings.ReplaceAll(reason.Reason, "\n", "; "))
	}
	if r.Error != "" {
		fmt.Fprintf(&b, "  ended early: %s\n", strings.ReplaceAll(r.Error, "\n", "; "))
	}
	return b.String()
}

func orUnnamed(name string) string {
	if name == "" {
		return "(without a name)"
	}
	return name
}

// because counts a reason.
func (r *Report) because(mapping string, err error, key string, message []byte, samples int) {
	text := "unknown"
	if err != nil {
		text = err.Error()
	}
	var of *profiles.Error
	if errors.As(err, &of) && of.Err != nil { // whose own text has the messageId
		text = of.Status.String() + ": " + of.Err.Error()
	}
	i := slices.IndexFunc(r.Reasons, func(x Reason) bool { return x.Mapping == mapping && x.Reason == text })
	if i < 0 && len(r.Reasons) >= MaxReasons {
		mapping, text = "", Other
		i = slices.IndexFunc(r.Reasons, func(x Reason) bool { return x.Reason == Other })
	}
	if i < 0 {
		i = len(r.Reasons)
		r.Reasons = append(r.Reasons, Reason{Mapping: mapping, Reason: text})
	}
	x := &r.Reasons[i]
	x.Count++
	if len(x.Samples) < samples {
		x.Samples = append(x.Samples, Sample{Key: key, Message: message})
	}
}

// count counts a row that is sent.
func (r *Report) count(row *readyRow) {
	switch {
	case row.again:
		r.Retried++
	case row.kind == EventDeleted:
		r.Deleted++
	case row.kind == EventNew:
		r.Added++
	default:
		r.Updated++
	}
}

// mapping is a mapping's entry.
func (r *Report) mapping(id string) *MappingReport {
	i := slices.IndexFunc(r.Mappings, func(m MappingReport) bool { return m.ID == id })
	if i < 0 {
		i = len(r.Mappings)
		r.Mappings = append(r.Mappings, MappingReport{ID: id})
	}
	return &r.Mappings[i]
}

// sorted is the report with its most frequent reasons first, and slices of its own.
func (r *Report) sorted() Report {
	out := *r
	out.Mappings = slices.Clone(r.Mappings)
	out.Reasons = slices.Clone(r.Reasons)
	slices.SortStableFunc(out.Reasons, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	return out
}
