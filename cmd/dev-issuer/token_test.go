package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClientCredentials(t *testing.T) {
	w := newWorld(t)
	ask := url.Values{"grant_type": {grantClient}, "resource": {github}, "scope": {"mcp:use"}}
	for what, a := range map[string]answer{
		"secret in the form":   w.token(form(ask, "client_id", "demo", "client_secret", "demo")),
		"secret in the header": w.token(ask, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("demo:demo"))),
	} {
		claims, ok := w.accepted(a, github)
		if !ok || claims.Subject != "demo" || claims.ClientID != "demo" || a.body["refresh_token"] != nil {
			t.Errorf("%s: %v %+v %v", what, ok, claims, a.body)
		}
	}
	w.refused("a wrong secret", w.token(form(ask, "client_id", "demo", "client_secret", "x")), 401, "invalid_client")
	w.refused("no secret", w.token(form(ask, "client_id", "demo")), 401, "invalid_client")
	w.refused("a public client", w.token(form(ask, "client_id", w.public())), 400, "unauthorized_client")
	w.refused("a resource that is no URL", w.token(form(ask, "client_id", "demo", "client_secret", "demo", "resource", "x")), 400, "invalid_target")
	if a := w.token(form(ask, "client_id", "demo")); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") { // RFC 6749 §5.2
		t.Errorf("no challenge: %v", a.header)
	}
}

func TestRefreshRotates(t *testing.T) {
	w := newWorld(t)
	client, other := w.public(), w.public()
	first := w.redeem(client, w.code(client, "resource", github, "resource", slack))
	refresh := func(client, refreshToken string, pairs ...string) answer {
		t.Helper()
		return w.token(form(url.Values{"grant_type": {grantRefresh}, "client_id": {client}, "refresh_token": {refreshToken}}, pairs...))
	}
	second := refresh(client, first.text("refresh_token"), "resource", github, "scope", "mcp:use admin")
	if second.text("refresh_token") == first.text("refresh_token") || second.text("refresh_token") == "" {
		t.Error("the refresh token did not change")
	}
	claims, ok := w.accepted(second, github)
	if diff := cmp.Diff([]string{"mcp:use"}, claims.Scopes); !ok || diff != "" {
		t.Errorf("%v, scopes asked for and granted (-want +got):\n%s", ok, diff)
	}
	if _, ok := w.accepted(second, slack); ok {
		t.Error("asked for one resource, got both")
	}
	w.refused("the old one again", refresh(client, first.text("refresh_token")), 400, "invalid_grant")

	third := refresh(client, second.text("refresh_token")) // stands for the whole grant, RFC 6749 §6
	for _, resource := range []string{github, slack} {
		if claims, ok := w.accepted(third, resource); !ok || len(claims.Scopes) != 2 {
			t.Errorf("%s after a narrower one: %v %v", resource, ok, claims.Scopes)
		}
	}
	w.refused("another client", refresh(other, third.text("refresh_token")), 400, "invalid_grant")
	w.refused("a guess", refresh(client, "guess"), 400, "invalid_grant")
}

// RFC 8707: resources become the audience.
func TestResourceBecomesAudience(t *testing.T) {
	w := newWorld(t)
	client := w.public()
	for _, c := range []struct {
		what            string
		authorize, then []string
		aud             any
		github, slack   bool
	}{
		{"one", []string{"resource", github}, nil, github, true, false},
		{"one, named twice", []string{"resource", github}, []string{"resource", github}, github, true, false},
		{"many", []string{"resource", github, "resource", slack}, nil, []any{github, slack}, true, true},
		{"one of many", []string{"resource", github, "resource", slack}, []string{"resource", slack}, slack, false, true},
		{"in the token request alone", nil, []string{"resource", slack}, slack, false, true},
		{"none", nil, nil, nil, false, false},
	} {
		a := w.redeem(client, w.code(client, c.authorize...), c.then...)
		if _, ok := w.accepted(a, github); ok != c.github {
			t.Errorf("%s: github takes it: %v", c.what, ok)
		}
		if _, ok := w.accepted(a, slack); ok != c.slack {
			t.Errorf("%s: slack takes it: %v", c.what, ok)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(a.text("access_token"), ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.aud, claims["aud"]); diff != "" {
			t.Errorf("%s: aud (-want +got):\n%s", c.what, diff)
		}
	}
}

// RFC 7591 §3.
func TestRegistration(t *testing.T) {
	w := newWorld(t)
	a := w.register(`{"client_name": "Inspector", "redirect_uris": ["http://localhost:6274/callback", "cursor://callback"], "x-own": [1]}`)
	if a.status != http.StatusCreated || a.text("client_name") != "Inspector" || a.text("client_id") == "" || a.text("token_endpoint_auth_method") != "none" || a.body["client_secret"] != nil || a.body["x-own"] == nil {
		t.Errorf("a public client: %v", a)
	}
	forced := w.register(`{"client_id": "demo", "client_secret": "mine", "redirect_uris": ["http://localhost/"]}`)
	if forced.text("client_id") == "demo" {
		t.Error("a client chose its own id")
	}

	a = w.register(`{"redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "client_secret_basic"}`)
	id, secret := a.text("client_id"), a.text("client_secret")
	if a.status != http.StatusCreated || len(secret) < 20 || a.body["client_secret_expires_at"] != 0.0 {
		t.Fatalf("a confidential client: %v", a)
	}
	ask := url.Values{"grant_type": {grantClient}, "resource": {github}}
	if _, ok := w.accepted(w.token(form(ask, "client_id", id, "client_secret", secret)), github); !ok {
		t.Error("its secret does not work")
	}
	w.refused("without its secret", w.token(form(ask, "client_id", id)), 401, "invalid_client")

	for what, metadata := range map[string]string{
		"relative": `{"redirect_uris": ["/callback"]}`, "no text": `{"redirect_uris": [1]}`, "empty": `{"redirect_uris": [""]}`,
		"fragment": `{"redirect_uris": ["http://localhost/#x"]}`, "empty fragment": `{"redirect_uris": ["http://localhost/#"]}`, "one bad of two": `{"redirect_uris": ["http://localhost/", "x"]}`,
	} {
		w.refused(what, w.register(metadata), 400, "invalid_redirect_uri")
	}
	for what, metadata := range map[string]string{
		"no JSON": `{`, "a list": `[]`, "null": `null`, "another method": `{"token_endpoint_auth_method": "private_key_jwt"}`,
		"too large": `{"client_name": "` + strings.Repeat("x", maxFormBytes) + `"}`,
	} {
		w.refused(what, w.register(metadata), 400, "invalid_client_metadata")
	}
}
