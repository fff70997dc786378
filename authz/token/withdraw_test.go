package token_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// none are key sets without a key that could verify anything.
var none = map[string][]byte{
	"no key":        []byte(`{"keys":[]}`),
	"a secret":      []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"key-1"}]}`),
	"an odd one":    []byte(`{"keys":[{"kty":"unheard-of","kid":"key-1"}]}`),
	"null, as keys": []byte(`{"keys":[null]}`),
}

// TestAllKeysWithdrawn: a set without a key does not erase the good one when it comes (D-09): a server that starts says so too.
// Where nothing else comes for a minute, all keys were withdrawn: no token of theirs passes, cached or not, and none of them
// is called bad.
func TestAllKeysWithdrawn(t *testing.T) {
	for name, document := range none {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, direct)
				cached := o.good()
				o.check(cached, authz.Allowed)
				o.SetJWKS(document)
				pass(10 * time.Minute) // the refresh, and perhaps some tries after it
				for o.issuer.Status().Keys > 0 {
					if o.issuer.Status().Failing {
						o.check(cached, authz.Allowed)
						o.check(o.good(), authz.Allowed)
					}
					pass(time.Second)
				}
				first := o.fetches()[1]
				if gone := time.Since(o.began); gone < first+token.WithdrawAfter || gone > first+token.WithdrawAfter+11*time.Second {
					t.Errorf("withdrawn after %v; the first such answer came after %v", gone, first)
				}
				for range 3 {
					o.check(cached, authz.KeysUnavailable)
					o.check(o.good(), authz.KeysUnavailable)
					pass(10 * time.Minute)
				}
				if n := strings.Count(o.logged.String(), "published no usable key"); n != 1 {
					t.Errorf("%d lines about it", n)
				}
				o.SetJWKS(nil)
				pass(11 * time.Second)
				o.check(o.good(), authz.Allowed)
				o.check(o.Mint(object{"aud": "https://elsewhere.example"}), authz.TokenAudience)
			})
		})
	}
}

// TestOtherKeysAfterAWithdrawal: a verdict of keys that were withdrawn never counts again, whatever comes in their place.
func TestOtherKeysAfterAWithdrawal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, func(c *token.Config, i *authztest.Issuer) {
			direct(c, i)
			c.RefreshInterval = 10 * time.Second
		})
		old := o.good()
		o.SetJWKS(none["no key"])
		for o.issuer.Status().Keys > 0 {
			o.check(old, authz.Allowed) // it stays in the cache
			pass(time.Second)
		}
		o.Rotate()
		o.Evict()
		o.SetJWKS(nil)
		pass(11 * time.Second)
		o.check(o.good(), authz.Allowed)
		o.check(old, authz.TokenKeyUnknown)
	})
}

// TestNotAWithdrawal: whatever is not a key set says nothing of the keys, and neither do answers without a key that others
// interrupt (D-09).
func TestNotAWithdrawal(t *testing.T) {
	for name, ways := range map[string][]authztest.Fault{
		"not a set":          {{Kind: authztest.Empty}},
		"no answer":          {{Kind: authztest.Refuse}},
		"an error":           {{Kind: authztest.Status500}},
		"no key, then error": {{}, {Kind: authztest.Status500}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, direct)
				o.SetJWKS(none["no key"])
				for end := time.Now().Add(2 * time.Hour); time.Now().Before(end); {
					for _, way := range ways {
						o.Fail(authztest.JWKS, way)
						pass(45 * time.Second)
					}
				}
				o.check(o.good(), authz.Allowed)
			})
		})
	}
}
