package presets_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

func TestPages(t *testing.T) {
	pages := map[string]string{
		"":  `{"results":[{"id":"1","properties":{}},7],"paging":{"next":{"after":"b"}}}`,
		"b": `{"results":[{"id":"2","properties":{}}],"paging":{"next":{"after":"c"}}}`,
		"c": `{"results":[{"id":"3","properties":{}}]}`,
	}
	opened, closed := 0, 0
	fetch := func(next string) (io.ReadCloser, error) {
		text, ok := pages[next]
		if !ok {
			return nil, fmt.Errorf("no page")
		}
		opened++
		return closer{strings.NewReader(text), &closed}, nil
	}
	records := presets.Pages(presets.ReadHubSpot, fetch)
	want := []string{`{"id":"1"}`, `bad: page 1: results[1]: not an object`, `{"id":"2"}`, `{"id":"3"}`}
	check(t, records, want, "")
	check(t, records, want, "")
	for stop := 1; stop <= 4; stop++ {
		n := 0
		for range records {
			if n++; n == stop {
				break
			}
		}
	}
	pages["c"] = `{"status":"error","category":"RATE_LIMITS"}`
	check(t, records, want[:3], "RATE_LIMITS")
	delete(pages, "c")
	check(t, records, want[:3], "no page")
	pages["c"] = `{"results":[],"paging":{"next":{"after":"c"}}}`
	check(t, records, want[:3], "not the whole list")
	pages["c"] = `{"results":[],"paging":{"next":{}}}`
	check(t, records, want[:3], "not the whole list")
	if opened != closed {
		t.Errorf("%d answers were opened, and %d closed", opened, closed)
	}
}

type closer struct {
	io.Reader
	n *int
}

func (c closer) Close() error { *c.n++; return nil }
