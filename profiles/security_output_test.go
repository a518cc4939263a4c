package profiles_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
)

const (
	canaryToken = "canary-token"
	canaryProxy = "canary-proxy-password"
	jobKey      = "PROFILES_TEST_PRIVATE_KEY" // PEM
)

// An echo is a server that repeats all that it was sent, in its headers and its body, under every status there is.
type echo struct {
	batches, tokens atomic.Int64
}

func (s *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Echo", r.Header.Get("Authorization"))
	if r.URL.Path == "/token" {
		if s.tokens.Add(1) == 1 {
			w.WriteHeader(http.StatusBadRequest)
			w.Write(body)
			return
		}
		fmt.Fprintf(w, `{"access_token":"%s","expires_in":3600}`, canaryToken)
		return
	}
	statuses := []int{400, 401, 403, 404, 413, 429, 500, 501, 503, 511, 302, 206, 0, 1, 200}
	status := statuses[int(s.batches.Add(1)-1)%len(statuses)]
	switch status {
	case 0: // an answer that is no HTTP
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 %s %s\r\n\r\n", r.Header.Get("Authorization"), body)
			conn.Close()
		}
		return
	case 1: // a broken connection
		panic(http.ErrAbortHandler)
	case 302:
		w.Header().Set("Location", "http://"+canaryKey+".example/"+canaryEmail)
	case 200:
		fmt.Fprintf(w, `{"success":false,"echo":%q}`, body)
		return
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s %s", r.Header.Get("Authorization"), body)
}

// showAll prints values in the ways in which programs do.
func showAll(values ...any) {
	for _, v := range values {
		fmt.Printf("%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
		log.Print(v)
		slog.Error("value", "v", v)
		if err, ok := v.(error); ok {
			for _, e := range chain(err) {
				fmt.Printf("%v %+v %#v %s\n", e, e, e, e)
			}
		}
		text, err := json.Marshal(v)
		fmt.Printf("%s %v\n", text, err)
	}
}

// tellAll is a program that shows whatever it can get hold of, and ends in a panic with all there is on the stacks.
func tellAll(t *testing.T, cfg profiles.Config) {
	block, _ := base64.StdEncoding.DecodeString(os.Getenv(jobKey))
	private, err := transport.ParsePrivateKey(block)
	if err != nil {
		t.Fatal(err)
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	key := profiles.NewWriteKey(canaryKey)
	dir := cfg.Spool.Dir
	dead, err := profiles.OpenDeadLetterFile(dir+".dead", 0)
	if err != nil {
		t.Fatal(err)
	}
	base := cfg
	base.WriteKey, base.Spool = key, nil
	base.Logger, base.DeadLetters = slog.Default(), dead.Write
	base.AttemptTimeout, base.Deadline, base.CloseTimeout = 2*time.Second, time.Millisecond, 100*time.Millisecond
	base.Hooks = profiles.Hooks{
		Outcome: func(o profiles.Outcome) { showAll(o, o.Err, o.Space); panic(o) },
		Attempt: func(a profiles.Attempt) { showAll(a, a.Err) },
	}
	withOAuth, stored, proxied := base, base, base
	withOAuth.OAuth = &transport.OAuthConfig{AppID: "app", KeyID: "key", PrivateKey: private, TokenServer: cfg.Endpoint}
	stored.Spool = &spool.Config{Dir: dir}
	proxied.Endpoint = "https://segment.example.com" // through the proxy of the environment
	a := actions.SendIdentify{UserID: canaryEmail, Traits: actions.Traits{"email": canaryEmail}}
	for name, c := range map[string]profiles.Config{"plain": base, "oauth": withOAuth, "spool": stored, "proxy": proxied} {
		showAll(c, &c, struct{ c profiles.Config }{c}, c.OAuth, c.Spool)
		client, err := profiles.New(c)
		if err != nil {
			t.Fatal(err)
		}
		showAll(client.Stats(), client.Space(key), err)
		times := 16
		if name == "proxy" {
			times = 2
		}
		for i := range times {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			space := client.Space(profiles.NewWriteKey(fmt.Sprint(canaryKey, i))) // one of its own: some faults are remembered
			o, err := space.Send(ctx, a)
			showAll(o, err)
			cancel()
		}
		if name == "spool" {
			_, err := profiles.New(c)
			showAll(err)
			info, err := spool.Inspect(dir)
			showAll(info, err)
		}
		showAll(client.Close())
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []profiles.Config{
		{Endpoint: "https://" + canaryKey + "@example.com/?" + canaryKey, WriteKey: profiles.NewWriteKey(canaryKey + "\r\n")},
		{Endpoint: cfg.Endpoint, OAuth: &transport.OAuthConfig{AppID: canaryKey + "\n", PrivateKey: private}},
	} {
		_, err := profiles.New(bad)
		showAll(err)
	}
	say("done")
	base.DeadLetters = nil
	client, err := profiles.New(base)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Send(t.Context(), a)
	panic(err)
}

// Row 71: whatever a program prints, logs or dies with, and whatever it leaves in its spool and its dead letters, there is no write key, token,
// private key or password in it; personal data is in the messages themselves and nowhere else.
func TestFault71NothingIsTold(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, transport.MinKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	der := x509.MarshalPKCS1PrivateKey(private)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der})
	hostile := new(echo)
	server := httptest.NewUnstartedServer(hostile)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	dir := filepath.Join(t.TempDir(), "spool")
	p := start(t, "leak", dir, server.URL, jobKey+"="+base64.StdEncoding.EncodeToString(text), "GOTRACEBACK=all",
		"HTTPS_PROXY=http://user:"+canaryProxy+"@127.0.0.1:1", "NO_PROXY=")
	if got := p.hear(); got != "done" {
		t.Fatalf("it says %q\n%s", got, p.all.String())
	}
	if code := p.end(); code != 2 {
		t.Errorf("it ended with %d", code)
	}
	secrets := map[string]string{
		"the write key": canaryKey, "the write key in hexadecimal": hex.EncodeToString([]byte(canaryKey)),
		"the write key in Base64": base64.StdEncoding.EncodeToString([]byte(canaryKey))[:20],
		"the token":               canaryToken, "the token in hexadecimal": hex.EncodeToString([]byte(canaryToken)),
		"the private key": private.D.String()[:40], "the private key in hexadecimal": private.D.Text(16)[:40], "a prime": private.Primes[0].String()[:40],
		"the PEM": base64.StdEncoding.EncodeToString(der)[400:440], "the proxy's password": canaryProxy,
	}
	find := func(where, text string) {
		t.Helper()
		for name, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows %s: ...%s", where, name, text[max(0, at-300):at+len(secret)])
			}
		}
	}
	find("the directory", fmt.Sprint(filepath.Glob(filepath.Join(dir, "*"))))
	personal := 0
	for name, text := range snapshot(t, filepath.Dir(dir)) {
		find(name, text)
		if strings.Contains(text, canaryEmail) {
			personal++
		}
	}
	if personal < 2 {
		t.Errorf("the message is in %d files: the spool's and that of dead letters should have it", personal)
	}
	secrets["personal data"], secrets["personal data in hexadecimal"] = canaryEmail, hex.EncodeToString([]byte(canaryEmail))
	out := p.all.String()
	find("the output", out)
	for _, part := range []string{`"level":"ERROR"`, `"level":"WARN"`, "rejected", "[write key]", "panic:", "goroutine ", "end the other process", "segment.example.com"} {
		if !strings.Contains(out, part) {
			t.Errorf("the output of %d bytes has no %q in it: it shows less than it should", len(out), part)
		}
	}
	if hostile.batches.Load() < 40 || hostile.tokens.Load() < 2 {
		t.Errorf("%d batches and %d requests for a token came to the server", hostile.batches.Load(), hostile.tokens.Load())
	}
	if info, err := os.Stat(dir + ".dead"); err != nil || info.Size() == 0 {
		t.Errorf("there are no dead letters: %v", err)
	}
}
