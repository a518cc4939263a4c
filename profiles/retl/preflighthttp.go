package retl

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// MaxClockSkew is by how much this machine's clock may differ from the endpoint's before a preflight warns of it.
const MaxClockSkew = 5 * time.Minute

// maxProbeAnswer is how much is read of the answer of a batch without messages.
const maxProbeAnswer = 64 << 10

// endpoint asks the endpoint to take a batch without messages, of which nothing can become of data, and reads its clock.
func (f *preflight) endpoint() {
	base := f.endpointURL()
	unknown := func(why string) {
		f.add(CheckEndpoint, "", VerdictNotChecked, why, "")
		f.add(CheckClock, "", VerdictNotChecked, "there is no answer of the endpoint to read it from", "")
	}
	switch {
	case f.sync.Client == nil:
		unknown("there is no client")
		return
	case base == "":
		unknown("the client has a transport of its own")
		return
	case f.ctx.Err() != nil:
		unknown("the preflight was ended before this")
		return
	}
	ctx, cancel := f.within()
	defer cancel()
	client := f.probeClient()
	if f.client.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	before := time.Now()
	resp, body, err := probe(ctx, client, base, f.anyKey(), f.client.OAuth != nil)
	took := time.Since(before)
	if err != nil {
		if f.ctx.Err() != nil {
			unknown("the preflight was ended before an answer came")
			return
		}
		found, advice := unreachable(err)
		f.add(CheckEndpoint, "", VerdictProblem, fmt.Sprintf("%s: %s", hostOf(base), found), advice).Err = err
		f.add(CheckClock, "", VerdictNotChecked, "there is no answer of the endpoint to read it from", "")
		return
	}
	verdict, found, advice := f.answered(resp, body)
	f.add(CheckEndpoint, "", verdict, fmt.Sprintf("%s %s", hostOf(base), found), advice)
	f.clock(resp, verdict, before.Add(took/2))
}

// probeClient is the client's own way to the network, following no redirect.
func (f *preflight) probeClient() *http.Client {
	client := &http.Client{}
	if f.client.HTTPClient != nil {
		*client = *f.client.HTTPClient
	}
	if client.Transport == nil && f.client.HTTPClient == nil {
		client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// anyKey is the client's own write key, or else one of the mappings'.
func (f *preflight) anyKey() profiles.WriteKey {
	if key := f.client.WriteKey; !key.IsZero() {
		return key
	}
	for _, m := range f.mappings() {
		if !m.Space().IsZero() {
			return m.Space()
		}
	}
	return profiles.WriteKey{}
}

// probe posts a batch without messages. With OAuth it comes without a token: the answer then tells who answers, not whether it would take
// anything.
func probe(ctx context.Context, client *http.Client, base string, key profiles.WriteKey, oauth bool) (*http.Response, []byte, error) {
	envelope := map[string]any{"batch": []any{}, "sentAt": time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}
	if oauth {
		envelope["writeKey"] = key.Reveal()
	}
	text, err := json.Marshal(envelope)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/batch", bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "segmentprofiles-go-preflight")
	if !oauth && !key.IsZero() {
		req.SetBasicAuth(key.Reveal(), "")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProbeAnswer)) // what there is of it: the status says most
	return resp, body, nil
}

const notTheAPI = "Check the client's Region and Endpoint, and whether a proxy or the login page of a network stands between."

// answered judges an answer to a batch without messages.
func (f *preflight) answered(resp *http.Response, body []byte) (verdict Verdict, found, advice string) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	page := media == "text/html" || media == "application/xhtml+xml" || bytes.HasPrefix(body, []byte("<"))
	status := resp.StatusCode
	switch {
	case status == http.StatusNetworkAuthenticationRequired:
		return VerdictProblem, "is not what answers, but the login page of a network (511)", "Log in to the network first."
	case status >= 300 && status < 400:
		to := ""
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			to = " to the host " + quoted(u.Host)
		}
		return VerdictProblem, fmt.Sprintf("answers with a redirect%s (%d), which is not followed: it is not the Tracking API", to, status), notTheAPI
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		if f.client.OAuth != nil || f.anyKey().IsZero() {
			return VerdictOK, fmt.Sprintf("answers, and wants credentials (%d); the client's token was not tried", status), ""
		}
		return VerdictProblem, fmt.Sprintf("does not accept the write key (%d)", status), "Take the write key of the Profile Space's source, in the workspace of this region. A workspace that enforces OAuth needs Config.OAuth. Where the key is known to be right, what answers here may not be the Tracking API: see to the endpoint."
	case status == http.StatusProxyAuthRequired:
		return VerdictProblem, "is not what answers, but a proxy that wants credentials (407)", "Give the proxy's user name and password with its address, or an HTTPClient that has them."
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return VerdictProblem, fmt.Sprintf("has no batch call at this path (%d): it is not the Tracking API", status), notTheAPI
	case status == http.StatusTooManyRequests:
		return VerdictWarning, "answers that the rate limit was passed (429): something else sends to this workspace, or has just done so", "A sync waits for its turn. Clients of one process share the limit by sharing a Limiter."
	case page:
		return VerdictProblem, fmt.Sprintf("answers with a page (%d), as a proxy or the login page of a network does, and not as the Tracking API", status), notTheAPI
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusGone, status == 460:
		return VerdictWarning, fmt.Sprintf("fails at the moment (%d)", status), "A sync tries again for as long as the client's Deadline. See Segment's status page if it stays so."
	case status == http.StatusBadRequest:
		return VerdictOK, "answers, and refuses a batch without messages (400), as the Tracking API may" + f.credentials(), ""
	case status < 200 || status == http.StatusPartialContent || status >= 300:
		return VerdictProblem, fmt.Sprintf("answers %d, which the Tracking API does not", status), notTheAPI
	}
	var answer struct{ Success *bool }
	switch isObject := json.Unmarshal(body, &answer) == nil && bytes.HasPrefix(body, []byte("{")); {
	case isObject && answer.Success != nil && !*answer.Success:
		return VerdictProblem, fmt.Sprintf("answers %d, and success: false", status), notTheAPI
	case isObject && answer.Success != nil:
		return VerdictOK, fmt.Sprintf("answers as the Tracking API does (%d)", status) + f.credentials(), ""
	}
	return VerdictWarning, fmt.Sprintf("answers %d, but not with the {\"success\":true} of the Tracking API", status), notTheAPI
}

// credentials says what an answer to nothing leaves open.
func (f *preflight) credentials() string {
	if f.client.OAuth != nil {
		return "; the client's token was not tried"
	}
	return "; it says so for nearly any write key"
}

// unreachable says why no answer came.
func unreachable(err error) (found, advice string) {
	const network = "Check the name, the network, the firewall and the proxy."
	text := err.Error()
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
		text = err.Error()
	}
	_, unresolved := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case untrusted(err):
		return "its certificate is not trusted", "Check the Endpoint, this machine's clock and its certificates. A proxy that reads TLS needs its certificate in the HTTPClient's transport."
	case notTLS, errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak HTTPS", notTheAPI
	case strings.Contains(text, "tls: "):
		return "no TLS connection could be agreed on", "Check the Endpoint, and whether a proxy stands between. TLS 1.2 or later is needed."
	case strings.Contains(text, "Location header"): // and what it holds
		return "it answers with a redirect that leads nowhere: it is not the Tracking API", notTheAPI
	case unresolved:
		return "the host name was not resolved", network
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "no answer came in time", network
	case isOp && op.Op == "proxyconnect":
		return "the proxy could not be reached", "Check the proxy that the environment, or the HTTPClient's transport, names."
	case isOp && op.Op == "dial":
		return "no connection could be made", network
	}
	return "the connection ended without an answer", network
}

func untrusted(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verify || unknown || host || invalid
}

// clock holds this machine's clock against the Date of an answer that was the endpoint's own.
func (f *preflight) clock(resp *http.Response, verdict Verdict, now time.Time) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil || verdict == VerdictProblem {
		f.add(CheckClock, "", VerdictNotChecked, "the endpoint's answer does not tell the time", "")
		return
	}
	skew := now.Sub(date)
	direction := "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	if skew > MaxClockSkew {
		f.add(CheckClock, "", VerdictWarning, fmt.Sprintf("this machine's clock is %s %s the endpoint's", ago(skew), direction),
			"Set the clock. Segment moves the time of every message by the difference, which makes times that come from rows wrong.")
		return
	}
	f.ok(CheckClock, "", "this machine's clock is the endpoint's, to within %s", ago(MaxClockSkew))
}
