package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// interopKeycloak is a realm of its own at the one Keycloak of the suite, set up as docs/authorization-servers/keycloak.md says for all
// these resources. Its issuer is by the name that it is asked by, which is the record's.
func interopKeycloak(t testing.TB, r *record, resources []string, lifetime time.Duration) *interopServer {
	t.Helper()
	of := *shared(t, "keycloak", startKeycloak)
	k := &of
	k.t = t
	realm := "mcp-" + strings.ToLower(rand.Text())
	k.realm(realm, func(r *keycloakRealm) {
		if lifetime != 0 {
			r.Realm["accessTokenLifespan"] = int(lifetime.Seconds())
		}
		r.Realm["components"] = object{keyProvider: []object{realmKey(t, 100),
			{"name": "hmac", "providerId": "hmac-generated", "config": object{"priority": []string{"100"}, "algorithm": []string{"HS512"}}},
			{"name": "aes", "providerId": "aes-generated", "config": object{"priority": []string{"100"}}},
		}}
		r.Clients = r.Clients[:1] // the machine
		further := maps.Clone(r.OptionalScopes[0])
		further["name"] = interopFurther
		r.OptionalScopes = append(r.OptionalScopes, further)
		for _, scope := range append(r.OptionalScopes, r.DefaultScope) {
			scope["protocolMappers"] = audienceMappers(resources)
		}
	})
	t.Cleanup(func() { k.admin("DELETE", "/"+realm, nil) })

	s := &interopServer{
		issuer: r.before(t, "issuer", "127.0.0.1:"+k.port) + "/realms/" + realm,
		form:   map[string]string{"username": "ada", "password": "secret", "accept": "Yes"},
	}
	s.token = machine(s.issuer+"/protocol/openid-connect/token", "agent", "secret")
	keys := []object{}
	s.rotate = func(t testing.TB) {
		t.Helper()
		keys = k.components(realm, keyProvider)
		fresh := realmKey(t, 100*(1+len(keys)))
		fresh["providerType"] = keyProvider
		k.admin("POST", "/"+realm+"/components", fresh)
	}
	s.withdraw = func(t testing.TB) {
		t.Helper()
		for _, c := range keys {
			if c["providerId"] == "rsa" {
				k.admin("DELETE", "/"+realm+"/components/"+c["id"].(string), nil)
			}
		}
	}
	return s
}

// realmKey is a signing key; that of the highest priority signs. Keycloak takes seconds to make one.
func realmKey(t testing.TB, priority int) object {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return object{"name": fmt.Sprint("rsa ", priority), "providerId": "rsa",
		"config": object{"priority": []string{fmt.Sprint(priority)}, "privateKey": []string{base64.StdEncoding.EncodeToString(der)}}}
}

// audienceMappers put the resources into "aud": Keycloak ignores which of them a client asks for.
func audienceMappers(resources []string) (mappers []object) {
	for _, resource := range resources {
		config := object{"included.custom.audience": resource, "access.token.claim": "true", "id.token.claim": "false"}
		mappers = append(mappers, object{"name": resource, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": config})
	}
	return mappers
}
