package transport

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWriteKeyNeverPrints(t *testing.T) {
	key := NewWriteKey(canaryKey)
	type exported struct{ Key WriteKey }
	type unexported struct{ key WriteKey }
	type pointer struct{ key *WriteKey }
	values := map[string]any{
		"key":                 key,
		"pointer":             &key,
		"exported field":      exported{key},
		"unexported field":    unexported{key},
		"pointer to a struct": &unexported{key},
		"field with pointer":  pointer{&key},
		"slice":               []WriteKey{key},
		"map key":             map[WriteKey]int{key: 1},
		"map value":           map[string]WriteKey{"k": key},
		"batch":               newBatch(0, "x"),
		"error":               fmt.Errorf("wrapped: %v", key),
	}
	// The text in the forms in which a verb could write its bytes.
	forms := []string{
		canaryKey, strings.ToUpper(canaryKey),
		hex.EncodeToString([]byte(canaryKey)), strings.ToUpper(hex.EncodeToString([]byte(canaryKey))),
		fmt.Sprint([]byte(canaryKey))[1:20], fmt.Sprintf("% x", canaryKey), fmt.Sprintf("%#v", []byte(canaryKey))[7:40],
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, text := range append(printed(v), dump(v)...) {
				for _, form := range forms {
					if strings.Contains(text, form) {
						t.Fatalf("the key shows in %s", text)
					}
				}
			}
		})
	}
}

func TestWriteKeyPrintsAsPlaceholder(t *testing.T) {
	key := NewWriteKey(canaryKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if got := fmt.Sprintf(verb, key); got != "[write key]" {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, WriteKey{}); got != "[no write key]" {
			t.Errorf("%s prints the zero value as %s", verb, got)
		}
	}
	text, err := json.Marshal(struct{ Key, None WriteKey }{Key: key})
	if err != nil || string(text) != `{"Key":"[write key]","None":"[no write key]"}` {
		t.Errorf("JSON is %s, %v", text, err)
	}
}

func TestWriteKeyIsComparable(t *testing.T) {
	a, b, other := NewWriteKey(canaryKey), NewWriteKey(strings.Clone(canaryKey)), NewWriteKey("other")
	if a != b || a == other || a == (WriteKey{}) {
		t.Error("equality is not that of the texts")
	}
	m := map[WriteKey]int{a: 1}
	m[b]++
	m[other]++
	if len(m) != 2 || m[a] != 2 {
		t.Errorf("a map has %d keys, and %d under the first", len(m), m[a])
	}
	if a.Reveal() != canaryKey || NewWriteKey("") != (WriteKey{}) || !NewWriteKey("").IsZero() || (WriteKey{}).Reveal() != "" || a.IsZero() {
		t.Error("Reveal, IsZero or the zero value is wrong")
	}
	var config struct{ Key WriteKey }
	if err := json.Unmarshal([]byte(`{"Key":"`+canaryKey+`"}`), &config); err != nil || config.Key != a {
		t.Errorf("a configuration file's key is %v, %v", config.Key, err)
	}
}

// Row 72 of the fault matrix: keys that would break a header are refused, and not repeated.
func TestWriteKeyErr(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"as Segment makes them", canaryKey, true},
		{"longest", strings.Repeat("k", MaxWriteKeyLen), true},
		{"all that is allowed", "!\"#$%&'()*+,-./09;<=>?@AZ[\\]^_`az{|}~", true},
		{"none", "", false},
		{"too long", strings.Repeat("k", MaxWriteKeyLen+1), false},
		{"10 KB", strings.Repeat("k", 10_000), false},
		{"CRLF", canaryKey + "\r\nX-Injected: 1", false},
		{"space", canaryKey + " ", false},
		{"colon", canaryKey + ":", false},
		{"delete", canaryKey + "\x7f", false},
		{"non-ASCII", canaryKey + "é", false},
		{"NUL", canaryKey + "\x00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := NewWriteKey(c.text).Err()
			if (err == nil) != c.ok {
				t.Fatalf("the error is %v", err)
			}
			requireNoCanary(t, err)
		})
	}
}
