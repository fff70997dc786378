package token_test

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// The four dimensions of the table, each value under the name that it has there.

// noObjection is what a value has that does not object to anything.
const noObjection = authz.Undecided

// carrier is how a token is shown.
type carrier struct {
	name   string
	is     string
	reason authz.Reason // its objection
	carry  func(r *authztest.HTTP, compact string)
}

func carriers() []carrier {
	bearer := func(before, after string) func(*authztest.HTTP, string) {
		return func(r *authztest.HTTP, compact string) {
			r.Header = append(r.Header, [2]string{"Authorization", before + compact + after})
		}
	}
	fields := func(more ...[2]string) func(*authztest.HTTP, string) {
		return func(r *authztest.HTTP, compact string) {
			for _, f := range more {
				r.Header = append(r.Header, [2]string{f[0], strings.ReplaceAll(f[1], "TOKEN", compact)})
			}
		}
	}
	return []carrier{
		{"Bearer", "Authorization: Bearer TOKEN", noObjection, bearer("Bearer ", "")},
		{"bearer", "Authorization: bearer TOKEN", noObjection, bearer("bearer ", "")},
		{"none", "no Authorization", authz.NoCredential, func(*authztest.HTTP, string) {}},
		{"empty", "Authorization: Bearer, and nothing after it", authz.NoCredential, fields([2]string{"Authorization", "Bearer "})},
		{"Basic", "Authorization: Basic TOKEN", authz.NoCredential, bearer("Basic ", "")},
		{"DPoP", "Authorization: DPoP TOKEN", authz.NoCredential, bearer("DPoP ", "")},
		{"query", "?access_token=TOKEN", authz.NoCredential, func(r *authztest.HTTP, compact string) { r.Path += "?access_token=" + compact }},
		{"body", "access_token=TOKEN in the body", authz.NoCredential, func(r *authztest.HTTP, compact string) { r.Body = "access_token=" + compact }},
		{"elsewhere", "Proxy-Authorization: Bearer TOKEN, and Cookie", authz.NoCredential, fields([2]string{"Cookie", "access_token=TOKEN"}, [2]string{"Proxy-Authorization", "Bearer TOKEN"})},
		{"twice", "Authorization: Bearer TOKEN, in two fields", authz.MultipleCredentials, fields([2]string{"Authorization", "Bearer TOKEN"}, [2]string{"Authorization", "Bearer TOKEN"})},
		{"with another", "Authorization: Bearer TOKEN, Basic eA==", authz.MultipleCredentials, bearer("Bearer ", ", Basic eA==")},
		{"malformed", "Authorization: Bearer TOKEN TOKEN", authz.TokenMalformed, fields([2]string{"Authorization", "Bearer TOKEN TOKEN"})},
		{"too long", "Authorization: Bearer TOKEN, and 16 KiB of padding", authz.TokenMalformed, bearer("Bearer ", strings.Repeat("=", 16<<10))},
	}
}

// At which step of a verifier a token has a fault of its own.
const (
	ofForm = iota + 1 // size, form, type, algorithm
	ofTime            // claims and time
	ofKind            // after the signature
)

// kindOfToken is what a token is.
type kindOfToken struct {
	name   string
	is     string
	iss    string
	aud    []string
	scope  string
	key    *authztest.Key // that signed it
	kid    string         // that it names
	old    bool           // made an hour ago
	cached bool           // its signature is remembered
	step   int            // of its fault, if it has one
	reason authz.Reason
	edits  []edit
}

// Audiences, by the resources that have them.
const (
	github   = "https://mcp.example.com/github/mcp"
	wiki     = "https://mcp.example.com/wiki/mcp"
	hub      = "https://mcp.example.com/hub/mcp"
	tenantA  = "https://a.tenants.example.com/mcp"
	dev      = "http://localhost:3000/mcp"
	whatever = "http://anything.example.org/mcp"
)

// shown is every kind of token. All that is not said of one is as in a good one.
func shown() []kindOfToken {
	var all []kindOfToken
	add := func(name, is string, change func(*kindOfToken)) {
		k := kindOfToken{name: name, is: is, iss: corpURL, aud: []string{github}, scope: "mcp:use", key: ecKey(), kid: "ec"}
		change(&k)
		all = append(all, k)
	}
	good := func(name, is string, change func(*kindOfToken)) {
		add(name, is, func(k *kindOfToken) { k.cached = true; change(k) })
	}
	bad := func(name, is string, step int, reason authz.Reason, edits ...edit) {
		add(name, is, func(k *kindOfToken) { k.step, k.reason, k.edits = step, reason, edits })
	}
	forAudience := func(aud ...string) func(*kindOfToken) { return func(k *kindOfToken) { k.aud = aud } }

	good("good", "a good access token of corp, for github, with the scope mcp:use", func(*kindOfToken) {})
	good("second key", "good, by another key of corp", func(k *kindOfToken) { k.key, k.kid = edKey(), "ed" })
	add("new key", "good, by a key that corp has published since", func(k *kindOfToken) { k.key, k.kid = ec384(), "ec-384" })
	good("for both", "good, for github and for wiki", forAudience(github, wiki))
	good("for wiki", "good, for wiki", forAudience(wiki))
	good("for tenant a", "good, for tenant a", forAudience(tenantA))
	good("for dev", "good, for the development resource", forAudience(dev))
	good("without scope", "good, but for the scope", func(k *kindOfToken) { k.scope = "" })
	good("of other", "good, of the other server", func(k *kindOfToken) { k.iss, k.key = otherURL, foreignEC() })
	good("corp by other", "of corp's name, by the other server's key of the same id", func(k *kindOfToken) { k.key = foreignEC() })
	add("other by corp", "of the other server's name, by corp's key of the same id", func(k *kindOfToken) { k.iss = otherURL })
	add("of nobody", "of a server that nobody declares, by corp's key", func(k *kindOfToken) { k.iss = "https://nobody.example.com" })

	add("no aud", "for nobody", func(k *kindOfToken) { k.aud, k.edits = nil, []edit{without("aud")} })
	add("for the client", "for the client itself", forAudience("client-1"))
	add("for the host", "for the host that a request to the development resource names", forAudience(whatever))

	bad("opaque", "not a JWT", ofForm, authz.TokenMalformed, sent(func(string) string { return "an-opaque-token" }))
	bad("encrypted", "five parts", ofForm, authz.TokenMalformed, sent(func(s string) string { return s + ".x.y" }))
	bad("over 16 KiB", "good, but so long", ofForm, authz.TokenMalformed, claim("x", strings.Repeat("x", 16<<10)))
	bad("DPoP proof", "of the type dpop+jwt", ofForm, authz.TokenType, header("typ", "dpop+jwt"))
	bad("alg none", "without a signature", ofForm, authz.TokenAlgorithm, header("alg", "none"), unsigned)
	bad("HS256", "signed with corp's public key as the secret", ofForm, authz.TokenAlgorithm, header("alg", "HS256"), signature(authztest.HMAC(ecKey().PublicPEM())))
	bad("crit", "with an extension that must be understood", ofForm, authz.TokenCritical, header("crit", []string{"b64"}), header("b64", false))

	bad("expired", "good until a moment ago, and known from then", ofTime, authz.TokenExpired)
	all[len(all)-1].cached = true
	bad("no exp", "good for ever", ofTime, authz.TokenClaims, without("exp"))
	bad("odd sub", "with a number as sub", ofTime, authz.TokenClaims, claim("sub", 7))
	add("nbf", "good from in an hour", func(k *kindOfToken) { k.step, k.reason = ofTime, authz.TokenNotYetValid })
	add("iat", "made in an hour", func(k *kindOfToken) { k.step, k.reason = ofTime, authz.TokenNotYetValid })

	add("changed", "changed since it was signed", func(k *kindOfToken) { k.key, k.edits = nil, []edit{part(1, changed)} })
	add("changed and old", "the same, made an hour ago", func(k *kindOfToken) { k.key, k.old, k.edits = nil, true, []edit{part(1, changed)} })
	add("forged", "signed by a stranger, in the name of corp's key", func(k *kindOfToken) { k.key = stranger() })
	add("strange", "signed by a stranger, in his own name", func(k *kindOfToken) { k.key, k.kid = stranger(), "stranger" })
	add("strange and old", "the same, made an hour ago", func(k *kindOfToken) { k.key, k.kid, k.old = stranger(), "stranger", true })

	bad("ID token", "with a nonce, of the type JWT", ofKind, authz.TokenKind, header("typ", "JWT"), claim("nonce", "n"))
	bad("refresh token", "as Keycloak marks it", ofKind, authz.TokenKind, claim("typ", "Refresh"))
	bad("bound", "bound to a key (cnf)", ofKind, authz.TokenBound, claim("cnf", object{"jkt": "x"}))
	return all
}

// changed is a payload that says something else.
func changed(payload string) string {
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(replaced("client-1", "client-2")(raw))
}

// mint makes one of this kind, now. One that expires has done so just now, or will soon.
func (k kindOfToken) mint(soon bool) string {
	now := time.Now()
	edits := []edit{claim("iss", k.iss), claim("scope", k.scope), audience(k.aud), claim("exp", now.Add(2*time.Hour).Unix())}
	if k.key != nil {
		edits = append(edits, by(k.key))
	} else {
		edits = append(edits, by(ecKey()))
	}
	edits = append(edits, kid(k.kid))
	switch {
	case k.old:
		edits = append(edits, claim("iat", now.Add(-time.Hour).Unix()))
	case k.reason == authz.TokenExpired && soon:
		edits = append(edits, claim("exp", now.Unix()))
	case k.reason == authz.TokenExpired:
		edits = append(edits, claim("exp", now.Add(-leeway).Unix()))
	case k.name == "nbf":
		edits = append(edits, claim("nbf", now.Add(time.Hour).Unix()))
	case k.name == "iat":
		edits = append(edits, claim("iat", now.Add(time.Hour).Unix()))
	}
	return mint(append(edits, k.edits...)...)
}

// spot is what a token is shown for.
type spot struct {
	name, is        string
	host, path, pin string
	reason          authz.Reason // its objection
	id              string       // as declared, "" if it is not, or by a spot above
	servers         []string     // that it names
	audiences       []string     // that it takes
	declared        []string     // those of them that are not its own name
	scope           string       // that it asks for
	anyHost         bool
	routes          []authz.RouteRef // that lead to it
	route           string           // of these, or another one, that the gateway matched; "" if it does not tell
}

func spots() []spot {
	const host, mcp = "mcp.example.com", "https://mcp.example.com"
	corp, other := []string{"corp"}, []string{"other"}
	its := []string{github}
	objects := func(name, is string, reason authz.Reason, host, path, pin string) spot {
		return spot{name: name, is: is, reason: reason, host: host, path: path, pin: pin}
	}
	return []spot{
		{name: "github", is: github + ": of corp, asks for mcp:use", host: host, path: "/github/mcp", id: github, servers: corp, audiences: its, scope: "mcp:use", routes: []authz.RouteRef{{Namespace: "team", Name: "github"}}},
		{name: "below", is: "a path below it, with a query", host: host, path: "/github/mcp/x?y", servers: corp, audiences: its, scope: "mcp:use"},
		{name: "pinned", is: "on a route that is pinned to it and is its own", host: host, path: "/github/mcp", pin: github, route: "github", servers: corp, audiences: its, scope: "mcp:use"},
		{name: "hub", is: "of corp and of the other server, takes github's audience too, asks for no scope", host: host, path: "/hub/mcp", id: hub, servers: []string{"corp", "other"}, audiences: []string{hub, github}, declared: its},
		{name: "wiki", is: "of corp, asks for no scope", host: host, path: "/wiki/mcp", id: wiki, servers: corp, audiences: []string{wiki}},
		{name: "slack", is: "of the other server, takes github's audience", host: host, path: "/slack/mcp", id: mcp + "/slack/mcp", servers: other, audiences: its, declared: its},
		{name: "twin", is: "of corp's name with the other server's keys, takes github's audience", host: host, path: "/twin/mcp", id: mcp + "/twin/mcp", servers: []string{"twin"}, audiences: its, declared: its},
		{name: "orphan", is: "of no server, takes github's audience", host: host, path: "/orphan/mcp", id: mcp + "/orphan/mcp", audiences: its, declared: its},
		{name: "tenant a", is: "of https://*.tenants.example.com/mcp, of corp", host: "a.tenants.example.com", path: "/mcp", id: "https://*.tenants.example.com/mcp", servers: corp, audiences: []string{tenantA}},
		{name: "tenant b", is: "of the same", host: "b.tenants.example.com", path: "/mcp", servers: corp, audiences: []string{"https://b.tenants.example.com/mcp"}},
		{name: "dev", is: dev + ", which takes any host: of corp", host: "anything.example.org", path: "/mcp", id: dev, servers: corp, audiences: []string{dev}, anyHost: true},
		{name: "unusable", is: "declared, but not to be used", host: host, path: "/broken/mcp", id: mcp + "/broken/mcp", reason: authz.ResourceUnusable},
		objects("mispinned", "github, on a route that is pinned to wiki", authz.ResourceMismatch, host, "/github/mcp", wiki),
		{name: "misrouted", is: "github, on a route that is not its own", reason: authz.RouteMismatch, host: host, path: "/github/mcp", route: "wiki"},
		objects("nothing", "a path that no resource covers", authz.ResourceUnknown, host, "/gitlab/mcp", ""),
		objects("port", "github, at a port that is not declared", authz.ResourceUnknown, host+":8443", "/github/mcp", ""),
		objects("case", "/GitHub/mcp", authz.NotCanonical, host, "/GitHub/mcp", ""),
		objects("dots", "/x/../github/mcp", authz.NotCanonical, host, "/x/../github/mcp", ""),
		objects("document", "the metadata document of github", authz.Metadata, host, "/.well-known/oauth-protected-resource/github/mcp", ""),
	}
}

func issuerOf(server string) string {
	if server == "other" {
		return otherURL
	}
	return corpURL
}

// trouble is how corp's key server does: from the start, or since all was well.
type trouble struct {
	name, is  string
	early     func(*authztest.Issuer)
	late      func(*shop)
	staleness time.Duration
	keys      map[string]*authztest.Key // in force, by their ids
	blind     bool                      // it cannot be asked
}

func (tr trouble) begin(s *shop) {
	s.publish(ecKey(), edKey(), ec384())
	if tr.late != nil {
		tr.late(s)
	}
	s.look()
	pass(leeway + time.Second) // what was good for a moment has expired
}

func troubles() []trouble {
	type keys = map[string]*authztest.Key
	three := keys{"ec": ecKey(), "ed": edKey(), "ec-384": ec384()}
	two := keys{"ec": ecKey(), "ed": edKey()}
	fails := func(kind authztest.FaultKind) func(*authztest.Issuer) {
		return func(i *authztest.Issuer) { i.FailAll(authztest.Fault{Kind: kind}) }
	}
	since := func(kind authztest.FaultKind) func(*shop) {
		return func(s *shop) { fails(kind)(s.keys) }
	}
	const long = 24 * time.Hour
	down := func(s *shop) { since(authztest.Refuse)(s); pass(time.Minute) }
	withdrawn := func(s *shop) { s.publish(); s.look(); pass(time.Minute) }
	return []trouble{
		{name: "well", is: "it answers", staleness: long, keys: three},
		{name: "never up", is: "it has refused connections from the start", early: fails(authztest.Refuse), staleness: long, blind: true},
		{name: "never answers", is: "it has hung from the start", early: fails(authztest.Hang), staleness: long, blind: true},
		{name: "never sane", is: "it has given garbage from the start", early: fails(authztest.Garbage), staleness: long, blind: true},
		{name: "impostor", is: "its metadata have been another issuer's from the start", early: func(i *authztest.Issuer) { i.SetMetadata(object{"issuer": otherURL}) }, staleness: long, blind: true},
		{name: "back", is: "it gave errors from the start and answers now", early: fails(authztest.Status500), late: since(authztest.None), staleness: long, keys: three},
		{name: "errors", is: "it gives errors since the keys were fetched", late: since(authztest.Status500), staleness: long, keys: two, blind: true},
		{name: "hangs", is: "it hangs since then", late: since(authztest.Hang), staleness: long, keys: two, blind: true},
		{name: "garbage", is: "it gives garbage since then", late: since(authztest.Garbage), staleness: long, keys: two, blind: true},
		{name: "stale", is: "it has been down for longer than maxStaleness", late: down, staleness: time.Minute, blind: true},
		{name: "key withdrawn", is: "it has withdrawn its first key", late: func(s *shop) { s.publish(edKey(), ec384()) }, staleness: long, keys: keys{"ed": edKey(), "ec-384": ec384()}},
		{name: "other keys", is: "it has the other server's keys now, of the same ids", late: func(s *shop) { s.publish(foreignEC()) }, staleness: long, keys: keys{"ec": foreignEC()}},
		{name: "all withdrawn", is: "it has published no key for a minute", late: withdrawn, staleness: long, blind: true},
	}
}
