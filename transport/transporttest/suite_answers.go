package transporttest

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// The checks of what a transport makes of the server's answers.

func checkDelivers(t *trial) {
	b, texts := newBatch("u1", 3)
	result := t.deliver(context.Background(), b)
	if result.Class != transport.Accepted || result.Ambiguous || result.RetryAfter != 0 {
		t.Errorf("got %+v, want accepted", result)
	}
	if t.server != nil && (result.Status != http.StatusOK || result.Requests != 1) {
		t.Errorf("status %d after %d requests, want 200 after 1", result.Status, result.Requests)
	}
	t.taken(texts...)
	cut, _ := newBatch("u2", 9)
	if result := t.deliver(context.Background(), cut.Slice(3, 5)); result.Class != transport.Accepted {
		t.Errorf("a part of a batch: %+v, want accepted", result)
	}
	t.taken(append(texts, string(cut.Message(3)), string(cut.Message(4)))...)
}

func checkSentAt(t *trial) {
	t.server.Fail(Drip(2 * time.Millisecond)) // so that the attempts lie further apart than a clock's grain
	for range 2 {
		b, _ := newBatch("u1", 1)
		before := time.Now().Truncate(time.Millisecond)
		t.deliver(context.Background(), b)
		events := t.server.Events()
		if len(events) == 0 {
			t.Fatalf("nothing came")
		}
		if sent := events[len(events)-1].SentAt; sent.Before(before) || sent.After(time.Now()) {
			t.Errorf("sentAt is %v, not between the beginning of the attempt at %v and its end", sent, before)
		}
	}
}

func checkClasses(t *trial) {
	classes := map[transport.Class][]int{
		transport.Retry:         {408, 410, 429, 460, 500, 502, 503, 504, 529, 599},
		transport.Split:         {400, 413},
		transport.Credentials:   {401, 403},
		transport.Configuration: {301, 302, 303, 307, 308, 404},
		transport.Final:         {422, 501, 505},
	}
	b, _ := newBatch("u1", 2)
	for class, statuses := range classes {
		for _, status := range statuses {
			t.server.Reset()
			t.server.FailAlways(Status(status))
			result := t.deliver(context.Background(), b)
			if result.Class != class || result.Status != status {
				t.Errorf("status %d: class %v, status %d, want %v", status, result.Class, result.Status, class)
			}
			if result.Ambiguous {
				t.Errorf("status %d: ambiguous, although the server answered", status)
			}
			if t.server.Stats().Faults[FaultStatus] == 0 {
				t.Errorf("status %d was never answered", status)
			}
		}
	}
}

func checkBodies(t *trial) {
	tests := []struct {
		name     string
		step     Step
		accepted bool
	}{
		{"a 200 whose body breaks off", TruncatedBody(), true},
		{"a 200 whose body does not end", EndlessBody(), true},
		{"a page with status 200", HTMLPortal(), false},
		{"success: false with status 200", SuccessFalse(), false},
	}
	for _, tt := range tests {
		b, _ := newBatch("u1", 1)
		t.server.Fail(tt.step)
		if result := t.deliver(context.Background(), b); (result.Class == transport.Accepted) != tt.accepted {
			t.Errorf("%s: class %v", tt.name, result.Class)
		}
		if t.server.Stats().Faults[tt.step.kind] != 1 {
			t.Errorf("%s was never answered", tt.name)
		}
	}
}

func checkRetryAfter(t *trial) {
	tests := []struct {
		status int
		value  []string
		want   time.Duration // -1: anything in bounds
	}{
		{429, []string{"1"}, time.Second},
		{429, []string{"60"}, time.Minute},
		{503, []string{"2"}, 2 * time.Second},
		{429, []string{"301"}, transport.MaxRetryAfter},
		{429, []string{"1000000000000000000"}, transport.MaxRetryAfter},
		{429, []string{strconv.Itoa(math.MaxInt64)}, transport.MaxRetryAfter},
		{429, nil, 0},
		{429, []string{"soon"}, 0},
		{429, []string{"0"}, -1},
		{429, []string{"-1"}, -1},
		{429, []string{"1.5"}, -1},
		{429, []string{"2", "3"}, -1},
		{429, []string{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, transport.MaxRetryAfter},
		{429, []string{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}, -1},
		{429, []string{"Thu, 31 Dec 9999 23:59:59 GMT"}, transport.MaxRetryAfter},
	}
	for _, tt := range tests {
		b, _ := newBatch("u1", 1)
		t.server.Fail(StatusWithHeader(tt.status, http.Header{"Retry-After": tt.value}))
		result := t.deliver(context.Background(), b) // which looks at the bounds
		if tt.want >= 0 && result.RetryAfter != tt.want {
			t.Errorf("status %d with Retry-After %q: RetryAfter is %v, want %v", tt.status, tt.value, result.RetryAfter, tt.want)
		}
	}
}

func checkRedirects(t *trial) {
	elsewhere := NewServer(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []*Server{elsewhere, t.server} {
			b, _ := newBatch("u1", 1)
			before := t.server.Stats().Requests
			t.server.Fail(StatusWithHeader(status, http.Header{"Location": {target.URL() + "/v1/batch"}}))
			if result := t.deliver(context.Background(), b); result.Class == transport.Accepted {
				t.Errorf("status %d: accepted", status)
			}
			if n := t.server.Stats().Requests - before; n != 1 {
				t.Errorf("status %d: %d requests to the server, want 1", status, n)
			}
		}
	}
	if n := elsewhere.Stats().Requests; n > 0 {
		t.Errorf("%d requests went to another server", n)
	}
	t.taken()
}

func checkOneAttempt(t *trial) {
	steps := []Step{
		Status(500), Status(503), Status(400), TooManyRequests(time.Second), AcceptThenStatus(502), ResetAfterRead(), SuccessFalse(), HTMLPortal(),
	}
	for _, step := range steps {
		b, _ := newBatch("u1", 2)
		if result := t.deliver(context.Background(), b); result.Class != transport.Accepted {
			t.Fatalf("got %+v, want accepted", result) // so that there is a connection to use again
		}
		before := t.server.Stats().Requests
		t.server.Fail(step)
		if result := t.deliver(context.Background(), b); result.Class == transport.Accepted {
			t.Errorf("%s: accepted", step.kind)
		}
		if n := t.server.Stats().Requests - before; n != 1 {
			t.Errorf("%s: %d requests reached the server, want 1", step.kind, n)
		}
	}
}

func checkAmbiguous(t *trial) {
	b, texts := newBatch("u1", 2)
	t.server.Fail(ResetAfterRead())
	result := t.deliver(context.Background(), b)
	if result.Class != transport.Retry || !result.Ambiguous || result.Status != 0 {
		t.Errorf("taken, and then reset: %+v, want an ambiguous retry", result)
	}
	t.taken(texts...)

	t.server.Fail(Hang())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_ = t.server.WaitFor(ctx, func(c Stats) bool { return c.Faults[FaultHang] > 0 })
		cancel()
	}()
	if result := t.deliver(ctx, b); result.Class != transport.Retry || !result.Ambiguous {
		t.Errorf("sent, and never answered: %+v, want an ambiguous retry", result)
	}

	t.server.Close()
	if result := t.deliver(context.Background(), b); result.Class != transport.Retry || result.Ambiguous || result.Status != 0 {
		t.Errorf("nobody there to connect to: %+v, want a retry that is not ambiguous", result)
	}
}
