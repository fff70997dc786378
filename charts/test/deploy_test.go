package test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the chart attaches is what the files below deploy/ attach, which their own tests put to real gateways: the proof of the one holds
// for the other.
func TestFilesOfDeploy(t *testing.T) {
	for _, c := range []struct {
		files []string
		set   string
	}{
		{[]string{"envoy-gateway/attach.yaml", "envoy-gateway/guard.yaml"},
			"integrations.envoyGateway.enabled=true,integrations.envoyGateway.gateway.namespace=edge,integrations.envoyGateway.gateway.name=edge,integrations.envoyGateway.guard.exemptNamespaces={edge}"},
		{[]string{"istio/authorizationpolicy.yaml"},
			"integrations.istio.enabled=true,integrations.istio.gateway.namespace=istio-ingress,integrations.istio.gateway.selector.istio=ingressgateway"},
		{[]string{"istio/authorizationpolicy-gateway-api.yaml"},
			"integrations.istio.enabled=true,integrations.istio.gateway.namespace=edge,integrations.istio.gateway.name=edge"},
		{[]string{"kgateway/attach.yaml"},
			"integrations.kgateway.enabled=true,integrations.kgateway.gateway.namespace=edge,integrations.kgateway.gateway.name=edge"},
		{[]string{"contour/extensionservice.yaml"}, "integrations.contour.enabled=true"},
	} {
		rendered := render(t, "--set", c.set)
		for _, file := range c.files {
			for _, want := range objects(t, read(t, root+"/deploy/"+file)) {
				got := find(t, rendered, want.kind(), want.name())
				if diff := cmp.Diff(want["spec"], got["spec"]); diff != "" {
					t.Errorf("%s, %s: the chart has something else:\n%s", file, want, diff)
				}
				if want.at("metadata", "namespace") != got.at("metadata", "namespace") {
					t.Errorf("%s, %s: the chart has it in %v", file, want, got.at("metadata", "namespace"))
				}
			}
		}
	}
}
