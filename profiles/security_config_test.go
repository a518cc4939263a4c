package profiles_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Row 72: a write key that would break a header, or cannot be one. New and Space refuse it, and do not repeat it.
func TestFault72WriteKeys(t *testing.T) {
	client, server := newServed(t)
	for name, text := range map[string]string{
		"CRLF": canaryKey + "\r\nX-Injected: 1", "line feed": canaryKey + "\n", "space": canaryKey + " x", "colon": canaryKey + ":x",
		"NUL": canaryKey + "\x00", "beyond ASCII": canaryKey + "é", "10 KB": strings.Repeat(canaryKey, 625),
	} {
		_, err := profiles.New(profiles.Config{Endpoint: server.URL(), WriteKey: profiles.NewWriteKey(text)})
		var bad *profiles.ConfigError
		if !errors.As(err, &bad) || len(bad.Problems) != 1 || bad.Problems[0].Field != "WriteKey" {
			t.Errorf("%s: New: %v", name, err)
		}
		sendErr := client.Space(profiles.NewWriteKey(text)).Enqueue(t.Context(), actions.SendIdentify{UserID: "u1"})
		var of *profiles.Error
		if !errors.As(sendErr, &of) || of.Status != profiles.Invalid {
			t.Errorf("%s: Enqueue: %v", name, sendErr)
		}
		for _, err := range []error{err, sendErr} {
			if shown := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(shown, canaryKey) || strings.Contains(shown, "Injected") {
				t.Errorf("%s: the error repeats it: %s", name, shown)
			}
		}
	}
	if n := server.Stats().Requests; n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// Row 73: an endpoint over plain HTTP, or with something in it that has no place there. New refuses it, and does not repeat it; loopback is
// the exception.
func TestFault73Endpoints(t *testing.T) {
	for name, endpoint := range map[string]string{
		"plain HTTP": "http://" + canaryKey + ".example.com", "user": "https://" + canaryKey + "@example.com", "password": "https://u:" + canaryKey + "@example.com",
		"query": "https://example.com/?k=" + canaryKey, "fragment": "https://example.com/#" + canaryKey, "another scheme": "file:///" + canaryKey,
		"private address": "http://10.0.0.1/" + canaryKey, "line feed": "https://example.com/" + canaryKey + "\r\nX: 1", "a call": "https://example.com/v1/" + canaryKey + "/v1/batch/x",
	} {
		_, err := profiles.New(profiles.Config{Endpoint: endpoint, WriteKey: spaceKey})
		var bad *profiles.ConfigError
		if !errors.As(err, &bad) || len(bad.Problems) != 1 || bad.Problems[0].Field != "Endpoint" {
			t.Errorf("%s: %v", name, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(shown, canaryKey) {
			t.Errorf("%s: the error repeats it: %s", name, shown)
		}
	}
	for _, endpoint := range []string{"http://127.0.0.1:8080", "http://localhost/v1", "http://[::1]:1", "example.com/segment"} {
		client, err := profiles.New(profiles.Config{Endpoint: endpoint, WriteKey: spaceKey})
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			continue
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Every value that a program holds, alone and within others, in every form of fmt, encoding/json and log/slog: no secret shows, and no
// personal data.
func TestValuesShowNoSecrets(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, transport.MinKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	key := profiles.NewWriteKey(canaryKey)
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(400))
	oauth := &transport.OAuthConfig{AppID: "app", KeyID: "key", PrivateKey: private}
	client := newClient(t, profiles.Config{Endpoint: server.URL(), WriteKey: key})
	o, sendErr := client.Send(t.Context(), actions.SendIdentify{UserID: canaryEmail})
	if o.Status != profiles.Rejected || !strings.Contains(string(o.Message()), canaryEmail) {
		t.Fatalf("Send: %+v", o)
	}
	dest := parse(t, `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{"engage_space":"`+canaryKey+`","user_id":{"@path":"$.userId"}}}]}`)
	_, configErr := profiles.New(profiles.Config{Region: region.Europe, WriteKey: profiles.NewWriteKey(canaryKey + "\n"), OAuth: oauth, Lanes: -1})
	values := map[string]any{
		"WriteKey": key, "Config": profiles.Config{WriteKey: key, OAuth: oauth, Spool: &spool.Config{Dir: "d"}, Region: region.Europe},
		"OAuthConfig": *oauth, "HTTPConfig": transport.HTTPConfig{OAuth: oauth}, "Outcome": o, "Error": sendErr, "cause": errors.Unwrap(sendErr),
		"ConfigError": configErr, "Space": client.Space(key), "Attempt": profiles.Attempt{Space: key, Err: sendErr}, "Mapping": *dest.Mappings()[0],
		"Stats": client.Stats(), "request": server.Requests()[0],
	}
	secrets := []string{
		canaryKey, canaryEmail, hex.EncodeToString([]byte(canaryKey)), hex.EncodeToString([]byte(canaryEmail)),
		strings.Trim(fmt.Sprint([]byte(canaryKey)), "[]"), strings.Trim(fmt.Sprint([]byte(canaryEmail)), "[]"), fmt.Sprintf("% x", canaryKey),
		private.D.String()[:40], private.D.Text(16)[:40], private.Primes[0].String()[:40], private.Primes[1].Text(16)[:40],
	}
	for name, v := range values {
		for _, text := range shown(v) {
			for _, secret := range secrets {
				if at := strings.Index(strings.ToLower(text), strings.ToLower(secret)); at >= 0 {
					t.Fatalf("%s shows %.60s: ...%s", name, secret, text[max(0, at-200):at+len(secret)])
				}
			}
		}
	}
}

// shown returns a value, alone and within others, in all forms that the standard library prints it in.
func shown(v any) (all []string) {
	type exported struct{ V any }
	type unexported struct{ v any }
	for _, form := range []any{v, exported{v}, unexported{v}, &exported{v}, &unexported{v}, []any{v}, map[string]any{"v": v}} {
		for _, verb := range "vdsqxXtbcoOUeEfFgGpT" {
			for _, flag := range []string{"", "+", "#", " "} {
				all = append(all, fmt.Sprintf("%"+flag+string(verb), form))
			}
		}
		text, err := json.Marshal(form)
		var log strings.Builder
		for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
			slog.New(h).Info("message", "v", form, slog.Group("g", "v", form))
		}
		all = append(all, string(text), fmt.Sprint(err), log.String())
	}
	return all
}

// There is no option with which the library itself would not look at certificates: whoever wants that has to bring a client that does not.
func TestNoOptionSwitchesTLSOff(t *testing.T) {
	seen := 0
	for _, of := range []reflect.Type{
		reflect.TypeFor[profiles.Config](), reflect.TypeFor[transport.HTTPConfig](), reflect.TypeFor[transport.OAuthConfig](), reflect.TypeFor[spool.Config](),
	} {
		for f := range of.Fields() {
			seen++
			name := strings.ToLower(f.Name)
			if strings.Contains(name, "insecure") || strings.Contains(name, "skip") || strings.Contains(name, "tls") || f.Type == reflect.TypeFor[*tls.Config]() {
				t.Errorf("%s has the field %s", of, f.Name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d fields were looked at", seen)
	}
}
