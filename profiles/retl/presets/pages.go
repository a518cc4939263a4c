package presets

import (
	"errors"
	"io"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// Pages yields the records of a list that is fetched page by page: read is ReadHubSpot or ReadSalesforce, and fetch returns the body of one
// answer, the first one for the empty text and then the one for each IncompleteError's Next. A page is fetched when the one before has
// been yielded, and closed when the range leaves it. Hand the body of an answer that is no success to it as well: what it says becomes
// the *APIError that ends the range.
//
// The range ends as read's does, but for an *IncompleteError, which comes only where a page names itself as the next one, or none;
// or with fetch's error as it is. It can be had as often as fetch can.
func Pages(
	read func(io.Reader) iter.Seq2[profiles.Record, error], fetch func(next string) (io.ReadCloser, error),
) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for next := ""; ; {
			body, err := fetch(next)
			if err != nil {
				yield(nil, err)
				return
			}
			more, ok := page(read(body), yield, body)
			if !ok || more == nil {
				return
			}
			if more.Next == "" || more.Next == next {
				yield(nil, more)
				return
			}
			next = more.Next
		}
	}
}

// page yields the records of one page, and returns where the list goes on. It is not ok where the range has ended.
func page(
	records iter.Seq2[profiles.Record, error], yield func(profiles.Record, error) bool, body io.Closer,
) (more *IncompleteError, ok bool) {
	defer body.Close() // it was read, or is not wanted
	for rec, err := range records {
		if incomplete, is := errors.AsType[*IncompleteError](err); is {
			return incomplete, true
		}
		if !yield(rec, err) {
			return nil, false
		}
	}
	return nil, true
}
