package metadata_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// C-04, C-24: a declared resource is in canonical form or refused, and the refusal says what to write.
func TestParseIdentifier(t *testing.T) {
	strict := metadata.IdentifierRules{}
	plain := metadata.IdentifierRules{InsecureAllowHTTP: true}
	wild := metadata.IdentifierRules{AllowWildcard: true}
	type row struct {
		declared string
		rules    metadata.IdentifierRules
		err      string // a part of it; "" is accepted
	}
	allow := func(declared string, rules metadata.IdentifierRules) row { return row{declared, rules, ""} }
	deny := func(declared string, rules metadata.IdentifierRules, err string) row {
		return row{declared, rules, err}
	}
	for _, r := range []row{
		allow("https://mcp.example.com/github/mcp", strict),
		allow("https://solo.example.com", strict),
		allow("https://mcp.example.com:8443/mcp", strict),
		allow("https://mcp.example.com:80", strict), // not the port of https, so it is part of the name
		allow("https://[2001:db8::a]/mcp", strict),
		allow("http://localhost:3000/mcp", strict),
		allow("http://127.0.0.1:3000", strict),
		allow("http://[::1]:3000", strict),
		allow("http://mcp.internal/mcp", plain),
		allow("https://*.mcp.example.com", wild),
		allow("https://*.mcp.example.com:8443/mcp", wild),
		allow("https://mcp.example.com/@team/v1.2/~a", strict),

		deny("", strict, "write it as https://host/path"),
		deny("/github/mcp", strict, "not an absolute URL"),
		deny("mcp.example.com/mcp", strict, "not an absolute URL"),
		deny("urn:mcp:github", strict, "not an absolute URL"),
		deny("HTTPS://mcp.example.com/mcp", strict, `write "https://mcp.example.com/mcp"`),
		deny("Http://localhost/mcp", strict, `write "http://localhost/mcp"`),
		deny("ftp://mcp.example.com", strict, `the scheme is "ftp"`),
		deny("://mcp.example.com", strict, `the scheme is ""`),
		deny("http://mcp.example.com/mcp", strict, `write "https://mcp.example.com/mcp", or set insecureAllowHTTP: true`),
		deny("http://localhost.example.com", strict, `write "https://localhost.example.com"`),
		deny("https://user@mcp.example.com", strict, "remove what stands before the @"),
		deny("https://user:secret@mcp.example.com/mcp", strict, "user information"),
		deny("https://", strict, `the host "" is not a host name`),
		deny("https:///mcp", strict, `the host "" is not a host name`),
		deny("https://mcp example.com", strict, "is not a host name"),
		deny("https://mcp.example.com:port", strict, "is not a host name or address with an optional port"),
		deny("https://MCP.example.com/mcp", strict, `write "https://mcp.example.com/mcp"`),
		deny("https://mcp.example.com:443/mcp", strict, `write "https://mcp.example.com/mcp"`),
		deny("http://localhost:80", strict, `write "http://localhost"`),
		deny("https://mcp.example.com./mcp", strict, `write "https://mcp.example.com/mcp"`),
		deny("https://[2001:DB8::A]/mcp", strict, `write "https://[2001:db8::a]/mcp"`),
		deny("https://*.mcp.example.com", strict, "declare each host"),
		deny("https://*.example", wild, "at least two labels must follow the *"),
		deny("https://*.[::1]", wild, "covers too much"),
		deny("https://*", wild, "is not a host name"),
		deny("https://a*.mcp.example.com", wild, "is not a host name"),
		deny("https://*.*.example.com", wild, "is not a host name"),
		deny("https://*.MCP.example.com/a", wild, `write "https://*.mcp.example.com/a"`),
		deny("https://mcp.example.com/mcp#x", strict, "remove the # and what follows it"),
		deny("https://mcp.example.com#", strict, "remove the #"),
		deny("https://mcp.example.com/mcp?t=1", strict, "remove the ? and what follows it"),
		deny("https://mcp.example.com?t=1", strict, "remove the ?"),
		deny("https://mcp.example.com/%67ithub", strict, "serve the resource at a path without one"),
		deny("https://mcp.example.com/", strict, `write "https://mcp.example.com"`), // C-03
		deny("https://mcp.example.com/mcp/", strict, `write "https://mcp.example.com/mcp"`),
		deny("https://mcp.example.com/mcp//", strict, `write "https://mcp.example.com/mcp"`),
		deny("https://mcp.example.com//mcp", strict, "is not in canonical form"),
		deny("https://mcp.example.com/a/../mcp", strict, "is not in canonical form"),
		deny("https://mcp.example.com/mcp;v=1", strict, "is not in canonical form"),
		deny(`https://mcp.example.com/a\mcp`, strict, "is not in canonical form"),
		deny("https://mcp.example.com/é", strict, "is not in canonical form"),
		deny("https://mcp.example.com/.well-known", strict, "must not have a .well-known segment"),
		deny("https://mcp.example.com/a/.well-known/b", strict, "must not have a .well-known segment"),
	} {
		id, err := metadata.ParseIdentifier(r.declared, r.rules)
		switch {
		case r.err == "" && (err != nil || id.String() != r.declared):
			t.Errorf("%q: %q, %v; want it accepted", r.declared, id, err)
		case r.err != "" && (err == nil || !strings.Contains(err.Error(), r.err)):
			t.Errorf("%q: %v; want %q", r.declared, err, r.err)
		case r.err != "" && id != metadata.Identifier{}:
			t.Errorf("%q: refused, but with %+v", r.declared, id)
		}
	}
}

// FuzzParseIdentifier: what is accepted is written in one way, means to net/url what it means to us, and has a metadata URL
// from which the path comes back (C-01, C-02, C-03, C-04).
func FuzzParseIdentifier(f *testing.F) {
	for _, seed := range []string{
		"https://mcp.example.com/github/mcp", "https://solo.example.com", "https://solo.example.com:8443/a", "http://localhost:3000",
		"https://[::1]/a", "https://*.mcp.example.com/a", "http://a.example/b", "https://a/b!$&'()*+,:=@", "https://a/b\"<>",
		"HTTPS://a", "https://a:443", "https://a/", "https://a//b", "https://a/.well-known/b", "https://u@a", "https://a?b", "https://a#b", "://",
	} {
		f.Add(seed, true, true)
		f.Add(seed, false, false)
	}
	f.Fuzz(func(t *testing.T, declared string, plain, wild bool) {
		id, err := metadata.ParseIdentifier(declared, metadata.IdentifierRules{InsecureAllowHTTP: plain, AllowWildcard: wild})
		if err != nil {
			return
		}
		if id.String() != declared || id.IsOrigin() != (id.Path == "") {
			t.Fatalf("%q became %q", declared, id)
		}
		if strings.HasPrefix(id.Host, "*") && !wild {
			t.Fatalf("%q is a wildcard", declared)
		}
		u, err := url.Parse(declared)
		if err != nil || u.Scheme != id.Scheme || u.Host != id.Host || u.Path != id.Path || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			t.Fatalf("%q: we read %+v, net/url %+v, %v", declared, id, u, err)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !plain && !metadata.IsLoopback(strings.TrimSuffix(u.Host, ":"+u.Port()))) {
			t.Fatalf("%q is not https", declared)
		}
		where, err := url.Parse(id.URL())
		if err != nil || where.Host != u.Host || where.Scheme != u.Scheme {
			t.Fatalf("%q: its document lies at %q, %v", declared, id.URL(), err)
		}
		place, document, known := metadata.ParsePlace(where.Path)
		if place != (metadata.Place{Path: id.Path, Inserted: true}) || !document || !known {
			t.Fatalf("%q: %q leads to %+v, %v, %v", declared, where, place, document, known)
		}
		if _, ok := metadata.CanonicalPath(where.Path); !ok && len(where.Path) <= metadata.MaxPathBytes {
			t.Fatalf("%q: nobody may ask for %q", declared, where)
		}
	})
}
