package publicapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzAnswer holds the parsers of answers against what they promise: no panic, no text of the answer in an error, bounds, and a
// refusal's texts that were in the answer.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"sources":[{"id":"1","name":"a","enabled":true,"writeKeys":["secret"],"metadata":{"slug":"personas-compute"}}],"pagination":{"next":null}}}`,
		`{"data":{"subscriptions":[{},1],"pagination":{"next":"Mg=="}}}`, `{"data":{"destination":{"name":"n","enabled":null,"settings":{"endpoint":7}}}}`,
		`{"errors":[{"type":"RequestError","message":"Too many requests","data":{"msBeforeNext":57647}}]}`,
		`{"errors":[null,1,{"message":"` + "\xff\u202e" + `"},{"message":"secret"}]}`, `{"errors":{}}`, `{"errors":[{"data":{"msBeforeNext":1e308}}]}`,
		`<html>secret`, `{"data":`, ``, `{"Data":{"SOURCES":[]}}`, `{"data":{"sources":[{"writeKeys":["a"],"enabled":"x"}]}}`,
	} {
		f.Add(seed, "3")
	}
	f.Add("", "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add("", "Wed, 21 Oct 2015 07:28:00 +0000 (UTC)")
	f.Add("", "9.9.9")
	f.Fuzz(func(t *testing.T, text, header string) {
		d, err := parseData([]byte(text))
		if (d == nil) != (err != nil) {
			t.Fatalf("got %v, %v", d, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the answer: %v", err)
		}
		if d != nil {
			if !json.Valid([]byte(text)) {
				t.Error("what is not JSON was read")
			}
			for _, s := range d.Sources {
				if space := s.space(); !space.Key.IsZero() && space.Key.Err() != nil {
					t.Error("a write key that is none")
				}
			}
		}
		r := parseErrors([]byte(text))
		for _, said := range []string{r.typ, r.message, r.field} {
			clean := call{secret: "secret", bearer: true}.clean(said)
			if len(clean) > MaxMessageLen || !utf8.ValidString(clean) || strings.ContainsAny(clean, "\n\x00\u202e") || strings.Contains(clean, "secret") {
				t.Errorf("%q became %q", said, clean)
			}
		}
		now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
		for _, wait := range []time.Duration{
			r.wait, parseWait(header, now),
			askedFor(&answer{status: 429, header: http.Header{"Retry-After": {header}, "Date": {header}}, body: []byte(text)}, now),
		} {
			if wait < 0 || wait > 24*time.Hour {
				t.Errorf("a wait of %v", wait)
			}
		}
	})
}
