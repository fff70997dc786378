package authz_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

const (
	bare    = "https://bare.example.com" // declares nothing at the root, and one resource
	both    = "https://both.example.com" // an origin resource and another one
	port    = "https://ports.example.com:8443/mcp"
	plain   = "http://plain.example.com/mcp"
	shut    = "https://shut.example.com/mcp"
	segment = "/.well-known/oauth-protected-resource"
)

// everywhere is one resource of each kind.
func everywhere(t testing.TB, edits ...func(*authz.ProtectedResource)) *authz.Authorizer {
	t.Helper()
	var all []authz.ProtectedResource
	for _, resource := range []string{github, slack, solo, bare + "/mcp", both, both + "/mcp", port, plain, tenants} {
		all = append(all, declare(t, resource, edits...))
	}
	all = append(all, declare(t, shut, append(edits, unusable)...), declare(t, dev, append(edits, anyHost)...))
	return deciding(t, all...)
}

// lookUp asks both doors for a metadata URL: the listener's and, in the way of a client that fetches it, the check's. They
// must say the same.
func lookUp(t *testing.T, a *authz.Authorizer, url string) metadata.Answer {
	t.Helper()
	r := request("GET", url)
	beside, inline := a.Metadata(r.Host, r.Path).Answer("GET", ""), judge(t, a, r)
	if inline.Reason != authz.Metadata && inline.Reason != authz.NotCanonical || inline.Allowed() {
		t.Errorf("%s: inline, it is %v", url, inline.Reason)
	}
	answer := inline.Answer()
	if inline.Reason == authz.NotCanonical { // at the check's own words
		answer.Body, answer.Header = beside.Body, beside.Header
	}
	if diff := cmp.Diff(beside, answer); diff != "" {
		t.Errorf("%s: the two answers differ (-listener +check):\n%s", url, diff)
	}
	return beside
}

// TestMetadataPlaces says for every discovery URL whose document lies there (C-01, C-02, C-17, C-18, T-01), and what the
// document calls the resource (C-06). A wrong one would send a client's login to a stranger.
func TestMetadataPlaces(t *testing.T) {
	a := everywhere(t)
	at := func(resource string) string { // the segment inserted, RFC 9728 §3.1
		scheme, rest, _ := strings.Cut(resource, "://")
		host, path, _ := strings.Cut(rest, "/")
		return strings.TrimSuffix(scheme+"://"+host+segment+"/"+path, "/")
	}
	for _, c := range []struct{ rule, url, want string }{ // want: "resource", or a status
		{"C-01 inserted", at(github), github},
		{"C-02 of an origin", solo + segment, solo},
		{"C-17 the other one of the host", at(slack), slack},
		{"with a query", at(github) + "?x=/slack/mcp", github},
		{"the host in upper case", "https://MCP.Example.com" + segment + "/github/mcp", github},
		{"the default port", "https://mcp.example.com:443" + segment + "/github/mcp", github},
		{"mirrored slash", at(github) + "/", github + "/"},
		{"appended", github + segment, github},
		{"appended to an origin's slash is the root", both + segment, both},
		{"of the inner one", at(both + "/mcp"), both + "/mcp"},
		{"appended to the inner one", both + "/mcp" + segment, both + "/mcp"},
		{"C-18 the root of a host with one resource", bare + segment, bare + "/mcp"},
		{"C-18 the root of a host with two", "https://mcp.example.com" + segment, "404"},
		{"a declared port", at(port), port},
		{"a declared port's root", "https://ports.example.com:8443" + segment, port},
		{"without the declared port", "https://ports.example.com" + segment + "/mcp", "404"},
		{"plain http", at(plain), plain},
		{"plain http at the port of https", "https://plain.example.com:443" + segment + "/mcp", "404"},
		{"https at the port of http", "http://mcp.example.com:80" + segment + "/github/mcp", "404"},
		{"another port", "https://mcp.example.com:8443" + segment + "/github/mcp", "404"},
		{"below a wildcard", at(tenant), tenant},
		{"below a wildcard, at the default port", "https://a.tenants.example.com:443" + segment + "/mcp", tenant},
		{"below a wildcard, mirrored slash", at("https://B.tenants.example.com/mcp") + "/", "https://b.tenants.example.com/mcp/"},
		{"the root below a wildcard", "https://a.tenants.example.com" + segment, tenant},
		{"two labels below a wildcard are any host", "http://a.b.tenants.example.com" + segment + "/mcp", "http://a.b.tenants.example.com/mcp"},
		{"any host", "http://192.168.1.7:8080" + segment + "/mcp", "http://192.168.1.7:8080/mcp"},
		{"any host, appended", "http://192.168.1.7:8080/mcp" + segment, "http://192.168.1.7:8080/mcp"},
		{"any host, its root", "http://192.168.1.7:8080" + segment, "http://192.168.1.7:8080/mcp"},
		{"any host, another path", "http://192.168.1.7:8080" + segment + "/x", "404"},

		{"unusable", at(shut), "503"},
		{"unusable, mirrored slash", at(shut) + "/", "503"},
		{"unusable, appended", shut + segment, "503"},
		{"unusable, the root", "https://shut.example.com" + segment, "503"},
		{"unusable, another path", at(shut) + "/x", "404"},

		{"C-20 no such resource", "https://mcp.example.com" + segment + "/nope", "404"},
		{"exact paths, no prefixes", at(github) + "/x", "404"},
		{"above a resource", "https://mcp.example.com" + segment + "/github", "404"},
		{"another case of the path", "https://mcp.example.com" + segment + "/GitHub/mcp", "404"},
		{"no mirrored slash of an origin", solo + segment + "/", "404"},
		{"no mirrored slash of the root", bare + segment + "/", "404"},
		{"appended to the slash", github + "/" + strings.TrimPrefix(segment, "/") + "/", "404"},
		{"appended to what lies below", github + "/x" + segment, "404"},
		{"appended twice", github + segment + segment, "404"},
		{"a name that begins alike", "https://mcp.example.com" + segment + "s/github/mcp", ""},
		{"J-02 of an authorization server", "https://mcp.example.com/.well-known/oauth-authorization-server", "404"},
		{"C-26 of an authorization server, below a resource", github + "/.well-known/openid-configuration", "404"},
		{"two slashes", "https://mcp.example.com" + segment + "//github/mcp", "400"},
		{"dot segments", "https://mcp.example.com" + segment + "/../../github/mcp", "400"},
		{"encoded dot segments", "https://mcp.example.com" + segment + "/..%2f..%2fgithub/mcp", "400"},
		{"an encoded letter", "https://mcp.example.com" + segment + "/%67ithub/mcp", "400"},
		{"a trailing dot of the host", "https://mcp.example.com." + segment + "/github/mcp", "400"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if c.want == "" { // not discovery at all
				if d := judge(t, a, request("GET", c.url)); d.Reason != authz.ResourceUnknown {
					t.Errorf("%v", d.Reason)
				}
				return
			}
			answer := lookUp(t, a, c.url)
			status := map[string]int{"400": 400, "404": 404, "503": 503}[c.want]
			if status == 0 {
				status = 200
			}
			var document struct {
				Resource string
				Servers  []string `json:"authorization_servers"`
				Methods  []string `json:"bearer_methods_supported"`
			}
			if err := json.Unmarshal(answer.Body, &document); err != nil || answer.Status != status {
				t.Fatalf("%d %s, %v; want %s", answer.Status, answer.Body, err, c.want)
			}
			if status == 200 && (document.Resource != c.want || len(document.Servers) != 1 || strings.Join(document.Methods, " ") != "header") {
				t.Errorf("%s, want resource %s", answer.Body, c.want)
			}
			if cache := field(answer, "cache-control"); (cache == "no-store") != (status != 200 || strings.HasPrefix(c.want, "http://1") || strings.Contains(c.url, "a.b.")) {
				t.Errorf("%s: cache-control %q", c.want, cache)
			}
		})
	}
}

// Invariant 3: the URL in any challenge, fetched, gives a document whose resource is the one that the challenge is of, and
// which asks for the same scopes.
func TestChallengeLeadsToDocument(t *testing.T) {
	a := everywhere(t, scopes("b", "a"))
	for _, c := range []struct{ url, resource string }{
		{github, github}, {github + "/", github}, {github + "/x?y", github}, {"https://MCP.example.com:443/github/mcp", github}, {slack, slack},
		{solo + "/", solo}, {solo + "/x", solo}, {bare + "/mcp", bare + "/mcp"}, {both + "/", both}, {both + "/x", both}, {both + "/mcp/x", both + "/mcp"},
		{port, port}, {plain, plain}, {"http://plain.example.com:80/mcp", plain},
		{tenant, tenant}, {"https://B.tenants.example.com:443/mcp/x", "https://b.tenants.example.com/mcp"},
		{dev, dev}, {"http://192.168.1.7:8080/mcp/x", "http://192.168.1.7:8080/mcp"}, {"http://[::1]:3000/mcp", "http://[::1]:3000/mcp"}, {"http://DEV.example/mcp", "http://dev.example/mcp"},
	} {
		for _, credential := range []string{"", "Bearer x", "Bearer T, Bearer T", "Bearer T"} {
			d := judge(t, a, request("POST", c.url, "authorization", credential))
			if d.Allowed() {
				t.Fatalf("%s: without the scopes, %q is allowed", c.url, credential)
			}
			at := param(t, d, "resource_metadata")
			var document struct {
				Resource string
				Scopes   []string `json:"scopes_supported"`
			}
			answer := lookUp(t, a, at)
			if err := json.Unmarshal(answer.Body, &document); err != nil || answer.Status != 200 || document.Resource != c.resource {
				t.Errorf("%s with %q: %q leads to %d %s, %v; want %s", c.url, credential, at, answer.Status, answer.Body, err, c.resource)
			}
			if scope := param(t, d, "scope"); scope != strings.Join(document.Scopes, " ") && d.Reason != authz.MultipleCredentials {
				t.Errorf("%s with %q: challenge asks for %q, document for %q", c.url, credential, scope, document.Scopes)
			}
		}
	}
}

// A document needs no token and no origin, knows its methods, and is answered before anything else (C-19, C-21 to C-23); what a
// client sends along changes nothing of it (C-25).
func TestMetadataInline(t *testing.T) {
	a := everywhere(t)
	at := "https://mcp.example.com" + segment + "/github/mcp"
	want := lookUp(t, a, at)
	for rule, header := range map[string][]string{
		"a good token": {"authorization", "Bearer T"}, "a bad one": {"authorization", "Bearer x"}, "two": {"authorization", "a, Bearer T"},
		"a foreign page": {"origin", evil}, "an upgrade": {"upgrade", "h2c"}, "another tag": {"if-none-match", `"x"`},
		"forwarded fields": {"x-forwarded-host", "evil.example", "x-forwarded-proto", "http", "forwarded", "host=evil.example"},
	} {
		if d := judge(t, a, request("GET", at, header...)); cmp.Diff(want, d.Answer()) != "" || d.Reason != authz.Metadata || d.Allowed() {
			t.Errorf("%s: %v, %+v", rule, d.Reason, d.Answer())
		}
	}
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204, "POST": 405, "DELETE": 405, "get": 405, "CONNECT": 400} {
		if d := judge(t, a, request(method, at, "authorization", "Bearer T")); d.Answer().Status != status || d.Allowed() {
			t.Errorf("%s: %d, want %d", method, d.Answer().Status, status)
		}
	}
	if d := judge(t, a, request("GET", at, "if-none-match", field(want, "etag"))); d.Answer().Status != 304 || d.Answer().Body != nil {
		t.Errorf("the same tag: %+v", d.Answer())
	}
	if d := judge(t, a, pinned(request("GET", at), slack)); cmp.Diff(want, d.Answer()) != "" { // a document is nobody's route
		t.Errorf("pinned elsewhere: %+v", d.Answer())
	}
	if found := new(authz.Authorizer).Metadata("mcp.example.com", segment); found.Answer("GET", "").Status != 503 {
		t.Errorf("without a configuration: %+v", found)
	}
}
