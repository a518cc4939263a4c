package messageid_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
)

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestNewIsUUIDv7(t *testing.T) {
	variants, versions := map[byte]bool{}, map[byte]bool{}
	for range 1000 {
		id := messageid.New()
		if !uuid7.MatchString(id) {
			t.Fatalf("%s is not a UUID of version 7", id)
		}
		versions[id[14]] = true
		variants[id[19]] = true
	}
	if len(versions) != 1 || len(variants) != 4 {
		t.Errorf("version digits %v, variant digits %v: want 1 and 4 of them", versions, variants)
	}
}

func TestNewHoldsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble's clock starts at the beginning of 2000: 946,684,800,000 ms are 0xdc6acfac00.
		if id := messageid.New(); !strings.HasPrefix(id, "00dc6acf-ac00-7") {
			t.Errorf("%s does not begin with the time", id)
		}
		earlier := messageid.New()
		time.Sleep(time.Millisecond)
		if later := messageid.New(); later <= earlier {
			t.Errorf("%s, made a millisecond after %s, sorts before it", later, earlier)
		}
	})
}

func TestNewIsUnique(t *testing.T) {
	const workers, each = 4, 20_000
	ids := make([][]string, workers)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			for range each {
				ids[i] = append(ids[i], messageid.New())
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool, workers*each)
	for _, id := range ids {
		for _, id := range id {
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			seen[id] = true
		}
	}
}

func TestAppend(t *testing.T) {
	got := string(messageid.Append([]byte("before")))
	if id, ok := strings.CutPrefix(got, "before"); !ok || !uuid7.MatchString(id) {
		t.Errorf("got %s", got)
	}
	room := make([]byte, 0, 36)
	if n := testing.AllocsPerRun(100, func() { room = messageid.Append(room[:0]) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { messageid.New() }); n > 1 {
		t.Errorf("New allocates %v times", n)
	}
}

func TestHashIsStable(t *testing.T) {
	// Ids are compared with those of earlier runs, by other versions: these may never change.
	for want, parts := range map[string][]string{
		"sp_47DEQpj8HBSa-_TImW-5JCeuQeRkm5NM": nil,
		"sp_bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2": {""},
		"sp_5iDBq8HhzJID3gnggkEp5CssYYB2kymx": {"destination", "mapping", "row 1"},
	} {
		if got := messageid.Hash(parts...); got != want {
			t.Errorf("Hash(%q) = %s, want %s", parts, got, want)
		}
	}
}

func TestHashTellsPartsApart(t *testing.T) {
	long := strings.Repeat("x", 127)
	seen := map[string][]string{}
	for _, parts := range [][]string{
		nil, {""}, {"", ""}, {"a"}, {"", "a"}, {"a", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}, {"a,b"}, {"a\x00b"},
		{"a\x01b"}, {"\x01a"}, {"\x01a\x01b"}, {long}, {long + "x"}, {long, "x"}, {long[:126], "xx"}, {strings.Repeat("x", 100_000)},
	} {
		id := messageid.Hash(parts...)
		if before, ok := seen[id]; ok {
			t.Errorf("%q and %q give the same id", before, parts)
		}
		seen[id] = parts
		if len(id) != 35 {
			t.Errorf("%s has %d characters", id, len(id))
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("a", "b", 1)
	f.Add("", "\x01a", 0)
	f.Fuzz(func(t *testing.T, a, b string, cut int) {
		joined := a + b
		if cut < 0 || cut > len(joined) || cut == len(a) {
			return
		}
		if messageid.Hash(a, b) == messageid.Hash(joined[:cut], joined[cut:]) {
			t.Errorf("two ways to cut %q give one id", joined)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	room := make([]byte, 0, 36)
	b.ReportAllocs()
	for b.Loop() {
		room = messageid.Append(room[:0])
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		messageid.Hash("destination", "mapping", "row 1", "5f0c2b4e", "7")
	}
}
