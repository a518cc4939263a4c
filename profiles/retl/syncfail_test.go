package retl_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestSyncThatIsStopped(t *testing.T) {
	t.Run("by failures", func(t *testing.T) {
		w := newWorld(t, strings.Replace(people, `"user_id": {"@path": "$.properties.id"}`, `"user_id": {"@path": "$.properties.none"}`, 1), nil)
		w.table(5000)
		s := w.sync()
		s.MaxFailureRate = 0.5
		r, err := s.Run(t.Context())
		var rate *retl.FailureRateError
		if !errors.As(err, &rate) || r.Status != retl.Failed || r.Failed < 100 || r.Failed == 5000 && r.Extracted == 5000 {
			t.Errorf("%v, %+v", err, r)
		}
	})
	t.Run("by its source", func(t *testing.T) {
		w := newWorld(t, people, nil)
		w.table(2000)
		w.run(w.sync())
		w.sent()
		broken := errors.New("connection lost")
		s := w.sync()
		s.Model.Ordered = true
		s.Model.Records = func(yield func(profiles.Record, error) bool) {
			for _, r := range w.rows[:1000] {
				yield(profiles.Record{"id": r["id"], "email": "changed"}, nil)
			}
			yield(nil, broken)
		}
		r, err := s.Run(t.Context())
		if !errors.Is(err, broken) || r.Status != retl.Failed || r.Deleted != 0 {
			t.Errorf("%v, %+v", err, r)
		}
		w.sent()
		if r := w.run(w.sync()); r.Updated != 1000-r.Unchanged+1000 && r.Deleted != 0 {
			t.Errorf("the next sync: %+v", r)
		}
	})
	t.Run("by its context", func(t *testing.T) {
		w := newWorld(t, people, func(c *profiles.Config) { c.Window = 50 })
		w.table(3000)
		ctx, cancel := context.WithCancel(t.Context())
		s := w.sync()
		s.Progress = func(retl.Report) { cancel() }
		r, err := s.Run(ctx)
		if !errors.Is(err, context.Canceled) || r.Status != retl.Canceled || r.Loaded == 0 || r.Loaded == 3000 {
			t.Errorf("%v, %+v", err, r)
		}
		before := int(r.Loaded)
		r = w.run(w.sync())
		if int(r.Loaded)+before != 3000 && r.Loaded < 3000-int64(before) {
			t.Errorf("%d were loaded before, and %d after", before, r.Loaded)
		}
		ids := map[any]bool{}
		for _, e := range w.server.Events() {
			ids[e.UserID] = true
		}
		if len(ids) != 3000 {
			t.Errorf("%d of 3000 have arrived", len(ids))
		}
	})
	t.Run("by a key that is refused", func(t *testing.T) {
		w := newWorld(t, people, nil)
		w.table(30)
		w.server.FailAlways(transporttest.Status(401))
		r, err := w.sync().Run(t.Context())
		var undelivered *retl.UndeliveredError
		if !errors.As(err, &undelivered) || r.Undelivered != 30 || r.Failed != 0 {
			t.Errorf("%v, %+v", err, r)
		}
	})
}

// What cannot be read may have been any row that is missing: none of those is deleted.
func TestSyncDoesNotDeleteWhatItCouldNotRead(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		w := newWorld(t, people, nil)
		w.table(6)
		w.run(w.sync())
		w.sent()
		s := w.sync()
		s.Model.Ordered = ordered
		s.Model.Records = func(yield func(profiles.Record, error) bool) {
			for i, r := range w.rows {
				switch i {
				case 0: // deleted
					continue
				case 3:
					if !yield(nil, &profiles.BadRecord{Err: errors.New("line 4 is no row")}) {
						return
					}
					continue
				}
				if !yield(r, nil) {
					return
				}
			}
		}
		r, err := s.Run(t.Context())
		if err != nil || r.Failed != 1 || r.Status != retl.PartiallySuccessful {
			t.Errorf("%v, %+v", err, r)
		}
		want, held := []string(nil), int64(2)
		if ordered { // there it is known where the row was
			want, held = []string{"1 <nil> <nil>"}, 1
		}
		same(t, fmt.Sprint("ordered ", ordered), w.sent(), want)
		if r.Held != held {
			t.Errorf("%d rows were held, want %d", r.Held, held)
		}
	}
}

func TestSyncOfBadKeys(t *testing.T) {
	w := newWorld(t, people, nil)
	w.rows = []profiles.Record{
		{"id": int64(1), "email": "one"}, {"id": int64(1), "email": "again"}, {"id": nil}, {"email": "without"}, {"id": ""}, {"id": []any{1}}, {"id": true},
		{"id": strings.Repeat("k", retl.MaxKeyBytes+1)}, {"id": int64(2), "email": strings.Repeat("x", retl.MaxColumnBytes)}, {"id": "z", "email": "last"},
	}
	r := w.run(w.sync())
	if r.Extracted != 10 || r.Failed != 8 || r.Loaded != 2 {
		t.Errorf("%+v", r)
	}
	for _, reason := range r.Reasons {
		if strings.Contains(reason.Reason, "again") || strings.Contains(reason.Reason, "kkk") || !strings.Contains(reason.Reason, "column") {
			t.Errorf("a reason: %q", reason.Reason)
		}
	}
	s := w.sync()
	s.Model.Ordered = true
	w.rows = []profiles.Record{{"id": int64(10)}, {"id": int64(9)}}
	var order *retl.OrderError
	if _, err := s.Run(t.Context()); !errors.As(err, &order) || order.Row != 2 {
		t.Errorf("rows out of order: %v", err)
	}
}

// A badState fails in one of its methods.
type badState struct {
	*retl.MemoryState
	fails string
}

var errDisk = errors.New("disk full")

func (s *badState) fail(method string) error {
	if s.fails == method {
		return errDisk
	}
	return nil
}

func (s *badState) Head(ctx context.Context) (retl.Head, error) {
	h, err := s.MemoryState.Head(ctx)
	return h, errors.Join(err, s.fail("Head"))
}

func (s *badState) Entries(ctx context.Context) iter.Seq2[retl.Entry, error] {
	if s.fails == "Entries" {
		return func(yield func(retl.Entry, error) bool) { yield(retl.Entry{}, errDisk) }
	}
	return s.MemoryState.Entries(ctx)
}

func (s *badState) Sending(ctx context.Context, e []retl.Entry) error {
	return errors.Join(s.fail("Sending"), s.MemoryState.Sending(ctx, e))
}

func (s *badState) Sent(ctx context.Context, m []retl.Mark) error {
	if err := s.fail("Sent"); err != nil {
		return err
	}
	return s.MemoryState.Sent(ctx, m)
}

func (s *badState) Commit(ctx context.Context, h retl.Head) error {
	return errors.Join(s.fail("Commit"), s.MemoryState.Commit(ctx, h))
}

// A state that fails ends the sync with its error; nothing is sent of which it does not know; and when it is well again all is there.
func TestSyncWithAStateThatFails(t *testing.T) {
	for _, method := range []string{"Head", "Entries", "Sending", "Sent", "Commit"} {
		for _, limit := range []int{0, 3} {
			t.Run(fmt.Sprint(method, ", limit ", limit), func(t *testing.T) {
				w := newWorld(t, people, nil)
				w.table(5)
				state := &badState{MemoryState: new(retl.MemoryState), fails: method}
				w.state = state
				s := w.sync()
				s.Limit = limit
				r, err := s.Run(t.Context())
				if !errors.Is(err, errDisk) || r.Status != retl.Failed || r.Error == "" {
					t.Errorf("%v, %+v", err, r)
				}
				if sent := len(w.server.Events()); method != "Sent" && method != "Commit" && sent != 0 {
					t.Errorf("%d events were sent", sent)
				}
				state.fails = ""
				w.run(w.sync())
				kept := 0
				for _, e := range w.server.Events() {
					if e.Status == transporttest.EventKept {
						kept++
					}
				}
				if kept != 5 {
					t.Errorf("the server has %d of 5 rows, each once", kept)
				}
			})
		}
	}
}

func TestSyncWithASourceThatPanics(t *testing.T) {
	w := newWorld(t, people, nil)
	s := w.sync()
	s.Model.Records = func(func(profiles.Record, error) bool) { panic("source") }
	defer func() {
		if p := recover(); p != "source" {
			t.Errorf("recovered %v", p)
		}
		w.table(2)
		if r := w.run(w.sync()); r.Added != 2 {
			t.Errorf("the next sync: %+v", r)
		}
	}()
	_, _ = s.Run(t.Context())
	t.Error("Run has returned")
}
