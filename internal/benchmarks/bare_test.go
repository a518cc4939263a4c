package benchmarks

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
)

// BenchmarkBareEncoder is the least that the job takes: the event's own bytes appended to a buffer, posted by two workers when it is full.
// No validation, ids, order, retries, limits or outcomes, and a server that never refuses. Nobody can be faster by much with net/http.
func BenchmarkBareEncoder(b *testing.B) {
	s := newServer(b)
	events := make([]actions.SendIdentify, people)
	for i, e := range identifies() {
		events[i] = e.(actions.SendIdentify)
	}
	full, free := make(chan []byte), make(chan []byte, 4)
	var workers sync.WaitGroup
	for range 2 {
		free <- make([]byte, 0, 600_000)
		free <- make([]byte, 0, 600_000)
		workers.Go(func() {
			for body := range full {
				res, err := http.Post(s.url+"/v1/batch", "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				res.Body.Close()
				free <- body[:0]
			}
		})
	}
	arrived := s.expect(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	buf := append(<-free, `{"batch":[`...)
	for i := range b.N {
		e := &events[i%people]
		buf = append(buf, `{"type":"identify","messageId":"`...)
		buf = strconv.AppendInt(buf, int64(i), 10)
		buf = append(buf, `","userId":`...)
		buf = jsonenc.AppendString(buf, e.UserID)
		buf = append(buf, `,"traits":`...)
		buf, _ = jsonenc.Append(buf, map[string]any(e.Traits), jsonenc.Options{})
		buf = append(buf, "},"...)
		if len(buf) > 499_000 || i == b.N-1 {
			buf[len(buf)-1] = ']'
			full <- append(buf, '}')
			buf = append(<-free, `{"batch":[`...)
		}
	}
	close(full)
	workers.Wait()
	<-arrived
}
