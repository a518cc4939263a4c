package presets_test

import (
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// endless gives one page of n elements.
type endless struct {
	head, item, tail string
	n                int
	rest             string
	state            int
}

func (e *endless) Read(p []byte) (int, error) {
	for e.rest == "" {
		switch {
		case e.state == 0:
			e.rest = e.head
		case e.state <= e.n:
			e.rest = e.item
			if e.state < e.n {
				e.rest += ","
			}
		case e.state == e.n+1:
			e.rest = e.tail
		default:
			return 0, io.EOF
		}
		e.state++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// A page of 20 MB takes no more memory than a small one.
func TestConstantMemory(t *testing.T) {
	padding := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name string
		src  *endless
		read func(io.Reader) iter.Seq2[profiles.Record, error]
	}{
		{"HubSpot", &endless{head: `{"results":[`, item: `{"id":"1","properties":{"a":"` + padding + `"}}`, tail: `]}`, n: 4_000}, presets.ReadHubSpot},
		{"Salesforce", &endless{head: `{"done":true,"records":[`, item: `{"Id":"1","a":{"b":"` + padding + `"}}`, tail: `]}`, n: 4_000}, presets.ReadSalesforce},
	} {
		n, most := 0, uint64(0)
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before := m.HeapAlloc
		for _, err := range c.read(c.src) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%400 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		if n != c.src.n {
			t.Errorf("%s: %d records, not %d", c.name, n, c.src.n)
		}
		if most > before+1<<20 {
			t.Errorf("%s: the heap grew by %d bytes", c.name, most-before)
		}
	}
}
