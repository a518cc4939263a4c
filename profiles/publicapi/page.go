package publicapi

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

const (
	// PageSize is how many entries are asked for at once. Segment's limit is 1,000 (docs.segmentapis.com, Pagination; 200 in its
	// earlier editions).
	PageSize = 200
	// MaxPages is how many pages of one list are read at most: a list with more is an error.
	MaxPages = 1_000

	firstCursor  = "MA=="
	maxCursorLen = 1_024
)

// The API's versions that calls are in.
const (
	acceptV1    = "application/vnd.segment.v1+json, application/json"
	acceptAlpha = "application/vnd.segment.v1alpha+json, application/json"
)

// get makes one call of the API, which has to succeed.
func (c *Client) get(ctx context.Context, path, query, accept string) (*data, error) {
	call := call{path: path + query, name: path, accept: accept, secret: c.token.Reveal(), bearer: true}
	got, attempts, err := c.caller.do(ctx, call)
	if err != nil {
		return nil, err
	}
	failure := &Error{Call: "GET " + path, Host: c.caller.host, Attempts: attempts}
	if got.status != http.StatusOK {
		failure.describe(got, call)
		return nil, failure
	}
	d, err := parseData(got.body)
	if err != nil {
		failure.Status, failure.Reason = got.status, "the answer is "+err.Error()
		return nil, failure
	}
	return d, nil
}

// pages reads a list page by page. An error is the last that it gives.
func (c *Client) pages(ctx context.Context, path, accept string) iter.Seq2[*data, error] {
	return func(yield func(*data, error) bool) {
		failed := func(reason string) {
			yield(nil, &Error{Call: "GET " + path, Host: c.caller.host, Status: http.StatusOK, Attempts: 1, Reason: reason})
		}
		cursor, seen := firstCursor, map[string]bool{}
		for range MaxPages {
			seen[cursor] = true
			query := "?pagination.count=" + strconv.Itoa(PageSize) + "&pagination.cursor=" + url.QueryEscape(cursor)
			d, err := c.get(ctx, path, query, accept)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(d, nil) {
				return
			}
			cursor = d.Pagination.Next
			switch {
			case cursor == "":
				return
			case seen[cursor]:
				failed("the pages go round in a circle: the next one is one that was read already")
				return
			case len(cursor) > maxCursorLen:
				failed("the answer names a next page by a cursor that is too long")
				return
			}
		}
		failed("there are more than " + strconv.Itoa(MaxPages) + " pages")
	}
}

// without returns the error of an answer that lacks a list.
func (c *Client) without(path, member string) error {
	return &Error{
		Call: "GET " + path, Host: c.caller.host, Status: http.StatusOK, Attempts: 1,
		Reason: "the answer is without " + member,
	}
}
