package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// interopServers are the authorization servers of the matrix.
var interopServers = []string{"dev-issuer", "oidc-provider", "keycloak", "oauth2-mock-server", "zitadel"}

// interopServer is one of them, as one case uses it.
type interopServer struct {
	issuer   string                                            // as clients know it, through the record
	declare  string                                            // its entry of authorizationServers, a YAML flow mapping; its name there is that of interopServers
	resource string                                            // what a resource declares more because of it, to go into its flow mapping: `` or `, audiences: [mcp]`
	scope    string                                            // a scope that every user may have there, for scopes.required
	further  string                                            // another one
	client   *preregistered                                    // nil: clients register by themselves
	form     map[string]string                                 // what the user fills into the forms of the login
	token    func(t testing.TB, resource, scope string) string // a token of a machine
	rotate   func(t testing.TB)                                // it signs with a new key from now on, the old one stays published; nil: it cannot
	withdraw func(t testing.TB)                                // the keys from before the last rotate are no longer published; nil with it
}

// preregistered is a client that the authorization server knows already. Secret "": a public one.
type preregistered struct{ ID, Secret string }

// The scopes that every server of the matrix knows.
const interopScope, interopFurther = "mcp:use", "mcp:admin"

// startInteropServer starts one, or the part of one, that nobody else uses. What clients ask of it goes through the record. resources
// are the identifiers that they will name; lifetime is that of access tokens, 0 for the server's own.
func startInteropServer(t testing.TB, name string, r *record, resources []string, lifetime time.Duration) *interopServer {
	t.Helper()
	start := map[string]func(testing.TB, *record, []string, time.Duration) *interopServer{
		"dev-issuer": interopDevIssuer, "oidc-provider": interopOIDCProvider, "keycloak": interopKeycloak,
		"oauth2-mock-server": interopMockServer, "zitadel": interopZitadel,
	}[name]
	if start == nil {
		t.Fatalf("no authorization server %q in the matrix", name)
	}
	s := start(t, r, resources, lifetime)
	s.declare = fmt.Sprintf("{name: %s, issuer: %q}", name, s.issuer)
	if s.scope == "" {
		s.scope, s.further = interopScope, interopFurther
	}
	return s
}

// interopServerVersion is the version that its pin says.
func interopServerVersion(t testing.TB, name string) string {
	t.Helper()
	switch name {
	case "dev-issuer":
		return "of this repository"
	case "keycloak":
		return keycloakVersion
	case "zitadel":
		return pinned(t, "zitadel/go.mod", `github.com/zitadel/oidc/v3 v(\S+)`)
	}
	return pinned(t, "node/"+name+"/package.json", `"`+name+`": "([^"]+)"`)
}

// pinned finds a version in a file.
func pinned(t testing.TB, file, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
	if found == nil {
		t.Fatalf("%s pins no version", file)
	}
	return found[1]
}

// interopDevIssuer names resources as they are asked for; every client may have every scope.
func interopDevIssuer(t testing.TB, r *record, _ []string, lifetime time.Duration) *interopServer {
	t.Helper()
	addr := freeAddr(t)
	s := &interopServer{issuer: r.before(t, "issuer", addr)}
	command := []string{bin + "/dev-issuer", "--listen", addr, "--issuer", s.issuer}
	if lifetime != 0 {
		command = append(command, "--token-lifetime", lifetime.String())
	}
	p := start(t, "dev-issuer", command...)
	eventually(t, "dev-issuer is ready", func() bool { return p.running() && answers("http://"+addr+"/jwks", http.StatusOK) })
	s.token = machine(s.issuer+"/token", "demo", "demo")
	s.rotatedBySignal(p, "http://"+addr+"/jwks")
	return s
}

// interopOIDCProvider gives a resource tokens if it knows it, and clients the scope that they registered for.
func interopOIDCProvider(t testing.TB, r *record, resources []string, lifetime time.Duration) *interopServer {
	t.Helper()
	addr := freeAddr(t)
	s := &interopServer{issuer: r.before(t, "issuer", addr)}
	p := startInteropNode(t, "oidc-provider", s.issuer, addr, lifetime, append([]string{"one"}, resources...)...)
	s.token = machine(s.issuer+"/token", "machine", "machine")
	s.rotatedBySignal(p, "http://"+addr+"/jwks")
	return s
}

// interopMockServer takes any client id; that it be a known one is a matter of the clients.
func interopMockServer(t testing.TB, r *record, _ []string, lifetime time.Duration) *interopServer {
	t.Helper()
	addr := freeAddr(t)
	s := &interopServer{issuer: r.before(t, "issuer", addr), client: &preregistered{ID: "mcp"}}
	startInteropNode(t, "oauth2-mock-server", s.issuer, addr, lifetime)
	s.token = machine(s.issuer+"/token", "machine", "machine")
	return s
}

// startInteropNode runs a server of node/ at an address, as an issuer with another one.
func startInteropNode(t testing.TB, folder, issuer, addr string, lifetime time.Duration, args ...string) *process {
	t.Helper()
	options := []string{"--issuer", issuer}
	if lifetime != 0 {
		options = append(options, "--lifetime", fmt.Sprint(int(lifetime.Seconds())))
	}
	command := slices.Concat([]string{"node", nodeFolder(t, folder) + "/server.mjs"}, options, []string{portOf(addr)}, args)
	p := start(t, folder, command...)
	eventually(t, folder+" is ready", func() bool { return p.running() && strings.Contains(string(p.out.bytes()), "ready\n") })
	return p
}

// interopZitadel has tokens for clients, not for resources; a client is native, so that any loopback port will do.
func interopZitadel(t testing.TB, r *record, _ []string, lifetime time.Duration) *interopServer {
	t.Helper()
	addr := freeAddr(t)
	s := &interopServer{
		issuer: r.before(t, "issuer", addr) + "/", client: &preregistered{ID: "mcp"}, resource: ", audiences: [mcp, sid1]",
		form: map[string]string{"username": "test-user@localhost", "password": "verysecure"},
	}
	command := []string{zitadelProgram(t), "--issuer", s.issuer}
	if lifetime != 0 {
		command = append(command, "--lifetime", lifetime.String())
	}
	p := start(t, "zitadel", append(command, portOf(addr))...)
	eventually(t, "zitadel is ready", func() bool { return p.running() && answers("http://"+addr+"/keys", http.StatusOK) })
	s.token = machine(s.issuer+"oauth/token", "sid1", "verysecret")
	s.rotatedBySignal(p, "http://"+addr+"/keys")
	return s
}

// unrecorded is what the harness asks for itself.
func unrecorded() http.Header { return http.Header{ofBrowser: {"1"}} }

// machine asks a token endpoint by the client credentials grant.
func machine(endpoint, id, secret string) func(testing.TB, string, string) string {
	return func(t testing.TB, resource, scope string) string {
		t.Helper()
		header := unrecorded()
		basic := &http.Request{Header: header}
		basic.SetBasicAuth(id, secret)
		form := []string{"grant_type", "client_credentials", "resource", resource}
		if scope != "" {
			form = append(form, "scope", scope)
		}
		token := askTokens(t, endpoint, header, form...).Access
		authztest.Guard(token)
		return token
	}
}

// rotatedBySignal: SIGHUP is a new key, and the end of those before the last.
func (s *interopServer) rotatedBySignal(p *process, jwks string) {
	s.rotate = func(t testing.TB) {
		t.Helper()
		before := kids(t, jwks)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, p.name+" has a new key", func() bool { return p.running() && !slices.Equal(before, kids(t, jwks)) })
	}
	s.withdraw = s.rotate
}

// kids are the ids of the keys that are published at a URL.
func kids(t testing.TB, jwks string) (ids []string) {
	t.Helper()
	r, err := http.NewRequest("GET", jwks, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = unrecorded()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if a := readAnswer(t, resp); json.Unmarshal([]byte(a.body), &set) != nil || len(set.Keys) == 0 {
		t.Fatalf("no keys at %s: %d %s", jwks, a.status, a.body)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}
