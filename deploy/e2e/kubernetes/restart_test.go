//go:build kubernetes

package kubernetes

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

const steadyURL = "https://steady.mcp.example.com/mcp" // declared in the file: testdata/values.yaml

// protectedRoute puts the server of the platform behind steadyURL.
func protectedRoute(t testing.TB) (token string) {
	t.Helper()
	apply(t, "", route("platform", "steady", "steady.mcp.example.com", "/mcp"))
	got := tokenFor(t, steadyURL)
	eventually(t, "the route is there", func() bool { return ask(steadyURL, got).allowed("platform") && ask(steadyURL, "").challenged() })
	return got
}

// TestRollingRestart: every pod is replaced while clients send, and not one request gets another answer than before. A pod that is
// told to end drains until every gateway knows (drainDelay).
func TestRollingRestart(t *testing.T) {
	f := steady(t, steadyURL, protectedRoute(t), "platform")
	f.goesOn(t, 200)
	before, began := pods(t), time.Now()
	kubectl(t, "-n", "mcp-authz", "rollout", "restart", "deploy/mcp-authz")
	kubectl(t, "-n", "mcp-authz", "rollout", "status", "deploy/mcp-authz", "--timeout", patience.String())
	eventually(t, "the old pods are gone", func() bool {
		now := kubectl(t, "-n", "mcp-authz", "get", "pods", "-o", "name")
		for _, pod := range before {
			if strings.Contains(now, pod) {
				return false
			}
		}
		return true
	})
	f.goesOn(t, 200)
	t.Logf("%d requests, %s", f.good.Load(), seconds(began))
	f.noneFailed(t)
}

// TestKilledPod: the process in a pod ends without a word, with checks in flight and others on their way, which are asked again of the
// other pod; then the other's, once the first has its share again.
func TestKilledPod(t *testing.T) {
	f := steady(t, steadyURL, protectedRoute(t), "platform")
	for _, pod := range pods(t) {
		eventually(t, "every pod decides, and no other is left", func() bool {
			for _, pod := range strings.Fields(kubectl(t, "-n", "mcp-authz", "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")) {
				if !decides(pod) {
					return false
				}
			}
			return true
		})
		f.goesOn(t, 2000) // more than a second's worth: so long Envoy may sit on news of a pod if it just had others
		began := time.Now()
		if stage.local {
			container := kubectl(t, "-n", "mcp-authz", "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}")
			if err := script("cluster", "kill", strings.TrimPrefix(container, "containerd://")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the kubelet noticed", func() bool {
				return kubectl(t, "-n", "mcp-authz", "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}") != container
			})
		} else {
			kubectl(t, "-n", "mcp-authz", "delete", "pod", pod, "--grace-period=0", "--force")
		}
		kubectl(t, "-n", "mcp-authz", "rollout", "status", "deploy/mcp-authz", "--timeout", patience.String())
		f.goesOn(t, 400)
		t.Logf("%d requests so far, %s from the kill to a pod more", f.good.Load(), seconds(began))
	}
	f.noneFailed(t)
}

// decides is that a pod has decided something since it started.
func decides(pod string) bool {
	metrics, err := try("get", "--raw", "/api/v1/namespaces/mcp-authz/pods/"+pod+":9090/proxy/metrics")
	return err == nil && regexp.MustCompile(`(?m)^mcp_authz_decisions_total\{[^}]*\} [1-9]`).MatchString(metrics)
}

// pods are those of mcp-authz that are not about to end.
func pods(t testing.TB) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "-n", "mcp-authz", "get", "pods", "-l", "app.kubernetes.io/name=mcp-authz", "-o",
		"go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}"))
}
