package token_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
	"github.com/mcp-authz/mcp-authz/metadata"
)

const (
	corpURL  = "https://idp.example.com/realms/mcp"
	otherURL = "https://other.example.com"
	leeway   = 30 * time.Second
)

// place is a protected resource that tokens are for, and the authorization servers that it names.
type place struct {
	id        string
	audiences []string
	required  []string
	implies   map[string][]string
	headers   []authz.IdentityHeader
	issuers   []token.Config
}

// places are what the vectors name. "github" is the usual one. They are made once.
var places = sync.OnceValue(func() map[string]place {
	corp := func(change func(*token.Config)) []token.Config {
		c := token.Config{Name: "corp", Issuer: corpURL, JWKS: corpKeys(), Leeway: leeway, CacheEntries: 1000}
		if change != nil {
			change(&c)
		}
		return []token.Config{c}
	}
	other := []token.Config{{Name: "other", Issuer: otherURL, JWKS: keySet(foreignEC().JWK(nil)), Leeway: leeway, CacheEntries: 1000}}
	at := func(name string) string { return "https://mcp.example.com/" + name + "/mcp" }
	all := map[string]place{
		"github":  {id: at("github"), audiences: []string{"api://github", "api://caf\u00e9"}, issuers: corp(nil)},
		"strict":  {id: at("strict"), issuers: corp(func(c *token.Config) { c.RequireATJWT = true })},
		"rs256":   {id: at("rs256"), issuers: corp(func(c *token.Config) { c.Algorithms = []string{"RS256"} })},
		"scoped":  {id: at("scoped"), required: []string{"repo:read"}, issuers: corp(nil)},
		"roles":   {id: at("roles"), required: []string{"repo:read"}, issuers: corp(func(c *token.Config) { c.ScopeClaim = "roles" })},
		"cognito": {id: at("cognito"), issuers: corp(func(c *token.Config) { c.InsecureClientIDAudience = []string{"client-1"} })},
		"odd":     {id: at("odd"), issuers: corp(func(c *token.Config) { c.JWKS = oddKeys() })},
		"twin":    {id: at("twin"), issuers: corp(func(c *token.Config) { c.JWKS = keySet(foreignEC().JWK(nil)) })}, // corp's name, other keys
		"origin":  {id: "https://solo.example.com", issuers: corp(nil)},
		"slack":   {id: at("slack"), issuers: other},
		"both":    {id: at("both"), issuers: append(corp(nil), other...)},
		"nobody":  {id: at("nobody")},
	}
	maps.Copy(all, dialectPlaces())
	return all
})

// world is every place behind one server. Its caches are its own.
type world struct {
	places    map[string]place
	verifiers map[string]authz.Verifier
	server    *extauthz.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{places: places(), verifiers: map[string]authz.Verifier{}}
	resources := []authz.ProtectedResource{}
	for name, p := range w.places {
		w.verifiers[name] = newVerifier(t, p)
		resources = append(resources, resource(t, name, p, w.verifiers[name]))
	}
	w.server = newServer(t, resources...)
	return w
}

func resource(t *testing.T, name string, p place, v authz.Verifier) authz.ProtectedResource {
	t.Helper()
	id, err := metadata.ParseIdentifier(p.id, metadata.IdentifierRules{})
	if err != nil {
		t.Fatal(err)
	}
	return authz.ProtectedResource{
		Name: name, ID: id, Audiences: p.audiences, Policy: authz.NewPolicy(p.required, p.implies), IdentityHeaders: p.headers, Verifier: v,
	}
}

const checkDeadline = time.Second

func newServer(t *testing.T, resources ...authz.ProtectedResource) *extauthz.Server {
	t.Helper()
	return newServerFor(t, 1024, resources...)
}

// newServerFor judges so many at once.
func newServerFor(t *testing.T, checks int, resources ...authz.ProtectedResource) *extauthz.Server {
	t.Helper()
	table, err := authz.NewTable(resources)
	if err != nil {
		t.Fatal(err)
	}
	a := &authz.Authorizer{}
	a.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 16 << 10, ConcurrentChecks: checks, CheckDeadline: checkDeadline}})
	s := extauthz.NewServer(extauthz.Config{Authorizer: a, MessageBytes: 4 << 20})
	t.Cleanup(func() { s.Stop(context.Background()) }) // it has workers from the start
	return s
}

func newVerifier(t *testing.T, p place) *token.Verifier {
	t.Helper()
	issuers := []*token.Issuer{}
	for _, c := range p.issuers {
		issuers = append(issuers, run(t, c))
	}
	return token.NewVerifier(issuers...)
}

// run makes an issuer and lets it run until the test ends.
func run(t testing.TB, c token.Config) *token.Issuer {
	t.Helper()
	i, err := token.NewIssuer(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	return i
}

// stop ends what an issuer started, where nobody ran it.
func stop(i *token.Issuer) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	i.Run(ctx)
}

// verify is the first entry point.
func (w *world) verify(at, compact string) authz.Reason {
	return reasonOf(w.verifiers[at].Verify(compact, w.places[at].expectation(), time.Now()))
}

func (p place) expectation() authz.Expectation {
	return authz.Expectation{Resource: p.id, Audiences: p.audiences}
}

// reasonOf is the verdict of a verifier that is done. What waits is Undecided.
func reasonOf(_ authz.Claims, err error) authz.Reason {
	if err == nil {
		return authz.Allowed
	}
	reason, _ := err.(authz.Reason) //nolint:errorlint // a verifier's errors are what they are
	return reason
}

// check is the second entry point: the whole check, as a gateway asks for it.
func (w *world) check(t *testing.T, at, compact string, encoding authztest.Encoding) authztest.Verdict {
	t.Helper()
	return checkAt(t, w.server, w.places[at].id, compact, encoding)
}

func checkAt(t *testing.T, server *extauthz.Server, id, compact string, encoding authztest.Encoding) authztest.Verdict {
	t.Helper()
	parsed, err := metadata.ParseIdentifier(id, metadata.IdentifierRules{})
	if err != nil {
		t.Error(err) // not Fatal: floods call this from goroutines of their own
	}
	r := authztest.HTTP{Method: "POST", Host: parsed.Host, Path: parsed.Path, Header: [][2]string{{"Authorization", "Bearer " + compact}}}
	if r.Path == "" {
		r.Path = "/"
	}
	out, err := server.Check(t.Context(), r.CheckRequest(encoding))
	if err != nil {
		t.Errorf("an RPC error lets failure_mode_allow decide: %v", err)
	}
	return authztest.ReadVerdict(out)
}
