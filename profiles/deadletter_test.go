package profiles_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// deadLetterFile opens a file for dead letters that is closed with the test.
func deadLetterFile(t *testing.T, path string, maxBytes int64) *profiles.DeadLetterFile {
	t.Helper()
	f, err := profiles.OpenDeadLetterFile(path, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// lettersIn reads a dead-letter file, and how many lines of it are none.
func lettersIn(t *testing.T, path string) (letters []profiles.DeadLetter, bad int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for l, err := range profiles.ReadDeadLetters(f) {
		var line *profiles.BadRecord
		switch {
		case errors.As(err, &line):
			bad++
		case err != nil:
			t.Fatal(err)
		default:
			letters = append(letters, l)
		}
	}
	return letters, bad
}

func TestDeadLettersAreReplayedThroughTheSameClient(t *testing.T) {
	server := transporttest.NewServer(t)
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	other := profiles.NewWriteKey("another-write-key")
	client := newClient(t, profiles.Config{
		Endpoint: server.URL(), WriteKey: spaceKey, DeadLetters: deadLetterFile(t, path, 0).Write,
	})
	server.Fail(transporttest.Status(400), transporttest.Status(400))
	first := actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"plan": "<pro>", "n": json.Number("12345678901234567890")}, MessageID: "one"}
	for _, send := range []func() (profiles.Outcome, error){
		func() (profiles.Outcome, error) { return client.Send(t.Context(), first) },
		func() (profiles.Outcome, error) {
			return client.Space(other).Send(t.Context(), actions.SendTrack{UserID: "u2", Event: "E", MessageID: "two"})
		},
	} {
		if o, err := send(); o.Status != profiles.Rejected || err == nil {
			t.Fatalf("%v, %v", o.Status, err)
		}
	}
	if s := client.Stats(); s.DeadLetters != 2 {
		t.Errorf("%d dead letters are counted", s.DeadLetters)
	}

	letters, bad := lettersIn(t, path)
	if len(letters) != 2 || bad != 0 {
		t.Fatalf("%d letters and %d other lines", len(letters), bad)
	}
	l := letters[0]
	if l.Status != profiles.Rejected || l.HTTPStatus != 400 || l.Attempts != 1 || l.MessageID != "one" || l.Reason == "" ||
		l.Record != nil || l.FailedAt.IsZero() || l.Space == "" || l.Space == letters[1].Space {
		t.Errorf("the letter is %#v", l)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("write-key")) || !bytes.Contains(text, []byte(`"<pro>"`)) {
		t.Errorf("the file shows a key, or has changed the message: %s", text)
	}
	if text := fmt.Sprintf("%v %+v %s", l, l, l); strings.Contains(text, "pro") {
		t.Errorf("printed, it shows what it holds: %s", text)
	}

	var got []string
	replay := func(spaces ...profiles.WriteKey) {
		got = nil
		for o, err := range client.Replay(t.Context(), values(letters), spaces...) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(o.Index, " ", o.Outcomes[0].MessageID, " ", o.Status))
		}
	}
	replay()
	if want := []string{"0 one accepted", "1 two invalid"}; !slices.Equal(got, want) {
		t.Errorf("without the other's key: %q, want %q", got, want)
	}
	replay(other)
	if want := []string{"0 one accepted", "1 two accepted"}; !slices.Equal(got, want) {
		t.Errorf("with the other's key: %q, want %q", got, want)
	}
	if p := server.Space(spaceKey).Profile("u1"); fmt.Sprint(p.Traits["n"]) != "12345678901234567890" {
		t.Errorf("the profile has %v", p)
	}
	if len(server.Space(other).Profile("u2").Events) != 1 || len(server.Space(spaceKey).Profile("u2").Events) != 0 {
		t.Error("the second message is not in its own Profile Space")
	}
}

// reject makes the server refuse every batch with a message that has that id.
func reject(server *transporttest.Server, id string) {
	server.RejectWhere(func(message map[string]any) bool { return message["messageId"] == id })
}

// values is a range over letters that does not fail.
func values(letters []profiles.DeadLetter) iter.Seq2[profiles.DeadLetter, error] {
	return func(yield func(profiles.DeadLetter, error) bool) {
		for _, l := range letters {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// processed runs lines through a destination and returns the outcomes' statuses and the range's error.
func processed(t *testing.T, client *profiles.Client, dest *profiles.Destination, records iter.Seq2[profiles.Record, error]) (statuses []profiles.Status, done int, ended error) {
	t.Helper()
	for o, err := range client.Process(t.Context(), dest, records) {
		if err != nil {
			return statuses, done, err
		}
		statuses = append(statuses, o.Status)
		if o.Done() {
			done++
		}
	}
	return statuses, done, nil
}

const identifyMapping = `{"mappings":[{"id":"m1","action":"sendIdentify","trigger":"type = \"identify\"",
	"fields":{"user_id":{"@path":"$.userId"},"traits":{"@path":"$.traits"},"message_id":{"@path":"$.messageId"}}}]}`

func TestDeadLettersOfAProcess(t *testing.T) {
	server := transporttest.NewServer(t)
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	client := newClient(t, profiles.Config{
		Endpoint: server.URL(), WriteKey: spaceKey, DeadLetters: deadLetterFile(t, path, 0).Write,
	})
	reject(server, "poison")
	dest, err := profiles.ParseDestination([]byte(identifyMapping))
	if err != nil {
		t.Fatal(err)
	}
	dest = dest.For(profiles.Input{Name: "people", Start: 100})
	records := func(yield func(profiles.Record, error) bool) {
		yield(profiles.Record{"type": "identify", "userId": "u1", "messageId": "fine"}, nil)
		yield(profiles.Record{"type": "identify", "traits": map[string]any{"email": "x@example.com"}}, nil)
		yield(nil, &profiles.BadRecord{Err: errors.New("line 3 is not JSON"), Text: []byte("{oops")})
		yield(profiles.Record{"type": "identify", "userId": "u2", "messageId": "poison"}, nil)
		yield(profiles.Record{"type": "identify", "userId": "u3", "messageId": "fine too"}, nil)
	}
	statuses, done, err := processed(t, client, dest, records)
	want := []profiles.Status{profiles.Accepted, profiles.Invalid, profiles.Invalid, profiles.Rejected, profiles.Accepted}
	if err != nil || !slices.Equal(statuses, want) || done != 5 {
		t.Errorf("%v, %d done, %v; want %v", statuses, done, err, want)
	}
	letters, _ := lettersIn(t, path)
	slices.SortFunc(letters, func(a, b profiles.DeadLetter) int { return *a.Record - *b.Record })
	if len(letters) != 3 {
		t.Fatalf("%d letters", len(letters))
	}
	for i, want := range []struct {
		record                      int
		mapping, event, text, about string
	}{
		{101, "m1", `{"traits":{"email":"x@example.com"},"type":"identify"}`, "", "user_id"},
		{102, "", "", "{oops", "line 3"},
		{103, "m1", "", "", "400"},
	} {
		l := letters[i]
		var event any
		var wanted any
		_, _ = json.Unmarshal(l.Event, &event), json.Unmarshal([]byte(want.event), &wanted)
		if *l.Record != want.record || l.Input != "people" || l.Mapping != want.mapping || l.Text != want.text ||
			fmt.Sprint(event) != fmt.Sprint(wanted) || !strings.Contains(l.Reason, want.about) {
			t.Errorf("letter %d is %#v", i, l)
		}
	}

	// Replayed while it is refused still, it is a dead letter again, with where it comes from.
	again := filepath.Join(t.TempDir(), "again.ndjson")
	second := newClient(t, profiles.Config{Endpoint: server.URL(), WriteKey: spaceKey, DeadLetters: deadLetterFile(t, again, 0).Write})
	var got []profiles.Status
	for o, err := range second.Replay(t.Context(), values(letters)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Status)
	}
	if want := []profiles.Status{profiles.Invalid, profiles.Invalid, profiles.Rejected}; !slices.Equal(got, want) {
		t.Errorf("replayed: %v, want %v", got, want)
	}
	repeated, _ := lettersIn(t, again)
	if len(repeated) != 3 {
		t.Fatalf("%d letters of the replay", len(repeated))
	}
	slices.SortFunc(repeated, func(a, b profiles.DeadLetter) int { return *a.Record - *b.Record })
	for i, l := range repeated {
		if *l.Record != *letters[i].Record || l.Input != "people" || l.Mapping != letters[i].Mapping || string(l.Event) != string(letters[i].Event) {
			t.Errorf("letter %d has become %#v", i, l)
		}
	}
}

// A record whose dead letter cannot be written is not done with, and nothing is read after it.
func TestProcessEndsWhereADeadLetterCannotBeWritten(t *testing.T) {
	disk := errors.New("no space")
	recorder := new(transporttest.Recorder)
	client := newClient(t, profiles.Config{
		Transport: recorder, WriteKey: spaceKey, DeadLetters: func([]profiles.DeadLetter) error { return disk },
	})
	dest, err := profiles.ParseDestination([]byte(identifyMapping))
	if err != nil {
		t.Fatal(err)
	}
	records := func(yield func(profiles.Record, error) bool) {
		for _, rec := range []profiles.Record{
			{"type": "identify", "userId": "u1"}, {"type": "identify"}, {"type": "identify", "userId": "u2"},
		} {
			if !yield(rec, nil) {
				return
			}
		}
	}
	statuses, _, err := processed(t, client, dest, records) // the third may have been read by then
	if want := []profiles.Status{profiles.Accepted, profiles.Canceled}; len(statuses) < 2 || !slices.Equal(statuses[:2], want) || !errors.Is(err, disk) {
		t.Errorf("%v, %v", statuses, err)
	}
}

// A line that is no dead letter is one when it is replayed: with its text, and as the Invalid that it is.
func TestReplayOfWhatIsNoDeadLetter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	client := newClient(t, profiles.Config{
		Transport: new(transporttest.Recorder), WriteKey: spaceKey, DeadLetters: deadLetterFile(t, path, 0).Write,
	})
	old := `{"status":"exhausted","messageId":"m","message":{"type":"page"},"record":7,"input":"people"}` + "\n{oops\n"
	var got []profiles.Status
	for o, err := range client.Replay(t.Context(), profiles.ReadDeadLetters(strings.NewReader(old))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Status)
	}
	if want := []profiles.Status{profiles.Invalid, profiles.Invalid}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	letters, bad := lettersIn(t, path)
	if len(letters) != 2 || bad != 0 {
		t.Fatalf("%d letters, %d other lines", len(letters), bad)
	}
	if l := letters[0]; l.Status != profiles.Invalid || l.FailedAt.IsZero() || *l.Record != 7 || l.Input != "people" || string(l.Message) != `{"type":"page"}` {
		t.Errorf("the letter that cannot be sent has become %#v", l)
	}
	if l := letters[1]; l.Status != profiles.Invalid || l.Text != "{oops" {
		t.Errorf("the line that is none has become %#v", l)
	}
}

func TestDeadLetterFileIsForItsOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no modes")
	}
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	deadLetterFile(t, path, 0)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	deadLetterFile(t, path, 0)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("one that others could read: %v, %v", info.Mode(), err)
	}
	if _, err := profiles.OpenDeadLetterFile(filepath.Join(path, "below"), 0); err == nil {
		t.Error("a file below a file opens")
	}
}

// What a crash has left of a line stays where it is, and the next letter has a line of its own.
func TestDeadLetterFileAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	letter := profiles.DeadLetter{Status: profiles.Rejected, Reason: "r", MessageID: "a", Message: json.RawMessage(`{}`)}
	if err := deadLetterFile(t, path, 0).Write([]profiles.DeadLetter{letter, letter}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	half := len(whole) / 2
	for cut := half + 1; cut < len(whole); cut++ { // in the second line
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := deadLetterFile(t, path, 0).Write([]profiles.DeadLetter{letter}); err != nil {
			t.Fatal(err)
		}
		letters, bad := lettersIn(t, path)
		if cut == len(whole)-1 { // all but the end of the line
			bad, letters = bad+1, letters[1:]
		}
		if len(letters) != 2 || bad != 1 {
			t.Fatalf("cut at %d: %d letters, %d other lines", cut, len(letters), bad)
		}
	}
}

// A file at its limit takes no more, the message waits, and is written once there is room: nothing is lost meanwhile.
func TestDeadLetterFileAtItsLimit(t *testing.T) {
	server := transporttest.NewServer(t)
	reject(server, "a")
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	file := deadLetterFile(t, path, 10)
	var full atomic.Int32
	var outcomes atomic.Int32
	refused := make(chan struct{}, 100)
	client := newClient(t, profiles.Config{
		Endpoint: server.URL(), WriteKey: spaceKey, CloseTimeout: 50 * time.Millisecond,
		DeadLetters: func(letters []profiles.DeadLetter) error {
			err := file.Write(letters)
			if errors.Is(err, profiles.ErrDeadLettersFull) {
				full.Add(1)
				refused <- struct{}{}
			}
			return err
		},
		Hooks: profiles.Hooks{Outcome: func(o profiles.Outcome) {
			outcomes.Add(1)
			if o.Status != profiles.Rejected || !strings.Contains(o.Err.Error(), "dead letter could not be written") || o.Message() == nil {
				t.Errorf("%v, %v", o.Status, o.Err)
			}
		}},
	})
	if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u", MessageID: "a"}); err != nil {
		t.Fatal(err)
	}
	<-refused
	if outcomes.Load() != 0 {
		t.Error("its outcome is told already")
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if outcomes.Load() != 1 || full.Load() == 0 {
		t.Errorf("%d outcomes, %d times full", outcomes.Load(), full.Load())
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the file: %v, %v", info.Size(), err)
	}
}

func TestDeadLetterOnAFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no such device")
	}
	file := deadLetterFile(t, "/dev/full", 0)
	if err := file.Write([]profiles.DeadLetter{{Status: profiles.Rejected}}); err == nil {
		t.Error("it is written")
	}
}

// The letter is on the disk before the spool forgets its message, so that a kill in between costs nothing.
func TestDeadLettersBesideASpool(t *testing.T) {
	server := transporttest.NewServer(t)
	reject(server, "poison")
	dir := filepath.Join(t.TempDir(), "spool")
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	cfg := spooled(server, dir)
	disk := errors.New("no space")
	cfg.DeadLetters = func([]profiles.DeadLetter) error { return disk }
	client, err := profiles.New(cfg) // that the test closes
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u", MessageID: "poison"}); err != nil {
		t.Fatal(err)
	}
	if err := client.Enqueue(t.Context(), actions.SendIdentify{UserID: "u", MessageID: "fine"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var left *profiles.ShutdownError
	if err := client.Shutdown(ctx); !errors.As(err, &left) || left.Kept != 1 {
		t.Fatalf("Shutdown: %v", err)
	}

	cfg.DeadLetters = deadLetterFile(t, path, 0).Write
	client = newClient(t, cfg)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	letters, _ := lettersIn(t, path)
	if len(letters) != 1 || letters[0].MessageID != "poison" {
		t.Errorf("the next run has written %v", letters)
	}
}

func FuzzReadDeadLetters(f *testing.F) {
	f.Add([]byte("{\"status\":\"rejected\",\"message\":{}}\n\n{oops\n{\"status\":\"invalid\",\"record\":3}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := bytes.Count(text, []byte("\n")) + 1
		for l, err := range profiles.ReadDeadLetters(bytes.NewReader(text)) {
			var bad *profiles.BadRecord
			if err == nil && l.Status == 0 || err != nil && !errors.As(err, &bad) {
				t.Errorf("%v, %v", l, err)
			}
			if lines--; lines < 0 {
				t.Fatal("more letters than lines")
			}
		}
	})
}
