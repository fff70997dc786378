package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// RFC 8414: where MCP clients look, with all that they need.
func TestMetadata(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{authztest.OAuthMetadata, authztest.OpenIDMetadata} {
		a := w.do(http.MethodGet, path, "", "")
		if a.status != 200 || a.text("issuer") != w.url {
			t.Fatalf("%s: %v", path, a)
		}
		for name, want := range map[string]string{"authorization_endpoint": "/authorize", "token_endpoint": "/token", "registration_endpoint": "/register", "jwks_uri": "/jwks"} {
			if a.text(name) != w.url+want {
				t.Errorf("%s: %s is %q", path, name, a.text(name))
			}
		}
		if a.body["authorization_response_iss_parameter_supported"] != true {
			t.Errorf("%s: no iss parameter promised", path)
		}
		for name, want := range map[string]string{"code_challenge_methods_supported": "S256", "response_types_supported": "code", "grant_types_supported": grantClient} {
			list, _ := a.body[name].([]any)
			found := false
			for _, v := range list {
				found = found || v == want
			}
			if !found {
				t.Errorf("%s: %s is %v", path, name, list)
			}
		}
	}
	if keys, _ := w.do(http.MethodGet, "/jwks", "", "").body["keys"].([]any); len(keys) != 1 || keys[0].(map[string]any)["d"] != nil {
		t.Errorf("keys: %v", keys)
	}
	if a := w.do(http.MethodGet, "/token", "", ""); a.status != http.StatusNotFound {
		t.Errorf("GET of the token endpoint: %d", a.status)
	}
}

// An issuer with a path has its endpoints below it and its metadata where RFC 8414 §3 wants it.
func TestIssuerWithAPath(t *testing.T) {
	h := newServer("http://127.0.0.1:9000/realms/dev", time.Hour)
	for _, path := range []string{"/.well-known/oauth-authorization-server/realms/dev", "/.well-known/openid-configuration/realms/dev", "/realms/dev/.well-known/openid-configuration", "/realms/dev/jwks"} {
		if code := serve(h, http.MethodGet, path); code != 200 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code := serve(h, http.MethodGet, "/realms/dev/authorize"); code != 400 {
		t.Errorf("authorize: %d", code)
	}
}

func serve(h http.Handler, method, path string) int {
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(method, path, nil))
	return r.Code
}

// Pages of any origin may use it: it is for development.
func TestCORS(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/token", "/register", authztest.OAuthMetadata, "/jwks"} {
		a := w.do(http.MethodOptions, path, "", "", "Origin", "http://localhost:6274", "Access-Control-Request-Method", "POST")
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "authorization") {
			t.Errorf("preflight of %s: %d %v", path, a.status, a.header)
		}
		if a := w.do(http.MethodGet, path, "", ""); a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s cannot be read by a page", path)
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: with credentials", path)
		}
	}
}

// It signs in whoever asks, so nobody on another machine may ask.
func TestListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1.example.com:0", "[::ffff:192.0.2.1]:0", "9000", ""} {
		if err := run(t.Context(), []string{"--listen", addr}, os.Stdout); err == nil || !strings.Contains(err.Error(), `--listen "`+addr+`"`) {
			t.Errorf("%q: %v, want a refusal that names it", addr, err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := run(t.Context(), []string{"--listen", taken.Addr().String()}, os.Stdout); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("an address in use: %v", err)
	}
}

func TestRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0"}, w)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil || !strings.Contains(line, "FOR DEVELOPMENT ONLY") {
		t.Fatalf("%q, %v", line, err)
	}
	_, issuer, _ := strings.Cut(line, "issuer ")
	issuer, _, _ = strings.Cut(issuer, " ")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+authztest.OAuthMetadata, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"issuer":"`+issuer+`"`) {
		t.Errorf("%s, %v", body, err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// No part of it, nor of the test kit, is in the product's binary.
func TestNotInTheProduct(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/mcp-authz/mcp-authz/cmd/mcp-authz").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d dependencies", len(deps))
	}
	for _, d := range deps {
		if strings.HasSuffix(d, "/dev-issuer") || strings.HasSuffix(d, "/authztest") {
			t.Errorf("the product depends on %s", d)
		}
	}
}

// What is remembered is bounded, and ends.
func TestStore(t *testing.T) {
	s := newStore()
	soon, past := grant{Expires: time.Now().Add(time.Hour)}, grant{Expires: time.Now().Add(-time.Second)}
	for n := range maxGrants - 1 {
		s.codes[strconv.Itoa(n)] = soon
	}
	s.codes["old"] = past
	name, err := s.put(s.codes, soon)
	if err != nil {
		t.Errorf("what expired must make room: %v", err)
	}
	if _, err := s.put(s.codes, soon); err == nil {
		t.Error("codes without end")
	}
	for _, want := range []bool{true, false} {
		if _, ok := s.take(s.codes, name); ok != want {
			t.Errorf("taken: %v, want %v", ok, want)
		}
	}
	s.codes["late"] = past
	if _, ok := s.take(s.codes, "late"); ok {
		t.Error("took an expired code")
	}
	for n := range maxClients {
		s.clients[strconv.Itoa(n)] = client{}
	}
	if s.addClient(client{ID: "one more"}) == nil {
		t.Error("clients without end")
	}
}
