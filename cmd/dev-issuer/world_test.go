package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

const (
	loopbackURI = "http://127.0.0.1/callback"
	github      = "https://mcp.example.com/github/mcp"
	slack       = "https://mcp.example.com/slack/mcp"
	verifier    = "a-verifier-of-forty-three-characters-or-more"
)

// world is a running dev-issuer and a client that does not follow redirects.
type world struct {
	*testing.T
	url      string
	server   *server
	verifier *token.Verifier
}

func newWorld(t *testing.T) world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	issuing := newServer(url, time.Hour)
	server.Config.Handler = issuing
	server.Start()
	t.Cleanup(server.Close)

	return world{t, url, issuing, newVerifier(t, url)}
}

// newVerifier judges tokens as mcp-authz does it, keys found by discovery.
func newVerifier(t *testing.T, url string) *token.Verifier {
	t.Helper()
	issuer, err := token.NewIssuer(token.Config{Name: "dev", Issuer: url, Leeway: time.Second, RefreshInterval: time.Hour, MaxStaleness: time.Hour, CacheEntries: 10, RequireATJWT: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { issuer.Run(ctx); close(ended) }()
	t.Cleanup(func() { end(); <-ended })
	<-issuer.Attempted()
	return token.NewVerifier(issuer)
}

// answer is an HTTP answer, its JSON decoded.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

func (w world) do(method, path, contentType, body string, header ...string) answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			w.Fatalf("%v in %s", err, raw)
		}
	}
	return a
}

// register registers a client.
func (w world) register(metadata string) answer {
	w.Helper()
	return w.do(http.MethodPost, "/register", "application/json", metadata)
}

// public registers a public client with a loopback redirect URI and returns its id.
func (w world) public() string {
	w.Helper()
	a := w.register(`{"client_name": "test", "redirect_uris": ["` + loopbackURI + `"]}`)
	if a.status != http.StatusCreated {
		w.Fatal(a)
	}
	return a.text("client_id")
}

// form makes parameters of pairs; a pair with an empty value takes the name away.
func form(base url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for name, values := range base {
		out[name] = values
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		} else if pairs[i] == "resource" {
			out.Add("resource", pairs[i+1])
		} else {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return out
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorize asks the authorization endpoint; pairs change the usual request. The answer's query is that of the redirect.
func (w world) authorize(client string, pairs ...string) (status int, to *url.URL) {
	w.Helper()
	q := form(url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {loopbackURI}, "state": {"state-1"}, "scope": {"mcp:use repo:read"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}, pairs...)
	a := w.do(http.MethodGet, "/authorize?"+q.Encode(), "", "")
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		w.Fatal(err)
	}
	return a.status, to
}

// code is a fresh authorization code.
func (w world) code(client string, pairs ...string) string {
	w.Helper()
	status, to := w.authorize(client, pairs...)
	if status != http.StatusFound || to.Query().Get("code") == "" {
		w.Fatalf("no code: %d %v", status, to)
	}
	return to.Query().Get("code")
}

// redeem exchanges a code; pairs change the usual request.
func (w world) redeem(client, code string, pairs ...string) answer {
	w.Helper()
	return w.token(form(url.Values{
		"grant_type": {grantCode}, "client_id": {client}, "code": {code}, "redirect_uri": {loopbackURI}, "code_verifier": {verifier},
	}, pairs...))
}

func (w world) token(f url.Values, header ...string) answer {
	w.Helper()
	return w.do(http.MethodPost, "/token", "application/x-www-form-urlencoded", f.Encode(), header...)
}

// accepted reports what an access token says to a resource, and whether it takes it.
func (w world) accepted(a answer, resource string) (authz.Claims, bool) {
	w.Helper()
	if a.status != http.StatusOK || a.text("token_type") != "Bearer" {
		w.Fatalf("no token: %d %v", a.status, a.body)
	}
	claims, err := w.verifier.Verify(a.text("access_token"), authz.Expectation{Resource: resource}, time.Now())
	if err != nil && !errors.Is(err, authz.TokenAudience) {
		w.Errorf("the token is refused for another reason than its audience: %v", err)
	}
	return claims, err == nil
}

// refused fails unless an answer is an OAuth error (RFC 6749 §5.2), and gave nothing away.
func (w world) refused(what string, a answer, status int, code string) {
	w.Helper()
	if a.status != status || a.text("error") != code || a.text("error_description") == "" || a.body["access_token"] != nil {
		w.Errorf("%s: %d %v, want %d %s", what, a.status, a.body, status, code)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		w.Errorf("%s: may be stored", what)
	}
}
