package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// gate is Envoy with the shipped file, and mcp-authz, in front of an MCP server whose endpoint is /mcp. They have all the time that a
// check may need on a busy machine.
type gate struct {
	*gateway
	front *front
	host  string // by which clients know it
	token string // that it takes
}

func newGate(t testing.TB, version, server, host string) *gate {
	t.Helper()
	issuer, resource := authztest.NewIssuer(authztest.CastCorp), "http://"+host+"/mcp"
	g := &gate{host: host, token: issuer.Mint(map[string]any{"aud": resource, "sub": "alice"})}
	g.front = serve(t, fmt.Sprintf(unhurriedConfig+"authorizationServers:\n- {name: corp, issuer: %q, jwks: %s}\nresources:\n- {name: mcp, resource: %q, authorizationServers: [corp]}\n",
		issuer.URL(), issuer.KeySet(), resource))
	g.gateway = startEnvoy(t, version, envoyFile(t, g.front.grpc, server, unhurried...))
	return g
}

// header is what makes a request pass.
func (g *gate) header() http.Header {
	return http.Header{"Host": {g.host}, "Authorization": {"Bearer " + g.token}}
}

// allowed is how many requests passed so far.
func (g *gate) allowed(t testing.TB) int {
	t.Helper()
	return int(g.front.metrics(t)[`mcp_authz_decisions_total{outcome="allow",reason="allowed",resource="mcp"}`])
}

// upstreamStat reads a number that Envoy has of the MCP server.
func (g *gate) upstreamStat(t testing.TB, name string) int {
	t.Helper()
	text := strings.TrimSpace(get(t, "http://"+g.admin+"/stats?filter=^cluster.mcp-server."+name+"$"))
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
	if err != nil {
		t.Fatalf("Envoy says of %s: %q", name, text)
	}
	return n
}

// hop shows a token for a client that has none, and changes nothing else: Host and Origin least of all.
type hop struct {
	listener net.Listener
	host     string      // its own, which is that of the resource
	shows    atomic.Bool // the token
}

func newHop(t testing.TB) *hop {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &hop{listener: listener, host: "localhost:" + portOf(listener.Addr().String())}
}

// leads starts it in front of a gate.
func (h *hop) leads(t testing.TB, g *gate) {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // event streams
		Transport:     &http.Transport{DisableCompression: true},
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", g.addr, p.In.Host
			if h.shows.Load() {
				p.Out.Header.Set("Authorization", "Bearer "+g.token)
			}
		},
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Otherwise an answer that begins before the end of the request was read breaks the connection to the gate.
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	})}
	go server.Serve(h.listener) //nolint:errcheck // ends with the test
	t.Cleanup(func() { server.Close() })
}
