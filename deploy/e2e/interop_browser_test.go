package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// firstLogin is what is asked until a page has its token; the resource's metadata is at a path. Whether the page may use a URL, its
// browser asks once, and remembers the answer (Access-Control-Max-Age).
func firstLogin(metadata, method string) []string {
	return []string{
		"gateway OPTIONS /mcp 204",
		"gateway POST /mcp " + method + " 401",
		"gateway OPTIONS " + metadata + " 204",
		"gateway GET " + metadata + " 200",
		"issuer OPTIONS /.well-known/oauth-authorization-server 204",
		"issuer GET /.well-known/oauth-authorization-server 200",
		"issuer OPTIONS /register 204",
		"issuer POST /register 201",
		"issuer GET /authorize 302", // the page itself goes there, and comes back
		"issuer POST /token 200",
	}
}

var (
	handshake = []string{"gateway POST /mcp initialize 200", "gateway POST /mcp notifications/initialized 202"}
	called    = []string{"gateway POST /mcp tools/call 200"}
)

const useScope = `, scopes: {required: ["mcp:use"]}`

// TestBrowserLogin: a web application of another site than the MCP server and the authorization server, in a real browser, on the
// TypeScript SDK 1.x and 2.x. It is refused and reads the challenge (A-29: the metadata is where that says, at the root; without it
// a client looks below /mcp first), gets the metadata (C-22), registers, goes to the authorization server and comes back, and uses
// servers that allow every origin by themselves, with sessions, whose id it reads, and without, in both eras of the protocol. The
// requests are the assertion: the browser asks one time whether the page may use the MCP endpoint (E-37).
func TestBrowserLogin(t *testing.T) {
	const atRoot, below = "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"
	const old, sessions, newer = "mcp-proxy-5.12.5-stateless", "fastmcp", "mcp-proxy-newest"
	const none, stream = "gateway GET /mcp 400", "gateway GET /mcp 200"
	for _, c := range []struct{ sdk, upstream, envoy, path, metadata, stream string }{
		{"v1", old, newest, "", atRoot, none},
		{"v2", old, newest, "", atRoot, none},
		{"v1", old, oldest, "", atRoot, none},
		{"v2", old, oldest, "", atRoot, none},
		{"v1", sessions, newest, "/mcp", below, stream},
		{"v2", sessions, newest, "/mcp", below, stream},
		{"v2-auto", sessions, newest, "/mcp", below, stream},
		{"v2-auto", newer, newest, "/mcp", below, ""},
	} {
		t.Run(c.sdk+" "+c.upstream+" "+c.envoy, func(t *testing.T) {
			t.Parallel()
			p := openPage(t, c.sdk)
			l := newLogin(t, c.envoy, startInteropUpstream(t, c.upstream, "/mcp").addr, c.path, useScope+p.listed())
			before := len(l.record.lines())
			connected := p.connect(l.origin + "/mcp")
			if tools := p.must(object{"do": "list"}).Tools; !slices.Equal(tools, []string{"add", "echo"}) {
				t.Errorf("the tools are %v", tools)
			}
			p.echo()
			if got := p.scope(); got != "mcp:use" {
				t.Errorf("the token's scope is %q", got)
			}
			if c.stream != "" {
				eventually(t, "the client asks for its stream", func() bool { return slices.Contains(l.record.lines(), c.stream) })
			}
			p.must(object{"do": "close"})

			version, session, want := "2025-11-25", "", firstLogin(c.metadata, "initialize")
			if c.sdk == "v2-auto" {
				want = firstLogin(c.metadata, "server/discover")
			}
			switch {
			case c.upstream == newer: // the era without handshake and sessions: its headers say what the message is
				version, want = "2026-07-28", append(want, "gateway POST /mcp server/discover 200")
			case c.sdk == "v2-auto":
				want = append(append(want, "gateway POST /mcp server/discover 400"), handshake...)
			default:
				want = append(want, handshake...)
			}
			want = append(append(want, "gateway POST /mcp tools/list 200"), called...)
			if c.upstream == sessions {
				session, want = "with a session", append(want, "gateway DELETE /mcp 200")
			}
			if connected.Version != version || connected.Text != session {
				t.Errorf("it is connected by %s %q, want %s %q", connected.Version, connected.Text, version, session)
			}
			if diff := cmp.Diff(want, l.record.since(before)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrowserAnyHost: on a developer's machine, a page at another port of it needs no list.
func TestBrowserAnyHost(t *testing.T) {
	p := openPage(t, "v1")
	l := newLogin(t, newest, startInteropUpstream(t, "mcp-proxy-5.12.5-stateless", "/mcp").addr, "/mcp", useScope+", insecureAnyHost: true")
	before := len(l.record.lines())
	p.connect(l.origin + "/mcp")
	p.echo()
	want := slices.Concat(firstLogin("/.well-known/oauth-protected-resource/mcp", "initialize"), handshake, called)
	if diff := cmp.Diff(want, l.record.since(before)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestBrowserKeepsLogin: a page that comes back with a token that is no longer good reads that in the 401. It refreshes it, or where
// it cannot, goes and logs in.
func TestBrowserKeepsLogin(t *testing.T) {
	server := startInteropUpstream(t, "fastmcp", "/mcp").addr
	for _, sdk := range []string{"v1", "v2"} {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			p := openPage(t, sdk)
			l := newLogin(t, newest, server, "/mcp", useScope+p.listed())
			bad, before := l.token(t, l.origin+"/b", "mcp:use"), len(l.record.lines())
			comes := func(what string, want []string) {
				t.Helper()
				p.must(object{"do": "connect", "url": l.origin + "/mcp", "token": bad})
				p.echo()
				if diff := cmp.Diff(slices.Concat(want, handshake, called), l.record.since(before)); diff != "" {
					t.Errorf("%s: requests (-want +got):\n%s", what, diff)
				}
				p.must(object{"do": "close"})
				before = len(l.record.lines())
			}
			comes("with nothing but the token", firstLogin("/.well-known/oauth-protected-resource/mcp", "initialize"))
			comes("with a refresh token, too", []string{"gateway POST /mcp initialize 401", "issuer POST /token 200"})
		})
	}
}

// TestBrowserMissingScope: the resource begins to ask for a scope more while a page is at work. The page reads in the 403 which
// . SDK 2 goes and gets it, and the page goes on with what it was doing; SDK 1 refreshes its token, which cannot add a
// scope, sees the same challenge again, and gives up. It is not in a loop.
func TestBrowserMissingScope(t *testing.T) {
	server := startInteropUpstream(t, "fastmcp", "/mcp").addr
	const refused = "gateway POST /mcp tools/call 403"
	for _, c := range []struct {
		sdk, failed, scope string
		want               []string
	}{
		{"v1", "Server returned 403 after trying upscoping", "mcp:use", []string{refused, "issuer POST /token 200", refused}},
		{"v2", "", "mcp:use mcp:write", slices.Concat([]string{refused, "issuer GET /authorize 302", "issuer POST /token 200"}, handshake, called)},
	} {
		t.Run(c.sdk, func(t *testing.T) {
			t.Parallel()
			p := openPage(t, c.sdk)
			l := newLogin(t, newest, server, "/mcp", useScope+p.listed())
			p.connect(l.origin + "/mcp")
			p.echo()
			l.front.change(t, l.config("/mcp", `, scopes: {required: ["mcp:use", "mcp:write"]}`+p.listed()))
			before := len(l.record.lines())
			if r := p.do(echo); r.OK != (c.failed == "") || !strings.Contains(r.Error, c.failed) {
				t.Errorf("the page says %+v", r)
			}
			if got := p.scope(); got != c.scope {
				t.Errorf("the token's scope is %q, want %q", got, c.scope)
			}
			if diff := cmp.Diff(c.want, l.record.since(before)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}
