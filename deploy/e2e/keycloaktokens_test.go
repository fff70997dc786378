package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// declared is the declaration of the page, for this Keycloak.
func (k *keycloak) declared(edits ...edit) string {
	k.t.Helper()
	return declared(k.t, "keycloak.md", append([]edit{{"https://keycloak.example.com/realms/mcp", k.base + "/realms/mcp"}}, edits...)...)
}

// TestKeycloak: D-01, D-08, D-09: a real Keycloak, by the declaration of docs/authorization-servers/keycloak.md, found by discovery.
// Its dialect, the tokens of its that are none for us, its rotation of keys, and its death.
func TestKeycloak(t *testing.T) {
	k := startKeycloak(t)
	k.realm("mcp")
	k.realm("other")
	page := protect(t, k.declared())
	// The same with a short interval, and with a client for an audience, as people declare who have no mapper.
	eager := protect(t, k.declared(
		edit{"  issuer: ", "  refreshInterval: 10s\n  issuer: "},
		edit{"  authorizationServers: ", "  audiences: [desktop]\n  authorizationServers: "}))
	person := k.form("mcp", nil, "grant_type", "password", "client_id", "desktop", "username", "ada", "password", "secret", "scope", "openid mcp:use")
	machine := k.machine("agent", useMCP...)

	t.Run("allowed", func(t *testing.T) {
		registered, login := k.registered("mcp:use")
		for _, c := range []struct{ name, token, client string }{
			{"a machine", machine, "agent"},
			{"a person", person.Access, "desktop"},
			{"a machine, typed", k.machine("typed", useMCP...), "typed"},
			{"a person, at a client that registered itself", login, registered},
			{"a machine that names a resource", k.machine("agent", append(useMCP, "resource", "https://mcp.example.com/mcp")...), "agent"},
		} {
			v := page.judge(t, c.token)
			if v.reason != "allowed" || v.status != http.StatusOK {
				t.Errorf("%s: %+v", c.name, v)
				continue
			}
			claims := part(t, c.token, 1)
			if claims["azp"] != c.client || claims["sub"] == nil || !strings.Contains(claims["scope"].(string), "mcp:use") {
				t.Errorf("%s: keycloak's claims have changed: %v", c.name, claims)
			}
			for name, want := range map[string]any{
				"X-Mcp-Subject": claims["sub"], "X-Mcp-Client-Id": c.client, "X-Mcp-Scopes": claims["scope"], "X-Mcp-Issuer": k.base + "/realms/mcp",
			} {
				if got := v.upstream[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: the upstream got %s %q, want %q", c.name, name, got, want)
				}
			}
			if v.upstream.Get("Authorization") != "" {
				t.Errorf("%s: the upstream got the token", c.name)
			}
		}
	})

	t.Run("refused", func(t *testing.T) {
		tokenURL := k.base + "/realms/mcp/protocol/openid-connect/token"
		grant := []string{"grant_type", "client_credentials", "client_id", "agent", "client_secret", "secret", "scope", "mcp:use"}
		bound := k.form("mcp", dpop(t, "POST", tokenURL), grant...)
		if bound.Type != "DPoP" || part(t, bound.Access, 1)["cnf"] == nil {
			t.Errorf("keycloak binds no token to a DPoP key: %+v", bound)
		}
		for _, c := range []struct {
			name, token, reason string
			status              int
		}{
			{"without the scope", k.machine("agent"), "insufficient_scope", 403},
			{"of a client without the audience mapper", k.machine("unmapped"), "token_audience", 401},
			{"a lightweight one", k.machine("lightweight", useMCP...), "token_audience", 401},
			{"an ID token", person.ID, "token_audience", 401},
			{"a refresh token", person.Refresh, "token_algorithm", 401},
			{"of another realm, for the same audience", k.form("other", nil, grant...).Access, "token_issuer", 401},
			{"of the realm by another name of the server", askTokens(t, strings.Replace(tokenURL, k.base, k.loopback, 1), nil, grant...).Access, "token_issuer", 401},
			{"bound to a key", bound.Access, "token_bound", 401},
		} {
			if v := page.judge(t, c.token); v.reason != c.reason || v.status != c.status {
				t.Errorf("a token %s: %d %s, want %d %s", c.name, v.status, v.reason, c.status, c.reason)
			} else if want := `scope="mcp:use"`; !strings.Contains(v.challenge, want) {
				t.Errorf("a token %s: the challenge %s does not say %s", c.name, v.challenge, want)
			}
		}
		// Where the client is an audience, its ID tokens have the right one, and are told by Keycloak's own claim.
		if v := eager.judge(t, person.ID); v.reason != "token_kind" || v.status != 401 {
			t.Errorf("an ID token for a declared audience: %+v", v)
		}
		if v := eager.judge(t, person.Access); v.reason != "allowed" {
			t.Errorf("the access token beside it: %+v", v)
		}
	})

	t.Run("no subject without the scope basic", func(t *testing.T) {
		v := page.judge(t, k.form("mcp", nil, "grant_type", "password", "client_id", "no-basic", "username", "ada", "password", "secret", "scope", "mcp:use").Access)
		if v.reason != "allowed" || v.upstream.Get("X-Mcp-Subject") != "" || v.upstream.Get("X-Mcp-Client-Id") != "no-basic" {
			t.Errorf("%+v", v)
		}
	})

	t.Run("at+jwt demanded", func(t *testing.T) {
		strict := protect(t, k.declared(edit{"  issuer: ", "  accessTokenType: at+jwt\n  issuer: "}))
		if v := strict.judge(t, k.machine("typed", useMCP...)); v.reason != "allowed" {
			t.Errorf("a token of that type: %+v", v)
		}
		if v := strict.judge(t, machine); v.reason != "token_type" || v.status != 401 {
			t.Errorf("another: %+v", v)
		}
	})

	// D-09: good tokens pass while it is dead, those that were never seen before among them; and new ones once it is back.
	t.Run("killed and started again", func(t *testing.T) {
		unseen := k.machine("agent", useMCP...)
		failed := eager.keysFailed()
		k.kill()
		calls := 0
		eventually(t, "two fetches have failed", func() bool {
			calls++
			if v := eager.judge(t, machine); v.reason != "allowed" {
				t.Fatalf("with keycloak dead: %+v", v)
			}
			return eager.keysFailed() >= failed+2
		})
		for name, p := range map[string]*protected{"page": page, "eager": eager} {
			if v := p.judge(t, unseen); v.reason != "allowed" {
				t.Errorf("%s: a token that was not seen before: %+v", name, v)
			}
		}
		t.Logf("%d calls passed while keycloak was dead", calls)
		k.start()
		fresh := k.machine("agent", useMCP...)
		for name, token := range map[string]string{"old": machine, "new": fresh} {
			if v := eager.judge(t, token); v.reason != "allowed" {
				t.Errorf("keycloak is back; the %s token: %+v", name, v)
			}
		}
	})

	t.Run("keys rotated", func(t *testing.T) { rotate(t, k, page, eager, machine) })
}

// rotate: D-08: the administrator gives the realm a new key, and then deletes the old one. The new key is learnt from the first token
// that it signed, long before the next refresh is due; no client is sent to log in meanwhile. The old key ends with a refresh.
func rotate(t *testing.T, k *keycloak, page, eager *protected, old string) {
	for name, p := range map[string]*protected{"page": page, "eager": eager} {
		if v := p.judge(t, old); v.reason != "allowed" {
			t.Fatalf("%s: before the rotation: %+v", name, v)
		}
	}
	before := k.keys("mcp")
	if len(before) != 1 {
		t.Fatalf("the realm has the signing keys %v, want one", before)
	}
	k.addKey("mcp")
	fresh := k.machine("agent", useMCP...)
	if part(t, old, 0)["kid"] == part(t, fresh, 0)["kid"] {
		t.Fatal("the new key does not sign")
	}
	waited := 0
	eventually(t, "a token of the new key passes", func() bool {
		switch v := page.judge(t, fresh); v.reason {
		case "allowed":
			return true
		case "keys_unavailable": // the last fetch is less than 10 s old: nobody may ask again
			waited++
			return false
		default:
			t.Fatalf("a token of the new key: %+v", v)
			return false
		}
	})
	t.Logf("a token of the new key passed after %d times 503, with a refresh due in 10 minutes", waited)
	for _, id := range before {
		k.admin("DELETE", "/mcp/components/"+id, nil)
	}
	eventually(t, "a token of the deleted key is refused", func() bool {
		if v := eager.judge(t, fresh); v.reason != "allowed" && v.reason != "keys_unavailable" {
			t.Fatalf("a token of the new key: %+v", v)
		}
		switch v := eager.judge(t, old); v.reason {
		case "allowed", "keys_unavailable": // still there; gone, but the token is so young that its key may be yet to come
			return false
		case "token_key_unknown":
			return v.status == http.StatusUnauthorized
		default:
			t.Fatalf("a token of the deleted key: %+v", v)
			return false
		}
	})
	if v := eager.judge(t, fresh); v.reason != "allowed" {
		t.Errorf("a token of the new key: %+v", v)
	}
}
