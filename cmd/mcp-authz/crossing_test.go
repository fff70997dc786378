package main

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// terrain is what the random configurations of this file are made of: issuers and keys under few names, so that two
// configurations share names, issuers and key ids, and mean something else by them.
type terrain struct {
	keys   []*authztest.Key // the first two have the same id
	issues []string
	random *rand.Rand
}

func newTerrain() *terrain {
	return &terrain{
		keys:   []*authztest.Key{authztest.GenerateEC("k", elliptic.P256()), authztest.GenerateEC("k", elliptic.P256()), authztest.GenerateEd25519("k-2")},
		issues: []string{"https://one.example.com", "https://two.example.com"},
		random: rand.New(rand.NewPCG(8, 8)),
	}
}

func pick[T any](g *terrain, of ...T) T { return of[g.random.IntN(len(of))] }

// some picks at least one of them.
func some(g *terrain, of ...string) []string {
	out := []string{pick(g, of...)}
	for _, o := range of {
		if g.random.IntN(3) == 0 && o != out[0] {
			out = append(out, o)
		}
	}
	return out
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// configuration makes a good one, as a JSON file.
func (g *terrain) configuration() string {
	for {
		config := g.attempt()
		if f, _ := loadConfig([]byte(config)); f != nil { // else no key fits the algorithms
			return config
		}
	}
}

func (g *terrain) attempt() string {
	type object = map[string]any
	names, issues := []string{"corp", "partner"}, slices.Clone(g.issues)
	if g.random.IntN(2) == 0 { // the same issuer under the other name
		slices.Reverse(issues)
	}
	servers := []object{}
	for n, name := range names {
		set := pick(g, []int{0}, []int{1}, []int{2}, []int{0, 2}, []int{1, 2})
		jwks := []object{}
		for _, k := range set {
			jwks = append(jwks, g.keys[k].JWK(nil))
		}
		s := object{"name": name, "issuer": issues[n], "jwks": object{"keys": jwks}, "leeway": pick(g, "30s", "1s"), "accessTokenType": pick(g, "any", "any", "at+jwt")}
		if alg := pick(g, nil, nil, []string{"ES256"}, []string{"EdDSA"}, []string{"ES256", "EdDSA"}); alg != nil {
			s["algorithms"] = alg
		}
		if g.random.IntN(3) == 0 {
			s["insecureClientIDAudience"] = []string{"client-1"}
		}
		if g.random.IntN(3) == 0 {
			s["scopeClaim"] = "permissions"
		}
		servers = append(servers, s)
	}
	resources := []object{}
	for _, place := range []string{"https://mcp.example.com/github/mcp", "https://mcp.example.com/github/mcp/admin", "https://*.tenants.example.com/mcp"} {
		if g.random.IntN(4) == 0 {
			continue
		}
		r := object{"name": fmt.Sprintf("r%d", len(resources)), "resource": place, "authorizationServers": some(g, names...)}
		scopes := object{"required": some(g, "a", "b", "c")}
		if g.random.IntN(3) == 0 {
			scopes["implies"] = object{"c": []string{"a"}}
		}
		if g.random.IntN(4) > 0 {
			r["scopes"] = scopes
		}
		if g.random.IntN(2) == 0 {
			r["audiences"] = []string{"shared"}
		}
		resources = append(resources, r)
	}
	return text(object{"authorizationServers": servers, "resources": resources, "limits": object{"concurrentChecks": pick(g, 1024, 2048)}})
}

// spoiled is a configuration that is not good, and would let more through if it were applied.
func (g *terrain) spoiled(good string) string {
	return pick(g, good[:len(good)-1], strings.ReplaceAll(good, `"required":`, `"implies":{},"x":`)+"x", strings.Replace(good, `{"keys"`, `{"x":{}}, "x":{"keys"`, 1), "")
}

// requests are tokens of every kind for every place.
func (g *terrain) requests() (requests []*authz.Request) {
	for _, iss := range g.issues {
		for _, key := range g.keys {
			issuer := authztest.NewIssuerWithKey(iss, key)
			for _, typ := range []string{"at+jwt", "JWT"} {
				for _, aud := range []any{"https://mcp.example.com/github/mcp", "shared", "https://x.tenants.example.com/mcp", authztest.Omit} {
					for _, scope := range []string{"a b", "c", "a"} {
						permissions := map[string]any{"scope": scope, "permissions": []string{"b", "c"}, "aud": aud}
						tok := issuer.Token(permissions)
						tok.Header["typ"] = typ
						compact := tok.Compact()
						for _, to := range [][2]string{{"mcp.example.com", "/github/mcp"}, {"mcp.example.com", "/github/mcp/admin"}, {"x.tenants.example.com", "/mcp"}} {
							r := request(compact)
							r.Host, r.Path = to[0], to[1]
							requests = append(requests, r)
						}
					}
				}
			}
		}
	}
	return requests
}

// alone tells for each request whether a configuration lets it through, when there has never been another.
func alone(t *testing.T, config string, requests []*authz.Request) []bool {
	t.Helper()
	return verdicts(t, configured(t, config).authorizer, requests)
}

func verdicts(t *testing.T, a *authz.Authorizer, requests []*authz.Request) (out []bool) {
	for _, r := range requests {
		out = append(out, a.Authorize(t.Context(), r).Allowed())
	}
	return out
}

// Invariant 8, for random configurations: while they replace each other, with bad ones in between, whatever passes would pass
// with one of those in force during the check, had it been alone. And once a configuration is in force, exactly that passes
// which it lets through by itself: no verdict, key or rule of another one remains.
func TestConfigurationsThatReplaceEachOther(t *testing.T) {
	g := newTerrain()
	requests := g.requests()
	var texts []string
	var want [][]bool
	passing := map[int]bool{}
	for len(texts) < 40 {
		config := g.configuration()
		if n := len(texts); n > 2 && g.random.IntN(4) == 0 {
			config = texts[n-2] // the last but one again
		}
		texts, want = append(texts, config), append(want, alone(t, config, requests))
		for n, pass := range want[len(want)-1] {
			if pass {
				passing[n] = true
			}
		}
	}
	t.Logf("%d configurations, %d requests, of which %d pass with one of them", len(texts), len(requests), len(passing))
	if len(passing) < len(requests)/10 {
		t.Fatal("too few requests pass at all")
	}

	c := configured(t, texts[0])
	var from, to atomic.Int64 // the configurations that may be in force
	var seen, across atomic.Int64
	var checks sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		checks.Go(func() {
			for n := 0; ; n = (n + 7) % len(requests) {
				select {
				case <-stop:
					return
				default:
				}
				first := from.Load()
				pass := c.authorizer.Authorize(t.Context(), requests[n]).Allowed()
				last := to.Load()
				if !pass {
					continue
				}
				seen.Add(1)
				if first != last {
					across.Add(1)
				}
				if !slices.ContainsFunc(want[first:last+1], func(w []bool) bool { return w[n] }) {
					t.Errorf("request %d passed while the configurations %d to %d were in force, and none of them lets it through", n, first, last)
					return
				}
			}
		})
	}
	for n := 1; n < len(texts); n++ {
		must(t, os.WriteFile(c.path, []byte(g.spoiled(texts[n])), 0o600))
		if c.reload(); c.rejected.Load() == nil {
			t.Fatalf("a spoiled configuration %d was applied", n)
		}
		to.Store(int64(n))
		must(t, os.WriteFile(c.path, []byte(texts[n]), 0o600))
		if c.reload(); c.rejected.Load() != nil {
			t.Fatalf("configuration %d was not applied", n)
		}
		from.Store(int64(n))
		for i, pass := range verdicts(t, c.authorizer, requests) {
			if pass != want[n][i] {
				t.Errorf("configuration %d after others lets request %d through: %v; alone: %v", n, i, pass, want[n][i])
			}
		}
		if t.Failed() {
			break
		}
	}
	close(stop)
	checks.Wait()
	t.Logf("%d requests passed, %d of them while configurations changed", seen.Load(), across.Load())
	if seen.Load() == 0 {
		t.Error("nothing passed")
	}
}

// B-37: a verdict that is remembered does not outlive the declaration that made it, whatever changes in that, and an old one
// does not come back with the old declaration's name.
func TestNoVerdictOutlivesItsDeclaration(t *testing.T) {
	ec, other, ed := authztest.GenerateEC("k", elliptic.P256()), authztest.GenerateEC("k", elliptic.P256()), authztest.GenerateEd25519("k-2")
	issuer := authztest.NewIssuerWithKey("https://idp.example.com", ec)
	keys := func(k *authztest.Key) string { return text(map[string]any{"keys": []any{k.JWK(nil), ed.JWK(nil)}}) }
	declare := func(more string, replace ...string) string {
		return strings.NewReplacer(replace...).Replace("authorizationServers:\n- { name: corp, issuer: \"https://idp.example.com\", jwks: " + keys(ec) + more + " }\n" +
			"- { name: partner, issuer: \"https://partner.example.com\", jwks: " + keys(other) + " }\n" + githubWithScope)
	}
	good := map[string]any{"aud": audience, "scope": "mcp:use"}
	for what, c := range map[string]struct {
		claims        map[string]any
		typ           string
		before, after string
		reason        authz.Reason
	}{
		"other keys of the same id":      {good, "at+jwt", declare(""), declare("", keys(ec), keys(other)), authz.TokenSignature},
		"another issuer":                 {good, "at+jwt", declare(""), declare("", "https://idp.example.com", "https://idp.example.com/"), authz.TokenIssuer},
		"other algorithms":               {good, "at+jwt", declare(""), declare(", algorithms: [EdDSA]"), authz.TokenAlgorithm},
		"another type":                   {good, "JWT", declare(""), declare(", accessTokenType: at+jwt"), authz.TokenType},
		"another claim for scopes":       {good, "at+jwt", declare(""), declare(", scopeClaim: permissions"), authz.InsufficientScope},
		"no client for an audience":      {merged(good, map[string]any{"aud": authztest.Omit}), "at+jwt", declare(", insecureClientIDAudience: [client-1]"), declare(""), authz.TokenAudience},
		"less leeway":                    {merged(good, map[string]any{"nbf": time.Now().Add(100 * time.Second).Unix()}), "at+jwt", declare(", leeway: 2m"), declare(", leeway: 1s"), authz.TokenNotYetValid},
		"the names change places":        {good, "at+jwt", declare(""), declare("", "name: corp", "name: partner", "name: partner", "name: corp"), authz.TokenIssuer},
		"the resource trusts the other":  {good, "at+jwt", declare(""), declare("", "[corp]", "[partner]"), authz.TokenIssuer},
		"the resource wants more":        {good, "at+jwt", declare(""), declare("", "mcp:use", "mcp:admin"), authz.InsufficientScope},
		"the resource is another":        {good, "at+jwt", declare(""), declare("", audience, "https://mcp.example.com/github"), authz.TokenAudience},
		"the resource is gone":           {good, "at+jwt", declare(""), "resources: []\n", authz.ResourceUnknown},
		"tokens must be shorter":         {merged(good, map[string]any{"x": strings.Repeat("x", 1000)}), "at+jwt", declare(""), "limits: { tokenBytes: 512 }\n" + declare(""), authz.TokenMalformed},
		"an audience is no longer taken": {merged(good, map[string]any{"aud": "shared"}), "at+jwt", declare("", "authorizationServers: [corp] }", "authorizationServers: [corp], audiences: [shared] }"), declare(""), authz.TokenAudience},
	} {
		t.Run(what, func(t *testing.T) {
			tok := issuer.Token(c.claims)
			tok.Header["typ"] = c.typ
			r := request(tok.Compact())
			running := configured(t, c.before)
			for round := range 2 {
				for range 3 {
					if d := running.authorizer.Authorize(t.Context(), r); !d.Allowed() {
						t.Fatalf("round %d: before: %v, want it allowed", round, d.Reason)
					}
				}
				must(t, os.WriteFile(running.path, []byte(c.after), 0o600))
				if running.reload(); running.rejected.Load() != nil {
					t.Fatal("rejected")
				}
				for range 3 {
					if d := running.authorizer.Authorize(t.Context(), r); d.Reason != c.reason {
						t.Errorf("round %d: after: %v, want %v", round, d.Reason, c.reason)
					}
				}
				must(t, os.WriteFile(running.path, []byte(c.before), 0o600))
				running.reload()
			}
		})
	}
}
