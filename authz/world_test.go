package authz_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// The resources of the requirements: two on one host, and an origin.
const (
	github = "https://mcp.example.com/github/mcp"
	slack  = "https://mcp.example.com/slack/mcp"
	solo   = "https://solo.example.com"
)

// noon is what every clock shows.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// issued is a token as its issuer remembers it.
type issued struct {
	claims  authz.Claims
	expires time.Time // zero: at noon it is still good
	err     error     // what judging it comes to, whatever it says
}

// tokens is a Verifier whose tokens are plain words. It judges time and audience as a real one does.
type tokens map[string]issued

func (ts tokens) Verify(token string, e authz.Expectation, now time.Time) (authz.Claims, error) {
	t, known := ts[token]
	switch {
	case !known:
		return authz.Claims{}, authz.TokenSignature
	case t.err != nil:
		return authz.Claims{}, t.err
	case !t.expires.IsZero() && !now.Before(t.expires):
		return authz.Claims{}, authz.TokenExpired
	case !slices.ContainsFunc(t.claims.Audience, e.Accepts):
		return authz.Claims{}, authz.TokenAudience
	}
	return t.claims, nil
}

// verifying makes a Verifier of a function, for those that break their contract.
type verifying func() (authz.Claims, error)

func (f verifying) Verify(string, authz.Expectation, time.Time) (authz.Claims, error) { return f() }

// grant is a good token for a resource.
func grant(audience string, scopes ...string) issued {
	return issued{claims: authz.Claims{Issuer: "https://idp.example", Subject: "alice", ClientID: "app", Audience: []string{audience}, Scopes: scopes}}
}

// declare makes a resource that is named by its own URL and knows the tokens "T" (for itself) and "other" (for another).
func declare(t testing.TB, resource string, edits ...func(*authz.ProtectedResource)) authz.ProtectedResource {
	t.Helper()
	id, err := metadata.ParseIdentifier(resource, metadata.IdentifierRules{InsecureAllowHTTP: true, AllowWildcard: true})
	if err != nil {
		t.Fatal(err)
	}
	p := authz.ProtectedResource{
		Name: resource, ID: id, Verifier: tokens{"T": grant(resource, "mcp:use"), "other": grant("https://other.example")},
		Document: metadata.Document{AuthorizationServers: []string{"https://idp.example"}},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func scopes(required ...string) func(*authz.ProtectedResource) {
	return func(p *authz.ProtectedResource) { p.Policy = authz.NewPolicy(required, nil) }
}

func verifier(v authz.Verifier) func(*authz.ProtectedResource) {
	return func(p *authz.ProtectedResource) { p.Verifier = v }
}

func origins(listed ...string) func(*authz.ProtectedResource) {
	return func(p *authz.ProtectedResource) { p.AllowedOrigins = listed }
}

// routes are the only ones that lead to the resource, where the gateway tells.
func routes(own ...authz.RouteRef) func(*authz.ProtectedResource) {
	return func(p *authz.ProtectedResource) { p.Routes = own }
}

func unusable(p *authz.ProtectedResource) { p.Unusable = true }
func anyHost(p *authz.ProtectedResource)  { p.InsecureAnyHost = true }

// limits are generous ones.
func limits() authz.Limits {
	return authz.Limits{TokenBytes: 1 << 10, ConcurrentChecks: 64, CheckDeadline: time.Minute}
}

// deciding is an Authorizer in force for these resources.
func deciding(t testing.TB, resources ...authz.ProtectedResource) *authz.Authorizer {
	t.Helper()
	table, err := authz.NewTable(resources)
	if err != nil {
		t.Fatal(err)
	}
	a := &authz.Authorizer{Now: func() time.Time { return noon }}
	a.Use(&authz.Snapshot{Resources: table, Limits: limits()})
	return a
}

// request is one to a URL as a client wrote it, with header names and values in turn.
func request(method, url string, header ...string) *authz.Request {
	_, rest, _ := strings.Cut(url, "://")
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	r := &authz.Request{Method: method, Host: host, Path: path, Body: []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`)}
	for i := 0; i < len(header); i += 2 {
		r.Headers = append(r.Headers, authz.Header{Name: header[i], Value: header[i+1]})
	}
	return r
}

func pinned(r *authz.Request, pin string) *authz.Request {
	r.Pin, r.Pinned = pin, true
	return r
}

func routed(r *authz.Request, route authz.RouteRef) *authz.Request {
	r.Route, r.Routed = route, true
	return r
}

// judge asks for the decision about one request.
func judge(t testing.TB, a *authz.Authorizer, r *authz.Request) authz.Decision {
	t.Helper()
	return a.Authorize(t.Context(), r)
}

// field is a header field of an answer, "" if it is absent.
func field(a metadata.Answer, name string) string {
	for _, f := range a.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// refusal is the body of an answer, by a decoder that shares no code with what wrote it.
type refusal struct {
	Version *string          `json:"jsonrpc"`
	ID      *json.RawMessage `json:"id"`
	Error   struct {
		Code    int
		Message string
		Data    *struct{ Decision string }
	}
}

func readRefusal(t testing.TB, a metadata.Answer) refusal {
	t.Helper()
	var body refusal
	if err := json.Unmarshal(a.Body, &body); err != nil {
		t.Errorf("%s: %v", a.Body, err)
	}
	return body
}
