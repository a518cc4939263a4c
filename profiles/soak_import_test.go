package profiles_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// soakRow makes a record: of every kind that there is, and an empty one for what cannot be read.
func soakRow(rng *rand.Rand, of, i int) string {
	user := fmt.Sprintf("i%d-%d", of, rng.IntN(8))
	switch rng.IntN(20) {
	case 0:
		return ""
	case 1:
		return `{"type":"page"}`
	case 2:
		return `{"type":"group","userId":"` + user + `"}` // without its groupId
	case 3, 4:
		return fmt.Sprintf(`{"type":"identify","messageId":"row-%d-%d","userId":"%s","traits":{"email":"%s@example.com","newsletter":true}}`, of, i, user, user)
	case 5:
		return fmt.Sprintf(`{"type":"group","userId":"%s","groupId":"g","traits":{"poison":%d}}`, user, i)
	}
	return fmt.Sprintf(`{"type":"group","userId":"%s","groupId":"g","traits":{"n":%d}}`, user, i)
}

// runImport takes an input through the client to its end, by as many runs as it takes. After each it goes on at its checkpoint: the first
// record that is not done.
func (w *soakWorld) runImport(number int, rng *rand.Rand) {
	rows := make([]string, 300)
	for i := range rows {
		rows[i] = soakRow(rng, number, i)
	}
	input := profiles.Input{Name: fmt.Sprint("import ", number)}
	for runs := 0; input.Start < len(rows); runs++ {
		if runs > 2000 {
			w.t.Errorf("import %d is at record %d after %d runs", number, input.Start, runs)
			return
		}
		input.Start = w.runOnce(rng, rows, input)
		time.Sleep(time.Duration(rng.IntN(60)) * time.Second)
	}
}

// runOnce is one Process. It returns the checkpoint.
func (w *soakWorld) runOnce(rng *rand.Rand, rows []string, input profiles.Input) (checkpoint int) {
	dest, client := w.dest.For(input), w.current()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(1+rng.IntN(300))*time.Second)
	defer cancel()
	failAt, leaveAt := -1, -1
	switch rng.IntN(6) {
	case 0:
		failAt = input.Start + rng.IntN(50)
	case 1:
		leaveAt = input.Start + rng.IntN(50)
	}
	report, before, begin := profiles.NewReport(dest), client.Stats(), time.Now()
	next, passes := input.Start, true
	checkpoint = input.Start
	var want tally
	var why error
	for o, err := range client.Process(ctx, dest, soakSource(w.t, rand.New(rand.NewPCG(rng.Uint64(), 3)), rows, input.Start, failAt)) {
		if err != nil {
			why = err
			break
		}
		if o.Index != next {
			w.t.Errorf("the outcome of record %d comes in the place of %d", o.Index, next)
		}
		next++
		report.Add(o)
		want.add(w.checkRecord(client, dest, rows[o.Index], o))
		if passes = passes && o.Done(); passes {
			checkpoint = o.Index + 1
			w.owe(client, dest, rows[o.Index], o)
		}
		if o.Index == leaveAt {
			w.note("left early")
			break
		}
	}
	if !passes {
		w.note("checkpoint stopped")
	}
	report.Finish(before, client.Stats(), time.Since(begin))
	want.check(w, report, next-input.Start)
	switch {
	case why == nil:
		if next != len(rows) && leaveAt != next-1 {
			w.t.Errorf("the range ended at record %d of %d without an error", next, len(rows))
		}
	case errors.Is(why, errSource):
		w.note("source failed")
		if next != failAt {
			w.t.Errorf("the source failed at record %d, and the last outcome is that of %d", failAt, next-1)
		}
	case errors.Is(why, profiles.ErrClosed):
		w.note("range closed")
	case errors.Is(why, context.DeadlineExceeded):
		w.note("context ended")
	case errors.Is(why, errLetters):
	default:
		w.t.Errorf("Process: %v", why)
	}
	return checkpoint
}

// tally is what a Report has to say.
type tally struct{ matched, messages, skipped, bad, invalid int }

func (a *tally) add(b tally) {
	a.matched += b.matched
	a.messages += b.messages
	a.skipped += b.skipped
	a.bad += b.bad
	a.invalid += b.invalid
}

func (a tally) check(w *soakWorld, r *profiles.Report, records int) {
	kept := r.Messages - r.Accepted - r.Rejected - r.Exhausted - r.Canceled - r.Invalid
	of := 0
	for _, m := range r.Mappings {
		of += m.Messages
	}
	if r.Records != records || r.Skipped != a.skipped || r.Matched != a.matched || r.Messages != a.messages || of != a.messages-a.bad ||
		kept < 0 || kept > 0 && w.dir == "" || r.Invalid > a.invalid {
		w.t.Errorf("of %d records, %+v, the report says %+v", records, a, *r)
	}
}

// checkRecord holds that a record has the outcomes of the messages that it gives, and returns what they are.
func (w *soakWorld) checkRecord(client *soakClient, dest *profiles.Destination, row string, o profiles.RecordOutcome) (n tally) {
	if row == "" {
		w.note("bad record")
		if len(o.Outcomes) != 1 || o.Status != profiles.Invalid && o.Status != profiles.Canceled {
			w.t.Errorf("a bad record has the outcome %+v", o)
		}
		return tally{messages: 1, bad: 1, invalid: 1}
	}
	p := client.Preview(dest, record(w.t, row), o.Index)
	if len(p.Messages) != len(o.Outcomes) {
		w.t.Errorf("record %d gives %d messages, and has %d outcomes", o.Index, len(p.Messages), len(o.Outcomes))
		return n
	}
	if len(p.Messages) == 0 {
		w.note("skipped")
		if o.Status != profiles.Skipped || o.Skip == 0 {
			w.t.Errorf("a record that gives nothing has the outcome %+v", o)
		}
		return tally{skipped: 1}
	}
	n = tally{matched: 1, messages: len(p.Messages)}
	for i, m := range p.Messages {
		got := o.Outcomes[i]
		if got.MessageID != m.MessageID || got.Mapping != m.Mapping.ID() {
			w.t.Errorf("record %d: message %s of %s has the outcome of %s of %s", o.Index, m.MessageID, m.Mapping.ID(), got.MessageID, got.Mapping)
		}
		if m.Err != nil {
			n.invalid++
			w.note("invalid")
		}
		if (got.Status == profiles.Invalid) != (m.Err != nil) && got.Status != profiles.Canceled {
			w.t.Errorf("record %d: %v, and the outcome is %s", o.Index, m.Err, got.Status)
		}
		if (got.Err == nil) != (got.Status == profiles.Accepted) {
			w.t.Errorf("record %d: %s with the error %v", o.Index, got.Status, got.Err)
		}
	}
	return n
}

// owe makes a note that the messages of a record that a checkpoint has passed must not be lost: the server gets them, but for those
// that it refuses for what they hold.
func (w *soakWorld) owe(client *soakClient, dest *profiles.Destination, row string, o profiles.RecordOutcome) {
	if row == "" {
		return
	}
	p := client.Preview(dest, record(w.t, row), o.Index)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range p.Messages {
		if m.Err == nil && !strings.Contains(row, "poison") {
			w.owed[m.MessageID] = fmt.Sprintf("record %d of %s", o.Index, dest.Name())
		}
	}
}

// Deliver implements transport.Transport: the server, and the network before it.
func (w *soakWorld) Deliver(ctx context.Context, b *transport.Batch) transport.Result {
	w.mu.Lock()
	wait := time.Duration(1+w.chance.IntN(100)) * time.Millisecond
	meets := ""
	if !w.calm && w.trouble != "" && w.chance.Float64() < 0.7 {
		meets = w.trouble
		w.seen[meets]++
	}
	w.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return transport.Result{Err: ctx.Err()}
	}
	switch meets {
	case "5xx":
		return transport.Result{Status: 503, Requests: 1}
	case "429":
		return transport.Result{Status: 429, RetryAfter: 5 * time.Second, Requests: 1}
	case "401":
		return transport.Result{Class: transport.Credentials, Status: 401, Requests: 1}
	case "hang":
		<-ctx.Done()
		return transport.Result{Ambiguous: true, Err: ctx.Err()}
	case "outage":
		return transport.Result{Err: errors.New("connection refused")}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for i := range b.Len() {
		var m struct{ MessageID string }
		if err := json.Unmarshal(b.Message(i), &m); err != nil {
			w.t.Errorf("the server got what is no message: %v", err)
		}
		ids = append(ids, m.MessageID)
		if strings.Contains(string(b.Message(i)), "poison") {
			w.seen["400"]++
			return transport.Result{Class: transport.Split, Status: 400, Requests: 1}
		}
	}
	for _, id := range ids {
		w.taken[id] = true
	}
	if meets == "taken, no answer" {
		return transport.Result{Ambiguous: true, Err: errors.New("connection reset")}
	}
	return transport.Result{Class: transport.Accepted, Status: 200, Requests: 1}
}

// changeWeather lets troubles come and go.
func (w *soakWorld) changeWeather(done chan struct{}) {
	troubles := []string{"5xx", "429", "taken, no answer", "hang", "401", "outage"}
	for w.wait(done, 4*time.Minute) {
		w.set(func() {
			if w.trouble = ""; w.chance.IntN(2) == 0 {
				w.trouble = troubles[w.chance.IntN(len(troubles))]
			}
		})
	}
	w.set(func() { w.trouble = "" })
}

// Where a client with a spool is closed, a Process that names a Profile Space for the first time ends with ErrClosed, as any other does.
func TestProcessOfAClosedClientWithASpool(t *testing.T) {
	client, err := profiles.New(profiles.Config{
		Region: region.Europe, WriteKey: spaceKey, Transport: new(transporttest.Recorder), Spool: &spool.Config{Dir: t.TempDir() + "/spool"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range client.Process(t.Context(), shop(t), records(t)) {
		if !errors.Is(err, profiles.ErrClosed) {
			t.Errorf("Process: %v", err)
		}
		return
	}
	t.Error("Process of a closed client says nothing")
}
