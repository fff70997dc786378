package test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What "helm test" does in a cluster is done here, by the same script, to a process with the file of the same release: it is content
// with one that serves, and with no other.
func TestHelmTest(t *testing.T) {
	bin := binary(t)
	declared := filepath.Join(t.TempDir(), "values.yaml")
	write(t, declared, `
drainDelaySeconds: 0
kubernetes: {enabled: false}
config:
  authorizationServers:
  - name: corp
    issuer: https://idp.example.com
    jwks: {keys: [{kty: OKP, crv: Ed25519, alg: EdDSA, use: sig, kid: a, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
  resources:
  - {name: weather, resource: "https://*.mcp.example.com/mcp", authorizationServers: [corp]}
`)
	for name, args := range map[string][]string{
		"declared": {"--values", declared},
		"nothing":  {"--set", "kubernetes.enabled=false"},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := render(t, args...)
			script, _ := find(t, rendered, "Pod", "mcp-authz-test").at("spec", "containers", 0, "args", 0).(string)
			config := strings.NewReplacer(":9001", "127.0.0.1:0", ":8080", "127.0.0.1:0", ":9090", "127.0.0.1:0").Replace(configuration(t, rendered))
			file := filepath.Join(t.TempDir(), "config.yaml")
			write(t, file, config)
			at := serve(t, bin, file)
			ask := func(grpc, metadata string) (string, error) {
				script := strings.NewReplacer("mcp-authz-admin.mcp-authz.svc:9090", at["admin"], "mcp-authz.mcp-authz.svc:9001", grpc,
					"mcp-authz.mcp-authz.svc:8080", metadata, "--retry 10", "--retry 1").Replace(script)
				out, err := exec.Command("sh", "-euc", script).CombinedOutput()
				return string(out), err
			}
			said, err := ask(at["grpc"], at["metadata"])
			want := []string{`"ready":true`, "\nSERVING\n", `"resource":"https://any.mcp.example.com/mcp"`}
			if name == "nothing" {
				want[2] = "\n404\n"
			}
			for _, want := range want {
				if err != nil || !strings.Contains(said, want) {
					t.Errorf("%v, without %q:\n%s", err, want, said)
				}
			}
			if said, err := ask(at["metadata"], at["metadata"]); err == nil {
				t.Errorf("content with something else than gRPC:\n%s", said)
			}
			if said, err := ask(at["grpc"], at["admin"]); err == nil && name == "declared" {
				t.Errorf("content without metadata:\n%s", said)
			}
		})
	}
}

// serve runs the process and returns the addresses of its listeners when it is ready.
func serve(t *testing.T, bin, file string) map[string]string {
	t.Helper()
	_, log := start(t, nil, bin, "serve", "--config", file)
	eventually(t, "the process is ready", func() bool { return strings.Contains(read(t, log), `"msg":"ready"`) })
	at := map[string]string{}
	for text := range strings.Lines(read(t, log)) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == "serving" {
			for _, key := range []string{"grpc", "metadata", "admin"} {
				at[key] = fmt.Sprint(line[key])
			}
		}
	}
	return at
}
