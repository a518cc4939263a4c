package transport

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// benchmarkBatch returns a batch of identifies of about 600 bytes each.
func benchmarkBatch(n int) *Batch {
	b := &Batch{WriteKey: NewWriteKey(canaryKey)}
	for i := range n {
		b.Append(fmt.Appendf(nil, `{"type":"identify","userId":"user-%d","messageId":"0198f0c1-%04x-7%03x-8abc-%012x","traits":{"email":"user%d@example.com","plan":"pro","age":%d,"bio":"%s"}}`,
			i, i*7919%65536, i*31%4096, i*104729, i, i%90, strings.Repeat("lorem ipsum ", 35)))
	}
	return b
}

// BenchmarkDeliver posts over loopback to a server in the same process, whose allocations count as well.
func BenchmarkDeliver(b *testing.B) {
	for _, c := range []struct {
		n    int
		gzip bool
	}{{1, false}, {250, false}, {750, false}, {1, true}, {250, true}, {750, true}} {
		b.Run(fmt.Sprintf("messages=%d/gzip=%v", c.n, c.gzip), func(b *testing.B) {
			server := newServer(b, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				success(w)
			})
			h := newTestHTTP(b, HTTPConfig{Endpoint: server.URL, Gzip: c.gzip})
			batch := benchmarkBatch(c.n)
			b.SetBytes(int64(batch.Bytes()))
			b.ReportAllocs()
			for b.Loop() {
				if result := h.Deliver(b.Context(), batch); result.Class != Accepted {
					b.Fatal(result.Err)
				}
			}
		})
	}
}

// BenchmarkPack is compression alone.
func BenchmarkPack(b *testing.B) {
	batch := benchmarkBatch(800)
	parts := [3][]byte{[]byte(bodyHead), batch.Joined(), []byte("]}")}
	c := newCompressor().(*compressor)
	b.SetBytes(int64(batch.Bytes()))
	b.ReportAllocs()
	for b.Loop() {
		c.pack(parts)
	}
}

// What a Deliver allocates does not grow with the batch: the messages are not copied.
func TestDeliverAllocates(t *testing.T) {
	trip := roundTrip(func(r *http.Request) (*http.Response, error) {
		io.Copy(io.Discard, r.Body)
		return answer(200, `{"success":true}`), nil
	})
	for _, gzip := range []bool{false, true} {
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Gzip: gzip, Client: &http.Client{Transport: trip}})
		for _, n := range []int{1, 750} {
			batch := benchmarkBatch(n)
			h.Deliver(t.Context(), batch) // the compressor is made
			const ceiling = 80
			if allocs := testing.AllocsPerRun(50, func() { h.Deliver(t.Context(), batch) }); allocs > ceiling {
				t.Errorf("gzip %v, %d messages: %.0f allocations, the ceiling is %d", gzip, n, allocs, ceiling)
			}
			bytes := allocatedBy(func() {
				for range 20 {
					h.Deliver(t.Context(), batch)
				}
			}) / 20
			// io.Copy's own buffer is 32 KB.
			if !gzip && bytes > 48<<10 {
				t.Errorf("%d messages of %d bytes: %d bytes allocated", n, batch.Bytes(), bytes)
			}
		}
	}
}
