package profiles_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestConfigProblems(t *testing.T) {
	limiter, err := transport.NewLimiter(transport.LimiterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  profiles.Config
		want []string
	}{
		{"nothing", profiles.Config{}, []string{"Region"}},
		{"a region", profiles.Config{Region: region.Europe}, nil},
		{"an endpoint", profiles.Config{Endpoint: "http://localhost:1"}, nil},
		{"a transport", profiles.Config{Transport: new(transporttest.Recorder)}, nil},
		{"no such region", profiles.Config{Region: 7}, []string{"Region"}},
		{"plain http", profiles.Config{Endpoint: "http://example.com"}, []string{"Endpoint"}},
		{"a key with a line break", profiles.Config{Region: region.Europe, WriteKey: profiles.NewWriteKey("a\r\nb")}, []string{"WriteKey"}},
		{"a limiter and rates", profiles.Config{Region: region.Europe, Limiter: limiter, EventsPerSecond: 1, RequestsPerSecond: 1, Adaptive: true},
			[]string{"EventsPerSecond", "Adaptive", "RequestsPerSecond"}},
		{"a transport and HTTP's fields", profiles.Config{
			Transport: new(transporttest.Recorder), Endpoint: "x", HTTPClient: new(http.Client), Gzip: true, OAuth: new(transport.OAuthConfig),
		}, []string{"Endpoint", "HTTPClient", "Gzip", "OAuth"}},
		{"a queue too small for a message", profiles.Config{Region: region.Europe, QueueBytes: 100}, []string{"QueueBytes"}},
		{"a rate that is no number", profiles.Config{Region: region.Europe, EventsPerSecond: math.NaN()}, []string{"EventsPerSecond"}},
		{"below zero", profiles.Config{
			Region: region.Europe, Lanes: -1, BatchMessages: -1, QueueMessages: -1, QueueBytes: -1, Deadline: -1, AttemptTimeout: -1,
			CloseTimeout: -1, Window: -1,
		}, []string{"Lanes", "BatchMessages", "QueueMessages", "QueueBytes", "Deadline", "AttemptTimeout", "CloseTimeout", "Window"}},
		{"above the limits", profiles.Config{Region: region.Europe, Lanes: 257, BatchMessages: 2501}, []string{"Lanes", "BatchMessages"}},
		{"no linger", profiles.Config{Region: region.Europe, Linger: -time.Second}, nil},
	} {
		_, err := profiles.New(c.cfg)
		var bad *profiles.ConfigError
		var got []string
		if errors.As(err, &bad) {
			for _, p := range bad.Problems {
				got = append(got, p.Field)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: problems with %v, want %v\n%v", c.name, got, c.want, err)
		}
	}
}
