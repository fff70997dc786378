//go:build kubernetes

package kubernetes

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// httpProxy is an HTTPProxy of a namespace, with what else its route says.
func httpProxy(namespace, name, host, route string) string {
	return `
---
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {name: ` + name + `, namespace: ` + namespace + `}
spec:
  virtualhost: {fqdn: ` + host + `}
  routes: [{conditions: [{prefix: /}], services: [{name: echo, port: 80}]` + route + `}]
`
}

// TestContour: Contour 1.33, with the files of deploy/contour, drives an Envoy in front of the same mcp-authz and the same servers.
// Invariants 1, 3, 6; I-01, I-11, I-20, I-26.
func TestContour(t *testing.T) {
	file := func(name string) string { return filepath.Join(root, "deploy", name) }
	if err := script("contour", "up", file("contour/contourconfiguration.yaml"), file("contour/extensionservice.yaml")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = script("contour", "down")
		kubectl(t, "delete", "namespace", "projectcontour", "--wait=false")
		kubectl(t, "-n", "mcp-authz", "delete", "extensionservice", "mcp-authz")
	})
	through(t, "127.0.0.1:18280")
	was := stage.addresses["https"]
	stage.addresses["https"] = "127.0.0.1:18243"
	t.Cleanup(func() { stage.addresses["https"] = was })

	const host, secure, ingress = "contour.mcp.example.com", "secure-contour.mcp.example.com", "ingress-contour.mcp.example.com"
	const url = "https://" + host + "/mcp"
	objects := expand("\n---\n{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: tls, namespace: team-a}, data: {tls.crt: \"$CERT\", tls.key: \"$KEY\"}}\n")
	for _, h := range []string{host, secure, ingress} {
		name, _, _ := strings.Cut(h, ".")
		objects += grant(name, "team-a", h) + protectedResource("team-a", name, "https://"+h+"/mcp", "")
	}
	alone := recipe(t, "contour/httpproxy.yaml", "namespace: weather", "namespace: team-a", "weather.mcp.example.com", secure, "weather-tls", "tls",
		"{name: weather, port", "{name: echo, port")
	apply(t, "", objects+httpProxy("team-a", "contour", host, "")+"\n---\n"+alone)
	good, secureGood := tokenFor(t, url), tokenFor(t, "https://"+secure+"/mcp")
	eventually(t, "the first challenge through Contour", func() bool { return ask(url, "").challenged() })
	eventually(t, "the first call through Contour", func() bool { return ask(url, good).allowed("team-a") })

	t.Run("challenge and allow", func(t *testing.T) {
		long := send("POST", url, "", ping[:len(ping)-1]+`,"params":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`)
		if !long.challenged() || !strings.Contains(long.body, `"id":1`) || !strings.Contains(long.header.Get("Www-Authenticate"), `"`+metadata(host)+`"`) {
			t.Errorf("a body of 1 MiB without a token: %v", long)
		}
		got := ask(url, good, "X-Mcp-Subject: root")
		if !got.allowed("team-a") || !strings.Contains(got.body, `"X-Mcp-Subject":["`) || strings.Contains(got.body, "root") || strings.Contains(got.body, "Authorization") {
			t.Errorf("identity: %v", got)
		}
		if got := get(metadata(host)); !strings.Contains(got.body, `"resource":"`+url+`"`) {
			t.Errorf("the document: %v", got)
		}
		if got := ask("https://"+host+":8443/mcp", good); !got.refused(http.StatusNotFound) {
			t.Errorf("a port that nobody declared: %v", got)
		}
		for _, path := range []string{"/..%2f..%2fmcp", "/%2e%2e/%2e%2e/mcp", "/../../mcp", "//mcp", "/mcp/../../../mcp"} {
			for _, method := range []string{"GET", "POST"} {
				if got := send(method, "https://"+host+"/.well-known/oauth-protected-resource"+path, "", ping); got.upstream() != "" {
					t.Errorf("%s %s: %v", method, path, got)
				}
			}
		}
		upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		if got := send("POST", url, "", ping, upgrade...); got.upstream() != "" || got.status < 400 {
			t.Errorf("an upgrade without a token: %v", got)
		}
	})
	t.Run("with TLS", func(t *testing.T) {
		eventually(t, "the TLS host is in force", func() bool { return tlsStatus("https://"+secure+"/mcp", "") == "401 " })
		if got := tlsStatus("https://"+secure+"/mcp", secureGood); got != "200 team-a" {
			t.Errorf("with a token: %s", got)
		}
	})
	t.Run("an Ingress with TLS is not checked", func(t *testing.T) {
		apply(t, "", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ingress, namespace: team-a}
spec:
  ingressClassName: contour
  tls: [{hosts: [`+ingress+`], secretName: tls}]
  rules: [{host: `+ingress+`, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]
`)
		eventually(t, "the Ingress is in force, and lets everybody in", func() bool { return tlsStatus("https://"+ingress+"/mcp", "") == "200 team-a" })
	})
	t.Run("guard", func(t *testing.T) {
		open := strings.TrimPrefix(httpProxy("team-a", "contour", host, ", authPolicy: {disabled: true}"), "\n---\n")
		apply(t, "", recipe(t, "contour/guard.yaml"))
		eventually(t, "the guard is in force", func() bool {
			out, err := command(open, "kubectl", "apply", "--dry-run=server", "-f", "-")
			return err != nil && strings.Contains(out, "leave out authPolicy.disabled")
		})
		refusedEdit(t, "", strings.Replace(alone, "failOpen: false", "failOpen: true", 1), "leave out virtualhost.authorization")
		if got := ask(url, ""); !got.challenged() {
			t.Errorf("after the attempts: %v", got)
		}
	})
	t.Run("without the guard", func(t *testing.T) {
		eventually(t, "a route takes mcp-authz off", func() bool {
			return put("", httpProxy("team-a", "contour", host, ", authPolicy: {disabled: true}")) == nil && ask(url, "").allowed("team-a")
		})
		if err := put("", httpProxy("team-a", "contour", host, "")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is on again", func() bool { return ask(url, "").challenged() })
	})
	t.Run("nobody answers", func(t *testing.T) {
		nobodyAnswers(t, url, good, http.StatusForbidden)
	})
}

// tlsStatus is the status of an answer over TLS, and who gave it.
func tlsStatus(url, token string) string {
	client := &http.Client{Transport: transport(), Timeout: patience}
	defer client.CloseIdleConnections()
	r, err := http.NewRequest("POST", url, strings.NewReader(ping))
	if err != nil {
		return err.Error()
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	return resp.Status[:3] + " " + resp.Header.Get("X-Upstream")
}
