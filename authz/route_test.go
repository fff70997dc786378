package authz_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestRoute: which HTTPRoute the gateway matched can only refuse (I-15). A tenant may write one below another's path, or one that
// matches by a header, and so lead a token for A to the upstream of his choice, or A's upstream to be asked by B's rules.
func TestRoute(t *testing.T) {
	const inner = github + "/inner"
	own, second, byRule := authz.RouteRef{Namespace: "team", Name: "mcp"}, authz.RouteRef{Namespace: "team", Name: "other"}, authz.RouteRef{Namespace: "team", Name: "shared", Rule: "tools"}
	a := deciding(t, declare(t, github, routes(own, second, byRule)), declare(t, inner, routes(authz.RouteRef{Namespace: "team", Name: "inner"})),
		declare(t, slack), declare(t, solo, unusable, routes(own)),
		declare(t, "https://zero.example.com", routes(authz.RouteRef{}, authz.RouteRef{Namespace: "team"}, authz.RouteRef{Name: "mcp"})))
	rule := func(r authz.RouteRef, name string) authz.RouteRef { r.Rule = name; return r }
	for _, c := range []struct {
		rule, url string
		route     authz.RouteRef
		want      authz.Reason
	}{
		{"its own route", github, own, authz.Allowed},
		{"its second one", github, second, authz.Allowed},
		{"any rule of it", github, rule(own, "x"), authz.Allowed},
		{"the rule that is named", github, byRule, authz.Allowed},
		{"another rule", github, rule(byRule, "files"), authz.RouteMismatch},
		{"a rule without a name", github, rule(byRule, ""), authz.RouteMismatch},
		{"a rule that begins alike", github, rule(byRule, "tools2"), authz.RouteMismatch},
		{"the same name in another namespace", github, authz.RouteRef{Namespace: "evil", Name: "mcp"}, authz.RouteMismatch},
		{"another name", github, authz.RouteRef{Namespace: "team", Name: "mcp2"}, authz.RouteMismatch},
		{"name and namespace the wrong way round", github, authz.RouteRef{Namespace: "mcp", Name: "team"}, authz.RouteMismatch},
		{"another spelling", github, authz.RouteRef{Namespace: "team", Name: "MCP"}, authz.RouteMismatch},
		{"one that cannot be read", github, authz.RouteRef{}, authz.RouteMismatch},
		{"the outer route on an inner path", inner, own, authz.RouteMismatch},
		{"the inner route on an outer path", github + "/x", authz.RouteRef{Namespace: "team", Name: "inner"}, authz.RouteMismatch},
		{"a resource that names no routes", slack, authz.RouteRef{Namespace: "evil", Name: "x"}, authz.Allowed},
		{"the same, on one that cannot be read", slack, authz.RouteRef{}, authz.Allowed},
		{"a route finds nothing by itself", "https://mcp.example.com/x", own, authz.ResourceUnknown},
		{"an unusable resource", solo + "/", own, authz.ResourceUnusable},
		{"an unusable resource on another route", solo + "/", second, authz.RouteMismatch},
		{"nobody's route is nobody's, whatever is declared", "https://zero.example.com/", authz.RouteRef{}, authz.RouteMismatch},
		{"nor one without a name", "https://zero.example.com/", authz.RouteRef{Namespace: "team"}, authz.RouteMismatch},
		{"nor one without a namespace", "https://zero.example.com/", authz.RouteRef{Name: "mcp"}, authz.RouteMismatch},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := judge(t, a, routed(request("POST", c.url, "authorization", "Bearer T"), c.route))
			if d.Reason != c.want {
				t.Fatalf("%v, want %v", d.Reason, c.want)
			}
			if d.Reason != authz.RouteMismatch {
				return
			}
			elsewhere := judge(t, a, pinned(request("POST", c.url, "authorization", "Bearer T"), "x"))
			elsewhere.ID, d.ID = "", ""
			if diff := cmp.Diff(readRefusal(t, elsewhere.Answer()).Error.Message, readRefusal(t, d.Answer()).Error.Message); diff != "" || d.Answer().Status != 404 || field(d.Answer(), "www-authenticate") != "" {
				t.Errorf("%+v", d.Answer())
			}
			without := judge(t, a, routed(request("POST", c.url), c.route)) // before any login
			preflight := judge(t, a, routed(request("OPTIONS", c.url, "origin", "https://mcp.example.com", "access-control-request-method", "POST"), c.route))
			if without.Reason != authz.RouteMismatch || preflight.Reason != authz.RouteMismatch {
				t.Errorf("without a token %v, as a preflight %v", without.Reason, preflight.Reason)
			}
		})
	}
	// Where the gateway does not tell, what the route is not counts for nothing.
	r := request("POST", github, "authorization", "Bearer T")
	if r.Route = (authz.RouteRef{Namespace: "evil", Name: "x"}); !judge(t, a, r).Allowed() {
		t.Error("refused for a route that the gateway does not tell")
	}
}

// TestDocumentOnAnyRoute: C-19: a document is its owner's, byte for byte, whatever route a tenant made of its URL, and a path that has
// none is still nobody's.
func TestDocumentOnAnyRoute(t *testing.T) {
	a := deciding(t, declare(t, github, routes(authz.RouteRef{Namespace: "team", Name: "mcp"})), declare(t, solo, unusable, routes(authz.RouteRef{Namespace: "team", Name: "mcp"})))
	for url, status := range map[string]int{
		"https://mcp.example.com" + segment + "/github/mcp": 200, github + segment: 200, "https://mcp.example.com" + segment: 200,
		solo + segment: 503, "https://mcp.example.com" + segment + "/x": 404, "https://mcp.example.com/.well-known/openid-configuration": 404,
	} {
		want := lookUp(t, a, url)
		for _, route := range []authz.RouteRef{{}, {Namespace: "evil", Name: "x"}, {Namespace: "team", Name: "mcp"}} {
			d := judge(t, a, routed(request("GET", url), route))
			if diff := cmp.Diff(want, d.Answer()); diff != "" || d.Reason != authz.Metadata || d.Answer().Status != status {
				t.Errorf("%s on %v: %v, %d\n%s", url, route, d.Reason, d.Answer().Status, diff)
			}
		}
	}
}
