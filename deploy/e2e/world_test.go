package e2e

import (
	"fmt"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// castConfig declares the resources that the cases of authz/extauthz/testdata/answers name, but for those that a file cannot
// break.
func castConfig(c *authztest.Cast) string {
	const implies = `implies: {"mcp:admin": ["mcp:use"]}`
	return fmt.Sprintf(`
authorizationServers:
- {name: corp, issuer: "%s", jwks: %s}
- {name: other, issuer: "%s", jwks: %s}
resources:
- {name: demo, resource: "http://localhost:3000", authorizationServers: [corp]}
- {name: demo-path, resource: "http://localhost:3001/mcp", authorizationServers: [corp]}
- name: github
  resource: https://mcp.example.com/github/mcp
  authorizationServers: [corp]
  scopes: {required: ["mcp:use"], %s}
  allowedOrigins: ["https://app.example.com"]
  resourceName: GitHub for agents
- {name: slack, resource: "https://mcp.example.com/slack/mcp", authorizationServers: [other], forwardToken: true}
- {name: admin, resource: "https://mcp.example.com/github/mcp/Admin", authorizationServers: [corp], scopes: {required: ["mcp:admin"], %s}}
- {name: solo, resource: "https://solo.example.com/mcp", authorizationServers: [corp]}
- {name: tenant, resource: "https://*.tenants.example.com/mcp", authorizationServers: [corp], scopes: {required: ["mcp:use"], %s}}
`, c.Corp.URL(), c.Corp.KeySet(), c.Other.URL(), c.Other.KeySet(), implies, implies, implies)
}

// world is the cast's resources behind an Envoy.
type world struct {
	cast     *authztest.Cast
	front    *front
	upstream *upstream
	gateway  *gateway
	early    map[string]int // cases that Envoy answers itself
}

// newWorld starts the shipped Envoy configuration, with the changes given, in front of a recording upstream.
func newWorld(t testing.TB, version string, edits ...edit) *world {
	t.Helper()
	w := &world{cast: authztest.NewCast(), upstream: newUpstream(t, "mcp")}
	w.front = serve(t, castConfig(w.cast))
	w.gateway = startEnvoy(t, version, envoyFile(t, w.front.grpc, w.upstream.addr, edits...))
	return w
}
