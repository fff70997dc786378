package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// byHand logs in at a server as clients of MCP do, request by request.
type byHand struct {
	t        testing.TB
	metadata struct {
		Issuer        string
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Registration  string   `json:"registration_endpoint"`
		Keys          string   `json:"jwks_uri"`
		Methods       []string `json:"code_challenge_methods_supported"`
		Scopes        []string `json:"scopes_supported"`
		SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported"`
	}
	client preregistered
}

const handCallback = "http://127.0.0.1:8765/callback"

// send sends a request that is on record, and reads the answer into an object, if it is one.
func (h *byHand) send(r *http.Request, err error, into any) answer {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	a := readAnswer(h.t, resp)
	if a.status < 300 && into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			h.t.Fatalf("%s: %v in %s", r.URL, err, a.body)
		}
	}
	return a
}

// discover looks for the metadata where the specification says, RFC 8414's first.
func (h *byHand) discover(issuer string) {
	h.t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		h.t.Fatal(err)
	}
	path := strings.TrimSuffix(u.Path, "/")
	for _, at := range []string{"/.well-known/oauth-authorization-server" + path, "/.well-known/openid-configuration" + path, path + "/.well-known/openid-configuration"} {
		r, err := http.NewRequest("GET", "http://"+u.Host+at, nil)
		if a := h.send(r, err, &h.metadata); a.status == http.StatusOK {
			break
		}
	}
	if m := h.metadata; m.Issuer != issuer || !slices.Contains(m.Methods, "S256") || !strings.HasPrefix(m.Authorization, "http://"+u.Host+"/") || !strings.HasPrefix(m.Token, "http://"+u.Host+"/") {
		h.t.Fatalf("the metadata of %s: %+v", issuer, m)
	}
}

// register registers the client, for scopes and with all that MCP clients are known to send.
func (h *byHand) register(scope string) {
	h.t.Helper()
	if a := h.registers(scope, nil); a.status != http.StatusCreated || h.client.ID == "" {
		h.t.Fatalf("the registration: %d %s", a.status, a.body)
	}
}

// registers asks for it, with some of it changed.
func (h *byHand) registers(scope string, changes object) answer {
	h.t.Helper()
	metadata := object{
		"redirect_uris": []string{handCallback}, "client_name": "by hand", "client_uri": "https://github.com/modelcontextprotocol", "software_id": "4e7d", "software_version": "1.0.0",
		"token_endpoint_auth_method": "none", "application_type": "native", "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "scope": scope,
	}
	maps.Copy(metadata, changes)
	body, err := json.Marshal(metadata)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", h.metadata.Registration, bytes.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	var got struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	a := h.send(r, err, &got)
	h.client = preregistered{got.ID, got.Secret}
	return a
}

// logIn has the user log in, and returns the code and its verifier.
func (h *byHand) logIn(browser, resource, scope string) (code, verifier string) {
	h.t.Helper()
	verifier = rand.Text() + rand.Text()
	back := h.visits(browser, resource, scope, verifier)
	if back.Get("code") == "" {
		h.t.Fatalf("the login ends with %s", back)
	}
	return back.Get("code"), verifier
}

// visits sends the user to log in, and returns what comes back to the client.
func (h *byHand) visits(browser, resource, scope, verifier string) url.Values {
	h.t.Helper()
	digest := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {h.client.ID}, "redirect_uri": {handCallback}, "state": {"a state"}, "resource": {resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
	}
	if scope != "" {
		query.Set("scope", scope)
	}
	r, err := http.NewRequest("GET", browser+"?visit="+url.QueryEscape(h.metadata.Authorization+"?"+query.Encode()), nil)
	a := h.send(r, err, nil)
	back, err := url.Parse(a.body)
	if a.status != http.StatusOK || err != nil || !strings.HasPrefix(a.body, handCallback+"?") {
		h.t.Fatalf("the login: %d %s, %v", a.status, a.body, err)
	}
	got := back.Query()
	if got.Get("state") != "a state" || h.metadata.SaysIssuer && got.Get("iss") != h.metadata.Issuer {
		h.t.Fatalf("the login ends with %s", back)
	}
	return got
}

// tokens asks the token endpoint.
func (h *byHand) tokens(nameValue ...string) (got tokens) {
	h.t.Helper()
	form := url.Values{"client_id": {h.client.ID}}
	for i := 0; i < len(nameValue); i += 2 {
		form.Set(nameValue[i], nameValue[i+1])
	}
	r, err := http.NewRequest("POST", h.metadata.Token, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if a := h.send(r, err, &got); a.status != http.StatusOK || got.Access == "" {
		h.t.Fatalf("the token endpoint: %d %s", a.status, a.body)
	}
	authztest.Guard(got.Access)
	return got
}
