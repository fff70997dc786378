package authz_test

import (
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

const (
	notCanonical = "400"
	unknown      = "404"
	outOfOrder   = "503"
)

// TestLookUp says for every spelling of a URL whose resource it is. A wrong answer here is a token for A opening B.
func TestLookUp(t *testing.T) {
	const (
		admin, ghAdmin = solo + "/Admin", github + "/admin"
		team           = solo + "/@team/v1:a"
		port           = "https://ports.example.com:8443/mcp"
		plain          = "http://plain.example.com/mcp"
		wild           = "https://*.tenants.example.com/mcp"
		one            = "https://one.tenants.example.com/own"
		wildPort       = "https://*.ports.example.com:8443"
		broken         = "https://broken.example.com/inner"
		outer          = "https://broken.example.com"
		v6             = "https://[2001:db8::a]/mcp"
	)
	a := deciding(t, declare(t, github), declare(t, slack), declare(t, ghAdmin), declare(t, solo), declare(t, admin), declare(t, team),
		declare(t, port), declare(t, plain), declare(t, wild), declare(t, one), declare(t, wildPort),
		declare(t, broken, unusable), declare(t, outer), declare(t, v6))
	for _, c := range []struct{ rule, url, want string }{
		{"the URL itself", github, github},
		{"a slash at the end", github + "/", github},
		{"a path below", github + "/x/y", github},
		{"a path far below", github + strings.Repeat("/x", 40), github},
		{"a query", github + "?a=/slack/mcp", github},
		{"an escape below", github + "/a%20b", github},
		{"the other resource of the host, J-08", slack, slack},
		{"the longest path wins", ghAdmin, ghAdmin},
		{"and below it", ghAdmin + "/x", ghAdmin},
		{"on segment borders, J-08", github + "/administrators", github},
		{"on segment borders, at the end, J-08", "https://mcp.example.com/github/mcpx", unknown},
		{"above the resource", "https://mcp.example.com/github", unknown},
		{"the root of a host without an origin resource, J-09", "https://mcp.example.com/", unknown},
		{"the origin resource takes the root", solo + "/", solo},
		{"and everything else of its host", solo + "/x/y", solo},
		{"but for what lies deeper", admin + "/x", admin},
		{"an unknown host, J-09", "https://other.example.com/github/mcp", unknown},
		{"a host below a declared one", "https://a.mcp.example.com/github/mcp", unknown},
		{"a host above a declared one", "https://example.com/github/mcp", unknown},

		{"case of the host", "https://MCP.Example.com/github/mcp", github},
		{"case of the path: a deeper resource may be meant", "https://solo.example.com/admin/x", notCanonical},
		{"case of the path: no resource deeper", "https://solo.example.com/ADMINISTRATORS", solo},
		{"case of the path: nothing around it", "https://mcp.example.com/GITHUB/mcp", notCanonical},
		{"case of the path: inside a deeper one", github + "/ADMIN/x", notCanonical},
		{"case of the path: behind the resource", github + "/X/y", github},
		{"an escape that a server decodes: a deeper resource may be meant", "https://solo.example.com/%40team/v1:a", notCanonical},
		{"the same, further down", "https://solo.example.com/@team/v1%3aa/x", notCanonical},
		{"the same, in another case", "https://solo.example.com/%40TEAM/v1%3Aa", notCanonical},
		{"the same, but no resource deeper", "https://solo.example.com/%40team", solo},
		{"escapes before the border", "https://solo.example.com/%20/%20%20/@team/v1:a", solo},
		{"escapes below a resource that has such a name", team + "/%40/%3A", team},

		{"an unreserved escape, J-08", "https://mcp.example.com/%67ithub/mcp", notCanonical},
		{"dot segments, J-08", github + "/../../slack/mcp", notCanonical},
		{"encoded dot segments, J-08", github + "/%2e%2e/%2e%2e/slack/mcp", notCanonical},
		{"an empty segment, J-08", "https://mcp.example.com//slack/mcp", notCanonical},
		{"a path parameter, J-08", "https://mcp.example.com/github;x/mcp", notCanonical},
		{"an encoded slash, J-08", "https://mcp.example.com/github%2Fmcp", notCanonical},
		{"an encoded backslash", "https://mcp.example.com/github%5cmcp", notCanonical},
		{"not canonical on an unknown host too", "https://other.example.com//x", notCanonical},
		{"a trailing dot of the host", "https://mcp.example.com./github/mcp", notCanonical},
		{"user information", "https://a@mcp.example.com/github/mcp", notCanonical},
		{"no host", "https:///github/mcp", notCanonical},
		{"no path", "https://solo.example.com", notCanonical},

		{"the port of https", "https://mcp.example.com:443/github/mcp", github},
		{"the port of http on an https resource", "http://mcp.example.com:80/github/mcp", unknown},
		{"the port of http", "http://plain.example.com:80/mcp", plain},
		{"the port of https on an http resource", "https://plain.example.com:443/mcp", unknown},
		{"any other port", "https://mcp.example.com:8443/github/mcp", unknown},
		{"a declared port", port, port},
		{"the declared port left away", "https://ports.example.com/mcp", unknown},
		{"the scheme's port instead of the declared one", "https://ports.example.com:443/mcp", unknown},
		{"a port below a wildcard", "https://a.tenants.example.com:8443/mcp", unknown},

		{"an address", v6, v6},
		{"an address in upper case", "https://[2001:DB8::A]/mcp", v6},
		{"an address written otherwise", "https://[2001:db8:0::a]/mcp", unknown},

		{"one label below a wildcard", "https://a.tenants.example.com/mcp/x", wild},
		{"in upper case", "https://A.Tenants.example.com/mcp", wild},
		{"two labels below a wildcard", "https://a.b.tenants.example.com/mcp", unknown},
		{"the wildcard's own domain", "https://tenants.example.com/mcp", unknown},
		{"an exact host decides before a wildcard", "https://one.tenants.example.com/own", one},
		{"and never falls through to it", "https://one.tenants.example.com/mcp", unknown},
		{"nor with another port", "https://one.tenants.example.com:8443/mcp", unknown},
		{"a wildcard with a port", "https://a.ports.example.com:8443/x", wildPort},
		{"a wildcard with another port", "https://a.ports.example.com/x", unknown},

		{"unusable: it keeps its place", broken, outOfOrder},
		{"unusable: the outer one does not judge below it", broken + "/x", outOfOrder},
		{"unusable: the outer one stands", outer + "/x", outer},
	} {
		t.Run(c.rule, func(t *testing.T) { expectResource(t, judge(t, a, request("POST", c.url)), c.want) })
	}
}

// expectResource compares with what a request without a token comes to: the challenge of a resource, or a status.
func expectResource(t *testing.T, d authz.Decision, want string) {
	t.Helper()
	status := map[int]string{400: notCanonical, 404: unknown, 503: outOfOrder}[d.Answer().Status]
	challenge := field(d.Answer(), "www-authenticate")
	switch {
	case d.Reason == authz.NoCredential && d.Resource == want:
	case status == want && challenge == "": // A-23, J-09: where nobody can log in, nobody is asked to
	default:
		t.Errorf("%v, resource %q, challenge %q; want %s", d.Reason, d.Resource, challenge, want)
	}
}

// With one resource for any host, a declared host still decides alone, and URLs alone follow the request.
func TestAnyHost(t *testing.T) {
	const dev = "http://localhost:3000/dev"
	a := deciding(t, declare(t, dev, anyHost), declare(t, github), declare(t, "https://*.tenants.example.com/mcp"))
	for _, c := range []struct{ rule, url, want, at string }{
		{"its own host", dev, dev, "http://localhost:3000/.well-known/oauth-protected-resource/dev"},
		{"another host", "http://192.168.1.7:8080/dev/x", dev, "http://192.168.1.7:8080/.well-known/oauth-protected-resource/dev"},
		{"scheme and path stay", "https://DEV.example/dev", dev, "http://dev.example/.well-known/oauth-protected-resource/dev"},
		{"another path", "http://192.168.1.7/x", unknown, ""},
		{"another case of the path", "http://192.168.1.7/Dev", notCanonical, ""},
		{"a declared host, J-08", github, github, "https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp"},
		{"a declared host never falls through", "https://mcp.example.com/dev", unknown, ""},
		{"nor with a port that is not declared", "https://mcp.example.com:3000/dev", unknown, ""},
		{"nor does a wildcard", "https://a.tenants.example.com/dev", unknown, ""},
		{"nor a wildcard with another port", "https://a.tenants.example.com:3000/dev", unknown, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := judge(t, a, request("POST", c.url))
			expectResource(t, d, c.want)
			if at := param(t, d, "resource_metadata"); at != c.at {
				t.Errorf("metadata at %q, want %q", at, c.at)
			}
		})
	}
	// C-25, threat: the request must not choose whose tokens are good.
	for_ := func(host string) *authz.ProtectedResource {
		p := declare(t, dev, anyHost, verifier(tokens{"T": grant(dev), "evil": grant("http://" + host + "/dev")}))
		return &p
	}
	evil := deciding(t, *for_("evil.example"))
	for token, want := range map[string]authz.Reason{"T": authz.Allowed, "evil": authz.TokenAudience} {
		if d := judge(t, evil, request("POST", "http://evil.example/dev", "authorization", "Bearer "+token)); d.Reason != want {
			t.Errorf("token %s with a Host of its own: %v", token, d.Reason)
		}
	}
}

// Behind a wildcard a token is for one host, not for all of them (B-12).
func TestWildcardAudience(t *testing.T) {
	a := deciding(t, declare(t, "https://*.tenants.example.com/mcp", verifier(tokens{"A": grant("https://a.tenants.example.com/mcp"), "*": grant("https://*.tenants.example.com/mcp")})))
	for _, c := range []struct {
		url, token string
		want       authz.Reason
	}{
		{"https://a.tenants.example.com/mcp", "A", authz.Allowed},
		{"https://A.tenants.example.com:443/mcp", "A", authz.Allowed},
		{"https://b.tenants.example.com/mcp", "A", authz.TokenAudience},
	} {
		if d := judge(t, a, request("POST", c.url, "authorization", "Bearer "+c.token)); d.Reason != c.want {
			t.Errorf("token %s at %s: %v, want %v", c.token, c.url, d.Reason, c.want)
		}
	}
}

// The target is what the gateway routed by: a field that says otherwise, or none at all, is refused.
func TestTarget(t *testing.T) {
	a := deciding(t, declare(t, github), declare(t, slack))
	good := []string{"authorization", "Bearer T"}
	for _, c := range []struct {
		rule   string
		r      *authz.Request
		allow  bool
		reason authz.Reason
	}{
		{"fields that agree", request("POST", github, append(good, ":authority", "mcp.example.com", "host", "mcp.example.com")...), true, authz.Allowed},
		{":authority that differs", request("POST", github, append(good, ":authority", "solo.example.com")...), false, authz.NotCanonical},
		{"host that differs", request("POST", github, append(good, "host", "solo.example.com")...), false, authz.NotCanonical},
		{"two hosts", request("POST", github, append(good, "host", "mcp.example.com", "host", "solo.example.com")...), false, authz.NotCanonical},
		{"two hosts, merged", request("POST", github, append(good, "host", "mcp.example.com,solo.example.com")...), false, authz.NotCanonical},
		{"C-25 forwarded fields are not believed", request("POST", github, append(good, "x-forwarded-host", "solo.example.com", "x-forwarded-proto", "http", "forwarded", "host=x", "x-original-url", "/slack/mcp")...), true, authz.Allowed},
		{"CONNECT", request("CONNECT", github, good...), false, authz.NotCanonical},
		{"no method", request("", github, good...), false, authz.NotCanonical},
		{"OPTIONS *", &authz.Request{Method: "OPTIONS", Host: "mcp.example.com", Path: "*"}, false, authz.NotCanonical},
		{"nothing at all", &authz.Request{}, false, authz.NotCanonical},
	} {
		if d := judge(t, a, c.r); d.Allowed() != c.allow || d.Reason != c.reason {
			t.Errorf("%s: %v, want %v", c.rule, d.Reason, c.reason)
		}
	}
}

// A pin of the gateway's route can only refuse (I-15).
func TestPin(t *testing.T) {
	const inner = github + "/inner"
	a := deciding(t, declare(t, github), declare(t, inner), declare(t, slack), declare(t, "https://*.tenants.example.com/mcp"), declare(t, solo, unusable))
	for _, c := range []struct {
		rule, url, pin string
		want           authz.Reason
	}{
		{"the resource itself", github, github, authz.Allowed},
		{"the inner one", inner + "/x", inner, authz.Allowed},
		{"the outer resource on an inner path", inner, github, authz.ResourceMismatch},
		{"an inner resource on an outer path", github, inner, authz.ResourceMismatch},
		{"another resource of the host", github, slack, authz.ResourceMismatch},
		{"a resource that does not exist", github, "https://mcp.example.com", authz.ResourceMismatch},
		{"another spelling", github, github + "/", authz.ResourceMismatch},
		{"an empty pin", github, "", authz.ResourceMismatch},
		{"a pin finds nothing by itself", "https://mcp.example.com/x", github, authz.ResourceUnknown},
		{"a wildcard as declared", "https://a.tenants.example.com/mcp", "https://*.tenants.example.com/mcp", authz.TokenAudience},
		{"a wildcard's host", "https://a.tenants.example.com/mcp", "https://a.tenants.example.com/mcp", authz.ResourceMismatch},
		{"an unusable resource", solo + "/", solo, authz.ResourceUnusable},
		{"an unusable resource pinned elsewhere", solo + "/", github, authz.ResourceMismatch},
	} {
		d := judge(t, a, pinned(request("POST", c.url, "authorization", "Bearer T"), c.pin))
		if d.Reason != c.want {
			t.Errorf("%s: %v, want %v", c.rule, d.Reason, c.want)
		}
		if d.Reason == authz.ResourceMismatch && (d.Answer().Status != 404 || field(d.Answer(), "www-authenticate") != "") {
			t.Errorf("%s: %+v", c.rule, d.Answer())
		}
	}
}

func TestNewTableRefusesAmbiguity(t *testing.T) {
	for _, c := range []struct {
		rule      string
		resources []authz.ProtectedResource
		err       string
	}{
		{"twice", []authz.ProtectedResource{declare(t, github), declare(t, github)}, "the same host and path"},
		{"whatever the scheme", []authz.ProtectedResource{declare(t, "https://localhost/a"), declare(t, "http://localhost/a")}, "the same host and path"},
		{"two for any host", []authz.ProtectedResource{declare(t, github, anyHost), declare(t, slack, anyHost)}, "only one resource may take any host"},
		{"the same path on another host", []authz.ProtectedResource{declare(t, github), declare(t, "https://a.example/github/mcp")}, ""},
		{"nested", []authz.ProtectedResource{declare(t, github), declare(t, github+"/a")}, ""},
		{"none", nil, ""},
	} {
		_, err := authz.NewTable(c.resources)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}
