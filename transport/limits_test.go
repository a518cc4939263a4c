package transport

import (
	"strings"
	"testing"
)

func TestLimitsNameTheirSources(t *testing.T) {
	limits := Limits()
	for name, value := range map[string]int{"MaxMessageBytes": MaxMessageBytes, "MaxBatchBytes": MaxBatchBytes, "MaxBatchMessages": MaxBatchMessages, "MaxRetryAfter": 300} {
		if limits[name].Value != value {
			t.Errorf("%s is %d, want %d", name, limits[name].Value, value)
		}
	}
	for name, l := range limits {
		if l.Value <= 0 || l.Unit == "" || !strings.Contains(l.Source, "Segment") {
			t.Errorf("%s is %+v", name, l)
		}
	}
}

func TestClassNames(t *testing.T) {
	seen := map[string]bool{}
	for c := Retry; c <= Final+1; c++ {
		seen[c.String()] = true
	}
	if len(seen) != 7 || !seen["unknown"] || Class(0) != Retry {
		t.Errorf("names are %v", seen)
	}
}
