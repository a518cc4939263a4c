package publicapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

func TestNew(t *testing.T) {
	token := publicapi.NewToken("sgp_secret")
	tests := []struct {
		name   string
		config publicapi.Config
		fields []string
	}{
		{"a region", publicapi.Config{Region: region.Europe, Token: token}, nil},
		{"an endpoint", publicapi.Config{Endpoint: "proxy.example.com/segment/", Token: token}, nil},
		{"both", publicapi.Config{Region: region.NorthAmerica, Endpoint: "http://localhost:80", Token: token}, nil},
		{"nothing", publicapi.Config{}, []string{"Region", "Token"}},
		{"everything wrong", publicapi.Config{Region: 9, Endpoint: "http://sgp_secret@example.com", Token: publicapi.NewToken("a sgp_secret")}, []string{"Region", "Token", "Endpoint"}},
		{"plain http", publicapi.Config{Endpoint: "http://example.com", Token: token}, []string{"Endpoint"}},
		{"a long token", publicapi.Config{Region: region.Europe, Token: publicapi.NewToken(strings.Repeat("x", publicapi.MaxTokenLen+1))}, []string{"Token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, err := publicapi.New(tt.config)
			if len(tt.fields) == 0 {
				if err != nil || client == nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			var bad *publicapi.ConfigError
			if client != nil || !errors.As(err, &bad) || len(bad.Problems) != len(tt.fields) {
				t.Fatalf("got %v, %v", client, err)
			}
			for i, p := range bad.Problems {
				if p.Field != tt.fields[i] || p.Reason == "" {
					t.Errorf("problem %d is %+v", i, p)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the token is in %q", err)
			}
		})
	}
}

func TestTokenFromJSON(t *testing.T) {
	var file struct{ Token publicapi.Token }
	if err := json.Unmarshal([]byte(`{"Token":"sgp_secret"}`), &file); err != nil {
		t.Fatal(err)
	}
	if file.Token != publicapi.NewToken("sgp_secret") || file.Token.Err() != nil || file.Token.Reveal() != "sgp_secret" {
		t.Errorf("got %v", file.Token)
	}
	if (publicapi.Token{}).Err() == nil || !publicapi.NewToken("").IsZero() {
		t.Error("no token is taken for one")
	}
}
