package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// Row 43, in the footer: each of its bits is flipped. No record is lost or served wrong, nothing is reported, and the footer is as it was afterwards.
func TestFault43FooterBitFlip(t *testing.T) {
	base, want := filled(t)
	flips := 0
	for _, name := range footers(base) {
		whole := must(base.ReadFile(name))
		for bit := 8 * footerOf(base, name); bit < 8*len(whole); bit++ {
			data := bytes.Clone(whole)
			data[bit/8] ^= 1 << (bit % 8)
			requireMended(t, fmt.Sprintf("%s, bit %d", name, bit), base, name, data, want)
			flips++
		}
	}
	if flips < 500 {
		t.Errorf("%d flips", flips)
	}
}

// Row 41, in the footer: it is torn at each byte, with and without zeros in its place, and what else a disk may put there.
func TestFault41TornFooter(t *testing.T) {
	base, want := filled(t)
	torn := 0
	for _, name := range footers(base) {
		whole := must(base.ReadFile(name))
		for cut := footerOf(base, name); cut < len(whole); cut++ {
			for what, rest := range map[string][]byte{
				"gone": nil, "zero": make([]byte, len(whole)-cut), "0xff": bytes.Repeat([]byte{0xff}, len(whole)-cut), "longer": make([]byte, 5000),
				"once more": whole[footerOf(base, name):],
			} {
				data := append(bytes.Clone(whole[:cut]), rest...)
				requireMended(t, fmt.Sprintf("%s, torn at %d, %s", name, cut, what), base, name, data, want)
				torn++
			}
		}
		for what, tail := range map[string][]byte{"zeros": make([]byte, 700), "garbage": []byte("garbage"), "its footer": whole[footerOf(base, name):],
			"a part of it": whole[footerOf(base, name):][:20], "an old frame": whole[segmentHeader : segmentHeader+100]} {
			requireMended(t, name+" and then "+what, base, name, append(bytes.Clone(whole), tail...), want)
		}
	}
	if torn < 200 {
		t.Errorf("%d tears", torn)
	}
}

// requireMended gives a segment other bytes, and fails where the log that has it loses or reports anything, or leaves it so.
func requireMended(t *testing.T, where string, base *vfstest.Mem, name string, data []byte, want map[Seq]string) {
	t.Helper()
	mem := base.Kill()
	mem.WriteFile(name, data)
	if info, err := Inspect(mem); err != nil || info.Records != int64(len(want)) || info.QuarantinedRegions > 0 {
		t.Fatalf("%s: Inspect: %+v, %v", where, info, err)
	}
	l, found, err := Open(mem, Config{SegmentBytes: 600})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if found.Records != int64(len(want)) || found.QuarantinedRegions > 0 || found.Missing > 0 || found.TornBytes > 0 {
		t.Fatalf("%s: %+v", where, found)
	}
	got, damages := readAllRecords(t, l)
	if !maps.Equal(got, want) || len(damages) > 0 {
		t.Fatalf("%s: %d of %d records, %v", where, len(got), len(want), damages)
	}
	mustClose(t, l)
	if whole := must(base.ReadFile(name)); !bytes.Equal(must(mem.ReadFile(name)), whole) {
		t.Fatalf("%s: the segment is not what it was", where)
	}
}

// A footer that is good in itself, and not this segment's, is not trusted.
func TestFault45FooterOfAnotherSegment(t *testing.T) {
	base, want := filled(t)
	other, _ := filled(t) // the same but for the salt
	names := footers(base)
	foot := func(mem *vfstest.Mem, name string) []byte { return must(mem.ReadFile(name))[footerOf(mem, name):] }
	for i, name := range names {
		frames := must(base.ReadFile(name))[:footerOf(base, name)]
		another := foot(base, names[1-i])
		for what, footer := range map[string][]byte{
			"the other segment's": another,
			"another log's":       foot(other, name),
			"the other segment's, with this one's place": append(bytes.Clone(another[:len(another)-trailerSize]),
				foot(base, name)[len(foot(base, name))-trailerSize:]...),
		} {
			requireMended(t, name+": "+what, base, name, append(bytes.Clone(frames), footer...), want)
		}
	}

	// Footers of segments that are alike differ in the place alone.
	mem, l := newMemLog(t, Config{SegmentBytes: 600})
	alike := map[Seq]string{}
	for range 12 {
		record := strings.Repeat("a", 100)
		alike[mustAppend(t, l, record)] = record
	}
	mustClose(t, l)
	names = footers(mem)
	if len(names) != 2 {
		t.Fatalf("%v have footers", names)
	}
	frames := must(mem.ReadFile(names[0]))[:footerOf(mem, names[0])]
	requireMended(t, "of a segment that is alike", mem, names[0], append(frames, foot(mem, names[1])...), alike)
}

// A good footer does not make a segment whole of which frames are gone, or void because the next segment begins before its end.
func TestFault45FooterOfFramesThatDoNotCount(t *testing.T) {
	base, want := filled(t)
	name := footers(base)[0]
	data := must(base.ReadFile(name))
	mem := base.Kill()
	mem.WriteFile(name, append(bytes.Clone(data[:segmentHeader]), data[segmentHeader+frameHeader+len(want[1]):]...))
	l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
	if found.QuarantinedRecords != 1 {
		t.Errorf("a frame was taken out: %+v", found)
	}
	less := maps.Clone(want)
	delete(less, 1)
	requireRecords(t, l, less)
	mustClose(t, l)

	m, _, err := parseManifest(must(base.ReadFile(manifestName)))
	if err != nil {
		t.Fatal(err)
	}
	mem = base.Kill()
	later := appendSegmentHead(nil, segmentHead{Sync, 0, 4}, m.id, m.seed())
	frame := appendFrame(nil, []byte("another 4"), checksum([]byte("another 4")), testTime, 0)
	number(frame, 4, m.seed())
	mem.WriteFile(segmentName(4, 0), append(later, frame...))
	if next, _, _ := parseSegmentName(footers(base)[1]); next != 5 {
		t.Fatalf("the second segment begins with %d", next)
	}
	l, found = mustOpen(t, mem, Config{SegmentBytes: 600})
	want[4] = "another 4"
	requireRecords(t, l, want)
	if found.QuarantinedRecords > 0 || found.Missing > 0 {
		t.Errorf("frames that are void: %+v", found)
	}
}

// A segment with damage in it, wherever, is left as it is, and gets no footer.
func TestDamagedSegmentsGetNoFooter(t *testing.T) {
	base, want := filled(t)
	name := footers(base)[1]
	frames := must(base.ReadFile(name))[:footerOf(base, name)]
	for at := segmentHeader; at < len(frames); at++ {
		data := bytes.Clone(frames)
		data[at] ^= 0x10
		mem := base.Kill()
		mem.WriteFile(name, data)
		l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
		got, damages := readAllRecords(t, l)
		mustClose(t, l)
		if lost := requireSubset(t, name, got, want); lost != int(found.QuarantinedRecords) || len(damages) > 0 {
			t.Fatalf("byte %d: %d records are lost, %v, %+v", at, lost, damages, found)
		}
		if !bytes.Equal(must(mem.ReadFile(name)), data) {
			t.Fatalf("byte %d: the segment was changed", at)
		}
	}
}

// What damage costs is the same whether it is found when the log is opened, because there is no footer, or later by a reader: what is
// served, what is counted, what is acknowledged, and what the next one to open the log finds.
func TestFault43DamageFoundLaterCountsTheSame(t *testing.T) {
	type outcome struct {
		Served                             map[Seq]string
		Records, Quarantined, Regions      int64
		First, Next                        Seq
		Acked                              int64
		AgainRecords, AgainQuarantined     int64
		Inspected                          int64
		InspectedFirst                     Seq
		Broken, Segments, SegmentsWhenDone int
	}
	live := func(mem *vfstest.Mem) (o outcome, late int) {
		c := Config{SegmentBytes: 600}
		l, found := mustOpen(t, mem, c)
		var damages []*DamageError
		o.Served, damages = readAllRecords(t, l)
		s := l.Stats()
		o.Records, o.Quarantined, o.Regions, o.First, o.Next = s.Records, s.QuarantinedRecords, s.QuarantinedRegions, l.First(), s.Next
		o.Acked = l.acked.count(1, s.Next)
		mustClose(t, l)
		o.Broken, o.Segments = len(named(mem, brokenSuffix)), len(segments(mem))
		info, err := Inspect(mem)
		if err != nil {
			t.Fatal(err)
		}
		o.Inspected, o.InspectedFirst = info.Records, info.First
		l, again := mustOpen(t, mem, c)
		o.AgainRecords, o.AgainQuarantined = again.Records, again.QuarantinedRecords
		for seq := range o.Served {
			l.Ack(seq)
		}
		mustClose(t, l)
		o.SegmentsWhenDone = len(segments(mem))
		if found.QuarantinedRecords == 0 {
			late = len(damages)
		}
		return o, late
	}
	base, _ := filled(t)
	late := 0
	for _, name := range footers(base) {
		whole := must(base.ReadFile(name))
		for at := 0; at < footerOf(base, name); at += 3 { // TestFault43BitFlip takes them all
			data := bytes.Clone(whole)
			data[at] ^= 1 << (at % 8)
			open, read := base.Kill(), base.Kill()
			read.WriteFile(name, data)
			open.WriteFile(name, data[:footerOf(base, name)])
			early, none := live(open)
			later, n := live(read)
			if diff := cmp.Diff(early, later); diff != "" || none != 0 {
				t.Fatalf("%s, byte %d: found when opened (-), by a reader (+):\n%s", name, at, diff)
			}
			late += n
		}
	}
	if late < 200 {
		t.Errorf("a reader found %d damages", late)
	}
}

// A log is empty once the record that is all that is left of it has been found damaged, now and after a kill.
func TestFault43OnlyADamagedRecordIsLeft(t *testing.T) {
	mem, want := filled(t)
	name := segments(mem)[1]
	left, _, _ := parseSegmentName(name)
	l, _ := mustOpen(t, mem, Config{SegmentBytes: 600})
	for seq := range want {
		if seq != left {
			l.Ack(seq)
		}
	}
	mustClose(t, l)
	data := must(mem.ReadFile(name))
	data[segmentHeader+frameHeader] ^= 1
	mem.WriteFile(name, data)

	c := Config{SegmentBytes: 600, MaxRecords: 1}
	l, found := mustOpen(t, mem, c)
	if found.Records != 1 || l.First() != left {
		t.Fatalf("%+v, first %d", found, l.First())
	}
	if _, err := l.Append([]byte("no room")); err == nil {
		t.Error("there was room for two records")
	}
	got, damages := readAllRecords(t, l)
	if s := l.Stats(); len(got) > 0 || len(damages) != 1 || damages[0].First != left || s.Records != 0 || s.QuarantinedRecords != 1 || l.First() != s.Next {
		t.Errorf("%v, %v, %+v, first %d", got, damages, s, l.First())
	}
	killed, found := mustOpen(t, mem.Kill(), c)
	if found.Records != 0 || found.QuarantinedRecords != 0 {
		t.Errorf("after a kill: %+v", found)
	}
	mustClose(t, killed)
	mustAppend(t, l, "room")
	requireRecords(t, l, map[Seq]string{11: "room"})
	l.Ack(11)
	mustClose(t, l)
	if len(segments(mem)) > 0 || len(named(mem, brokenSuffix)) != 1 {
		t.Errorf("%v are left", mem.Names())
	}
}

// Row 39, when damage is met later: the power goes off at every operation from Open until what a reader has found is written down.
func TestFault39CrashWhenDamageIsMet(t *testing.T) {
	base, want := filled(t)
	name := segments(base)[1]
	lost, _, _ := parseSegmentName(name)
	data := must(base.ReadFile(name))
	data[segmentHeader+frameHeader+3] ^= 1
	base.WriteFile(name, data)
	delete(want, lost)
	for at := 1; ; at++ {
		mem := base.Kill()
		faults := vfstest.NewFaults(mem)
		faults.PowerOff(at)
		l, _, err := Open(faults, Config{SegmentBytes: 600})
		if err == nil {
			r := l.Reader(0)
			for damage := (*DamageError)(nil); ; {
				records, err := r.Next(100)
				if len(records) == 0 && !errors.As(err, &damage) {
					break
				}
			}
			l.SyncAcks()
		} else if !faults.IsOff() {
			t.Fatal(err)
		}
		off := faults.IsOff()
		faults.PowerOff(1)
		for seed := range uint64(5) {
			cut := mem.PowerCut(seed)
			l, found := mustOpen(t, cut, Config{SegmentBytes: 600})
			got, damages := readAllRecords(t, l)
			if !maps.Equal(got, want) || len(damages) > 1 || !off && len(damages) > 0 || found.QuarantinedRecords > 0 || len(named(cut, brokenSuffix)) != 1 {
				t.Fatalf("at %d, seed %d: %d of %d records, %v, %+v, %v", at, seed, len(got), len(want), damages, found, cut.Names())
			}
			mustClose(t, l)
		}
		if l != nil {
			l.Close()
		}
		if !off {
			if at < 10 {
				t.Errorf("%d operations", at)
			}
			return
		}
	}
}
