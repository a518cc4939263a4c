package retl_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// Whatever must not be seen in a report has SECRET in it.
var (
	ownKey   = profiles.NewWriteKey("SECRETown0123456789")
	otherKey = profiles.NewWriteKey("SECRETother0123456789")
)

// A preflightWorld is all that a preflight looks at.
type preflightWorld struct {
	t      *testing.T
	server *transporttest.Server
	api    *publicapitest.Server
	config profiles.Config
	sync   retl.Sync
	flight retl.Preflight
	dest   string
}

// newPreflight is a world in which nothing is wrong: a client of Europe whose requests reach a server, and a Profile Space of its key.
func newPreflight(t *testing.T) *preflightWorld {
	w := &preflightWorld{t: t, dest: people, server: transporttest.NewServer(t), api: publicapitest.NewServer(t)}
	w.dest = strings.Replace(people, `"name"`, `"region": "europe", "name"`, 1)
	w.config.WriteKey = ownKey
	w.config.HTTPClient = &http.Client{Transport: to(w.server.URL())}
	if err := w.config.Region.UnmarshalText([]byte("europe")); err != nil {
		t.Fatal(err)
	}
	w.api.AddSpace("Production", ownKey)
	w.flight = retl.Preflight{CDN: w.api.CDN(), API: apiOf(t, w.api)}
	w.sync = retl.Sync{State: new(retl.MemoryState), Model: retl.Model{Name: "people", Key: "id", Records: rowsOf(12)}}
	return w
}

func apiOf(t *testing.T, server *publicapitest.Server) *publicapi.Client {
	t.Helper()
	client, err := publicapi.New(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// to reaches one server whatever the address.
type to string

func (base to) RoundTrip(r *http.Request) (*http.Response, error) {
	u, err := url.Parse(string(base))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = u.Scheme, u.Host
	return http.DefaultTransport.RoundTrip(r)
}

func row(i int) profiles.Record {
	return profiles.Record{"id": fmt.Sprintf("SECRET-%03d", i), "email": fmt.Sprintf("SECRET%d@example.com", i)}
}

func rowsOf(n int) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for i := range n {
			if !yield(row(i), nil) {
				return
			}
		}
	}
}

func these(rows ...profiles.Record) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// run makes a preflight, and sees that nothing secret is in its report, and that nothing was sent or moved.
func (w *preflightWorld) run() retl.PreflightReport { return w.runWith(w.t.Context()) }

func (w *preflightWorld) runWith(ctx context.Context) retl.PreflightReport {
	w.t.Helper()
	client, err := profiles.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	w.sync.Client = client
	if w.dest != "" {
		if w.sync.Destination, err = profiles.ParseDestination([]byte(w.dest)); err != nil {
			w.t.Fatal(err)
		}
	}
	r := w.sync.Preflight(ctx, w.flight)
	w.harmless(r)
	return r
}

func (w *preflightWorld) harmless(r retl.PreflightReport) {
	w.t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, shown := range []string{string(text), r.String(), fmt.Sprintf("%+v", r)} {
		if strings.Contains(shown, "SECRET") {
			w.t.Errorf("shown: %s", shown)
		}
	}
	if s := w.server.Stats(); s.Messages != 0 {
		w.t.Errorf("%d messages were sent", s.Messages)
	}
	var back retl.PreflightReport
	if err := json.Unmarshal(text, &back); err != nil || back.String() != r.String() {
		w.t.Errorf("read back: %v\n%s", err, back)
	}
	names := []string{
		retl.CheckConfiguration, retl.CheckRegion, retl.CheckLimits, retl.CheckState, retl.CheckEndpoint, retl.CheckClock, retl.CheckWriteKey,
		retl.CheckSpace, retl.CheckRows, retl.CheckMapping,
	}
	var got []string
	for _, c := range r.Checks {
		if c.Found == "" || c.Verdict == 0 || c.Verdict == retl.VerdictProblem && c.Advice == "" && c.Name != retl.CheckMapping {
			w.t.Errorf("says nothing: %v", c)
		}
		got = append(got, c.Name)
	}
	if got = slices.Compact(got); !slices.Equal(got, names) {
		w.t.Errorf("checks are %q\n%s", got, r)
	}
}

// oauthConfig is one whose token nobody gives out.
func oauthConfig(t *testing.T) *transport.OAuthConfig {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &transport.OAuthConfig{AppID: "SECRETapp", KeyID: "SECRETkey", PrivateKey: key}
}

// says fails the test unless a check of the name has the verdict, and text in what it says.
func says(t *testing.T, r retl.PreflightReport, name string, verdict retl.Verdict, text string) retl.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name && c.Verdict == verdict && strings.Contains(c.String(), text) {
			return c
		}
	}
	t.Errorf("no %s is %s with %q:\n%s", name, verdict, text, r)
	return retl.Check{}
}

// only fails the test unless the problems and warnings are those of one name.
func only(t *testing.T, r retl.PreflightReport, name string) {
	t.Helper()
	for _, c := range slices.Concat(r.In(retl.VerdictProblem), r.In(retl.VerdictWarning)) {
		if c.Name != name {
			t.Errorf("also: %s", c)
		}
	}
}

func TestPreflightFindsNothing(t *testing.T) {
	w := newPreflight(t)
	w.flight.Space = "Production"
	r := w.run()
	if !r.OK() || len(r.In(retl.VerdictOK)) != len(r.Checks) {
		t.Errorf("%s", r)
	}
	says(t, r, retl.CheckRegion, retl.VerdictOK, "both say europe")
	says(t, r, retl.CheckSpace, retl.VerdictOK, `the Profile Space "Production"`)
	says(t, r, retl.CheckRows, retl.VerdictOK, "10 of the first 10 rows can be sent, of 2 columns; the rest was not looked at")
	says(t, r, retl.CheckMapping, retl.VerdictOK, "10 of 10 rows give messages")
	says(t, r, retl.CheckMapping, retl.VerdictOK, `mapping "gone": ok: sendIdentify: of 10 rows its trigger matches 0 new, 0 updated, 10 deleted`)
	if n := w.server.Stats().Requests; n != 1 {
		t.Errorf("the endpoint was asked %d times", n)
	}
	head, err := w.sync.State.Head(t.Context())
	if err != nil || head.Generation != 0 || len(head.Mappings) > 0 {
		t.Errorf("the state has %+v, %v", head, err)
	}
}

// The zero Preflight works; here it does not reach the CDN.
func TestPreflightOfNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &preflightWorld{t: t, server: transporttest.NewServer(t)}
	r := retl.Sync{}.Preflight(ctx, retl.Preflight{})
	w.harmless(r)
	for _, field := range []string{"Client", "Destination", "State", "Model.Name", "Model.Key", "Model.Records"} {
		says(t, r, retl.CheckConfiguration, retl.VerdictProblem, field+" is required")
	}
	only(t, r, retl.CheckConfiguration)
	if r.OK() || (retl.PreflightReport{}).OK() {
		t.Error("it is OK")
	}
	r = retl.Sync{Client: new(profiles.Client), Destination: new(profiles.Destination), State: new(retl.MemoryState),
		Model: retl.Model{Name: "m", Key: "k", Records: rowsOf(1)}}.Preflight(t.Context(), retl.Preflight{})
	w.harmless(r)
	says(t, r, retl.CheckConfiguration, retl.VerdictProblem, "profiles.New")
}

func TestPreflightEnds(t *testing.T) {
	w := newPreflight(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("SECRET"))
	r := w.runWith(ctx)
	if !r.OK() || len(r.In(retl.VerdictWarning)) > 0 {
		t.Errorf("%s", r)
	}
	for _, name := range []string{retl.CheckState, retl.CheckEndpoint, retl.CheckClock, retl.CheckWriteKey, retl.CheckSpace, retl.CheckRows, retl.CheckMapping} {
		says(t, r, name, retl.VerdictNotChecked, "")
	}
}

func TestPreflightEndsAmongRows(t *testing.T) {
	w := newPreflight(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.sync.Model.Records = func(yield func(profiles.Record, error) bool) {
		for i := 0; yield(row(i), nil); i++ {
			if i == 2 {
				cancel()
			}
		}
	}
	r := w.runWith(ctx)
	says(t, r, retl.CheckRows, retl.VerdictNotChecked, "ended after 3 rows")
	if !r.OK() {
		t.Errorf("%s", r)
	}
}

func TestPreflightIsBounded(t *testing.T) {
	w := newPreflight(t)
	w.server.FailAlways(transporttest.Hang())
	for range 8 {
		w.api.Fail(publicapitest.Hang())
	}
	w.flight.Timeout = 50 * time.Millisecond
	start := time.Now()
	r := w.run()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	says(t, r, retl.CheckEndpoint, retl.VerdictProblem, "no answer came in time")
	says(t, r, retl.CheckWriteKey, retl.VerdictNotChecked, "could not be asked")
	says(t, r, retl.CheckSpace, retl.VerdictNotChecked, "could not be listed")
	says(t, r, retl.CheckRows, retl.VerdictOK, "")
}

func TestVerdictText(t *testing.T) {
	for v := retl.VerdictOK; v <= retl.VerdictProblem; v++ {
		text, err := v.MarshalText()
		var back retl.Verdict
		if err != nil || back.UnmarshalText(text) != nil || back != v || string(text) != v.String() {
			t.Errorf("%d is %s, %v", v, text, err)
		}
	}
	v := retl.VerdictWarning
	if _, err := retl.Verdict(9).MarshalText(); err == nil || v.UnmarshalText([]byte("fine")) == nil || v != retl.VerdictWarning {
		t.Error("took what is none")
	}
	if retl.Verdict(0).String() != "" || retl.Verdict(9).String() != "Verdict(9)" {
		t.Error("names what is none")
	}
}
