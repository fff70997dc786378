package e2e

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestInteropServers: A-19, D-01, D-08: each authorization server of the matrix, as the matrix uses it: found, registered at, logged in
// at through the user's browser, its tokens judged by a real mcp-authz behind a real Envoy, refreshed, its key rotated and withdrawn.
// The record has the requests of the client and one line for the login, whatever pages that has.
func TestInteropServers(t *testing.T) {
	const lifetime = 10 * time.Minute
	oauth, openID := "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for _, c := range []struct {
		name     string
		asks     string // beside the two scopes, for a refresh token
		requests []string
		rotates  bool
	}{
		{"dev-issuer", "", []string{"GET " + oauth + " 200", "POST /register 201", "", "POST /token 200", "POST /token 200", "POST /token 200"}, true},
		{"oidc-provider", "", []string{"GET " + oauth + " 200", "POST /reg 201", "", "POST /token 200", "POST /token 200", "POST /token 200"}, true},
		{"keycloak", "", []string{"GET " + oauth + "/realms/R 200", "POST /realms/R/clients-registrations/openid-connect 201", "",
			"POST /realms/R/protocol/openid-connect/token 200", "POST /realms/R/protocol/openid-connect/token 200", "POST /realms/R/protocol/openid-connect/token 200"}, true},
		{"oauth2-mock-server", "", []string{"GET " + oauth + " 404", "GET " + openID + " 200", "", "POST /token 200", "POST /token 200", "POST /token 200"}, false},
		{"zitadel", " offline_access", []string{"GET " + oauth + " 404", "GET " + openID + " 200", "", "POST /oauth/token 200", "POST /oauth/token 200", "POST /oauth/token 200"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &record{}
			s := startInteropServer(t, c.name, r, []string{declaredResource, otherResource}, lifetime)
			p := protect(t, "authorizationServers:\n- "+s.declare+"\nresources:\n- {name: tools, resource: \""+declaredResource+"\", authorizationServers: ["+c.name+
				"], scopes: {required: [\""+s.scope+"\", \""+s.further+"\"]}"+s.resource+"}\n")
			h, before := &byHand{t: t}, len(r.lines())

			h.discover(s.issuer)
			scope := s.scope + " " + s.further
			if s.client != nil {
				h.client = *s.client
			} else {
				h.register(scope)
			}
			code, verifier := h.logIn(startBrowser(t, r, s.form), declaredResource, scope+c.asks)
			first := h.tokens("grant_type", "authorization_code", "code", code, "code_verifier", verifier, "redirect_uri", handCallback, "resource", declaredResource)
			if first.Refresh == "" {
				t.Fatal("no refresh token")
			}
			second := h.tokens("grant_type", "refresh_token", "refresh_token", first.Refresh, "resource", declaredResource)

			machine := s.token(t, declaredResource, scope)
			for what, token := range map[string]string{"the user's token": first.Access, "the one after it": second.Access, "a machine's": machine} {
				p.expect(t, what, token, http.StatusOK, "allowed")
				if claims := part(t, token, 1); claims["exp"].(float64)-claims["iat"].(float64) != lifetime.Seconds() {
					t.Errorf("%s is good from %v to %v", what, claims["iat"], claims["exp"])
				}
			}
			p.expect(t, "a token without a scope", s.token(t, declaredResource, ""), http.StatusForbidden, "insufficient_scope")

			if (s.rotate != nil) != c.rotates || (s.withdraw != nil) != c.rotates {
				t.Fatal("it rotates its keys by now, or no longer")
			}
			if c.rotates {
				s.rotate(t)
				fresh := s.token(t, declaredResource, scope)
				old, now := part(t, machine, 0)["kid"].(string), part(t, fresh, 0)["kid"].(string)
				if published := kids(t, h.metadata.Keys); old == now || !slices.Contains(published, old) || !slices.Contains(published, now) {
					t.Errorf("the key %s rotated to %s, and there are %v", old, now, published)
				}
				s.withdraw(t)
				if published := kids(t, h.metadata.Keys); slices.Contains(published, old) {
					t.Errorf("of %s and %s there are still %v", old, now, published)
				}
			}
			// Who has logged in stays so.
			third := h.tokens("grant_type", "refresh_token", "refresh_token", second.Refresh, "resource", declaredResource)
			if part(t, third.Access, 0)["kid"] == part(t, second.Access, 0)["kid"] == c.rotates {
				t.Error("the key of the user's tokens is the wrong one")
			}

			lines := []string{}
			for _, line := range r.lines()[before:] {
				if _, realm, found := strings.Cut(s.issuer, "/realms/"); found {
					line = strings.ReplaceAll(line, realm, "R")
				}
				lines = append(lines, strings.TrimPrefix(line, "issuer "))
			}
			want := slices.Clone(c.requests)
			want[slices.Index(want, "")] = "user logs in"
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("the record (-want +got):\n%s", diff)
			}
			if version := interopServerVersion(t, c.name); c.name != "dev-issuer" && strings.Count(version, ".") != 2 {
				t.Errorf("its version is %q", version)
			}
		})
	}
}

// TestBrowserFails: a login that does not end at the client is told, and does not hang.
func TestBrowserFails(t *testing.T) {
	r := &record{}
	s := startInteropServer(t, "dev-issuer", r, nil, 0)
	browser := startBrowser(t, r, nil)
	for query, want := range map[string]int{
		"": http.StatusBadRequest, "?visit=nowhere": http.StatusBadRequest,
		"?visit=" + url.QueryEscape(s.issuer+"/authorize?client_id=nobody"): http.StatusBadGateway,
		"?visit=" + url.QueryEscape("http://"+freeAddr(t)+"/authorize"):     http.StatusBadGateway,
	} {
		resp, err := http.Get(browser + query)
		if err != nil {
			t.Fatal(err)
		}
		if a := readAnswer(t, resp); a.status != want || len(a.body) < 20 || strings.Contains(a.body, "\n") {
			t.Errorf("%s: %d %q, want %d and a sentence", query, a.status, a.body, want)
		}
	}
}

// TestInteropTraps: what the pages of docs/authorization-servers say about registrations, scopes and logins that are refused.
func TestInteropTraps(t *testing.T) {
	at := func(t *testing.T, name string) (h *byHand, visits func(scope string) url.Values) {
		t.Helper()
		t.Parallel()
		r := &record{}
		s := startInteropServer(t, name, r, []string{declaredResource}, 0)
		h = &byHand{t: t}
		h.discover(s.issuer)
		if s.client != nil {
			h.client = *s.client
		}
		browser := startBrowser(t, r, s.form)
		return h, func(scope string) url.Values { return h.visits(browser, declaredResource, scope, rand.Text()) }
	}
	// A registration for one scope binds the client.
	bound := func(t *testing.T, h *byHand, visits func(string) url.Values) {
		t.Helper()
		h.register(interopScope)
		if got := visits(interopScope + " " + interopFurther); got.Get("error") != "invalid_scope" {
			t.Errorf("a scope more than registered: %v", got)
		}
		if got := visits(interopScope); got.Get("code") == "" {
			t.Errorf("the registered one: %v", got)
		}
	}
	t.Run("oidc-provider", func(t *testing.T) {
		h, visits := at(t, "oidc-provider")
		bound(t, h, visits)
	})
	t.Run("keycloak", func(t *testing.T) {
		h, visits := at(t, "keycloak")
		for _, c := range []struct {
			changes object
			status  int
			says    string
		}{
			{object{"resource": declaredResource}, http.StatusBadRequest, "Unrecognized field"},
			{object{"client_uri": "https://app.example.com"}, http.StatusForbidden, "Policy 'Trusted Hosts' rejected request"},
			{object{"redirect_uris": []string{"https://app.example.com/callback"}}, http.StatusForbidden, "Policy 'Trusted Hosts' rejected request"},
			{object{"redirect_uris": []string{"http://localhost:6274/callback"}}, http.StatusCreated, "client_id"},
		} {
			if a := h.registers(interopScope, c.changes); a.status != c.status || !strings.Contains(a.body, c.says) {
				t.Errorf("a registration with %v: %d %s, want %d %s", c.changes, a.status, a.body, c.status, c.says)
			}
		}
		bound(t, h, visits)
	})
	t.Run("zitadel", func(t *testing.T) {
		_, visits := at(t, "zitadel")
		if got := visits(""); got.Get("error") != "invalid_request" {
			t.Errorf("a login for no scope: %v", got)
		}
	})
}
