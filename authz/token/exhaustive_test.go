package token_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
	"github.com/mcp-authz/mcp-authz/metadata"
)

var update = flag.Bool("update", false, "rewrite testdata/exhaustive.txt")

// TestEveryCombination is invariant 2, exhaustively, on the whole check: every combination of how a token is carried, what it is,
// what it is shown for, and how the key server does. Each verdict is that of the first step that objects, and stands in
// testdata/exhaustive.txt, which people review: every way to be let in comes first there. No verdict depends on a cache: one
// that has just been filled, or one that was filled while all was well (B-01, B-37).
func TestEveryCombination(t *testing.T) {
	dims := dimensions{
		column("carried", carriers(), func(c carrier) value { return value{c.name, c.is} }),
		column("token", shown(), func(k kindOfToken) value { return value{k.name, k.is} }),
		column("shown for", spots(), func(s spot) value { return value{s.name, s.is} }),
		column("key server of corp", troubles(), func(tr trouble) value { return value{tr.name, tr.is} }),
	}
	results := make([][]string, len(troubles()))
	t.Run("key servers", func(t *testing.T) {
		for n, tr := range troubles() {
			t.Run(tr.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { results[n] = judgeAll(t, tr) })
			})
		}
	})
	if t.Failed() {
		return
	}
	verdict := func(c combination) string {
		return results[c[3]][(c[0]*len(dims[1].values)+c[1])*len(dims[2].values)+c[2]]
	}
	compareTable(t, "testdata/exhaustive.txt", dims, []string{
		"allow", "400 not_canonical", "405 metadata", "404 resource_unknown", "404 resource_mismatch", "404 route_mismatch", "503 resource_unusable",
		"401 no_credential", "400 multiple_credentials", "401 token_malformed", "401 token_type", "401 token_algorithm", "401 token_critical",
		"401 token_issuer", "401 token_claims", "401 token_expired", "401 token_not_yet_valid", "401 token_audience", "503 keys_unavailable",
		"401 token_key_unknown", "401 token_signature", "401 token_kind", "401 token_bound", "403 insufficient_scope",
	}, verdict)
}

// judgeAll is all combinations with one trouble of the key server: carrier by carrier, token by token, place by place.
func judgeAll(t *testing.T, tr trouble) []string {
	w := troubled(t, tr)
	before := map[string]string{} // tokens that were verified while all was well
	for _, k := range shown() {
		before[k.name] = k.mint(true)
		for _, at := range spots() {
			w.ask(carriers()[0], before[k.name], at, authztest.RawForm)
		}
	}
	tr.begin(w)
	for _, k := range shown() {
		if !k.cached {
			continue
		}
		for _, at := range spots() {
			want := expected(carriers()[0], k, at, tr)
			if got := w.ask(carriers()[0], before[k.name], at, authztest.RawForm); got.Reason != want.String() {
				t.Errorf("%s, %s, known from before: %s, want %v", k.name, at.name, got.Reason, want)
			}
		}
	}
	var all []string
	fresh := map[[2]string]string{} // made with the trouble on, by token and place
	for _, c := range carriers() {
		for _, k := range shown() {
			for _, at := range spots() {
				want := expected(c, k, at, tr)
				compact := before[k.name]
				if c.reason == noObjection {
					if want == authz.TokenKeyUnknown || want == authz.TokenSignature {
						pass(token.MinRefreshGap + time.Second) // so that the key server may be asked
					}
					if compact = fresh[[2]string{k.name, at.name}]; compact == "" {
						compact = k.mint(false)
						fresh[[2]string{k.name, at.name}] = compact
					}
				}
				v := w.ask(c, compact, at, authztest.RawForm)
				if v.Reason != want.String() || v.Allowed != (want == authz.Allowed) {
					t.Errorf("%s, %s, %s: %s, allowed %v, want %v", c.name, k.name, at.name, v.Reason, v.Allowed, want)
				}
				all = append(all, said(v))
				if c.reason != noObjection {
					continue
				}
				verified := w.corp.Status().Verified
				if again := w.ask(c, compact, at, authztest.StringForm); said(again) != said(v) {
					t.Errorf("%s, %s, %s: %s, and again %s", c.name, k.name, at.name, v.Reason, again.Reason)
				}
				if v.Allowed && w.corp.Status().Verified != verified {
					t.Errorf("%s, %s, %s: verified twice", c.name, k.name, at.name)
				}
			}
		}
	}
	return all
}

func said(v authztest.Verdict) string {
	if v.Allowed {
		return "allow"
	}
	return fmt.Sprintf("%d %s", v.Status, v.Reason)
}

// expected is the verdict by the book: each value of a combination has at most one objection of its own, issuer, audience, key and
// scope are compared, and the first step that objects gives the reason.
func expected(c carrier, k kindOfToken, at spot, tr trouble) authz.Reason {
	server := ""
	for _, s := range at.servers {
		if issuerOf(s) == k.iss {
			server = s
		}
	}
	keys := map[string]map[string]*authztest.Key{"corp": tr.keys, "other": {"ec": foreignEC()}, "twin": {"ec": foreignEC()}}[server]
	made, there := keys[k.kid]
	cannotLook := server == "corp" && tr.blind && !k.old
	objections := []struct {
		objects bool
		reason  authz.Reason
	}{
		{at.reason != noObjection, at.reason},
		{c.reason != noObjection, c.reason},
		{k.step == ofForm, k.reason},
		{server == "", authz.TokenIssuer},
		{k.step == ofTime, k.reason},
		{!slices.ContainsFunc(k.aud, func(a string) bool { return slices.Contains(at.audiences, a) }), authz.TokenAudience},
		{len(keys) == 0, authz.KeysUnavailable},
		{(!there || made != k.key) && cannotLook, authz.KeysUnavailable},
		{!there, authz.TokenKeyUnknown},
		{made != k.key, authz.TokenSignature},
		{k.step == ofKind, k.reason},
		{at.scope != "" && k.scope != at.scope, authz.InsufficientScope},
	}
	for _, o := range objections {
		if o.objects {
			return o.reason
		}
	}
	return authz.Allowed
}

// shop is the whole check, with corp's keys behind a network, and those of the others at hand.
type shop struct {
	t      *testing.T
	keys   *authztest.Issuer // corp's public side
	corp   *token.Issuer
	server *extauthz.Server
}

func troubled(t *testing.T, tr trouble) *shop {
	s := &shop{t: t, keys: authztest.NewIssuerWithKey(corpURL, ecKey())}
	s.publish(ecKey(), edKey())
	if tr.early != nil {
		tr.early(s.keys)
	}
	c := token.Config{
		Name: "corp", Issuer: corpURL, Leeway: leeway, RefreshInterval: 24 * time.Hour, MaxStaleness: max(tr.staleness, time.Minute),
		CacheEntries: 100_000, Transport: pipes(t, s.keys),
	}
	s.corp = run(t, c)
	<-s.corp.Attempted()
	inline := func(name, issuer string) *token.Issuer {
		return run(t, token.Config{Name: name, Issuer: issuer, JWKS: keySet(foreignEC().JWK(nil)), Leeway: leeway, CacheEntries: 100_000})
	}
	servers := map[string]*token.Issuer{"corp": s.corp, "other": inline("other", otherURL), "twin": inline("twin", corpURL)}
	var resources []authz.ProtectedResource
	declared := map[string]bool{}
	for _, at := range spots() {
		if at.id == "" || declared[at.id] {
			continue
		}
		declared[at.id] = true
		id, err := metadata.ParseIdentifier(at.id, metadata.IdentifierRules{AllowWildcard: true})
		if err != nil {
			t.Fatal(err)
		}
		var issuers []*token.Issuer
		for _, name := range at.servers {
			issuers = append(issuers, servers[name])
		}
		p := authz.ProtectedResource{
			Name: at.name, ID: id, Audiences: at.declared, Policy: authz.NewPolicy(nil, nil), Verifier: token.NewVerifier(issuers...),
			InsecureAnyHost: at.anyHost, Unusable: at.reason == authz.ResourceUnusable, Routes: at.routes,
		}
		if at.scope != "" {
			p.Policy = authz.NewPolicy([]string{at.scope}, nil)
		}
		resources = append(resources, p)
	}
	s.server = newServer(t, resources...)
	return s
}

func (s *shop) publish(keys ...*authztest.Key) {
	list := []any{}
	for _, k := range keys {
		list = append(list, k.JWK(nil))
	}
	s.keys.SetJWKS(keySet(list...))
}

// look makes the verifier ask for the keys, by a token that it does not know, and gives it time.
func (s *shop) look() {
	pass(token.MinRefreshGap)
	s.ask(carriers()[0], mint(by(stranger()), audience(github)), spots()[0], authztest.RawForm)
	pass(2 * token.MinRefreshGap)
}

func (s *shop) ask(c carrier, compact string, at spot, encoding authztest.Encoding) authztest.Verdict {
	s.t.Helper()
	r := authztest.HTTP{Method: "POST", Host: at.host, Path: at.path, Body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}
	if at.pin != "" {
		r.Pin = &at.pin
	}
	if at.route != "" {
		r.Route = &authztest.Route{Kind: "HTTPRoute", Namespace: "team", Name: at.route}
	}
	c.carry(&r, compact)
	out, err := s.server.Check(context.Background(), r.CheckRequest(encoding))
	if err != nil {
		s.t.Errorf("an RPC error lets failure_mode_allow decide: %v", err)
	}
	return authztest.ReadVerdict(out)
}
