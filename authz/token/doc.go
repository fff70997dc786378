// Package token judges JWT access tokens (RFC 9068, RFC 7519, RFC 8725) for package authz.
//
// An Issuer is one declared authorization server: where its keys come from, kept fresh in the background, and a cache of
// verified tokens. A Verifier is the set of issuers that one protected resource accepts. The order of judgement is size,
// form, typ, alg, crit, iss, exp, nbf, aud, key, signature, kind: everything up to aud needs no keys, so no token that it
// refuses ever causes a request, and it stays a 401 while the authorization server is down.
//
// What is cached is the verification of the signature alone. Everything else is judged on every request.
package token
