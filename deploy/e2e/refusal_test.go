package e2e

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// post sends a message as an MCP client does.
func (l *login) post(t testing.TB, path, token, body string) answer {
	t.Helper()
	r, err := http.NewRequest("POST", l.origin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, resp)
}

// TestRefusal, E-01 to E-05, E-32, E-33: the refusal, to the byte, whatever is sent, in front of
// servers that nobody changed, for an origin and for a path. The same servers answer who has a token.
func TestRefusal(t *testing.T) {
	for name, server := range map[string]func() string{
		"mcp-proxy 5.9.0":  func() string { return mcpProxy(t, "5.9.0", stateless...) },
		"mcp-proxy 5.12.5": func() string { return mcpProxy(t, "5.12.5", stateless...) },
		"mcp-proxy newest": func() string { return mcpProxy(t, "newest", stateless...) },
		"fastmcp":          func() string { return nodeUpstream(t, "fastmcp", "upstream-fastmcp.mjs") },
	} {
		addr := server()
		for _, path := range []string{"", "/mcp"} {
			t.Run(name+path, func(t *testing.T) {
				front := newLogin(t, newest, addr, path, "")
				refusals(t, front, `Bearer resource_metadata="`+front.origin+`/.well-known/oauth-protected-resource`+path+`"`)
				const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`
				if got := front.post(t, "/mcp", front.token(t, front.origin+path, ""), hello); got.status != 200 || !strings.Contains(got.body, `"protocolVersion"`) {
					t.Errorf("with a token: %d %s", got.status, got.body)
				}
			})
		}
	}
}

func refusals(t *testing.T, l *login, challenge string) {
	t.Helper()
	const list = `"jsonrpc":"2.0","method":"tools/list"`
	for _, c := range []struct{ what, method, body, id string }{
		{"a request", "POST", `{` + list + `,"id":1}`, `1`},
		{"a call", "POST", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`, `2`},
		{"a string id", "POST", `{"id":"a \u00e9",` + list + `}`, `"a \u00e9"`},
		{"a negative id", "POST", `{"id":-7,` + list + `}`, `-7`},
		{"a big id", "POST", `{"id":9007199254740993123,` + list + `}`, `9007199254740993123`},
		{"id null", "POST", `{"id":null,` + list + `}`, `null`},
		{"no id", "POST", `{"jsonrpc":"2.0"}`, `null`},
		{"a notification", "POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, `null`},
		{"no body", "POST", ``, `null`},
		{"broken JSON", "POST", `{"id":3,` + list, `3`},
		{"not JSON", "POST", `hello`, `null`},
		{"2 MiB", "POST", `{"id":4,` + list + `,"params":"` + strings.Repeat("x", 2<<20) + `"}`, `4`},
		{"GET", "GET", ``, `null`},
		{"DELETE", "DELETE", ``, `null`},
		{"OPTIONS", "OPTIONS", ``, `null`},
		{"HEAD", "HEAD", ``, ``},
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
			g := &gateway{addr: l.gateway}
			var got answer
			if version == "HTTP/2" {
				r, err := http.NewRequest(c.method, l.origin+"/mcp", strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				got = g.http2(t, r)
			} else {
				got = g.call(t, c.method, "/mcp", strings.TrimPrefix(l.origin, "http://"), c.body)
			}
			if got.status != 401 || !reflect.DeepEqual(got.header.Values("Www-Authenticate"), []string{challenge}) ||
				got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s over %s: %d %v", c.what, version, got.status, got.header)
			}
			want := `{"error":{"code":-32000,"message":"Unauthorized: Missing Authorization header with Bearer token"},"id":` + c.id + `,"jsonrpc":"2.0"}`
			if c.id == "" {
				want = ""
			}
			if got.body != want || want != "" && !json.Valid([]byte(got.body)) {
				t.Errorf("%s over %s: the body is %s, want %s", c.what, version, got.body, want)
			}
		}
	}
}
