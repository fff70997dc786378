package authztest

import (
	"strings"
	"time"
)

// Issuer identifiers of the cast.
const (
	CastCorp  = "https://idp.example.com"
	CastOther = "https://other.example.com"
)

// Cast is who plays in authz/extauthz/testdata/answers, at the gRPC boundary and through a real Envoy alike: two
// authorization servers, whose first keys have the same id, as first keys often do, and the tokens that cases name in braces.
type Cast struct {
	Corp, Other *Issuer
	Tokens      map[string]string
}

// NewCast makes keys and tokens. The good ones are good for an hour.
func NewCast() *Cast {
	corp, other := NewIssuer(CastCorp), NewIssuer(CastOther)
	const github = "https://mcp.example.com/github/mcp"
	bare := func(resource string) string { return corp.Mint(map[string]any{"aud": resource, "sub": "alice"}) }
	scoped := func(resource, scope string) string {
		return corp.Mint(map[string]any{"aud": resource, "scope": scope, "sub": "alice"})
	}
	past := time.Now().Add(-time.Hour).Unix()
	wrongKey := corp.Token(map[string]any{"aud": github, "scope": "mcp:use"})
	wrongKey.Key = other.Current()
	id := corp.Token(map[string]any{"aud": []string{"client-1", github}, "nonce": "n"})
	id.Header["typ"] = "JWT"
	return &Cast{Corp: corp, Other: other, Tokens: map[string]string{
		"demo":         bare("http://localhost:3000"),
		"good":         scoped(github, "mcp:use extra"),
		"admin":        scoped(github, "mcp:admin"),
		"unscoped":     bare(github),
		"narrow":       scoped(github, "other mcp:admin-read"),
		"expired":      corp.Mint(map[string]any{"aud": github, "exp": past, "iat": past - 60}),
		"early":        corp.Mint(map[string]any{"aud": github, "nbf": time.Now().Add(time.Hour).Unix()}),
		"elsewhere":    bare("https://mcp.example.com/slack/mcp"),
		"foreign":      other.Mint(map[string]any{"aud": github}),
		"signature":    wrongKey.Compact(),
		"slack":        other.Mint(map[string]any{"aud": "https://mcp.example.com/slack/mcp", "sub": "zoë, \"the\" 100%\r\nx: y ", "client_id": Omit}),
		"slack-shared": other.Mint(map[string]any{"aud": []string{"https://mcp.example.com/slack/mcp", "https://b.example.com"}}),
		"idtoken":      id.Compact(),
		"bound":        corp.Mint(map[string]any{"aud": github, "cnf": map[string]any{"jkt": "x"}}),
		"long":         strings.Repeat("a", 20<<10),
		"inner":        corp.Mint(map[string]any{"aud": github + "/Admin", "scope": "mcp:admin"}),
		"inner-narrow": corp.Mint(map[string]any{"aud": github + "/Admin", "scope": "mcp:use"}),
		"tenant":       corp.Mint(map[string]any{"aud": "https://a.tenants.example.com/mcp", "scope": "mcp:use"}),
	}}
}

// Fill puts tokens, and bodies of the size that {2MiB} says, in the place of their names.
func (c *Cast) Fill(r *HTTP) {
	fill := func(s string) string {
		for name, token := range c.Tokens {
			s = strings.ReplaceAll(s, "{"+name+"}", token)
		}
		return strings.ReplaceAll(s, "{2MiB}", strings.Repeat("x", 2<<20))
	}
	r.Path, r.Body = fill(r.Path), fill(r.Body)
	for i := range r.Header {
		r.Header[i][1] = fill(r.Header[i][1])
	}
}
