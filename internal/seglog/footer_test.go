package seglog

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// footerOf returns where a segment's footer begins, or 0 where it has none that looks like one.
func footerOf(mem *vfstest.Mem, name string) int {
	data := must(mem.ReadFile(name))
	base, attempt, _ := parseSegmentName(name)
	if length := footerLength(data, base, attempt, int64(len(data))); length > 0 {
		return len(data) - int(length)
	}
	return 0
}

// footers returns the segments that have a footer.
func footers(mem *vfstest.Mem) []string {
	var names []string
	for _, name := range segments(mem) {
		if footerOf(mem, name) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// Segments that have a footer are not read when a log is opened: it does not see that none of their frames is left. Verify does, and so does
// whoever reads them.
func TestFootersSpareReading(t *testing.T) {
	mem, want := filled(t)
	sealed := footers(mem)
	if len(sealed) != 2 || footerOf(mem, segments(mem)[2]) != 0 {
		t.Fatalf("%v have footers", sealed)
	}
	owed := int64(0)
	for _, name := range sealed {
		data := must(mem.ReadFile(name))
		clear(data[segmentHeader:footerOf(mem, name)])
		mem.WriteFile(name, data)
	}
	for seq := range want {
		if last, _, _ := parseSegmentName(segments(mem)[2]); seq < last {
			owed++
		}
	}
	before := mem.Kill()
	inspected, err := Inspect(mem)
	if err != nil || inspected.Records != int64(len(want)) || inspected.QuarantinedRecords != 0 {
		t.Errorf("Inspect: %+v, %v", inspected, err)
	}
	verified, err := Verify(mem)
	if err != nil || verified.Records != int64(len(want))-owed || verified.QuarantinedRecords != owed || verified.Next != inspected.Next {
		t.Errorf("Verify: %+v, %v", verified, err)
	}
	requireUntouched(t, before, mem)
	l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
	if found.Records != int64(len(want)) || found.QuarantinedRecords != 0 {
		t.Errorf("Open: %+v", found)
	}
	got, damages := readAllRecords(t, l)
	if lost := requireSubset(t, "read", got, want); int64(lost) != owed || len(damages) != 2 || l.Stats().QuarantinedRecords != owed {
		t.Errorf("%d records are lost, want %d: %v, %+v", lost, owed, damages, l.Stats())
	}
}

// Thinning out leaves a segment alone whose damage no reader has met, and takes the others; once it is met, that one too. What is left of them has
// footers, that say which records are left out.
func TestFootersOfThinnedSegments(t *testing.T) {
	mem, l := newMemLog(t, Config{SegmentBytes: 1000})
	parked := park(t, l, 60, 1)
	mustClose(t, l)
	name := segments(mem)[0]
	data := must(mem.ReadFile(name))
	data[segmentHeader+frameHeader+7] ^= 1 // of record 1, which is parked
	mem.WriteFile(name, data)

	l, found := mustOpen(t, mem, Config{SegmentBytes: 1000})
	if found.Records != int64(len(parked)) || found.QuarantinedRecords != 0 {
		t.Fatalf("%+v", found)
	}
	for seq := range parked {
		if seq%4 != 1 {
			l.Ack(seq)
			delete(parked, seq)
		}
	}
	more := park(t, l, 200, 200)
	for range 20 {
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
	}
	if names := segments(mem); names[0] != name || !strings.HasSuffix(names[1], "-0001.seg") {
		t.Fatalf("%v: the first should be as it was, and the second thinned out", names)
	}
	delete(parked, 1)
	maps.Copy(parked, more)
	got, damages := readAllRecords(t, l)
	if !maps.Equal(got, parked) || len(damages) != 1 || damages[0].First != 1 {
		t.Fatalf("%d of %d records, %v", len(got), len(parked), damages)
	}
	for range 5 {
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
	}
	if names := segments(mem); !strings.HasSuffix(names[0], "-0001.seg") {
		t.Errorf("%v: the first was not thinned out", names)
	}
	if n := len(footers(mem)); n < len(segments(mem))-1 {
		t.Errorf("%d of %d segments have footers", n, len(segments(mem)))
	}
	mustClose(t, l)

	inspected, err := Inspect(mem)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := Verify(mem)
	if diff := cmp.Diff(verified, inspected); err != nil || diff != "" {
		t.Errorf("read (-), by the footers (+):\n%s%v", diff, err)
	}
	// Acknowledgements that are gone make what was left out a loss, as far as anybody can tell.
	for _, name := range named(mem, ackSuffix) {
		mem.Remove(name)
	}
	l, found = mustOpen(t, mem, Config{SegmentBytes: 1000, AcceptMissing: true})
	if found.QuarantinedRecords == 0 || found.QuarantinedBytes != 0 {
		t.Errorf("without the acknowledgements: %+v", found)
	}
	got, damages = readAllRecords(t, l)
	if requireSubset(t, "without the acknowledgements", pick(got, parked), parked) > 0 || len(damages) > 0 {
		t.Errorf("%d of %d records, %v", len(got), len(parked), damages)
	}
}

// pick returns those of got that are wanted.
func pick(got, want map[Seq]string) map[Seq]string {
	picked := map[Seq]string{}
	for seq := range want {
		if payload, ok := got[seq]; ok {
			picked[seq] = payload
		}
	}
	return picked
}

// The property: what footers say is what reading everything finds, in logs of all kinds, crashed and tampered with.
func TestFootersSayWhatReadingFinds(t *testing.T) {
	trusted, holes := 0, 0
	for seed := range uint64(max(*cuts/25, 40)) {
		random := rand.New(rand.NewPCG(seed, 55))
		mem := vfstest.NewMem()
		c := Config{Mode: Mode(random.IntN(2)), SegmentBytes: int64(300 + random.IntN(3000))}
		if random.IntN(2) == 0 {
			c.MaxBytes = int64(4000 + random.IntN(20_000))
		}
		b := newLedger()
		for life := range 3 {
			faults := vfstest.NewFaults(mem)
			if life < 2 {
				faults.PowerOff(20 + random.IntN(100))
			}
			l, _, err := Open(faults, c)
			if err == nil {
				if err := b.live(l, random, 80, faults.IsOff); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			faults.PowerOff(1)
			crashed := mem.Kill()
			if random.IntN(2) == 0 {
				crashed = mem.PowerCut(random.Uint64())
			}
			if l != nil {
				l.Close()
			}
			mem = crashed
			b = newLedger()
			requireSameSurvey(t, fmt.Sprintf("seed %d, life %d", seed, life), mem)
			for _, name := range footers(mem) {
				trusted++
				if !strings.HasSuffix(name, "-0000.seg") {
					holes++
				}
			}
			tampered := mem.Kill()
			for _, name := range named(mem, ackSuffix) {
				tampered.Remove(name)
			}
			if names := segments(tampered); len(names) > 0 && random.IntN(2) == 0 {
				tampered.Remove(names[random.IntN(len(names))])
			}
			requireSameSurvey(t, fmt.Sprintf("seed %d, life %d, tampered with", seed, life), tampered)
		}
	}
	if trusted < 200 || holes < 20 {
		t.Errorf("%d footers, %d of them of segments that were thinned out", trusted, holes)
	}
}

func requireSameSurvey(t *testing.T, where string, mem *vfstest.Mem) {
	t.Helper()
	if _, hasManifest := mem.ReadFile(manifestName); !hasManifest {
		return
	}
	inspected, err := Inspect(mem)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	verified, err := Verify(mem)
	if diff := cmp.Diff(verified, inspected); err != nil || diff != "" {
		t.Fatalf("%s: read (-), by the footers (+):\n%s%v", where, diff, err)
	}
}

// Row 47 and 48, for the footer: it cannot be written, or cut off again, or synced. Nobody is told, nothing is lost, and it is there
// when the log has been opened once.
func TestFault48FooterCannotBeWritten(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault vfstest.Fault
		stuck bool // what was written of it cannot be cut off
	}{
		{"no space", vfstest.Fault{Ops: vfstest.Write, Err: syscall.ENOSPC}, false},
		{"short", vfstest.Fault{Ops: vfstest.Write, Err: syscall.ENOSPC, Short: 500}, false},
		{"short, and stays", vfstest.Fault{Ops: vfstest.Write, Err: syscall.EIO, Short: 500}, true},
		{"all of it, with an error", vfstest.Fault{Ops: vfstest.Write, Err: syscall.EIO, Short: 1000}, true},
		{"not synced", vfstest.Fault{Ops: vfstest.Sync, Err: syscall.EIO}, false},
	} {
		for _, mode := range []Mode{Sync, Interval} {
			t.Run(fmt.Sprintf("%s, mode %d", test.name, mode), func(t *testing.T) {
				mem := vfstest.NewMem()
				faults := vfstest.NewFaults(mem)
				c := Config{Mode: mode, SegmentBytes: 310}
				l, _ := mustOpen(t, faults, c)
				record := strings.Repeat("f", 100)
				want := map[Seq]string{}
				for range 2 {
					want[mustAppend(t, l, record)] = record
				}
				if err := l.syncSegments(); err != nil {
					t.Fatal(err)
				}
				fault := test.fault
				fault.Name = segments(mem)[0]
				faults.Inject(&fault)
				if test.stuck {
					faults.Inject(&vfstest.Fault{Ops: vfstest.Truncate, Name: fault.Name, Err: syscall.EIO})
				}
				for range 2 {
					want[mustAppend(t, l, record)] = record
				}
				if faults.Hits(&fault) != 1 || len(segments(mem)) != 2 {
					t.Fatalf("%d hits, %v", faults.Hits(&fault), segments(mem))
				}
				requireRecords(t, l, want)
				if err := l.syncSegments(); err != nil {
					t.Fatal(err)
				}
				used := int64(0)
				for _, name := range segments(mem) {
					used += int64(len(must(mem.ReadFile(name))))
				}
				if !test.stuck && used != l.Stats().Bytes {
					t.Errorf("%d bytes are used, and it says %d", used, l.Stats().Bytes)
				}
				for seed := range uint64(10) {
					crashed := mem.PowerCut(seed)
					if seed == 0 {
						crashed = mem.Kill()
					}
					l, found := mustOpen(t, crashed, c)
					if found.QuarantinedRegions > 0 || found.Missing > 0 {
						t.Fatalf("seed %d: %+v", seed, found)
					}
					requireRecords(t, l, want)
					mustClose(t, l)
					if n := len(footers(crashed)); n != len(segments(crashed)) {
						t.Fatalf("seed %d: %d of %d segments have footers", seed, n, len(segments(crashed)))
					}
				}
				mustClose(t, l)
			})
		}
	}
}

// A footer vouches for frames that are on the disk. In Memory mode nobody knows that, so there is none; a log that is then opened in another mode gets
// them, once its frames are synced: a power cut at any operation of that leaves no footer without its frames.
func TestFault40FootersAfterMemoryMode(t *testing.T) {
	thin, l := newMemLog(t, Config{Mode: Memory, SegmentBytes: 1000})
	park(t, l, 300, 100)
	for range 20 {
		if err := l.SyncAcks(); err != nil {
			t.Fatal(err)
		}
	}
	if names := segments(thin); !strings.HasSuffix(names[0], "-0001.seg") || len(footers(thin)) > 0 {
		t.Fatalf("%v have footers, of %v", footers(thin), names)
	}
	mustClose(t, l)

	mem, l := newMemLog(t, Config{Mode: Memory, SegmentBytes: 2500})
	want := map[Seq]string{}
	for i := range 50 {
		record := fmt.Sprintf("%02d%s", i, strings.Repeat("m", 100))
		want[mustAppend(t, l, record)] = record
	}
	mustClose(t, l)
	if n := len(footers(mem)); n > 0 {
		t.Fatalf("%d segments have footers", n)
	}
	vouched := 0
	for at := 1; ; at++ {
		killed := mem.Kill()
		faults := vfstest.NewFaults(killed)
		faults.PowerOff(at)
		l, _, err := Open(faults, Config{SegmentBytes: 2500})
		if err != nil && !faults.IsOff() {
			t.Fatal(err)
		}
		off := faults.IsOff()
		faults.PowerOff(1)
		for seed := range uint64(8) {
			cut := killed.PowerCut(seed)
			vouched += len(footers(cut))
			cl, _, err := Open(cut, Config{SegmentBytes: 2500, AcceptMissing: true})
			if err != nil {
				if _, hasManifest := cut.ReadFile(manifestName); hasManifest {
					t.Fatalf("at %d, seed %d: %v", at, seed, err)
				}
				continue
			}
			got, damages := readAllRecords(t, cl)
			if len(damages) > 0 {
				t.Fatalf("at %d, seed %d: %v", at, seed, damages)
			}
			if requireSubset(t, "cut", got, want) > 0 && !off {
				t.Fatalf("at %d, seed %d: records are lost that were synced", at, seed)
			}
			mustClose(t, cl)
		}
		if l != nil {
			l.Close()
		}
		if !off {
			if n := len(footers(killed)); n != len(segments(killed)) {
				t.Errorf("%d of %d segments have footers", n, len(segments(killed)))
			}
			break
		}
	}
	if vouched < 100 {
		t.Errorf("%d footers survived a power cut", vouched)
	}
}

// A log whose footers would not fit into what it may take has fewer of them, and keeps its limit.
func TestFootersKeepToMaxBytes(t *testing.T) {
	without := 0
	for most := int64(2000); most < 2200; most++ {
		mem, l := newMemLog(t, Config{MaxBytes: most, SegmentBytes: 450})
		want := map[Seq]string{}
		for {
			record := strings.Repeat("x", 100)
			seq, err := l.Append([]byte(record))
			if err != nil {
				break
			}
			want[seq] = record
		}
		used := int64(0)
		for _, name := range segments(mem) {
			used += int64(len(must(mem.ReadFile(name))))
		}
		if used > most || used != l.Stats().Bytes {
			t.Fatalf("%d bytes are used of %d, and it says %d", used, most, l.Stats().Bytes)
		}
		if len(footers(mem)) < len(segments(mem))-1 {
			without++
		}
		requireRecords(t, l, want)
		mustClose(t, l)
		l, found := mustOpen(t, mem, Config{MaxBytes: most, SegmentBytes: 450})
		if found.Records != int64(len(want)) || l.Stats().Bytes > most {
			t.Fatalf("%+v, %+v", found, l.Stats())
		}
		mustClose(t, l)
	}
	if without == 0 || without == 200 {
		t.Errorf("%d of 200 logs have a segment without a footer", without)
	}
}
