package publicapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	production = profiles.NewWriteKey("production-write-key")
	staging    = profiles.NewWriteKey("staging-write-key")
)

// newClient returns a client of a server.
func newClient(t testing.TB, s *publicapitest.Server, change ...func(*publicapi.Config)) *publicapi.Client {
	t.Helper()
	cfg := s.Config()
	for _, f := range change {
		f(&cfg)
	}
	client, err := publicapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// spaces returns all spaces.
func spaces(t testing.TB, client *publicapi.Client) ([]publicapi.Space, error) {
	t.Helper()
	var all []publicapi.Space
	for s, err := range client.Spaces(t.Context()) {
		if err != nil {
			if s != (publicapi.Space{}) {
				t.Errorf("an error with %v", s)
			}
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// apiError returns the *publicapi.Error of an error.
func apiError(t testing.TB, err error) *publicapi.Error {
	t.Helper()
	var failure *publicapi.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%T (%v) is no *publicapi.Error", err, err)
	}
	return failure
}

// addSources adds sources that are no spaces.
func addSources(s *publicapitest.Server, n int) {
	for i := range n {
		s.AddSource(publicapitest.Source{Name: fmt.Sprint("source ", i), Kind: "javascript"})
	}
}

// A roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
