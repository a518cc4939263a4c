package region_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]region.Region{"north_america": region.NorthAmerica, "europe": region.Europe} {
		got, err := region.Parse(name)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", name, got, err, want)
		}
		if got.String() != name || !got.Valid() {
			t.Errorf("%v: String or Valid is wrong", got)
		}
	}
	for _, name := range []string{"", "Europe", "eu", "north_america ", "NorthAmerica", "sk_secret"} {
		got, err := region.Parse(name)
		var nameErr *region.NameError
		if !errors.As(err, &nameErr) || got != 0 {
			t.Errorf("Parse(%q) = %v, %v; want a *NameError", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds the value: %v", err)
		}
	}
}

func TestZeroAndUnknown(t *testing.T) {
	for _, r := range []region.Region{0, 3, 255} {
		if r.Valid() {
			t.Errorf("%d is valid", r)
		}
		if r.Tracking()+r.PublicAPI()+r.CDN()+r.OAuth() != "" {
			t.Errorf("%d has endpoints", r)
		}
	}
	if got := region.Region(0).String(); got != "no region" {
		t.Errorf("zero value prints as %q", got)
	}
	if got := region.Region(9).String(); got != "Region(9)" {
		t.Errorf("unknown value prints as %q", got)
	}
	if _, err := region.Region(9).MarshalText(); err == nil {
		t.Error("an unknown value was marshalled")
	}
}

func TestTextCodec(t *testing.T) {
	type config struct{ Region region.Region }
	for r, want := range map[region.Region]string{
		0:                   `{"Region":""}`,
		region.NorthAmerica: `{"Region":"north_america"}`,
		region.Europe:       `{"Region":"europe"}`,
	} {
		text, err := json.Marshal(config{r})
		if err != nil || string(text) != want {
			t.Fatalf("Marshal(%v) = %s, %v", r, text, err)
		}
		back := config{region.Europe}
		if err := json.Unmarshal(text, &back); err != nil || back.Region != r {
			t.Errorf("Unmarshal(%s) = %v, %v", text, back.Region, err)
		}
	}
	c := config{region.Europe}
	if err := json.Unmarshal([]byte(`{"Region":"mars"}`), &c); err == nil || c.Region != region.Europe {
		t.Errorf("an unknown name gave %v, %v", c.Region, err)
	}
}

func TestEndpointsAreTheirOwnNormalForm(t *testing.T) {
	for _, r := range []region.Region{region.NorthAmerica, region.Europe} {
		for _, u := range []string{r.Tracking(), r.PublicAPI(), r.CDN(), r.OAuth()} {
			if got, err := region.ParseBaseURL(u); err != nil || got != u {
				t.Errorf("%v: %s became %s, %v", r, u, got, err)
			}
		}
		if got, err := region.ParseTrackingURL(r.Tracking()); err != nil || got != r.Tracking() {
			t.Errorf("%v: tracking became %s, %v", r, got, err)
		}
	}
	if region.NorthAmerica.Tracking() == region.Europe.Tracking() || region.NorthAmerica.OAuth() == region.Europe.OAuth() {
		t.Error("the regions share an endpoint")
	}
}
