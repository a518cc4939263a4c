package region

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxBaseURLLen is the longest base URL that is taken, in bytes.
const MaxBaseURLLen = 2_048

// A URLError tells why a text cannot serve as a base URL. It never holds the text, in which a user may have put a key.
type URLError struct {
	// Reason is the rule that the text breaks, one of a fixed set of sentences.
	Reason string
}

// Error returns the reason.
func (e *URLError) Error() string { return "base URL " + e.Reason }

const (
	urlEmpty      = "is empty"
	urlTooLong    = "is longer than 2048 bytes"
	urlCharacters = "has a character that is not allowed: letters, digits and the punctuation of a plain URL only"
	urlUser       = "holds user information or an @: credentials do not belong into it"
	urlQuery      = "holds a query"
	urlFragment   = "holds a fragment"
	urlMalformed  = "is not a URL"
	urlScheme     = "is not https"
	urlPlain      = "is plain http: allowed for loopback addresses only"
	urlHost       = "has no valid host name"
	urlPort       = "has no valid port"
	urlPath       = "has an empty or a dot segment in its path"
	urlVersion    = "names another version than v1"
	urlCall       = "ends in the path of a call: give the base URL, which ends in /v1"
)

// ParseBaseURL normalises the base URL of an API as users paste it: it drops white space around it, slashes at its end and the
// default port, lowers scheme and host, and takes a text without a scheme for https.
//
// The result is an absolute https URL with no slash at its end. Plain http is taken for 127.0.0.0/8, ::1 and localhost alone.
// User information, a query, a fragment and escapes are refused. The error is a *URLError, which holds nothing of the text.
func ParseBaseURL(text string) (string, error) {
	u, err := parse(text)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// ParseTrackingURL is ParseBaseURL for the Tracking API: its result ends in /v1, which the text may leave out, as in
// https://proxy.example.com/segment. The URL of the batch call itself, .../v1/batch, is taken for its base.
func ParseTrackingURL(text string) (string, error) {
	u, err := parse(text)
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(u.Path, "/v1/batch")
	if path != u.Path {
		path += "/v1"
	}
	before, last := "", ""
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		before, last = path[:i], path[i+1:]
	}
	switch {
	case strings.Contains(before+"/", "/v1/"), last == "batch":
		// A call other than batch, or a batch call whose base could be with or without /v1.
		return "", &URLError{urlCall}
	case last == "v1":
	case isVersion(last):
		return "", &URLError{urlVersion}
	default:
		path += "/v1"
	}
	u.Path = path
	return u.String(), nil
}

func parse(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if reason := malformed(text); reason != "" {
		return nil, &URLError{reason}
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse quotes its argument, so that its error says too much.
		return nil, &URLError{urlMalformed}
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, &URLError{urlScheme}
	}
	host := strings.ToLower(u.Hostname())
	addr, isAddr := address(host)
	if !isAddr && !isName(host) {
		return nil, &URLError{urlHost}
	}
	if u.Scheme == "http" && host != "localhost" && !(isAddr && addr.IsLoopback()) {
		return nil, &URLError{urlPlain}
	}
	if isAddr && addr.Is6() {
		host = "[" + addr.String() + "]"
	}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, &URLError{urlPort}
		}
		if !(u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80) {
			host += ":" + strconv.FormatUint(port, 10)
		}
	}
	path := strings.TrimRight(u.Path, "/")
	if strings.ContainsAny(path, "[]:") {
		return nil, &URLError{urlCharacters}
	}
	if path != "" {
		for segment := range strings.SplitSeq(path[1:], "/") {
			if segment == "" || segment == "." || segment == ".." {
				return nil, &URLError{urlPath}
			}
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: host, Path: path}, nil
}

// malformed returns the reason for which a text is refused by its characters alone. An @ is refused wherever it stands:
// there is none in the URLs of an API, and a key before one would end up in errors.
func malformed(text string) string {
	switch {
	case text == "":
		return urlEmpty
	case len(text) > MaxBaseURLLen:
		return urlTooLong
	case strings.Contains(text, "@"):
		return urlUser
	case strings.Contains(text, "?"):
		return urlQuery
	case strings.Contains(text, "#"):
		return urlFragment
	}
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && !strings.ContainsRune("-._~:/[]", rune(c)) {
			return urlCharacters
		}
	}
	return ""
}

func address(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	// An IPv4 address in IPv6 form is refused by the caller as the name that it is not: one address, one spelling.
	return addr, err == nil && !addr.Is4In6()
}

// isName tells whether host is a DNS name: labels of 1 to 63 letters, digits, hyphens and underscores. A name that ends in a
// number is none, or 127.1 would be the address that some resolvers take it for.
func isName(host string) bool {
	if len(host) > 253 {
		return false
	}
	var last string
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
				return false
			}
		}
		last = label
	}
	return last[0] < '0' || last[0] > '9'
}

func isVersion(segment string) bool {
	if len(segment) < 2 || segment[0] != 'v' {
		return false
	}
	for i := 1; i < len(segment); i++ {
		if segment[i] < '0' || segment[i] > '9' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
