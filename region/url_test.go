package region_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestParseTrackingURL(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"as documented", "https://api.segment.io/v1", "https://api.segment.io/v1"},
		{"without the version", "https://api.segment.io", "https://api.segment.io/v1"},
		{"slashes at the end", "https://api.segment.io/v1//", "https://api.segment.io/v1"},
		{"a slash and no version", "https://api.segment.io/", "https://api.segment.io/v1"},
		{"white space around it", "\t https://api.segment.io/v1 \n", "https://api.segment.io/v1"},
		{"the batch call", "https://api.segment.io/v1/batch", "https://api.segment.io/v1"},
		{"the batch call with a slash", "https://api.segment.io/v1/batch/", "https://api.segment.io/v1"},
		{"no scheme", "events.eu1.segmentapis.com/v1", "https://events.eu1.segmentapis.com/v1"},
		{"no scheme, a port", "proxy.example.com:8443", "https://proxy.example.com:8443/v1"},
		{"capitals", "HTTPS://API.Segment.IO/v1", "https://api.segment.io/v1"},
		{"default port", "https://api.segment.io:443/v1", "https://api.segment.io/v1"},
		{"no digits in the port", "https://api.segment.io:/v1", "https://api.segment.io/v1"},
		{"a proxy's path", "https://proxy.example.com/segment", "https://proxy.example.com/segment/v1"},
		{"a proxy's path and batch", "https://proxy.example.com/segment/v1/batch", "https://proxy.example.com/segment/v1"},
		{"address of a proxy", "https://10.0.0.7:8443/v1", "https://10.0.0.7:8443/v1"},
		{"IPv6 proxy", "https://[2001:DB8::7]/v1", "https://[2001:db8::7]/v1"},
		{"loopback", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"},
		{"far in the loopback net", "http://127.8.9.10/", "http://127.8.9.10/v1"},
		{"IPv6 loopback", "http://[::1]:8080", "http://[::1]:8080/v1"},
		{"localhost", "http://LOCALHOST:80/v1", "http://localhost/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := region.ParseTrackingURL(c.text)
			if err != nil || got != c.want {
				t.Fatalf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// Row 73 of the fault matrix: what has no place in an endpoint is refused, and not repeated.
func TestRefusedURLs(t *testing.T) {
	for _, c := range []struct{ name, text, word string }{
		{"nothing", "", "empty"},
		{"white space", " \n", "empty"},
		{"plain http", "http://api.segment.io/v1", "plain http"},
		{"plain http, a name that begins like loopback", "http://127.0.0.1.example.com", "plain http"},
		{"plain http, a subdomain of localhost", "http://canary.localhost", "plain http"},
		{"plain http, an address in short form", "http://127.1", "host"},
		{"plain http, IPv4 in IPv6", "http://[::ffff:127.0.0.1]", "host"},
		{"plain http, private address", "http://192.168.0.1", "plain http"},
		{"other scheme", "ftp://canary.example.com", "https"},
		{"user", "https://canary@api.segment.io/v1", "user"},
		{"user and password", "https://canary:x@api.segment.io/v1", "user"},
		{"user, no scheme", "canary:@api.segment.io/v1", "user"},
		{"query", "https://api.segment.io/v1?writeKey=canary", "query"},
		{"empty query", "https://api.segment.io/v1?", "query"},
		{"fragment", "https://api.segment.io/v1#canary", "fragment"},
		{"empty fragment", "https://api.segment.io/v1#", "fragment"},
		{"new line", "https://api.segment.io/v1\r\nX: canary", "character"},
		{"escape", "https://api.segment.io/%63anary", "character"},
		{"non-ASCII host", "https://cänary.example.com", "character"},
		{"backslash", `https:\\canary`, "character"},
		{"no host", "https:///v1/canary", "host"},
		{"empty label", "https://canary..example.com", "host"},
		{"port out of range", "https://canary.example.com:65536", "port"},
		{"port 0", "https://canary.example.com:0", "port"},
		{"port of letters", "https://api.segment.io:canary", "not a URL"},
		{"dot segments", "https://api.segment.io/canary/../v1", "dot segment"},
		{"empty segment", "https://api.segment.io/canary//v1", "empty"},
		{"bracket", "https://[canary", "not a URL"},
		{"too long", "https://api.segment.io/" + strings.Repeat("canary/", 400), "2048"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, parse := range []func(string) (string, error){region.ParseTrackingURL, region.ParseBaseURL} {
				got, err := parse(c.text)
				var urlErr *region.URLError
				if !errors.As(err, &urlErr) || got != "" {
					t.Fatalf("got %q, %v; want a *URLError", got, err)
				}
				if !strings.Contains(urlErr.Reason, c.word) {
					t.Errorf("reason %q does not say %q", urlErr.Reason, c.word)
				}
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("the error repeats the text: %v", err)
				}
			}
		})
	}
}

func TestPathsThatCouldMeanTwoThings(t *testing.T) {
	for _, text := range []string{
		"https://api.segment.io/batch", "https://api.segment.io/v1/track", "https://api.segment.io/v1/batch/batch",
		"https://api.segment.io/v1/v1", "https://api.segment.io/v2", "https://api.segment.io/v1/b",
	} {
		if got, err := region.ParseTrackingURL(text); err == nil {
			t.Errorf("%s was taken as %s", text, got)
		}
		if got, err := region.ParseBaseURL(text); err != nil || got != text {
			t.Errorf("ParseBaseURL(%s) = %s, %v", text, got, err)
		}
	}
}

// reasons are all that an error may say, so that nothing of a text can be in one.
func reasons() map[string]bool {
	set := map[string]bool{}
	for _, text := range []string{
		"", strings.Repeat("a", 2049), "%", "a@b", "?", "#", "https://[", "ftp://a", "http://a", "https://", "https://a:0",
		"https://a/./b", "https://a/v2", "https://a/batch",
	} {
		_, err := region.ParseTrackingURL(text)
		set[err.Error()] = true
	}
	return set
}

func FuzzParseTrackingURL(f *testing.F) {
	for _, seed := range []string{
		"https://api.segment.io/v1", "api.segment.io", "http://[::1]:80/v1/batch", "https://a:443//", "https://key:@a", "http://127.1",
		"https://a/v1/v1", "//a", "https://%61", "https://a/v1?x", "http://[::ffff:7f00:1]", "HTTP://LocalHost:00080",
	} {
		f.Add(seed)
	}
	known := reasons()
	f.Fuzz(func(t *testing.T, text string) {
		got, err := region.ParseTrackingURL(text)
		if err != nil {
			if got != "" || !known[err.Error()] {
				t.Fatalf("%q gave %q and %v", text, got, err)
			}
			return
		}
		again, err := region.ParseTrackingURL(got)
		if err != nil || again != got {
			t.Fatalf("%q became %q, which became %q, %v", text, got, again, err)
		}
		if base, err := region.ParseBaseURL(got); err != nil || base != got {
			t.Fatalf("as a base %q became %q, %v", got, base, err)
		}
		u, err := url.Parse(got)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "" || !strings.HasSuffix(u.Path, "/v1") {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		if u.Scheme == "http" && u.Hostname() != "localhost" {
			if addr, err := netip.ParseAddr(u.Hostname()); err != nil || !addr.IsLoopback() {
				t.Fatalf("plain http beyond loopback: %q", got)
			}
		} else if u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("scheme of %q", got)
		}
	})
}
