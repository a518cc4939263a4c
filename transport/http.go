package transport

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

const (
	// LibraryName is what requests name as context.library.name and in their User-Agent.
	LibraryName = "segmentprofiles-go"
	// LibraryVersion is the version that goes with LibraryName.
	LibraryVersion = "0.1.0"
	// DefaultAttemptTimeout is how long an attempt of HTTP may take at most, unless it is told otherwise.
	DefaultAttemptTimeout = 10 * time.Second
	// MaxHeaderValueLen is the length of the longest text that a configuration can put into a header or a token request.
	MaxHeaderValueLen = 256
)

// HTTPConfig is what NewHTTP makes an HTTP of. Either Region or Endpoint has to be given.
type HTTPConfig struct {
	// Region is the region of the workspace. It sets the endpoint and the token server.
	Region region.Region
	// Endpoint replaces the region's Tracking API, for a proxy or a test server. It takes whatever region.ParseTrackingURL
	// takes. Defaults to Region.Tracking().
	Endpoint string
	// Client is used for its Transport, Timeout and Jar; it is copied, and never written to. Redirects are not followed,
	// whatever its policy. TLS versions, proxies, idle connections and the size of headers are then its Transport's business.
	// Defaults to a client of HTTP's own: TLS 1.2 or later, the proxy that the environment names, up to 64 idle connections
	// that end after 30 s, and at most 64 KiB of headers.
	Client *http.Client
	// Gzip compresses the bodies of requests.
	Gzip bool
	// OAuth authenticates with tokens, as workspaces that enforce OAuth want it. Defaults to HTTP Basic authentication with
	// the write key.
	OAuth *OAuthConfig
	// AttemptTimeout bounds one Deliver, from getting a connection, and a token where one is needed, to the end of the
	// answer. Defaults to DefaultAttemptTimeout.
	AttemptTimeout time.Duration
	// UserAgent goes before the library's own name in the User-Agent header: the program's name and version, in printable
	// ASCII. Defaults to nothing.
	UserAgent string
}

// HTTP is the Transport that posts batches to the Tracking API's batch call.
//
// Each Deliver is one attempt. Where a connection breaks before anything of the batch was handed to it, the request is begun
// again at once, at most twice; where a token was refused, once, with a new one. All else is left to the caller. A Result counts
// these requests, and those that net/http begins again by itself because the server saw nothing of them or refused the
// stream; it does not count requests for tokens.
//
// After five attempts in a row that failed for the server's or the network's sake it closes its idle connections, so that the
// next one resolves the host name again. An HTTP is made by NewHTTP, is safe for concurrent use and has no goroutines of its own.
type HTTP struct {
	client    *retryablehttp.Client
	idle      func() // closes the connections that are idle
	url       string
	host      string
	userAgent string
	timeout   time.Duration
	oauth     *tokenSource // nil without OAuth
	gzip      bool
	packers   sync.Pool    // of *compressor
	failures  atomic.Int32 // attempts that failed in a row
}

// NewHTTP returns an HTTP. Its error is a *ConfigError, which lists all that is wrong with the configuration.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	var problems ConfigError
	base := c.endpoint(&problems)
	if c.AttemptTimeout < 0 {
		problems.add("AttemptTimeout", "is negative")
	}
	if c.UserAgent != "" {
		checkText(&problems, "UserAgent", c.UserAgent)
	}
	client, idle := newClient(c.Client)
	var tokens *tokenSource
	if c.OAuth != nil {
		tokens = newTokenSource(*c.OAuth, c.Region, client, &problems)
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}

	h := &HTTP{
		client: &retryablehttp.Client{
			HTTPClient:   client,
			RetryMax:     2,
			CheckRetry:   retryUnsent,
			Backoff:      briefly,
			ErrorHandler: retryablehttp.PassthroughErrorHandler,
		},
		idle:      idle,
		url:       base + "/batch",
		host:      hostOf(base),
		userAgent: LibraryName + "/" + LibraryVersion,
		timeout:   c.AttemptTimeout,
		oauth:     tokens,
		gzip:      c.Gzip,
		packers:   sync.Pool{New: newCompressor},
	}
	if c.UserAgent != "" {
		h.userAgent = c.UserAgent + " " + h.userAgent
	}
	if h.timeout == 0 {
		h.timeout = DefaultAttemptTimeout
	}
	return h, nil
}

// endpoint returns the base URL of the Tracking API.
func (c *HTTPConfig) endpoint(problems *ConfigError) string {
	switch {
	case c.Region != 0 && !c.Region.Valid():
		problems.add("Region", "is not one of the regions")
	case c.Region == 0 && c.Endpoint == "":
		problems.add("Region", "is required where there is no Endpoint")
	}
	if c.Endpoint == "" {
		return c.Region.Tracking()
	}
	base, err := region.ParseTrackingURL(c.Endpoint)
	if err != nil {
		problems.addURL("Endpoint", err)
	}
	return base
}

// newClient returns a copy of the user's client, or a client of our own, and the function that closes its idle connections.
func newClient(user *http.Client) (*http.Client, func()) {
	client := &http.Client{}
	if user != nil {
		*client = *user
	}
	if client.Transport == nil {
		client.Transport = newTransport()
	}
	idle := func() {}
	if closer, ok := client.Transport.(interface{ CloseIdleConnections() }); ok {
		idle = closer.CloseIdleConnections
	}
	client.Transport = roundTripper{client.Transport}
	client.CheckRedirect = noRedirect
	return client, idle
}

// checkText reports a text that cannot travel in a header.
func checkText(problems *ConfigError, field, text string) {
	switch {
	case text == "":
		problems.add(field, "is required")
	case len(text) > MaxHeaderValueLen:
		problems.add(field, "is longer than "+strconv.Itoa(MaxHeaderValueLen)+" bytes")
	case !isPrintable(text):
		problems.add(field, "has characters other than printable ASCII")
	}
}

func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// hostOf returns the host of a URL that region has normalised.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
}

// CloseIdleConnections closes the connections that no request uses. The HTTP can be used after it as before. Where the
// configuration gave a Client, the connections are the Client's.
func (h *HTTP) CloseIdleConnections() { h.idle() }

// Deliver makes one attempt to deliver the batch. It reads the batch's bytes until it returns, and not after that. Where ctx
// ends, the attempt ends with it: the Result is Retry, its error wraps context.Canceled or context.DeadlineExceeded, and it is
// Ambiguous where the connection was given any of the messages.
//
// Without a request, a batch over the limits of one request is Split, one that is empty Final, and one whose write key could
// not be sent Credentials.
func (h *HTTP) Deliver(ctx context.Context, batch *Batch) Result {
	if err := refuse(batch); err != nil {
		return Result{Class: err.Class, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	a := &attempt{http: h, batch: batch, key: batch.WriteKey.Reveal()}
	defer a.end()
	var result Result
	if h.oauth == nil {
		a.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(a.key+":"))
		result = a.send(ctx)
	} else {
		result = a.sendWithToken(ctx)
	}
	result.Requests, result.BytesBody, result.BytesWire = a.counts()
	return result
}

// refuse returns the error of a batch that no request can be made of.
func refuse(batch *Batch) *Error {
	if batch == nil || batch.Len() == 0 {
		return &Error{Class: Final, Reason: "the batch is empty"}
	}
	if batch.Len() > MaxBatchMessages {
		return &Error{Class: Split, Reason: "the batch has more messages than the limit of " + strconv.Itoa(MaxBatchMessages)}
	}
	if batch.Bytes() > MaxBatchBytes-EnvelopeBytes {
		return &Error{Class: Split, Reason: "the batch is larger than the limit of " + strconv.Itoa(MaxBatchBytes) + " bytes"}
	}
	if err := batch.WriteKey.Err(); err != nil {
		return &Error{Class: Credentials, Reason: "the write key is not valid", Err: err}
	}
	return nil
}

// failuresBeforeDNS is how many attempts may fail in a row before the host name is resolved again.
const failuresBeforeDNS = 5

// note counts failures in a row. A 429 is no sign of a host that is gone, nor is a caller who gave up.
func (h *HTTP) note(class Class, status int) {
	if class != Retry || status == http.StatusTooManyRequests {
		h.failures.Store(0)
		return
	}
	if h.failures.Add(1) >= failuresBeforeDNS {
		h.failures.Store(0)
		h.CloseIdleConnections()
	}
}
