package authz_test

import (
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestAudience says of every audience whether it names the resource (B-12 to B-16): the identifier, with scheme and host in any
// case and one slash more at the end, or exactly one of the declared ones. All else is somebody else's token.
func TestAudience(t *testing.T) {
	const kelvin = "\u212a" // folds to "k" in Unicode, not in ASCII
	type row struct {
		resource, audience string
		ok                 bool
	}
	allow := func(resource, audience string) row { return row{resource, audience, true} }
	deny := func(resource, audience string) row { return row{resource, audience, false} }
	for _, r := range []row{
		allow(github, github),
		allow(github, github+"/"),
		allow(github, "HTTPS://MCP.EXAMPLE.COM/github/mcp"), // B-15
		allow(github, "Https://Mcp.Example.Com/github/mcp/"),
		allow(solo, solo),
		allow(solo, solo+"/"), // B-15: a bare origin, as clients write it again
		allow(solo, "HTTPS://SOLO.EXAMPLE.COM"),
		allow("https://a.example:8443/x", "https://A.example:8443/x"),
		allow(github, "api://github"), // declared, B-16
		allow(github, "aud with blank"),

		deny(github, ""), // B-13
		deny(github, "/"),
		deny(github, slack),
		deny(github, "https://mcp.example.com"),
		deny(github, "https://mcp.example.com/github"),
		deny(github, "https://mcp.example.com/github/MCP"), // B-15: the path is exact
		deny(github, github+"//"),
		deny(github, github+"/x"),
		deny(github, github+"x"),
		deny(github, github+"?x"),
		deny(github, "x"+github),
		deny(github, "http://mcp.example.com/github/mcp"),
		deny(github, "https://mcp.example.com:443/github/mcp"),
		deny(github, "https://mcp.example.com/%67ithub/mcp"),
		deny(github, "https://mcp_example.com/github/mcp"),
		deny(github, "mcp.example.com/github/mcp"),
		deny(github, " "+github),
		deny(github, "API://github"), // a declared one is exact
		deny(github, "api://github/"),
		deny(github, "api://git"),
		deny(solo, solo+"//"),
		deny(solo, github),
		deny("https://a.example:8443/x", "https://a.example/x"),
		deny("https://k.example", "https://"+kelvin+".example"),
		deny("https://kkk.example", "https://"+kelvin+".example"), // the same number of bytes
		deny("https://a.example/é", "https://a.example/É"),
		deny("", ""),
		deny("", "x"),
		deny("", "/"),
	} {
		e := authz.Expectation{Resource: r.resource, Audiences: []string{"api://github", "aud with blank"}}
		if r.resource == "" {
			e = authz.Expectation{}
		}
		if got := e.Accepts(r.audience); got != r.ok {
			t.Errorf("%q for %q: %v", r.audience, r.resource, got)
		}
	}
}

// asked is a Verifier that keeps what it was asked for.
type asked struct{ expectation *authz.Expectation }

// The verifier is told what a token must be meant for as it was declared, whatever the request says (invariant 2).
func TestExpectation(t *testing.T) {
	for _, c := range []struct{ resource, url, want string }{
		{github, github + "/x", github},
		{solo, "https://SOLO.example.com:443/", solo},
		{"https://*.tenants.example.com:8443/mcp", "https://A.tenants.example.com:8443/mcp", "https://a.tenants.example.com:8443/mcp"},
	} {
		var e authz.Expectation
		p := declare(t, c.resource, verifier(asked{&e}))
		p.Audiences = []string{"api://x"}
		judge(t, deciding(t, p), request("POST", c.url, "authorization", "Bearer T"))
		if e.Resource != c.want || len(e.Audiences) != 1 || e.Audiences[0] != "api://x" {
			t.Errorf("%s: %+v, want %s", c.url, e, c.want)
		}
	}
	var e authz.Expectation
	judge(t, deciding(t, declare(t, dev, anyHost, verifier(asked{&e}))), request("POST", "http://evil.example/mcp", "authorization", "Bearer T"))
	if e.Resource != dev {
		t.Errorf("any host: the request chose %+v", e)
	}
}

func (a asked) Verify(_ string, e authz.Expectation, _ time.Time) (authz.Claims, error) {
	*a.expectation = e
	return authz.Claims{}, authz.TokenAudience
}
