package metadata_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// Every rule of docs/architecture.md, "Which resource is it?", and every spelling of a path that was seen to lead a gateway
// and a server apart (J-08).
func TestCanonicalPath(t *testing.T) {
	type row struct{ rule, raw, want string } // want "" is a refusal
	allow := func(rule, raw, want string) row { return row{rule, raw, want} }
	deny := func(rule, raw string) row { return row{rule, raw, ""} }
	rows := []row{
		allow("the root", "/", "/"),
		allow("as it is", "/github/mcp", "/github/mcp"),
		allow("one slash at the end", "/github/mcp/", "/github/mcp/"),
		allow("case is kept", "/GitHub/MCP", "/GitHub/MCP"),
		allow("cut at the first ?", "/github/mcp?a=/../&b=?;", "/github/mcp"),
		allow("an empty query", "/github/mcp?", "/github/mcp"),
		allow("a query is not read", "/mcp?%zz=\\", "/mcp"),
		allow("what delimits nothing here", "/!$&'()*+,-.:=@_~", "/!$&'()*+,-.:=@_~"),
		allow("the first and the last byte", "/!a~", "/!a~"),
		allow("dots that are no dot segment", "/.../.a/a./..a/a..", "/.../.a/a./..a/a.."),
		allow("an escape", "/a%20b", "/a%20b"),
		allow("escapes become upper case", "/a%2b%3A%3d", "/a%2B%3A%3D"),
		allow("upper case in escapes only", "/aF%2caf", "/aF%2Caf"),
		allow("8 KiB", "/"+strings.Repeat("a", metadata.MaxPathBytes-1), "/"+strings.Repeat("a", metadata.MaxPathBytes-1)),
		allow("a query does not count", "/?"+strings.Repeat("a", metadata.MaxPathBytes), "/"),

		deny("no path", ""),
		deny("no path but a query", "?a=b"),
		deny("OPTIONS *", "*"),
		deny("a relative path", "github/mcp"),
		deny("absolute form", "https://mcp.example.com/github/mcp"),
		deny("an escaped first slash", "%2Fgithub"),
		deny("a fragment", "/github/mcp#x"),
		deny("a fragment in the query", "/github/mcp?a#x"),
		deny("a backslash", `/github\mcp`),
		deny("// at the front", "//github/mcp"),
		deny("// inside", "/github//mcp"),
		deny("// at the end", "/github/mcp//"),
		deny("a path parameter", "/admin;x/mcp"),
		deny("; at the end", "/admin/mcp;"),
		deny("dot segment", "/./github/mcp"),
		deny("dot segment at the end", "/github/mcp/."),
		deny("dot segments", "/github/mcp/../../slack/mcp"),
		deny("dot segments at the end", "/github/mcp/.."),
		deny("dot segments alone", "/.."),
		deny("encoded dot segments", "/github/mcp/%2e%2e/slack"),
		deny("half-encoded dot segments", "/github/mcp/.%2E/slack"),
		deny("doubly encoded dot segments", "/github/mcp/%252e%252e/slack"),
		deny("an encoded slash", "/github%2fmcp"),
		deny("an encoded slash behind dots", "/.well-known/oauth-protected-resource/..%2f..%2fgithub/mcp"),
		deny("an encoded backslash", "/github%5Cmcp"),
		deny("an encoded percent", "/github%25mcp"),
		deny("an encoded ;", "/github%3bmcp"),
		deny("an encoded ?", "/github%3fmcp"),
		deny("an encoded #", "/github%23mcp"),
		deny("an encoded NUL", "/github%00"),
		deny("an escape above 0x7E: DEL", "/github%7F"),
		deny("an escape above 0x7E: UTF-8", "/github%C3%A9"),
		deny("an overlong slash", "/github%c0%afmcp"),
		deny("an unreserved letter", "/%67ithub/mcp"),
		deny("an unreserved digit", "/%31"),
		deny("an unreserved -", "/a%2Db"),
		deny("an unreserved .", "/a%2eb"),
		deny("an unreserved _", "/a%5fb"),
		deny("an unreserved ~", "/a%7Eb"),
		deny("a broken escape", "/a%"),
		deny("a broken escape of one digit", "/a%2"),
		deny("a broken escape of no digits", "/a%zz"),
		deny("a second digit that is none", "/a%2g"),
		deny("an escape of the %u kind", "/a%u002f"),
		deny("a blank", "/a b"),
		deny("a tab", "/a\tb"),
		deny("CR LF", "/a\r\nb"),
		deny("NUL", "/a\x00"),
		deny("DEL", "/a\x7f"),
		deny("bytes above 0x7E", "/é"),
		deny("more than 8 KiB", "/"+strings.Repeat("a", metadata.MaxPathBytes)),
	}
	for _, r := range rows {
		t.Run(r.rule, func(t *testing.T) {
			got, ok := metadata.CanonicalPath(r.raw)
			if got != r.want || ok != (r.want != "") {
				t.Errorf("CanonicalPath(%.80q) = %.80q, %v; want %.80q", r.raw, got, ok, r.want)
			}
		})
	}
}

// Byte by byte: which ones may stand in a path as they are, and which ones as an escape.
func TestCanonicalPathBytes(t *testing.T) {
	const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	for c := range 256 {
		raw := "/a" + string([]byte{byte(c)}) + "a"
		want := c >= 0x21 && c <= 0x7e && !strings.ContainsRune(`\;#%`, rune(c))
		if _, ok := metadata.CanonicalPath(raw); ok != want {
			t.Errorf("%q: %v", raw, ok)
		}
		escaped := fmt.Sprintf("/a%%%02xa", c)
		want = c > 0 && c <= 0x7e && !strings.ContainsRune(`/\%;?#`+unreserved, rune(c))
		if _, ok := metadata.CanonicalPath(escaped); ok != want {
			t.Errorf("%q: %v", escaped, ok)
		}
	}
}
