package token_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// dialectVectors are tokens as products make them, shown where the declaration of the product's page counts. Their shapes are
// from the products' own pages, which are named; values are those of their examples, or like them.
func dialectVectors() []vector {
	return slices.Concat(entraVectors(), oktaVectors(), auth0Vectors(), cognitoVectors(), googleVectors(), kubernetesVectors())
}

// during are the times of a token made a minute ago, and good for an hour.
func during() object {
	now := time.Now()
	return object{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()}
}

func with(base object, over object) object {
	out := object{}
	for _, m := range []object{during(), base, over} {
		for name, v := range m {
			out[name] = v
		}
	}
	return out
}

const (
	entraTenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	entraServer = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
	entraClient = "75dbe77f-10a3-4e59-85fd-8c127544f17c"
	entraV1     = "https://sts.windows.net/" + entraTenant + "/"
	entraV2     = "https://login.microsoftonline.com/" + entraTenant + "/v2.0"
)

// entra are a user's tokens: Access token claims reference; Access tokens in the Microsoft identity platform.
func entra() (v1, v2 dialect) {
	common := object{
		"aud": entraServer, "nbf": time.Now().Add(-time.Minute).Unix(), "aio": "AXQAi/8IAAAAFm+E", "name": "Abe Lincoln", "rh": "0.AAA.",
		"oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": entraTenant,
		"uti": "fqiBqXLPj0eQa82S-IYFAA", "scp": "files.read mcp.use",
	}
	v1 = dialect{"entra 2", object{"typ": "JWT", "alg": "RS256", "x5t": kids["entra"], "kid": kids["entra"]}, with(common, object{
		"iss": entraV1, "ver": "1.0", "appid": entraClient, "appidacr": "0", "acr": "1", "amr": []string{"pwd", "mfa"},
		"idp": entraV1, "ipaddr": "192.0.2.7", "unique_name": "abeli@example.com",
	})}
	v2 = dialect{"entra 1", object{"typ": "JWT", "alg": "RS256", "kid": kids["entra"]}, with(common, object{
		"iss": entraV2, "ver": "2.0", "azp": entraClient, "azpacr": "0", "preferred_username": "abeli@example.com",
	})}
	return v1, v2
}

func entraVectors() []vector {
	v1, v2 := entra()
	own := "api://" + entraServer
	machine := object{"scp": authztest.Omit, "roles": []string{"https://" + host("entra", 11) + "/mcp/mcp.use"}, "idtyp": "app"}
	// An ID token (ID token claims reference) of a client that logs in with the server's own registration: the same "aud".
	idToken := func(changes object) edit {
		c := with(object{"scp": authztest.Omit, "azp": authztest.Omit, "azpacr": authztest.Omit}, changes)
		return v2.token(c)
	}
	return []vector{
		allow("B-14 Entra v2.0, a user", v2.token(nil)),
		allow("B-14 Entra v1.0, a user, the client id as audience", v1.token(nil)),
		allow("B-16 Entra v1.0, the Application ID URI as audience", v1.token(object{"aud": own})),
		allow("B-12 Entra v1.0, the resource as Application ID URI", v1.token(object{"aud": "https://" + host("entra", 2) + "/mcp"})),
		allow("B-19 Entra v2.0, nbf and iat of the same second", v2.token(object{"iat": time.Now().Unix(), "nbf": time.Now().Unix()})),
		deny("B-16 Entra v2.0, the api:// form, which is not declared", authz.TokenAudience, v2.token(object{"aud": own})),
		deny("B-12 Entra v2.0, another application's", authz.TokenAudience, v2.token(object{"aud": entraClient})),
		deny("B-10 Entra v1.0 where v2.0 is declared", authz.TokenIssuer, v1.at("entra 1").token(nil)),
		deny("B-10 Entra v2.0 where v1.0 is declared", authz.TokenIssuer, v2.at("entra 2").token(nil)),
		deny("B-10 Entra v1.0, the issuer without its slash", authz.TokenIssuer, v1.token(object{"iss": strings.TrimSuffix(entraV1, "/")})),
		deny("B-10 Entra v2.0, another tenant", authz.TokenIssuer, v2.token(object{
			"iss": strings.ReplaceAll(entraV2, entraTenant, "9188040d-6c67-4c5b-b112-36a304b66dad"), "tid": "9188040d-6c67-4c5b-b112-36a304b66dad",
		})),
		deny("B-10 Entra v2.0, the template of the tenant-independent document", authz.TokenIssuer,
			v2.token(object{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"})),
		deny("B-12 Entra, a token for Microsoft Graph", authz.TokenAudience,
			v1.headed(object{"nonce": "n"}).token(object{"aud": "00000003-0000-0000-c000-000000000000"})),
		deny("B-03 Entra, a token with a nonce in its header, signed over another header", authz.TokenSignature,
			v1.headed(object{"nonce": "n"}).token(nil), signature(overHashedNonce)),
		allow("B-39 Entra, an application: roles, no scp", v2.token(machine), checked(authz.InsufficientScope)),
		allow("B-22 Entra, an application where roles are the scopes", v2.at("entra applications").token(machine)),
		allow("B-22 Entra, a scope of another name", v2.token(object{"scp": "mcp.users"}), checked(authz.InsufficientScope)),
		deny("B-29 Entra ID token, the client's own registration", authz.TokenAudience, idToken(object{"aud": entraClient})),
		deny("B-29 Entra ID token, the server's registration, a nonce", authz.TokenKind, idToken(object{"nonce": "n"})),
		allow("B-29 Entra ID token, the server's registration: the scope alone tells", idToken(nil), checked(authz.InsufficientScope)),
	}
}

// overHashedNonce signs what is not sent: the header with its nonce hashed, as tokens for Microsoft Graph are.
func overHashedNonce(input []byte) []byte {
	header, rest, _ := strings.Cut(string(input), ".")
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		panic(err)
	}
	var h object
	if err := json.Unmarshal(raw, &h); err != nil {
		panic(err)
	}
	hash := sha256.Sum256([]byte(h["nonce"].(string)))
	h["nonce"] = base64.RawURLEncoding.EncodeToString(hash[:])
	digest := sha256.Sum256([]byte(base64.RawURLEncoding.EncodeToString(text(h)) + "." + rest))
	sig, err := rsa.SignPKCS1v15(nil, rsaKey().Private.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return sig
}

// okta is a user's token of a custom authorization server: OpenID Connect & OAuth 2.0 API, Access Token.
func okta() dialect {
	return dialect{"okta 1", object{"alg": "RS256", "kid": kids["okta"]}, with(nil, object{
		"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": "https://example.okta.com/oauth2/aus9o8wzkhckw9TLa0h7z",
		"aud": "https://" + host("okta", 1) + "/mcp", "sub": "john.doe@example.com", "cid": "nmdP1fcyvdVO11AL7ECm",
		"uid": "00ujmkLgagxeRrAg20g3", "scp": []string{"openid", "mcp:use"}, "auth_time": time.Now().Add(-time.Hour).Unix(),
	})}
}

func oktaVectors() []vector {
	d := okta()
	byDefault := object{"iss": "https://example.okta.com/oauth2/default", "aud": "api://default"}
	idToken := object{"cid": authztest.Omit, "scp": authztest.Omit, "at_hash": "cpqKfdQA5eH891Ff5oJr_Q", "amr": []string{"pwd"}, "idp": "00ok1u7AsAkrwdZL3z0g3"}
	return []vector{
		allow("B-12 Okta, a user", d.token(nil)),
		allow("B-39 Okta, a machine", d.token(object{"sub": "nmdP1fcyvdVO11AL7ECm", "uid": authztest.Omit, "auth_time": authztest.Omit, "scp": []string{"mcp:use"}})),
		allow("B-16 Okta, the default authorization server", d.at("okta 2").token(byDefault)),
		deny("B-10 Okta, the default authorization server where another is declared", authz.TokenIssuer, d.token(byDefault)),
		deny("B-10 Okta, the org authorization server", authz.TokenIssuer, d.token(object{"iss": "https://example.okta.com", "aud": "https://example.okta.com"})),
		deny("B-12 Okta, an authorization server of another audience", authz.TokenAudience, d.token(object{"aud": "api://default"})),
		allow("B-22 Okta, a scope that is not granted", d.token(object{"scp": []string{"openid", "mcp:use2"}}), checked(authz.InsufficientScope)),
		deny("B-29 Okta ID token", authz.TokenAudience, d.token(with(idToken, object{"aud": "nmdP1fcyvdVO11AL7ECm"}))),
		deny("B-29 Okta ID token whose audience would do", authz.TokenKind, d.token(idToken)),
	}
}

// auth0 are a user's tokens of both profiles: Access Token Profiles.
func auth0() (rfc9068, own dialect) {
	const issuer = "https://example.us.auth0.com/"
	common := object{"iss": issuer, "sub": "auth0|123456", "scope": "openid profile mcp:use"}
	audiences := func(n int) []string { return []string{"https://" + host("auth0", n) + "/mcp", issuer + "userinfo"} }
	rfc9068 = dialect{"auth0 1", object{"typ": "at+jwt", "alg": "RS256", "kid": kids["auth0"]}, with(common, object{
		"aud": audiences(1), "client_id": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "jti": "73WakrfVbNJBaAmhQtEeDv",
	})}
	own = dialect{"auth0 own profile", object{"typ": "JWT", "alg": "RS256", "kid": kids["auth0"]}, with(common, object{
		"aud": audiences(11), "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "org_id": "org_9ybsU1dN2dKfDkBi",
	})}
	return rfc9068, own
}

func auth0Vectors() []vector {
	d, own := auth0()
	alone := "https://" + host("auth0", 1) + "/mcp"
	rbac := object{"aud": "https://" + host("auth0", 12) + "/mcp", "permissions": []string{"create:foo", "mcp:use"}, "scope": "openid"}
	idToken := object{"scope": authztest.Omit, "azp": authztest.Omit, "nickname": "john", "sid": "s", "nonce": "n"}
	// An access token that is encrypted: five parts (JSON Web Encryption).
	encrypted := sent(func(string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)) + ".QQ.QQ.QQ.QQ"
	})
	return []vector{
		allow("B-14 Auth0, RFC 9068 profile, two audiences", d.token(nil)),
		allow("B-12 Auth0, RFC 9068 profile, one audience", d.token(object{"aud": alone, "scope": "mcp:use"})),
		allow("B-39 Auth0, RFC 9068 profile, a machine", d.token(object{"aud": alone, "scope": "mcp:use", "sub": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja@clients"})),
		allow("B-14 Auth0, its own profile, two audiences", own.token(nil)),
		allow("B-39 Auth0, its own profile, a machine", own.token(object{"gty": "client-credentials", "sub": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja@clients"})),
		deny("B-08 Auth0, its own profile where RFC 9068 is declared", authz.TokenType, own.at("auth0 1").token(nil)),
		allow("B-22 Auth0, permissions where they are the scopes", d.at("auth0 RBAC").token(rbac)),
		allow("B-22 Auth0, permissions where scope counts", d.token(with(rbac, object{"aud": alone})), checked(authz.InsufficientScope)),
		deny("B-10 Auth0, the issuer without its slash", authz.TokenIssuer, d.token(object{"iss": "https://example.us.auth0.com"})),
		deny("B-10 Auth0, a custom domain that is not declared", authz.TokenIssuer, d.token(object{"iss": "https://login.example.com/"})),
		deny("B-12 Auth0, a token for userinfo alone", authz.TokenAudience, d.token(object{"aud": "https://example.us.auth0.com/userinfo"})),
		deny("B-05 Auth0, an API that signs with HS256", authz.TokenAlgorithm,
			d.headed(object{"alg": "HS256", "kid": authztest.Omit}).token(nil), signature(authztest.HMAC([]byte("the secret of the API")))),
		deny("B-28 Auth0, an opaque token", authz.TokenMalformed, d.token(nil), sent(func(string) string { return "SlAV32hkKG-opaque-PmQ" })),
		deny("B-28 Auth0, an encrypted token", authz.TokenMalformed, d.token(nil), encrypted),
		deny("B-29 Auth0 ID token", authz.TokenAudience, own.token(with(idToken, object{"aud": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja"}))),
		deny("B-29 Auth0 ID token whose audience would do", authz.TokenKind, own.token(idToken)),
		deny("B-08 Auth0 ID token where RFC 9068 is declared", authz.TokenType, own.at("auth0 1").token(with(idToken, object{"aud": alone}))),
		deny("G-18 Auth0, a token bound by mutual TLS", authz.TokenBound, d.token(object{"cnf": object{"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}})),
	}
}

// cognito is a user's access token without and with resource binding: Understanding the access token.
func cognito() (bound, unbound dialect) {
	header := object{"kid": kids["cognito"], "alg": "RS256"}
	common := object{
		"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": []string{"admin"}, "token_use": "access", "version": 2,
		"auth_time": time.Now().Add(-time.Hour).Unix(), "iss": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_example",
		"origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
		"client_id": "57cbishk4j24pabc1234567890", "username": "janedoe@example.com",
	}
	resource := func(n int) string { return "https://" + host("cognito", n) + "/mcp" }
	bound = dialect{"cognito 1", header, with(common, object{"aud": resource(1), "scope": "openid " + resource(1) + "/use"})}
	unbound = dialect{"cognito 2", header, with(common, object{"aud": authztest.Omit, "scope": "openid " + resource(2) + "/use"})}
	return bound, unbound
}

func cognitoVectors() []vector {
	bound, unbound := cognito()
	idToken := object{
		"client_id": authztest.Omit, "scope": authztest.Omit, "username": authztest.Omit, "token_use": "id",
		"aud": "57cbishk4j24pabc1234567890", "cognito:username": "janedoe", "email": "janedoe@example.com", "email_verified": true,
	}
	return []vector{
		allow("B-12 Cognito, resource binding", bound.token(nil)),
		allow("B-13 Cognito, a client that is listed", unbound.token(nil)),
		allow("B-12 Cognito, resource binding where the client is listed", unbound.token(object{"aud": "https://" + host("cognito", 2) + "/mcp"})),
		allow("B-39 Cognito, a machine that is listed", unbound.token(object{"sub": "57cbishk4j24pabc1234567890", "username": authztest.Omit})),
		deny("B-13 Cognito, no aud where no client is listed", authz.TokenAudience, bound.token(object{"aud": authztest.Omit})),
		deny("B-13 Cognito, a client that is not listed", authz.TokenAudience, unbound.token(object{"client_id": "another"})),
		deny("B-12 Cognito, bound to another resource, the client listed", authz.TokenAudience, unbound.token(object{"aud": "https://other.example.com"})),
		deny("B-10 Cognito, another pool", authz.TokenIssuer, unbound.token(object{"iss": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_another"})),
		allow("B-22 Cognito, a login by the SDK", unbound.token(object{"scope": "aws.cognito.signin.user.admin"}), checked(authz.InsufficientScope)),
		deny("B-29 Cognito ID token, the client listed", authz.TokenAudience, unbound.token(idToken)),
		deny("B-29 Cognito ID token whose audience would do", authz.TokenKind, bound.token(with(idToken, object{"aud": "https://" + host("cognito", 1) + "/mcp"}))),
	}
}

// googleVectors show why the page tells not to declare Google (Token types; generateIdToken).
func googleVectors() []vector {
	d := dialect{"google", object{"alg": "RS256", "kid": kids["google"], "typ": "JWT"}, with(nil, object{
		"iss": "https://accounts.google.com", "azp": "32553540559.apps.googleusercontent.com", "aud": "https://" + host("google", 11) + "/mcp",
		"sub": "111260650121245072906", "email": "sa@project.iam.gserviceaccount.com", "email_verified": true,
	})}
	user := object{"aud": "32553540559.apps.googleusercontent.com", "hd": "example.com", "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "email": "user@example.com"}
	return []vector{
		deny("B-28 Google, an access token", authz.TokenMalformed, d.token(nil), sent(func(string) string { return "ya29.a0AfH6SMBx-opaque_Zz" })),
		deny("B-29 Google ID token of a user", authz.TokenAudience, d.token(user)),
		deny("B-29 Google ID token of a user whose audience would do", authz.TokenKind, d.token(with(user, object{"aud": "https://" + host("google", 11) + "/mcp"}))),
		allow("B-31 Google ID token of anybody's service account", d.token(nil), checked(authz.InsufficientScope)),
		allow("B-31 the same where no scope is required: it passes", d.at("google without a scope").token(object{"aud": "https://" + host("google", 12) + "/mcp"})),
		deny("B-31 the same where Google is not declared", authz.TokenIssuer, d.at("github").token(nil)),
	}
}

// kubernetes is a projected token of a ServiceAccount (Configure Service Accounts for Pods).
func kubernetes() dialect {
	return dialect{"kubernetes 1", object{"alg": "RS256", "kid": kids["kubernetes"]}, with(nil, object{
		"aud": []string{"https://" + host("kubernetes", 1) + "/mcp"}, "iss": "https://kubernetes.default.svc.cluster.local",
		"jti": "3b4d4d1a-3f4e-4d8b-9c1e-0a6b7c8d9e0f", "nbf": time.Now().Add(-time.Minute).Unix(), "sub": "system:serviceaccount:agents:agent",
		"kubernetes.io": object{
			"namespace": "agents", "node": object{"name": "node-1", "uid": "u"}, "pod": object{"name": "agent", "uid": "u"},
			"serviceaccount": object{"name": "agent", "uid": "u"},
		},
	})}
}

func kubernetesVectors() []vector {
	d := kubernetes()
	return []vector{
		allow("B-14 Kubernetes, a token for the resource", d.token(nil)),
		deny("B-12 Kubernetes, the token that every pod has", authz.TokenAudience, d.token(object{"aud": []string{"https://kubernetes.default.svc.cluster.local"}})),
		deny("B-10 Kubernetes, another cluster", authz.TokenIssuer, d.token(object{"iss": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"})),
		deny("B-10 Kubernetes, a token of a Secret, which never ends", authz.TokenIssuer, d.token(object{
			"iss": "kubernetes/serviceaccount", "aud": authztest.Omit, "exp": authztest.Omit,
		})),
	}
}

// TestDialectIdentities: I-11, J-04: what the server behind is told of whoever came with a product's token. A product that keeps the
// client's id in a claim of its own leaves x-mcp-client-id out, and the declaration of its page carries it in a header beside.
func TestDialectIdentities(t *testing.T) {
	w := newWorld(t)
	v1, v2 := entra()
	rfc9068, own := auth0()
	bound, _ := cognito()
	const id = authz.HeaderClientID
	for _, c := range []struct {
		name string
		dialect
		headers map[string]string // "": not there, and what the client sent is removed
	}{
		{"Entra v1.0", v1, map[string]string{id: "", "x-entra-client-id": entraClient, authz.HeaderScopes: "files.read mcp.use", authz.HeaderIssuer: entraV1}},
		{"Entra v2.0", v2, map[string]string{id: entraClient, authz.HeaderSubject: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ"}},
		{"Okta", okta(), map[string]string{id: "", "x-okta-client-id": "nmdP1fcyvdVO11AL7ECm", "x-okta-user-id": "00ujmkLgagxeRrAg20g3", authz.HeaderScopes: "openid mcp:use"}},
		{"Auth0, RFC 9068", rfc9068, map[string]string{id: "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", authz.HeaderSubject: "auth0|123456"}},
		{"Auth0, its own", own, map[string]string{id: "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja"}},
		{"Cognito", bound, map[string]string{id: "57cbishk4j24pabc1234567890"}},
	} {
		at, compact := newDraft(c.token(nil)).mint()
		v := w.check(t, at, compact, authztest.RawForm)
		judged(t, v, authz.Allowed)
		for header, want := range c.headers {
			got, set := v.Upstream(header)
			if got != want || set != (want != "") || !set && !slices.Contains(v.Remove, header) {
				t.Errorf("%s: %s is %q, want %q; removed: %v", c.name, header, got, want, v.Remove)
			}
		}
	}
}
