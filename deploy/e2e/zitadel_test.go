package e2e

import (
	"crypto/elliptic"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// zitadelProgram is the example server of zitadel/oidc, built once.
func zitadelProgram(t testing.TB) string {
	t.Helper()
	return shared(t, "the program zitadel", func(t testing.TB) string {
		folder := t.TempDir()
		if out, err := exec.Command("go", "build", "-C", "zitadel", "-o", folder+"/", ".").CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		return folder + "/zitadel"
	})
}

// startZitadel starts it. The issuer, which it returns, ends in a slash.
func startZitadel(t testing.TB) (issuer string) {
	t.Helper()
	port := portOf(freeAddr(t))
	p := start(t, "zitadel", zitadelProgram(t), port)
	issuer = "http://localhost:" + port + "/"
	eventually(t, "zitadel is ready", func() bool { return p.running() && answers(issuer+".well-known/openid-configuration", http.StatusOK) })
	return issuer
}

// zitadelTokens logs a user in at a client of the example.
func zitadelTokens(t testing.TB, issuer, client string) tokens {
	t.Helper()
	const callback = "http://localhost/callback"
	code, verifier := logIn(t, issuer+"auth", client, callback, "openid offline_access", map[string]string{"username": "test-user@localhost", "password": "verysecure"})
	return askTokens(t, issuer+"oauth/token", nil, "grant_type", "authorization_code", "code", code, "redirect_uri", callback,
		"code_verifier", verifier, "client_id", client, "client_secret", "secret")
}

// TestZitadel: D-02, D-03: the example server of zitadel/oidc, by the declaration of docs/authorization-servers/zitadel.md. Its issuer ends in
// a slash, it publishes OpenID Connect Discovery alone, its access tokens are for the client and have no "scope".
func TestZitadel(t *testing.T) {
	issuer := startZitadel(t)
	if !answers(issuer+".well-known/oauth-authorization-server", http.StatusNotFound) {
		t.Error("it publishes RFC 8414 metadata by now: the page says otherwise")
	}
	at := func(edits ...edit) string {
		return declared(t, "zitadel.md", append([]edit{{"https://idp.example.com/", issuer}, {"mcp-client", "jwt"}}, edits...)...)
	}
	person, opaque := zitadelTokens(t, issuer, "jwt"), zitadelTokens(t, issuer, "web")
	if header := part(t, person.Access, 0); header["typ"] != "JWT" || header["alg"] != "RS256" {
		t.Errorf("the header of its access tokens has changed: %v", header)
	}
	if claims := part(t, person.Access, 1); claims["scope"] != nil || claims["client_id"] != "jwt" || claims["iss"] != issuer {
		t.Errorf("its access tokens have changed: %v", claims)
	}

	t.Run("with the slash", func(t *testing.T) {
		p := protect(t, at())
		v := p.judge(t, person.Access)
		if v.reason != "allowed" {
			t.Fatalf("%+v", v)
		}
		for name, want := range map[string]string{"X-Mcp-Subject": "id1", "X-Mcp-Client-Id": "jwt", "X-Mcp-Issuer": issuer, "X-Mcp-Scopes": ""} {
			if got := v.upstream.Get(name); got != want {
				t.Errorf("the upstream got %s %q, want %q", name, got, want)
			}
		}
		for _, c := range []struct{ name, token, reason string }{
			{"an opaque access token", opaque.Access, "token_malformed"},
			{"a refresh token", person.Refresh, "token_malformed"},
			{"an ID token, which is for the same audience", person.ID, "token_kind"},
			{"the ID token of another client", opaque.ID, "token_audience"},
		} {
			if v := p.judge(t, c.token); v.reason != c.reason || v.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s, want 401 %s", c.name, v.status, v.reason, c.reason)
			}
		}
	})

	// Both sides fail closed: its tokens are of another issuer, and of the issuer that is declared there are no keys.
	t.Run("without the slash", func(t *testing.T) {
		bare := strings.TrimSuffix(issuer, "/")
		p := protect(t, at(edit{"issuer: " + issuer, "issuer: " + bare}))
		if v := p.judge(t, person.Access); v.status != http.StatusUnauthorized || v.reason != "token_issuer" {
			t.Errorf("its token: %+v", v)
		}
		stranger := authztest.NewIssuerWithKey(bare, authztest.GenerateEC("key", elliptic.P256()))
		if v := p.judge(t, stranger.Mint(map[string]any{"aud": "jwt"})); v.status != http.StatusServiceUnavailable || v.reason != "keys_unavailable" {
			t.Errorf("a token of the issuer that is declared: %+v", v)
		}
		failures := p.front.out.lines("keys of an authorization server could not be refreshed")
		if len(failures) == 0 || failures[0]["cause"] != "a metadata document of another issuer" {
			t.Errorf("the log says %v", failures)
		}
	})

	t.Run("what cannot be declared", func(t *testing.T) {
		if v := protect(t, at(edit{"  audiences: [jwt]", "  scopes: { required: [openid] }\n  audiences: [jwt]"})).judge(t, person.Access); v.status != http.StatusForbidden || v.reason != "insufficient_scope" {
			t.Errorf("a scope: %+v", v)
		}
		if v := protect(t, at(edit{"  audiences: [jwt]", "  audiences: []"})).judge(t, person.Access); v.status != http.StatusUnauthorized || v.reason != "token_audience" {
			t.Errorf("no client id: %+v", v)
		}
	})
}
