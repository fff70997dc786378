package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// All of it on one real API server: that costs seconds to start.
func TestOnAPIServer(t *testing.T) {
	c := startCluster(t)
	c.takeCRDs(t)
	c.must(t, namespaces)
	c.must(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}") // no controller makes them here
	t.Run("takes what the chart renders", c.takesWhatTheChartRenders)
	t.Run("restricted", c.restricted)
	t.Run("guard of Envoy Gateway", c.guardEnvoyGateway)
	t.Run("guard of kgateway", c.guardKgateway)
	t.Run("guard of Contour", c.guardContour)
	t.Run("release", c.release)
}

// Every object of every file of values, in a namespace that enforces the level "restricted", with the CRDs of those whose objects they
// are: nothing unknown, nothing repeated, every rule kept.
func (c *cluster) takesWhatTheChartRenders(t *testing.T) {
	taken := 0
	for name, values := range cases(t) {
		for _, o := range render(t, "--values", values) {
			if o.kind() == "CustomResourceDefinition" {
				continue // is there already: takeCRDs
			}
			if message := c.create(t, o, "dryRun=All"); message != "" && o.kind() != "Pod" { // pods: restricted, below
				t.Errorf("%s, %s: %s", name, o, message)
			}
			taken++
		}
	}
	t.Logf("%d objects", taken)
}

// A Deployment that breaks the level only brings a warning, so a Pod is made of its template, as a controller would.
func (c *cluster) restricted(t *testing.T) {
	c.must(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: mcp-authz}}")
	c.must(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: of-the-platform}}")
	pods := func(args ...string) (out []object) {
		for _, o := range render(t, args...) {
			switch o.kind() {
			case "Deployment":
				pod := object{"apiVersion": "v1", "kind": "Pod", "spec": o.at("spec", "template", "spec"),
					"metadata": map[string]any{"name": "of-a-deployment", "labels": o.at("spec", "template", "metadata", "labels")}}
				out = append(out, pod)
			case "Pod":
				out = append(out, o)
			}
		}
		return out
	}
	for name, values := range cases(t) {
		found := pods("--values", values)
		for _, pod := range found {
			if message := c.create(t, pod, "dryRun=All"); message != "" {
				t.Errorf("%s, %s: %s", name, pod, message)
			}
			// No token of the API for whoever breaks in, unless the pod asks the API.
			wants := pod.name() == "of-a-deployment" && name != "file-only"
			if pod.at("spec", "automountServiceAccountToken") != wants {
				t.Errorf("%s, %s: automountServiceAccountToken %v, want %v", name, pod, pod.at("spec", "automountServiceAccountToken"), wants)
			}
		}
		if want := 2; len(found) != want && name != "file-only" {
			t.Errorf("%s: %d pods, want %d", name, len(found), want)
		}
	}
	// Each of what the level wants is wanted of both pods: without it they are refused.
	for _, set := range []string{"podSecurityContext.runAsNonRoot=false", "podSecurityContext.seccompProfile=null",
		"securityContext.allowPrivilegeEscalation=true", "securityContext.capabilities=null", "podSecurityContext.runAsUser=0"} {
		for _, pod := range pods("--set", set) {
			if message := c.create(t, pod, "dryRun=All"); !strings.Contains(message, "violates PodSecurity") {
				t.Errorf("%s, %s: %q", set, pod, message)
			}
		}
	}
}

// Helm installs, upgrades and uninstalls for real. The notes' own examples are taken by the API server; the pods' rights are those
// that they need and no others; uninstalling leaves the CRDs and what was declared.
func (c *cluster) release(t *testing.T) {
	for _, crd := range glob(t, chart+"/files/crds/*.yaml") { // the chart brings them
		c.call("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+objects(t, read(t, crd))[0].name(), nil)
	}
	eventually(t, "our CRDs are gone", func() bool { return !c.exists("/apis/mcp-authz.dev/v1alpha1/resourcegrants") })
	c.call("DELETE", "/api/v1/namespaces/mcp-authz/serviceaccounts/mcp-authz", nil)

	gateway := []string{"--set", "integrations.envoyGateway.enabled=true", "--set", "integrations.envoyGateway.gateway.namespace=edge", "--set", "integrations.envoyGateway.gateway.name=edge"}
	notes := c.helm(t, append([]string{"install", "mcp-authz", chart}, gateway...)...)

	declared := regexp.MustCompile(`(?s)<<EOF\n(.*?)\n  EOF\n`).FindAllStringSubmatch(notes, -1)
	if len(declared) != 2 {
		t.Fatalf("%d examples in the notes:\n%s", len(declared), notes)
	}
	for _, one := range declared {
		c.must(t, strings.ReplaceAll(strings.TrimPrefix(one[1], "  "), "\n  ", "\n"))
	}
	c.must(t, undeclared)
	c.rights(t, everywhere())
	bin := binary(t)
	c.serves(t, bin)

	if before := c.revision(t); c.upgrade(t, append(gateway, "--set", "config.log.level=debug")...) != before {
		t.Error("a change that is read again by itself restarts the pods")
	} else if c.upgrade(t, append(gateway, "--set", "config.limits.messageBytes=8388608")...) == before {
		t.Error("a change that needs a restart does not restart the pods")
	}

	c.upgrade(t, append(gateway, "--set", "kubernetes.watchNamespaces={weather}")...)
	c.rights(t, watching("weather"))
	c.serves(t, bin)

	if said := c.helm(t, "uninstall", "mcp-authz"); !strings.Contains(said, "protectedresources.mcp-authz.dev") {
		t.Errorf("uninstalling does not say what it leaves:\n%s", said)
	}
	for path, there := range map[string]bool{
		"/apis/apps/v1/namespaces/mcp-authz/deployments/mcp-authz":                                               false,
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/mcp-authz":                                              false,
		"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/mcp-authz-guard-securitypolicy": false,
		"/apis/gateway.envoyproxy.io/v1alpha1/namespaces/edge/securitypolicies/mcp-authz":                        false,
		"/apis/mcp-authz.dev/v1alpha1/namespaces/weather/protectedresources/weather":                             true,
		"/apis/mcp-authz.dev/v1alpha1/clusterauthorizationservers/corp":                                          true,
		"/apis/mcp-authz.dev/v1alpha1/resourcegrants/weather":                                                    true,
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/protectedresources.mcp-authz.dev":               true,
	} {
		if c.exists(path) != there {
			t.Errorf("after uninstalling, %s is there: %v, want %v", path, !there, there)
		}
	}

	c.helm(t, append([]string{"install", "mcp-authz", chart}, gateway...)...) // takes the CRDs up again
	if !c.exists("/apis/mcp-authz.dev/v1alpha1/namespaces/weather/protectedresources/weather") {
		t.Error("installing again lost what was declared")
	}
}

// revision is the generation of the Deployment: it counts changes of its spec.
func (c *cluster) revision(t *testing.T) string {
	t.Helper()
	_, answer := c.call("GET", "/apis/apps/v1/namespaces/mcp-authz/deployments/mcp-authz", nil)
	var o object
	if err := json.Unmarshal(answer, &o); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(o.at("metadata", "generation"))
}

func (c *cluster) upgrade(t *testing.T, args ...string) string {
	t.Helper()
	c.helm(t, append([]string{"upgrade", "mcp-authz", chart}, args...)...)
	return c.revision(t)
}

// right is something that the pods may do, or may not. Namespace "" is all of them.
type right struct {
	verbs, group, resource, namespace, name string
	may                                     bool
}

const ours, gateways = "mcp-authz.dev", "gateway.networking.k8s.io"

// everywhere are the rights while all namespaces are watched: what the process asks for, and what it must not be able to do.
func everywhere() []right {
	return append(always(), []right{
		{"get list watch", ours, "protectedresources", "", "", true},
		{"patch update", ours, "protectedresources/status", "weather", "", true},
		{"get list watch", gateways, "httproutes", "", "", true},
		{"create patch", "", "events", "weather", "", true},
		{"create patch", "events.k8s.io", "events", "weather", "", true},
		{"get list watch", "gateway.envoyproxy.io", "securitypolicies", "", "", true},
	}...)
}

// watching are the rights while only this namespace is watched.
func watching(namespace string) []right {
	return append(always(), []right{
		{"get list watch", ours, "protectedresources", namespace, "", true},
		{"patch update", ours, "protectedresources/status", namespace, "", true},
		{"get list watch", gateways, "httproutes", namespace, "", true},
		{"create patch", "events.k8s.io", "events", namespace, "", true},
		{"get list watch", ours, "protectedresources", "", "", false},
		{"get list watch", ours, "protectedresources", "platform", "", false},
		{"patch update", ours, "protectedresources/status", "platform", "", false},
		{"get list watch", gateways, "httproutes", "platform", "", false},
		{"create patch", "events.k8s.io", "events", "platform", "", false},
	}...)
}

func always() []right {
	return []right{
		{"get list watch", ours, "clusterauthorizationservers", "", "", true},
		{"get list watch", ours, "resourcegrants", "", "", true},
		{"patch update", ours, "clusterauthorizationservers/status", "", "", true},
		{"patch update", ours, "resourcegrants/status", "", "", true},
		{"get list watch", "", "namespaces", "", "", true},
		{"create", "coordination.k8s.io", "leases", "mcp-authz", "", true},
		{"get update", "coordination.k8s.io", "leases", "mcp-authz", "mcp-authz", true},
		{"get list watch create update patch delete", gateways, "httproutes", "mcp-authz", "", true},
		{"get", "", "services", "mcp-authz", "mcp-authz", true},

		{"create update patch delete", ours, "protectedresources", "weather", "", false},
		{"create update patch delete", ours, "resourcegrants", "", "", false},
		{"create update patch delete", gateways, "httproutes", "weather", "", false},
		{"create update patch delete", "gateway.envoyproxy.io", "securitypolicies", "edge", "", false},
		{"get update", "coordination.k8s.io", "leases", "mcp-authz", "other", false},
		{"create get", "coordination.k8s.io", "leases", "kube-system", "", false},
		{"get list watch", "", "secrets", "mcp-authz", "", false},
		{"get list watch", "", "configmaps", "mcp-authz", "", false},
		{"create get list", "", "pods", "mcp-authz", "", false},
		{"create", "", "serviceaccounts/token", "mcp-authz", "", false},
		{"get", "", "services", "mcp-authz", "other", false},
		{"list", "", "services", "mcp-authz", "", false},
		{"patch update", "", "namespaces", "", "weather", false},
		{"escalate bind", "rbac.authorization.k8s.io", "clusterroles", "", "", false},
		{"impersonate", "", "users", "", "", false},
	}
}

// rights asks the real authorizer what the pods' ServiceAccount may do.
func (c *cluster) rights(t *testing.T, all []right) {
	t.Helper()
	for _, r := range all {
		resource, sub, _ := strings.Cut(r.resource, "/")
		for verb := range strings.FieldsSeq(r.verbs) {
			request := map[string]any{
				"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
				"spec": map[string]any{
					"user": "system:serviceaccount:mcp-authz:mcp-authz", "groups": []string{"system:serviceaccounts", "system:serviceaccounts:mcp-authz", "system:authenticated"},
					"resourceAttributes": map[string]any{"verb": verb, "group": r.group, "resource": resource, "subresource": sub, "namespace": r.namespace, "name": r.name},
				}}
			// The authorizer learns of roles a moment after they are written.
			eventually(t, fmt.Sprintf("%s %s/%s %s in %q is %v", verb, r.group, r.resource, r.name, r.namespace, r.may), func() bool {
				var review object
				_, answer := c.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", request)
				return json.Unmarshal(answer, &review) == nil && review.at("status", "allowed") == r.may
			})
		}
	}
}
