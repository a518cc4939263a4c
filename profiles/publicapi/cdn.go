package publicapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// A CDN is where the settings of sources are published. The zero value is Segment's, which is the same for both regions. It can be used
// by any number of goroutines at once.
type CDN struct {
	// URL replaces the base URL, /v1 included: one as region.ParseBaseURL takes it. Defaults to region.Region.CDN.
	URL string
	// HTTPClient, where set, makes the requests, as in Config. Defaults to a client of the package's own, whose connections are closed
	// when the check is done.
	HTTPClient *http.Client
}

// CheckWriteKey is CheckWriteKey of the zero CDN: it asks Segment whether a write key exists.
func CheckWriteKey(ctx context.Context, key profiles.WriteKey) (exists bool, err error) {
	return CDN{}.CheckWriteKey(ctx, key)
}

// CheckWriteKey tells whether a write key exists: whether the settings of its source are published. It needs no token. That a key exists
// does not tell whether it is that of a Profile Space, nor of which region it is; and one that was just made, or just revoked, may be
// seen as it was before for some minutes.
//
// An answer of 400, 403 or 404 says that it does not exist. Anything else is an *Error, after up to MaxAttempts attempts; a URL that is
// not valid is a *ConfigError, and a key that could not be one is answered with the error of its Err, without a request. No error
// holds the key.
func (c CDN) CheckWriteKey(ctx context.Context, key profiles.WriteKey) (exists bool, err error) {
	if err := key.Err(); err != nil {
		return false, err
	}
	base := region.NorthAmerica.CDN()
	if c.URL != "" {
		var problems ConfigError
		base = problems.base("URL", c.URL)
		if err := problems.orNil(); err != nil {
			return false, err
		}
	}
	caller := newCaller(base, c.HTTPClient)
	if c.HTTPClient == nil || c.HTTPClient.Transport == nil {
		defer caller.client.CloseIdleConnections()
	}
	text := key.Reveal()
	call := call{
		path: "/projects/" + url.PathEscape(text) + "/settings", name: "/projects/{writeKey}/settings",
		accept: "application/json", secret: text,
	}
	got, attempts, err := caller.do(ctx, call)
	if err != nil {
		return false, err
	}
	switch got.status {
	case http.StatusOK:
		if isPage(got.body) {
			return false, &Error{
				Call: "GET " + call.name, Host: caller.host, Status: got.status, Attempts: attempts,
				Reason: "the answer is a page, not JSON: something between here and the CDN answered",
			}
		}
		return true, nil
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		return false, nil
	}
	failure := &Error{Call: "GET " + call.name, Host: caller.host, Attempts: attempts}
	failure.describe(got, call)
	return false, failure
}

// cdnReason says what a status means of an API that asks for no token.
func cdnReason(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the server wants credentials: check the URL"
	case http.StatusTooManyRequests:
		return "too many requests: try again later"
	}
	return statusReason(status)
}
