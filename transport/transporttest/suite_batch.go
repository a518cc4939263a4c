package transporttest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// The checks of how a transport treats the batch, the context and its callers.

func checkKeepsNothing(t *trial) {
	b, texts := newBatch("u1", 20)
	t.deliver(context.Background(), b)
	overwrite(b)
	t.taken(texts...)
	if t.server == nil {
		return
	}
	for _, step := range []Step{Status(503), ResetAfterRead(), HTMLPortal(), TruncatedBody()} {
		t.server.Reset()
		b, _ := newBatch("u2", 20)
		t.server.Fail(step)
		t.deliver(context.Background(), b)
		overwrite(b)
		next, texts := newBatch("u3", 20)
		t.server.Reset()
		t.deliver(context.Background(), next)
		t.taken(texts...)
	}
}

// The server answers, or the context ends, while a large body is still on its way: net/http may read it a little longer.
func checkKeepsNothingUnderway(t *trial) {
	for range 10 {
		b := newLargeBatch("u1")
		t.server.Fail(EarlyStatus(503))
		if result := t.deliver(context.Background(), b); result.Class != transport.Retry {
			t.Errorf("an early answer: class %v, want retry", result.Class)
		}
		overwrite(b)
	}
	if n := t.server.Stats().Faults[FaultEarlyStatus]; n != 10 {
		t.Errorf("%d of 10 early answers were given", n)
	}
	for range 10 {
		b := newLargeBatch("u2")
		t.server.Reset()
		t.server.Fail(HangBeforeRead())
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_ = t.server.WaitFor(ctx, func(c Stats) bool { return c.Faults[FaultHangBeforeRead] > 0 })
			cancel()
		}()
		t.deliver(ctx, b)
		overwrite(b)
		cancel()
	}
	t.taken()
}

func checkDoesNotWrite(t *trial) {
	b, _ := newBatch("u1", 10)
	b.Retry = 2
	want := b.Clone()
	// Two parts of one buffer at once: whoever writes beyond one of them, for a closing bracket, writes into the other.
	var parts sync.WaitGroup
	for _, part := range []*transport.Batch{b.Slice(0, 5), b.Slice(5, 10)} {
		parts.Go(func() { t.transport.Deliver(context.Background(), part) })
	}
	parts.Wait()
	if t.server != nil {
		for _, step := range []Step{Status(503), Status(400), ResetAfterRead(), HTMLPortal()} {
			t.server.Fail(step)
			t.deliver(context.Background(), b)
		}
	}
	if string(b.Joined()) != string(want.Joined()) || b.Len() != want.Len() || b.Retry != want.Retry || b.WriteKey != want.WriteKey {
		t.Errorf("the batch is not what it was")
	}
}

func checkEndedContext(t *trial) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b, _ := newBatch("u1", 1)
	result := t.deliver(ctx, b)
	if result.Class != transport.Retry || result.Ambiguous || !errors.Is(result.Err, context.Canceled) {
		t.Errorf("got %+v, want a retry that is not ambiguous, for context.Canceled", result)
	}
	t.taken()
}

func checkContext(t *trial) {
	for _, step := range []Step{Hang(), HangBeforeRead(), Drip(time.Hour)} {
		b := newLargeBatch("u1")
		ctx, cancel := context.WithCancel(context.Background())
		t.server.Fail(step)
		go func() {
			_ = t.server.WaitFor(ctx, func(c Stats) bool { return c.Faults[step.kind] > 0 })
			cancel()
		}()
		begin := time.Now()
		result := t.deliver(ctx, b)
		if took := time.Since(begin); took > promptly {
			t.Errorf("%s: Deliver took %v after its context had ended", step.kind, took)
		}
		if step.kind != FaultDrip && !errors.Is(result.Err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", step.kind, result.Err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	t.server.Fail(Hang())
	b, _ := newBatch("u2", 1)
	if result := t.deliver(ctx, b); !errors.Is(result.Err, context.DeadlineExceeded) || result.Class != transport.Retry {
		t.Errorf("a deadline: %+v, want a retry for context.DeadlineExceeded", result)
	}
}

func checkConcurrent(t *trial) {
	const workers, batches, messages = 8, 10, 5
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range batches {
				b, _ := newBatch(fmt.Sprintf("u%d.%d", w, i), messages)
				if result := t.transport.Deliver(context.Background(), b); result.Class != transport.Accepted {
					t.Errorf("worker %d: %+v, want accepted", w, result)
				}
				overwrite(b)
			}
		})
	}
	all.Wait()
	if t.server == nil {
		return
	}
	if got := t.server.Stats(); got.Kept != workers*batches*messages || got.Messages != got.Kept {
		t.Errorf("the server took %d messages and kept %d, want %d", got.Messages, got.Kept, workers*batches*messages)
	}
}

func checkSecret(t *trial) {
	b, _ := newBatch("u1", 1)
	look := func(name string) {
		result := t.deliver(context.Background(), b)
		texts := []string{fmt.Sprintf("%+v %#v %s %q", result, result, result.Err, result.Err)}
		for err := result.Err; err != nil; err = errors.Unwrap(err) {
			texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		shown := strings.Join(texts, "\n")
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret + ":"))} {
			if strings.Contains(shown, form) {
				t.Errorf("%s: the result shows the write key", name)
			}
		}
	}
	for _, step := range []Step{
		Status(401), Status(400), Status(503), HTMLPortal(), SuccessFalse(), ResetBeforeRead(), ResetAfterRead(),
		Redirect(t.server.URL() + "/" + secret), echo(401), echo(200),
	} {
		t.server.Fail(step)
		look(string(step.kind))
	}
	t.server.Close()
	look("no server")
}

// echo answers with what it was sent, as servers do in their complaints.
func echo(status int) Step {
	return Step{kind: FaultStatus, status: status, do: func(x *exchange) {
		x.write(status, nil, `{"success":false,"message":"not valid: `+secret+` `+x.r.Header.Get("Authorization")+`"}`)
	}}
}
