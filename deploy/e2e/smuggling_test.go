package e2e

import (
	"strings"
	"testing"
)

// TestTwoReadings: J-01, I-06, I-14: requests that two programs read differently. Either Envoy stops them, or the check sees the truth:
// what reaches the upstream is what a token for it allowed, with its method, host and path.
func TestTwoReadings(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		for name, edits := range map[string][]edit{"shipped": nil, "lenient": lenient, "lenient as strings": append(lenient, stringForm...)} {
			t.Run(version+" "+name, func(t *testing.T) {
				w := newWorld(t, version, append([]edit{{"delayed_close_timeout: 1s", "delayed_close_timeout: 0.02s"}}, edits...)...)
				bearer := "Bearer " + w.cast.Tokens["good"]
				head := func(line string, header ...string) string {
					return line + "\r\n" + strings.Join(append(header, "Authorization: "+bearer, "Connection: close"), "\r\n") + "\r\n\r\n"
				}
				const host, slack = "Host: mcp.example.com", "Host: slack.example.com"
				for what, raw := range map[string]string{
					"two Host lines":              head("GET /github/mcp HTTP/1.1", host, slack),
					"two Host lines, the same":    head("GET /github/mcp HTTP/1.1", host, host),
					"no Host":                     head("GET /github/mcp HTTP/1.1"),
					"a folded Host":               head("GET /github/mcp HTTP/1.1", "Host: mcp.example.com\r\n slack"),
					"HTTP/1.0":                    head("GET /github/mcp HTTP/1.0", host),
					"absolute form":               head("GET http://mcp.example.com/slack/mcp HTTP/1.1", "Host: x"),
					"absolute form, another host": head("GET http://solo.example.com/github/mcp HTTP/1.1", host),
					"CONNECT":                     head("CONNECT mcp.example.com:443 HTTP/1.1", host),
					"CONNECT with a path":         head("CONNECT /github/mcp HTTP/1.1", host),
					"TE and CL":                   head("POST /github/mcp HTTP/1.1", host, "Content-Length: 4", "Transfer-Encoding: chunked") + "0\r\n\r\nGET /slack/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n",
					"two lengths":                 head("POST /github/mcp HTTP/1.1", host, "Content-Length: 0", "Content-Length: 50") + "GET /slack/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n",
					"an odd TE":                   head("POST /github/mcp HTTP/1.1", host, "Transfer-Encoding: xchunked") + "0\r\n\r\nGET /slack/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n",
					"a line feed in the path":     head("GET /github/mcp\nX: y HTTP/1.1", host),
					"a NUL":                       head("GET /github/mcp\x00 HTTP/1.1", host),
					"a bad byte":                  head("GET /github\xff/mcp HTTP/1.1", host),
					"a tab before the path":       head("GET \t/github/mcp HTTP/1.1", host),
					"a blank before the colon":    head("GET /slack/mcp HTTP/1.1", host, "X-Original-URL : /github/mcp"),
					"Expect":                      head("POST /github/mcp HTTP/1.1", host, "Expect: 100-continue", "Content-Length: 0"),
					"another expectation":         head("POST /github/mcp HTTP/1.1", host, "Expect: x", "Content-Length: 0"),
					"a forged partial body":       head("POST /github/mcp HTTP/1.1", host, "x-envoy-auth-partial-body: true", "Content-Length: 0"),
					"a method override":           head("GET /github/mcp HTTP/1.1", host, "X-HTTP-Method-Override: DELETE", "X-Original-URL: /slack/mcp"),
					"h2c":                         head("GET /github/mcp HTTP/1.1", host, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
					"websocket":                   head("GET /github/mcp HTTP/1.1", host, "Upgrade: websocket"),
				} {
					w.gateway.send(t, raw)
					w.onlyGithub(t, what)
				}
				request := func(more ...[2]string) [][2]string {
					return append([][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "mcp.example.com"}, {":path", "/github/mcp"}, {"authorization", bearer}}, more...)
				}
				with := func(name, value string) [][2]string {
					all := request()
					for i := range all {
						if all[i][0] == name {
							all[i][1] = value
						}
					}
					return all
				}
				for what, fields := range map[string][][2]string{
					"HTTP/2":                 request(),
					"host beside :authority": request([2]string{"host", "slack.example.com"}),
					"two paths":              append([][2]string{{":path", "/slack/mcp"}}, request()...),
					"a bad byte":             with(":path", "/github\xff/mcp"),
					"a bad byte below":       with(":path", "/github/mcp/\xff"),
					"bytes above ASCII":      with(":path", "/github/mcp/\u00e9"),
					"a bad authority":        with(":authority", "mcp.example.com\xff"),
					"user information":       with(":authority", "a@mcp.example.com"),
					"a relative path":        with(":path", "github/mcp"),
					"an absolute path":       with(":path", "http://mcp.example.com/github/mcp"),
					"an odd method":          with(":method", "G ET"),
					"another scheme":         with(":scheme", "gopher"),
					"extended CONNECT":       append([][2]string{{":protocol", "websocket"}}, with(":method", "CONNECT")...),
					"upper-case names":       request([2]string{"X-Mcp-Subject", "root"}),
					"a line feed in a value": request([2]string{"x-a", "b\nx-mcp-subject: root"}),
				} {
					w.gateway.frames(t, fields...)
					w.onlyGithub(t, what+" over HTTP/2")
				}
				if got := w.gateway.frames(t, request()...); got != "200" {
					t.Errorf("the plain request over HTTP/2: %s", got)
				}
			})
		}
	}
}

// onlyGithub wants whatever reached the upstream to be what the token for github allows.
func (w *world) onlyGithub(t *testing.T, what string) {
	t.Helper()
	for _, r := range w.upstream.take() {
		path, _, _ := strings.Cut(r.URI, "?")
		if r.Host != "mcp.example.com" || path != "/github/mcp" || r.Header.Get("X-Mcp-Subject") != "alice" || r.Header.Get("Upgrade") != "" ||
			r.Header.Get("X-Http-Method-Override")+r.Header.Get("X-Original-Url") != "" || len(r.Header["X-Mcp-Subject"]) != 1 {
			t.Errorf("%s: the upstream got %+v", what, r)
		}
	}
}
