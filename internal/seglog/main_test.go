package seglog

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// The long runs: go test ./internal/seglog -run PowerCut -cuts=100000, -run Kill -kills=1000, -run Backlog -backlog=10240.
var (
	cuts    = flag.Int("cuts", 1000, "power cuts that TestFault40PowerCut survives")
	kills   = flag.Int("kills", 12, "kills that TestFault37Kill survives")
	backlog = flag.Int64("backlog", 64, "MB that TestFault55Backlog recovers")
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		flag.Parse()
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t testing.TB, fsys vfs.FS, c Config) (*Log, Recovery) {
	t.Helper()
	l, found, err := Open(fsys, c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l, found
}

func mustAppend(t testing.TB, l *Log, records ...string) Seq {
	t.Helper()
	payloads := make([][]byte, len(records))
	for i, r := range records {
		payloads[i] = []byte(r)
	}
	first, err := l.Append(payloads...)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return first
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// readAllRecords reads what is there, in small pages, and returns the damage that it met.
func readAllRecords(t testing.TB, l *Log) (map[Seq]string, []*DamageError) {
	t.Helper()
	got := make(map[Seq]string)
	var damages []*DamageError
	r := l.Reader(0)
	last := Seq(0)
	for {
		records, err := r.Next(3000)
		if damage := (*DamageError)(nil); errors.As(err, &damage) {
			damages = append(damages, damage)
			continue
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if len(records) == 0 {
			return got, damages
		}
		for _, rec := range records {
			if rec.Seq <= last {
				t.Fatalf("record %d after record %d", rec.Seq, last)
			}
			last = rec.Seq
			got[rec.Seq] = string(rec.Payload)
		}
	}
}

// requireRecords fails where a log does not hold exactly these.
func requireRecords(t testing.TB, l *Log, want map[Seq]string) {
	t.Helper()
	got, damages := readAllRecords(t, l)
	if len(damages) > 0 {
		t.Fatalf("damage: %v", damages[0])
	}
	for seq, payload := range want {
		if got[seq] != payload {
			t.Fatalf("record %d is %.40q, want %.40q", seq, got[seq], payload)
		}
	}
	for seq := range got {
		if _, ok := want[seq]; !ok {
			t.Fatalf("record %d is there, and should not be", seq)
		}
	}
	if n := l.Stats().Records; n != int64(len(want)) {
		t.Fatalf("Stats has %d records, want %d", n, len(want))
	}
}

// payload returns a record that says which one it is, and is checked against itself.
func payload(random *rand.Rand, id int) string {
	size := random.IntN(60)
	if random.IntN(8) == 0 {
		size = random.IntN(3000)
	}
	return fmt.Sprintf("%08d:", id) + string(bytes.Repeat([]byte{byte('a' + id%26)}, size))
}

// A ledger is what a log has promised, seen from outside.
type ledger struct {
	promised map[Seq]string  // appended, not acknowledged
	tried    map[string]bool // payloads of Appends that did not return nil
	acked    map[string]bool // payloads that were acknowledged: they may come back, and then are owed again
	ids      int
}

func newLedger() *ledger {
	return &ledger{promised: map[Seq]string{}, tried: map[string]bool{}, acked: map[string]bool{}}
}

func (b *ledger) append(l *Log, random *rand.Rand) error {
	records := make([][]byte, 1+random.IntN(4))
	for i := range records {
		b.ids++
		records[i] = []byte(payload(random, b.ids))
	}
	first, err := l.Append(records...)
	for i, r := range records {
		if err != nil {
			b.tried[string(r)] = true
			continue
		}
		if have, ok := b.promised[first+Seq(i)]; ok {
			return fmt.Errorf("number %d was given twice, first to %.20q", first+Seq(i), have)
		}
		b.promised[first+Seq(i)] = string(r)
	}
	return nil
}

func (b *ledger) ack(l *Log, random *rand.Rand) {
	seqs := b.seqs()
	if len(seqs) == 0 {
		return
	}
	from := random.IntN(len(seqs))
	to := min(len(seqs), from+1+random.IntN(12))
	if random.IntN(2) == 0 {
		from, to = 0, to-from
	}
	chosen := seqs[from:to]
	for _, seq := range chosen {
		b.acked[b.promised[seq]] = true
		delete(b.promised, seq)
	}
	l.Ack(chosen...)
}

func (b *ledger) seqs() []Seq {
	seqs := make([]Seq, 0, len(b.promised))
	for seq := range b.promised {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	return seqs
}

// settle holds what a log that was opened after a crash has against what was promised, and takes over what came back.
func (b *ledger) settle(t testing.TB, l *Log, keepsAll bool) error {
	t.Helper()
	got, damages := readAllRecords(t, l)
	if len(damages) > 0 {
		return fmt.Errorf("damage: %w", damages[0])
	}
	if n := l.Stats().Records; n != int64(len(got)) {
		return fmt.Errorf("Stats has %d records, and %d can be read", n, len(got))
	}
	if keepsAll {
		for seq, payload := range b.promised {
			if got[seq] != payload {
				return fmt.Errorf("record %d is %.30q, want %.30q", seq, got[seq], payload)
			}
		}
	}
	promised := map[string]bool{}
	for seq, p := range b.promised {
		promised[p] = true
		if _, ok := got[seq]; !ok { // lost, as the mode allows; an older file may bring it back
			b.acked[p] = true
		}
	}
	seen := map[string]bool{}
	for seq, payload := range got {
		if seen[payload] {
			return fmt.Errorf("record %d is there twice", seq)
		}
		seen[payload] = true
		if !promised[payload] && !b.tried[payload] && !b.acked[payload] {
			return fmt.Errorf("record %d was never appended: %.30q", seq, payload)
		}
		delete(b.acked, payload)
		delete(b.tried, payload)
	}
	b.promised = got
	return nil
}

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// small is a Config under which a few records fill a segment.
var small = Config{SegmentBytes: 2000}

func newMemLog(t testing.TB, c Config) (*vfstest.Mem, *Log) {
	mem := vfstest.NewMem()
	l, _ := mustOpen(t, mem, c)
	return mem, l
}
