package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The resource of every page, and one that is none of ours.
const (
	declaredResource = "https://mcp.example.com/mcp"
	otherResource    = "https://other.example.com/mcp"
)

// nodeServer is an authorization server of node/: a program of two lines around somebody else's library.
type nodeServer struct {
	*process
	t              testing.TB
	folder, issuer string
	args           []string // after the port
}

func startNodeServer(t testing.TB, folder string, args ...string) *nodeServer {
	t.Helper()
	s := &nodeServer{t: t, folder: folder, issuer: "http://localhost:" + portOf(freeAddr(t)), args: args}
	s.start()
	return s
}

// start runs it, for the first time or again at the same address. Its keys are new ones each time.
func (s *nodeServer) start() {
	s.t.Helper()
	command := append([]string{"node", nodeFolder(s.t, s.folder) + "/server.mjs", s.issuer[strings.LastIndexByte(s.issuer, ':')+1:]}, s.args...)
	s.process = start(s.t, s.folder, command...)
	eventually(s.t, s.folder+" is ready", func() bool { return s.running() && strings.Contains(string(s.out.bytes()), "ready\n") })
}

// machine asks for a token without a user; with the resource "" it names none.
func (s *nodeServer) machine(resource, scope string) string {
	s.t.Helper()
	form := []string{"grant_type", "client_credentials", "scope", scope}
	if resource != "" {
		form = append(form, "resource", resource)
	}
	basic, err := http.NewRequest("POST", s.issuer, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	basic.SetBasicAuth("machine", "machine")
	return askTokens(s.t, s.issuer+"/token", basic.Header, form...).Access
}

// user logs in, as the client "app" with PKCE (RFC 7636 appendix B). nonce may be ""; more is for the token endpoint alone.
func (s *nodeServer) user(endpoint, resource, nonce string, more ...string) tokens {
	s.t.Helper()
	const callback = "http://127.0.0.1:8765/callback"
	query := url.Values{
		"client_id": {"app"}, "response_type": {"code"}, "scope": {"openid mcp:use"}, "redirect_uri": {callback}, "state": {"s"},
		"resource": {resource}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	if nonce != "" {
		query.Set("nonce", nonce)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(s.issuer + endpoint + "?" + query.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	answered := readAnswer(s.t, resp)
	back, err := url.Parse(answered.header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), callback) || back.Query().Get("code") == "" {
		s.t.Fatalf("the login ends with %d at %s: %s", answered.status, back, answered.body)
	}
	return askTokens(s.t, s.issuer+"/token", nil, append([]string{
		"grant_type", "authorization_code", "client_id", "app", "code", back.Query().Get("code"), "redirect_uri", callback,
		"resource", resource, "code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	}, more...)...)
}

// expect shows a token and compares the verdict.
func (p *protected) expect(t testing.TB, what, token string, status int, reason string) verdict {
	t.Helper()
	v := p.judge(t, token)
	if v.status != status || v.reason != reason {
		t.Errorf("%s: %d %s, want %d %s", what, v.status, v.reason, status, reason)
	}
	return v
}

// rotated shows a token of the key that the server has since a restart, until it passes. Before that nobody may call it bad: the
// only other answer is that the key is not known yet. From then on the key before it counts no longer (D-08).
func (p *protected) rotated(t testing.TB, fresh, withdrawn string) {
	t.Helper()
	eventually(t, "the new key counts", func() bool {
		v := p.judge(t, fresh)
		if v.reason != "allowed" && v.reason != "keys_unavailable" {
			t.Fatalf("a good token of a new key: %d %s", v.status, v.reason)
		}
		return v.reason == "allowed"
	})
	// Its token is so young that the server could still publish the key: 503 until that is settled.
	if v := p.judge(t, withdrawn); v.reason != "keys_unavailable" && v.reason != "token_key_unknown" {
		t.Errorf("a token of a key that was withdrawn: %d %s", v.status, v.reason)
	}
}

// TestOIDCProvider: B-08, B-12, B-22, B-28, B-29, C-09, D-01, D-08: tokens that oidc-provider makes, judged by the declaration of its
// page through a real Envoy, and by the same without accessTokenType. It names the resource in "aud" as RFC 8707 has it.
func TestOIDCProvider(t *testing.T) {
	s := startNodeServer(t, "oidc-provider", "one", declaredResource, otherResource)
	issuer := edit{"https://idp.example.com", s.issuer}
	anyType := edit{"accessTokenType: at+jwt", "accessTokenType: any"}
	strict, lax := protect(t, declared(t, "oidc-provider.md", issuer)), protect(t, declared(t, "oidc-provider.md", issuer, anyType))
	// Whoever takes the client for an audience takes its ID tokens, but for their kind.
	named := protect(t, declared(t, "oidc-provider.md", issuer, anyType, edit{"authorizationServers: [op]", "authorizationServers: [op]\n  audiences: [app]"}))

	alice, machine := s.user("/auth", declaredResource, "n"), s.machine(declaredResource, "mcp:use")
	if header, claims := part(t, alice.Access, 0), part(t, alice.Access, 1); header["typ"] != "at+jwt" || header["alg"] != "ES256" ||
		claims["aud"] != declaredResource || claims["client_id"] != "app" || claims["scope"] != "mcp:use" || claims["iss"] != s.issuer {
		t.Errorf("its access tokens are no longer as the page says: %v %v", header, claims)
	}
	for name, c := range map[string]struct {
		token              string
		status             int
		strict, lax, named string
	}{
		"a user's token":         {alice.Access, 200, "allowed", "allowed", "allowed"},
		"a machine's token":      {machine, 200, "allowed", "allowed", "allowed"},
		"without a resource":     {s.machine("", "mcp:use"), 401, "token_malformed", "token_malformed", "token_malformed"},
		"for another resource":   {s.machine(otherResource, "mcp:use"), 401, "token_audience", "token_audience", "token_audience"},
		"without the scope":      {s.machine(declaredResource, ""), 403, "insufficient_scope", "insufficient_scope", "insufficient_scope"},
		"the user's ID token":    {alice.ID, 401, "token_type", "token_audience", "token_kind"},
		"with another signature": {machine[:len(machine)-8] + "AAAAAAAA", 401, "token_signature", "token_signature", "token_signature"},
	} {
		strict.expect(t, name, c.token, c.status, c.strict)
		lax.expect(t, name+", any type", c.token, c.status, c.lax)
		named.expect(t, name+", the client as audience", c.token, c.status, c.named)
	}
	up := strict.expect(t, "alice", alice.Access, 200, "allowed").upstream
	for header, want := range map[string]string{"X-Mcp-Subject": "alice", "X-Mcp-Client-Id": "app", "X-Mcp-Scopes": "mcp:use", "X-Mcp-Issuer": s.issuer, "Authorization": ""} {
		if got := up.Get(header); got != want {
			t.Errorf("the upstream got %s: %q, want %q", header, got, want)
		}
	}

	s.kill()
	strict.expect(t, "the server is down", alice.Access, 200, "allowed") // D-09
	s.args[0] = "two"
	s.start()
	strict.rotated(t, s.machine(declaredResource, "mcp:use"), alice.Access)
}

// TestOIDCProviderLogin: a client that knows nothing but a URL logs in at oidc-provider, by the declaration of its page, and calls the
// tools of an unmodified mcp-proxy: C-08, C-09, A-19 (it asks for the scope of the challenge) and RFC 8707 (it names the resource).
func TestOIDCProviderLogin(t *testing.T) {
	addr := freeAddr(t)
	origin := "http://localhost:" + portOf(addr)
	s := startNodeServer(t, "oidc-provider", "one", origin+"/mcp")
	front := serve(t, declared(t, "oidc-provider.md", edit{"https://idp.example.com", s.issuer}, edit{"https://mcp.example.com", origin}))
	startEnvoy(t, newest, envoyFile(t, front.grpc, mcpProxy(t, "5.12.5", stateless...), listensOn(addr)))
	if got, err := client(t, "client-typescript-v1.mjs", origin+"/mcp"); err != nil || got != used+`,"registered":true,"scope":"mcp:use"}` {
		t.Errorf("the client says %s, %v", got, err)
	}
}

// TestOAuth2MockServer: B-08, B-13, B-19, B-23, B-29, D-02, D-08: tokens that oauth2-mock-server makes, judged by the declaration of its
// page: typ JWT, nbf in the past, no aud unless its hook puts one in; OpenID Connect's document is the only one.
func TestOAuth2MockServer(t *testing.T) {
	s := startNodeServer(t, "oauth2-mock-server")
	if answers(s.issuer+"/.well-known/oauth-authorization-server", http.StatusOK) {
		t.Error("it has an RFC 8414 document now; the page says it has none")
	}
	p := protect(t, declared(t, "oauth2-mock-server.md", edit{"http://localhost:8085", s.issuer}))
	good, bare := s.machine(declaredResource, "mcp:use"), s.machine("", "mcp:use")
	header, claims := part(t, good, 0), part(t, good, 1)
	if header["typ"] != "JWT" || claims["aud"] != declaredResource || claims["nbf"].(float64) >= claims["iat"].(float64) {
		t.Errorf("its access tokens are no longer as the page says: %v %v", header, claims)
	}
	if _, there := part(t, bare, 1)["aud"]; there {
		t.Error("without the hook there is an audience now; the page says there is none")
	}
	johndoe := s.user("/authorize", declaredResource, "")
	for name, c := range map[string]struct {
		token  string
		status int
		reason string
	}{
		"through the hook":    {good, 200, "allowed"},
		"a user's":            {s.user("/authorize", declaredResource, "", "scope", "mcp:use").Access, 200, "allowed"},
		"no audience":         {bare, 401, "token_audience"},
		"another resource":    {s.machine(otherResource, "mcp:use"), 401, "token_audience"},
		"another scope":       {s.machine(declaredResource, "mcp"), 403, "insufficient_scope"},
		"a user's, no scope":  {johndoe.Access, 403, "insufficient_scope"}, // "dummy", whatever was asked for at the login
		"the user's ID token": {johndoe.ID, 401, "token_audience"},
	} {
		p.expect(t, name, c.token, c.status, c.reason)
	}
	up := p.expect(t, "through the hook", good, 200, "allowed").upstream
	if up.Get("X-Mcp-Scopes") != "mcp:use" || len(up.Values("X-Mcp-Subject"))+len(up.Values("X-Mcp-Client-Id")) != 0 {
		t.Errorf("the upstream got %v", up)
	}

	s.kill()
	s.start()
	p.rotated(t, s.machine(declaredResource, "mcp:use"), good)
}
