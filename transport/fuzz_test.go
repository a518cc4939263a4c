package transport

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"success":true}`, `{"success":false}`, `{"success":`, "", "<html>", "\ufeff{}", `[]`, `{"Success":false}`, `{"success":false}{}`, "OK",
	} {
		f.Add(200, "application/json", []byte(seed))
		f.Add(204, "text/html;;", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}
		class, reason := classifyAnswer(resp, body)
		if class > Final || (class == Accepted) != (reason == "") {
			t.Fatalf("class %v, reason %q", class, reason)
		}
		byStatus, _ := classifyStatus(status)
		if byStatus != Accepted && class != byStatus || byStatus == Accepted && class != Accepted && class != Configuration {
			t.Fatalf("%d is %v, with the body %v", status, byStatus, class)
		}
		var object map[string]any
		if byStatus == Accepted && json.Unmarshal(body, &object) == nil && len(object) == 1 && object["success"] != nil {
			failed := object["success"] == false
			if failed != (class == Configuration) {
				t.Fatalf("%q is %v", body, class)
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","expires_in":3600}`, `{"access_token":"a","expires_in":"1e400"}`, `{"access_token":"a\r\n"}`, `{"expires_in":1}`, `[]`,
		`{"access_token":"a","token_type":"BEARER","expires_in":-1}`, `{"access_token":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, text []byte) {
		got := parseToken(text, now)
		if got == nil {
			return
		}
		value := got.reveal()
		if value == "" || len(value) > maxTokenLen || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("the token is %q", value)
		}
		if got.life < minTokenLife || got.life > maxTokenLife || !got.fetched.Equal(now) {
			t.Fatalf("it is good for %v", got.life)
		}
	})
}

func FuzzServerText(f *testing.F) {
	f.Add([]byte("plain"), "key")
	f.Add([]byte("\x1b[31m\u202e\r\n\xff\x00"), "31")
	f.Add([]byte(strings.Repeat("é", 300)), "é")
	f.Add([]byte(strings.Repeat("[write key]", 30)), "write")
	f.Fuzz(func(t *testing.T, text []byte, secret string) {
		if secret == "" {
			t.Skip()
		}
		var e Error
		e.setServerText(text, secrets{secret})
		got := e.ServerText()
		if len(text) == 0 {
			if got != "" {
				t.Fatalf("of nothing it made %s", got)
			}
			return
		}
		back, err := strconv.Unquote(got)
		if err != nil || len(got) > MaxServerText {
			t.Fatalf("%d bytes, %v: %s", len(got), err, got)
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Fatalf("not printable ASCII: %s", got)
			}
		}
		if rest := strings.ReplaceAll(back, redacted, ""); strings.Contains(rest, secret) && !strings.Contains(redacted, secret) && strings.Contains(string(text), secret) &&
			!strings.Contains(strings.ReplaceAll(string(text), secret, ""), secret) {
			t.Fatalf("the secret %q shows in %s", secret, got)
		}
	})
}
