package test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// configuration is what the pods of a rendered chart would read.
func configuration(t testing.TB, rendered []object) string {
	t.Helper()
	text, _ := find(t, rendered, "ConfigMap", "mcp-authz").at("data", "config.yaml").(string)
	return text
}

func load(t testing.TB, text string) *spec.File {
	t.Helper()
	file, problems := spec.Load([]byte(text))
	for _, p := range problems {
		t.Errorf("%v in\n%s", p, text)
	}
	if file == nil {
		t.FailNow()
	}
	return file
}

// The process takes the file that the chart makes of any values, without a warning, and listens where Service and probes look.
func TestConfiguration(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			rendered := render(t, "--values", values)
			file := load(t, configuration(t, rendered))
			if l := file.Listen; l.GRPC != ":9001" || l.Metadata != ":8080" || l.Admin != ":9090" {
				t.Errorf("listens at %+v", l)
			}
			for _, o := range rendered {
				if mounts, _ := o.at("spec", "template", "spec", "containers", 0, "volumeMounts").([]any); o.kind() == "Deployment" {
					for _, m := range mounts { // with a subPath, a changed ConfigMap would never arrive
						if m := object(m.(map[string]any)); m.at("subPath") != nil {
							t.Errorf("%v has a subPath", m.at("name"))
						}
					}
				}
			}
		})
	}
}

// What each value becomes in the file.
func TestConfigurationOfValues(t *testing.T) {
	rendered := render(t, "--values", cases(t)["istio"], "--set", "drainDelaySeconds=5", "--set", "config.limits.cacheBytes=1073741824")
	file := load(t, configuration(t, rendered))
	want := &spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Route", WatchNamespaces: []string{"weather", "github"}, Lease: "mcp-authz",
		MetadataRoutes: &spec.MetadataRoutes{Service: "mcp-authz", Port: 8080, ParentRefs: []spec.ParentRef{{Namespace: "istio-ingress", Name: "edge"}}}}
	if diff := cmp.Diff(want, file.Kubernetes); diff != "" {
		t.Error(diff)
	}
	if file.DrainDelay.Seconds() != 5 || file.Limits.CacheBytes != 1<<30 {
		t.Errorf("drainDelay %v, cacheBytes %d", file.DrainDelay, file.Limits.CacheBytes)
	}

	// The integration's Gateway is the one that metadata hangs on, unless others are named.
	file = load(t, configuration(t, render(t, "--values", cases(t)["envoy-gateway"])))
	if diff := cmp.Diff([]spec.ParentRef{{Namespace: "edge", Name: "edge", SectionName: "https"}}, file.Kubernetes.MetadataRoutes.ParentRefs); diff != "" {
		t.Error(diff)
	}

	file = load(t, configuration(t, render(t, "--values", cases(t)["contour"])))
	if diff := cmp.Diff(&spec.GRPCTLS{CertFile: "/etc/mcp-authz-tls/tls.crt", KeyFile: "/etc/mcp-authz-tls/tls.key", ClientCAFile: "/etc/mcp-authz-tls/ca.crt",
		AllowedClientSANs: []string{"contour.internal", "spiffe://cluster.local/ns/projectcontour/sa/envoy"}}, file.Listen.GRPCTLS); diff != "" {
		t.Error(diff)
	}

	if file = load(t, configuration(t, render(t, "--values", cases(t)["file-only"]))); file.Kubernetes != nil || len(file.Resources) != 1 {
		t.Errorf("kubernetes %+v, %d resources", file.Kubernetes, len(file.Resources))
	}
	if file = load(t, configuration(t, render(t, "--values", cases(t)["everything-else"]))); file.Kubernetes.MetadataRoutes != nil {
		t.Errorf("metadataRoutes %+v", file.Kubernetes.MetadataRoutes)
	}
}

// Pods are restarted for what they read only at their start, and for nothing else: the rest of the file they read again themselves.
func TestRestart(t *testing.T) {
	mark := func(set string) any {
		t.Helper()
		args := []string{}
		if set != "" {
			args = []string{"--set", set}
		}
		return find(t, render(t, args...), "Deployment", "mcp-authz")["spec"]
	}
	before := mark("")
	for set, restarts := range map[string]bool{
		"config.resources[0].name=a":              false,
		"config.authorizationServers[0].name=a":   false,
		"config.log.level=debug":                  false,
		"config.limits.tokenBytes=1024":           false,
		"config.limits.concurrentChecks=2":        false,
		"drainDelaySeconds=5":                     false,
		"config.limits.messageBytes=2097152":      true,
		"config.limits.cacheEntries=10":           true,
		"config.limits.cacheBytes=65536":          true,
		"config.listen.metadataTLS.certFile=/a":   true,
		"kubernetes.ownership=Any":                true,
		"kubernetes.watchNamespaces={a}":          true,
		"kubernetes.metadataRoutes.enabled=false": true,
		"podAnnotations.a=b":                      true,
	} {
		if changed := !cmp.Equal(before, mark(set)); changed != restarts {
			t.Errorf("%s: the pods are restarted: %v, want %v", set, changed, restarts)
		}
	}
}

// GOMEMLIMIT is nine tenths of the memory limit however that is written; what is no plain quantity is left to the kubelet.
func TestMemoryLimit(t *testing.T) {
	for limit, want := range map[string]string{
		"256Mi": "241591910", "1Gi": "966367641", "1.5Gi": "1449551462", "300M": "270000000", "1G": "900000000", "262144Ki": "241591910",
		"100000000": "90000000", "2e8": "limits.memory", "300000000000m": "limits.memory", "null": "",
	} {
		env, _ := find(t, render(t, "--set-json", `resources.limits.memory="`+limit+`"`), "Deployment", "mcp-authz").at("spec", "template", "spec", "containers", 0).(map[string]any)
		if limit == "null" {
			env, _ = find(t, render(t, "--set", "resources.limits=null"), "Deployment", "mcp-authz").at("spec", "template", "spec", "containers", 0).(map[string]any)
		}
		got := ""
		if v, ok := object(env).at("env", 0, "value").(string); ok {
			got = v
		} else if v, ok := object(env).at("env", 0, "valueFrom", "resourceFieldRef", "resource").(string); ok {
			got = v
		}
		if got != want {
			t.Errorf("%s: %q, want %q", limit, got, want)
		}
	}
	for _, set := range []string{"--set", "--set-json"} { // one makes an integer of it, the other a float, as a file of values does
		if text, err := template(t, set, "resources.limits.memory=300000000"); err != nil || !strings.Contains(text, `value: "270000000"`) {
			t.Errorf("a number, by %s: %v", set, err)
		}
	}
}
