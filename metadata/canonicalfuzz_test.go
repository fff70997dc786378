package metadata_test

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// FuzzCanonicalPath: a path that is accepted has one reading. net/url and path.Clean, which share no code with us, come to the
// same segments whether they clean before they decode or after it, and whether they decode once or twice.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{
		"/", "/github/mcp", "/github/mcp/?x=y", "/a%20b", "/a%2b%3d", "/%0d%0a", "/!$&'()*+,:=@", "/.../a..", "/a\"<>[]^`{|}",
		"//", "/a//b", "/../a", "/a/..", "/%2e%2e/a", "/..%2fa", "/%252e", "/a;b", `/a\b`, "/a%5cb", "/%67", "/%", "/a#b", "*", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		canonical, ok := metadata.CanonicalPath(raw)
		if !ok {
			if canonical != "" {
				t.Fatalf("%q: refused with %q", raw, canonical)
			}
			return
		}
		if again, ok := metadata.CanonicalPath(canonical); !ok || again != canonical {
			t.Fatalf("%q: not idempotent: %q, %q", raw, canonical, again)
		}
		decoded, err := url.PathUnescape(canonical)
		if err != nil {
			t.Fatalf("%q: %v", canonical, err)
		}
		sent, _, _ := strings.Cut(raw, "?")
		if u, err := url.ParseRequestURI(sent); err != nil || u.Path != decoded || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q is %q, net/url reads %v, %v", sent, decoded, u, err)
		}
		if twice, err := url.PathUnescape(decoded); err != nil || twice != decoded {
			t.Fatalf("%q: decoded once %q, twice %q, %v", canonical, decoded, twice, err)
		}
		if strings.ContainsAny(decoded, "\\;%?#\x00") {
			t.Fatalf("%q: decodes to %q", canonical, decoded)
		}
		cleanFirst := strings.Split(path.Clean(canonical), "/")
		for i := range cleanFirst {
			cleanFirst[i], _ = url.PathUnescape(cleanFirst[i])
		}
		decodeFirst := strings.Split(path.Clean(decoded), "/")
		asWritten := strings.Split(strings.TrimSuffix(decoded, "/"), "/")
		if decoded == "/" {
			asWritten = []string{"", ""}
		}
		if !slices.Equal(cleanFirst, decodeFirst) || !slices.Equal(cleanFirst, asWritten) {
			t.Fatalf("%q: %q cleaned first, %q decoded first, %q as written", canonical, cleanFirst, decodeFirst, asWritten)
		}
	})
}

// FuzzCanonicalHost: what is accepted is its own canonical form, in lower case, and net/url reads the same name and port.
func FuzzCanonicalHost(f *testing.F) {
	for _, seed := range []string{
		"mcp.example.com", "MCP.example.com:8443", "[::1]:80", "[2001:DB8::A]", "127.0.0.1", "my_svc.ns:1",
		"a.", "a..b", "u@a", "a:", "a:0", "a:443:1", "[::1%eth0]", "[::1]a", "*.a", "é", "a b", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, port, ok := metadata.CanonicalHost(raw)
		if !ok {
			if name != "" || port != "" {
				t.Fatalf("%q: refused with %q, %q", raw, name, port)
			}
			return
		}
		whole := name
		if port != "" {
			whole = name + ":" + port
		}
		if n, p, ok := metadata.CanonicalHost(whole); !ok || n != name || p != port || strings.ToLower(whole) != whole {
			t.Fatalf("%q: %q is not canonical", raw, whole)
		}
		u, err := url.Parse("https://" + raw + "/")
		if err != nil || u.User != nil || u.Path != "/" || u.Port() != port || !strings.EqualFold(u.Hostname(), strings.Trim(name, "[]")) {
			t.Fatalf("%q is %q and %q, net/url reads %v, %v", raw, name, port, u, err)
		}
		if inBrackets := strings.HasPrefix(name, "["); inBrackets && net.ParseIP(strings.Trim(name, "[]")) == nil {
			t.Fatalf("%q: %q is no address", raw, name)
		}
	})
}
