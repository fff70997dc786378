package kube

import (
	"fmt"
	"strings"
	"testing"
)

func securing(namespace, name, spec string) string {
	return fmt.Sprintf("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {namespace: %s, name: %s}\nspec: {%s}", namespace, name, spec)
}

// A SecurityPolicy that was there before the guard, or without one, is told of where it takes the check away.
func TestBypass(t *testing.T) {
	policy := func(namespace, spec string) string { return securing(namespace, "cors", spec) }
	labelled := strings.Replace(leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), "name: r}", "name: r, labels: {app: mcp}}", 1)
	const cors = `cors: {allowOrigins: ["*"]}`
	for _, c := range []struct {
		name, policy string
		want         bool
	}{
		{"on its route", policy("a", "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}], "+cors), true},
		{"in the older form", policy("a", "targetRef: {kind: HTTPRoute, name: r}, "+cors), true},
		{"by label", policy("a", "targetSelectors: [{kind: HTTPRoute, matchLabels: {app: mcp}}], "+cors), true},
		{"by expression", policy("a", "targetSelectors: [{kind: HTTPRoute, matchExpressions: [{key: app, operator: Exists}]}], "+cors), true},
		{"merged, with a check of its own", policy("a", "targetRefs: [{kind: HTTPRoute, name: r}], mergeType: StrategicMerge, extAuth: {}"), true},
		{"merged", policy("a", "targetRefs: [{kind: HTTPRoute, name: r}], mergeType: StrategicMerge, "+cors), false},
		{"on another route", policy("a", "targetRefs: [{kind: HTTPRoute, name: q}], "+cors), false},
		{"on something else of the name", policy("a", "targetRefs: [{kind: Gateway, name: r}], "+cors), false},
		{"of another namespace", policy("b", "targetRefs: [{kind: HTTPRoute, name: r}], "+cors), false},
		{"by label, of something else", policy("a", "targetSelectors: [{kind: Gateway, matchLabels: {app: mcp}}], "+cors), false},
		{"by an expression that cannot be read", policy("a", "targetSelectors: [{kind: HTTPRoute, matchExpressions: [{key: app, operator: Is}]}], "+cors), false},
		{"by another label", policy("a", "targetSelectors: [{kind: HTTPRoute, matchLabels: {app: web}}], "+cors), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, targets := range []string{"targetRefs: [{name: r}]", "resourceName: x"} { // by name, and by what leads to the URL
				want := "a/x: in force"
				if c.want {
					want += ", bypassed by cors"
				}
				j := judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), labelled, c.policy, protected("a", "x", h+"/mcp", targets)))
				expect(t, j, want)
				programmed := find(j.resources[0].wanted(today()).Conditions, conditionProgrammed)
				if got := programmed.Reason == reasonBypassed; got != c.want || got && !strings.Contains(programmed.Message, "SecurityPolicy cors") {
					t.Errorf("%+v", programmed)
				}
			}
		})
	}
}

// Of several policies and routes the first by name is told, whatever came first; and no route hides another one.
func TestWhichBypassIsTold(t *testing.T) {
	on := func(name, route string) string {
		return securing("a", name, "targetRefs: [{kind: HTTPRoute, name: "+route+"}]")
	}
	labelled := func(name string) string {
		return securing("a", name, "targetSelectors: [{kind: HTTPRoute, matchLabels: {app: mcp}}]")
	}
	route := func(name, match string) string {
		return strings.Replace(leads("a", name, "mcp.example.com", match), "name: "+name+"}", "name: "+name+", labels: {app: mcp}}", 1)
	}
	r, free := route("r", prefixMatch("/mcp")), protected("a", "x", h+"/mcp")
	header := route("r", `{path: {value: /mcp}, headers: [{name: x-a, value: "1"}]}`)
	for _, c := range []struct{ name, cluster, want string }{
		{"two policies on a route", all(r, on("second", "r"), on("first", "r"), free), "in force, bypassed by first"},
		{"two policies by label", all(r, labelled("second"), labelled("first"), free), "in force, bypassed by first"},
		{"by name, and by label", all(r, labelled("a-label"), on("named", "r"), free), "in force, bypassed by named"},
		{"two routes", all(route("s", prefixMatch("/mcp")), r, on("on-s", "s"), on("the-first", "r"), free), "in force, bypassed by the-first"},
		{"a route before it that nothing is wrong with", all(route("q", prefixMatch("/mcp")), r, on("cors", "r"), on("cors2", "s"), free), "in force, bypassed by cors"},
		{"a route that leads elsewhere", all(route("q", prefixMatch("/other")), r, on("cors", "q"), free), "in force"},
		{"a route that is named and proves nothing", all(header, on("cors", "r"), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")), "NotProven, 503, bypassed by cors"},
		{"the second that is named", all(route("q", prefixMatch("/mcp")), header, on("cors", "r"), protected("a", "x", h+"/mcp", "targetRefs: [{name: q}, {name: r}]")), "NotProven, 503, bypassed by cors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, judged(t, "Any", empty, all(corp, c.cluster)), "a/x: "+c.want)
		})
	}
	// A tenant that hides a route behind many others hides it from himself, unless he names it.
	for n, want := range map[int]string{maxBypasses - 1: "in force, bypassed by cors", maxBypasses: "in force"} {
		parts := []string{corp, labelled("cors"), route("z", prefixMatch("/")), protected("a", "x", h+"/mcp"), protected("a", "y", h+"/y", "targetRefs: [{name: z}]")}
		for i := range n {
			parts = append(parts, route(fmt.Sprintf("r-%d", i), prefixMatch("/elsewhere")))
		}
		expect(t, judged(t, "Any", empty, all(parts...)), "a/x: "+want, "a/y: in force, bypassed by cors")
	}
}
