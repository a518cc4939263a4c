package transporttest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = transport.NewWriteKey("write-key-1")

// A call is a request to a server and how to send it.
type call struct {
	method, path string
	header       http.Header
	body         string
	noKey        bool
}

// send sends a call, a POST of JSON to /v1/batch with Basic authentication unless it says otherwise.
func send(t testing.TB, s *transporttest.Server, c call) (*http.Response, string, error) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.path == "" {
		c.path = "/v1/batch"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, c.method, s.URL()+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if !c.noKey {
		request.SetBasicAuth(key.Reveal(), "")
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	response, err := s.Client().Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// post sends a batch of messages and requires a status.
func post(t testing.TB, s *transporttest.Server, status int, messages ...string) *http.Response {
	t.Helper()
	response, body, err := send(t, s, call{body: batchOf(messages...)})
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("status %d (%s), want %d", response.StatusCode, body, status)
	}
	return response
}

func batchOf(messages ...string) string { return `{"batch":[` + strings.Join(messages, ",") + `]}` }

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// members returns an object of n members.
func members(t testing.TB, n int) string {
	t.Helper()
	m := make(map[string]int)
	for i := range n {
		m[fmt.Sprint("m", i)] = i
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
