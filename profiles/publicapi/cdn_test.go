package publicapi_test

import (
	"context"
	"errors"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

func TestCheckWriteKey(t *testing.T) {
	server := publicapitest.NewServer(t)
	odd := profiles.NewWriteKey("a/key?of#signs%20")
	server.AddSpace("Production", production)
	server.AddSource(publicapitest.Source{WriteKeys: []profiles.WriteKey{odd}})
	for _, cdn := range []publicapi.CDN{server.CDN(), {URL: server.CDN().URL + "/"}} {
		for key, want := range map[profiles.WriteKey]bool{production: true, odd: true, staging: false} {
			if exists, err := cdn.CheckWriteKey(t.Context(), key); exists != want || err != nil {
				t.Errorf("got %v, %v, want %v", exists, err, want)
			}
		}
	}
	for _, status := range []int{400, 403, 404} {
		server.Fail(publicapitest.Status(status))
		if exists, err := server.CDN().CheckWriteKey(t.Context(), production); exists || err != nil {
			t.Errorf("%d: got %v, %v", status, exists, err)
		}
	}
	for _, step := range []publicapitest.Step{publicapitest.HTMLPortal(), publicapitest.Status(401), publicapitest.Status(501), publicapitest.Redirect("/")} {
		server.Fail(step)
		if exists, err := server.CDN().CheckWriteKey(t.Context(), production); exists || apiError(t, err).Attempts != 1 {
			t.Errorf("got %v, %v", exists, err)
		}
	}
	server.Fail(publicapitest.Status(500))
	if exists, err := server.CDN().CheckWriteKey(t.Context(), production); !exists || err != nil {
		t.Errorf("after a 500: got %v, %v", exists, err)
	}
}

func TestCheckWriteKeyWithoutRequest(t *testing.T) {
	for _, bad := range []string{"", "a b", "a:b", "ä"} {
		exists, err := publicapi.CheckWriteKey(t.Context(), profiles.NewWriteKey(bad))
		if exists || err == nil {
			t.Errorf("%q: %v, %v", bad, exists, err)
		}
	}
	_, err := publicapi.CDN{URL: "http://example.com"}.CheckWriteKey(t.Context(), production)
	var config *publicapi.ConfigError
	if !errors.As(err, &config) || config.Problems[0].Field != "URL" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = publicapi.CheckWriteKey(ctx, production)
	if failure := apiError(t, err); failure.Host != "cdn.segment.com" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
