package main

import (
	"crypto/elliptic"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// down is an authorization server that is not there yet. up makes it.
type down struct {
	*authztest.Issuer
	t    *testing.T
	addr string
	free func() // gives the address up
}

// refusing is one whose address refuses connections: a socket has it, and does not listen.
func refusing(t *testing.T) *down {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	return newDown(t, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), func() { syscall.Close(fd) })
}

// hanging is one that takes connections and says nothing on them, until it is up: then they break.
func hanging(t *testing.T) *down {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var taken sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	taken.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
	})
	return newDown(t, l.Addr().String(), func() {
		l.Close()
		taken.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			conn.Close()
		}
	})
}

func newDown(t *testing.T, addr string, free func()) *down {
	d := &down{
		Issuer: authztest.NewIssuerWithKey("http://"+addr, authztest.GenerateEC("key-1", elliptic.P256())),
		t:      t, addr: addr, free: sync.OnceFunc(free),
	}
	t.Cleanup(d.free)
	return d
}

func (d *down) up() {
	d.t.Helper()
	d.free()
	stop, err := d.Listen(d.addr)
	must(d.t, err)
	d.t.Cleanup(stop)
}

// tenants are resources of which each trusts one authorization server, all with their name.
func tenants(servers map[string]*authztest.Issuer) string {
	var declared, resources strings.Builder
	for _, name := range sorted(servers) {
		fmt.Fprintf(&declared, "- { name: %s, issuer: %q }\n", name, servers[name].URL())
		fmt.Fprintf(&resources, "- { name: %[1]s, resource: \"https://mcp.example.com/%[1]s\", authorizationServers: [%[1]s] }\n", name)
	}
	return "authorizationServers:\n" + declared.String() + "resources:\n" + resources.String()
}

func sorted[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tenant is a call for the resource of one of them; token "" is none.
func tenant(name, token string) authztest.HTTP {
	r := anonymous()
	if token != "" {
		r = with(token)
	}
	r.Path = "/" + name
	return r
}

func tenantToken(name string, i *authztest.Issuer, claims map[string]any) string {
	return i.Mint(merged(map[string]any{"aud": "https://mcp.example.com/" + name}, claims))
}

// A-23, D-09: it starts with every authorization server down, one refusing and one hanging. It becomes ready; who has no token
// is told where to get one, and the documents are there; a token that needs keys gets a 503, and one that needs none its 401.
// When they come up everything works, without a restart and by the first fetch that reaches them.
func TestStartWithEveryAuthorizationServerDown(t *testing.T) {
	servers := map[string]*down{"refusing": refusing(t), "hanging": hanging(t)}
	issuers := map[string]*authztest.Issuer{}
	for name, d := range servers {
		issuers[name] = d.Issuer
	}
	began := time.Now()
	p := start(t, anyPorts+tenants(issuers))
	down := func(when string) {
		for name, i := range issuers {
			v := p.check(tenant(name, ""))
			wantRefused(t, when+", no token, "+name, v, 401, "no_credential")
			if want := `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/` + name + `"`; v.Get("www-authenticate") != want {
				t.Errorf("%s, no token, %s: %q, want %q", when, name, v.Get("www-authenticate"), want)
			}
			p.wantDocument(when, name, i.URL())
			v = p.check(tenant(name, tenantToken(name, i, nil)))
			wantRefused(t, when+", a good token, "+name, v, 503, "keys_unavailable")
			if v.Get("retry-after") != "5" || v.Get("www-authenticate") != "" {
				t.Errorf("A-23 %s, a good token, %s: the 503 must say when to come again, and must not start a login: %v", when, name, v)
			}
			wantRefused(t, when+", an expired token, "+name, p.check(tenant(name, tenantToken(name, i, map[string]any{"exp": 1}))), 401, "token_expired")
		}
	}
	down("before it is ready")
	p.log.wait(t, "ready", 1)
	t.Logf("ready after %v", time.Since(began))
	down("ready")
	status, detail := p.readyz()
	if failing, _ := detail["failingAuthorizationServers"].([]any); status != 200 || len(failing) != len(servers) {
		t.Errorf("/readyz %d %v, want 200 and both as failing", status, detail)
	}
	if got := p.health(checkService); got != "SERVING" {
		t.Errorf("health is %s", got)
	}

	for _, d := range servers {
		d.up()
	}
	began = time.Now()
	for name, d := range servers {
		eventually(t, "tokens of "+name+" to pass", func() bool { return p.check(tenant(name, tenantToken(name, d.Issuer, nil))).Allowed })
		t.Logf("%s: recovered after %v", name, time.Since(began))
		if n := d.Fetches(authztest.JWKS); n != 1 {
			t.Errorf("%s: %d fetches of keys, want the first one to do", name, n)
		}
	}
	p.log.wait(t, "keys of an authorization server are there", len(servers))
	if _, detail := p.readyz(); len(detail["failingAuthorizationServers"].([]any)) != 0 {
		t.Errorf("/readyz %v, want none as failing", detail)
	}
}

// wantDocument fetches the metadata document of a tenant's resource.
func (p *process) wantDocument(when, name, server string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.metadata+"/.well-known/oauth-protected-resource/"+name, nil)
	must(p.t, err)
	req.Host = "mcp.example.com"
	if status, body := do(p.t, req); status != 200 || !strings.Contains(body, server) {
		p.t.Errorf("%s, the document of %s: %d %s", when, name, status, body)
	}
}

// One tenant's dead authorization server is his own trouble: the process stays ready, and another's tokens are verified and
// pass while calls for the dead ones go on without a pause, whether they refuse or hang, and whether they were declared at the
// start or came by a reload.
func TestOneTenantsDeadAuthorizationServer(t *testing.T) {
	up := authorizationServer(t)
	servers := map[string]*authztest.Issuer{"up": up}
	const limits = "limits: { checkDeadline: 200ms }\nlog: { decisions: none }\n"
	p := start(t, anyPorts+limits+tenants(servers))
	p.log.wait(t, "ready", 1)
	calls := newTraffic(t)
	defer calls.end()

	var mu sync.Mutex
	var took []time.Duration
	good := func() error {
		began := time.Now() // of a token that no cache knows
		conn := p.dial(insecure.NewCredentials())
		defer conn.Close()
		v, err := checkOver(t.Context(), conn, tenant("up", tenantToken("up", up, nil)))
		if err == nil && !v.Allowed {
			err = fmt.Errorf("%d %s", v.Status, v.Reason)
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(began))
		return err
	}
	median := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(took)
		m := took[len(took)/2]
		took = nil
		return m
	}
	for range 50 {
		must(t, good())
	}
	alone := median()

	for name, d := range map[string]*down{"refusing": refusing(t), "hanging": hanging(t)} {
		servers[name] = d.Issuer
	}
	p.write(anyPorts + limits + tenants(servers))
	p.log.wait(t, applied, 1)
	for name, i := range servers {
		if name == "up" {
			continue
		}
		for range 3 {
			conn := p.dial(insecure.NewCredentials())
			calls.caller("a token of the server that is "+name, func() error {
				v, err := checkOver(t.Context(), conn, tenant(name, tenantToken(name, i, nil)))
				if err == nil && (v.Status != 503 || v.Reason != "keys_unavailable") {
					err = fmt.Errorf("%d %s, want 503 keys_unavailable", v.Status, v.Reason)
				}
				return err
			})
		}
	}
	calls.caller("the probes", func() error {
		if status, detail := p.readyz(); status != 200 || p.health("") != "SERVING" {
			return fmt.Errorf("/readyz %d %v", status, detail)
		}
		return nil
	})
	p.log.wait(t, "keys of an authorization server could not be refreshed", 3)
	calls.pass("the declaration of the dead ones")
	for range 50 {
		must(t, good())
	}
	calls.pass("fifty good tokens")
	calls.end()
	t.Logf("median of a good token: %v alone, %v beside the dead ones", alone, median())

	again := startFile(t, file(t, anyPorts+limits+tenants(servers)))
	again.log.wait(t, "ready", 1)
	wantAllowed(t, "after a start beside dead ones", again.check(tenant("up", tenantToken("up", up, nil))))
}
