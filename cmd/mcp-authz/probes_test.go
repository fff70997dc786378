package main

import (
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

const checkService = "envoy.service.auth.v3.Authorization"

// Ready means: listening, configured, the keys asked for once. A hanging authorization server delays that; alive it is all
// the time, and it answers checks.
func TestReadyAfterTheFirstKeyFetch(t *testing.T) {
	issuer := authorizationServer(t)
	issuer.Fail(authztest.JWKS, authztest.Fault{Kind: authztest.Hang})
	p := start(t, anyPorts+corp(issuer)+github)
	if err := issuer.WaitFetches(t.Context(), authztest.JWKS, 1); err != nil {
		t.Fatal(err)
	}

	if status, detail := p.readyz(); status != http.StatusServiceUnavailable || detail["ready"] != false || detail["keysAttempted"] != false || detail["listening"] != true || detail["configured"] != true {
		t.Errorf("while the first fetch hangs: /readyz %d %v, want 503", status, detail)
	}
	for _, service := range []string{"", checkService} {
		if got := p.health(service); got != "NOT_SERVING" {
			t.Errorf("while the first fetch hangs: health of %q is %s", service, got)
		}
	}
	if status, body := get(t, "http://"+p.admin+"/livez"); status != 200 || body != "ok\n" {
		t.Errorf("/livez: %d %q", status, body)
	}
	wantRefused(t, "a check before it is ready", p.check(anonymous()), 401, "no_credential")

	issuer.Release()
	p.log.wait(t, "ready", 1)
	if status, detail := p.readyz(); status != 200 || detail["ready"] != true || detail["keysAttempted"] != true {
		t.Errorf("after the first fetch: /readyz %d %v, want 200", status, detail)
	}
	for _, service := range []string{"", checkService} {
		if got := p.health(service); got != "SERVING" {
			t.Errorf("after the first fetch: health of %q is %s", service, got)
		}
	}
}

// Readiness never depends on an authorization server being up: one tenant's must not take everybody's front away.
func TestReadyWithAnAuthorizationServerDown(t *testing.T) {
	up, down := authorizationServer(t), authorizationServer(t)
	down.FailAll(authztest.Fault{Kind: authztest.Refuse})
	p := start(t, anyPorts+corp(up)+"- { name: partner, issuer: \""+down.URL()+"\" }\n"+github)
	p.log.wait(t, "ready", 1)
	status, detail := p.readyz()
	want := []any{map[string]any{"name": "partner", "keys": 0.0, "cause": "no answer, or not in time"}}
	if diff := cmp.Diff(want, detail["failingAuthorizationServers"]); status != 200 || diff != "" {
		t.Errorf("/readyz %d, want 200; who fails (-want +got):\n%s", status, diff)
	}
	if got := p.health(""); got != "SERVING" {
		t.Errorf("health is %s", got)
	}
	for series, want := range map[string]string{
		metricKeysFailing + `{authorization_server="partner"}`: "1", metricKeys + `{authorization_server="partner"}`: "0", metricKeysFetched + `{authorization_server="partner"}`: "0",
		metricKeysFailing + `{authorization_server="corp"}`: "0", metricKeys + `{authorization_server="corp"}`: "1",
	} {
		if got := p.metric(series); got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
}

// Draining: not ready for those who ask, alive and serving for those who still come, also on new connections.
func TestDrainingServesOn(t *testing.T) {
	issuer := authorizationServer(t)
	p := start(t, ports+"drainDelay: 5m\n"+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	p.signal(syscall.SIGTERM)
	p.log.wait(t, "draining", 1)
	eventually(t, "health to say NOT_SERVING", func() bool { return p.health("") == "NOT_SERVING" && p.health(checkService) == "NOT_SERVING" })
	if status, detail := p.readyz(); status != http.StatusServiceUnavailable || detail["draining"] != true {
		t.Errorf("draining: /readyz %d %v, want 503", status, detail)
	}
	if status, _ := get(t, "http://"+p.admin+"/livez"); status != 200 {
		t.Errorf("draining: /livez %d", status)
	}
	wantAllowed(t, "while draining", p.check(with(good(issuer))))
	if status, _ := get(t, "http://"+p.metadata+"/"); status != 404 {
		t.Errorf("draining: metadata listener answers %d, want its 404", status)
	}

	p.signal(syscall.SIGTERM) // the second one
	if code := p.exit(); code != -1 {
		t.Errorf("after a second signal: exit %d, want an end by the signal, at once", code)
	}
}

// The admin listener has probes and metrics, and nothing else.
func TestAdminPaths(t *testing.T) {
	p := start(t, anyPorts+"resources: []\n")
	for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/": 404, "/debug/pprof/": 404, "/.well-known/oauth-protected-resource": 404} {
		if status, _ := get(t, "http://"+p.admin+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	// And the metadata listener has neither.
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if status, _ := get(t, "http://"+p.metadata+path); status != 404 {
			t.Errorf("metadata listener, %s: %d, want 404", path, status)
		}
	}
	// "OPTIONS *" is not for net/http to answer.
	for what, addr := range map[string]string{"metadata": p.metadata, "admin": p.admin} {
		req := (&http.Request{Method: http.MethodOptions, URL: &url.URL{Scheme: "http", Host: addr, Opaque: "*"}}).WithContext(t.Context())
		if status, _ := do(t, req); status != 400 {
			t.Errorf("%s listener, OPTIONS *: %d, want 400", what, status)
		}
	}
}
