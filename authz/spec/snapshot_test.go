package spec_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// declared uses every key that a snapshot is made from.
const declared = `
limits: { tokenBytes: 512, concurrentChecks: 7, checkDeadline: 2s }
authorizationServers:
- { name: corp, issuer: "https://idp.example.com/realms/mcp" }
- { name: partner, issuer: "https://login.partner.example" }
- { name: unused, issuer: "https://unused.example.com" }
resources:
- name: github
  resource: https://mcp.example.com/github/mcp
  authorizationServers: [partner, corp]
  scopes:
    required: ["repo:read", "mcp:use"]
    implies: { "repo:admin": ["repo:write"], "repo:write": ["repo:read"] }
  audiences: ["api://github"]
  allowedOrigins: ["https://inspector.example.com"]
  resourceName: GitHub
  resourceDocumentation: https://docs.example.com/github
  forwardToken: true
  identityHeaders: { x-email: email, x-groups: groups }
- name: bare
  resource: https://mcp.example.com/bare
  authorizationServers: [corp]
- name: wild
  resource: "https://*.wild.example.com/mcp"
  authorizationServers: [corp]
- name: dev
  resource: http://localhost:3000
  authorizationServers: [corp]
  insecureAnyHost: true
`

// stub is a Verifier that takes every token and remembers what it was asked.
type stub struct {
	claims  authz.Claims
	servers [][]string
	asked   []authz.Expectation
}

func (s *stub) Verify(_ string, e authz.Expectation, _ time.Time) (authz.Claims, error) {
	s.asked = append(s.asked, e)
	return s.claims, nil
}

func (s *stub) verifier(servers []string) authz.Verifier {
	s.servers = append(s.servers, servers)
	return s
}

func authorizer(t testing.TB, f *spec.File, s *stub) *authz.Authorizer {
	t.Helper()
	snapshot, err := f.Snapshot(s.verifier)
	if err != nil {
		t.Fatal(err)
	}
	a := &authz.Authorizer{}
	a.Use(snapshot)
	return a
}

func request(method, target string, headers ...authz.Header) *authz.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	return &authz.Request{Method: method, Host: u.Host, Path: u.RequestURI(), Headers: headers}
}

func header(d authz.Decision, name string) string {
	for _, f := range d.Answer().Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

var bearer = authz.Header{Name: "authorization", Value: "Bearer good"}

func TestSnapshotLimits(t *testing.T) {
	s := &stub{}
	snapshot, err := load(t, declared).Snapshot(s.verifier)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(authz.Limits{TokenBytes: 512, ConcurrentChecks: 7, CheckDeadline: 2 * time.Second}, snapshot.Limits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"partner", "corp"}, {"corp"}, {"corp"}, {"corp"}}, s.servers); diff != "" {
		t.Errorf("authorization servers of each resource, preferred first: %s", diff)
	}
}

// C-08, C-09, C-12, C-13: what is declared stands in the document, with the issuers byte for byte, and nothing empty does. Of the
// scopes it has those required, not all that are known (C-10).
func TestSnapshotDocuments(t *testing.T) {
	a := authorizer(t, load(t, declared), &stub{})
	for place, want := range map[string]string{
		"https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp": `{
			"resource": "https://mcp.example.com/github/mcp",
			"authorization_servers": ["https://login.partner.example", "https://idp.example.com/realms/mcp"],
			"scopes_supported": ["mcp:use", "repo:read"], "bearer_methods_supported": ["header"],
			"resource_name": "GitHub", "resource_documentation": "https://docs.example.com/github"}`,
		"https://mcp.example.com/.well-known/oauth-protected-resource/bare": `{
			"resource": "https://mcp.example.com/bare",
			"authorization_servers": ["https://idp.example.com/realms/mcp"], "bearer_methods_supported": ["header"]}`,
		"https://a.wild.example.com/.well-known/oauth-protected-resource/mcp": `{
			"resource": "https://a.wild.example.com/mcp",
			"authorization_servers": ["https://idp.example.com/realms/mcp"], "bearer_methods_supported": ["header"]}`,
		"http://any.example.org/.well-known/oauth-protected-resource": `{
			"resource": "http://any.example.org",
			"authorization_servers": ["https://idp.example.com/realms/mcp"], "bearer_methods_supported": ["header"]}`,
	} {
		answer := a.Authorize(t.Context(), request("GET", place)).Answer()
		if diff := cmp.Diff(object(t, want), object(t, string(answer.Body))); diff != "" {
			t.Errorf("%s: %s", place, diff)
		}
	}
}

func object(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// Required scopes and implies decide (F-03), and the first challenge asks for what is required.
func TestSnapshotScopes(t *testing.T) {
	type row struct{ granted, missing string }
	allow := func(granted string) row { return row{granted, ""} }
	deny := func(granted, asked string) row { return row{granted, asked} }
	for _, r := range []row{
		allow("mcp:use repo:read"),
		allow("repo:write mcp:use"),
		allow("repo:admin mcp:use other"),
		deny("", "mcp:use repo:read"),
		deny("mcp:use", "mcp:use repo:read"),
		deny("repo:admin other", "mcp:use repo:admin repo:read"),
	} {
		s := &stub{claims: authz.Claims{Scopes: strings.Fields(r.granted)}}
		d := authorizer(t, load(t, declared), s).Authorize(t.Context(), request("POST", "https://mcp.example.com/github/mcp", bearer))
		if r.missing == "" {
			if !d.Allowed() {
				t.Errorf("%q: %v, want it allowed", r.granted, d.Reason)
			}
			continue
		}
		if want := ` scope="` + r.missing + `"`; d.Reason != authz.InsufficientScope || !strings.Contains(header(d, "www-authenticate"), want) {
			t.Errorf("%q: %v, %s, want %s", r.granted, d.Reason, header(d, "www-authenticate"), want)
		}
	}
	d := authorizer(t, load(t, declared), &stub{}).Authorize(t.Context(), request("POST", "https://mcp.example.com/github/mcp"))
	want := `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp", scope="mcp:use repo:read"`
	if got := header(d, "www-authenticate"); got != want {
		t.Errorf("first challenge\n%s, want\n%s", got, want)
	}
	d = authorizer(t, load(t, declared), &stub{}).Authorize(t.Context(), request("POST", "https://mcp.example.com/bare"))
	want = `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/bare"` // no empty scope
	if got := header(d, "www-authenticate"); got != want {
		t.Errorf("first challenge\n%s, want\n%s", got, want)
	}
}

func TestSnapshotExpectations(t *testing.T) {
	s := &stub{}
	a := authorizer(t, load(t, declared), s)
	for _, target := range []string{"https://mcp.example.com/github/mcp", "https://mcp.example.com/bare/x", "https://a.wild.example.com/mcp", "http://any.example.org/x"} {
		a.Authorize(t.Context(), request("POST", target, bearer))
	}
	want := []authz.Expectation{
		{Resource: "https://mcp.example.com/github/mcp", Audiences: []string{"api://github"}},
		{Resource: "https://mcp.example.com/bare"},
		{Resource: "https://a.wild.example.com/mcp"},
		{Resource: "http://localhost:3000"}, // with any host, never the request's
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotUpstream(t *testing.T) {
	good := authz.Claims{Subject: "ada", Scopes: []string{"mcp:use", "repo:read"}, Payload: []byte(`{"email":"ada@example.com","groups":["a","b"]}`)}
	a := authorizer(t, load(t, declared), &stub{claims: good})
	d := a.Authorize(t.Context(), request("POST", "https://mcp.example.com/github/mcp", bearer))
	for _, want := range []authz.Header{{Name: "x-mcp-subject", Value: "ada"}, {Name: "x-email", Value: "ada@example.com"}, {Name: "x-groups", Value: `["a","b"]`}} {
		if !slices.Contains(d.Upstream.Set, want) {
			t.Errorf("%v is not set: %v", want, d.Upstream.Set)
		}
	}
	if slices.Contains(d.Upstream.Remove, "authorization") {
		t.Error("forwardToken: the token is removed")
	}
	d = a.Authorize(t.Context(), request("POST", "https://mcp.example.com/bare", bearer))
	if !d.Allowed() || !slices.Contains(d.Upstream.Remove, "authorization") {
		t.Errorf("%v: the token is forwarded where nobody asked for it: %v", d.Reason, d.Upstream)
	}
	if slices.ContainsFunc(d.Upstream.Set, func(h authz.Header) bool { return h.Name == "x-email" }) {
		t.Error("an identity header of another resource")
	}
}

func TestSnapshotOrigins(t *testing.T) {
	a := authorizer(t, load(t, declared), &stub{})
	for target, wants := range map[string]map[string]authz.Reason{
		"https://mcp.example.com/github/mcp": {"https://inspector.example.com": authz.NoCredential, "https://mcp.example.com": authz.NoCredential, "https://evil.example": authz.OriginNotAllowed},
		"https://mcp.example.com/bare":       {"https://inspector.example.com": authz.OriginNotAllowed, "https://mcp.example.com": authz.NoCredential},
	} {
		for origin, want := range wants {
			d := a.Authorize(context.Background(), request("POST", target, authz.Header{Name: "origin", Value: origin}))
			if d.Reason != want {
				t.Errorf("%s from %s: %v, want %v", target, origin, d.Reason, want)
			}
		}
	}
}
