package extauthz_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// world is a small cluster: two authorization servers and the resources that the cases name.
type world struct {
	server *extauthz.Server
	tokens map[string]string
}

const (
	issuerCorp  = authztest.CastCorp
	issuerOther = authztest.CastOther
)

// newWorld makes it. A fault is one of the ways in which deciding fails; "" for none.
func newWorld(t *testing.T, fault string) world {
	t.Helper()
	corp, other := cast().Corp, cast().Other
	verifier := verifierOf(t, corp)
	switch fault {
	case "keys":
		verifier = verifierWithoutKeys(t)
	case "panic":
		verifier = verifierFunc(func() (authz.Claims, error) { panic("a defect") })
	case "contract":
		verifier = verifierFunc(func() (authz.Claims, error) { return authz.Claims{}, authz.Allowed })
	}
	id := func(s string) metadata.Identifier {
		i, err := metadata.ParseIdentifier(s, metadata.IdentifierRules{AllowWildcard: true})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	at := func(name, resource string, required ...string) authz.ProtectedResource {
		return authz.ProtectedResource{
			Name: name, ID: id(resource), Verifier: verifier, Policy: authz.NewPolicy(required, map[string][]string{"mcp:admin": {"mcp:use"}}),
			Document: metadata.Document{AuthorizationServers: []string{issuerCorp}},
		}
	}
	github := at("github", "https://mcp.example.com/github/mcp", "mcp:use")
	github.AllowedOrigins = []string{"https://app.example.com"}
	github.Document.ResourceName = "GitHub for agents"
	github.Routes = []authz.RouteRef{{Namespace: "team", Name: "github"}, {Namespace: "team", Name: "shared", Rule: "github"}}
	slack := at("slack", "https://mcp.example.com/slack/mcp")
	slack.Verifier, slack.Document.AuthorizationServers = verifierOf(t, other), []string{issuerOther}
	slack.ForwardToken = true
	admin := at("admin", "https://mcp.example.com/github/mcp/Admin", "mcp:admin")
	broken := at("broken", "https://broken.example.com/mcp")
	broken.Unusable = true
	table, err := authz.NewTable([]authz.ProtectedResource{
		at("demo", "http://localhost:3000"), at("demo-path", "http://localhost:3001/mcp"), github, slack, admin, broken,
		at("solo", "https://solo.example.com/mcp"), at("tenant", "https://*.tenants.example.com/mcp", "mcp:use"),
	})
	if err != nil {
		t.Fatal(err)
	}
	limits := authz.Limits{TokenBytes: 16 << 10, ConcurrentChecks: 64, CheckDeadline: time.Second}
	if fault == "overloaded" {
		limits.ConcurrentChecks = 0
	}
	a := &authz.Authorizer{}
	if fault != "unconfigured" {
		a.Use(&authz.Snapshot{Resources: table, Limits: limits})
	}
	return world{server: extauthz.NewServer(extauthz.Config{Authorizer: a, MessageBytes: 4 << 20}), tokens: cast().Tokens}
}

func verifierOf(t *testing.T, i *authztest.Issuer) authz.Verifier {
	t.Helper()
	issuer, err := token.NewIssuer(token.Config{Name: i.URL(), Issuer: i.URL(), JWKS: i.KeySet(), CacheEntries: 100})
	if err != nil {
		t.Fatal(err)
	}
	return token.NewVerifier(issuer)
}

// verifierWithoutKeys is that of an authorization server whose keys could not be fetched.
func verifierWithoutKeys(t *testing.T) authz.Verifier {
	t.Helper()
	issuer, err := token.NewIssuer(token.Config{
		Name: "corp", Issuer: issuerCorp, RefreshInterval: time.Hour, MaxStaleness: time.Hour,
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		issuer.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	<-issuer.Attempted()
	return token.NewVerifier(issuer)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type verifierFunc func() (authz.Claims, error)

func (f verifierFunc) Verify(string, authz.Expectation, time.Time) (authz.Claims, error) { return f() }
