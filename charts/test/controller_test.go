package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// undeclared has no route, so its metadata hangs on the Gateway of the integration.
const undeclared = `
{apiVersion: mcp-authz.dev/v1alpha1, kind: ProtectedResource, metadata: {name: free, namespace: weather}, spec: {
  resource: "https://weather.mcp.example.com/free", authorizationServers: [corp]}}
`

// serves runs the process itself against the API server, with the file and the rights that the release gives it and nothing more: it is
// ready, leads, writes status, events and routes, and is refused nothing.
func (c *cluster) serves(t *testing.T, bin string) {
	t.Helper()
	folder := t.TempDir()
	status, answer := c.call("POST", "/api/v1/namespaces/mcp-authz/serviceaccounts/mcp-authz/token", map[string]any{"spec": map[string]any{"expirationSeconds": 3600}})
	var token, config object
	if err := json.Unmarshal(answer, &token); err != nil || status != http.StatusCreated {
		t.Fatalf("a token: %d %s", status, answer)
	}
	write(t, folder+"/kubeconfig", strings.Replace(read(t, c.kubeconfig), adminToken, fmt.Sprint(token.at("status", "token")), 1))
	_, answer = c.call("GET", "/api/v1/namespaces/mcp-authz/configmaps/mcp-authz", nil)
	if err := json.Unmarshal(answer, &config); err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/config.yaml", strings.NewReplacer(":9001", "127.0.0.1:0", ":8080\n", "127.0.0.1:0\n", ":9090", "127.0.0.1:0", "drainDelay: 10s", "drainDelay: 0s").
		Replace(fmt.Sprint(config.at("data", "config.yaml"))))
	for _, path := range []string{"weather/protectedresources/free", "weather/protectedresources/weather"} { // as if never judged
		c.patch("/apis/mcp-authz.dev/v1alpha1/namespaces/"+path+"/status", `{"status":null}`)
	}
	c.call("DELETE", "/apis/events.k8s.io/v1/namespaces/weather/events", nil)
	c.call("DELETE", "/apis/gateway.networking.k8s.io/v1/namespaces/mcp-authz/httproutes", nil)

	cmd, log := start(t, []string{"KUBECONFIG=" + folder + "/kubeconfig", "KUBERNETES_SERVICE_HOST="}, bin, "serve", "--config", folder+"/config.yaml")
	eventually(t, "the process is ready", func() bool { return strings.Contains(read(t, log), `"msg":"ready"`) })
	for _, kind := range []string{"namespaces/weather/protectedresources/free", "namespaces/weather/protectedresources/weather", "clusterauthorizationservers/corp", "resourcegrants/weather"} {
		eventually(t, kind+" has a status", func() bool {
			_, answer := c.call("GET", "/apis/mcp-authz.dev/v1alpha1/"+kind, nil)
			return strings.Contains(string(answer), `"type":"Accepted"`)
		})
	}
	eventually(t, "there is an event", func() bool {
		_, answer := c.call("GET", "/apis/events.k8s.io/v1/namespaces/weather/events", nil)
		return strings.Contains(string(answer), `"kind":"ProtectedResource"`)
	})
	eventually(t, "there is a route for the metadata, owned by the Service", func() bool {
		_, answer := c.call("GET", "/apis/gateway.networking.k8s.io/v1/namespaces/mcp-authz/httproutes", nil)
		return strings.Contains(string(answer), `"kind":"Service","name":"mcp-authz","uid"`) && strings.Contains(string(answer), `"weather.mcp.example.com"`)
	})
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if text := read(t, log); strings.Contains(text, "no permission") || strings.Contains(text, `"level":"ERROR"`) {
		t.Errorf("the process was refused something:\n%s", text)
	}
}

// patch merges a text into an object.
func (c *cluster) patch(path, body string) {
	r, err := http.NewRequest("PATCH", "https://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/merge-patch+json")
	if resp, err := c.http.Do(r); err == nil {
		resp.Body.Close()
	}
}

// binary is mcp-authz, of this tree.
func binary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mcp-authz")
	if out, err := exec.Command("go", "build", "-C", root, "-o", bin, "./cmd/mcp-authz").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}
