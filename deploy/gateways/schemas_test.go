package gateways

import (
	"strings"
	"testing"
)

// Invariant 9: an API server takes every object of every file for a gateway, with nothing left out in silence.
func TestSchemas(t *testing.T) {
	for _, name := range recipes(t) {
		t.Run(name, func(t *testing.T) {
			if test := elsewhere[name]; test != "" {
				if !strings.Contains(string(readFile(t, test)), `"`+name+`"`) {
					t.Errorf("%s does not read it", test)
				}
				return
			}
			all := known(t, name)
			objects := decode(t, name, recipe(t, name))
			if len(objects) == 0 {
				t.Error("no objects")
			}
			for _, object := range objects {
				for _, problem := range judge(t, all, object) {
					t.Errorf("%v %v: %s", object["kind"], at(object, "metadata.name"), problem)
				}
			}
		})
	}
}

// judge is what an API server says to an object, of its own kinds or of those that gateways bring.
func judge(t *testing.T, all kinds, object map[string]any) []string {
	t.Helper()
	if isOwn(object) {
		return ownProblems(object)
	}
	return all.problems(t, object)
}

// The test above sees mistakes: each of these, made in a file, is one.
func TestSchemasSeeMistakes(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"istio/authorizationpolicy.yaml", "action: CUSTOM", "action: CUSTOMS", "Unsupported value"},
		{"istio/authorizationpolicy.yaml", "  rules:", "  rule:", "unknown field spec.rule"},
		{"istio/authorizationpolicy-gateway-api.yaml", "  targetRefs:", "  selector: {matchLabels: {a: b}}\n  targetRefs:", "only one of"},
		{"istio/metadata.yaml", "prefix: /", "prefix: /, exact: /", "spec"},
		{"gateway-api/httproute.yaml", "protocol: GRPC", "protocol: HTTP", "spec.rules[0].filters"},
		{"gateway-api/httproute.yaml", "        grpc: {}", "        failOpen: true\n        grpc: {}", "failOpen"},
		{"gateway-api/referencegrant.yaml", "  to:", "  into:", "unknown field"},
		{"gateway-api/gateway.yaml", "port: 9001}", "port: 90010}", "spec.listeners[0]"},
		{"kgateway/attach.yaml", "requestTimeout: 2500ms", "requestTimeout: 2.5s", "requestTimeout"},
		{"kgateway/attach.yaml", "statusOnError: 503", "statusOnError: 99", "statusOnError"},
		{"kgateway/attach.yaml", "extensionRef: {", "disable: {}\n    extensionRef: {", "exactly one"},
		{"agentgateway/attach.yaml", "grpc: {}", "http: {}\n      grpc: {}", "exactly one of grpc"},
		{"agentgateway/attach.yaml", "inheritance: Override", "inheritance: Always", "Unsupported value"},
		{"agentgateway/attach.yaml", "sectionName: \"9001\"", "sectionName: \"90010\"", "a port"},
		{"contour/contourconfiguration.yaml", "responseTimeout: 2.5s", "responseTimeout: 2500", "responseTimeout"},
		{"contour/extensionservice.yaml", "protocol: h2c", "protocol: http", "protocol"},
		{"contour/httpproxy.yaml", "failOpen: false", "failClosed: true", "unknown field"},
		{"cilium/httproute.yaml", "forwardBody: {maxSize: 8192}", "forwardBody: {maxSize: 8Ki}", "maxSize"},
		{"kgateway/guard.yaml", "failurePolicy: Fail", "failurePolice: Fail", "failurePolice"},
		{"envoy-gateway/attach.yaml", "statusOnError: 503", "status: 503", "unknown field"},
	} {
		before := string(recipe(t, c.name))
		after := strings.Replace(before, c.old, c.new, 1)
		if after == before {
			t.Fatalf("%s has no %q", c.name, c.old)
		}
		var found []string
		all := known(t, c.name)
		for _, object := range decode(t, c.name, []byte(after)) {
			found = append(found, judge(t, all, object)...)
		}
		if !strings.Contains(strings.Join(found, "\n"), c.want) {
			t.Errorf("%s with %q: %q, want %q", c.name, c.new, found, c.want)
		}
	}
	// The filters of a listener are of Gateway API 1.7.
	old := kinds{}.add(t, gatewayAPI)
	if found := old.problems(t, decode(t, "", recipe(t, "gateway-api/gateway.yaml"))[0]); !strings.Contains(strings.Join(found, "\n"), "filters") {
		t.Errorf("Gateway API %s knows the filters of a listener: %v", gatewayAPI.version, found)
	}
}
