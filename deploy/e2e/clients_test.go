package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const used = `{"tools":["add","echo"],"add":"5","echo":"hello"`

// TestTypeScriptClient: a client that nobody here wrote, from nothing but a URL to a tool of an unmodified mcp-proxy. It is
// refused, finds the metadata by the challenge (A-03, C-02), the authorization server by the metadata (C-08, C-09), registers,
// logs in and calls. The sequence of its requests is the assertion: nothing is asked twice.
func TestTypeScriptClient(t *testing.T) {
	server := mcpProxy(t, "5.12.5", stateless...)
	for _, c := range []struct{ name, version, path, more, wellKnown, scope string }{
		{"an origin", newest, "", "", "", "null"},
		{"an origin, oldest Envoy", oldest, "", "", "", "null"},
		{"a path and a scope", newest, "/mcp", `, scopes: {required: ["mcp:use"]}`, "/mcp", `"mcp:use"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLogin(t, c.version, server, c.path, c.more)
			fetched := l.record.lines() // what mcp-authz itself asked of the issuer
			got, err := client(t, "client-typescript-v1.mjs", l.origin+"/mcp")
			if want := used + `,"registered":true,"scope":` + c.scope + `}`; err != nil || got != want {
				t.Fatalf("the client says %s, %v; want %s", got, err, want)
			}
			lines := l.record.lines()[len(fetched):]
			ordered := []string{
				"gateway POST /mcp initialize 401",
				"gateway GET /.well-known/oauth-protected-resource" + c.wellKnown + " 200",
				"issuer GET /.well-known/oauth-authorization-server 200",
				"issuer POST /register 201",
				"issuer GET /authorize 302",
				"issuer POST /token 200",
				"gateway POST /mcp initialize 200",
				"gateway POST /mcp notifications/initialized 202",
			}
			// The client opens its event stream while it goes on; a stateless mcp-proxy has none.
			atOnce := []string{"gateway GET /mcp 400", "gateway POST /mcp tools/call 200", "gateway POST /mcp tools/call 200", "gateway POST /mcp tools/list 200"}
			n := min(len(ordered), len(lines))
			slices.Sort(lines[n:])
			if diff := cmp.Diff(append(ordered, atOnce...), lines); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUpstreamThatChecks: many servers have a check of tokens of their own. It never sees the token, which we keep, so our allow is
// followed by its own 401, without a header: the client that is logged in cannot tell why. Either it is switched off, or the
// declaration says forwardToken (J-01).
func TestUpstreamThatChecks(t *testing.T) {
	server := nodeUpstream(t, "mcp-proxy-5.12.5", "upstream-authenticating.mjs")
	const call = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"a":2,"b":3}}}`
	for _, forward := range []bool{false, true} {
		more := ""
		if forward {
			more = ", forwardToken: true"
		}
		l := newLogin(t, newest, server, "", more)
		answer := l.post(t, "/mcp", l.token(t, l.origin, ""), call)
		if forward {
			if answer.status != 200 || !strings.Contains(answer.body, `"text":"5"`) {
				t.Errorf("with forwardToken: %d %s", answer.status, answer.body)
			}
		} else if answer.status != 401 || answer.header.Get("Www-Authenticate") != "" || !strings.Contains(answer.body, "Authentication failed") {
			t.Errorf("without forwardToken: %d %v %s; want the upstream's own bare 401", answer.status, answer.header, answer.body)
		}
		got, err := client(t, "client-typescript-v1.mjs", l.origin+"/mcp")
		if (err == nil) != forward || forward && !strings.HasPrefix(got, used) {
			t.Errorf("forwardToken %v: the client says %s, %v", forward, got, err)
		}
	}
}
