package extauthz_test

import (
	"crypto/elliptic"
	"sync"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Keys are made once; the first two have the same id, as first keys often do.
var (
	signingKey = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("key-1", 2048) })
	otherKey   = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("key-1", 2048) })
	curveKey   = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("key-2", elliptic.P256()) })

	corp  = sync.OnceValue(func() *authztest.Issuer { return authztest.NewIssuerWithKey(issuerCorp, signingKey()) })
	other = sync.OnceValue(func() *authztest.Issuer { return authztest.NewIssuerWithKey(issuerOther, otherKey()) })
)
