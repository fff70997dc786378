package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestOwner: J-08: of two declarations that may stand beside each other, what is asked of the one is never judged by the other,
// whatever port, scheme, wildcard or depth the other was given to claim a part of it, and in whichever order they come. Gateways route
// without regard to the port, so a port that nobody declared is nobody's.
func TestOwner(t *testing.T) {
	const b = "https://b.example.com/mcp"
	type ask map[string]string // URL: "A", "B", or the status of nobody's
	for _, c := range []struct {
		rule, b, a string
		asked      ask
	}{
		{"another port", b, "https://b.example.com:8443/mcp", ask{
			b: "B", b + "/x": "B", "https://b.example.com:443/mcp": "B", "https://B.Example.COM/mcp": "B",
			"https://b.example.com:8443/mcp": "A", "https://b.example.com:8444/mcp": unknown, "http://b.example.com:80/mcp": unknown,
		}},
		{"another port, and everything", b, "https://b.example.com:8443", ask{
			b: "B", "https://b.example.com/": unknown, "https://b.example.com/x": unknown, "https://b.example.com:8443/mcp": "A", "https://b.example.com:443/x": unknown,
		}},
		{"a port before one without", "https://b.example.com:8443/mcp", "https://b.example.com", ask{
			"https://b.example.com:8443/mcp": "B", "https://b.example.com:8443/": unknown, "https://b.example.com:8443/x": unknown, b: "A", "https://b.example.com:9/mcp": unknown,
		}},
		{"the port of the other scheme", b, "https://b.example.com:80/mcp", ask{b: "B", "https://b.example.com:443/mcp": "B", "https://b.example.com:80/mcp": "A"}},
		{"the other scheme, inside", b, "http://b.example.com/mcp/in", ask{
			b: "B", b + "/x": "B", b + "/in": "A", "https://b.example.com:443/mcp": "B", "https://b.example.com:443/mcp/in": unknown,
			"http://b.example.com:80/mcp": unknown, "http://b.example.com:80/mcp/in": "A",
		}},
		{"the other scheme, around", b, "http://b.example.com", ask{
			b: "B", b + "/x": "B", "https://b.example.com:443/mcp": "B", "http://b.example.com:80/mcp": unknown, "https://b.example.com:443/x": unknown, "http://b.example.com:80/x": "A",
		}},
		{"a wildcard over it", b, "https://*.example.com/mcp", ask{
			b: "B", b + "/x": "B", "https://b.example.com:443/mcp": "B", "https://B.example.com/mcp": "B", "https://b.example.com/x": unknown,
			"https://b.example.com:8443/mcp": unknown, "http://b.example.com:80/mcp": unknown, "https://c.example.com/mcp": "A", "https://b.example.com./mcp": notCanonical,
		}},
		{"a wildcard over it, and everything", b, "https://*.example.com", ask{b: "B", "https://b.example.com/": unknown, "https://b.example.com/x": unknown, "https://c.example.com/x": "A"}},
		{"a wildcard over it, inside", b, "https://*.example.com/mcp/in", ask{b: "B", b + "/in": "B", b + "/in/x": "B", "https://c.example.com/mcp/in": "A"}},
		{"a wildcard over it, with a port", b, "https://*.example.com:8443", ask{
			b: "B", "https://b.example.com:8443/mcp": unknown, "https://b.example.com:8443/": unknown, "https://c.example.com:8443/mcp": "A", "https://c.example.com/mcp": unknown,
		}},
		{"a wildcard over it, and it has a port", "https://b.example.com:8443/mcp", "https://*.example.com", ask{
			"https://b.example.com:8443/mcp": "B", b: unknown, "https://b.example.com:443/mcp": unknown, "https://b.example.com/": unknown, "https://c.example.com/mcp": "A",
		}},
		{"a wildcard over it, of the other scheme", b, "http://*.example.com/mcp", ask{
			b: "B", "https://b.example.com:443/mcp": "B", "http://b.example.com:80/mcp": unknown, "http://c.example.com:80/mcp": "A", "https://c.example.com:443/mcp": unknown,
		}},
		{"a wildcard below it", b, "https://*.b.example.com/mcp", ask{b: "B", "https://a.b.example.com/mcp": "A", "https://a.a.b.example.com/mcp": unknown}},
		{"a wildcard beside a wider one", "https://*.b.example.com/mcp", "https://*.example.com/mcp", ask{
			"https://x.b.example.com/mcp": "B", "https://x.b.example.com/": unknown, b: "A", "https://x.x.b.example.com/mcp": unknown,
		}},
		{"a wildcard with a port beside one without", "https://*.example.com/mcp", "https://*.example.com:8443/mcp", ask{
			b: "B", "https://b.example.com:443/mcp": "B", "https://b.example.com:8443/mcp": "A", "https://b.example.com:9/mcp": unknown,
		}},
		{"around it", b, "https://b.example.com", ask{b: "B", b + "/": "B", b + "/x": "B", "https://b.example.com/mcpx": "A", "https://b.example.com/x": "A", "https://b.example.com/MCP": notCanonical}},
		{"inside it", b, b + "/in", ask{b: "B", b + "/x": "B", b + "/inx": "B", b + "/in": "A", b + "/in/x": "A", b + "/IN": notCanonical, b + "/%69n": notCanonical, b + "/in/../x": notCanonical}},
		{"beside it", b, "https://b.example.com/mc", ask{b: "B", b + "/x": "B", "https://b.example.com/mc": "A", "https://b.example.com/mc/p": "A", "https://b.example.com/m": unknown}},
		{"in another case", b, "https://b.example.com/MCP", ask{b: "B", "https://b.example.com/MCP": "A", "https://b.example.com/Mcp": notCanonical}},
		{"the one that takes any host", b, "http://localhost:3000", ask{
			b: "B", b + "/x": "B", "https://b.example.com/": unknown, "https://b.example.com/x": unknown, "https://b.example.com:8443/mcp": unknown,
			"http://b.example.com:80/mcp": unknown, "http://c.example.com:8080/mcp": "A", "http://localhost:3000/x": "A",
		}},
		{"a host that begins alike", b, "https://b.example.com.evil.example/mcp", ask{b: "B", "https://b.example.com.evil.example/mcp": "A"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			resources := map[string]string{"A": c.a, "B": c.b}
			for _, broken := range []string{"", "A", "B"} { // whatever is wrong with the one changes nothing for the other
				pair := map[string]authz.ProtectedResource{}
				for name, resource := range resources {
					pair[name] = declare(t, resource, verifier(only(name)), func(p *authz.ProtectedResource) {
						p.Unusable, p.InsecureAnyHost = name == broken, p.ID.Host == "localhost:3000"
					})
				}
				for _, table := range []*authz.Authorizer{deciding(t, pair["A"], pair["B"]), deciding(t, pair["B"], pair["A"])} {
					for url, owner := range c.asked {
						if owner == broken {
							owner = outOfOrder
						}
						owned(t, table, url, resources, owner)
					}
				}
			}
		})
	}
}

// owned asks with the tokens of both: only the owner's is good, since nobody else's rules count.
func owned(t *testing.T, a *authz.Authorizer, url string, resources map[string]string, owner string) {
	t.Helper()
	want := resources[owner]
	if want == "" {
		want = owner
	}
	expectResource(t, judge(t, a, request("POST", url)), want)
	for holder := range resources {
		d := judge(t, a, request("POST", url, "authorization", "Bearer "+holder))
		if d.Allowed() != (holder == owner) || d.Allowed() && d.Resource != want {
			t.Errorf("%s with a token for %s: %v, judged as %q; want %s", url, resources[holder], d.Reason, d.Resource, want)
		}
	}
}

// only is a verifier that takes one word for a token, whatever it is for.
type only string

func (o only) Verify(token string, _ authz.Expectation, _ time.Time) (authz.Claims, error) {
	if token != string(o) {
		return authz.Claims{}, authz.TokenSignature
	}
	return alice(), nil
}

// TestBrokenKeepsItsPlace: J-08: an inner resource that cannot be used is answered with 503, and so are its documents: never is its
// path judged by a laxer one around it, whose token may well be good, nor by a wildcard or the one that takes any host.
func TestBrokenKeepsItsPlace(t *testing.T) {
	const outer, inner, deeper = "https://b.example.com", "https://b.example.com/team/admin", "https://b.example.com/team/admin/lax"
	lax := func(resource string, edits ...func(*authz.ProtectedResource)) authz.ProtectedResource {
		return declare(t, resource, append(edits, verifier(only("T")))...)
	}
	broken := declare(t, inner, unusable, func(p *authz.ProtectedResource) { p.Verifier = nil }) // as far as it could be compiled
	for rule, around := range map[string][]authz.ProtectedResource{
		"an origin around it":           {lax(outer)},
		"a path around it":              {lax(outer + "/team")},
		"both, and one inside":          {lax(outer), lax(outer + "/team"), lax(deeper)},
		"a wildcard":                    {lax("https://*.example.com")},
		"another port":                  {lax(outer + ":8443")},
		"the other scheme around it":    {lax("http://b.example.com")},
		"one for any host":              {lax("http://localhost:3000", anyHost)},
		"nothing":                       nil,
		"another case of it beside it":  {lax(outer + "/team/ADMIN")},
		"its beginning, and its sequel": {lax(outer + "/team/adm"), lax(outer + "/team/administrators")},
	} {
		t.Run(rule, func(t *testing.T) {
			a := deciding(t, append([]authz.ProtectedResource{broken}, around...)...)
			for _, url := range []string{inner, inner + "/", inner + "/x", inner + "/x/lax", inner + "/laxer", inner + "/a%20b", inner + "?x=/team", "https://B.example.com:443/team/admin/x"} {
				for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
					for _, header := range [][]string{nil, {"authorization", "Bearer T"}, {"authorization", "Bearer T", "origin", "https://b.example.com", "access-control-request-method", "POST"}} {
						d := judge(t, a, request(method, url, header...))
						if d.Reason != authz.ResourceUnusable || d.Answer().Status != 503 || field(d.Answer(), "www-authenticate") != "" || d.Resource != inner {
							t.Errorf("%s %s with %q: %v, %q", method, url, header, d.Reason, d.Resource)
						}
					}
				}
			}
			for _, url := range []string{outer + "/team/Admin", outer + "/TEAM/admin/x", outer + "/team/%61dmin", outer + "/team//admin", outer + "/team/x/../admin", "https://b.example.com./team/admin"} {
				if d := judge(t, a, request("POST", url, "authorization", "Bearer T")); d.Allowed() || d.Answer().Status != 400 {
					t.Errorf("%s: %v", url, d.Reason)
				}
			}
			for _, url := range []string{outer + segment + "/team/admin", outer + segment + "/team/admin/", inner + segment} {
				if answer := lookUp(t, a, url); answer.Status != 503 {
					t.Errorf("%s: %d %s", url, answer.Status, answer.Body)
				}
			}
			for i := range around { // and that is all: the others are as they were
				url := strings.Replace(around[i].ID.String(), "*", "c", 1) + "/x"
				if d := judge(t, a, request("POST", url, "authorization", "Bearer T")); !d.Allowed() {
					t.Errorf("%s: %v", url, d.Reason)
				}
			}
		})
	}
}
