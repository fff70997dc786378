package metadata_test

import (
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/metadata"
)

func TestCanonicalHost(t *testing.T) {
	type row struct{ rule, raw, name, port string } // no name is a refusal
	allow := func(rule, raw, name, port string) row { return row{rule, raw, name, port} }
	deny := func(rule, raw string) row { return row{rule, raw, "", ""} }
	label := strings.Repeat("a", 63)
	longest := strings.Repeat("a.", 126) + "a" // 253 bytes
	rows := []row{
		allow("as it is", "mcp.example.com", "mcp.example.com", ""),
		allow("lower case", "MCP.Example.COM", "mcp.example.com", ""),
		allow("a port", "mcp.example.com:8443", "mcp.example.com", "8443"),
		allow("the ports of the schemes are kept for the look-up", "mcp.example.com:443", "mcp.example.com", "443"),
		allow("the highest port", "a:65535", "a", "65535"),
		allow("one label", "localhost:3000", "localhost", "3000"),
		allow("an underscore", "my_svc.ns", "my_svc.ns", ""),
		allow("an address", "127.0.0.1:80", "127.0.0.1", "80"),
		allow("an IPv6 address", "[::1]", "[::1]", ""),
		allow("an IPv6 address in upper case", "[2001:DB8::A]:8443", "[2001:db8::a]", "8443"),
		allow("the longest label", label+".example", label+".example", ""),
		allow("the longest name", longest, longest, ""),

		deny("empty", ""),
		deny("a port alone", ":443"),
		deny("a trailing dot", "a.example."),
		deny("a trailing dot before a port", "a.example.:443"),
		deny("a dot alone", "."),
		deny("a leading dot", ".example"),
		deny("an empty label", "a..example"),
		deny("user information", "user@a.example"),
		deny("user information with a password", "user:1@a.example"),
		deny("a port that is none", "a.example:"),
		deny("port 0", "a.example:0"),
		deny("a leading zero", "a.example:0443"),
		deny("a port too high", "a.example:65536"),
		deny("a port of six digits", "a.example:100000"),
		deny("a signed port", "a.example:+443"),
		deny("a named port", "a.example:https"),
		deny("two ports", "a.example:443:443"),
		deny("a blank", "a.example "),
		deny("a comma: two hosts", "a.example,b.example"),
		deny("a slash", "a.example/b"),
		deny("a backslash", `a.example\b`),
		deny("a quote, A-18", `a"b`),
		deny("CR LF, A-18", "a\r\nb"),
		deny("NUL", "a\x00"),
		deny("an escape", "%61.example"),
		deny("a wildcard", "*.example"),
		deny("bytes above 0x7E", "é.example"),
		deny("a full-width dot", "a。example"),
		deny("a Kelvin sign, which folds to k", "\u212a.example"),
		deny("a label of 64 bytes", label+"a.example"),
		deny("a name of 254 bytes", longest[1:]+"aa"),
		deny("IPv6 without brackets", "::1"),
		deny("IPv6 unclosed", "[::1"),
		deny("IPv6 with a zone", "[fe80::1%eth0]"),
		deny("IPv6 with something after it", "[::1]a"),
		deny("IPv6 with an empty port", "[::1]:"),
		deny("IPv4 in brackets", "[127.0.0.1]"),
		deny("a name in brackets", "[a.example]"),
		deny("empty brackets", "[]"),
	}
	for _, r := range rows {
		t.Run(r.rule, func(t *testing.T) {
			name, port, ok := metadata.CanonicalHost(r.raw)
			if name != r.name || port != r.port || ok != (r.name != "") {
				t.Errorf("CanonicalHost(%q) = %q, %q, %v; want %q, %q", r.raw, name, port, ok, r.name, r.port)
			}
		})
	}
}

// Plain http and foreign Origins are tolerated on loopback only, so a name that merely looks like it must not pass.
func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "a.localhost": true, "127.0.0.1": true, "127.8.9.1": true, "[::1]": true, "[::ffff:127.0.0.1]": true,
		"localhost.example": false, "notlocalhost": false, "127.0.0.1.example": false, "128.0.0.1": false, "0.0.0.0": false,
		"[::]": false, "[2001:db8::1]": false, "": false, "127.1": false, "169.254.169.254": false,
	} {
		if got := metadata.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
}

func TestWithoutPort(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "mcp.example.com": "mcp.example.com", "mcp.example.com:8443": "mcp.example.com", "*.example.com:8443": "*.example.com",
		"[2001:db8::1]": "[2001:db8::1]", "[2001:db8::1]:8443": "[2001:db8::1]",
	} {
		if got := metadata.WithoutPort(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
