package presets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

func FuzzReadHubSpot(f *testing.F) {
	for _, seed := range []string{
		`{"results":[{"id":"1","properties":{"email":"a@example.com","phone":""},"archived":false}],"paging":{"next":{"after":"2"}}}`,
		`[{"id":1,"properties":{}},7,null]{"id":"2","properties":{}}`, `{"status":"error","category":"X"}`, `{"results":[],"errors":[{"category":"X"},1]}`,
		`{"results":`, "\ufeff[]", `{"results":[{"id":"\ud800","properties":{"":[]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) { fuzzReader(t, presets.ReadHubSpot, in, "id") })
}

func FuzzReadSalesforce(f *testing.F) {
	for _, seed := range []string{
		`{"totalSize":1,"done":false,"nextRecordsUrl":"/n","records":[{"attributes":{"type":"Contact"},"Id":"1","Account":{"attributes":{},"Name":"A"}}]}`,
		`[{"Id":"1","A":{"B":{"C":1}}},7]{"Id":"2"}`, `[{"errorCode":"X","message":"m"}]`, `{"done":true,"records":[{"S":{"done":true,"records":[{"a":1}]}}]}`,
		`{"records":[{"A":{"B":1},"A_B":2}]}`, `{"records":[{"S":{"records":[{"S":{"records":[7]}}]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) { fuzzReader(t, presets.ReadSalesforce, in, "") })
}

// fuzzReader checks that a range ends in one of the ways that are promised, with nothing behind its error, the same however the bytes
// come, and that records are JSON again.
func fuzzReader(t *testing.T, read func(io.Reader) iter.Seq2[profiles.Record, error], in []byte, key string) {
	lines, end := all(read(bytes.NewReader(in)))
	again, endAgain := all(read(iotest.OneByteReader(bytes.NewReader(in))))
	if strings.Join(lines, "\n") != strings.Join(again, "\n") || (end == nil) != (endAgain == nil) {
		t.Errorf("byte by byte: %q, %v; at once: %q, %v", again, endAgain, lines, end)
	}
	_, format := errors.AsType[*presets.FormatError](end)
	_, api := errors.AsType[*presets.APIError](end)
	_, incomplete := errors.AsType[*presets.IncompleteError](end)
	if end != nil && !format && !api && !incomplete {
		t.Errorf("an error of type %T", end)
	}
	if end == nil && !allJSON(in) {
		t.Error("what is no JSON was read to its end")
	}
	for rec, err := range read(bytes.NewReader(in)) {
		if err == nil && (rec == nil || key != "" && rec[key] == "") {
			t.Errorf("a record without a key: %v", rec)
		}
		if bad, ok := errors.AsType[*profiles.BadRecord](err); ok && bad.Text != nil && !json.Valid(bad.Text) {
			t.Errorf("the text of a bad record is %q", bad.Text)
		}
	}
}

func allJSON(in []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(in, []byte("\ufeff"))))
	for {
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return err == io.EOF
		}
	}
}
