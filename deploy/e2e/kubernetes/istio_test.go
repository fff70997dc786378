//go:build kubernetes

package kubernetes

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// istioAddress is where the Gateway below lets requests in, in the clear.
const istioAddress = "127.0.0.1:18180"

// istioGateway is what the files of deploy/istio are for: a gateway of Istio's own API, in the namespace of this suite's Envoy.
const istioGateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  selector: {istio: ingressgateway}
  servers: [{bind: 127.0.0.1, port: {number: 18180, name: http, protocol: HTTP}, hosts: ["*/*"]}]
`

// recipe is a file of deploy as it is shipped, but for the names that are marked as those to change.
func recipe(t testing.TB, name string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(changed, changes[i]) {
			t.Fatalf("%s has no %q", name, changes[i])
		}
		changed = strings.ReplaceAll(changed, changes[i], changes[i+1])
	}
	return changed
}

// virtualService routes a host and path to the server of a namespace.
func virtualService(namespace, name, host, match string) string {
	return `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ` + name + `, namespace: ` + namespace + `}
spec:
  hosts: [` + host + `]
  gateways: [infra/edge]
  http: [{match: [{uri: {` + match + `}}], route: [{destination: {host: echo.` + namespace + `.svc.cluster.local, port: {number: 80}}}]}]
`
}

// TestIstio: the control plane of Istio 1.31, with the files of deploy/istio, drives an Envoy in front of the same mcp-authz and the same
// servers. Invariants 1, 3, 6, 10; I-01, I-11, I-20, I-26.
func TestIstio(t *testing.T) {
	const host = "istio.mcp.example.com"
	const url = "https://" + host + "/mcp"
	mesh := filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(mesh, []byte(recipe(t, "istio/mesh.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := script("istio", "up", mesh); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = script("istio", "down") })
	through(t, istioAddress)

	policy := recipe(t, "istio/authorizationpolicy.yaml", "namespace: istio-ingress", "namespace: infra")
	apply(t, "", grant("istio", "team-a", host)+
		protectedResource("team-a", "istio", url, `, allowedOrigins: ["https://app.example.com"]`)+istioDocument(istioGateway)+istioDocument(policy))
	// Bob's route is there first, and Istio takes the routes of a host in the order of their age, then of their names.
	apply(t, "", virtualService("team-b", "a-taken", host, "exact: /mcp/taken"))
	apply(t, "", virtualService("team-a", "istio", host, "prefix: /mcp"))
	good := tokenFor(t, url)

	eventually(t, "the first challenge through Istio", func() bool { return ask(url, "").challenged() })
	eventually(t, "the first call through Istio", func() bool { return ask(url, good).allowed("team-a") })

	t.Run("challenge", func(t *testing.T) {
		got := ask(url, "")
		if !got.challenged() || !strings.Contains(got.header.Get("Www-Authenticate"), `"`+metadata(host)+`"`) {
			t.Errorf("the challenge: %v", got)
		}
		// The id is in the part of the body that mesh.yaml asks for.
		if got.header.Get("Content-Type") != "application/json" || !strings.Contains(got.body, `"id":1`) || !strings.Contains(got.body, `"code":-32000`) {
			t.Errorf("the body: %v", got)
		}
		if got := ask(url, "", "Content-Length: 0"); got.upstream() != "" || got.status < 400 {
			t.Errorf("two lengths: %v", got)
		}
		long := send("POST", url, "", ping[:len(ping)-1]+`,"params":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`)
		if !long.challenged() || !strings.Contains(long.body, `"id":1`) {
			t.Errorf("a body of 1 MiB: %v", long)
		}
	})
	t.Run("allow", func(t *testing.T) {
		got := ask(url, good, "X-Mcp-Subject: root", "X_Mcp_Subject: root")
		if !got.allowed("team-a") || !strings.Contains(got.body, `"X-Mcp-Subject":["`) || strings.Contains(got.body, "root") {
			t.Errorf("identity: %v", got)
		}
		if strings.Contains(got.body, "Authorization") {
			t.Error("the token went to the server")
		}
		large := send("POST", url, good, ping[:len(ping)-1]+`,"params":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`)
		if !large.allowed("team-a") {
			t.Errorf("a body of 1 MiB: %v", large)
		}
	})
	t.Run("metadata", func(t *testing.T) {
		// Without a route nobody is asked.
		if got := get(metadata(host)); got.status != http.StatusNotFound || got.body != "" {
			t.Errorf("a document without a route: %v; want the gateway's own 404", got)
		}
		wildcard := recipe(t, "istio/metadata.yaml", "- weather.mcp.example.com", `- "*.mcp.example.com"`, "istio-ingress/edge", "infra/edge")
		apply(t, "", wildcard)
		// It is in force when a host without a route of its own has it.
		other := "https://nobody.mcp.example.com/.well-known/oauth-protected-resource"
		eventually(t, "the wildcard is in force", func() bool {
			return get(other).refused(http.StatusNotFound) || get(other).status == http.StatusNotFound && get(other).body != ""
		})
		if got := get(metadata(host)); got.status != http.StatusNotFound || got.body != "" {
			t.Errorf("a document with a wildcard route: %v; want the gateway's own 404", got)
		}
		exact := recipe(t, "istio/metadata.yaml", "weather.mcp.example.com", host, "istio-ingress/edge", "infra/edge")
		apply(t, "", exact)
		eventually(t, "the document", func() bool { return strings.Contains(get(metadata(host)).body, `"resource":"`+url+`"`) })
		for _, path := range []string{"/..%2f..%2fmcp", "/%2e%2e/%2e%2e/mcp", "/../../mcp", "//mcp", "/mcp/../../../mcp"} {
			for _, method := range []string{"GET", "POST"} {
				if got := send(method, "https://"+host+"/.well-known/oauth-protected-resource"+path, "", ping); got.upstream() != "" {
					t.Errorf("%s %s: %v", method, path, got)
				}
			}
		}
	})
	t.Run("preflight", func(t *testing.T) {
		got := send("OPTIONS", url, "", "", "Origin: https://app.example.com", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
		if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || got.upstream() != "" {
			t.Errorf("a preflight: %v %v", got, got.header)
		}
	})
	t.Run("upgrade", func(t *testing.T) {
		upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		if got := send("POST", url, "", ping, upgrade...); !got.challenged() {
			t.Errorf("without a token: %v", got)
		}
		if got := send("POST", url, good, ping, upgrade...); !got.refused(http.StatusBadRequest) {
			t.Errorf("with a token: %v", got)
		}
	})
	t.Run("another team's route", func(t *testing.T) {
		// Nobody gets in without a token, yet Istio does not tell which route matched: the owner's callers reach bob's server. The page
		// says so, and what to do about it.
		if got := ask(url+"/taken", ""); !got.challenged() {
			t.Errorf("without a token: %v", got)
		}
		if got := ask(url+"/taken", good); !got.allowed("team-b") {
			t.Errorf("%v; the page says that it reaches the other team's server", got)
		}
	})
	t.Run("a port in the host", func(t *testing.T) {
		odd := "https://" + host + ":8443/mcp"
		for _, token := range []string{"", good} {
			if got := ask(odd, token); !got.refused(http.StatusNotFound) {
				t.Errorf("token %t: %v; want 404 of mcp-authz", token != "", got)
			}
		}
		// What the file does not have: with hosts the same request is not checked.
		scoped := strings.Replace(policy, "  - {}", `  - {to: [{operation: {hosts: ["*.mcp.example.com", "*.mcp.example.com:*"]}}]}`, 1)
		if err := put("", scoped); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := put("", policy); err != nil {
				t.Error(err)
			}
			eventually(t, "the file is in force again", func() bool { return ask(odd, "").refused(http.StatusNotFound) })
		})
		eventually(t, "the bypass", func() bool { return ask(odd, "").allowed("team-a") })
		if got := ask(url, ""); !got.challenged() {
			t.Errorf("without the port: %v", got)
		}
	})
	t.Run("nobody answers", func(t *testing.T) { nobodyAnswers(t, url, good, http.StatusServiceUnavailable) })
}

// nobodyAnswers takes all instances away: everybody gets the gateway's own refusal, and nobody gets in.
func nobodyAnswers(t *testing.T, url, good string, status int) {
	t.Helper()
	kubectl(t, "-n", "mcp-authz", "scale", "deploy/mcp-authz", "--replicas", "0")
	t.Cleanup(func() {
		kubectl(t, "-n", "mcp-authz", "scale", "deploy/mcp-authz", "--replicas", "2")
		kubectl(t, "-n", "mcp-authz", "rollout", "status", "deploy/mcp-authz", "--timeout", patience.String())
		eventually(t, "mcp-authz is back", func() bool { return ask(url, good).allowed("team-a") })
	})
	eventually(t, "the last instance is gone", func() bool { return ask(url, good).status == status })
	for _, token := range []string{"", good} {
		if got := ask(url, token); got.status != status || got.upstream() != "" || got.body != "" {
			t.Errorf("token %t: %v; want the gateway's own %d", token != "", got, status)
		}
	}
}

// through lets requests in by another gateway until the end of the test.
func through(t testing.TB, address string) {
	was := stage.addresses["http"]
	stage.addresses["http"] = address
	t.Cleanup(func() { stage.addresses["http"] = was })
}

// istioDocument makes an object one of several.
func istioDocument(text string) string { return "\n---\n" + text }
