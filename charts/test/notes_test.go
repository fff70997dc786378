package test

import (
	"strings"
	"testing"
)

// The notes say what to do next for the values chosen, and warn of what is missing.
func TestNotes(t *testing.T) {
	const (
		edge = "integrations.envoyGateway.enabled=true,integrations.envoyGateway.gateway.namespace=edge,integrations.envoyGateway.gateway.name=edge"
		mesh = "integrations.istio.enabled=true,integrations.istio.gateway.namespace=edge,integrations.istio.gateway.name=edge,integrations.istio.provider=ours"
		kgw  = "integrations.kgateway.enabled=true,integrations.kgateway.gateway.namespace=edge,integrations.kgateway.gateway.name=edge"
	)
	for _, c := range []struct {
		set          string
		says, spares []string
	}{
		{"", []string{"No gateway asks yet", "kind: ResourceGrant", "kind: ProtectedResource", "No integration is enabled", "networkPolicy.enabled is false", `"helm uninstall" leaves the CRDs`,
			"curl -i -X POST https://weather.mcp.example.com/mcp", "https://weather.mcp.example.com/.well-known/oauth-protected-resource/mcp"}, []string{"meshConfig", "replicas is less than 2"}},
		{edge, []string{"SecurityPolicy edge/mcp-authz on Gateway edge", "The guard looks at what is written from now on", "from then on everything passes unchecked"}, []string{"No gateway asks yet", "No integration is enabled"}},
		{edge + ",integrations.envoyGateway.guard.enabled=false", []string{"a tenant's policy can take mcp-authz off his routes"}, []string{"The guard looks"}},
		{edge + ",grpcTLS.enabled=true,grpcTLS.clientCertificate=true", []string{"the gateway needs a certificate", "The pods start when the Secret mcp-authz-tls is there"}, nil},
		{mesh, []string{"extensionProviders:\n    - name: ours\n", "service: mcp-authz.mcp-authz.svc.cluster.local", `statusOnError: "503"`, "failOpen: false"}, []string{"The guard looks"}},
		{mesh + ",grpcTLS.enabled=true", []string{"tell the gateway to speak TLS"}, nil},
		{kgw, []string{"TrafficPolicy edge/mcp-authz on Gateway edge"}, nil},
		{"integrations.contour.enabled=true", []string{"globalExtAuth:", "extensionRef: {apiVersion: projectcontour.io/v1alpha1, namespace: mcp-authz, name: mcp-authz}"}, nil},
		{"kubernetes.enabled=false", []string{"Nothing is declared and kubernetes.enabled is false", "config.resources: 0 declared"}, []string{"kind: ProtectedResource", "helm uninstall"}},
		{"kubernetes.enabled=false,config.resources[0].resource=https://a.example.com/b", []string{"config.resources: 1 declared", "curl -i -X POST https://a.example.com/b", "https://a.example.com/.well-known/oauth-protected-resource/b"}, []string{"Nothing is declared"}},
		{"kubernetes.ownership=Any", []string{"whoever comes first has a URL"}, []string{"kind: ResourceGrant"}},
		{"kubernetes.metadataRoutes.enabled=false,rbac.create=false,crds.enabled=false,replicas=1", []string{"kubernetes.metadataRoutes.enabled is false", "rbac.create is false", "crds.enabled is false", "replicas is less than 2"}, nil},
		{"crds.keep=false", []string{"crds.keep is false"}, []string{"leaves the CRDs"}},
		{"networkPolicy.enabled=true,networkPolicy.gatewayNamespaceSelector.matchLabels.a=b,autoscaling.enabled=true,replicas=1,tests.enabled=false", nil,
			[]string{"networkPolicy.enabled is false", "replicas is less than 2", "helm test"}},
	} {
		out, err := run(t, "helm", "install", "mcp-authz", chart, "--namespace", "mcp-authz", "--dry-run=client", "--set", c.set)
		if err != nil {
			t.Fatal(err)
		}
		_, notes, _ := strings.Cut(out, "\nNOTES:\n")
		for _, want := range c.says {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: without %q:\n%s", c.set, want, notes)
			}
		}
		for _, odd := range c.spares {
			if strings.Contains(notes, odd) {
				t.Errorf("%s: with %q:\n%s", c.set, odd, notes)
			}
		}
	}
}
