package transport

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strconv"
	"strings"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

const (
	// DefaultScope is the scope that a token is asked for unless OAuthConfig names another.
	DefaultScope = "tracking_api:write"
	// MinKeyBits is the size of the smallest RSA key that is taken.
	MinKeyBits = 2_048
)

// OAuthConfig is the OAuth application of a workspace, and the key that proves it is us who asks.
//
// The write key is sent with OAuth too, in the body of each request. Neither fmt nor encoding/json shows the private key.
type OAuthConfig struct {
	// AppID is the id of the OAuth application in Segment. Required.
	AppID string
	// KeyID is the id of the key in Segment. Required.
	KeyID string
	// PrivateKey is the key, of MinKeyBits bits or more. Required. ParsePrivateKey reads one from a PEM file.
	PrivateKey *rsa.PrivateKey `json:"-"`
	// Scope is what the token has to allow, several names with a space between. Defaults to DefaultScope.
	Scope string
	// TokenServer replaces the region's token server: its base URL, as region.ParseBaseURL takes it. Defaults to
	// Region.OAuth(), and is required where there is no region.
	TokenServer string
}

// ParsePrivateKey reads an RSA key from PEM, in PKCS #8 or PKCS #1. Its error is a *ConfigError that holds nothing of the text.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	var problems ConfigError
	block, _ := pem.Decode(text)
	if block == nil {
		problems.add("PrivateKey", "is not PEM")
		return nil, &problems
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		any, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
		key, _ = any.(*rsa.PrivateKey)
	}
	if key == nil {
		problems.add("PrivateKey", "is not an RSA key in PKCS #8 or PKCS #1")
		return nil, &problems
	}
	return key, nil
}

// newTokenSource adds what is wrong with the configuration to problems; its result is for use only if that is nothing.
func newTokenSource(c OAuthConfig, r region.Region, client *http.Client, problems *ConfigError) *tokenSource {
	checkText(problems, "OAuth.AppID", c.AppID)
	checkText(problems, "OAuth.KeyID", c.KeyID)
	switch {
	case c.PrivateKey == nil:
		problems.add("OAuth.PrivateKey", "is required")
	case c.PrivateKey.N == nil || c.PrivateKey.Validate() != nil:
		problems.add("OAuth.PrivateKey", "is not a valid RSA key")
	case c.PrivateKey.N.BitLen() < MinKeyBits:
		problems.add("OAuth.PrivateKey", "is shorter than "+strconv.Itoa(MinKeyBits)+" bits")
	}
	if c.Scope == "" {
		c.Scope = DefaultScope
	}
	checkText(problems, "OAuth.Scope", c.Scope)
	base := r.OAuth()
	if c.TokenServer != "" {
		var err error
		if base, err = region.ParseBaseURL(c.TokenServer); err != nil {
			problems.addURL("OAuth.TokenServer", err)
		}
		// The call itself is what the documentation shows.
		base = strings.TrimSuffix(base, "/token")
	} else if !r.Valid() {
		problems.add("OAuth.TokenServer", "is required where there is no Region")
	}
	return &tokenSource{
		client: &retryablehttp.Client{
			HTTPClient:   client,
			RetryMax:     3,
			CheckRetry:   retryToken,
			Backoff:      tokenBackoff,
			ErrorHandler: retryablehttp.PassthroughErrorHandler,
		},
		url:    base + "/token",
		host:   hostOf(base),
		scope:  c.Scope,
		signer: newAssertionSigner(c, base),
	}
}
