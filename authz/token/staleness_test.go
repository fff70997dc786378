package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestStalenessUnderEveryFault: D-09, A-23: whatever the outage is, the last good keys serve for maxStaleness from the beginning of
// the fetch that brought them, and no longer: then it is 503, for tokens in the cache too, for whose signature no key is needed.
// After the outage they pass again.
func TestStalenessUnderEveryFault(t *testing.T) {
	const stale = 90 * time.Second
	for _, f := range faults() {
		if !f.strikes("both") || f.what.Kind == authztest.NoKeys { // which is a withdrawal, after a minute
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, func(c *token.Config, i *authztest.Issuer) { brief(c, i); c.MaxStaleness = stale })
				pass(20 * time.Second)
				o.FailAll(f.what)
				last := o.issuer.Status().LastSuccess
				cached := o.good()
				for ; time.Since(last) < stale-time.Second; pass(time.Second) {
					o.check(cached, authz.Allowed)
				}
				pass(time.Until(last.Add(stale)))
				hits := o.issuer.Status().CacheHits
				o.check(cached, authz.Allowed)
				o.check(o.good(), authz.Allowed)
				if n := o.issuer.Status().CacheHits; n != hits+1 {
					t.Errorf("%d hits: the token is not in the cache", n-hits)
				}
				pass(1)
				for range 3 {
					o.check(cached, authz.KeysUnavailable)
					o.check(o.good(), authz.KeysUnavailable)
					pass(10 * time.Second)
				}
				o.FailAll(authztest.Fault{})
				if took := newTraffic(o).recovered(cached); took > within {
					t.Errorf("the keys are back only after %v", took)
				}
			})
		})
	}
}
