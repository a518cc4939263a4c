package retl

import (
	"database/sql/driver"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A generator is an input of many lines that is nowhere in memory.
type generator struct {
	head string
	line func(n int) string
	left int
	rest string
}

func (g *generator) Read(p []byte) (int, error) {
	if g.rest == "" {
		switch {
		case g.head != "":
			g.rest, g.head = g.head, ""
		case g.left > 0:
			g.rest = g.line(g.left)
			g.left--
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func TestMemoryStaysTheSame(t *testing.T) {
	const records = 200_000
	r := &result{
		columns: []fakeColumn{{name: "id", dbType: "BIGINT"}, {name: "email", dbType: "TEXT"}, {name: "total", dbType: "NUMERIC"}},
		rows:    [][]driver.Value{{int64(1), []byte(strings.Repeat("x", 100)), "12.50"}},
		repeat:  records,
	}
	for name, source := range map[string]iter.Seq2[profiles.Record, error]{
		"Query": Query(t.Context(), r.open(t), "select"),
		"NDJSON": NDJSON(&generator{left: records, line: func(n int) string {
			return fmt.Sprintf("{\"id\":%d,\"email\":\"%0100d\"}\n", n, n)
		}}),
		"CSV": CSV(&generator{head: "id,email\n", left: records, line: func(n int) string {
			return fmt.Sprintf("%d,\"%0100d\"\n", n, n)
		}}, CSVOptions{}),
		"NDJSON of long lines": NDJSON(&generator{left: records / 10, line: func(n int) string {
			if n%2000 == 0 {
				return "\n"
			}
			return strings.Repeat("x", 1<<10) // 2 MB a line
		}}),
	} {
		t.Run(name, func(t *testing.T) {
			var start, most uint64
			n := 0
			for _, err := range source {
				if _, bad := err.(*profiles.BadRecord); err != nil && !bad {
					t.Fatal(err)
				}
				if n++; n%(records/8) == 1 || name == "NDJSON of long lines" {
					live := liveHeap()
					if start == 0 {
						start = live
					}
					most = max(most, live)
				}
			}
			if n != records && (n != 10 || name != "NDJSON of long lines") {
				t.Errorf("%d records", n)
			}
			// The records together are 30 MB and more.
			if grown := int64(most) - int64(start); grown > 4<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
		})
	}
}

// liveHeap is what a collection leaves.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
