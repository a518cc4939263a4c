package profiles_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// rawMessages returns the messages of a request's body, byte for byte.
func rawMessages(t *testing.T, r transporttest.Request) []json.RawMessage {
	t.Helper()
	var body struct{ Batch []json.RawMessage }
	if err := json.Unmarshal(r.Body(), &body); err != nil {
		t.Fatal(err)
	}
	return body.Batch
}

// isInvalid fails where an error is not that of a message that breaks one rule.
func isInvalid(t *testing.T, what string, err error, rule actions.Rule) {
	t.Helper()
	var of *profiles.Error
	var fields *actions.Error
	if !errors.As(err, &of) || of.Status != profiles.Invalid || !errors.As(err, &fields) || len(fields.Fields) != 1 || fields.Fields[0].Rule != rule {
		t.Errorf("%s: %.300v, want the rule %s", what, err, rule)
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Row 63: a message has at most 32,000 bytes as it is sent, whatever its text grows to in JSON.
func TestFault63SizeOfAMessage(t *testing.T) {
	client, server := newServed(t)
	sent := 0
	message := func(filler string, n int) actions.SendIdentify {
		return actions.SendIdentify{UserID: "u1", MessageID: fmt.Sprintf("m%04d", sent), Timestamp: noon, Traits: actions.Traits{"t": strings.Repeat(filler, n)}}
	}
	// size sends a message and returns its bytes on the wire.
	size := func(filler string, n int) int {
		t.Helper()
		if _, err := client.Send(t.Context(), message(filler, n)); err != nil {
			t.Fatalf("%d times %q: %v", n, filler, err)
		}
		sent++
		all := server.Requests()
		raw := rawMessages(t, all[len(all)-1])
		if len(raw) != 1 {
			t.Fatalf("%d messages in the request", len(raw))
		}
		return len(raw[0])
	}
	for _, filler := range []string{"x", "<", ">", "&", "\u2028", "\u2029", "é", "😀", `"`, `\`, "/", "\n", "\x01", "\x7f", "\xff"} {
		empty := size(filler, 0)
		each := size(filler, 1) - empty
		most := (transport.MaxMessageBytes - empty) / each
		if got := size(filler, most); got > transport.MaxMessageBytes || got+each <= transport.MaxMessageBytes {
			t.Errorf("%d times %q has %d bytes", most, filler, got)
		}
		if filler == "x" {
			if got := size(filler, most); got != transport.MaxMessageBytes {
				t.Errorf("the largest message has %d bytes", got)
			}
		}
		isInvalid(t, fmt.Sprintf("%d times %q", most+1, filler), client.Enqueue(t.Context(), message(filler, most+1)), actions.RuleMessageTooLarge)
		want := strings.ToValidUTF8(strings.Repeat(filler, most), "")
		if filler == "\xff" {
			want = strings.Repeat(string(utf8.RuneError), most)
		}
		if got := server.Profile("u1").Traits["t"]; got != want {
			t.Errorf("%q did not arrive as it was", filler)
		}
	}
	if s := server.Stats(); s.Kept != sent || s.Statuses[400] != 0 {
		t.Errorf("%d messages were sent, and %+v", sent, s)
	}
}

// sized returns a message of that many bytes on the wire.
func sized(t *testing.T, id string, bytes int) actions.SendIdentify {
	t.Helper()
	a := actions.SendIdentify{UserID: "u1", MessageID: id, Timestamp: noon, Traits: actions.Traits{"t": ""}}
	built, err := a.Build()
	if err != nil {
		t.Fatal(err)
	}
	a.Traits["t"] = strings.Repeat("x", bytes-len(built.JSON))
	return a
}

// Row 63: a request has at most 2,500 messages and 500,000 bytes, its envelope included and before compression.
func TestFault63SizeOfARequest(t *testing.T) {
	const room = transport.MaxBatchBytes - transport.EnvelopeBytes
	for _, gzip := range []bool{false, true} {
		client, server := newServed(t, func(c *profiles.Config) { c.Linger, c.Gzip = time.Hour, gzip })
		// requests sends messages of these sizes in one go, and returns how many were in each request.
		requests := func(sizes ...int) (counts []int) {
			t.Helper()
			server.Reset()
			for i, n := range sizes {
				if err := client.Enqueue(t.Context(), sized(t, fmt.Sprintf("m%04d", i), n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, r := range server.Requests() {
				counts = append(counts, r.Messages)
				if r.BytesBody > transport.MaxBatchBytes || r.Status != 200 {
					t.Errorf("a request of %d bytes is answered %d", r.BytesBody, r.Status)
				}
			}
			if got := server.Stats().Kept; got != len(sizes) {
				t.Errorf("%d of %d messages were kept", got, len(sizes))
			}
			return counts
		}
		filling := func(last int) []int {
			var sizes []int
			left := room
			for ; left > transport.MaxMessageBytes; left -= 31_000 + 1 { // and a comma
				sizes = append(sizes, 31_000)
			}
			return append(sizes, left+last)
		}
		many := func(n int) []int {
			sizes := make([]int, n)
			for i := range sizes {
				sizes[i] = 180
			}
			return sizes
		}
		for _, c := range []struct {
			name  string
			sizes []int
			want  string
		}{
			{"a byte less than fits", filling(-1), "[17]"},
			{"what just fits", filling(0), "[17]"},
			{"a byte more than fits", filling(1), "[16 1]"},
			{"2,499 messages", many(2_499), "[2499]"},
			{"2,500 messages", many(2_500), "[2500]"},
			{"2,501 messages", many(2_501), "[2500 1]"},
		} {
			if got := fmt.Sprint(requests(c.sizes...)); got != c.want {
				t.Errorf("%s: %s messages in the requests, want %s", c.name, got, c.want)
			}
		}
	}
}

// Row 63: messages of any size and text, in any order: no request and no message is over a limit.
func TestFault63SizesAtRandom(t *testing.T) {
	client, server := newServed(t, func(c *profiles.Config) { c.Linger = 5 * time.Millisecond })
	random := rand.New(rand.NewPCG(63, 63))
	fillers := []string{"x", "<>&", "\u2028", "é", `"\`, "\x00", "\xff\xfe"}
	taken := 0
	for i := range 1_000 {
		text := strings.Repeat(fillers[random.IntN(len(fillers))], random.IntN(1<<random.IntN(15)))
		if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: fmt.Sprint("u", i%7), Traits: actions.Traits{"t": text, text[:min(len(text), 9)]: i}}); err == nil {
			taken++
		} else {
			isInvalid(t, "a message", err, actions.RuleMessageTooLarge)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range server.Requests() {
		raw := rawMessages(t, r)
		if r.BytesBody > transport.MaxBatchBytes || len(raw) > transport.MaxBatchMessages || r.Status != 200 {
			t.Errorf("a request of %d messages and %d bytes is answered %d", len(raw), r.BytesBody, r.Status)
		}
		for _, m := range raw {
			if len(m) > transport.MaxMessageBytes {
				t.Errorf("a message has %d bytes", len(m))
			}
		}
	}
	if got := server.Stats().Kept; got != taken || taken < 500 || taken == 1_000 {
		t.Errorf("%d of 1,000 messages were taken, %d kept", taken, got)
	}
}

// Row 64: the messageId: none, as long as it may be and longer, and one that is queued already.
func TestFault64MessageIDs(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "spool")} {
		var told audit
		client, server := newServed(t, func(c *profiles.Config) {
			c.Linger = time.Hour // so that the first is still there when the second comes
			c.Hooks.Outcome = told.hook
			if dir != "" {
				c.Spool = &spool.Config{Dir: dir}
			}
		})
		for _, c := range []struct {
			name, id string
			ok       bool
		}{
			{"99 characters", strings.Repeat("m", 99), true},
			{"100 characters", strings.Repeat("m", 100), false},
			{"99 characters of several bytes", strings.Repeat("é", 99), true},
			{"100 characters of several bytes", strings.Repeat("é", 100), false},
			{"characters that are escaped", "a\"b\\c\nd\u2028", true},
		} {
			err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1", MessageID: c.id})
			if c.ok && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if !c.ok {
				isInvalid(t, c.name, err, actions.RuleTooLong)
			}
		}
		twice := actions.SendTrack{UserID: "u1", Event: "E", MessageID: "twice"}
		for range 2 {
			if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"}); err != nil {
				t.Error(err)
			}
			if err := client.Enqueue(t.Context(), twice); err != nil {
				t.Error(err)
			}
		}
		twice.Event = "Other"
		other := client.Enqueue(t.Context(), twice)
		var of *profiles.Error
		if dir == "" && (!errors.As(other, &of) || of.Status != profiles.Invalid) {
			t.Errorf("the same id with other content: %v", other)
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		same := 2
		if other == nil { // with a spool it may be found out only when it is read: it is Rejected then
			same++
		}
		if told.counts["twice"] != same || len(told.counts) != 6 {
			t.Errorf("outcomes by id: %v", told.counts)
		}
		seen := make(map[string]int)
		for _, e := range server.Events() {
			seen[e.MessageID]++
			// What a spool has read only after the first was delivered is sent again: the server knows it by its id.
			again := dir != "" && e.Status == transporttest.EventDuplicate && e.MessageID == "twice"
			if e.Status != transporttest.EventKept && !again || e.MessageID == "" || e.Name == "Other" && !again {
				t.Errorf("the server has %+v", e)
			}
		}
		if len(seen) != 6 || seen["twice"] == 0 || dir == "" && seen["twice"] != 1 || seen["a\"b\\c\nd\u2028"] != 1 {
			t.Errorf("the server has these ids: %v", seen)
		}
	}
}
