package retl_test

import (
	"context"
	"errors"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A dying is a state whose process dies before the end of its sync: no Commit that comes after rows were sent.
type dying struct {
	*retl.MemoryState
	begun bool
}

func (d *dying) Sending(ctx context.Context, entries []retl.Entry) error {
	d.begun = true
	return d.MemoryState.Sending(ctx, entries)
}

func (d *dying) Commit(ctx context.Context, head retl.Head) error {
	if d.begun {
		return nil
	}
	return d.MemoryState.Commit(ctx, head)
}

// A sync that dies before its end, and another order of the mappings when it is run again: each mapping is sent each row.
func TestSyncThatDiesBeforeItsMappingsAreKnown(t *testing.T) {
	const first = `{"id": "a", "action": "sendIdentify", "trigger": "event = \"new\"", "fields": {"user_id": {"@path": "$.properties.id"}, "traits": {"a": 1}}}`
	const second = `{"id": "b", "action": "sendIdentify", "trigger": "event = \"new\"", "fields": {"user_id": {"@path": "$.properties.id"}, "traits": {"b": 1}}}`
	w := newWorld(t, `{"name": "D", "mappings": [`+first+`]}`, nil)
	memory := w.state.(*retl.MemoryState)
	w.table(1)
	w.state = &dying{MemoryState: memory}
	w.run(w.sync())
	w.state = memory
	other := w.sync()
	other.Model.Name = "other"
	var mismatch *retl.MismatchError
	if _, err := other.Run(t.Context()); !errors.As(err, &mismatch) {
		t.Errorf("the state of another model: %v", err)
	}
	var err error
	if w.dest, err = profiles.ParseDestination([]byte(`{"name": "D", "mappings": [` + second + "," + first + `]}`)); err != nil {
		t.Fatal(err)
	}
	w.run(w.sync())
	if traits := w.server.Profile("1").Traits; traits["a"] == nil || traits["b"] == nil {
		t.Errorf("the profile has %v", traits)
	}
}

// A sync that has sent nothing does not make a state its own.
func TestSyncThatHasNotBegun(t *testing.T) {
	w := newWorld(t, people, nil)
	s := w.sync()
	s.Model.Key = "slip"
	s.Model.Records = func(yield func(profiles.Record, error) bool) { yield(nil, errors.New("there is no such column")) }
	if _, err := s.Run(t.Context()); err == nil {
		t.Fatal("it has run")
	}
	w.table(1)
	w.run(w.sync())
}
