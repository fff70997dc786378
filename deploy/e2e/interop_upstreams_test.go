package e2e

import (
	"slices"
	"strings"
	"testing"
)

// interopUpstream is an MCP server of the matrix, running.
type interopUpstream struct {
	addr     string   // host:port
	tool     string   // one that every journey can call
	argument string   // its arguments, JSON
	want     string   // the text that it answers
	tools    []string // all that it has
}

// interopUpstreams are the names of the servers: as they come, and without any authorization.
var interopUpstreams = []string{
	"mcp-proxy-5.9.0", "mcp-proxy-5.12.5", "mcp-proxy-5.12.5-stateless", "mcp-proxy-newest", "mcp-proxy-newest-stateless",
	"fastmcp", "python-mcp", "python-mcp-stateless", "python-fastmcp", "go-sdk", "go-sdk-stateless",
}

// startInteropUpstream is one of them with its endpoint at a path. It serves all tests, since it knows nothing of any.
func startInteropUpstream(t testing.TB, name, path string) *interopUpstream {
	t.Helper()
	return shared(t, "upstream "+name+" "+path, func(t testing.TB) *interopUpstream {
		kind, withoutSessions := strings.CutSuffix(name, "-stateless")
		u := &interopUpstream{tool: "echo", argument: `{"text":"hello"}`, want: "hello"}
		switch kind {
		case "fastmcp":
			u.addr = nodeUpstream(t, "fastmcp", "upstream-fastmcp.mjs", path)
		case "python-mcp":
			u.addr = pythonMCPServer(t, withoutSessions, path)
		case "python-fastmcp":
			u.addr = pythonFastMCPServer(t, path)
		case "go-sdk": // at every path
			u.addr, u.tool, u.argument, u.want = goSDKServer(t, withoutSessions), goSDKTool, `{}`, goSDKToolText
		default:
			options := stateful
			if withoutSessions {
				options = stateless
			}
			u.addr = mcpProxy(t, strings.TrimPrefix(kind, "mcp-proxy-"), append(slices.Clone(options), "--streamEndpoint", path)...)
		}
		u.tools = connect(t, "http://"+u.addr+path, nil).tools(t)
		return u
	})
}

// interopUpstreamVersion is the version of the library that a server is made of.
func interopUpstreamVersion(t testing.TB, name string) string {
	t.Helper()
	switch kind := strings.TrimSuffix(name, "-stateless"); kind {
	case "fastmcp":
		return nodeVersion(t, "fastmcp", "fastmcp")
	case "python-mcp":
		return pythonVersion(t, "mcp-2", "mcp")
	case "python-fastmcp":
		return pythonVersion(t, "fastmcp", "fastmcp")
	case "go-sdk":
		return goVersion(t, "everything-server", "github.com/modelcontextprotocol/go-sdk")
	default:
		return nodeVersion(t, kind, "mcp-proxy")
	}
}

// TestUpstreams: what the matrix has behind the gate works without it: each server answers initialize, tools/list and tools/call, with
// a session exactly where its name promises one, and a second ask for it is the same process.
func TestUpstreams(t *testing.T) {
	for _, name := range interopUpstreams {
		t.Run(name, func(t *testing.T) {
			u := startInteropUpstream(t, name, "/mcp")
			c := connect(t, "http://"+u.addr+"/mcp", nil)
			if promised := !strings.HasSuffix(name, "-stateless"); (c.session != "") != promised {
				t.Errorf("its session is %q", c.session)
			}
			if got := c.call(t, u.tool, u.argument); got != u.want {
				t.Errorf("%s answers %q, want %q", u.tool, got, u.want)
			}
			if !slices.Contains(u.tools, u.tool) || len(u.tools) < 2 {
				t.Errorf("its tools are %v", u.tools)
			}
			if again := startInteropUpstream(t, name, "/mcp"); again != u {
				t.Errorf("there is a second one at %s", again.addr)
			}
			t.Logf("version %s, %d tools", interopUpstreamVersion(t, name), len(u.tools))
		})
	}
	u := startInteropUpstream(t, "mcp-proxy-5.12.5-stateless", "/b/mcp")
	if got := connect(t, "http://"+u.addr+"/b/mcp", nil).call(t, u.tool, u.argument); got != u.want {
		t.Errorf("at another path: %q", got)
	}
}
