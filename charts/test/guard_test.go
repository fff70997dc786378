package test

import (
	"strings"
	"testing"
)

// written is an object that somebody writes while a guard is in force.
type written struct {
	what, object string
	want         string // part of the refusal; "": taken
}

// guard puts the guard of an integration in force and tries to write.
func (c *cluster) guard(t *testing.T, values string, tries []written) {
	t.Helper()
	guards := map[string]bool{}
	for _, o := range render(t, "--values", cases(t)[values]) {
		if strings.HasPrefix(o.kind(), "ValidatingAdmissionPolicy") {
			if message := c.create(t, o, ""); message != "" {
				t.Fatalf("%s: %s", o, message)
			}
			guards[o.name()] = true
		}
	}
	t.Cleanup(func() { // the next integration has its own; and the release brings this one
		for name := range guards {
			c.call("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/"+name, nil)
			c.call("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/"+name, nil)
		}
	})
	for _, w := range tries { // the API server takes a guard up within a second or so
		if o := objects(t, w.object)[0]; w.want != "" {
			eventually(t, "the guard is in force for: "+w.what, func() bool { return c.create(t, o, "dryRun=All") != "" })
		}
	}
	for _, w := range tries {
		message := c.create(t, objects(t, w.object)[0], "dryRun=All")
		if w.want == "" && message != "" || w.want != "" && !strings.Contains(message, w.want) {
			t.Errorf("%s: %q, want %q", w.what, message, w.want)
		}
	}
}

// No policy of a tenant takes the Gateway's mcp-authz off his route: not even one that speaks of CORS alone, which would do so.
func (c *cluster) guardEnvoyGateway(t *testing.T) {
	policy := func(namespace, spec string) string {
		return "{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: SecurityPolicy, metadata: {name: of-a-tenant, namespace: " + namespace + "}, spec: {" + spec + "}}"
	}
	const (
		route    = "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather}], "
		gateway  = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}], "
		cors     = `cors: {allowOrigins: ["https://*.example.com"]}`
		merge    = ", mergeType: StrategicMerge"
		theirs   = "extAuth: {grpc: {backendRefs: [{name: theirs, port: 9001}]}}"
		ours     = "extAuth: {grpc: {backendRefs: [{name: mcp-authz, namespace: mcp-authz, port: 9001}]}"
		noMerge  = "spec.mergeType is missing"
		extAuth  = "spec.extAuth of a route replaces mcp-authz"
		failOpen = "spec.extAuth.failOpen lets requests pass unchecked"
	)
	c.guard(t, "envoy-gateway", []written{
		{"CORS alone", policy("weather", route+cors), noMerge},
		{"CORS alone, by the older targetRef", policy("weather", "targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather}, "+cors), noMerge},
		{"CORS alone, by labels", policy("weather", "targetSelectors: [{kind: HTTPRoute, matchLabels: {a: b}}], "+cors), noMerge},
		{"CORS alone, on one rule of a route", policy("weather", "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather, sectionName: mcp}], "+cors), noMerge},
		{"CORS alone, on a GRPCRoute", policy("weather", "targetRefs: [{group: gateway.networking.k8s.io, kind: GRPCRoute, name: weather}], "+cors), noMerge},
		{"CORS, merged", policy("weather", route+cors+merge), ""},
		{"CORS, merged by JSONMerge", policy("weather", route+cors+", mergeType: JSONMerge"), ""},
		{"a server of their own, merged", policy("weather", route+theirs+merge), extAuth},
		{"a server of their own", policy("weather", route+theirs), noMerge},
		{"ours once more, failing open", policy("weather", route+ours+", failOpen: true}"+merge), extAuth},
		{"a Gateway and a route at once", policy("weather", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: own}, {group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather}], "+cors), noMerge},
		{"a ListenerSet", policy("weather", "targetRefs: [{group: gateway.networking.k8s.io, kind: ListenerSet, name: own}], "+cors), "a policy on a ListenerSet replaces"},
		{"a ListenerSet, by labels", policy("weather", "targetSelectors: [{kind: ListenerSet, matchLabels: {a: b}}], "+cors), "a policy on a ListenerSet replaces"},
		{"their own Gateway", policy("weather", gateway+theirs), ""},
		{"their own Gateway asks us", policy("weather", gateway+ours+"}"), ""},
		{"their own Gateway asks us, failing open", policy("weather", gateway+ours+", failOpen: true}"), failOpen},
		{"the platform's own Gateway asks us, failing open, where all else is exempt", policy("platform", gateway+ours+", failOpen: true}"), failOpen},
		{"from our own namespace, failing open", policy("mcp-authz", gateway+"extAuth: {failOpen: true, grpc: {backendRefs: [{name: mcp-authz, port: 9001}]}}"), failOpen},
		{"by the older backendRef, failing open", policy("platform", gateway+"extAuth: {failOpen: true, grpc: {backendRef: {name: mcp-authz, namespace: mcp-authz, port: 9001}}}"), failOpen},
		{"another server of theirs, failing open", policy("weather", gateway+"extAuth: {failOpen: true, grpc: {backendRefs: [{name: theirs, port: 9001}]}}"), ""},
		{"CORS alone, where it is exempt", policy("platform", route+cors), ""},
		{"CORS alone, in the Gateway's namespace", policy("edge", route+cors), noMerge},
	})
}

func (c *cluster) guardKgateway(t *testing.T) {
	policy := func(namespace, spec string) string {
		return "{apiVersion: gateway.kgateway.dev/v1alpha1, kind: TrafficPolicy, metadata: {name: of-a-tenant, namespace: " + namespace +
			"}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather}]" + spec + "}}"
	}
	c.guard(t, "kgateway", []written{
		{"disabled", policy("weather", ", extAuth: {disable: {}}"), "spec.extAuth of a route replaces mcp-authz"},
		{"another", policy("weather", ", extAuth: {extensionRef: {name: theirs}}"), "spec.extAuth of a route replaces mcp-authz"},
		{"nothing of it", policy("weather", ""), ""},
		{"disabled, where it is exempt", policy("platform", ", extAuth: {disable: {}}"), ""},
		{"the Gateway's", policy("edge", ", extAuth: {extensionRef: {name: mcp-authz, namespace: mcp-authz}}"), ""},
	})
}

func (c *cluster) guardContour(t *testing.T) {
	c.must(t, "{apiVersion: v1, kind: Namespace, metadata: {name: contour-only, labels: {mcp-authz.dev/contour: only}}}")
	proxy := func(namespace, spec string) string {
		return "{apiVersion: projectcontour.io/v1, kind: HTTPProxy, metadata: {name: of-a-tenant, namespace: " + namespace + "}, spec: {" + spec + "}}"
	}
	const route = "{conditions: [{prefix: /mcp}], services: [{name: weather, port: 80}]"
	ingress := func(namespace string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: of-a-tenant, namespace: " + namespace + "}, spec: {defaultBackend: {service: {name: weather, port: {number: 80}}}}}"
	}
	c.guard(t, "contour", []written{
		{"disabled", proxy("weather", "routes: ["+route+"}, "+route+", authPolicy: {disabled: true}}]"), "authPolicy.disabled takes mcp-authz off the route"},
		{"another, or failing open", proxy("weather", "virtualhost: {fqdn: a.example.com, authorization: {extensionRef: {name: theirs}, failOpen: true}}, routes: ["+route+"}]"), "virtualhost.authorization puts another"},
		{"nothing of it", proxy("weather", "virtualhost: {fqdn: a.example.com}, routes: ["+route+", authPolicy: {context: {a: b}}}]"), ""},
		{"disabled, where it is exempt", proxy("platform", "routes: ["+route+", authPolicy: {disabled: true}}]"), ""},
		{"an Ingress where only HTTPProxies may be", ingress("contour-only"), "Contour asks mcp-authz about HTTPProxies alone"},
		{"an Ingress elsewhere", ingress("weather"), ""},
	})
}
