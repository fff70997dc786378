package e2e

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// toListener routes the metadata to the companion listener and switches the check off for that route alone, since its backend
// is mcp-authz itself.
func toListener(listener string) []edit {
	_, port, _ := net.SplitHostPort(listener)
	return []edit{
		{"              - match: {prefix: /}\n", `              - match: {prefix: /.well-known/oauth-protected-resource}
                route: {cluster: metadata}
                typed_per_filter_config:
                  envoy.filters.http.ext_authz:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                    disabled: true
              - match: {prefix: /}
`},
		{"  clusters:\n", `  clusters:
  - name: metadata
    type: STATIC
    load_assignment:
      cluster_name: metadata
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ` + port + `}}}}]}]
`},
	}
}

// TestMetadata: C-01, C-02, C-05, C-06, C-17 to C-23, C-25: the documents of every resource at every URL, and what is answered
// where there is none. They come inline from the check, from the companion listener, and through an Envoy route to it, and must
// be the same three times, down to the bytes. Neither credentials nor a spoofed header make a difference (C-19, C-25).
func TestMetadata(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, version)
			direct := &gateway{process: w.front.process, addr: w.front.metadata}
			routed := startEnvoy(t, version, envoyFile(t, w.front.grpc, w.upstream.addr, toListener(w.front.metadata)...))
			const wellKnown, doc = "/.well-known/oauth-protected-resource", `"authorization_servers":["https://idp.example.com"]`
			for _, c := range []struct {
				host, path, resource string // resource "": there is none
				status               int
			}{
				{"localhost:3000", wellKnown, "http://localhost:3000", 200},
				{"mcp.example.com", wellKnown + "/github/mcp", "https://mcp.example.com/github/mcp", 200},
				{"mcp.example.com", wellKnown + "/github/mcp/", "https://mcp.example.com/github/mcp/", 200},
				{"mcp.example.com", wellKnown + "/github/mcp?x=1", "https://mcp.example.com/github/mcp", 200},
				{"mcp.example.com", wellKnown + "/github/mcp/Admin", "https://mcp.example.com/github/mcp/Admin", 200},
				{"MCP.example.com", wellKnown + "/github/mcp", "https://mcp.example.com/github/mcp", 200},
				{"solo.example.com", wellKnown + "/mcp", "https://solo.example.com/mcp", 200},
				{"solo.example.com", wellKnown, "https://solo.example.com/mcp", 200}, // C-18: the only resource of its host
				{"a.tenants.example.com", wellKnown + "/mcp", "https://a.tenants.example.com/mcp", 200},
				{"mcp.example.com", "/github/mcp" + wellKnown, "https://mcp.example.com/github/mcp", 200},
				{"mcp.example.com", wellKnown, "", 404}, // C-18: three resources on the host
				{"mcp.example.com", wellKnown + "/nope", "", 404},
				{"mcp.example.com", wellKnown + "/github/mcp/x", "", 404},
				{"unknown.example.com", wellKnown, "", 404},
			} {
				for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST"} {
					t.Run(method+" "+c.host+c.path, func(t *testing.T) {
						inline := w.gateway.call(t, method, c.path, c.host, "").own()
						if seen := w.upstream.take(); len(seen) != 0 {
							t.Errorf("the upstream got %+v", seen)
						}
						others := map[string]answer{
							"the listener":         direct.call(t, method, c.path, c.host, "").own(),
							"with garbage tokens":  w.gateway.call(t, method, c.path, c.host, "", "Authorization: Bearer x", "Cookie: access_token=x").own(),
							"with spoofed headers": w.gateway.call(t, method, c.path, c.host, "", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Forwarded-Proto: http").own(),
							"the routed listener":  routed.call(t, method, c.path, c.host, "").own(),
						}
						for from, got := range others {
							if diff := cmp.Diff(inline, got, cmp.AllowUnexported(answer{})); diff != "" {
								t.Errorf("inline and %s (-inline +other):\n%s", from, diff)
							}
						}
						checkDocument(t, method, c.status, c.resource, doc, inline)
					})
				}
			}
			notModified(t, w, direct, routed)
		})
	}
}

// own is the answer without what HTTP software on the way writes of itself.
func (a answer) own() answer {
	a.header = a.header.Clone()
	for _, name := range []string{"Date", "Server", "Connection", "X-Envoy-Upstream-Service-Time", "Content-Length"} {
		a.header.Del(name)
	}
	a.body = decisionID.ReplaceAllString(a.body, `"decision":"{decision}"`)
	return a
}

func checkDocument(t *testing.T, method string, status int, resource, doc string, got answer) {
	t.Helper()
	switch {
	case status != http.StatusOK:
	case method == http.MethodPost:
		status = http.StatusMethodNotAllowed
	case method == http.MethodOptions:
		status = http.StatusNoContent
	}
	if got.status != status {
		t.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	if got.header.Get("Access-Control-Allow-Origin") != "*" { // C-22
		t.Errorf("no Access-Control-Allow-Origin: *: %v", got.header)
	}
	if got.header.Get("Www-Authenticate") != "" {
		t.Errorf("a challenge on metadata: %v", got.header)
	}
	if status == http.StatusMethodNotAllowed && got.header.Get("Allow") != "GET, HEAD, OPTIONS" { // C-23
		t.Errorf("Allow is %q", got.header.Get("Allow"))
	}
	if status == http.StatusOK && got.header.Get("Etag") == "" { // C-21
		t.Error("no ETag")
	}
	if method == http.MethodHead || method == http.MethodOptions {
		if status < 300 && got.body != "" {
			t.Errorf("a body: %q", got.body)
		}
		return
	}
	if status == http.StatusOK && (!strings.Contains(got.body, `"resource":"`+resource+`"`) || !strings.Contains(got.body, doc)) { // C-06
		t.Errorf("the document is %s, want it of %s", got.body, resource)
	}
}

// notModified: C-21: the validator works, and is the same everywhere.
func notModified(t *testing.T, w *world, gateways ...*gateway) {
	t.Helper()
	const path = "/.well-known/oauth-protected-resource"
	tag := w.gateway.call(t, "GET", path, "localhost:3000", "").header.Get("Etag")
	for _, g := range append(gateways, w.gateway) {
		got := g.call(t, "GET", path, "localhost:3000", "", "If-None-Match: "+tag)
		if got.status != http.StatusNotModified || got.body != "" || got.header.Get("Etag") != tag {
			t.Errorf("%s: %d %q with If-None-Match", g.name, got.status, got.body)
		}
	}
}
