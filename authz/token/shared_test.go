package token_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestSharedCache: B-01, B-11, B-21, B-31: one authorization server serves many resources from one cache, and several servers may use
// the same key id, even the same issuer string. Whatever the caches know of a token from elsewhere, in whichever order it was asked,
// the verdict is the one without any cache; and it is an allow only for the resource, the issuer and the keys that belong together.
func TestSharedCache(t *testing.T) {
	corp, other, twin := authztest.NewIssuer(corpURL), authztest.NewIssuer(otherURL), authztest.NewIssuer(corpURL)
	keys := map[string]*authztest.Issuer{"corp": corp, "other": other, "twin": twin}
	for name, i := range keys {
		if i.Current().ID != "key-1-of-the-test-kit" {
			t.Fatalf("%s has the key %s; all are to have the same id", name, i.Current().ID)
		}
	}
	// Resources, and whose tokens they take.
	resources := map[string][]string{"a": {"corp"}, "b": {"corp"}, "c": {"other", "corp"}, "d": {"other"}, "e": {"twin"}}
	id := func(resource string) string { return "https://mcp.example.com/" + resource }

	type tried struct {
		name, compact   string
		iss, key, extra string
		aud             []string
	}
	var tokens []tried
	for _, aud := range [][]string{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"a", "b"}, {"c", "d", "e"}, {"a/"}} {
		for iss, url := range map[string]string{"corp": corpURL, "other": otherURL} {
			for key, signer := range keys {
				for extra, claims := range map[string]object{
					"": {}, "expired": {"exp": time.Now().Add(-time.Hour).Unix()}, "bound": {"cnf": object{"jkt": "x"}}, "refresh": {"typ": "Refresh"},
				} {
					audience := []string{}
					for _, a := range aud {
						audience = append(audience, id(a))
					}
					claims["iss"], claims["aud"] = url, audience
					tokens = append(tokens, tried{fmt.Sprintf("of %s by the key of %s for %v %s", iss, key, aud, extra), signer.Mint(claims), iss, key, extra, aud})
				}
			}
		}
	}
	verifiers := func() map[string]*token.Verifier {
		issuers, out := map[string]*token.Issuer{}, map[string]*token.Verifier{}
		for name, i := range keys {
			issuers[name] = run(t, token.Config{Name: name, Issuer: i.URL(), JWKS: i.KeySet(), Leeway: leeway, CacheEntries: 10000})
		}
		for name, servers := range resources {
			all := []*token.Issuer{}
			for _, s := range servers {
				all = append(all, issuers[s])
			}
			out[name] = token.NewVerifier(all...)
		}
		return out
	}
	ask := func(vs map[string]*token.Verifier, k tried, resource string) authz.Reason {
		return reasonOf(vs[resource].Verify(k.compact, authz.Expectation{Resource: id(resource)}, time.Now()))
	}

	warm, cold, allowed := verifiers(), verifiers(), 0
	orders := [][]tried{tokens, slices.Clone(tokens)}
	slices.Reverse(orders[1])
	for _, order := range orders { // the second time everything is known to whoever verified it
		for _, k := range order {
			for resource := range resources {
				ask(warm, k, resource)
			}
		}
	}
	for _, k := range tokens {
		for resource, servers := range resources {
			good := k.extra == "" && (slices.Contains(k.aud, resource) || slices.Contains(k.aud, resource+"/")) &&
				slices.ContainsFunc(servers, func(s string) bool { return keys[s].URL() == keys[k.iss].URL() && s == k.key })
			got, without := ask(warm, k, resource), ask(cold, k, resource)
			if got != without || (got == authz.Allowed) != good {
				t.Errorf("a token %s at %s: %v with a warm cache, %v without; to be allowed: %v", k.name, resource, got, without, good)
			}
			if good {
				allowed++
			}
		}
	}
	if allowed < 10 {
		t.Errorf("only %d pairs are allowed", allowed)
	}
}
