// Package retltest has what every retl.State must pass.
package retltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// TestState holds a State against what retl.State promises, in subtests. open returns an empty state that is not used by anybody else; it
// is called for each subtest, and may register its closing with t.Cleanup. Times are compared as instants, to the nanosecond, and a nil
// Row is told from an empty one.
func TestState(t *testing.T, open func(t *testing.T) retl.State) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s retl.State)
	}{
		{"Empty", testEmpty},
		{"Head", testHead},
		{"EveryField", testEveryField},
		{"Order", testOrder},
		{"Replacement", testReplacement},
		{"Marks", testMarks},
		{"Gone", testGone},
		{"WithoutCommit", testWithoutCommit},
		{"Reset", testReset},
		{"EntriesWhileSending", testEntriesWhileSending},
		{"RangeLeftEarly", testRangeLeftEarly},
		{"EntriesAreTheCallers", testEntriesAreTheCallers},
		{"ContextEnded", testContextEnded},
		{"BadInput", testBadInput},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var found = time.Date(2026, 2, 3, 4, 5, 6, 789_012_345, time.UTC)

func entry(key string, version int) retl.Entry {
	return retl.Entry{Key: key, Sum: [16]byte{byte(version), 1}, Version: version, Accepted: 1, Seen: 3, Found: found,
		Row: fmt.Appendf(nil, `{"key":%q,"version":%d}`, key, version)}
}

func read(t *testing.T, s retl.State) []retl.Entry {
	t.Helper()
	var entries []retl.Entry
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatalf("Entries: %v", err)
		}
		entries = append(entries, e)
	}
	return entries
}

func require(t *testing.T, s retl.State, want ...retl.Entry) {
	t.Helper()
	got := read(t, s)
	for i := range min(len(got), len(want)) {
		if !same(got[i], want[i]) {
			t.Fatalf("entry %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
}

func same(a, b retl.Entry) bool {
	if !a.Found.Equal(b.Found) || !bytes.Equal(a.Row, b.Row) || (a.Row == nil) != (b.Row == nil) {
		return false
	}
	a.Found, b.Found, a.Row, b.Row = time.Time{}, time.Time{}, nil, nil
	return reflect.DeepEqual(a, b)
}

func send(t *testing.T, s retl.State, entries ...retl.Entry) {
	t.Helper()
	if err := s.Sending(t.Context(), entries); err != nil {
		t.Fatalf("Sending: %v", err)
	}
}

func mark(t *testing.T, s retl.State, marks ...retl.Mark) {
	t.Helper()
	if err := s.Sent(t.Context(), marks); err != nil {
		t.Fatalf("Sent: %v", err)
	}
}

func commit(t *testing.T, s retl.State, head retl.Head) {
	t.Helper()
	if err := s.Commit(t.Context(), head); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func requireHead(t *testing.T, s retl.State, want retl.Head) {
	t.Helper()
	got, err := s.Head(t.Context())
	if err != nil {
		t.Fatalf("Head: %v", err)
	}
	if !got.Synced.Equal(want.Synced) {
		t.Fatalf("Head: synced %v, want %v", got.Synced, want.Synced)
	}
	got.Synced = want.Synced
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("Head is %+v, want %+v", got, want)
	}
}

func head(generation int) retl.Head {
	return retl.Head{Model: "contacts", Key: "id", Destination: "d1", Generation: generation, Replaying: 3,
		Mappings: []string{"m1", "m2"}, Rows: 7, Synced: found}
}

func testEmpty(t *testing.T, s retl.State) {
	requireHead(t, s, retl.Head{})
	require(t, s)
	commit(t, s, head(1))
	require(t, s)
	requireHead(t, s, head(1))
}

func testHead(t *testing.T, s retl.State) {
	for i := range 3 {
		commit(t, s, head(i+1)) // nothing but the head changes
		requireHead(t, s, head(i+1))
	}
	send(t, s, entry("a", 1))
	requireHead(t, s, head(3))
	commit(t, s, head(4))
	requireHead(t, s, head(4))
	require(t, s, entry("a", 1))
	commit(t, s, retl.Head{})
	requireHead(t, s, retl.Head{})
	require(t, s, entry("a", 1))
}

func testEveryField(t *testing.T, s retl.State) {
	entries := []retl.Entry{
		{Key: "1"},
		{Key: "2", Sum: [16]byte{0, 0, 0, 9}},
		{Key: "3", Version: 1 << 30},
		{Key: "4", Accepted: 1<<64 - 1, Seen: 1 << 63},
		{Key: "5", Seen: 5},
		{Key: "6", Tries: 300, New: 1<<63 | 5, GivenUp: 1 << 33},
		{Key: "7", Found: found},
		{Key: "8", Found: found},
		{Key: "9", Found: found.Add(-time.Hour)},
		{Key: "10", Found: time.Unix(0, 0)},
		{Key: "11", Row: []byte{}},
		{Key: "12", Row: []byte(`{"a":"\u0000"}`)},
		{Key: "13", Row: bytes.Repeat([]byte("large"), 100_000)},
		{Key: "\x00"},
		{Key: "\xff\xfe not text"},
	}
	send(t, s, entries...)
	commit(t, s, head(1))
	require(t, s, entries...)
}

func testOrder(t *testing.T, s retl.State) {
	keys := []string{"-98765432109876543210", "-100", "-7", "0", "7", "8", "10", "120", "999999999999999999", "1000000000000000000", "98765432109876543210", "", "+5", "-", "-0", "007", "1e3", "A", "a", "aa", "b", "é"}
	var want, first, second []retl.Entry
	for i, key := range keys {
		if key == "" {
			continue // where numbers end
		}
		e := entry(key, 1)
		want = append(want, e)
		if i%3 == 1 {
			first = append(first, e)
		} else {
			second = append(second, e)
		}
	}
	send(t, s, first...)
	commit(t, s, head(1))
	require(t, s, first...)
	send(t, s, second[:4]...) // in two calls, between those that are there
	send(t, s, second[4:]...)
	commit(t, s, head(2))
	require(t, s, want...)
}

func testReplacement(t *testing.T, s retl.State) {
	send(t, s, entry("a", 1), entry("b", 1), entry("c", 1))
	commit(t, s, head(1))
	now := retl.Entry{Key: "b", Version: 2}
	send(t, s, now)
	commit(t, s, head(2))
	require(t, s, entry("a", 1), now, entry("c", 1))
}

func testMarks(t *testing.T, s retl.State) {
	send(t, s, entry("a", 1), entry("b", 1), entry("c", 1))
	mark(t, s, retl.Mark{Key: "a", Accepted: 3, Seen: 3}, retl.Mark{Key: "b", Accepted: 0, Seen: 1, Tries: 1})
	commit(t, s, head(1))
	a, b, c := entry("a", 1), entry("b", 1), entry("c", 1)
	a.Accepted, a.Seen = 3, 3
	b.Accepted, b.Seen, b.Tries = 0, 1, 1
	require(t, s, a, b, c)

	// One that was there before, without a new version; one that was sent; and some that nobody knows.
	send(t, s, entry("c", 2))
	mark(t, s, retl.Mark{Key: "B", Accepted: 9}, retl.Mark{Key: "b", Accepted: 2, Seen: 3, Tries: 2}, retl.Mark{Key: "bb", Accepted: 9})
	mark(t, s, retl.Mark{Key: "c", Accepted: 1 << 40, Seen: 1 << 41}, retl.Mark{Key: "d", Accepted: 9})
	commit(t, s, head(2))
	b.Accepted, b.Seen, b.Tries = 2, 3, 2
	c = entry("c", 2)
	c.Accepted, c.Seen = 1<<40, 1<<41
	require(t, s, a, b, c)

	// Nothing was sent.
	mark(t, s, retl.Mark{Key: "a"})
	commit(t, s, head(3))
	a.Accepted, a.Seen = 0, 0
	require(t, s, a, b, c)
}

func testGone(t *testing.T, s retl.State) {
	send(t, s, entry("a", 1), entry("b", 1), entry("c", 1))
	commit(t, s, head(1))
	send(t, s, retl.Entry{Key: "A", Gone: true}, retl.Entry{Key: "b", Gone: true}, entry("d", 1))
	mark(t, s, retl.Mark{Key: "b", Accepted: 1})
	commit(t, s, head(2))
	require(t, s, entry("a", 1), entry("c", 1), entry("d", 1))
	send(t, s, entry("b", 5))
	commit(t, s, head(3))
	require(t, s, entry("a", 1), entry("b", 5), entry("c", 1), entry("d", 1))
	send(t, s, retl.Entry{Key: "a", Gone: true}, retl.Entry{Key: "b", Gone: true}, retl.Entry{Key: "c", Gone: true}, retl.Entry{Key: "d", Gone: true})
	commit(t, s, head(4))
	require(t, s)
}

// A sync that ends without a Commit leaves what it has told the state, under the old head; the next one begins at the first key.
func testWithoutCommit(t *testing.T, s retl.State) {
	send(t, s, entry("a", 1), entry("m", 1))
	commit(t, s, head(1))
	send(t, s, entry("m", 2), entry("z", 1))
	mark(t, s, retl.Mark{Key: "m", Accepted: 7, Seen: 7})
	m := entry("m", 2)
	m.Accepted, m.Seen = 7, 7
	require(t, s, entry("a", 1), m, entry("z", 1))
	requireHead(t, s, head(1))
	send(t, s, entry("b", 1))
	require(t, s, entry("a", 1), entry("b", 1), m, entry("z", 1))
	commit(t, s, head(2))
	require(t, s, entry("a", 1), entry("b", 1), m, entry("z", 1))
	requireHead(t, s, head(2))
}

func testReset(t *testing.T, s retl.State) {
	if err := s.Reset(t.Context(), head(1)); err != nil {
		t.Fatalf("Reset of an empty state: %v", err)
	}
	requireHead(t, s, head(1))
	send(t, s, entry("a", 1), entry("b", 1))
	commit(t, s, head(2))
	send(t, s, entry("c", 1))
	mark(t, s, retl.Mark{Key: "a", Accepted: 7})
	if err := s.Reset(t.Context(), head(3)); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	require(t, s)
	requireHead(t, s, head(3))
	send(t, s, entry("a", 9))
	commit(t, s, head(4))
	require(t, s, entry("a", 9))
}

func many(n, version int) []retl.Entry {
	entries := make([]retl.Entry, n)
	for i := range entries {
		entries[i] = entry(fmt.Sprint(i), version)
	}
	return entries
}

func testEntriesWhileSending(t *testing.T, s retl.State) {
	const n = 3000
	send(t, s, many(n, 1)...)
	commit(t, s, head(1))
	keys := make(chan string)
	failed := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		defer close(keys)
		for e, err := range s.Entries(ctx) {
			if err != nil {
				failed <- err
				return
			}
			select {
			case keys <- e.Key:
			case <-ctx.Done():
				return
			}
		}
	}()
	at := 0
	for key := range keys {
		if key != fmt.Sprint(at) {
			t.Fatalf("entry %d has key %s", at, key)
		}
		if at%10 == 0 {
			send(t, s, entry(key, 2))
			mark(t, s, retl.Mark{Key: key, Accepted: 3, Seen: 3})
		}
		at++
	}
	select {
	case err := <-failed:
		t.Fatalf("Entries: %v", err)
	default:
	}
	if at != n {
		t.Fatalf("%d entries, want %d", at, n)
	}
	commit(t, s, head(2))
	want := many(n, 1)
	for i := 0; i < n; i += 10 {
		want[i] = entry(want[i].Key, 2)
		want[i].Accepted, want[i].Seen = 3, 3
	}
	require(t, s, want...)
}

func testRangeLeftEarly(t *testing.T, s retl.State) {
	send(t, s, many(100, 1)...)
	commit(t, s, head(1))
	for e, err := range s.Entries(t.Context()) {
		if err != nil || e.Key != "0" {
			t.Fatalf("the first entry is %q, %v", e.Key, err)
		}
		break
	}
	entries := s.Entries(t.Context())
	for range 2 { // it may be ranged over again
		n := 0
		for _, err := range entries {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 100 {
			t.Fatalf("%d entries, want 100", n)
		}
	}
	send(t, s, entry("5", 2))
	commit(t, s, head(2))
}

// What was given and what was got may be written to.
func testEntriesAreTheCallers(t *testing.T, s retl.State) {
	given := []retl.Entry{entry("a", 1), entry("b", 1)}
	given1 := head(1)
	send(t, s, given...)
	clear(given[0].Row)
	clear(given)
	commit(t, s, given1)
	given1.Mappings[0] = "changed"
	for range 2 {
		require(t, s, entry("a", 1), entry("b", 1))
		requireHead(t, s, head(1))
		for _, e := range read(t, s) {
			clear(e.Row)
		}
		got, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got.Mappings[0] = "changed"
	}
}

func testContextEnded(t *testing.T, s retl.State) {
	send(t, s, many(5000, 1)...)
	commit(t, s, head(1))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	n, ended := 0, false
	for _, err := range s.Entries(ctx) {
		if ended {
			t.Fatal("something came after an error")
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("Entries: %v", err)
			}
			ended = true
			continue
		}
		if n++; n == 10 {
			end()
		}
	}
	if !ended || n == 5000 {
		t.Errorf("Entries yielded %d entries, and went on after the end of its context", n)
	}
	for range 2 {
		n := 0
		for _, err := range s.Entries(ctx) {
			if n++; !errors.Is(err, context.Canceled) || n > 1 {
				t.Fatalf("Entries: %v", err)
			}
		}
	}
	_, err := s.Head(ctx)
	for what, err := range map[string]error{"Head": err, "Sending": s.Sending(ctx, []retl.Entry{entry("1", 2)}),
		"Sent": s.Sent(ctx, []retl.Mark{{Key: "1", Accepted: 9}}), "Commit": s.Commit(ctx, head(2)), "Reset": s.Reset(ctx, head(2))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	require(t, s, many(5000, 1)...)
	requireHead(t, s, head(1))
}

func testBadInput(t *testing.T, s retl.State) {
	send(t, s, entry("2", 1), entry("a", 1))
	commit(t, s, head(1))
	send(t, s)
	mark(t, s)
	for _, keys := range [][]string{{""}, {"1", ""}, {"1", "1"}, {"10", "9"}, {"b", "5"}, {"a", "a"}, {"b", "a"}} {
		var entries []retl.Entry
		var marks []retl.Mark
		for _, key := range keys {
			entries = append(entries, entry(key, 2))
			marks = append(marks, retl.Mark{Key: key, Accepted: 9})
		}
		if err := s.Sending(t.Context(), entries); err == nil {
			t.Errorf("Sending of the keys %q returned nil", keys)
		}
		if err := s.Sent(t.Context(), marks); err == nil {
			t.Errorf("Sent of the keys %q returned nil", keys)
		}
	}
	send(t, s, entry("5", 1), entry("b", 1))
	mark(t, s, retl.Mark{Key: "5", Accepted: 8})
	for _, key := range []string{"b", "a", "5", "4"} {
		if err := s.Sending(t.Context(), []retl.Entry{entry(key, 2), entry("z", 1)}); err == nil {
			t.Errorf("Sending of the key %q after b returned nil", key)
		}
	}
	for _, key := range []string{"5", "4"} {
		if err := s.Sent(t.Context(), []retl.Mark{{Key: key, Accepted: 9}, {Key: "z"}}); err == nil {
			t.Errorf("Sent of the key %q after 5 returned nil", key)
		}
	}
	send(t, s, entry("c", 1)) // what was refused has changed nothing
	commit(t, s, head(2))
	five := entry("5", 1)
	five.Accepted, five.Seen = 8, 0
	require(t, s, entry("2", 1), five, entry("a", 1), entry("b", 1), entry("c", 1))
}
