package transporttest

import (
	"encoding/json"
	"testing"
)

func TestOpenEnvelope(t *testing.T) {
	tests := []struct {
		name, body string
		messages   []string
		err        error
	}{
		{"one message", `{"batch":[{"a":1}]}`, []string{`{"a":1}`}, nil},
		{"two messages, white space", " {\n\"batch\" : [ {\"a\":1} ,\t{\"b\":2} ] } ", []string{`{"a":1}`, `{"b":2}`}, nil},
		{"no message", `{"batch":[]}`, nil, nil},
		{"brackets, quotes and commas in strings", `{"batch":[{"a":"]},\"{["}]}`, []string{`{"a":"]},\"{["}`}, nil},
		{"a string that ends in a backslash", `{"batch":[{"a":"\\"},{"b":"\\\""}]}`, []string{`{"a":"\\"}`, `{"b":"\\\""}`}, nil},
		{"members around the batch", `{"sentAt":"x","batch":[{}],"context":{"batch":[1]}}`, []string{`{}`}, nil},
		{"a name written with escapes", `{"b\u0061tch":[{}]}`, []string{`{}`}, nil},
		{"the last of two batches counts", `{"batch":[{"a":1}],"batch":[{"b":2}]}`, []string{`{"b":2}`}, nil},
		{"no batch", `{"sentAt":"x"}`, nil, errNoBatch},
		{"a batch that is an object", `{"batch":{}}`, nil, errNoBatch},
		{"an array", `[{"batch":[]}]`, nil, errMalformed},
		{"nothing", ``, nil, errMalformed},
		{"no end", `{"batch":[{"a":1}]`, nil, errMalformed},
		{"more after the end", `{"batch":[]}{}`, nil, errMalformed},
		{"a comma too many", `{"batch":[{},]}`, nil, errMalformed},
		{"no colon", `{"batch"[]}`, nil, errMalformed},
		{"no comma", `{"batch":[]"sentAt":""}`, nil, errMalformed},
		{"a word that is none", `{"batch":[],"x":tru}`, nil, errMalformed},
		{"a string without end", `{"batch":[{"a":"\"}]}`, nil, errMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := openEnvelope([]byte(tt.body))
			if err != tt.err {
				t.Fatalf("openEnvelope: %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if len(e.messages) != len(tt.messages) {
				t.Fatalf("%d messages, want %d", len(e.messages), len(tt.messages))
			}
			for i, m := range e.messages {
				if string(m) != tt.messages[i] {
					t.Errorf("message %d is %s, want %s", i, m, tt.messages[i])
				}
			}
		})
	}
}

func TestEnvelopeMembers(t *testing.T) {
	e, err := openEnvelope([]byte(`{"writeKey":"k\u0031","sentAt":"2024-01-02T03:04:05Z","context":{"n":12345678901234567890},"integrations":7,"batch":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if e.writeKey != "k1" || e.sentAt != "2024-01-02T03:04:05Z" || e.integrations != nil {
		t.Errorf("got write key %q, sentAt %q, integrations %v", e.writeKey, e.sentAt, e.integrations)
	}
	if n := e.context["n"]; n != json.Number("12345678901234567890") {
		t.Errorf("context.n = %v, want all digits", n)
	}
}

// FuzzOpenEnvelope holds the splitting of a body, with each message decoded, against encoding/json: both take the same bodies
// and see the same messages.
func FuzzOpenEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"batch":[{"a":1}],"sentAt":"x"}`, `{"batch":[{"a":"]},\"{["},{}]}`, `{"batch":[{"a":"\\"}]}`, `{"batch":[1]}`, `{"batch":[{]}`,
		`{"b\u0061tch":[{"a":[{}]}]}`, `{"batch":[{}],"batch":3}`, `{"a":{"b":[1,2,{}]},"batch":[]}`, `{"batch":[{"a":1]]}`, "{\"\xff\":1}", `{"batch":[{}:1]}`, `{"batch":[{"a":1]],"batch":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []json.RawMessage
		taken := false
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) == nil && json.Unmarshal(members["batch"], &want) == nil && want != nil {
			taken = true
			for _, m := range want {
				var fields map[string]any
				if json.Unmarshal(m, &fields) != nil || fields == nil {
					taken = false
				}
			}
		}
		e, err := openEnvelope(body)
		got := err == nil
		for _, m := range e.messages {
			if _, err := decode(m); err != nil {
				got = false
			}
		}
		if got != taken {
			t.Fatalf("taken: %v, encoding/json: %v (%v)", got, taken, err)
		}
		if !taken {
			return
		}
		if len(e.messages) != len(want) {
			t.Fatalf("%d messages, want %d", len(e.messages), len(want))
		}
		for i := range want {
			if string(e.messages[i]) != string(want[i]) {
				t.Fatalf("message %d is %q, want %q", i, e.messages[i], want[i])
			}
		}
	})
}
