package authz_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
)

const (
	page    = "https://app.example.com"
	evil    = "https://evil.example"
	tenants = "https://*.tenants.example.com/mcp"
	tenant  = "https://a.tenants.example.com/mcp"
	dev     = "http://localhost:3000/mcp"
)

// readable is what lets a page of a listed origin read an answer.
func readable(origin string) map[string]string {
	return map[string]string{
		"access-control-allow-origin":   origin,
		"access-control-expose-headers": "WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After",
		"vary":                          "Origin",
	}
}

// cors are the headers of an answer, or of an allow, that speak to a browser.
func cors(headers []authz.Header) map[string]string {
	found := map[string]string{}
	for _, h := range headers {
		if strings.HasPrefix(h.Name, "access-control-") || h.Name == "vary" {
			found[h.Name] += h.Value
		}
	}
	return found
}

// TestOrigin says whose pages may use a resource (J-05): its own and the listed ones, in the one spelling that browsers have.
// It is asked before the token, and only a listed page may read answers (T-24).
func TestOrigin(t *testing.T) {
	a := deciding(t, declare(t, github, origins(page, "http://localhost:6274")), declare(t, solo), declare(t, "https://ports.example.com:8443"),
		declare(t, tenants, verifier(tokens{"T": grant(tenant), "other": grant(slack)})), declare(t, dev, anyHost, origins(page)))
	type row struct {
		rule, url, origin string
		ok, listed        bool
	}
	own := func(rule, url, origin string) row { return row{rule, url, origin, true, false} }
	listed := func(rule, url, origin string) row { return row{rule, url, origin, true, true} }
	foreign := func(rule, url, origin string) row { return row{rule, url, origin, false, false} }
	for _, c := range []row{
		own("its own", github, "https://mcp.example.com"),
		own("of a resource without a path", solo+"/", "https://solo.example.com"),
		own("with its own port", "https://ports.example.com:8443/", "https://ports.example.com:8443"),
		own("whatever port was sent that means nothing", "https://mcp.example.com:443/github/mcp", "https://mcp.example.com"),
		own("of the host below a wildcard", tenant, "https://a.tenants.example.com"),
		listed("a listed page", github, page),
		listed("a listed page of plain http", github, "http://localhost:6274"),

		foreign("another host", github, evil),
		foreign("null: a sandboxed page, or a file", github, "null"),
		foreign("empty", github, ""),
		foreign("a blank", github, " "),
		foreign("a wildcard", github, "*"),
		foreign("another scheme", github, "http://mcp.example.com"),
		foreign("another port", github, "https://mcp.example.com:8443"),
		foreign("the default port, which no browser sends", github, "https://mcp.example.com:443"),
		foreign("without its port", "https://ports.example.com:8443/", "https://ports.example.com"),
		foreign("upper case, which no browser sends", github, "https://MCP.example.com"),
		foreign("a listed page in upper case", github, "https://APP.example.com"),
		foreign("a listed page of another scheme", github, "http://app.example.com"),
		foreign("a listed page of another port", github, page+":8443"),
		foreign("a host that ends alike", github, "https://evil-mcp.example.com"),
		foreign("a host that begins alike", github, "https://mcp.example.com.evil.example"),
		foreign("a host above", github, "https://example.com"),
		foreign("a path", github, "https://mcp.example.com/"),
		foreign("a resource", github, github),
		foreign("several values, the first good", github, page+" "+evil),
		foreign("several values, merged", github, page+","+evil),
		foreign("the same twice, merged", github, page+", "+page),
		foreign("a page that another resource lists", solo+"/", page),
		foreign("another host below a wildcard", tenant, "https://b.tenants.example.com"),
		foreign("the wildcard itself", tenant, "https://*.tenants.example.com"),

		listed("any host: loopback", "http://localhost:3000/mcp", "http://localhost:3000"),
		listed("any host: loopback at another port", "http://192.168.1.7:3000/mcp", "https://127.0.0.1:6274"),
		listed("any host: loopback without a port", "http://192.168.1.7:3000/mcp", "http://[::1]"),
		listed("any host: a name below localhost", "http://localhost:3000/mcp", "http://app.localhost:5173"),
		listed("any host: a listed page", "http://localhost:3000/mcp", page),
		foreign("any host: DNS rebinding", "http://evil.example:3000/mcp", "http://evil.example:3000"),
		foreign("any host: a page of the network", "http://192.168.1.7:3000/mcp", "http://192.168.1.7:3000"),
		foreign("any host: another host", "http://localhost:3000/mcp", evil),
		foreign("any host: null", "http://localhost:3000/mcp", "null"),
		foreign("any host: empty", "http://localhost:3000/mcp", ""),
		foreign("any host: a name that begins alike", "http://localhost:3000/mcp", "http://localhost.evil.example"),
		foreign("any host: a name that ends alike", "http://localhost:3000/mcp", "http://evillocalhost"),
		foreign("any host: an address that begins alike", "http://localhost:3000/mcp", "http://127.0.0.1.evil.example"),
		foreign("any host: user information", "http://localhost:3000/mcp", "http://localhost@evil.example"),
		foreign("any host: a path", "http://localhost:3000/mcp", "http://localhost/"),
		foreign("any host: another scheme", "http://localhost:3000/mcp", "file://localhost"),
		foreign("any host: no scheme", "http://localhost:3000/mcp", "localhost:3000"),
		foreign("any host: several values", "http://localhost:3000/mcp", "http://localhost http://localhost"),
	} {
		t.Run(c.rule, func(t *testing.T) {
			for _, token := range []string{"T", "other"} {
				d := judge(t, a, request("POST", c.url, "authorization", "Bearer "+token, "origin", c.origin))
				want := authz.OriginNotAllowed
				if c.ok {
					want = map[string]authz.Reason{"T": authz.Allowed, "other": authz.TokenAudience}[token]
				}
				if d.Reason != want {
					t.Fatalf("token %s: %v, want %v", token, d.Reason, want)
				}
				spoken := map[string]string{}
				if c.listed {
					spoken = readable(c.origin)
				}
				got := cors(d.ResponseHeader)
				if !d.Allowed() {
					got = cors(d.Answer().Header)
				}
				if diff := cmp.Diff(spoken, got); diff != "" {
					t.Errorf("token %s (-want +got):\n%s", token, diff)
				}
			}
			asked := judge(t, a, request("OPTIONS", c.url, "origin", c.origin, "access-control-request-method", "POST"))
			if (asked.Reason == authz.Preflight) != c.ok || !c.ok && (asked.Reason != authz.OriginNotAllowed || len(cors(asked.Answer().Header)) > 0) {
				t.Errorf("preflight: %v, %v", asked.Reason, asked.Answer().Header)
			}
		})
	}
	// Two fields are two values, whatever they say; an absent one is no browser's.
	for rule, r := range map[string]*authz.Request{
		"two fields":        withToken("origin", page, "origin", evil),
		"the same twice":    withToken("origin", page, "origin", page),
		"one of them empty": withToken("origin", page, "origin", ""),
		"two empty ones":    withToken("origin", "", "origin", ""),
	} {
		if d := judge(t, a, r); d.Reason != authz.OriginNotAllowed || d.Answer().Status != 403 || len(cors(d.Answer().Header)) > 0 || field(d.Answer(), "www-authenticate") != "" {
			t.Errorf("%s: %v, %v", rule, d.Reason, d.Answer().Header)
		}
	}
	if d := judge(t, a, withToken()); !d.Allowed() || d.ResponseHeader != nil {
		t.Errorf("no Origin: %v, %v", d.Reason, d.ResponseHeader)
	}
}

// A page that may use a resource may read every refusal of it, the challenge included; no other page may.
func TestRefusalsToPages(t *testing.T) {
	for _, reason := range authz.Reasons() {
		resource := declare(t, github, origins(page), verifier(failing(reason)))
		for origin, want := range map[string]map[string]string{page: readable(page), "https://mcp.example.com": {}} {
			d := judge(t, deciding(t, resource), withToken("origin", origin))
			if diff := cmp.Diff(want, cors(d.Answer().Header)); diff != "" || d.Allowed() {
				t.Errorf("%v, from %s (-want +got):\n%s", reason, origin, diff)
			}
		}
	}
	shut := deciding(t, declare(t, solo, unusable, origins(page)))
	for origin, want := range map[string]map[string]string{page: readable(page), evil: {}, "null": {}} {
		if diff := cmp.Diff(want, cors(judge(t, shut, request("POST", solo+"/", "origin", origin)).Answer().Header)); diff != "" {
			t.Errorf("an unusable resource, from %s (-want +got):\n%s", origin, diff)
		}
	}
	if d := judge(t, shut, request("POST", github, "origin", page)); len(cors(d.Answer().Header)) > 0 {
		t.Errorf("no resource, and yet %v", d.Answer().Header)
	}
}

// A preflight is answered without a token (E-37); it reflects the origin that it admitted and names of Mcp-Param-* headers,
// nothing else of the request.
func TestPreflight(t *testing.T) {
	const usual = "authorization, content-type, accept, mcp-protocol-version, mcp-session-id, last-event-id, mcp-method, mcp-name, traceparent"
	a := deciding(t, declare(t, github, origins(page)))
	many, names := "", ""
	for i := range 40 {
		many += fmt.Sprintf("mcp-param-%d,", i)
		if i < 32 {
			names += fmt.Sprintf(", mcp-param-%d", i)
		}
	}
	for _, c := range []struct{ rule, requested, allowed string }{
		{"nothing in particular", "", ""},
		{"what is allowed anyway, and what is not", "authorization, x-evil, cookie", ""},
		{"parameters", "mcp-param-region, Mcp-Param-Tenant_1,\tmcp-param-x ", ", mcp-param-region, mcp-param-tenant_1, mcp-param-x"},
		{"names that begin otherwise", "x-mcp-param-a, mcp-params-a, mcp-param", ""},
		{"names that no header has", "mcp-param-a b, mcp-param-\r\nx: y, mcp-param-é, mcp-param-a;b, mcp-param-\"", ""},
		{"as many as are looked at", many, names},
		{"too long a list", "mcp-param-a, " + strings.Repeat("x", 1<<10), ""},
	} {
		d := judge(t, a, request("OPTIONS", github, "origin", page, "access-control-request-method", "DELETE", "access-control-request-headers", c.requested))
		want := map[string]string{
			"access-control-allow-origin": page, "access-control-allow-methods": "GET, POST, DELETE", "access-control-allow-headers": usual + c.allowed,
			"access-control-max-age": "7200", "vary": "Origin",
		}
		if diff := cmp.Diff(want, cors(d.Answer().Header)); diff != "" || d.Answer().Status != 204 || d.Answer().Body != nil || len(d.Answer().Header) != len(want) || d.Allowed() {
			t.Errorf("%s: %v, %d (-want +got):\n%s", c.rule, d.Reason, d.Answer().Status, diff)
		}
	}
	for _, c := range []struct {
		rule string
		r    *authz.Request
		want authz.Reason
	}{
		{"E-37 OPTIONS without an origin", request("OPTIONS", github, "access-control-request-method", "POST"), authz.NoCredential},
		{"E-37 OPTIONS without a method", request("OPTIONS", github, "origin", page), authz.NoCredential},
		{"E-37 OPTIONS with an empty method", request("OPTIONS", github, "origin", page, "access-control-request-method", " "), authz.NoCredential},
		{"any other method that looks like one", request("POST", github, "origin", page, "access-control-request-method", "POST"), authz.NoCredential},
		{"OPTIONS with a token", request("OPTIONS", github, "authorization", "Bearer T", "access-control-request-method", "POST"), authz.Allowed},
		{"a token does not make it another", request("OPTIONS", github, "authorization", "Bearer T", "origin", page, "access-control-request-method", "POST"), authz.Preflight},
		{"to no resource", request("OPTIONS", slack, "origin", page, "access-control-request-method", "POST"), authz.ResourceUnknown},
		{"on a route of another resource", pinned(request("OPTIONS", github, "origin", page, "access-control-request-method", "POST"), slack), authz.ResourceMismatch},
	} {
		if d := judge(t, a, c.r); d.Reason != c.want {
			t.Errorf("%s: %v, want %v", c.rule, d.Reason, c.want)
		}
	}
}
