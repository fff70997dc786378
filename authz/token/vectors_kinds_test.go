package token_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// kindVectors are tokens of corp that are no access tokens, all signed well and, where nothing else is said, with the resource
// in "aud": nothing but their kind tells them.
func kindVectors() []vector {
	const r = "https://mcp.example.com/github/mcp"
	jwt, typless := header("typ", "JWT"), header("typ", authztest.Omit)
	other := func(name string, edits ...edit) vector { return deny(name, authz.TokenKind, edits...) }
	// An ID token of a product: its audience is the client and, by misfortune, the resource.
	idToken := func(product string, claims object) vector {
		edits := []edit{typless, audience([]string{"client-1", r}), without("client_id"), without("jti")}
		for name, v := range claims {
			edits = append(edits, claim(name, v))
		}
		return other("B-29 ID token of "+product, edits...)
	}
	bound := func(name string, v any, edits ...edit) vector {
		return deny(name, authz.TokenBound, slices.Concat([]edit{claim("cnf", v)}, edits)...)
	}
	return []vector{
		other("B-29 nonce", jwt, claim("nonce", "n")),
		other("B-29 nonce, no typ", typless, claim("nonce", "n")),
		other("B-29 an empty nonce", jwt, claim("nonce", "")),
		other("B-29 at_hash", jwt, claim("at_hash", "h")),
		other("B-29 c_hash", jwt, claim("c_hash", "h")),
		allow("B-29 nonce in a token that says at+jwt", claim("nonce", "n")),
		allow("B-29 nonce in a token that says Bearer", jwt, claim("nonce", "n"), claim("typ", "Bearer")),
		deny("B-29 ID token whose audience is the client alone", authz.TokenAudience, jwt, audience("client-1"), claim("nonce", "n")),
		idToken("Keycloak", object{"typ": "ID", "azp": "client-1", "sid": "s", "acr": "1"}),
		idToken("Okta", object{"ver": 1, "at_hash": "h", "amr": []string{"pwd"}, "idp": "i", "auth_time": 1}),
		idToken("Auth0", object{"nonce": "n", "nickname": "alice", "sid": "s"}),
		idToken("Entra", object{"nonce": "n", "aio": "a", "tid": "t", "ver": "2.0", "rh": "r"}),
		idToken("Google", object{"at_hash": "h", "azp": "client-1", "hd": "example.com", "email_verified": true}),
		idToken("Cognito", object{"token_use": "id", "cognito:username": "alice", "event_id": "e"}),
		allow("B-29 access token of Cognito", typless, claim("token_use", "access"), claim("event_id", "e")),
		other("B-29 token_use id in a token that says at+jwt", claim("token_use", "id")),
		other("B-29 logout token", jwt, claim("events", object{"http://schemas.openid.net/event/backchannel-logout": object{}})),
		other("B-29 logout token of Keycloak", jwt, claim("typ", "Logout")),
		deny("B-29 logout token by its type", authz.TokenType, header("typ", "logout+jwt"), claim("events", object{})),
		other("B-30 refresh token of Keycloak", jwt, claim("typ", "Refresh")),
		other("B-30 offline token of Keycloak", jwt, claim("typ", "Offline")),
		other("B-30 ID-JAG that hides its type", jwt, claim("typ", "oauth-id-jag+jwt"), claim("resource", r)),
		deny("B-30 ID-JAG", authz.TokenType, header("typ", "oauth-id-jag+jwt"), audience(corpURL), claim("resource", r)),
		deny("B-30 ID-JAG without a type", authz.TokenAudience, typless, audience(corpURL), claim("resource", r)),
		deny("B-30 DPoP proof", authz.TokenType, by(stranger()), header("typ", "dpop+jwt"), header("jwk", stranger().JWK(nil)),
			claim("htm", "POST"), claim("htu", r), without("iss"), without("exp")),
		deny("B-30 signed metadata", authz.TokenClaims, jwt, claim("resource", r), without("exp"), audienceOmitted),

		bound("G-01 bound by DPoP, A-07", object{"jkt": "x"}),
		bound("G-01 bound by DPoP, as Keycloak says it", object{"jkt": "x"}, jwt, claim("typ", "DPoP")),
		deny("G-01 a type that says bound, and no key", authz.TokenBound, jwt, claim("typ", "DPoP")),
		bound("G-18 bound by mutual TLS, A-07", object{"x5t#S256": "x"}),
		bound("G-18 bound to nothing, A-07", object{}),
		bound("G-18 bound to null, A-07", nil),
		bound("G-01 bound, no typ, A-07", object{"jkt": "x"}, typless),

		allow("B-39 machine token", claim("sub", "client-1")),
		allow("B-39 machine token, strict", on("strict"), claim("sub", "client-1")),
		allow("B-39 machine token without sub", without("sub")),
		allow("B-39 machine token with the scope", on("scoped"), claim("sub", "client-1"), claim("scope", "repo:read")),
		allow("B-39 machine token without the scope", on("scoped"), claim("sub", "client-1"), checked(authz.InsufficientScope)),
	}
}

// keyVectors are signed well, by keys that must not count.
func keyVectors() []vector {
	odd := on("odd")
	unknown := func(name, id string, edits ...edit) vector {
		return deny(name, authz.TokenKeyUnknown, slices.Concat([]edit{odd, by(named(id, ecKey()))}, edits)...)
	}
	byRSA := func(id string) edit { return by(named(id, rsaKey())) }
	return []vector{
		deny("B-36 RSA of 1024 bits", authz.TokenKeyUnknown, odd, by(weakKey())),
		unknown("B-36 RSA of 16384 bits", "strong", byRSA("strong")),
		unknown("B-36 RSA with exponent 1", "e1", byRSA("e1"), signature(bare)),
		deny("B-36 RSA with an even exponent", authz.TokenSignature, odd, byRSA("e-even")),
		deny("B-36 RSA with an even modulus", authz.TokenSignature, odd, byRSA("n-even")),
		unknown("B-36 RSA without a modulus", "n-empty", byRSA("n-empty")),
		unknown("B-36 point off the curve", "off-curve"),
		unknown("B-36 point of another curve", "curve"),
		unknown("B-36 point zero", "zero"),
		unknown("D-06 use is enc", "enc"),
		unknown("D-06 key_ops without verify", "ops-sign"),
		unknown("D-06 key_ops empty", "ops-none"),
		allow("D-06 key_ops with verify", odd, by(named("verify", ecKey()))),
		allow("D-06 key_ops null", odd, by(named("null-ops", ecKey()))),
		unknown("D-06 kty does not fit", "kty"),
		unknown("D-06 kty unheard of", "unheard-of"),
		unknown("D-06 half a key", "half"),
		unknown("D-06 kid is a number", "7"),
		unknown("D-07 private key published", "private"),
		unknown("D-07 secret published", "secret"),
		deny("D-07 oct key, HS256", authz.TokenAlgorithm, odd, algorithm("HS256"), kid("oct"), signature(authztest.HMAC([]byte(octSecret)))),
		unknown("D-07 oct key, ES256", "oct"),
		unknown("B-06 alg of the key is ES384", "alg"),
		unknown("B-06 alg of the key is HS256", "hmac"),
		allow("B-25 x5u and x5c of a key are not looked at", odd, by(named("x5u", ecKey()))),
		deny("D-08 unknown kid", authz.TokenKeyUnknown, kid("unheard-of")),
		deny("D-10 no kid, two keys that fit", authz.TokenKeyUnknown, kid(authztest.Omit)),
		allow("D-10 no kid, one key that fits", by(ecKey()), kid(authztest.Omit)),
		allow("D-10 no kid, one key for this algorithm", by(rsaKey()), algorithm("PS256"), kid(authztest.Omit)),
		deny("D-10 no kid, one key that fits, not its own", authz.TokenSignature, by(stranger()), kid(authztest.Omit)),
		deny("D-10 no kid, no key that fits", authz.TokenKeyUnknown, on("twin"), kid(authztest.Omit)),
		deny("D-10 an empty kid is a kid", authz.TokenKeyUnknown, by(ecKey()), kid("")),
	}
}

// bare is a padded digest as it is: with exponent 1, a signature that needs no key.
func bare(input []byte) []byte {
	digest := sha256.Sum256(input)
	private := rsaKey().Private.(*rsa.PrivateKey)
	sig, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	padded := new(big.Int).Exp(new(big.Int).SetBytes(sig), big.NewInt(int64(private.E)), private.N)
	return padded.FillBytes(make([]byte, private.Size()))
}
