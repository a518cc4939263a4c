package retl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

func TestPreflightConfiguration(t *testing.T) {
	w := newPreflight(t)
	w.sync.Model.Key, w.sync.Limit = "", -1
	r := w.run()
	says(t, r, retl.CheckConfiguration, retl.VerdictProblem, "Model.Key is required")
	says(t, r, retl.CheckConfiguration, retl.VerdictProblem, "Limit must not be negative")
	only(t, r, retl.CheckConfiguration)

	w = newPreflight(t)
	w.dest = strings.Replace(w.dest, `"id": "gone"`, `"id": "gone", "model": "m1"`, 1)
	says(t, w.run(), retl.CheckConfiguration, retl.VerdictProblem, `mapping "gone" takes the records of one model`)

	w = newPreflight(t)
	w.config.WriteKey = profiles.WriteKey{}
	says(t, w.run(), retl.CheckConfiguration, retl.VerdictProblem, "the client has no write key")
}

func TestPreflightLimits(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*preflightWorld)
		verdict retl.Verdict
		text    string
	}{
		{"fine", func(*preflightWorld) {}, retl.VerdictOK, "2 mappings of 2 take this model's rows"},
		{"switched off", func(w *preflightWorld) { w.dest = strings.Replace(w.dest, `"name"`, `"enabled": false, "name"`, 1) }, retl.VerdictProblem, "the destination is switched off"},
		{"all mappings switched off", func(w *preflightWorld) { w.dest = strings.ReplaceAll(w.dest, `"id"`, `"enabled": false, "id"`) }, retl.VerdictProblem, "none of the destination's 2 mappings is switched on"},
		{"one switched off", func(w *preflightWorld) {
			w.dest = strings.Replace(w.dest, `"id": "gone"`, `"enabled": false, "id": "gone"`, 1)
		}, retl.VerdictOK, "1 mapping of 2 takes"},
		{"without limit", func(w *preflightWorld) { w.config.EventsPerSecond = -1 }, retl.VerdictWarning, "1,000 events a second"},
		{"too fast", func(w *preflightWorld) { w.config.EventsPerSecond = 1001 }, retl.VerdictWarning, "1,000 events a second"},
		{"adaptive", func(w *preflightWorld) { w.config.EventsPerSecond, w.config.Adaptive = -1, true }, retl.VerdictOK, ""},
		{"fast, to a server of one's own", func(w *preflightWorld) {
			w.config.EventsPerSecond, w.config.Endpoint = -1, "https://segment.example.com"
		}, retl.VerdictOK, ""},
		{"shared limiter", func(w *preflightWorld) { w.config.Limiter = limiter(w.t, 2000) }, retl.VerdictWarning, "1,000 events a second"},
		{"shared slow limiter", func(w *preflightWorld) { w.config.Limiter = limiter(w.t, 500) }, retl.VerdictOK, ""},
		{"replay", func(w *preflightWorld) { w.sync.Replay = true }, retl.VerdictWarning, "Replay is set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			tt.change(w)
			says(t, w.run(), retl.CheckLimits, tt.verdict, tt.text)
		})
	}
}

func limiter(t *testing.T, rate float64) *transport.Limiter {
	t.Helper()
	l, err := transport.NewLimiter(transport.LimiterConfig{EventsPerSecond: rate})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A brokenState fails to say what it is.
type brokenState struct {
	retl.State
	err error
}

func (s brokenState) Head(context.Context) (retl.Head, error) { return retl.Head{}, s.err }

func TestPreflightState(t *testing.T) {
	head := func(change func(*retl.Head)) func(*preflightWorld) {
		return func(w *preflightWorld) {
			h := retl.Head{Model: "people", Key: "id", Destination: "People", Generation: 3, Rows: 120_000, Synced: time.Now().Add(-5 * time.Hour)}
			change(&h)
			if err := w.sync.State.Reset(w.t.Context(), h); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name    string
		change  func(*preflightWorld)
		verdict retl.Verdict
		text    string
	}{
		{"new", func(*preflightWorld) {}, retl.VerdictOK, "no sync was completed with this state"},
		{"used", head(func(*retl.Head) {}), retl.VerdictOK, `120000 rows after 3 syncs, the last completed 5 hours ago; new to it, so that every row will be sent to them: "people", "gone"`},
		{"just used", head(func(h *retl.Head) { h.Synced = time.Now().Add(-10 * time.Minute) }), retl.VerdictWarning, "leave 15 minutes between two"},
		{"used in the future", head(func(h *retl.Head) { h.Synced = time.Now().Add(time.Hour + time.Minute) }), retl.VerdictWarning, "60 minutes in the future"},
		{"another model's", head(func(h *retl.Head) { h.Model = "companies" }), retl.VerdictProblem, `belongs to the model "companies"`},
		{"another key's", head(func(h *retl.Head) { h.Key = "email" }), retl.VerdictProblem, `belongs to the key column "email"`},
		{"another destination's", head(func(h *retl.Head) { h.Destination = "Other" }), retl.VerdictProblem, `belongs to the destination "Other"`},
		{"too many mappings", head(func(h *retl.Head) {
			for i := range 64 {
				h.Mappings = append(h.Mappings, fmt.Sprintf("m%d x", i))
			}
		}), retl.VerdictProblem, "more than 64 mappings"},
		{"broken", func(w *preflightWorld) { w.sync.State = brokenState{err: errors.New("SECRET")} }, retl.VerdictProblem, "cannot be read: an error of type *errors.errorString"},
		{"closed", func(w *preflightWorld) { w.sync.State = brokenState{err: retl.ErrStateClosed} }, retl.VerdictProblem, "the state is closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			tt.change(w)
			r := w.run()
			says(t, r, retl.CheckState, tt.verdict, tt.text)
			only(t, r, retl.CheckState)
		})
	}
}

// What the last sync knew is held against the rows.
func TestPreflightAfterASync(t *testing.T) {
	w := newPreflight(t)
	h := retl.Head{Model: "people", Key: "id", Destination: "People", Generation: 1, Rows: 600_000, Synced: time.Now().Add(-time.Hour)}
	if err := w.sync.State.Reset(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	says(t, w.run(), retl.CheckMapping, retl.VerdictOK, "all rows of the last sync would take about 10 minutes at the client's rate")
	w.sync.Model.Records = these()
	says(t, w.run(), retl.CheckRows, retl.VerdictProblem, "the last sync had 600000")
	w.sync.AllowEmpty = true
	says(t, w.run(), retl.CheckRows, retl.VerdictWarning, "has no rows")
}
