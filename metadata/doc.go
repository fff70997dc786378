// Package metadata holds what RFC 9728 (OAuth 2.0 Protected Resource Metadata) says about a protected resource: its
// identifier, the URL where its metadata lies, the document itself, and the HTTP answers for it.
//
// The same Answer is given by the companion listener (Handler) and inline by the decision (package authz), so that a client
// sees the same bytes whether or not the gateway has a route to the listener.
//
// The package also holds the canonical form of hosts and paths, because an identifier is declared in exactly that form and a
// request is compared with it. Nothing is ever repaired: what is not canonical is refused.
package metadata
