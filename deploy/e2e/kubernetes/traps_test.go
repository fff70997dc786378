//go:build kubernetes

package kubernetes

import (
	"net/http"
	"strings"
	"testing"
)

// TestHostWithPort: the Gateway's routes ignore the port of a Host, so whatever is scoped by host elsewhere must not take it literally.
// Here the check has no such scope: a port that nobody declared is refused, and the default one is the host itself (J-09).
func TestHostWithPort(t *testing.T) {
	good := protectedRoute(t)
	for host, want := range map[string]int{
		"steady.mcp.example.com:8443": http.StatusNotFound,
		"steady.mcp.example.com:80":   http.StatusNotFound,
		"steady.mcp.example.com.":     http.StatusBadRequest,
	} {
		for _, token := range []string{"", good} {
			got := ask("https://"+host+"/mcp", token)
			if got.upstream() != "" || got.status != want && got.status != http.StatusNotFound {
				t.Errorf("Host: %s, token %t: %v", host, token != "", got)
			}
		}
	}
	if got := ask("https://steady.mcp.example.com:443/mcp", ""); !got.challenged() {
		t.Errorf("the default port, without a token: %v", got)
	}
	if got := ask("https://steady.mcp.example.com:443/mcp", good); !got.allowed("platform") {
		t.Errorf("the default port, with a token: %v", got)
	}
}

// TestUpgradeRequests: Envoy Gateway lets every route be upgraded to a WebSocket, and shows nobody the body of such a request. It never
// gets to a server: without a token it is refused as all are, with one because it is an upgrade (I-14).
func TestUpgradeRequests(t *testing.T) {
	good := protectedRoute(t)
	for _, method := range []string{"POST", "GET"} {
		upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		if got := send(method, steadyURL, "", ping, upgrade...); !got.challenged() {
			t.Errorf("%s without a token: %v", method, got)
		}
		if got := send(method, steadyURL, good, ping, upgrade...); !got.refused(http.StatusBadRequest) {
			t.Errorf("%s with a token: %v", method, got)
		}
	}
}

// TestOddPaths: what two programs could read differently. The Gateway makes "/mcp/./x" and "/%6dcp" plain before it asks, so that all
// read the same; the rest it or mcp-authz refuses (ClientTrafficPolicy: it repairs no slashes). Nothing gets anywhere without a token (J-08).
func TestOddPaths(t *testing.T) {
	good := protectedRoute(t)
	for path, plain := range map[string]string{
		"/mcp/./x": "/mcp/x", "/%6dcp": "/mcp", "/mcp/y/../x": "/mcp/x",
		"/mcp/%2e%2e/x": "", "/mcp/..%2fx": "", "/mcp%2fx": "", "/mcp/%5c..": "", "//mcp": "", "/mcp//x": "", "/mcp;x": "", "/mcp/;x": "", "/mcp/../x": "",
		"/.well-known/oauth-protected-resource/..%2f..%2fmcp": "", "/.well-known/oauth-protected-resource/../../mcp": "/mcp",
	} {
		url := "https://steady.mcp.example.com" + path
		if got := ask(url, ""); got.upstream() != "" || got.status < 300 {
			t.Errorf("%s without a token: %v", path, got)
		}
		if got := ask(url, good); got.upstream() != "" && !strings.Contains(got.body, `"path":"`+plain+`"`) || plain == "" && got.status < 300 {
			t.Errorf("%s: %v; want it to be refused, or to be %q", path, got, plain)
		}
	}
}

// TestFailOpen: why deploy/envoy-gateway says "failOpen: false". A policy that cannot be applied closes its routes; with failOpen it
// opens them, and nothing asks mcp-authz any more (I-18).
func TestFailOpen(t *testing.T) {
	const url = "https://open.mcp.example.com/mcp"
	broken := func(open string) string {
		return `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: broken, namespace: edge}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: open}]
  extAuth: {failOpen: ` + open + `, grpc: {backendRefs: [{name: there-is-none, port: 9001}]}}
`
	}
	apply(t, "", strings.Replace(route("edge", "open", "open.mcp.example.com", "/mcp"), "{name: echo,", "{name: echo, namespace: platform,", 1)+`
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: edge, namespace: platform}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}]
  to: [{group: "", kind: Service, name: echo}]
`)
	eventually(t, "the Gateway's policy refuses what is not declared", func() bool { return ask(url, "").refused(http.StatusNotFound) })
	apply(t, "", broken("false"))
	eventually(t, "closed", func() bool { return ask(url, "").status == http.StatusInternalServerError })
	apply(t, "", broken("true"))
	eventually(t, "open to everybody", func() bool { return ask(url, "").allowed("platform") })
}

// TestFailOpenOfOurs: the guard refuses failOpen where the policy asks mcp-authz, whoever writes it.
func TestFailOpenOfOurs(t *testing.T) {
	out, err := try("-n", "edge", "patch", "securitypolicy", "mcp-authz", "--type=merge", "-p", `{"spec":{"extAuth":{"failOpen":true}}}`)
	if err == nil || !strings.Contains(out, "failOpen lets requests pass unchecked") {
		t.Errorf("%v %s", err, out)
	}
}

// TestWildcardMetadataRoute: a Gateway takes the routes of the most exact hostname only. One route for the metadata of all hosts under
// a wildcard answers for those that have none of their own; a resource's own host stays without, until it gets its own route, which
// "metadataRoutes: Auto" makes.
func TestWildcardMetadataRoute(t *testing.T) {
	const host = "wildcard.mcp.example.com"
	apply(t, "", route("mcp-authz", "wildcard", "*.mcp.example.com", `[{matches: [{path: {type: PathPrefix, value: /.well-known/oauth-protected-resource}}], backendRefs: [{name: mcp-authz, port: 8080}]}]`))
	apply(t, "", grant("wildcard", "team-a", host))
	declared := func(routes string) string {
		return route("team-a", "wildcard", host, "/mcp") + protectedResource("team-a", "wildcard", "https://"+host+"/mcp", ", targetRefs: [{name: wildcard}], metadataRoutes: "+routes)
	}
	apply(t, "alice", declared("None"))
	eventually(t, "the URL is protected", func() bool { return ask("https://"+host+"/mcp", "").challenged() })
	eventually(t, "the wildcard's route is there", func() bool { return get(metadata("nobodys.mcp.example.com")).refused(http.StatusNotFound) })
	if got := get(metadata(host)); got.status != http.StatusNotFound || got.body != "" {
		t.Errorf("the document by the wildcard's route: %v; want the gateway's own 404", got)
	}
	apply(t, "alice", declared("Auto"))
	eventually(t, "the document", func() bool { return strings.Contains(get(metadata(host)).body, `"resource":"https://`+host+`/mcp"`) })
}
