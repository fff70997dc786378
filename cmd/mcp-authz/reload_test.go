package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

const (
	applied  = "configuration applied"
	rejected = "the configuration is not good; the last good one stays in force"
	unread   = "the configuration cannot be read; the last good one stays in force"
)

// github with a scope that the tokens of these tests lack.
var githubWithScope = strings.Replace(github, "authorizationServers:", "scopes: { required: [\"mcp:use\"] }, authorizationServers:", 1)

// Every way in which a file can change is noticed, and what it says counts from then on.
func TestReloadIsNoticed(t *testing.T) {
	issuer := authorizationServer(t)
	before, after := anyPorts+corp(issuer)+github, anyPorts+corp(issuer)+githubWithScope
	for _, c := range []struct {
		what    string
		prepare func(t *testing.T) string // makes the file
		change  func(t *testing.T, p *process)
	}{
		{"written in place", nil, func(t *testing.T, p *process) {
			if err := os.WriteFile(p.file, []byte(after), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"renamed over", nil, func(_ *testing.T, p *process) { p.write(after) }},
		{"removed and made anew", nil, func(t *testing.T, p *process) {
			if err := os.Remove(p.file); err != nil {
				t.Fatal(err)
			}
			p.log.wait(t, unread, 1)
			p.write(after)
		}},
		{"swapped by Kubernetes", func(t *testing.T) string {
			mount := t.TempDir()
			configMap(t, mount, "1", before)
			if err := os.Symlink("..data/config.yaml", filepath.Join(mount, "config.yaml")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(mount, "config.yaml")
		}, func(t *testing.T, p *process) { configMap(t, filepath.Dir(p.file), "2", after) }},
		{"SIGHUP, of a file that another folder holds", func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "config.yaml") // a change behind the link raises no event here
			if err := os.Symlink(file(t, before), link); err != nil {
				t.Fatal(err)
			}
			return link
		}, func(t *testing.T, p *process) {
			target, err := os.Readlink(p.file)
			if err != nil {
				t.Fatal(err)
			}
			replace(t, target, after)
			p.signal(syscall.SIGHUP)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			name := file(t, before)
			if c.prepare != nil {
				name = c.prepare(t)
			}
			p := startFile(t, name)
			p.log.wait(t, "ready", 1)
			wantAllowed(t, "before", p.check(with(good(issuer))))
			c.change(t, p)
			p.log.wait(t, applied, 1)
			wantRefused(t, "after", p.check(with(good(issuer))), 403, "insufficient_scope")
		})
	}
}

// configMap does what the kubelet does with a mounted ConfigMap: a new folder, then ..data is renamed over to it.
func configMap(t *testing.T, mount, version, config string) {
	t.Helper()
	dir := filepath.Join(mount, ".."+version)
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600)
	}
	if err == nil {
		err = os.Symlink(".."+version, filepath.Join(mount, "..data_tmp"))
	}
	if err == nil {
		err = os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A bad change is told by log, metric and /readyz, and the last good one stays; then a good one makes all well again.
func TestBadChange(t *testing.T) {
	issuer := authorizationServer(t)
	config := anyPorts + corp(issuer) + github
	p := start(t, config)
	p.log.wait(t, "ready", 1)
	state := func(what string, fine bool) {
		t.Helper()
		status, detail := p.readyz()
		if status != 200 || detail["lastConfigurationRejected"] == fine {
			t.Errorf("%s: /readyz %d %v, want 200 and lastConfigurationRejected %v", what, status, detail, !fine)
		}
		if want := map[bool]string{true: "1", false: "0"}[fine]; p.metric(metricConfigGood) != want {
			t.Errorf("%s: %s is %s, want %s", what, metricConfigGood, p.metric(metricConfigGood), want)
		}
		wantAllowed(t, what, p.check(with(good(issuer))))
	}
	state("at the start", true)
	if p.metric(metricConfigResource) != "1" || p.metric(metricConfigTime) == "" {
		t.Errorf("resources %s, applied at %s", p.metric(metricConfigResource), p.metric(metricConfigTime))
	}

	p.write(threeMistakes)
	if n := p.log.wait(t, rejected, 1)["problems"]; n != 3.0 {
		t.Errorf("%v problems counted, want 3", n)
	}
	keys := []string{}
	for _, line := range p.log.all("configuration problem") {
		keys = append(keys, line["key"].(string))
		if line["level"] != "ERROR" || line["found"] == "" || line["expected"] == "" || line["line"] == 0.0 {
			t.Errorf("a problem without its details: %v", line)
		}
	}
	if got := strings.Join(keys, " "); got != "drainDelay authorizationServers[0].issuer resources[0].resource" {
		t.Errorf("problems of %q in the log, want all three", got)
	}
	state("after a bad change", false)

	p.signal(syscall.SIGHUP) // asked again: the same content is not complained of again, but still bad
	p.write("")
	p.log.wait(t, rejected, 2)
	state("after an empty file", false)

	p.write(anyPorts + uselessKeys + github)
	p.log.wait(t, rejected, 3)
	state("D-07 after keys of no use", false)

	if err := os.Remove(p.file); err != nil {
		t.Fatal(err)
	}
	p.log.wait(t, unread, 1)
	state("after the file was removed", false)

	p.write(config) // what is in force anyway
	p.log.wait(t, applied, 1)
	state("with the first file again", true)
	if n := len(p.log.all(rejected)); n != 3 {
		t.Errorf("3 bad files, %d complaints", n)
	}
}

// A changed listen, or a limit that the listeners were made with, needs a restart and says so; the rest applies.
func TestChangedListen(t *testing.T) {
	const told = "listen, kubernetes, limits.messageBytes, limits.cacheEntries or limits.cacheBytes changed; restart to apply them, everything else is in force"
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	n := 0
	for what, config := range map[string]string{
		"listen.metadata":     strings.Replace(anyPorts, "metadata: 127.0.0.1:0", "metadata: \"[::1]:0\"", 1),
		"listen.grpcTLS":      strings.Replace(anyPorts, "admin:", "grpcTLS: { certFile: /no/cert.pem, keyFile: /no/key.pem }, admin:", 1),
		"limits.messageBytes": anyPorts + "limits: { messageBytes: 8388608 }\n",
		"limits.cacheEntries": anyPorts + "limits: { cacheEntries: 10 }\n",
	} {
		p.write(config + corp(issuer) + githubWithScope)
		if n++; p.log.wait(t, told, n)["level"] != "WARN" {
			t.Errorf("%s: not a warning", what)
		}
		wantRefused(t, what+" and a scope", p.check(with(good(issuer))), 403, "insufficient_scope")
	}
	p.write(anyPorts + corp(issuer) + github)
	p.log.wait(t, applied, n+1)
	wantAllowed(t, "as at the start", p.check(with(good(issuer))))
	if got := len(p.log.all(told)); got != n {
		t.Errorf("told %d times, want %d", got, n)
	}
}

// Keys of an authorization server whose declaration does not change survive a reload, whatever becomes of the others: none
// is fetched, although by now none could be.
func TestKeysSurviveAReload(t *testing.T) {
	issuer, partner := authorizationServer(t), authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	issuer.FailAll(authztest.Fault{Kind: authztest.Refuse})
	fetches := issuer.Fetches(authztest.JWKS) + issuer.Fetches(authztest.OAuthMetadata)

	withPartner := corp(issuer) + "- { name: partner, issuer: \"" + partner.URL() + "\" }\n"
	for i, config := range []string{
		anyPorts + corp(issuer) + strings.Replace(github, "name: github", "name: renamed", 1),
		anyPorts + withPartner + github,
		anyPorts + corp(issuer) + github,
		anyPorts + "limits: { cacheEntries: 7 }\n" + corp(issuer) + github,
	} {
		p.write(config)
		p.log.wait(t, applied, i+1)
		wantAllowed(t, "D-09 after a reload in an outage", p.check(with(good(issuer))))
	}
	if n := issuer.Fetches(authztest.JWKS) + issuer.Fetches(authztest.OAuthMetadata); n != fetches {
		t.Errorf("%d fetches for reloads that did not touch the authorization server", n-fetches)
	}

	// A changed declaration is another trust: it begins without keys.
	p.write(anyPorts + strings.Replace(corp(issuer), "name: corp,", "name: corp, leeway: 1s,", 1) + github)
	p.log.wait(t, applied, 5)
	wantRefused(t, "A-23 a new declaration in an outage", p.check(with(good(issuer))), 503, "keys_unavailable")
}

// Tokens that were verified, and remembered, end with the trust that verified them; the document follows at once.
func TestTrustEndsWithItsDeclaration(t *testing.T) {
	one, other := authorizationServer(t), authorizationServer(t)
	p := start(t, anyPorts+corp(one)+github)
	p.log.wait(t, "ready", 1)
	token := good(one)
	for range 2 {
		wantAllowed(t, "remembered", p.check(with(token)))
	}
	p.write(anyPorts + corp(other) + github)
	p.log.wait(t, applied, 1)
	wantRefused(t, "B-37 a token of the issuer that was dropped", p.check(with(token)), 401, "token_issuer")
	wantAllowed(t, "a token of the new one", p.check(with(good(other))))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.metadata+"/.well-known/oauth-protected-resource/github/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "mcp.example.com"
	if _, body := do(t, req); !strings.Contains(body, other.URL()) || strings.Contains(body, one.URL()) {
		t.Errorf("C-21 the document after the change: %s", body)
	}
}
