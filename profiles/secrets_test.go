package profiles_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

const (
	canaryKey   = "canary-write-key"
	canaryEmail = "canary@example.com"
)

// spy collects all that a program could print, and looks for the canaries in it.
type spy struct {
	t   *testing.T
	out bytes.Buffer
}

// dump prints a value in every way that a program might.
func (s *spy) dump(where string, values ...any) {
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&s.out, where+": "+verb+"\n", v)
		}
		if err, ok := v.(error); ok {
			for _, e := range chain(err) {
				fmt.Fprintf(&s.out, "%s: %v %+v %#v\n", where, e, e, e)
			}
		}
		text, err := json.Marshal(v)
		fmt.Fprintf(&s.out, "%s: %s %v\n", where, text, err)
		slog.New(slog.NewJSONHandler(&s.out, nil)).Info(where, "v", v)
		slog.New(slog.NewTextHandler(&s.out, nil)).Info(where, "v", v)
	}
	s.check(where)
}

// check fails the test where a canary was printed since the last check.
func (s *spy) check(where string) {
	s.t.Helper()
	out := s.out.String()
	for _, canary := range []string{canaryKey, canaryEmail, fmt.Sprintf("%x", canaryKey), fmt.Sprintf("%x", canaryEmail)} {
		if i := strings.Index(out, canary); i >= 0 {
			s.t.Errorf("%s shows %s: ...%s", where, canary, out[max(0, i-200):i+len(canary)])
		}
	}
	s.out.Reset()
}

// chain returns all errors that err wraps.
func chain(err error) []error {
	if err == nil {
		return nil
	}
	all := []error{err}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, chain(u.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			all = append(all, chain(e)...)
		}
	}
	return all
}

func TestNoKeyAndNoEmailIsShown(t *testing.T) {
	s := &spy{t: t}
	server := transporttest.NewServerWith(t, transporttest.ServerConfig{EventsPerSecond: -1, RequestsPerSecond: -1})
	key := profiles.NewWriteKey(canaryKey)
	var log bytes.Buffer
	cfg := profiles.Config{
		Endpoint: server.URL(), WriteKey: key, EventsPerSecond: -1, RequestsPerSecond: -1, AttemptTimeout: 200 * time.Millisecond,
		Deadline: time.Millisecond, CloseTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks: profiles.Hooks{
			Outcome: func(o profiles.Outcome) { s.dump("outcome", o, o.Err, o.Space) },
			Attempt: func(a profiles.Attempt) { s.dump("attempt", a, a.Err) },
		},
		BatchMessages: 1, Lanes: 1,
	}
	s.dump("config", cfg.WriteKey, struct{ c profiles.Config }{profiles.Config{WriteKey: key}}, profiles.Config{WriteKey: key}.WriteKey)
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.dump("client", client, client.Space(key), struct{ c *profiles.Client }{client})

	a := actions.SendIdentify{UserID: canaryEmail, Traits: actions.Traits{"email": canaryEmail}}
	faults := []transporttest.Step{
		transporttest.Status(400), transporttest.Status(401), transporttest.Status(403), transporttest.Status(404), transporttest.Status(413),
		transporttest.Status(500), transporttest.Status(501), transporttest.TooManyRequests(0), transporttest.ResetBeforeRead(),
		transporttest.ResetAfterRead(), transporttest.Hang(), transporttest.HTMLPortal(), transporttest.SuccessFalse(),
		transporttest.Redirect("http://" + canaryKey + ".example/" + canaryEmail), transporttest.TruncatedBody(),
	}
	for i, fault := range faults {
		server.Fail(fault)
		space := client.Space(profiles.NewWriteKey(fmt.Sprint(canaryKey, i))) // a key of its own: some faults are remembered
		o, err := space.Send(t.Context(), a)
		s.dump(fmt.Sprint("send ", i), o, err)
	}
	for name, bad := range map[string]actions.Action{
		"no event":    actions.SendTrack{UserID: canaryEmail},
		"long id":     actions.SendIdentify{UserID: canaryEmail, MessageID: strings.Repeat(canaryEmail, 9)},
		"bad value":   actions.SendIdentify{UserID: canaryEmail, Traits: actions.Traits{"email": struct{ C chan int }{}, "e": canaryEmail}},
		"bad marshal": actions.SendIdentify{UserID: canaryEmail, Traits: actions.Traits{"email": leaky{}}},
	} {
		err := client.Enqueue(t.Context(), bad)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		var own *profiles.Error
		if errors.As(err, &own) {
			own.MessageID = "" // the user's own id is an id, and is shown
		}
		s.dump(name, err)
	}
	_, err = profiles.New(profiles.Config{Endpoint: "https://" + canaryKey + "@example.com", WriteKey: profiles.NewWriteKey(canaryKey + "\n")})
	s.dump("bad config", err)

	dest := parse(t, `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":{"engage_space":"`+canaryKey+`","user_id":{"@path":"$.userId"}}}]}`)
	s.dump("destination", dest, *dest, struct{ d *profiles.Destination }{dest})
	for _, fields := range []string{
		`{"engage_space":"` + canaryKey + `"}`, `{"engage_space":{"@literal":"` + canaryKey + `"}}`, `{"engage_space":{"@template":"` + canaryKey + `"}}`,
		`{"engage_space":"` + canaryKey + `","__segment_internal_directive":{"@literal":{}}}`,
		`{"__segment_internal_directive":{"@literal":{"engage_space":"` + canaryKey + `"}}}`,
	} {
		d := parse(t, `{"mappings":[{"action":"sendIdentify","trigger":"type = \"identify\"","fields":`+fields+`}]}`)
		for _, m := range d.Mappings() {
			s.dump("mapping "+fields[:16], d, m, *m, struct{ m *profiles.Mapping }{m}, []*profiles.Mapping{m})
		}
		s.dump("preview", fmt.Sprint(d.Preview(record(t, `{"type":"identify"}`), 0).Messages))
		for _, f := range d.Lint() {
			s.dump("finding", f)
		}
	}
	for _, payload := range []string{
		`{"type":"identify","userId":["` + canaryEmail + `",2]}`, `{"type":"identify","userId":""}`,
	} {
		for _, o := range process(t, client, dest, records(t, payload)) {
			s.dump("record", o, o.Err())
		}
	}
	for _, text := range []string{
		`{"name":` + canaryKey, `{"region":"` + canaryKey + `","mappings":[]}`, `{"mappings":[{"fields":{"engage_space":"` + canaryKey + ` "}}]}`,
		`{"mappings":[{"action":"` + canaryEmail + `","trigger":"` + canaryEmail + `","fields":{"user_id":{"@case":"` + canaryEmail + `"}}}]}`,
	} {
		_, err := profiles.ParseDestination([]byte(text))
		s.dump("bad destination", err)
	}

	server.FailAlways(transporttest.Hang())
	if err := client.Enqueue(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	s.dump("shutdown", client.Shutdown(ctx))
	s.out.Write(log.Bytes())
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
	s.check("the log")
}

// leaky fails with an error that tells too much.
type leaky struct{}

func (leaky) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot encode " + canaryEmail) }
