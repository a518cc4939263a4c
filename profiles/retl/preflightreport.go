package retl

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Verdict says how a check has ended. Its text is the words below, in both directions. The zero value is none.
type Verdict uint8

const (
	// VerdictOK, ok: nothing is wrong.
	VerdictOK Verdict = iota + 1
	// VerdictNotChecked, not_checked: it could not be found out, and Found says why. It is no sign that anything is wrong, nor that nothing is.
	VerdictNotChecked
	// VerdictWarning, warning: the sync would run, and somebody should know this.
	VerdictWarning
	// VerdictProblem, problem: the sync would fail, or change no profile, or not all that it should.
	VerdictProblem
)

var verdictNames = [...]string{VerdictOK: "ok", VerdictNotChecked: "not_checked", VerdictWarning: "warning", VerdictProblem: "problem"}

// String returns the verdict's word, "" for the zero value, and Verdict(n) for what is no verdict.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", v)
}

// MarshalText returns the verdict's word. It is an error for what is none.
func (v Verdict) MarshalText() ([]byte, error) {
	if v == 0 || int(v) >= len(verdictNames) {
		return nil, fmt.Errorf("retl: %d is not a verdict", v)
	}
	return []byte(verdictNames[v]), nil
}

// UnmarshalText is MarshalText's inverse. It is an error for any other text, and v stays as it is.
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdictNames[:], string(text))
	if i <= 0 {
		return errors.New("retl: not the word of a verdict")
	}
	*v = Verdict(i)
	return nil
}

// A Check is one thing that a preflight has looked at.
type Check struct {
	// Name is what was looked at, one of the constants that begin with Check: configuration, region and so on.
	Name string `json:"name"`
	// Of is which one, where there may be several: of a write key, the ids of the mappings that name it, with commas between, and empty for
	// the client's own; of a mapping, its id. Names are cut off where they are long.
	Of      string  `json:"of,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Found is what was found, or why it could not be found out, and Advice what to do about it, if anything. Neither holds a value of a
	// row, or a key.
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
	// Err is the cause where there is one: what the network, the source or the state said. It is not part of the text or the JSON,
	// because the text of a driver's error may hold values.
	Err error `json:"-"`
}

// String returns the check as one line.
func (c Check) String() string {
	text := strings.ReplaceAll(c.Name, "_", " ")
	if c.Of != "" {
		text += " " + strconv.Quote(c.Of)
	}
	text += ": " + strings.ReplaceAll(c.Verdict.String(), "_", " ") + ": " + c.Found
	if c.Advice != "" {
		text += ". " + c.Advice
	}
	return strings.Join(strings.Fields(text), " ")
}

// A PreflightReport is what a preflight has found. It holds no value of a row, and no key.
type PreflightReport struct {
	Model           string    `json:"model"`
	Destination     string    `json:"destination"`
	Started         time.Time `json:"started"`
	DurationSeconds float64   `json:"durationSeconds"`
	// Checks are all that was looked at, in the order of the constants, and each name at least once.
	Checks []Check `json:"checks"`
}

// OK tells whether no check has found a problem. Warnings, and what was not checked, do not count; a report without checks is not OK.
func (r PreflightReport) OK() bool { return len(r.Checks) > 0 && len(r.In(VerdictProblem)) == 0 }

// In returns the checks that have a verdict, in their order, in a slice of its own.
func (r PreflightReport) In(verdict Verdict) []Check {
	return slices.DeleteFunc(slices.Clone(r.Checks), func(c Check) bool { return c.Verdict != verdict })
}

// String returns the report as text for people, a line for each check and one before them.
func (r PreflightReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "preflight of %s to %s: %s, %s, %d not checked, %d ok, %.1f s\n", orUnnamed(r.Model), orUnnamed(r.Destination),
		count(len(r.In(VerdictProblem)), "problem"), count(len(r.In(VerdictWarning)), "warning"), len(r.In(VerdictNotChecked)), len(r.In(VerdictOK)), r.DurationSeconds)
	for _, c := range r.Checks {
		b.WriteString("  " + c.String() + "\n")
	}
	return b.String()
}
