//go:build kubernetes

package kubernetes

import (
	"net/http"
	"strings"
	"testing"
)

// Attacks of one team on another. Each is refused where it can be: by admission, by status, or at the request. Whatever the other
// team writes, the owner's answers stay the same bytes, and no request that is let in reaches another's server.

// TestHijackURL: bob declares the very URL of alice's team: without a grant, and with one for the same host, when the older wins.
func TestHijackURL(t *testing.T) {
	o := owned(t, "team-a", "hijack-url.mcp.example.com")
	apply(t, "bob", protectedResource("team-b", "hijack-url", o.url(), ", resourceName: mine"))
	becomes(t, "team-b", "hijack-url", "Accepted", "False NotGranted")
	o.unharmed()
	apply(t, "", grant("hijack-url-b", "team-b", o.host))
	said := becomes(t, "team-b", "hijack-url", "Accepted", "False Conflicted")
	if strings.Contains(said, "team-a") {
		t.Errorf("the loser is told of the winner's namespace: %s", said)
	}
	becomes(t, "team-b", "hijack-url", "Programmed", "False NotAccepted")
	becomes(t, "team-a", "hijack-url-mcp-example-com", "Accepted", "True Accepted")
	o.unharmed()
}

// TestHijackNestedPath: bob declares a path below alice's URL, which a longer match would prefer, with a grant for the host (J-08).
func TestHijackNestedPath(t *testing.T) {
	o := owned(t, "team-a", "hijack-nested.mcp.example.com")
	apply(t, "", grant("hijack-nested-b", "team-b", o.host))
	apply(t, "bob", protectedResource("team-b", "hijack-nested", o.url()+"/admin", ""))
	becomes(t, "team-b", "hijack-nested", "Accepted", "False Conflicted")
	o.unharmed()
	if got := ask(o.url()+"/admin", o.good); !got.allowed("team-a") {
		t.Errorf("the owner's token below the owner's URL: %v", got)
	}
	if got := ask(o.url()+"/admin", tokenFor(t, o.url()+"/admin")); !got.challenged() {
		t.Errorf("a token for the nested URL: %v", got)
	}
}

// TestHijackShape: wildcards and other texts that could cover somebody else's URL are no URLs of the API; what was declared once
// cannot be edited into something else, since the age of the object is the age of the claim.
func TestHijackShape(t *testing.T) {
	for _, url := range []string{
		"https://*.mcp.example.com/mcp", "https://*/mcp", "https://hijack.mcp.example.com/mcp/", "https://HIJACK.mcp.example.com/mcp",
		"https://hijack.mcp.example.com:443/mcp", "https://hijack.mcp.example.com/mcp/../x", "https://hijack.mcp.example.com/%6dcp", "http://hijack.mcp.example.com/mcp",
		"https://hijack.mcp.example.com/.well-known/oauth-protected-resource", "https://hijack.mcp.example.com./mcp", "https://u@hijack.mcp.example.com/mcp",
	} {
		refused(t, "bob", protectedResource("team-b", "hijack-shape", url, ""), "spec.resource")
	}
	for _, more := range []string{", insecureAnyHost: true", ", insecureAllowHTTP: true", ", caFile: /etc/passwd"} {
		refused(t, "bob", protectedResource("team-b", "hijack-shape", "https://hijack.mcp.example.com/mcp", more), "unknown field")
	}
	o := owned(t, "team-a", "hijack-shape.mcp.example.com")
	apply(t, "bob", protectedResource("team-b", "hijack-shape", "https://dummy.mcp.example.com/mcp", ""))
	refusedEdit(t, "bob", protectedResource("team-b", "hijack-shape", o.url(), ""), "spec.resource is immutable")
	refusedEdit(t, "bob", protectedResource("team-b", "hijack-shape", "https://dummy.mcp.example.com/mcp", ", targetRefs: [{name: x}]"), "spec.targetRefs is immutable")
	o.unharmed()
}

// TestHijackRoute: bob needs no declaration to get alice's requests: a route on her host that matches more closely is enough for the
// Gateway. Where her declaration names her route, the request is refused: nobody gets her callers' requests, or answers in her place. Invariant 10.
func TestHijackRoute(t *testing.T) {
	o := owned(t, "team-a", "hijack-route.mcp.example.com")
	const rules = `
  - matches:
    - {path: {type: Exact, value: /mcp/exact}}
    - {path: {type: PathPrefix, value: /mcp/longer}}
    - {path: {type: PathPrefix, value: /mcp}, headers: [{name: x-a, value: "1"}]}
    - {path: {type: PathPrefix, value: /mcp}, queryParams: [{name: a, value: "1"}]}
    - {path: {type: PathPrefix, value: /mcp}, method: DELETE}
    - {path: {type: RegularExpression, value: "/mcp/re.*"}}
    - {path: {type: Exact, value: /.well-known/oauth-protected-resource/mcp}}
    - {path: {type: Exact, value: /elsewhere}}
    backendRefs: [{name: echo, port: 80}]`
	apply(t, "bob", route("team-b", "hijack-route", o.host, rules))
	// A route of his own path that nobody declared shows when the Gateway has all of them.
	apply(t, "bob", route("team-b", "hijack-route-seen", "seen-"+o.host, "/mcp"))
	apply(t, "", grant("hijack-route-seen", "team-b", "seen-"+o.host))
	apply(t, "bob", protectedResource("team-b", "hijack-route-seen", "https://seen-"+o.host+"/mcp", ""))
	eventually(t, "the Gateway has bob's later route", func() bool { return ask("https://seen-"+o.host+"/mcp", "").challenged() })

	attacks := map[string]func(token string) answer{
		"Exact":         func(token string) answer { return ask(o.url()+"/exact", token) },
		"a longer path": func(token string) answer { return ask(o.url()+"/longer/x", token) },
		"a header":      func(token string) answer { return ask(o.url(), token, "X-A: 1") },
		"a query":       func(token string) answer { return ask(o.url()+"?a=1", token) },
		"a method":      func(token string) answer { return send("DELETE", o.url(), token, "") },
		"a pattern":     func(token string) answer { return ask(o.url()+"/regex", token) },
	}
	for name, attack := range attacks {
		for _, token := range []string{o.good, ""} {
			if got := attack(token); !got.refused(http.StatusNotFound) {
				t.Errorf("%s, token %t: %v; want 404 of mcp-authz", name, token != "", got)
			}
		}
	}
	if got := ask("https://"+o.host+"/elsewhere", o.good); !got.refused(http.StatusNotFound) {
		t.Errorf("a path that nobody declared: %v", got)
	}
	o.unharmed() // the document too: it is answered by the check, whatever route matched
	if said := becomes(t, "team-a", "hijack-route-mcp-example-com", "RouteConflict", "True ForeignRoute"); strings.Contains(said, "team-b") {
		t.Errorf("the owner is told the other's namespace: %s", said)
	}
}

// TestHijackPolicy: a SecurityPolicy on a route takes the place of the Gateway's, whatever it says. The guard refuses it when it is
// written; without the guard a policy with nothing but CORS in it opens the route to everybody, and the status says so (I-26).
func TestHijackPolicy(t *testing.T) {
	o := owned(t, "team-a", "hijack-policy.mcp.example.com")
	policy := func(more string) string {
		return `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: cors, namespace: team-a}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: hijack-policy-mcp-example-com}]
  cors: {allowOrigins: ["https://app.example.com"]}
` + more
	}
	refused(t, "alice", policy(""), "spec.mergeType is missing")
	refused(t, "alice", policy("  mergeType: StrategicMerge\n  extAuth: {grpc: {backendRefs: [{name: echo, port: 80}]}}\n"), "spec.extAuth of a route replaces mcp-authz")
	refused(t, "alice", strings.Replace(policy(""), "kind: HTTPRoute", "kind: ListenerSet", 1), "a policy on a ListenerSet")
	o.unharmed()

	apply(t, "alice", policy("  mergeType: StrategicMerge\n"))
	eventually(t, "the policy that merges is in force", func() bool {
		return send("GET", o.url(), "", "", "Origin: https://app.example.com").header.Get("Access-Control-Allow-Origin") != ""
	})
	o.unharmed()
	kubectl(t, "-n", "team-a", "delete", "securitypolicy", "cors")

	const name = "mcp-authz-guard-securitypolicy"
	binding := kubectl(t, "get", "validatingadmissionpolicybinding", name, "-o", "json")
	kubectl(t, "delete", "validatingadmissionpolicybinding", name)
	t.Cleanup(func() {
		if err := put("", binding); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the guard is off, and a policy goes through", func() bool { return put("alice", policy("")) == nil })
	t.Cleanup(func() { kubectl(t, "-n", "team-a", "delete", "securitypolicy", "cors") })
	eventually(t, "whoever has no token gets in", func() bool { return ask(o.url(), "").allowed("team-a") })
	becomes(t, "team-a", "hijack-policy-mcp-example-com", "Programmed", "False Bypassed")
}
