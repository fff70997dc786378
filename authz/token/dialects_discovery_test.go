package token_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestDialectDiscovery: D-01, D-02, D-03, D-13: by the declaration of its page alone, the keys of each product are found where it
// publishes them, and its tokens pass. What lies where is from the products' pages and from documents that people have shown; where
// the RFC 8414 place would be, some answer 404 and some with a page for people.
func TestDialectDiscovery(t *testing.T) {
	const (
		oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
		microsoft     = "https://login.microsoftonline.com"
		sts           = "https://sts.windows.net"
		okta0         = "https://example.okta.com"
		auth00        = "https://example.us.auth0.com"
		pool          = "/us-west-2_example"
		amazon        = "https://cognito-idp.us-west-2.amazonaws.com"
		tenant, as    = "/" + entraTenant, "/oauth2/aus9o8wzkhckw9TLa0h7z"
	)
	v1, v2 := entra()
	rfc9068, _ := auth0()
	bound, _ := cognito()
	page := found{mediaType: "text/html;charset=utf-8", body: "<!DOCTYPE html><title>Sign in</title>"}
	escaped := func(d found) found { d.body = strings.ReplaceAll(d.body, "/", `\/`); return d }
	for _, c := range []struct {
		name string
		dialect
		product   string
		issuer    string // instead of the page's
		documents map[string]found
		keys      string   // where they are
		asked     []string // before the keys
		cause     string
	}{
		{"Entra v2.0", v2, "entra", "", map[string]found{
			microsoft + tenant + "/v2.0" + openid: metadataOf(entraV2, microsoft+tenant+"/discovery/v2.0/keys"),
		}, microsoft + tenant + "/discovery/v2.0/keys", []string{
			microsoft + oauth + tenant + "/v2.0", microsoft + openid + tenant + "/v2.0", microsoft + tenant + "/v2.0" + openid,
		}, ""},
		{"Entra v1.0: issuer and keys at two origins", v1, "entra", "", map[string]found{
			sts + tenant + openid: escaped(metadataOf(entraV1, "https://login.windows.net/common/discovery/keys")),
		}, "https://login.windows.net/common/discovery/keys", []string{sts + oauth + tenant, sts + openid + tenant, sts + tenant + openid}, ""},
		{"Entra, independent of tenants: a document that names no issuer", v2, "entra", microsoft + "/common/v2.0", map[string]found{
			microsoft + "/common/v2.0" + openid: metadataOf(microsoft+"/{tenantid}/v2.0", microsoft+"/common/discovery/v2.0/keys"),
		}, microsoft + "/common/discovery/v2.0/keys", []string{
			microsoft + oauth + "/common/v2.0", microsoft + openid + "/common/v2.0", microsoft + "/common/v2.0" + openid,
		}, "a metadata document of another issuer"},
		{"Entra v1.0 at the address of v2.0: a document of another issuer", v1, "entra", microsoft + tenant, map[string]found{
			microsoft + tenant + openid: metadataOf(entraV1, microsoft+tenant+"/discovery/keys"),
		}, microsoft + tenant + "/discovery/keys", []string{microsoft + oauth + tenant, microsoft + openid + tenant, microsoft + tenant + openid},
			"a metadata document of another issuer"},
		{"Okta: pages for people where nothing is", okta(), "okta", "", map[string]found{
			okta0 + oauth + as: page, okta0 + openid + as: page, okta0 + as + openid: metadataOf(okta0+as, okta0+as+"/v1/keys"),
		}, okta0 + as + "/v1/keys", []string{okta0 + oauth + as, okta0 + openid + as, okta0 + as + openid}, ""},
		{"Okta: the org server's document is not taken for it", okta(), "okta", "", map[string]found{
			okta0 + oauth + as: metadataOf(okta0, okta0+"/oauth2/v1/keys"), okta0 + as + openid: metadataOf(okta0+as, okta0+as+"/v1/keys"),
		}, okta0 + as + "/v1/keys", []string{okta0 + oauth + as, okta0 + openid + as, okta0 + as + openid}, ""},
		{"Auth0", rfc9068, "auth0", "", map[string]found{
			auth00 + oauth: metadataOf(auth00+"/", auth00+"/.well-known/jwks.json"),
		}, auth00 + "/.well-known/jwks.json", []string{auth00 + oauth}, ""},
		{"Cognito", bound, "cognito", "", map[string]found{
			amazon + oauth + pool:  {status: 400, body: `{"message":"Invalid request"}`},
			amazon + openid + pool: {status: 400, body: `{"message":"Invalid request"}`},
			amazon + pool + openid: metadataOf(amazon+pool, amazon+pool+"/.well-known/jwks.json"),
		}, amazon + pool + "/.well-known/jwks.json", []string{amazon + oauth + pool, amazon + openid + pool, amazon + pool + openid}, ""},
		{"Kubernetes: the address of the keys is declared", kubernetes(), "kubernetes", "", nil, "https://kubernetes.default.svc/openid/v1/jwks", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, logged := &site{documents: c.documents}, &buffer{}
				if s.documents == nil {
					s.documents = map[string]found{}
				}
				s.documents[c.keys] = found{mediaType: "application/jwk-set+json", body: string(productKeys(c.product))}
				p := places()[c.place]
				config := p.issuers[0]
				config.JWKS, config.RefreshInterval, config.MaxStaleness = nil, time.Hour, 2*time.Hour
				config.Transport, config.Log = s, slog.New(slog.NewJSONHandler(logged, nil))
				want, asked := authz.Allowed, append(slices.Clone(c.asked), c.keys)
				if c.issuer != "" {
					config.Issuer = c.issuer
				}
				if c.cause != "" {
					want, asked = authz.TokenIssuer, c.asked // what says "common" names no issuer of tokens
				}
				i := run(t, config)
				<-i.Attempted()
				s.mu.Lock()
				got := slices.Clone(s.asked)
				s.mu.Unlock()
				if diff := cmp.Diff(asked, got); diff != "" {
					t.Errorf("asked for (-want +got):\n%s", diff)
				}
				if status := i.Status(); status.Failing != (c.cause != "") || c.cause == "" && status.Keys != 2 {
					t.Errorf("%+v", status)
				}
				if c.cause != "" && !strings.Contains(logged.String(), `"cause":"`+c.cause+`"`) {
					t.Errorf("the log does not say why: %s", logged)
				}
				// The token is made within the bubble, whose clock stands in the year 2000.
				d := newDraft(c.token(during()), func(d *draft) {
					if _, there := d.Claims["nbf"]; there {
						d.Claims["nbf"] = d.Claims["iat"]
					}
				})
				_, compact := d.mint()
				server := newServer(t, resource(t, "tools", p, token.NewVerifier(i)))
				judged(t, checkAt(t, server, p.id, compact, authztest.RawForm), want)
			})
		})
	}
}
