package token_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// dialect is a product's usual access token for one of the declarations on its page, docs/authorization-servers/PAGE.md.
type dialect struct {
	place          string
	header, claims object
}

// token is the usual one with changes over its claims.
func (d dialect) token(changes object) edit {
	return func(t *draft) {
		t.at, t.Header, t.Claims = d.place, maps.Clone(d.header), maps.Clone(d.claims)
		maps.Copy(t.Claims, changes)
	}
}

// at is the same token, shown where another declaration counts.
func (d dialect) at(place string) dialect {
	d.place = place
	return d
}

// headed is the same token with changes over its header.
func (d dialect) headed(changes object) dialect {
	d.header = maps.Clone(d.header)
	maps.Copy(d.header, changes)
	return d
}

// host is that of the resource in the n-th declaration of a page. The pages all say mcp.example.com.
func host(page string, n int) string { return fmt.Sprintf("%s-%d.example.com", page, n) }

// declaration is the n-th of a page, as it stands there but for the host of its resource.
func declaration(page string, n int) string {
	wanted := n
	text, err := os.ReadFile("../../docs/authorization-servers/" + page + ".md")
	if err != nil {
		panic(err)
	}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(block[1], "authorizationServers:") {
			continue
		}
		if n--; n == 0 {
			return strings.ReplaceAll(block[1], "mcp.example.com", host(page, wanted))
		}
	}
	panic(fmt.Sprintf("%s.md has no declaration %d", page, wanted))
}

// dialectPlaces are the declarations of the pages, word for word, as "PAGE N", and what the pages say of changing the first of
// them. Of the key set that each would fetch there is a copy, in the product's own shape.
var dialectPlaces = sync.OnceValue(func() map[string]place {
	all := map[string]place{}
	for page, declarations := range map[string]int{"entra": 2, "okta": 2, "auth0": 1, "cognito": 2, "kubernetes": 1} {
		for n := 1; n <= declarations; n++ {
			all[fmt.Sprint(page, " ", n)] = declared(declaration(page, n), productKeys(page))
		}
	}
	for name, c := range map[string]struct {
		page  string
		n     int         // makes the resource another one
		edits [][2]string // old, new
	}{
		"entra applications":     {"entra", 11, [][2]string{{"name: entra\n", "name: entra\n  scopeClaim: roles\n"}}},
		"auth0 own profile":      {"auth0", 11, [][2]string{{"accessTokenType: at+jwt", "accessTokenType: any"}}},
		"auth0 RBAC":             {"auth0", 12, [][2]string{{"accessTokenType: at+jwt", "scopeClaim: permissions"}}},
		"google":                 {"google", 11, [][2]string{{"https://idp.example.com/realms/mcp", "https://accounts.google.com"}}},
		"google without a scope": {"google", 12, [][2]string{{"https://idp.example.com/realms/mcp", "https://accounts.google.com"}, {`required: ["mcp:use"]`, ""}}},
	} {
		text := strings.ReplaceAll(declaration(c.page, 1), host(c.page, 1), host(c.page, c.n))
		for _, e := range c.edits {
			if !strings.Contains(text, e[0]) {
				panic(fmt.Sprintf("%s.md no longer says %s", c.page, e[0]))
			}
			text = strings.ReplaceAll(text, e[0], e[1])
		}
		all[name] = declared(text, productKeys(c.page))
	}
	return all
})

// declared compiles a configuration file of one resource.
func declared(text string, keys []byte) place {
	f, problems := spec.Load([]byte(text))
	if len(problems) > 0 || len(f.Resources) != 1 {
		panic(fmt.Sprint(text, problems))
	}
	r := f.Resources[0]
	p := place{id: r.Resource, audiences: r.Audiences, required: r.Scopes.Required, implies: r.Scopes.Implies}
	for name, claim := range r.IdentityHeaders {
		p.headers = append(p.headers, authz.IdentityHeader{Name: name, Claim: claim})
	}
	for _, s := range f.AuthorizationServers {
		p.issuers = append(p.issuers, token.Config{
			Name: s.Name, Issuer: s.Issuer, JWKSURL: s.JWKSURL, JWKS: keys, Algorithms: s.Algorithms, RequireATJWT: s.AccessTokenType == "at+jwt",
			ScopeClaim: s.ScopeClaim, InsecureClientIDAudience: s.InsecureClientIDAudience, Leeway: time.Duration(s.Leeway), CacheEntries: 100,
		})
	}
	return p
}

// kids are key ids as the products write them. The key itself is always the same.
var kids = map[string]string{
	"entra": "jS1Xo1OWDj_52vbwGNgvQO2VzMc", "okta": "45js03w0djwedsw", "auth0": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg",
	"cognito": "1234example=", "google": "c8ab71530972bba20b49f78a09c9852c43ff9118", "kubernetes": "Dd3r9tIMu0xR3yKGWzTlEZLwyvWs2vHX7n2eqa_dZ9g",
}

// productKeys is a key set with the members that a product writes, and a second key that signs nothing here.
func productKeys(page string) []byte {
	members := map[string]object{
		// Access tokens in the Microsoft identity platform: no "alg"; a certificate; whose tokens the key is for.
		"entra": {"x5t": kids["entra"], "x5c": certificate(), "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
		"okta":  {"alg": "RS256", "status": "ACTIVE"},
		// JSON Web Key Set Properties.
		"auth0":      {"alg": "RS256", "x5t": kids["auth0"], "x5c": certificate()},
		"cognito":    {"alg": "RS256"}, // Verifying a JSON Web Token
		"google":     {"alg": "RS256"},
		"kubernetes": {"alg": "RS256"},
	}[page]
	return keySet(named(kids[page], rsaKey()).JWK(members), nextKey().JWK(members))
}

// nextKey is published before it signs.
var nextKey = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("next", 2048) })

// certificate is what stands in "x5c", which is not looked at: here not even one.
func certificate() []string {
	return []string{base64.StdEncoding.EncodeToString([]byte("no certificate"))}
}
