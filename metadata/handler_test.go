package metadata_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/metadata"
)

var (
	githubDocument = metadata.Document{Resource: "https://mcp.example.com/github/mcp", AuthorizationServers: []string{"https://idp.example"}}.Render()
	devDocument    = metadata.Document{Resource: "http://localhost:3000", AuthorizationServers: []string{"http://127.0.0.1:9"}}.Render()
)

// listener is the companion listener on a real socket, before a look-up that knows one path for each outcome.
func listener(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(metadata.Handler(func(host, path string) metadata.Found {
		path, canonical := metadata.CanonicalPath(path)
		switch {
		case !canonical || host != "mcp.example.com":
			return metadata.Found{NotCanonical: true}
		case path == "/github":
			return metadata.Found{Document: &githubDocument}
		case path == "/dev":
			return metadata.Found{Document: &devDocument, NoStore: true}
		case path == "/unusable":
			return metadata.Found{Unusable: true}
		}
		return metadata.Found{}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestHandler(t *testing.T) {
	server := listener(t)
	document := func(d metadata.Rendered, cache string) map[string]string {
		return map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": cache, "Etag": d.ETag, "Content-Type": "application/json"}
	}
	refusal := func(extra ...string) map[string]string {
		h := map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store", "Content-Type": "application/json"} // A-26, C-22
		for i := 0; i < len(extra); i += 2 {
			h[extra[i]] = extra[i+1]
		}
		return h
	}
	preflight := map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS", "Allow": "GET, HEAD, OPTIONS",
		"Access-Control-Allow-Headers": "*, authorization, mcp-protocol-version", "Access-Control-Max-Age": "7200",
	}
	notModified := document(githubDocument, "public, max-age=300")
	delete(notModified, "Content-Type")
	const (
		notFound  = `{"error":{"code":404,"message":"Not Found: There is no metadata document at this URL"}}`
		notMethod = `{"error":{"code":-32600,"message":"Method Not Allowed: A metadata document is read with GET or HEAD"}}`
		unusable  = `{"error":{"code":503,"message":"Service Unavailable: The protected resource cannot be used at present"}}`
		badPath   = `{"error":{"code":-32600,"message":"Bad Request: The host or path is not in canonical form"}}`
	)
	for _, c := range []struct {
		rule, method, path string
		header             []string // of the request
		status             int
		want               map[string]string
		body               string
	}{
		{"C-05 GET", "GET", "/github", nil, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-19 a query and cookies change nothing", "GET", "/github?a=b", []string{"Cookie", "a=b"}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-19 garbage in Authorization", "GET", "/github", []string{"Authorization", "Bearer garbage"}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-22 another origin", "GET", "/github", []string{"Origin", "https://evil.example"}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-25 forwarded headers", "GET", "/github", []string{"X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example", "X-Forwarded-Proto", "http", "X-Original-Url", "/dev"}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-23 HEAD", "HEAD", "/github", nil, 200, document(githubDocument, "public, max-age=300"), ""},
		{"C-21 not modified", "GET", "/github", []string{"If-None-Match", githubDocument.ETag}, 304, notModified, ""},
		{"C-21 not modified, HEAD", "HEAD", "/github", []string{"If-None-Match", githubDocument.ETag}, 304, notModified, ""},
		{"C-21 a weak tag among others", "GET", "/github", []string{"If-None-Match", `"x", W/` + githubDocument.ETag}, 304, notModified, ""},
		{"C-21 a tag on a second line", "GET", "/github", []string{"If-None-Match", `"x"`, "If-None-Match", githubDocument.ETag}, 304, notModified, ""},
		{"C-21 any tag", "GET", "/github", []string{"If-None-Match", "*"}, 304, notModified, ""},
		{"C-21 another tag", "GET", "/github", []string{"If-None-Match", `"x"`}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-21 a part of the tag", "GET", "/github", []string{"If-None-Match", githubDocument.ETag[:5]}, 200, document(githubDocument, "public, max-age=300"), string(githubDocument.Body)},
		{"C-25 shaped by the host: not stored", "GET", "/dev", nil, 200, document(devDocument, "no-store"), string(devDocument.Body)},
		{"C-25 shaped by the host: never 304", "GET", "/dev", []string{"If-None-Match", devDocument.ETag}, 200, document(devDocument, "no-store"), string(devDocument.Body)},
		{"C-22 OPTIONS", "OPTIONS", "/github", []string{"Origin", "https://a.example", "Access-Control-Request-Method", "GET"}, 204, preflight, ""},
		{"C-23 POST", "POST", "/github", nil, 405, refusal("Allow", "GET, HEAD, OPTIONS"), notMethod},
		{"C-23 DELETE", "DELETE", "/github", nil, 405, refusal("Allow", "GET, HEAD, OPTIONS"), notMethod},
		{"C-23 a method in lower case", "get", "/github", nil, 405, refusal("Allow", "GET, HEAD, OPTIONS"), notMethod},
		{"C-20 unknown", "GET", "/nope", nil, 404, refusal(), notFound},
		{"C-20 unknown, whatever the method", "POST", "/nope", nil, 404, refusal(), notFound},
		{"C-20 unknown, whatever the credential", "GET", "/nope", []string{"Authorization", "Bearer x"}, 404, refusal(), notFound},
		{"A-25 unknown, HEAD", "HEAD", "/nope", nil, 404, refusal(), ""},
		{"unusable", "GET", "/unusable", nil, 503, refusal("Retry-After", "5"), unusable},
		{"not canonical", "GET", "/github%2fmcp", nil, 400, refusal(), badPath},
		{"unusable is not cached away", "GET", "/unusable", []string{"If-None-Match", "*"}, 503, refusal("Retry-After", "5"), unusable},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "mcp.example.com"
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Add(c.header[i], c.header[i+1])
			}
			response, err := http.DefaultTransport.RoundTrip(r) // no redirects followed: there are none (C-05)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode != c.status || string(body) != c.body {
				t.Errorf("%d %s; want %d %s", response.StatusCode, body, c.status, c.body)
			}
			got := map[string]string{}
			for name, values := range response.Header {
				if name != "Date" && name != "Content-Length" {
					got[name] = strings.Join(values, " | ")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

// C-23, A-25: HEAD has the header of GET, its length included, for documents and refusals.
func TestHeadIsGetWithoutABody(t *testing.T) {
	server := listener(t)
	for _, path := range []string{"/github", "/dev", "/unusable", "/nope"} {
		var headers [2]http.Header
		for i, method := range []string{"GET", "HEAD"} {
			r, _ := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			r.Host = "mcp.example.com"
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			headers[i] = response.Header
			headers[i].Del("Date")
			if length := headers[i].Get("Content-Length"); method == "GET" && length != strconv.Itoa(len(body)) {
				t.Errorf("%s: %s bytes announced, %d sent", path, length, len(body))
			}
		}
		if diff := cmp.Diff(headers[0], headers[1]); diff != "" {
			t.Errorf("%s (-GET +HEAD):\n%s", path, diff)
		}
	}
}

// The zero value is "there is nothing here": whoever forgets to fill it in shows nobody's document.
func TestFoundZeroValue(t *testing.T) {
	if got := (metadata.Found{}).Answer("GET", ""); got.Status != http.StatusNotFound {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
