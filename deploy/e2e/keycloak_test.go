package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const keycloakVersion = "26.7.3"

// keycloakPatience is for one start of it: Java, on a machine that does much else.
const keycloakPatience = 5 * time.Minute

// keycloak is a real one, with a database of its own that outlives the process.
type keycloak struct {
	*process
	t              testing.TB
	folder, data   string
	port           string
	administrator  string // a token, for a minute
	base, loopback string // the same server by two names; tokens are of the one that it was asked by
}

// startKeycloak gets a Keycloak, once, and starts it on a fresh database.
func startKeycloak(t testing.TB) *keycloak {
	t.Helper()
	k := &keycloak{t: t, folder: keycloakFolder(t), data: t.TempDir(), port: portOf(freeAddr(t))}
	k.base, k.loopback = "http://localhost:"+k.port, "http://127.0.0.1:"+k.port
	write(t, filepath.Join(k.data, "db.mv.db"), read(t, filepath.Join(k.folder, "fresh.mv.db")))
	k.start()
	return k
}

// keycloakFolder is where it is installed.
func keycloakFolder(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cmd := exec.Command("bash", "keycloak/get-keycloak", keycloakVersion, cache(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("get-keycloak: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// start runs it, for the first time or again. Every commit is on disk before it is answered: SIGKILL takes nothing back.
func (k *keycloak) start() {
	k.t.Helper()
	began := time.Now()
	k.process = startIn(k.t, "keycloak", "", []string{"JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1"}, "bash", filepath.Join(k.folder, "bin/kc.sh"), "start", "--optimized", "--cache=local",
		"--http-enabled=true", "--http-host=127.0.0.1", "--http-port="+k.port, "--hostname-strict=false",
		"--db-url=jdbc:h2:file:"+filepath.Join(k.data, "db")+";NON_KEYWORDS=VALUE;WRITE_DELAY=0")
	within(k.t, keycloakPatience, "keycloak is ready", func() bool {
		return k.running() && answers(k.base+"/realms/master/.well-known/openid-configuration", http.StatusOK)
	})
	k.t.Logf("keycloak is ready after %.0f s", time.Since(began).Seconds())
}

// admin calls the admin REST API. A body that is nil is none.
func (k *keycloak) admin(method, path string, body any) []byte {
	k.t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		k.t.Fatal(err)
	}
	for range 2 {
		r, err := http.NewRequest(method, k.base+"/admin/realms"+path, bytes.NewReader(content))
		if err != nil {
			k.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+k.administrator)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			k.t.Fatal(err)
		}
		switch got := readAnswer(k.t, resp); {
		case got.status < 300:
			return []byte(got.body)
		case got.status == http.StatusUnauthorized: // no token yet, or an old one
			k.administrator = k.form("master", nil, "grant_type", "password", "client_id", "admin-cli", "username", "admin", "password", "admin").Access
		default:
			k.t.Fatalf("keycloak: %s %s: %d %s", method, path, got.status, got.body)
		}
	}
	k.t.Fatalf("keycloak: %s %s: its own administrator may not", method, path)
	return nil
}

// list reads an answer of the admin API.
func list[T any](t testing.TB, answer []byte) (all []T) {
	t.Helper()
	if err := json.Unmarshal(answer, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// keycloakRealm is what a realm is made of.
type keycloakRealm struct {
	Realm, DefaultScope, Registration object
	OptionalScopes, Clients, Users    []object
}

// realm makes one as docs/authorization-servers/keycloak.md tells, of the parts in keycloak/realm.json: a client scope for the
// permission, which a client must ask for, one for the audience alone, which every client has by default, and clients that register
// themselves where their redirects lead to the user's own machine.
func (k *keycloak) realm(name string, changes ...func(*keycloakRealm)) {
	k.t.Helper()
	var r keycloakRealm
	if err := json.Unmarshal([]byte(read(k.t, "keycloak/realm.json")), &r); err != nil {
		k.t.Fatal(err)
	}
	for _, change := range changes {
		change(&r)
	}
	r.Realm["realm"] = name
	k.admin("POST", "", r.Realm)
	k.clientScope(name, "default-default-client-scopes", r.DefaultScope)
	for _, scope := range r.OptionalScopes {
		k.clientScope(name, "default-optional-client-scopes", scope)
	}
	for _, c := range k.components(name, "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy") {
		if c["providerId"] == "trusted-hosts" {
			c["config"] = r.Registration
			k.admin("PUT", "/"+name+"/components/"+c["id"].(string), c)
		}
	}
	for _, c := range r.Clients {
		k.admin("POST", "/"+name+"/clients", c)
	}
	for _, u := range r.Users {
		k.admin("POST", "/"+name+"/users", u)
	}
}

// clientScope makes one, of the kind that clients have from then on.
func (k *keycloak) clientScope(realm, kind string, scope object) {
	k.t.Helper()
	k.admin("POST", "/"+realm+"/client-scopes", scope)
	for _, s := range list[struct{ ID, Name string }](k.t, k.admin("GET", "/"+realm+"/client-scopes", nil)) {
		if s.Name == scope["name"] {
			k.admin("PUT", "/"+realm+"/"+kind+"/"+s.ID, nil)
		}
	}
}

// components are those of a realm of one type: its keys, say.
func (k *keycloak) components(realm, kind string) []object {
	k.t.Helper()
	return list[object](k.t, k.admin("GET", "/"+realm+"/components?type="+kind, nil))
}

const keyProvider = "org.keycloak.keys.KeyProvider"

// keys are the ids of the components that hold a realm's RSA signing keys.
func (k *keycloak) keys(realm string) (ids []string) {
	k.t.Helper()
	for _, c := range k.components(realm, keyProvider) {
		if c["providerId"] == "rsa-generated" {
			ids = append(ids, c["id"].(string))
		}
	}
	return ids
}

// addKey gives a realm a new key, which signs from now on; the old ones stay published.
func (k *keycloak) addKey(realm string) {
	k.t.Helper()
	k.admin("POST", "/"+realm+"/components", object{"name": "new", "providerId": "rsa-generated", "providerType": keyProvider,
		"config": object{"priority": []string{"200"}}})
}

// form asks the token endpoint of a realm, by the server's first name.
func (k *keycloak) form(realm string, header http.Header, nameValue ...string) tokens {
	k.t.Helper()
	return askTokens(k.t, k.base+"/realms/"+realm+"/protocol/openid-connect/token", header, nameValue...)
}

// machine is a token of the client credentials grant, with what else is asked for.
func (k *keycloak) machine(client string, more ...string) string {
	k.t.Helper()
	return k.form("mcp", nil, append([]string{"grant_type", "client_credentials", "client_id", client, "client_secret", "secret"}, more...)...).Access
}

// useMCP asks for the optional scope.
var useMCP = []string{"scope", "mcp:use"}

// registered is a token of a person at a client that registers itself for a scope, as MCP clients do with the scope of the challenge.
// Keycloak asks the person for consent.
func (k *keycloak) registered(scope string) (client, token string) {
	k.t.Helper()
	const callback = "http://localhost/callback"
	body, err := json.Marshal(object{"redirect_uris": []string{callback}, "client_name": "registered", "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "scope": scope})
	if err != nil {
		k.t.Fatal(err)
	}
	resp, err := http.Post(k.base+"/realms/mcp/clients-registrations/openid-connect", "application/json", bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	a := readAnswer(k.t, resp)
	var got struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusCreated {
		k.t.Fatalf("keycloak registers nobody: %d %s", a.status, a.body)
	}
	oidc := k.base + "/realms/mcp/protocol/openid-connect"
	code, verifier := logIn(k.t, oidc+"/auth", got.ID, callback, scope, map[string]string{"username": "ada", "password": "secret", "accept": "Yes"})
	return got.ID, askTokens(k.t, oidc+"/token", nil, "grant_type", "authorization_code", "client_id", got.ID, "code", code,
		"redirect_uri", callback, "code_verifier", verifier).Access
}
