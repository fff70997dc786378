package kube

import (
	"fmt"
	"strings"
	"testing"
)

// A SecurityPolicy that was there before the guard, or without one, is told of where it takes the check away.
func TestBypass(t *testing.T) {
	policy := func(namespace, spec string) string {
		return fmt.Sprintf("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {namespace: %s, name: cors}\nspec: {%s}", namespace, spec)
	}
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
