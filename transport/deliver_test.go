package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestDeliverSendsTheBatch(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip %v", gzip), func(t *testing.T) {
			var rec recorder
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				rec.take(t, r)
				success(w)
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL + "/", Gzip: gzip, UserAgent: "etl/2.1"})
			batch := newBatch(250, "m")
			before := time.Now().Add(-time.Millisecond)
			result := h.Deliver(t.Context(), batch)
			check(t, result, Accepted, 200)

			if n := len(rec.all()); n != 1 {
				t.Fatalf("%d requests", n)
			}
			got := rec.all()[0]
			if got.path != "/v1/batch" || got.writeKey != canaryKey {
				t.Errorf("path %s, or the key, is wrong", got.path)
			}
			for name, want := range map[string]string{
				"Content-Type":      "application/json",
				"User-Agent":        "etl/2.1 " + LibraryName + "/" + LibraryVersion,
				"Accept-Encoding":   "identity",
				"Idempotency-Key":   "", // row 24: net/http would send a POST with one twice
				"X-Idempotency-Key": "",
				"X-Retry-Count":     "",
			} {
				if value := got.header.Get(name); value != want {
					t.Errorf("%s is %q, want %q", name, value, want)
				}
			}
			if got.header.Get("Content-Encoding") == "gzip" != gzip {
				t.Errorf("Content-Encoding is %q", got.header.Get("Content-Encoding"))
			}
			sentAt, err := time.Parse("2006-01-02T15:04:05.000Z", got.envelope.SentAt)
			if err != nil || sentAt.Before(before) || sentAt.After(time.Now()) {
				t.Errorf("sentAt is %s, %v", got.envelope.SentAt, err)
			}
			want := `{"batch":[` + string(batch.Joined()) + `],"sentAt":"` + got.envelope.SentAt +
				`","context":{"library":{"name":"segmentprofiles-go","version":"` + LibraryVersion + `"}}}`
			if string(got.body) != want {
				t.Errorf("the body is\n%.300s\nwant\n%.300s", got.body, want)
			}
			if result.Requests != 1 || result.BytesBody != int64(len(want)) || result.BytesWire != int64(got.wireLen) {
				t.Errorf("counted %d requests, %d and %d bytes; the server saw %d and %d",
					result.Requests, result.BytesBody, result.BytesWire, len(want), got.wireLen)
			}
			if gzip && result.BytesWire > result.BytesBody/4 {
				t.Errorf("%d bytes were packed to %d", result.BytesBody, result.BytesWire)
			}
			if result.Ambiguous || result.RetryAfter != 0 {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestDeliverSlicesAndRetryCount(t *testing.T) {
	var rec recorder
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		rec.take(t, r)
		success(w)
	})
	batch := newBatch(5, "m")
	batch.Retry = 3
	check(t, h.Deliver(t.Context(), batch.Slice(1, 3)), Accepted, 200)
	got := rec.all()[0]
	if ids := got.envelope.ids(); !slices.Equal(ids, []string{"m-1", "m-2"}) {
		t.Errorf("the ids are %q", ids)
	}
	if n := got.header.Get("X-Retry-Count"); n != "3" {
		t.Errorf("X-Retry-Count is %q", n)
	}
}

// The largest batch that Fits lets grow stays within the limit of a request, and a larger one is not sent.
func TestDeliverKeepsToTheLimits(t *testing.T) {
	var largest int
	h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		largest = max(largest, len(body))
		success(w)
	})
	fill := func(extra int) *Batch {
		b := &Batch{WriteKey: NewWriteKey(strings.Repeat(`"`, MaxWriteKeyLen))}
		b.Append(append(append([]byte(`{"pad":"`), bytes.Repeat([]byte("x"), MaxBatchBytes-EnvelopeBytes-10+extra)...), `"}`...))
		return b
	}
	check(t, h.Deliver(t.Context(), fill(0)), Accepted, 200)
	if largest > MaxBatchBytes || largest < MaxBatchBytes-EnvelopeBytes {
		t.Errorf("the largest body had %d bytes", largest)
	}
	if tail := len(appendTail(nil, time.Now(), fill(0).WriteKey)); len(bodyHead)+tail > EnvelopeBytes {
		t.Errorf("the envelope needs %d bytes with the longest key in it", len(bodyHead)+tail)
	}
	many := &Batch{WriteKey: NewWriteKey("k")}
	for range MaxBatchMessages + 1 {
		many.Append([]byte(`{}`))
	}
	invalid := newBatch(1, "m")
	invalid.WriteKey = NewWriteKey(canaryKey + "\n")
	largest = 0
	for _, c := range []struct {
		name  string
		batch *Batch
		want  Class
	}{
		{"one byte too many", fill(1), Split},
		{"one message too many", many, Split},
		{"no message", &Batch{WriteKey: NewWriteKey("k")}, Final},
		{"no batch", nil, Final},
		{"no key", &Batch{buf: []byte(`{}`), ends: []int{2}}, Credentials},
		{"a key that cannot be sent", invalid, Credentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := h.Deliver(t.Context(), c.batch)
			check(t, result, c.want, 0)
			if result.Requests != 0 || result.Ambiguous || largest != 0 {
				t.Errorf("something was sent: %+v", result)
			}
		})
	}
}

func TestSentAtIsNewForEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		refused := errors.New("refused")
		h := newTestHTTP(t, HTTPConfig{Endpoint: "https://segment.example.com", Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got, err := readRequest(r)
			if err != nil {
				return nil, err
			}
			seen = append(seen, got.envelope.SentAt)
			return nil, refused
		})}})
		batch := newBatch(1, "m")
		for range 3 {
			result := h.Deliver(t.Context(), batch)
			check(t, result, Retry, 0)
			if !errors.Is(result.Err, refused) || !result.Ambiguous || result.Requests != 1 {
				t.Errorf("%+v", result)
			}
			time.Sleep(1_500 * time.Millisecond)
		}
		want := []string{"2000-01-01T00:00:00.000Z", "2000-01-01T00:00:01.500Z", "2000-01-01T00:00:03.000Z"}
		if !slices.Equal(seen, want) {
			t.Errorf("sentAt was %q", seen)
		}
	})
}

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A body that net/http asks for a second time, as it does for a stream that was refused, is whole, has its length, and the
// first one is of no use any more.
func TestBodyAskedForTwice(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip %v", gzip), func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Region: region.Europe, Gzip: gzip, Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if _, err := io.ReadFull(r.Body, make([]byte, 10)); err != nil {
					t.Error(err)
				}
				again, err := r.GetBody()
				if err != nil {
					t.Error(err)
				}
				if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("the first body still gives bytes: %d, %v", n, err)
				}
				r.Body = again
				if got, err := readRequest(r); err != nil || len(got.envelope.Batch) != 20 {
					t.Errorf("the second body has %d messages, %v", len(got.envelope.Batch), err)
				}
				return answer(200, `{"success":true}`), nil
			})}})
			result := h.Deliver(t.Context(), newBatch(20, "m"))
			check(t, result, Accepted, 200)
			if result.Requests != 2 || result.BytesBody < int64(2*newBatch(20, "m").Bytes()) {
				t.Errorf("%+v", result)
			}
		})
	}
}

func answer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// net/http may go on reading a request's body after the answer. Once Deliver has returned, the batch's memory is the caller's
// again: what is read then is an error, not what the memory holds by that time. The race detector sees to the rest.
func TestBatchIsNotReadAfterDeliver(t *testing.T) {
	t.Run("by a RoundTripper that keeps the body", func(t *testing.T) {
		var kept *http.Request
		h := newTestHTTP(t, HTTPConfig{Region: region.Europe, Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			kept = r
			return answer(200, ""), nil
		})}})
		check(t, h.Deliver(t.Context(), newBatch(3, "m")), Accepted, 200)
		if n, err := kept.Body.Read(make([]byte, 100)); n != 0 || err == nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if _, err := kept.GetBody(); err == nil {
			t.Error("another body was made")
		}
	})
	t.Run("by net/http, which answers early", func(t *testing.T) {
		for _, gzip := range []bool{false, true} {
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				// Answered before a byte of the body is read, so that most of it is still to be sent.
				w.WriteHeader(http.StatusBadRequest)
			})
			h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Gzip: gzip})
			batch := largeBatch("m")
			for range 20 {
				check(t, h.Deliver(t.Context(), batch), Split, 400)
				// As the dispatcher does: the buffer is filled anew.
				batch.Reset()
				*batch = *refill(batch)
			}
		}
	})
	t.Run("by net/http, which the context has stopped", func(t *testing.T) {
		release := make(chan struct{})
		server := newServer(t, func(w http.ResponseWriter, r *http.Request) { <-release })
		defer close(release)
		h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, AttemptTimeout: 20 * time.Millisecond})
		batch := largeBatch("m")
		for range 5 {
			result := h.Deliver(t.Context(), batch)
			check(t, result, Retry, 0)
			batch.Reset()
			*batch = *refill(batch)
		}
	})
}

// refill fills a batch that was reset with a large batch's messages, in its own memory.
func refill(b *Batch) *Batch {
	b.WriteKey = NewWriteKey(canaryKey)
	message := fmt.Appendf(nil, `{"messageId":"again","pad":"%s"}`, strings.Repeat("y", 31_000))
	for b.Fits(len(message)) {
		b.Append(message)
	}
	return b
}

func TestContextEndsTheAttempt(t *testing.T) {
	t.Run("canceled before it began", func(t *testing.T) {
		h := toHandler(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request was made") })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		result := h.Deliver(ctx, newBatch(1, "m"))
		check(t, result, Retry, 0)
		if !errors.Is(result.Err, context.Canceled) || result.Ambiguous || result.Requests != 0 {
			t.Errorf("%+v", result)
		}
	})
	t.Run("canceled on the way", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			cancel(errors.New("cause " + canaryMail))
			<-r.Context().Done()
		})
		result := h.Deliver(ctx, newBatch(1, "m"))
		check(t, result, Retry, 0)
		if !errors.Is(result.Err, context.Canceled) || !result.Ambiguous || result.Requests != 1 {
			t.Errorf("%+v", result)
		}
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		h := toHandler(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		result := h.Deliver(ctx, newBatch(1, "m"))
		check(t, result, Retry, 0)
		if !errors.Is(result.Err, context.DeadlineExceeded) {
			t.Errorf("%+v", result)
		}
	})
	t.Run("the attempt's own timeout, in virtual time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newTestHTTP(t, HTTPConfig{Region: region.NorthAmerica, Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}})
			begin := time.Now()
			result := h.Deliver(t.Context(), newBatch(1, "m"))
			check(t, result, Retry, 0)
			if took := time.Since(begin); took != DefaultAttemptTimeout || !errors.Is(result.Err, context.DeadlineExceeded) || result.Ambiguous {
				t.Errorf("after %v: %+v", took, result)
			}
		})
	})
}

func TestUsersClientIsNotWrittenTo(t *testing.T) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) { success(w) })
	h := newTestHTTP(t, HTTPConfig{Endpoint: server.URL, Client: client})
	check(t, h.Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
	if client.Transport != transport || client.CheckRedirect != nil || client.Jar != nil || client.Timeout != time.Minute {
		t.Errorf("the client is now %+v", client)
	}
	if err := h.client.HTTPClient.CheckRedirect(nil, nil); err != http.ErrUseLastResponse {
		t.Errorf("a redirect would be answered with %v", err)
	}
	// go-retryablehttp would end everybody's connections after each failure.
	if _, ok := h.client.HTTPClient.Transport.(interface{ CloseIdleConnections() }); ok {
		t.Error("the wrapped transport can close idle connections")
	}
}

func TestConfigErrorsComeTogether(t *testing.T) {
	for _, c := range []struct {
		name   string
		config HTTPConfig
		fields []string
	}{
		{"the zero value", HTTPConfig{}, []string{"Region"}},
		{"an unknown region", HTTPConfig{Region: 7}, []string{"Region"}},
		{"an endpoint that is no URL", HTTPConfig{Endpoint: "http://" + canaryKey + "@segment.example.com"}, []string{"Endpoint"}},
		{"everything", HTTPConfig{
			Region: 9, Endpoint: "http://segment.example.com?" + canaryKey, AttemptTimeout: -1, UserAgent: "é" + canaryMail,
			OAuth: &OAuthConfig{AppID: "\n" + canaryMail, KeyID: strings.Repeat(canaryMail, 50), TokenServer: "https://" + canaryKey + "@a", Scope: "\x00"},
		}, []string{"Region", "Endpoint", "AttemptTimeout", "UserAgent", "OAuth.AppID", "OAuth.KeyID", "OAuth.PrivateKey", "OAuth.Scope", "OAuth.TokenServer"}},
		{"OAuth without a region", HTTPConfig{Endpoint: "https://segment.example.com", OAuth: &OAuthConfig{AppID: "a", KeyID: "k", PrivateKey: testKey()}},
			[]string{"OAuth.TokenServer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := NewHTTP(c.config)
			var config *ConfigError
			if !errors.As(err, &config) || h != nil {
				t.Fatalf("%v, want a *ConfigError", err)
			}
			var fields []string
			for _, f := range config.Fields {
				fields = append(fields, f.Field)
				if !strings.Contains(err.Error(), f.Field+" "+f.Reason) {
					t.Errorf("%q leaves out %s", err, f.Field)
				}
			}
			if !slices.Equal(fields, c.fields) {
				t.Errorf("fields %q, want %q", fields, c.fields)
			}
			requireNoCanary(t, err)
		})
	}
}

func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		config HTTPConfig
		want   string
	}{
		{HTTPConfig{Region: region.NorthAmerica}, "https://api.segment.io/v1/batch"},
		{HTTPConfig{Region: region.Europe}, "https://events.eu1.segmentapis.com/v1/batch"},
		{HTTPConfig{Region: region.Europe, Endpoint: " proxy.example.com/segment/ "}, "https://proxy.example.com/segment/v1/batch"},
	} {
		var url string
		c.config.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			url = r.URL.String()
			return answer(200, ""), nil
		})}
		check(t, newTestHTTP(t, c.config).Deliver(t.Context(), newBatch(1, "m")), Accepted, 200)
		if url != c.want {
			t.Errorf("posted to %s, want %s", url, c.want)
		}
	}
}
