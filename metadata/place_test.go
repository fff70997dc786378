package metadata_test

import (
	"testing"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// The well-known segment is inserted between host and path (RFC 9728 §3.1), and the path comes back from there.
func TestURL(t *testing.T) {
	for _, c := range []struct{ rule, declared, want string }{
		{"C-01 inserted", "https://mcp.example.com/github/mcp", "https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp"},
		{"C-02 root", "https://solo.example.com", "https://solo.example.com/.well-known/oauth-protected-resource"},
		{"a port stays", "https://mcp.example.com:8443/mcp", "https://mcp.example.com:8443/.well-known/oauth-protected-resource/mcp"},
		{"plain http on loopback", "http://localhost:3000", "http://localhost:3000/.well-known/oauth-protected-resource"},
	} {
		id, err := metadata.ParseIdentifier(c.declared, metadata.IdentifierRules{})
		if err != nil || id.URL() != c.want {
			t.Errorf("%s: %s lies at %s, %v", c.rule, c.declared, id.URL(), err)
		}
		place, document, known := metadata.ParsePlace(id.URL()[len(id.Origin()):])
		if place != (metadata.Place{Path: id.Path, Inserted: true}) || !document || !known {
			t.Errorf("%s: %s leads back to %+v, %v, %v", c.rule, id.URL(), place, document, known)
		}
	}
}

func TestIdentifierAt(t *testing.T) {
	id, err := metadata.ParseIdentifier("https://*.mcp.example.com/mcp", metadata.IdentifierRules{AllowWildcard: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := id.At("a.mcp.example.com").String(); got != "https://a.mcp.example.com/mcp" || id.Host != "*.mcp.example.com" {
		t.Errorf("%s at a host is %s", id, got)
	}
	if got := metadata.DefaultPort("ftp"); got != "" {
		t.Errorf("ftp has port %s", got)
	}
}

// Every path in which ".well-known" is followed by a discovery name is answered by us; which variant it asks for decides what
// "resource" says.
func TestParsePlace(t *testing.T) {
	const prm = "/.well-known/oauth-protected-resource"
	none := metadata.Place{}
	for _, c := range []struct {
		rule, path      string
		want            metadata.Place
		document, known bool
	}{
		{"C-02 root", prm, metadata.Place{Inserted: true}, true, true},
		{"C-01 inserted", prm + "/github/mcp", metadata.Place{Path: "/github/mcp", Inserted: true}, true, true},
		{"C-03 the slash of a longer path stays", prm + "/github/mcp/", metadata.Place{Path: "/github/mcp", Slash: true, Inserted: true}, true, true},
		{"C-18 appended", "/github/mcp" + prm, metadata.Place{Path: "/github/mcp"}, true, true},
		{"C-03 an origin has no mirrored slash", prm + "/", metadata.Place{Slash: true, Inserted: true}, false, true},
		{"appended and more", "/github/mcp" + prm + "/", none, false, true},
		{"appended and a path", "/github/mcp" + prm + "/x", none, false, true},
		{"both forms at once", prm + "/github" + prm, metadata.Place{Path: "/github" + prm, Inserted: true}, true, true},
		{"C-26 another discovery document", "/.well-known/oauth-authorization-server", none, false, true},
		{"C-26 with a path", "/.well-known/oauth-authorization-server/github/mcp", none, false, true},
		{"C-26 appended", "/github/mcp/.well-known/openid-configuration", none, false, true},
		{"behind another .well-known", "/.well-known/x/.well-known/openid-configuration", none, false, true},
		{"C-18 behind another .well-known", "/.well-known/x" + prm, metadata.Place{Path: "/.well-known/x"}, true, true},

		{"no well-known path", "/github/mcp", none, false, false},
		{"nothing follows", "/.well-known", none, false, false},
		{"an empty name", "/.well-known/", none, false, false},
		{"a name that is not ours", "/.well-known/security.txt", none, false, false},
		{"a longer name", prm + "s", none, false, false},
		{"a longer name appended", "/github" + prm + "-x", none, false, false},
		{"a shorter name", prm[:len(prm)-1], none, false, false},
		{"another segment", "/x.well-known/oauth-protected-resource", none, false, false},
		{"something between", "/.well-known/x/oauth-protected-resource", none, false, false},
		{"another case", "/.Well-Known/oauth-protected-resource", none, false, false},
	} {
		place, document, known := metadata.ParsePlace(c.path)
		if document != c.document || known != c.known || (document && place != c.want) {
			t.Errorf("%s: %s is %+v, %v, %v", c.rule, c.path, place, document, known)
		}
	}
}
