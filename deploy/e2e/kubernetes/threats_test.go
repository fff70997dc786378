//go:build kubernetes

package kubernetes

import (
	"net/http"
	"strings"
	"testing"
)

// TestBrokenInnerResource: a declaration that cannot be used keeps its URL and is refused. The laxer one around it never judges in
// its place.
func TestBrokenInnerResource(t *testing.T) {
	o := owned(t, "team-a", "inner.mcp.example.com")
	inner := o.url() + "/admin"
	for name, c := range map[string]struct {
		from, to, kind, wanted string
		status                 int
	}{
		"an authorization server that is not there": {"[corp]", "[nobody]", "ResolvedRefs", "False AuthorizationServerNotFound", http.StatusServiceUnavailable},
		"a token that is passed on without a grant": {"[corp]", "[corp], forwardToken: true", "Accepted", "False NotGranted", http.StatusServiceUnavailable},
		// The request came by another route than the one that it names.
		"a route that is not there": {"[corp]", "[corp], targetRefs: [{name: nothing}]", "ResolvedRefs", "False TargetNotFound", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			apply(t, "alice", strings.Replace(protectedResource("team-a", "inner-admin", inner, ""), c.from, c.to, 1))
			becomes(t, "team-a", "inner-admin", c.kind, c.wanted)
			for _, token := range []string{"", o.good, tokenFor(t, inner)} {
				if got := ask(inner+"/x", token); !got.refused(c.status) {
					t.Errorf("token %t: %v; want %d", token != "", got, c.status)
				}
			}
			o.unharmed()
		})
	}
	eventually(t, "without it the outer one judges again", func() bool { return ask(inner, o.good).allowed("team-a") })
}

// TestOtherPort: for the question whose URL it is there are no ports: bob gets no part of alice's host by another one.
func TestOtherPort(t *testing.T) {
	o := owned(t, "team-a", "port.mcp.example.com")
	apply(t, "", grant("port-b", "team-b", o.host))
	apply(t, "bob", protectedResource("team-b", "port", "https://"+o.host+":8443/mcp", ""))
	becomes(t, "team-b", "port", "Accepted", "False Conflicted")
	if got := ask("https://"+o.host+":8443/mcp", tokenFor(t, "https://"+o.host+":8443/mcp")); !got.refused(http.StatusNotFound) {
		t.Errorf("the other port: %v", got)
	}
	o.unharmed()
}

// TestForeignAudience: bob lists alice's identifier as an audience of his, to use the tokens of her callers that reach him, or wants
// every token passed on. Both take a grant, and without one his URL is answered 503 (J-01).
func TestForeignAudience(t *testing.T) {
	o := owned(t, "team-a", "audience.mcp.example.com")
	const host = "audience-b.mcp.example.com"
	apply(t, "", grant("audience-b", "team-b", host))
	for name, more := range map[string]string{"audience": `, audiences: ["` + o.url() + `"]`, "token": ", forwardToken: true"} {
		apply(t, "bob", route("team-b", name, host, "/"+name)+protectedResource("team-b", name, "https://"+host+"/"+name, more))
		becomes(t, "team-b", name, "Accepted", "False NotGranted")
		eventually(t, "bob's URL is answered 503", func() bool { return ask("https://"+host+"/"+name, o.good).refused(http.StatusServiceUnavailable) })
	}
	o.unharmed()
}

// TestClusterKindsHaveNoFiles: what would read a file of the pods, or relax a check, can be said in the configuration file alone.
func TestClusterKindsHaveNoFiles(t *testing.T) {
	for _, key := range []string{"caFile: /etc/passwd", "bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token", "insecureAllowHTTP: true", "insecureClientIDAudience: [x]"} {
		refused(t, "", `
apiVersion: mcp-authz.dev/v1alpha1
kind: ClusterAuthorizationServer
metadata: {name: files}
spec: {issuer: "https://idp.example.com", `+key+`}
`, "unknown field")
	}
}

// TestBadObjectFreezesNobody: while bob's objects are as bad as the API takes them, a grant that is taken away from alice's team is
// gone at the next request, and comes back as fast. A restart gives the same table.
func TestBadObjectFreezesNobody(t *testing.T) {
	o := owned(t, "team-a", "freeze.mcp.example.com")
	apply(t, "", grant("freeze-b", "team-b", "freeze-b.mcp.example.com"))
	apply(t, "bob", strings.Replace(protectedResource("team-b", "freeze", "https://freeze-b.mcp.example.com/mcp", ", targetRefs: [{name: nothing}]"), "[corp]", "[nobody]", 1))
	apply(t, "", `
apiVersion: mcp-authz.dev/v1alpha1
kind: ClusterAuthorizationServer
metadata: {name: unreachable}
spec: {issuer: "https://127.0.0.1:1"}
`)
	becomes(t, "team-b", "freeze", "Programmed", "False Unusable")
	kubectl(t, "delete", "resourcegrant", "freeze-mcp-example-com")
	eventually(t, "the grant is gone", func() bool { return ask(o.url(), o.good).refused(http.StatusNotFound) })
	becomes(t, "team-a", "freeze-mcp-example-com", "Accepted", "False NotGranted")
	if err := put("", grant("freeze-mcp-example-com", "team-a", o.host)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the grant is back", func() bool { return o.holds() == "" })
}
