// Package authztest is the test kit: a real authorization server with keys that can be rotated, hung and broken, tokens made
// by code that shares nothing with the verifier, and CheckRequests as Envoy sends them.
//
// Issuer and tokens stand on the standard library, so that a fault in a token library cannot hide in both the maker and the
// judge; the parser of challenges shares nothing with their writer. Nothing here is for production: the issuer gives a token
// to whoever asks the code around it.
package authztest
