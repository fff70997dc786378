package extauthz_test

import (
	"crypto/elliptic"
	"sync"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Keys are made once.
var (
	cast       = sync.OnceValue(authztest.NewCast)
	signingKey = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("key-1", 2048) })
	curveKey   = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("key-2", elliptic.P256()) })
)
