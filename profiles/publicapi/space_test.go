package publicapi_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
)

func TestSpaces(t *testing.T) {
	for _, pageSize := range []int{0, 1, 2, 3, 7} {
		t.Run(fmt.Sprint("pages of ", pageSize), func(t *testing.T) {
			server := publicapitest.NewServer(t)
			server.SetPageSize(pageSize)
			addSources(server, 2)
			first := server.AddSpace("Production", production)
			addSources(server, 3)
			server.AddSource(publicapitest.Source{ID: "2", Slug: "stage", Name: "Staging", Kind: publicapitest.SpaceKind, Disabled: true,
				WriteKeys: []profiles.WriteKey{staging, production}})
			client := newClient(t, server)
			want := []publicapi.Space{
				{Name: "Production", ID: first, Slug: first, Enabled: true, Key: production},
				{Name: "Staging", ID: "2", Slug: "stage", Key: staging},
			}
			for range 2 { // the sequence can be used again
				if got, err := spaces(t, client); err != nil || !slices.Equal(got, want) {
					t.Errorf("got %v, %v", got, err)
				}
			}
			requests := server.Requests()
			wantRequests := 2
			if pageSize > 0 {
				wantRequests = 2 * ((7 + pageSize - 1) / pageSize)
			}
			if len(requests) != wantRequests {
				t.Errorf("%d requests, want %d", len(requests), wantRequests)
			}
			if q := requests[0].Query; q.Get("pagination.count") != "200" || q.Get("pagination.cursor") != "MA==" {
				t.Errorf("the first page was asked for with %v", q)
			}
		})
	}
}

func TestSpacesStop(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.SetPageSize(1)
	server.AddSpace("a", production)
	server.AddSpace("b", staging)
	for s, err := range newClient(t, server).Spaces(t.Context()) {
		if s.Name != "a" || err != nil {
			t.Errorf("got %v, %v", s, err)
		}
		break
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d requests for one space", n)
	}
}

// An entry that moves to the next page while the pages are read is given once.
func TestSpacesMove(t *testing.T) {
	server := publicapitest.NewServer(t)
	page := func(next string) string {
		return `{"data":{"sources":[{"id":"1","name":"a","enabled":true,"writeKeys":["k1"],"metadata":{"slug":"personas-compute"}}],
			"pagination":{"current":"MA==","next":` + next + `,"totalEntries":2}}}`
	}
	server.Fail(publicapitest.Answer(200, nil, page(`"a+b/c=&d"`)), publicapitest.Answer(200, nil, page("null")))
	client := newClient(t, server)
	if s, err := client.Space(t.Context(), "a"); err != nil || s.Key.Reveal() != "k1" {
		t.Errorf("got %v, %v", s, err)
	}
	if got := server.Requests()[1].Query.Get("pagination.cursor"); got != "a+b/c=&d" {
		t.Errorf("the cursor has become %q", got)
	}
}

func TestSpace(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.SetPageSize(2)
	server.AddSource(publicapitest.Source{ID: "id1", Slug: "slug1", Name: "Production", Kind: publicapitest.SpaceKind, WriteKeys: []profiles.WriteKey{production}})
	server.AddSource(publicapitest.Source{ID: "id2", Slug: "Production", Name: "Staging", Kind: publicapitest.SpaceKind, WriteKeys: []profiles.WriteKey{staging}})
	server.AddSource(publicapitest.Source{ID: "id3", Name: "Twice", Kind: publicapitest.SpaceKind})
	server.AddSource(publicapitest.Source{ID: "id4", Name: "Twice", Kind: publicapitest.SpaceKind})
	server.AddSource(publicapitest.Source{ID: "id5", Name: "Website", Kind: "javascript"})
	client := newClient(t, server)
	tests := []struct {
		name, id string
		err      error
		text     []string
	}{
		{"Production", "id1", nil, nil}, // the name goes before the slug
		{"Staging", "id2", nil, nil},
		{"slug1", "id1", nil, nil},
		{"id2", "id2", nil, nil},
		{"production", "", publicapi.ErrNotFound, []string{`"production"`, "4", `"Production", "Staging", "Twice", "Twice"`}},
		{"Website", "", publicapi.ErrNotFound, nil},
		{"", "", publicapi.ErrNotFound, nil},
		{"Twice", "", publicapi.ErrAmbiguous, []string{`"id3", "id4"`}},
		{"id3", "", publicapi.ErrNoWriteKey, []string{"Source Admin"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := client.Space(t.Context(), tt.name)
			if got.ID != tt.id || !errors.Is(err, tt.err) {
				t.Fatalf("got %v, %v", got, err)
			}
			if tt.err == nil {
				return
			}
			var failure *publicapi.SpaceError
			if !errors.As(err, &failure) || failure.Name != tt.name || failure.Spaces != 4 {
				t.Errorf("got %#v", err)
			}
			for _, part := range tt.text {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}

func TestSpaceErrorTexts(t *testing.T) {
	server := publicapitest.NewServer(t)
	client := newClient(t, server)
	_, err := client.Space(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "sees no Profile Space") {
		t.Errorf("no space at all: %v", err)
	}
	for i := range 25 {
		server.AddSpace(fmt.Sprintf("space %d\n\u202e%s", i, strings.Repeat("x", 300)), production)
	}
	_, err = client.Space(t.Context(), "x")
	var failure *publicapi.SpaceError
	if !errors.As(err, &failure) || len(failure.Names) != publicapi.MaxSpaceNames || failure.Spaces != 25 {
		t.Fatalf("got %#v", err)
	}
	text := err.Error()
	if !strings.HasSuffix(text, " and 15 more") || len(text) > 3_000 || strings.ContainsAny(text, "\n\u202e") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestSpaceWithoutRole(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.AddSpace("Production", production)
	server.HideWriteKeys()
	client := newClient(t, server)
	if all, err := spaces(t, client); err != nil || len(all) != 1 || !all[0].Key.IsZero() {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := client.Space(t.Context(), "Production"); !errors.Is(err, publicapi.ErrNoWriteKey) {
		t.Errorf("got %v", err)
	}
}

// A key that is blotted out is no key.
func TestSpaceBlottedKey(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.AddSpace("Production", profiles.NewWriteKey("••••••••dada"))
	if _, err := newClient(t, server).Space(t.Context(), "Production"); !errors.Is(err, publicapi.ErrNoWriteKey) {
		t.Errorf("got %v", err)
	}
}

func TestPagesThatDoNotEnd(t *testing.T) {
	tests := []struct {
		name, reason string
		pages        int
		next         func(cursor string) string
	}{
		{"the same cursor", "circle", 1, func(cursor string) string { return cursor }},
		{"a circle of two", "circle", 2, func(cursor string) string {
			if cursor == "MA==" {
				return "MQ=="
			}
			return "MA=="
		}},
		{"ever new ones", "1000 pages", publicapi.MaxPages, func(cursor string) string {
			b, _ := base64.StdEncoding.DecodeString(cursor)
			n, _ := strconv.Atoi(string(b))
			return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(n + 1)))
		}},
		{"a huge cursor", "too long", 1, func(string) string { return strings.Repeat("x", 2_000) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				fmt.Fprintf(w, `{"data":{"sources":[],"pagination":{"next":%q}}}`, tt.next(r.URL.Query().Get("pagination.cursor")))
			}))
			defer server.Close()
			client, err := publicapi.New(publicapi.Config{Token: publicapi.NewToken("t"), Endpoint: server.URL, HTTPClient: server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = spaces(t, client)
			if failure := apiError(t, err); !strings.Contains(failure.Reason, tt.reason) || asked != tt.pages {
				t.Errorf("%d pages, %v", asked, err)
			}
		})
	}
}

func TestSpacesCanceled(t *testing.T) {
	server := publicapitest.NewServer(t)
	server.SetPageSize(1)
	server.AddSpace("a", production)
	server.AddSpace("b", staging)
	server.Fail(publicapitest.Pass(), publicapitest.Hang())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for s, err := range newClient(t, server).Spaces(ctx) {
		n++
		switch n {
		case 1:
			if s.Name != "a" || err != nil {
				t.Fatalf("got %v, %v", s, err)
			}
			cancel()
		case 2:
			if !errors.Is(err, context.Canceled) || apiError(t, err).Attempts != 1 {
				t.Errorf("got %v, %v", s, err)
			}
		default:
			t.Fatal("something follows the error")
		}
	}
}
