package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// TestBrowserForeignPage: a page that the resource does not list is told no before it sends anything, and where a browser does not
// ask first, its request is refused: nothing of it comes to the server (J-05, E-37). It sees no more than that it failed. The
// metadata is for everybody (C-22).
func TestBrowserForeignPage(t *testing.T) {
	for _, sdk := range []string{"v1", "v2", "v2-auto"} {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			p, up := openPage(t, sdk), newUpstream(t, "mcp")
			l := newLogin(t, newest, up.addr, "/mcp", `, allowedOrigins: ["https://other.example.com"]`)
			before := len(l.record.lines())
			if r := p.do(object{"do": "connect", "url": l.origin + "/mcp"}); r.OK || !strings.Contains(r.Error, failedToFetch) {
				t.Errorf("connect: %+v", r)
			}
			token := l.token(t, l.origin+"/mcp", "")
			if s, failed := p.fetch(l.origin+"/mcp", object{"method": "POST", "headers": object{"authorization": "Bearer " + token}, "body": ping}); failed != failedToFetch {
				t.Errorf("with a good token it sees %+v, %q", s, failed)
			}
			if s, failed := p.fetch(l.origin+"/mcp", object{"method": "POST", "body": ping}); failed != failedToFetch {
				t.Errorf("without asking first it sees %+v, %q", s, failed)
			}
			s, failed := p.fetch(l.origin+"/.well-known/oauth-protected-resource/mcp", object{"headers": object{"mcp-protocol-version": "2025-11-25"}})
			if failed != "" || s.Status != http.StatusOK || !strings.Contains(s.Body, `"resource":"`+l.origin+`/mcp"`) {
				t.Errorf("the metadata: %+v, %q", s, failed)
			}
			want := []string{"gateway OPTIONS /mcp 403"}
			if sdk == "v2-auto" {
				want = append(want, "gateway OPTIONS /mcp 403") // it takes the first for a server that does not know the newer era
			}
			want = append(want,
				"gateway OPTIONS /mcp 403",
				"issuer POST /token 200", // the test's
				"gateway POST /mcp ping 403",
				"gateway OPTIONS /.well-known/oauth-protected-resource/mcp 204",
				"gateway GET /.well-known/oauth-protected-resource/mcp 200",
			)
			slices.Sort(want)
			got := l.record.since(before)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got := up.take(); len(got) != 0 {
				t.Errorf("the server got %v", got)
			}
		})
	}
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// TestBrowserReads: a listed page may read every refusal with its challenge, and when to try again, and what an upstream
// answers, even one that allows every origin by itself: a browser takes no answer with two permissions. The browser asks before the
// first request with a token, and again for what the answer to that did not name; what no client needs is not allowed (E-37).
func TestBrowserReads(t *testing.T) {
	p, up := openPage(t, "v1"), newUpstream(t, "mcp")
	l := newLogin(t, newest, up.addr, "/mcp", "")
	url, before := l.origin+"/mcp", len(l.record.lines())
	corp, silent := authztest.NewIssuer("https://idp.example.com"), authztest.NewIssuer("http://"+freeAddr(t))
	l.front.change(t, fmt.Sprintf("authorizationServers:\n- {name: corp, issuer: %q, jwks: %s}\n- {name: silent, issuer: %q}\n"+
		"resources:\n- {name: mcp, resource: %q, authorizationServers: [corp, silent]%s%s}\n",
		corp.URL(), corp.KeySet(), silent.URL(), url, useScope, p.listed()))
	challenge := func(params string) string {
		return `Bearer resource_metadata="` + l.origin + `/.well-known/oauth-protected-resource/mcp"` + params
	}
	invalid := func(why string) string {
		return challenge(`, error="invalid_token", scope="mcp:use", error_description="` + why + `"`)
	}
	good := corp.Mint(object{"aud": url, "scope": "mcp:use"})
	for _, c := range []struct {
		what, token         string
		status              int
		challenge, retry    string
		code                string
		preflight, toServer bool
	}{
		{"no token", "", 401, challenge(`, scope="mcp:use"`), "", `-32000`, false, false},
		{"no token of anybody", "x", 401, invalid("The access token is invalid"), "", `-32000`, true, false},
		{"one of another resource", corp.Mint(object{"aud": url + "/b", "scope": "mcp:use"}), 401, invalid("The access token is invalid"), "", `-32000`, false, false},
		{"an expired one", corp.Mint(object{"aud": url, "scope": "mcp:use", "exp": 1}), 401, invalid("The access token expired"), "", `-32000`, false, false},
		{"one without the scope", corp.Mint(object{"aud": url}), 403,
			challenge(`, error="insufficient_scope", scope="mcp:use", error_description="The access token lacks a scope that this request needs"`), "", `403`, false, false},
		{"one that cannot be judged", silent.Mint(object{"aud": url}), 503, "", "5", `503`, false, false},
		{"a good one", good, 200, "", "", "", false, true},
	} {
		header, want := object{}, []string{fmt.Sprint("gateway POST /mcp ping ", c.status)}
		if c.token != "" {
			header["authorization"] = "Bearer " + c.token
		}
		if c.preflight {
			want = append([]string{"gateway OPTIONS /mcp 204"}, want...)
		}
		s, failed := p.fetch(url, object{"method": "POST", "headers": header, "body": ping})
		if failed != "" || s.Status != c.status || s.Header["www-authenticate"] != c.challenge || s.Header["retry-after"] != c.retry ||
			!strings.Contains(s.Body, c.code) {
			t.Errorf("%s: the page sees %+v, %q", c.what, s, failed)
		}
		if diff := cmp.Diff(want, l.record.since(before)); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", c.what, diff)
		}
		if got := len(up.take()) > 0; got != c.toServer {
			t.Errorf("%s: the server was asked: %v", c.what, got)
		}
		before = len(l.record.lines())
	}

	for _, c := range []struct {
		what string
		init object
		ok   bool
		want []string
	}{
		{"the end of a session", object{"method": "DELETE", "headers": object{"mcp-session-id": "s", "mcp-protocol-version": "2025-11-25"}}, true,
			[]string{"gateway DELETE /mcp 200"}},
		{"a stream that goes on", object{"headers": object{"last-event-id": "7"}}, true, []string{}}, // since leaves it out
		{"a parameter as a header", object{"method": "POST", "headers": object{"mcp-method": "tools/call", "mcp-name": "echo", "mcp-param-region": "eu"}}, true,
			[]string{"gateway OPTIONS /mcp 204", "gateway POST /mcp 200"}},
		{"a header that no client has", object{"headers": object{"x-other": "1"}}, false, []string{"gateway OPTIONS /mcp 204"}},
		{"a method that no client has", object{"method": "PUT", "headers": object{}}, false, []string{"gateway OPTIONS /mcp 204"}},
		{"with cookies", object{"headers": object{}, "credentials": "include"}, false, []string{"gateway OPTIONS /mcp 204"}},
	} {
		c.init["headers"].(object)["authorization"] = "Bearer " + good
		s, failed := p.fetch(url, c.init)
		if c.ok && (failed != "" || s.Status != 200) || !c.ok && failed != failedToFetch {
			t.Errorf("%s: the page sees %+v, %q", c.what, s, failed)
		}
		if diff := cmp.Diff(c.want, l.record.since(before)); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", c.what, diff)
		}
		if got := len(up.take()) > 0; got != c.ok {
			t.Errorf("%s: the server was asked: %v", c.what, got)
		}
		before = len(l.record.lines())
	}
}
