package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// loginWith is newLogin with resources of one's own. Each of hosts is a name of the gateway, with a port of its own, and the record
// has what is asked for there under that name. declare is given their origins.
func loginWith(t testing.TB, mcpServer string, hosts []string, declare func(origins []string) string) (l *login, origins []string) {
	t.Helper()
	l = &login{record: &record{}}
	server := startInteropServer(t, "dev-issuer", l.record, nil, 0)
	l.issuer = server.issuer
	l.gateway = freeAddr(t)
	for _, host := range hosts {
		_, port, _ := strings.Cut(strings.TrimPrefix(l.record.before(t, host, l.gateway), "http://"), ":")
		origins = append(origins, "http://"+host+":"+port)
	}
	l.origin = origins[0]
	front := serve(t, fmt.Sprintf("authorizationServers: [%s]\nresources:\n%s", server.declare, declare(origins)))
	startEnvoy(t, newest, envoyFile(t, front.grpc, mcpServer, listensOn(l.gateway)))
	return l, origins
}

// TestOlderSSETransport: docs/declare.md: the transport of 2024 has a stream at /sse and takes messages beside it at /messages: its
// resource is the common parent. With the parent declared, a client works, by a token that it was given or by its own login; with
// /sse alone, its messages have no resource (J-09). Where the parent must not be declared, two resources do, of which /messages
// takes the tokens for /sse too, and not the other way round (B-16).
func TestOlderSSETransport(t *testing.T) {
	server := mcpProxy(t, "5.12.5", withSSE...)
	l := newLogin(t, newest, server, "", "")
	if got, err := client(t, "client-sse.mjs", l.origin+"/sse", l.token(t, l.origin, "")); err != nil || got != used+"}" {
		t.Errorf("the parent declared: %s, %v", got, err)
	}
	before := len(l.record.lines())
	if got, err := client(t, "client-sse.mjs", l.origin+"/sse"); err != nil || got != used+"}" {
		t.Errorf("the parent declared, and a login: %s, %v", got, err)
	}
	want := []string{
		"gateway GET /sse 401", // the challenge of the stream is enough: no message was sent yet
		"gateway GET /.well-known/oauth-protected-resource 200",
		"issuer GET /.well-known/oauth-authorization-server 200",
		"issuer POST /register 201",
		"issuer GET /authorize 302",
		"issuer POST /token 200",
		"gateway GET /sse 200",
		"gateway POST /messages initialize 202",
	}
	if lines := l.record.lines()[before:]; len(lines) < len(want) || !cmp.Equal(want, lines[:len(want)]) {
		t.Errorf("requests (-want +got):\n%s", cmp.Diff(want, lines))
	}
	for _, path := range []string{"/sse", "/messages"} {
		if got := l.post(t, path, "", `{"jsonrpc":"2.0","id":1,"method":"ping"}`); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, got.status)
		}
	}

	l = newLogin(t, newest, server, "/sse", "")
	if got, err := client(t, "client-sse.mjs", l.origin+"/sse", l.token(t, l.origin+"/sse", "")); err == nil {
		t.Errorf("/sse declared alone: %s", got)
	}
	if all := strings.Join(l.record.lines(), "\n"); !strings.Contains(all, "gateway GET /sse 200") || !strings.Contains(all, "gateway POST /messages initialize 404") {
		t.Errorf("the stream was to open, and the message to be refused:\n%s", all)
	}

	l, _ = loginWith(t, server, []string{"localhost"}, func(origins []string) string {
		return fmt.Sprintf("- {name: stream, resource: %q, authorizationServers: [dev-issuer]}\n- {name: messages, resource: %q, authorizationServers: [dev-issuer], audiences: [%q]}\n",
			origins[0]+"/sse", origins[0]+"/messages", origins[0]+"/sse")
	})
	if got, err := client(t, "client-sse.mjs", l.origin+"/sse"); err != nil || got != used+"}" {
		t.Errorf("two resources: %s, %v", got, err)
	}
	if got := l.post(t, "/sse", l.token(t, l.origin+"/messages", ""), ""); got.status != http.StatusUnauthorized {
		t.Errorf("a token for /messages at /sse: %d", got.status)
	}
}

// TestTwoHosts: docs/declare.md: one server under two hosts is two resources. Each names itself in its challenge and its document
// (A-03, C-06), a client logs in at each and asks the other for nothing, and a token for one is none for the other, unless that says
// so in audiences (B-16).
func TestTwoHosts(t *testing.T) {
	server := mcpProxy(t, "5.12.5", stateless...)
	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	hosts := []string{"localhost", "127.0.0.1"}
	for _, audiences := range []bool{false, true} {
		l, origins := loginWith(t, server, hosts, func(origins []string) string {
			more := ""
			if audiences {
				more = fmt.Sprintf(", audiences: [%q]", origins[0]+"/mcp")
			}
			return fmt.Sprintf("- {name: first, resource: %q, authorizationServers: [dev-issuer]}\n- {name: second, resource: %q, authorizationServers: [dev-issuer]%s}\n",
				origins[0]+"/mcp", origins[1]+"/mcp", more)
		})
		for i, origin := range origins {
			at, other := &login{origin: origin}, origins[1-i]
			document := origin + "/.well-known/oauth-protected-resource/mcp"
			challenged := func(what, token string) {
				t.Helper()
				got := at.post(t, "/mcp", token, list)
				if challenge := got.header.Get("Www-Authenticate"); got.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, `Bearer resource_metadata="`+document+`"`) {
					t.Errorf("%s at %s: %d %s", what, hosts[i], got.status, challenge)
				}
			}
			challenged("no token", "")
			if got := get(t, document); !strings.Contains(got, `"resource":"`+origin+`/mcp"`) || strings.Contains(got, other) {
				t.Errorf("the document of %s: %s", hosts[i], got)
			}
			if got := at.post(t, "/mcp", l.token(t, origin+"/mcp", ""), list); got.status != http.StatusOK {
				t.Errorf("its own token at %s: %d %s", hosts[i], got.status, got.body)
			}
			if foreign := l.token(t, other+"/mcp", ""); i == 1 && audiences {
				if got := at.post(t, "/mcp", foreign, list); got.status != http.StatusOK {
					t.Errorf("a token for the first, which the second lists: %d %s", got.status, got.body)
				}
			} else {
				challenged("a token for the other", foreign)
			}

			before := len(l.record.lines())
			if got, err := client(t, "client-typescript-v1.mjs", origin+"/mcp"); err != nil || got != used+`,"registered":true,"scope":null}` {
				t.Errorf("the client at %s says %s, %v", hosts[i], got, err)
			}
			for _, line := range l.record.lines()[before:] {
				if strings.HasPrefix(line, hosts[1-i]+" ") {
					t.Errorf("a client of %s asks at the other host: %s", hosts[i], line)
				}
			}
		}
	}
}

// openListener is the listener of docs/attach/envoy.md, at another address.
func openListener(t testing.TB, addr string) edit {
	t.Helper()
	page := read(t, filepath.Join(root, "docs/attach/envoy.md"))
	found := regexp.MustCompile("(?ms)^```yaml\n(# envoy.yaml, after the listener mcp\n.*?)^```").FindStringSubmatch(page)
	if found == nil || !strings.Contains(found[1], "port_value: 3002") {
		t.Fatal("docs/attach/envoy.md no longer shows the listener at 3002")
	}
	return edit{"\n  clusters:\n", "\n" + strings.Replace(found[1], "port_value: 3002", "port_value: "+portOf(addr), 1) + "\n  clusters:\n"}
}

// TestOpenPath: docs/attach/envoy.md: a path below a resource that answers without a token, from a listener of its own, while every
// route of the other is checked (I-26). Nothing but that path and GET gets through there, whatever is spelled like it, and of the
// headers none by which the server would take the request for something else.
func TestOpenPath(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			up := newUpstream(t, "mcp")
			cast := authztest.NewCast()
			config := fmt.Sprintf("authorizationServers: [{name: corp, issuer: %q, jwks: %s}]\nresources: [{name: demo, resource: \"http://localhost:3000\", authorizationServers: [corp]}]\n",
				cast.Corp.URL(), cast.Corp.KeySet())
			addr := freeAddr(t)
			checked := startEnvoy(t, version, envoyFile(t, serve(t, config).grpc, up.addr, openListener(t, addr)))
			open := &gateway{process: checked.process, addr: addr}

			got := open.call(t, "GET", "/healthz?verbose=1", "localhost:3000", "", "Authorization: Bearer "+cast.Tokens["demo"], "X-Mcp-Subject: alice", "x_mcp_subject: alice", "x.mcp.subject: alice",
				"X-Original-URL: /mcp", "X-Rewrite-URL: /mcp", "X-HTTP-Method-Override: POST", "Accept: text/plain")
			seen := up.take()
			if got.status != http.StatusOK || got.header.Get("X-Upstream") != "mcp" || len(seen) != 1 || seen[0].Method != "GET" || seen[0].URI != "/healthz?verbose=1" {
				t.Fatalf("the open path: %d, and the server got %+v", got.status, seen)
			}
			for name := range seen[0].Header {
				if strings.HasPrefix(strings.ToLower(name), "x") && name != "X-Envoy-Expected-Rq-Timeout-Ms" || name == "Authorization" {
					t.Errorf("the server got %s", name)
				}
			}
			if seen[0].Header.Get("Accept") != "text/plain" {
				t.Errorf("the server got %v", seen[0].Header)
			}

			refused := func(method, path string, header ...string) {
				t.Helper()
				for where, g := range map[string]*gateway{"the open listener": open, "the listener that asks": checked} {
					got := g.call(t, method, path, "localhost:3000", "", header...)
					if seen := up.take(); len(seen) != 0 || got.status != 0 && got.status < 400 {
						t.Errorf("%s %s at %s: %d, and the server got %+v", method, path, where, got.status, seen)
					}
				}
			}
			for _, path := range []string{
				"/", "/mcp", "/sse", "/messages", "/.well-known/openid-configuration",
				"/healthz/", "/healthz2", "/healthz.json", "/healthz/x", "/HEALTHZ", "/health", "/xhealthz", "/mcp/healthz",
				"/health%7a", "/%68ealthz", "/healthz%00", "/healthz%20", "/healthz%2f", "/healthz%2F..%2Fmcp", "/healthz%3fx", "/healthz%23",
				"//healthz", "/./healthz", "/mcp/../healthz", "/healthz/.", "/healthz/..", "/healthz/../mcp", "/healthz/..;/mcp", "/healthz;a=b", `/healthz\`, `/healthz\..\mcp`, "/healthz#x",
			} {
				refused("GET", path)
			}
			for _, method := range []string{"HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "PROPFIND"} {
				refused(method, "/healthz")
			}
			refused("CONNECT", "/healthz")
			refused("GET", "/healthz", "Connection: Upgrade", "Upgrade: websocket")
			if got := checked.call(t, "GET", "/healthz", "localhost:3000", ""); got.status != http.StatusUnauthorized || got.header.Get("Www-Authenticate") == "" {
				t.Errorf("the path at the listener that asks: %d %v", got.status, got.header)
			}
			if seen := up.take(); len(seen) != 0 {
				t.Errorf("the server got %+v", seen)
			}
		})
	}
}

// TestPreregisteredClient: docs/authorization-servers: at a server where clients cannot register, one without a client id ends there,
// and one that was given the id of a client that somebody registered logs in, and registers nothing.
func TestPreregisteredClient(t *testing.T) {
	addr := freeAddr(t)
	r := &record{}
	origin := r.before(t, "gateway", addr)
	s := startInteropServer(t, "oauth2-mock-server", r, []string{origin + "/mcp"}, 0)
	front := serve(t, declared(t, "oauth2-mock-server.md", edit{"http://localhost:8085", s.issuer}, edit{"https://mcp.example.com", origin}))
	startEnvoy(t, newest, envoyFile(t, front.grpc, mcpProxy(t, "5.12.5", stateless...), listensOn(addr)))
	if got, err := client(t, "client-typescript-v1.mjs", origin+"/mcp"); err == nil || !strings.Contains(err.Error(), "does not support dynamic client registration") {
		t.Errorf("without a client id: %s, %v", got, err)
	}
	if got, err := client(t, "client-typescript-v1.mjs", origin+"/mcp", s.client.ID); err != nil || got != used+`,"registered":false,"scope":"mcp:use"}` {
		t.Errorf("with one: %s, %v", got, err)
	}
	if all := strings.Join(r.lines(), "\n"); strings.Contains(all, "POST /register") || !strings.Contains(all, "issuer POST /token 200") {
		t.Errorf("somebody registered, or nobody logged in:\n%s", all)
	}
}
