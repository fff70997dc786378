//go:build tools

// Package everythingserver pins the server that the Go SDK has for the conformance suite.
package everythingserver

import _ "github.com/modelcontextprotocol/go-sdk/conformance/everything-server"
