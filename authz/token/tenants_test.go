package token_test

import (
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestTenantsCachesAreTheirOwn: whoever runs an authorization server can make any number of good tokens. They push out nobody
// else's: another's hit as often as before, even where it says that it is the same issuer; and they take no more room than its
// share.
func TestTenantsCachesAreTheirOwn(t *testing.T) {
	const share, victims = 64, 50
	declare := func(name, issuer string, key *authztest.Key) *token.Issuer {
		return run(t, token.Config{Name: name, Issuer: issuer, JWKS: keySet(key.JWK(nil)), Leeway: leeway, CacheEntries: share})
	}
	flooded, other, twin := declare("flooded", corpURL, edKey()), declare("other", otherURL, foreignEC()), declare("twin", corpURL, ecKey())
	at := func(name string) place { return place{id: "https://mcp.example.com/" + name} }
	server := newServer(t,
		resource(t, "flooded", at("flooded"), token.NewVerifier(flooded)),
		resource(t, "other", at("other"), token.NewVerifier(other)),
		resource(t, "twin", at("twin"), token.NewVerifier(twin)),
		resource(t, "shared", at("shared"), token.NewVerifier(flooded, other)),
	)
	tokens := map[string][]string{}
	for n := range victims {
		to := audience([]string{at("other").id, at("shared").id})
		tokens["other"] = append(tokens["other"], mint(by(foreignEC()), claim("iss", otherURL), to, claim("jti", n)))
		tokens["twin"] = append(tokens["twin"], mint(by(ecKey()), audience(at("twin").id), claim("jti", n)))
	}
	showAll := func() {
		for name, all := range tokens {
			for _, compact := range all {
				judged(t, checkAt(t, server, at(name).id, compact, authztest.RawForm), authz.Allowed)
			}
		}
		for _, compact := range tokens["other"] {
			judged(t, checkAt(t, server, at("shared").id, compact, authztest.RawForm), authz.Allowed)
		}
	}
	showAll()
	for n := range 20 * share {
		compact := mint(by(edKey()), audience([]string{at("flooded").id, at("shared").id}), claim("jti", n))
		for _, name := range []string{"flooded", "shared"} {
			judged(t, checkAt(t, server, at(name).id, compact, authztest.RawForm), authz.Allowed)
		}
	}
	showAll()
	for name, i := range map[string]*token.Issuer{"other": other, "twin": twin} {
		s, asked := i.Status(), uint64(2*victims)
		if name == "other" {
			asked = 4 * victims
		}
		if s.Verified != victims || s.CacheHits != asked-victims {
			t.Errorf("%s: %d signatures and %d hits for %d tokens shown %d times", name, s.Verified, s.CacheHits, victims, asked)
		}
	}
	eventually(t, func() bool { return flooded.Status().CachedTokens <= share })
	if n := flooded.Status().Verified; n < 20*share {
		t.Errorf("only %d signatures", n)
	}
}
