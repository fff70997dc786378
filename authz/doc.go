// Package authz decides whether one HTTP request may reach a protected resource, and says what to answer if not.
//
// The whole decision is Authorizer.Authorize: it takes a neutral Request, knows nothing of the gateway's protocol, and
// returns a Decision whose zero value denies. What is protected, by whom and for whom is a Snapshot, immutable and swapped
// as a whole. Tokens are judged by a Verifier; what happened is told to an Observer. Every refusal is one row of the table
// in reason.go, with the status, challenge and public text that clients are known to act on.
//
// The package imports the standard library, package metadata and a JSON tokenizer, nothing else.
package authz
