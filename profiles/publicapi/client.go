package publicapi

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// Config is what New makes a Client of.
type Config struct {
	// Region is where the workspace lives. Required, unless Endpoint is set. A token of one region is not known in the other.
	Region region.Region
	// Token is a Public API token of the workspace. Required. Write keys are shown to a token with the role Source Admin alone.
	Token Token
	// Endpoint, where set, replaces the region's Public API: a base URL as region.ParseBaseURL takes it, https, or http on
	// loopback. Defaults to Region.PublicAPI().
	Endpoint string
	// HTTPClient, where set, makes the requests: its Transport, Timeout and Jar. It is copied and never written to; redirects are
	// never followed. Defaults to a client of the package's own: TLS 1.2 or later, and the proxy that the environment names.
	HTTPClient *http.Client
}

// A ConfigError lists everything that is wrong with a Config or a CDN.
type ConfigError struct {
	// Problems has at least one member, in the order of the fields.
	Problems []ConfigProblem
}

// A ConfigProblem is one thing that is wrong with a Config or a CDN.
type ConfigProblem struct {
	Field  string // as in Config: Region, Token, Endpoint
	Reason string // without the field's value
}

// Error lists the problems in one line.
func (e *ConfigError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Field + " " + p.Reason
	}
	return "publicapi: invalid configuration: " + strings.Join(texts, "; ")
}

func (e *ConfigError) add(field, reason string) {
	e.Problems = append(e.Problems, ConfigProblem{field, reason})
}

// base returns the normalised form of a base URL.
func (e *ConfigError) base(field, text string) string {
	base, err := region.ParseBaseURL(text)
	if err != nil {
		reason := err.Error()
		if bad, ok := errors.AsType[*region.URLError](err); ok {
			reason = bad.Reason
		}
		e.add(field, reason)
	}
	return base
}

func (e *ConfigError) orNil() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// A Client reads from the Public API of one workspace.
//
// A request that fails for the server's or the network's sake, or because the rate limit was passed, is made again, up to
// MaxAttempts times in all: after 250 ms at least, or when the server says, but after MaxRetryAfter at most. A call ends as soon as
// its context does, or where its deadline comes before the next attempt could: its error then wraps context.Canceled or
// context.DeadlineExceeded, and tells the status of the last answer. A Client is made by New, is safe for concurrent use, and has no goroutines of its own.
type Client struct {
	caller caller
	region region.Region
	token  Token
}

// New returns a Client. Its error is a *ConfigError, which lists all that is wrong with the configuration. It makes no request.
func New(cfg Config) (*Client, error) {
	var problems ConfigError
	switch {
	case cfg.Region != 0 && !cfg.Region.Valid():
		problems.add("Region", "is not one of the regions")
	case cfg.Region == 0 && cfg.Endpoint == "":
		problems.add("Region", "is required where there is no Endpoint")
	}
	if err := cfg.Token.Err(); err != nil {
		problems.add("Token", strings.TrimPrefix(err.Error(), "token "))
	}
	base := cfg.Region.PublicAPI()
	if cfg.Endpoint != "" {
		base = problems.base("Endpoint", cfg.Endpoint)
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	return &Client{caller: newCaller(base, cfg.HTTPClient), region: cfg.Region, token: cfg.Token}, nil
}

// CloseIdleConnections closes the connections that no request uses. The Client can be used after it as before. Where the
// configuration gave an HTTPClient, the connections are that client's.
func (c *Client) CloseIdleConnections() { c.caller.client.CloseIdleConnections() }

// newCaller returns a caller of the API at a base URL that was normalised.
func newCaller(base string, user *http.Client) caller {
	client := &http.Client{}
	if user != nil {
		*client = *user
	}
	if client.Transport == nil {
		client.Transport = newTransport()
	}
	client.Transport = direct{client.Transport}
	// Neither a token nor a write key follows a redirect to another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	host := ""
	if u, err := url.Parse(base); err == nil {
		host = u.Host
	}
	return caller{client: client, base: base, host: host}
}

// direct takes away where a redirect leads: net/http's client would fail on a Location that is no URL, and not tell the status.
type direct struct{ next http.RoundTripper }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	if err == nil && resp != nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// CloseIdleConnections is what http.Client looks for.
func (d direct) CloseIdleConnections() {
	if closer, ok := d.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// proxyFromEnvironment returns the proxy that the environment names.
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errProxy // the error's text is the variable's value, password included
	}
	return proxy, nil
}

// newTransport returns the transport where the user gave none.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  proxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
