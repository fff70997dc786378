// Package extauthz speaks Envoy's external authorization protocol (envoy.service.auth.v3) for an authz.Authorizer. Protocol
// messages begin and end here: request.go takes them apart, response.go holds the only constructor of a CheckResponse.
//
// What the protocol makes easy to get wrong, and what this package does about it: an empty CheckResponse allows, so does a
// denied response with status OK, and an RPC error lets the gateway's failure_mode_allow decide. Therefore every outcome,
// a panic included, is a response with a status of its own, and the status is OK for an allow only.
package extauthz
