package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuthorizationCode(t *testing.T) {
	w := newWorld(t)
	client := w.public()
	status, to := w.authorize(client, "resource", github)
	q := to.Query()
	if status != http.StatusFound || !strings.HasPrefix(to.String(), loopbackURI+"?") || q.Get("state") != "state-1" || q.Get("code") == "" {
		t.Fatalf("%d %v", status, to)
	}
	if q.Get("iss") != w.url { // RFC 9207 §2
		t.Errorf("iss is %q, want the issuer", q.Get("iss"))
	}

	a := w.redeem(client, q.Get("code"))
	claims, ok := w.accepted(a, github)
	if !ok || claims.Subject != "dev-user" || claims.ClientID != client || claims.Issuer != w.url {
		t.Errorf("%v %+v", ok, claims)
	}
	if diff := cmp.Diff([]string{"mcp:use", "repo:read"}, claims.Scopes); diff != "" {
		t.Error(diff)
	}
	if a.text("scope") != "mcp:use repo:read" || a.body["expires_in"] != 3600.0 || a.text("refresh_token") == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a)
	}
	w.refused("the code again", w.redeem(client, q.Get("code")), 400, "invalid_grant")
}

func TestCodesThatDoNotFit(t *testing.T) {
	w := newWorld(t)
	client, other := w.public(), w.public()
	for _, c := range []struct {
		what   string
		client string
		pairs  []string
		status int
		code   string
	}{
		{"another verifier", client, []string{"code_verifier", strings.ToUpper(verifier)}, 400, "invalid_grant"},
		{"the challenge as verifier", client, []string{"code_verifier", challenge()}, 400, "invalid_grant"},
		{"no verifier", client, []string{"code_verifier", ""}, 400, "invalid_grant"},
		{"another client", other, nil, 400, "invalid_grant"},
		{"another redirect_uri", client, []string{"redirect_uri", loopbackURI + "/x"}, 400, "invalid_grant"},
		{"another code", client, []string{"code", "guess"}, 400, "invalid_grant"},
		{"no code", client, []string{"code", ""}, 400, "invalid_grant"},
		{"an unknown client", "nobody", nil, 401, "invalid_client"},
		{"no client", client, []string{"client_id", ""}, 401, "invalid_client"},
		{"another grant type", client, []string{"grant_type", "password"}, 400, "unsupported_grant_type"},
		{"a resource that was not granted", client, []string{"resource", slack}, 400, "invalid_target"},
	} {
		w.refused(c.what, w.redeem(c.client, w.code(client, "resource", github), c.pairs...), c.status, c.code)
	}
	if a := w.redeem(client, w.code(client), "redirect_uri", ""); a.status != 200 { // OAuth 2.1 has no redirect_uri here
		t.Errorf("without redirect_uri: %v", a)
	}

	// Whoever tried once has spent the code.
	code := w.code(client)
	w.refused("a wrong verifier", w.redeem(client, code, "code_verifier", "x"), 400, "invalid_grant")
	w.refused("the right one afterwards", w.redeem(client, code), 400, "invalid_grant")
}

// Errors go to the redirect URI only if it is the client's.
func TestAuthorizeRefuses(t *testing.T) {
	w := newWorld(t)
	client := w.public()
	for what, pairs := range map[string][]string{
		"an unknown client":                     {"client_id", "nobody"},
		"a redirect URI of somebody else":       {"redirect_uri", "https://evil.example.com/callback"},
		"another path":                          {"redirect_uri", "http://127.0.0.1/elsewhere"},
		"another scheme":                        {"redirect_uri", "https://127.0.0.1/callback"},
		"a query more":                          {"redirect_uri", loopbackURI + "?x=1"},
		"another host that looks like loopback": {"redirect_uri", "http://127.0.0.1.example.com/callback"},
		"user information":                      {"redirect_uri", "http://127.0.0.1@evil.example.com/callback"},
		"localhost for 127.0.0.1":               {"redirect_uri", "http://localhost/callback"},
	} {
		if status, to := w.authorize(client, pairs...); status != http.StatusBadRequest || to.String() != "" {
			t.Errorf("%s: %d to %q, want 400 and no redirect", what, status, to)
		}
	}
	for what, c := range map[string]struct {
		code  string
		pairs []string
	}{
		"no PKCE":              {"invalid_request", []string{"code_challenge", "", "code_challenge_method", ""}},
		"PKCE without a hash":  {"invalid_request", []string{"code_challenge_method", "plain"}},
		"no method":            {"invalid_request", []string{"code_challenge_method", ""}},
		"a short challenge":    {"invalid_request", []string{"code_challenge", "short"}},
		"the implicit flow":    {"unsupported_response_type", []string{"response_type", "token"}},
		"a resource, no URL":   {"invalid_target", []string{"resource", "github"}},
		"a resource, fragment": {"invalid_target", []string{"resource", github + "#x"}},
	} {
		status, to := w.authorize(client, c.pairs...)
		q := to.Query()
		if status != http.StatusFound || !strings.HasPrefix(to.String(), loopbackURI+"?") || q.Get("error") != c.code || q.Get("code") != "" || q.Get("state") != "state-1" || q.Get("iss") != w.url {
			t.Errorf("%s: %d to %v, want the error %s", what, status, to, c.code)
		}
	}
}

// RFC 8252 §7.3: a native client takes the port that it gets.
func TestLoopbackRedirectWithAnotherPort(t *testing.T) {
	w := newWorld(t)
	client := w.public()
	const elsewhere = "http://127.0.0.1:49152/callback"
	status, to := w.authorize(client, "redirect_uri", elsewhere)
	if status != http.StatusFound || !strings.HasPrefix(to.String(), elsewhere+"?") {
		t.Fatalf("%d %v", status, to)
	}
	if a := w.redeem(client, to.Query().Get("code"), "redirect_uri", elsewhere); a.status != 200 {
		t.Errorf("%v", a)
	}
	w.refused("the registered one, not that of the request", w.redeem(client, w.code(client, "redirect_uri", elsewhere)), 400, "invalid_grant")

	// Where it is not loopback, the port counts.
	web := w.register(`{"redirect_uris": ["https://app.example.com/callback"]}`).text("client_id")
	if status, to := w.authorize(web, "redirect_uri", "https://app.example.com:8443/callback"); status != http.StatusBadRequest {
		t.Errorf("another port of a web client: %d %v", status, to)
	}
	if status, to := w.authorize(web, "redirect_uri", ""); status != http.StatusFound || to.Host != "app.example.com" {
		t.Errorf("the only registered one: %d %v", status, to)
	}
}
