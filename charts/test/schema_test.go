package test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A key that does not exist is refused and named, wherever it stands: whoever writes "failureMode" must not believe that it counts.
func TestUnknownValues(t *testing.T) {
	free := []string{ // Kubernetes' API, labels and the like; and the file, which the process itself reads strictly
		"commonLabels", "global", "config", "serviceAccount.annotations", "service.annotations", "headlessService.annotations", "resources",
		"podSecurityContext", "securityContext", "podAnnotations", "podLabels", "nodeSelector", "affinity", "autoscaling.behavior",
		"networkPolicy.gatewayNamespaceSelector", "networkPolicy.gatewayPodSelector", "networkPolicy.monitoringNamespaceSelector",
		"serviceMonitor.labels", "podMonitor.labels", "prometheusRule.labels", "prometheusRule.alertLabels", "dashboard.labels",
		"dashboard.annotations", "integrations.istio.gateway.selector",
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var seen []string
	var walk func(path string, v map[string]any)
	walk = func(path string, v map[string]any) {
		if slices.Contains(free, path) {
			seen = append(seen, path)
			return
		}
		at := strings.TrimPrefix(path+".failureMode", ".")
		if _, err := template(t, "--set", at+"=allow"); err == nil || !strings.Contains(err.Error(), "'failureMode' not allowed") ||
			!strings.Contains(err.Error(), "at '"+strings.ReplaceAll(strings.TrimSuffix("."+at, ".failureMode"), ".", "/")+"'") {
			t.Errorf("%s: %v", at, err)
		}
		for key, below := range v {
			if below, ok := below.(map[string]any); ok {
				walk(strings.TrimPrefix(path+"."+key, "."), below)
			}
		}
	}
	walk("", values)
	if slices.Sort(seen); len(seen) != len(free) {
		t.Errorf("free values that there are: %v, of %v", seen, free)
	}
}

// The schema knows the values of values.yaml and no others: what it lets pass has a default and a line in the README.
func TestSchemaKnowsTheValues(t *testing.T) {
	type schema struct {
		Properties map[string]*schema
	}
	var s schema
	if err := json.Unmarshal([]byte(read(t, chart+"/values.schema.json")), &s); err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, s *schema, v map[string]any)
	compare = func(path string, s *schema, v map[string]any) {
		for key, below := range s.Properties {
			value, there := v[key]
			if inner, ok := value.(map[string]any); ok && len(below.Properties) > 0 && len(inner) > 0 {
				compare(path+"."+key, below, inner)
			} else if !there {
				t.Errorf("the schema has %s.%s, values.yaml does not", path, key)
			}
		}
	}
	compare("", &s, values)
	if _, err := run(t, "helm", "lint", "--strict", chart); err != nil { // and the other way round: TestUnknownValues
		t.Error(err)
	}
}

// Values that make no sense, alone or together, are refused with the key, what was found and what was expected.
func TestBadValues(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		set  []string
		want string // "": good
	}{
		{[]string{"replicas=0"}, "at '/replicas': minimum: got 0, want 1"},
		{[]string{"replicas=two"}, "at '/replicas'"},
		{[]string{"image.digest=" + digest}, ""},
		{[]string{"image.digest=latest"}, "at '/image/digest'"},
		{[]string{"image.pullPolicy=Sometimes"}, "at '/image/pullPolicy'"},
		{[]string{"kubernetes.ownership=None"}, "at '/kubernetes/ownership': value must be one of"},
		{[]string{"kubernetes.watchNamespaces[0]=Team_A"}, "at '/kubernetes/watchNamespaces/0'"},
		{[]string{"kubernetes.metadataRoutes.parentRefs[0].name=edge"}, "missing property 'namespace'"},
		{[]string{`commonLabels.app\.kubernetes\.io/name=other`}, "at '/commonLabels/app.kubernetes.io~1name'"},
		{[]string{"service.trafficDistribution=Near"}, "at '/service/trafficDistribution'"},
		{[]string{"config.listen.grpc=:1"}, "config.listen.grpc: the chart sets it"},
		{[]string{"config.listen.metadataTLS.certFile=/a", "config.listen.metadataTLS.keyFile=/b"}, ""},
		{[]string{"drainDelaySeconds=30"}, "terminationGracePeriodSeconds: found 45, expected 20 more than drainDelaySeconds (30)"},
		{[]string{"drainDelaySeconds=25"}, ""},
		{[]string{"networkPolicy.enabled=true"}, "networkPolicy.gatewayNamespaceSelector: found nothing"},
		{[]string{"serviceMonitor.enabled=true", "podMonitor.enabled=true"}, "found both enabled, expected one"},
		{[]string{"autoscaling.minReplicas=11"}, "autoscaling.minReplicas: found more than maxReplicas"},
		{[]string{"grpcTLS.enabled=true", "grpcTLS.allowedClientSANs[0]=gateway"}, "set grpcTLS.clientCertificate"},
		{[]string{"grpcTLS.certManager.enabled=true"}, "grpcTLS.certManager.enabled: found without grpcTLS.enabled"},
		{[]string{"grpcTLS.enabled=true", "grpcTLS.certManager.enabled=true"}, "grpcTLS.certManager.issuerRef: found nothing"},
		{[]string{"integrations.envoyGateway.enabled=true"}, "integrations.envoyGateway.gateway.namespace: found nothing"},
		{[]string{"integrations.envoyGateway.enabled=true", "integrations.envoyGateway.gateway.namespace=edge"}, "integrations.envoyGateway.gateway.name: found nothing"},
		{[]string{"integrations.istio.enabled=true", "integrations.istio.gateway.namespace=edge"}, "integrations.istio.gateway.name: found nothing"},
		{[]string{"integrations.istio.enabled=true", "integrations.istio.gateway.namespace=edge", "integrations.istio.gateway.name=edge", "integrations.istio.gateway.selector.a=b"}, "found name and selector, expected one of them"},
		{[]string{"integrations.contour.enabled=true", "integrations.istio.enabled=true"}, "integrations: found contour, istio enabled, expected one"},
		{[]string{"integrations.envoyGateway.timeout=2.5s"}, "at '/integrations/envoyGateway/timeout'"},
		{[]string{"integrations.envoyGateway.failOpen=true"}, "'failOpen' not allowed"},
	} {
		args := []string{}
		for _, one := range c.set {
			args = append(args, "--set", one)
		}
		if _, err := template(t, args...); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: got %v, want %q", c.set, err, c.want)
		}
	}
}
