package transporttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func batch(messages ...string) *transport.Batch {
	b := &transport.Batch{WriteKey: key}
	for _, m := range messages {
		b.Append([]byte(m))
	}
	return b
}

func TestRecorderScript(t *testing.T) {
	var r transporttest.Recorder
	custom := transport.Result{Status: 429, RetryAfter: time.Second, Err: errors.New("slow down")}
	r.Fail(transport.Retry, transport.Split)
	r.Script(custom)
	r.Fail(transport.Credentials, transport.Accepted, transport.Configuration, transport.Final)
	tests := []struct {
		class  transport.Class
		status int
	}{
		{transport.Retry, 503},
		{transport.Split, 400},
		{transport.Retry, 429},
		{transport.Credentials, 401},
		{transport.Accepted, 200},
		{transport.Configuration, 404},
		{transport.Final, 501},
		{transport.Accepted, 200},
		{transport.Accepted, 200},
	}
	for i, tt := range tests {
		b := batch(`{"n":1}`)
		b.Retry = i
		result := r.Deliver(t.Context(), b)
		if result.Class != tt.class || result.Status != tt.status || (result.Err == nil) != (tt.class == transport.Accepted) {
			t.Errorf("attempt %d: %+v, want %v, %d", i, result, tt.class, tt.status)
		}
		if i == 2 && result != custom {
			t.Errorf("a scripted result came as %+v", result)
		}
	}
	attempts := r.Attempts()
	if len(attempts) != len(tests) || len(r.Batches()) != 3 {
		t.Fatalf("%d attempts, %d batches, want %d and 3", len(attempts), len(r.Batches()), len(tests))
	}
	for i, a := range attempts {
		if !a.Done || a.Result.Status != tests[i].status || a.Batch.Retry != i || a.At.IsZero() {
			t.Errorf("attempt %d noted as %+v", i, a)
		}
	}
	var e *transport.Error
	if !errors.As(attempts[0].Result.Err, &e) || e.Status != 503 || e.Class != transport.Retry {
		t.Errorf("the error of Fail is %v", attempts[0].Result.Err)
	}
	if m := r.Messages(); len(m) != 3 || m[0].Retry != 4 || m[0].WriteKey != key {
		t.Errorf("messages: %+v", m)
	}
}

func TestRecorderMessages(t *testing.T) {
	var r transporttest.Recorder
	r.Deliver(t.Context(), batch(`{"n":12345678901234567890,"o":{"a":[1]}}`, `no JSON`))
	m := r.Messages()
	if len(m) != 2 || m[0].Fields["n"] != json.Number("12345678901234567890") || m[1].Fields != nil || string(m[1].Raw) != "no JSON" {
		t.Fatalf("got %+v", m)
	}
	m[0].Raw[0] = 'x'
	m[0].Fields["n"] = nil
	r.Batches()[0].Message(0)[0] = 'x'
	r.Attempts()[0].Batch.Message(0)[0] = 'x'
	if again := r.Messages(); string(again[0].Raw) != `{"n":12345678901234567890,"o":{"a":[1]}}` || again[0].Fields["n"] == nil {
		t.Error("what was recorded can be changed from outside")
	}
}

func TestRecorderHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r transporttest.Recorder
		r.Release() // nothing to release
		r.Hold()
		r.Hold()
		r.Fail(transport.Split)
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan transport.Result, 3)
		for _, c := range []context.Context{t.Context(), t.Context(), ctx} {
			go func() { results <- r.Deliver(c, batch(`{}`)) }()
			synctest.Wait()
		}
		if err := r.WaitHeld(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if len(r.Attempts()) != 3 || r.Attempts()[0].Done || len(r.Messages()) != 0 || len(results) != 0 {
			t.Error("something that is held is done")
		}
		cancel()
		if got := <-results; got.Class != transport.Retry || !got.Ambiguous || !errors.Is(got.Err, context.Canceled) {
			t.Errorf("canceled while held: %+v", got)
		}
		synctest.Wait()
		if len(results) != 0 {
			t.Error("canceling one has let go of others")
		}
		r.Release()
		if a, b := <-results, <-results; (a.Class == transport.Split) == (b.Class == transport.Split) {
			t.Errorf("released with %v and %v, want the scripted one and an accepted one", a.Class, b.Class)
		}
		if got := r.Deliver(t.Context(), batch(`{}`)); got.Class != transport.Accepted {
			t.Errorf("after Release: %+v", got)
		}
	})
}

func TestRecorderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r transporttest.Recorder
		done := make(chan error, 1)
		go func() { done <- r.Wait(t.Context(), 3) }()
		r.Deliver(t.Context(), batch(`{}`, `{}`))
		r.Fail(transport.Retry)
		r.Deliver(t.Context(), batch(`{}`))
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("Wait returned with two messages accepted")
		}
		r.Deliver(t.Context(), batch(`{}`))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Wait(ctx, 4); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait for what does not come: %v", err)
		}
		if err := r.WaitHeld(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitHeld for what is not held: %v", err)
		}
	})
}

func TestRecorderReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r transporttest.Recorder
		r.Deliver(t.Context(), batch(`{}`))
		r.Fail(transport.Final, transport.Final)
		r.Hold()
		go r.Deliver(t.Context(), batch(`{}`))
		synctest.Wait()
		r.Reset()
		synctest.Wait()
		if len(r.Attempts()) != 0 {
			t.Error("attempts from before Reset")
		}
		if got := r.Deliver(t.Context(), batch(`{}`)); got.Class != transport.Accepted {
			t.Errorf("the script from before Reset: %+v", got)
		}
		if err := r.Wait(t.Context(), 1); err != nil || len(r.Messages()) != 1 {
			t.Errorf("after Reset: %v, %d messages", err, len(r.Messages()))
		}
	})
}

func TestRecorderConcurrently(t *testing.T) {
	var r transporttest.Recorder
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				r.Deliver(t.Context(), batch(`{}`))
				switch i {
				case 0:
					r.Hold()
					r.Release()
				case 1:
					r.Messages()
				case 2:
					r.Fail(transport.Accepted)
				}
			}
		})
	}
	if err := r.Wait(t.Context(), 400); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if n := len(r.Messages()); n != 400 {
		t.Errorf("%d messages, want 400", n)
	}
}
