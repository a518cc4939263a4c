package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"time"
)

// newTransport returns the transport of an HTTP that was given no client.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:       proxyFromEnvironment,
		DialContext: dialer.DialContext,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return &proxyError{status: resp.StatusCode}
			}
			return nil
		},
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		// A dead HTTP/2 connection would otherwise fail every request until the kernel gives up on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		// Each lane of each write key has one request on the way; net/http would keep two connections for all of them.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second,
		// The API answers in 16 bytes: neither its headers nor an unpacked body may fill the memory.
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil {
		// Its text is the variable's value, password included.
		return nil, &proxyError{}
	}
	return proxy, nil
}

// A proxyError tells that the proxy between us and the endpoint refused. The status is 0 where the address of the proxy that
// the environment gives is no URL.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	if e.status == 0 {
		return "proxy address in the environment is not a URL"
	}
	return fmt.Sprintf("proxy answered CONNECT with status %d", e.status)
}

// A proxy that cannot reach the endpoint just now answers in the 500s.
func (e *proxyError) class() Class {
	if e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout {
		return Retry
	}
	return Configuration
}

const noProxy = "the proxy did not make a connection"

func (e *proxyError) reason() string {
	if e.status == 0 {
		return "the address of the proxy is not valid"
	}
	return noProxy
}

// roundTripper stands between net/http's client and the RoundTripper that does the work, and holds it to the contract.
//
// It has no CloseIdleConnections on purpose: go-retryablehttp calls that after each failure, and the connections of all other
// requests would end with it.
type roundTripper struct{ next http.RoundTripper }

func (t roundTripper) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, newPanicError(v)
		}
	}()
	resp, err = t.next.RoundTrip(req)
	switch {
	case err != nil:
		// net/http would log that there are both.
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, err
	case resp == nil:
		return nil, errNoResponse
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	// Without it the client has nowhere to go. With it, it would ask for another body before it asks noRedirect, and fail on
	// a Location that is no URL.
	resp.Header.Del("Location")
	return resp, nil
}

// A panicError stands for a panic of the user's RoundTripper. It keeps the type of the value only: the value may be anything,
// the request included.
type panicError struct {
	what  string
	cause error // what the runtime says, nil where it was not the runtime that panicked
}

func newPanicError(v any) *panicError {
	e := &panicError{what: fmt.Sprintf("%T", v)}
	if cause, ok := v.(runtime.Error); ok {
		e.cause = cause
	}
	return e
}

func (e *panicError) Error() string {
	if e.cause != nil {
		return "RoundTripper panicked: " + e.cause.Error()
	}
	return "RoundTripper panicked with a " + e.what
}

func (e *panicError) Unwrap() error { return e.cause }

// noRedirect has net/http's client return an answer of the 300s as it is, should it ever come to ask.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
