package liquid

import (
	"testing"
	"time"
)

// The limits of Segment's own Liquid: 1,000 characters, half a second, 100 MB. Who sets none has these.
func TestDefaultLimits(t *testing.T) {
	want := Limits{Length: 1_000, Time: 500 * time.Millisecond, Memory: 100_000_000, Steps: 10_000_000}
	for _, l := range []Limits{{}, {Length: -1, Time: -1, Memory: -1, Steps: -1}} {
		if got := l.orDefaults(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for _, l := range []Limits{{}, {Time: time.Hour}} {
		if _, err := Parse(string(make([]byte, 1_001)), l); err == nil {
			t.Error("a template of 1,001 characters is taken")
		}
	}
}
