package retl_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/region"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

func TestPreflightEndpoint(t *testing.T) {
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const page = "<!DOCTYPE html><title>Log in</title>SECRET"
	tests := []struct {
		name    string
		handler http.HandlerFunc
		verdict retl.Verdict
		text    string
	}{
		{"as it should", answer(200, "", `{"success":true}`), retl.VerdictOK, "answers as the Tracking API does (200)"},
		{"refuses nothing", answer(400, "", `{"message":"SECRET"}`), retl.VerdictOK, "(400)"},
		{"success false", answer(200, "", `{"success":false}`), retl.VerdictProblem, "success: false"},
		{"empty", answer(200, "", ""), retl.VerdictWarning, "not with the"},
		{"another API", answer(200, "", `{"ok":"SECRET"}`), retl.VerdictWarning, "not with the"},
		{"broken JSON", answer(200, "", `{"success":true`), retl.VerdictWarning, "not with the"},
		{"part", answer(206, "", `{"success":true}`), retl.VerdictProblem, "answers 206"},
		{"portal", answer(200, "", page), retl.VerdictProblem, "login page"},
		{"portal that says so", answer(511, "", page), retl.VerdictProblem, "(511)"},
		{"page with a 400", answer(400, "Content-Type: text/html", "SECRET"), retl.VerdictProblem, "a page (400)"},
		{"redirect", answer(302, "Location: https://login.example.com/?next=SECRET", ""), retl.VerdictProblem, `to the host "login.example.com" (302)`},
		{"redirect to nowhere", answer(307, "Location: :SECRET", ""), retl.VerdictProblem, "redirect that leads nowhere"},
		{"key refused", answer(401, "", "SECRET"), retl.VerdictProblem, "does not accept the write key (401)"},
		{"not there", answer(404, "", "SECRET"), retl.VerdictProblem, "no batch call at this path (404)"},
		{"not posted to", answer(405, "", ""), retl.VerdictProblem, "(405)"},
		{"proxy", answer(407, "", ""), retl.VerdictProblem, "proxy that wants credentials"},
		{"busy", answer(429, "", ""), retl.VerdictWarning, "rate limit"},
		{"fails", answer(503, "", ""), retl.VerdictWarning, "(503)"},
		{"fails with a page", answer(502, "", page), retl.VerdictProblem, "a page (502)"},
		{"teapot", answer(418, "", ""), retl.VerdictProblem, "answers 418"},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, retl.VerdictProblem, "without an answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			w := newPreflight(t)
			w.config.HTTPClient.Transport = to(server.URL)
			r := w.run()
			says(t, r, retl.CheckEndpoint, tt.verdict, tt.text)
			if tt.verdict != retl.VerdictOK {
				only(t, r, retl.CheckEndpoint)
			}
		})
	}
}

func TestPreflightRequest(t *testing.T) {
	for _, oauth := range []bool{false, true} {
		w := newPreflight(t)
		if oauth {
			w.config.OAuth = oauthConfig(t)
		}
		r := w.run()
		says(t, r, retl.CheckEndpoint, retl.VerdictOK, "")
		got := w.server.Requests()
		if len(got) != 1 || got[0].Path != "/v1/batch" || got[0].WriteKey != ownKey || got[0].Messages != 0 || got[0].Auth != map[bool]string{false: "Basic"}[oauth] {
			t.Errorf("requests %+v", got)
		}
	}
}

// A server that wants a token is the API all the same.
func TestPreflightOAuth(t *testing.T) {
	w := newPreflight(t)
	w.server = transporttest.NewServerWith(t, transporttest.ServerConfig{OAuth: transporttest.OAuth{Required: true}})
	w.config.HTTPClient.Transport = to(w.server.URL())
	says(t, w.run(), retl.CheckEndpoint, retl.VerdictProblem, "Config.OAuth")
	w.config.OAuth = oauthConfig(t)
	says(t, w.run(), retl.CheckEndpoint, retl.VerdictOK, "token was not tried")
}

func TestPreflightUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := listener.Addr().String()
	listener.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer garbage.Close()
	go func() {
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 mail.example.com ESMTP\r\n")
			c.Close()
		}
	}()
	tests := []struct{ name, endpoint, text string }{
		{"refused", "http://" + refused, "no connection could be made"},
		{"certificate", secure.URL, "certificate is not trusted"},
		{"plain", strings.Replace(plain.URL, "http:", "https:", 1), "does not speak HTTPS"},
		{"another protocol", "https://" + garbage.Addr().String(), "does not speak HTTPS"},
		{"no such host", "https://host.invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			w.config.HTTPClient, w.config.Region, w.config.Endpoint = nil, 0, tt.endpoint
			w.flight.Timeout = 2 * time.Second
			r := w.run()
			c := says(t, r, retl.CheckEndpoint, retl.VerdictProblem, tt.text)
			if c.Err == nil || c.Advice == "" {
				t.Errorf("%+v", c)
			}
			says(t, r, retl.CheckClock, retl.VerdictNotChecked, "")
			only(t, r, retl.CheckEndpoint)
		})
	}
}

func TestPreflightClock(t *testing.T) {
	for _, tt := range []struct {
		skew    time.Duration
		verdict retl.Verdict
		text    string
	}{
		{0, retl.VerdictOK, "5 minutes"}, {-4 * time.Minute, retl.VerdictOK, ""}, {4 * time.Minute, retl.VerdictOK, ""},
		{-10 * time.Minute, retl.VerdictWarning, "minutes ahead of"}, {72*time.Hour + time.Minute, retl.VerdictWarning, "3 days behind"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(tt.skew).UTC().Format(http.TimeFormat))
			fmt.Fprint(w, `{"success":true}`)
		}))
		w := newPreflight(t)
		w.config.HTTPClient.Transport = to(server.URL)
		r := w.run()
		says(t, r, retl.CheckClock, tt.verdict, tt.text)
		only(t, r, retl.CheckClock)
		server.Close()
	}
	w := newPreflight(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		fmt.Fprint(w, `{"success":true}`)
	}))
	defer server.Close()
	w.config.HTTPClient.Transport = to(server.URL)
	says(t, w.run(), retl.CheckClock, retl.VerdictNotChecked, "")
}

func TestPreflightRegion(t *testing.T) {
	tests := []struct {
		name           string
		client         region.Region
		dest, endpoint string
		verdict        retl.Verdict
		text           string
	}{
		{"same", region.Europe, "europe", "", retl.VerdictOK, "both say europe"},
		{"not said", region.NorthAmerica, "", "", retl.VerdictOK, "sends to north_america"},
		{"other", region.NorthAmerica, "europe", "", retl.VerdictProblem, "Endpoint Region is europe, and the client sends to that of north_america"},
		{"other endpoint", region.Europe, "europe", "https://api.segment.io", retl.VerdictProblem, "the client's Region is europe, and its Endpoint is that of north_america"},
		{"endpoint alone", 0, "europe", "https://events.eu1.segmentapis.com/v1/", retl.VerdictOK, "both say europe"},
		{"other endpoint alone", 0, "europe", "https://api.segment.io/v1", retl.VerdictProblem, "sends to that of north_america"},
		{"own server", 0, "europe", "https://segment.example.com", retl.VerdictNotChecked, "of which the region is not known"},
		{"own server of another region", region.NorthAmerica, "europe", "https://segment.example.com", retl.VerdictProblem, "client's Region is north_america"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			w.config.Region, w.config.Endpoint = tt.client, tt.endpoint
			w.dest = people
			if tt.dest != "" {
				w.dest = strings.Replace(people, `"name"`, `"region": "`+tt.dest+`", "name"`, 1)
			}
			r := w.run()
			says(t, r, retl.CheckRegion, tt.verdict, tt.text)
			says(t, r, retl.CheckConfiguration, retl.VerdictOK, "")
			only(t, r, retl.CheckRegion)
		})
	}
}

func TestPreflightOwnTransport(t *testing.T) {
	w := newPreflight(t)
	w.config = profiles.Config{Transport: new(transporttest.Recorder), WriteKey: ownKey, EventsPerSecond: -1}
	r := w.run()
	for _, name := range []string{retl.CheckRegion, retl.CheckEndpoint, retl.CheckClock} {
		says(t, r, name, retl.VerdictNotChecked, "")
	}
	if !r.OK() || len(r.In(retl.VerdictWarning)) > 0 {
		t.Errorf("%s", r)
	}
}
