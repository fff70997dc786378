//go:build kubernetes

package kubernetes

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestServiceAccountToken: a pod calls with the token that its kubelet gave it for this very resource: the cluster is its authorization
// server (docs/authorization-servers/kubernetes.md), declared in the file, with its authority and a credential for its keys (D-04).
func TestServiceAccountToken(t *testing.T) {
	const host = "tools.mcp.example.com"
	apply(t, "", grant("tools", "team-a", host))
	apply(t, "alice", route("team-a", "tools", host, "/mcp")+
		strings.Replace(protectedResource("team-a", "tools", "https://"+host+"/mcp", ", targetRefs: [{name: tools}]"), "[corp]", "[cluster]", 1))
	eventually(t, "the URL is protected", func() bool { return ask("https://"+host+"/mcp", "").challenged() })
	gateway := kubectl(t, "-n", "envoy-gateway-system", "get", "service", "-l", "gateway.envoyproxy.io/owning-gateway-name=edge", "-o", "jsonpath={.items[0].metadata.name}")
	pod := func(name, audience string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: team-b}
spec:
  restartPolicy: Never
  containers:
  - name: agent
    image: %s/parts:%s
    args: [ask, "http://%s.envoy-gateway-system.svc/mcp", %s, /var/run/secrets/mcp/token]
    volumeMounts: [{name: mcp, mountPath: /var/run/secrets/mcp, readOnly: true}]
  volumes:
  - name: mcp
    projected: {sources: [{serviceAccountToken: {audience: %q, path: token, expirationSeconds: 600}}]}
`, name, os.Getenv("REGISTRY"), stage.tag, gateway, host, audience)
	}
	for name, c := range map[string]struct{ audience, status, says string }{
		"agent-good":  {"https://" + host + "/mcp", "200 ", `"X-Mcp-Subject":["system:serviceaccount:team-b:default"]`},
		"agent-other": {"https://other.mcp.example.com/mcp", "401 ", `"code":-32000`},
	} {
		apply(t, "bob", pod(name, c.audience))
		kubectl(t, "-n", "team-b", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/"+name, "--timeout", patience.String())
		if got := kubectl(t, "-n", "team-b", "logs", name); !strings.HasPrefix(got, c.status) || !strings.Contains(got, c.says) {
			t.Errorf("%s got %s; want %s%s", name, got, c.status, c.says)
		}
	}
}
