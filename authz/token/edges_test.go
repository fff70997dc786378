package token_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// edgeVectors are tokens that only one check each stands against.
func edgeVectors() []vector {
	return []vector{
		deny("B-09 twelve characters that are not application/", authz.TokenType, header("typ", "application_at+jwt")),
		deny("B-20 a claim of a wrong type before a good scope", authz.TokenClaims, claim("client_id", 5), claim("scope", "mcp:use")),
		deny("B-13 an empty text beside it", authz.TokenAudience, audience([]string{"https://mcp.example.com/github/mcp", ""})),
		deny("B-22 a list of scopes with an empty text", authz.TokenClaims, claim("scope", []string{"mcp:use", ""})),
		allow("B-22 scp, where another claim is declared for scopes", on("roles"), claim("scp", []string{"repo:read"}), checked(authz.InsufficientScope)),
	}
}

// TestClaimsOfAToken: what the rest of the decision goes by is what the token says.
func TestClaimsOfAToken(t *testing.T) {
	v, _ := token.NewIssuer(token.Config{Issuer: corpURL, JWKS: keySet(edKey().JWK(nil))})
	defer stop(v)
	aud := []string{places()["github"].id, "https://elsewhere.example"}
	c, err := token.NewVerifier(v).Verify(mint(by(edKey()), audience(aud), claim("scope", " a  b ")), places()["github"].expectation(), time.Now())
	if err != nil || !slices.Equal(c.Audience, aud) || !slices.Equal(c.Scopes, []string{"a", "b"}) { // several audiences: it is not forwarded
		t.Errorf("%+v, %v", c, err)
	}
}

// TestDeclarationsOfNoUse: what no declaration may say makes no issuer.
func TestDeclarationsOfNoUse(t *testing.T) {
	good := keySet(edKey().JWK(nil))
	blanks := func(n int) []byte { return append(bytes.Clone(good), strings.Repeat(" ", n-len(good))...) }
	for name, c := range map[string]struct {
		config token.Config
		ok     bool
	}{
		"good":                        {token.Config{Issuer: corpURL, JWKS: good}, true},
		"no issuer":                   {token.Config{JWKS: good}, false},
		"B-04 an HMAC":                {token.Config{Issuer: corpURL, JWKS: good, Algorithms: []string{"EdDSA", "HS256"}}, false},
		"B-04 none":                   {token.Config{Issuer: corpURL, JWKS: good, Algorithms: []string{"none"}}, false},
		"a key set of 256 KiB":        {token.Config{Issuer: corpURL, JWKS: blanks(token.MaxKeysBytes)}, true},
		"a key set of a byte more":    {token.Config{Issuer: corpURL, JWKS: blanks(token.MaxKeysBytes + 1)}, false},
		"a key set without a key":     {token.Config{Issuer: corpURL, JWKS: []byte(`{"keys":[]}`)}, false},
		"no key for these algorithms": {token.Config{Issuer: corpURL, JWKS: good, Algorithms: []string{"RS256"}}, false},
	} {
		i, err := token.NewIssuer(c.config)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			stop(i)
		}
	}
}

// TestPrivateKeysRaiseAnAlarm: D-07: a private key in a set is told of at each change of the set, and a public one is not.
func TestPrivateKeysRaiseAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alarm = "publishes a private key"
		o := ready(t, direct)
		if strings.Contains(o.logged.String(), alarm) {
			t.Error("an alarm for public keys")
		}
		o.SetJWKS(keySet(ecKey().JWK(object{"d": "c2VjcmV0"}), rsaKey().JWK(nil)))
		pass(10 * time.Minute)
		synctest.Wait()
		if !strings.Contains(o.logged.String(), alarm) {
			t.Error("no alarm for a private key")
		}
	})
}

// TestKeysInBetween: D-09: keys that came back make the minute of a withdrawal begin anew.
func TestKeysInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		o.SetJWKS(none["no key"])
		for !o.issuer.Status().Failing {
			pass(time.Second)
		}
		o.SetJWKS(nil)
		pass(11 * time.Second)
		o.SetJWKS(none["no key"])
		for !o.issuer.Status().Failing {
			pass(time.Second)
		}
		pass(30 * time.Second)
		o.check(o.good(), authz.Allowed)
		pass(time.Minute)
		o.check(o.good(), authz.KeysUnavailable)
	})
}

// TestPlainHTTPKeys: D-04: keys come by plain http only where the issuer itself is declared so: within loopback, or where the
// declaration allows it by name.
func TestPlainHTTPKeys(t *testing.T) {
	for _, c := range []struct {
		issuer, keys string
		insecure     bool
		ok           bool
	}{
		{"https://as.example", "https://keys.example/k", false, true},
		{"https://as.example", "http://keys.example/k", false, false},
		{"https://as.example", "http://keys.example/k", true, false},
		{"https://as.example", "http://127.0.0.1/k", false, false},
		{"https://as.example", "http://127.0.0.1/k", true, false},
		{"http://127.0.0.1:1", "http://127.0.0.1:2/k", false, true},
		{"http://127.0.0.1:1", "http://localhost/k", false, true},
		{"http://127.0.0.1:1", "http://keys.example/k", false, false},
		{"http://127.0.0.1:1", "https://keys.example/k", false, true},
		{"http://as.example", "http://127.0.0.1/k", false, false},
		{"http://as.example", "http://keys.example/k", false, false},
		{"http://as.example", "http://keys.example/k", true, true},
		{"https://as.example", "ftp://keys.example/k", true, false},
		{"https://as.example", "file:///etc/keys", true, false},
		{"https://as.example", "//keys.example/k", true, false},
		{"https://as.example", "https:///k", true, false},
		{"https://as.example", "https://user@keys.example/k", true, false},
	} {
		s := &site{documents: map[string]found{
			c.issuer + "/.well-known/oauth-authorization-server": metadataOf(c.issuer, c.keys),
			c.keys: {body: string(keySet(ecKey().JWK(nil)))},
		}}
		i := run(t, token.Config{Name: "as", Issuer: c.issuer, InsecureAllowHTTP: c.insecure, RefreshInterval: time.Hour, MaxStaleness: 2 * time.Hour, Transport: s})
		<-i.Attempted()
		if got := i.Status().Keys == 1; got != c.ok {
			t.Errorf("%s says %s (insecureAllowHTTP %t): keys %t", c.issuer, c.keys, c.insecure, got)
		}
	}
}
