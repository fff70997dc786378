package token_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// within is how soon after the end of a fault all is well again, at the latest: a retry is never further than 10 s from the
// one before, however long that took, and the check that notices may have begun to wait.
const within = 12 * time.Second

// TestFaultDrill lets every fault of the kit strike the metadata, the keys, or both, of an authorization server whose keys were
// known, or never were, while traffic flows; in the midst of it the server rotates its key. The fault ends at the worst moment:
// just after a fetch that it spoils has begun.
//
// A-23, D-08, D-09: with known keys every good token passes without waiting, without keys it is 503, never 401; a token of the
// new key is 503 until its key was fetched; the old key's tokens pass until the set without it was fetched, and then no more,
// those in the cache included (B-37). What is forged, expired or foreign never passes. A request without a token gets its
// challenge. All is well again within 12 s, and the server was asked no more often than the schedule says.
func TestFaultDrill(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-20s %-10s %12s %12s %9s\n", "fault", "strikes", "known keys", "cold start", "attempts")
	var worst time.Duration
	for _, f := range faults() {
		for _, place := range []string{"metadata", "keys", "both"} {
			var took [2]time.Duration
			var attempts int
			for n, cold := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/cold=%v", f.name, place, cold), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { took[n], attempts = drill(t, f, place, cold) })
				})
				worst = max(worst, took[n])
			}
			note := ""
			if !f.strikes(place) {
				note = "  (no harm)"
			}
			fmt.Fprintf(&table, "%-20s %-10s %12v %12v %9d%s\n", f.name, place, took[0], took[1], attempts, note)
		}
	}
	t.Logf("recovery after the fault's end, in the worst case %v:\n%s", worst, &table)
}

// drill is one of them. It returns how long after the end of the fault a token of the new key was let in, and how often the
// server was asked meanwhile.
func drill(t *testing.T, f fault, place string, cold bool) (took time.Duration, attempts int) {
	var o *outlet
	strike := func() { struck[place](o.Issuer, f.what) }
	if cold {
		o = open(t, func(c *token.Config, i *authztest.Issuer) { brief(c, i); struck[place](i, f.what) })
	} else {
		o = ready(t, brief)
	}
	flow := newTraffic(o)
	if !cold {
		flow.run(6 * time.Second)
		strike()
	}
	began, before := time.Since(o.began), o.issuer.Status().LastSuccess
	flow.run(4 * time.Second)
	flow.rotate()
	flow.run(36 * time.Second)

	if spoilt := o.issuer.Status().LastSuccess.Equal(before); spoilt != f.strikes(place) {
		t.Errorf("the fetches of %v failed: %v; they were to: %v", f.name, spoilt, f.strikes(place))
	}
	document := authztest.OAuthMetadata
	if place == "keys" {
		document = authztest.JWKS
	}
	if err := o.WaitFetches(t.Context(), document, o.Fetches(document)+1); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // what fails at once has failed, what hangs hangs
	struck[place](o.Issuer, authztest.Fault{})
	lasted := time.Since(o.began) - began
	attempts = o.attempts(began)
	took = flow.recovered(o.good())
	if took > within {
		t.Errorf("a good token was let in %v after the end of the fault", took)
	}
	// Without a fault keys are fetched as tokens ask, every 10 s; with one after 1, 2, 4, 8, 10, 10, … s.
	if most := 5 + int(lasted/(10*time.Second)); attempts > most {
		t.Errorf("%d attempts in %v, want at most %d", attempts, lasted, most)
	}
	flow.run(6 * time.Second)
	o.check(flow.first, authz.TokenKeyUnknown)
	if s := o.logged.String(); strings.Contains(s, "https://") || strings.Contains(s, "key-") || strings.Contains(s, "elsewhere") {
		t.Errorf("the log speaks of what the server said: %s", s)
	}
	return took, attempts
}

// attempts is how often fetching began since then. Each asks for a few documents only.
func (o *outlet) attempts(since time.Duration) int {
	var starts, asks int
	last := time.Duration(-1)
	for _, a := range o.asks() {
		if a.at < since {
			continue
		}
		asks++
		if a.at != last && strings.HasPrefix(a.path, authztest.OAuthMetadata) {
			starts++
			last = a.at
		}
	}
	// Four documents, and to each three redirects.
	if asks > 16*starts {
		o.t.Errorf("%d documents asked for in %d attempts", asks, starts)
	}
	return starts
}
