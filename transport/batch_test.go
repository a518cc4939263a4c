package transport

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// contents returns a batch's messages as a slice of copies.
func contents(b *Batch) []string {
	var out []string
	for i := range b.Len() {
		out = append(out, string(b.Message(i)))
	}
	return out
}

func requireBatch(t *testing.T, b *Batch, want []string) {
	t.Helper()
	joined := strings.Join(want, ",")
	if got := contents(b); b.Len() != len(want) || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("messages are %q, want %q", got, want)
	}
	if got := string(b.Joined()); got != joined || b.Bytes() != len(joined) {
		t.Fatalf("joined is %q and Bytes %d, want %q and %d", got, b.Bytes(), joined, len(joined))
	}
}

func TestBatchZeroValue(t *testing.T) {
	var b Batch
	requireBatch(t, &b, nil)
	requireBatch(t, b.Clone(), nil)
	requireBatch(t, b.Slice(0, 0), nil)
	b.Reset()
	b.Append([]byte(`{}`))
	requireBatch(t, &b, []string{`{}`})
}

// A batch against a plain slice of strings, over random appends, cuts, copies and resets.
func TestBatchAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		b := &Batch{WriteKey: NewWriteKey(canaryKey), Retry: rng.IntN(5)}
		var model []string
		for range 1 + rng.IntN(20) {
			message := `{"m":"` + strings.Repeat("x", rng.IntN(8)) + `"}`
			b.Append([]byte(message))
			model = append(model, message)
		}
		requireBatch(t, b, model)
		whole, cut := b, b
		for len(model) > 1 {
			i := rng.IntN(len(model))
			j := i + rng.IntN(len(model)-i+1)
			cut = cut.Slice(i, j)
			model = model[i:j]
			requireBatch(t, cut, model)
			if cut.WriteKey != whole.WriteKey || cut.Retry != whole.Retry {
				t.Fatal("a slice lost its key or its count of retries")
			}
		}
		clone := cut.Clone()
		before := strings.Clone(string(whole.Joined()))
		clone.Append([]byte(`{"appended":1}`))
		if string(whole.Joined()) != before {
			t.Fatal("appending to a clone wrote into the batch that it was made of")
		}
		requireBatch(t, clone, append(append([]string(nil), model...), `{"appended":1}`))
		requireBatch(t, cut, model)
		whole.Reset()
		requireBatch(t, whole, nil)
		whole.Append(bytes.Repeat([]byte("y"), len(before)))
		requireBatch(t, clone, append(append([]string(nil), model...), `{"appended":1}`))
	}
}

func TestBatchCopiesItsMessages(t *testing.T) {
	message := []byte(`{"a":1}`)
	var b Batch
	b.Append(message)
	clone := b.Clone()
	message[2] = 'b'
	requireBatch(t, &b, []string{`{"a":1}`})
	b.Message(0)[2] = 'c'
	requireBatch(t, clone, []string{`{"a":1}`})
	if m := b.Message(0); cap(m) != len(m) {
		t.Error("appending to a message would write into the batch")
	}
}

func TestBatchFits(t *testing.T) {
	t.Run("messages", func(t *testing.T) {
		var b Batch
		for range MaxBatchMessages {
			if !b.Fits(2) {
				t.Fatalf("message %d does not fit", b.Len())
			}
			b.Append([]byte(`{}`))
		}
		if b.Fits(2) {
			t.Error("one message more fits")
		}
	})
	t.Run("bytes", func(t *testing.T) {
		const room = MaxBatchBytes - EnvelopeBytes
		var b Batch
		b.Append(make([]byte, room-101))
		if !b.Fits(100) || b.Fits(101) {
			t.Error("the limit is not at the last byte")
		}
		b.Append(make([]byte, 100))
		if b.Bytes() != room {
			t.Errorf("the batch has %d bytes, want %d", b.Bytes(), room)
		}
	})
}

func TestAppendToASliceLeavesTheParentAlone(t *testing.T) {
	var b Batch
	for _, m := range []string{`{"a":1}`, `{"b":2}`, `{"c":3}`} {
		b.Append([]byte(m))
	}
	left, none := b.Slice(0, 1), b.Slice(1, 1)
	left.Append([]byte(`{"d":4}`))
	none.Append([]byte(`{"e":5}`))
	for _, c := range []struct{ got, want string }{
		{string(b.Joined()), `{"a":1},{"b":2},{"c":3}`},
		{string(left.Joined()), `{"a":1},{"d":4}`},
		{string(left.Message(1)), `{"d":4}`},
		{string(none.Joined()), `{"e":5}`},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
