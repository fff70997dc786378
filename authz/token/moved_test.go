package token_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// TestKeysMove: D-01, D-08: where metadata names another jwks_uri, keys come from there from the next refresh on, without a
// restart and without a good token refused, although nothing is left in the old place.
func TestKeysMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, brief)
		flow := newTraffic(o)
		flow.run(6 * time.Second)
		o.MoveKeys("/keys/of/2026")
		flow.rotate()
		flow.run(15 * time.Second)
		if took := flow.recovered(o.good()); took > 0 {
			t.Errorf("the keys of the new place counted only %v later", took)
		}
		o.MoveKeys(authztest.JWKS) // and back
		pass(time.Minute)
		o.check(o.good(), authz.Allowed)

		var places []string
		for _, a := range o.asks() {
			if !strings.Contains(a.path, "/.well-known/") {
				places = append(places, strings.TrimPrefix(a.path, "/realms/mcp"))
			}
		}
		want := []string{authztest.JWKS, "/keys/of/2026", authztest.JWKS}
		if diff := cmp.Diff(want, slices.Compact(places)); diff != "" {
			t.Errorf("keys were asked for at (-want +got):\n%s", diff)
		}
	})
}

// TestKeysMoveInAnOutage: D-09: metadata is down when the keys move. Until it is back the old keys serve, and then the new ones.
func TestKeysMoveInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, brief)
		flow := newTraffic(o)
		o.FailMetadata(authztest.Fault{Kind: authztest.Status500})
		flow.run(6 * time.Second)
		o.MoveKeys("/keys/of/2026")
		flow.rotate()
		flow.run(30 * time.Second)
		o.FailMetadata(authztest.Fault{})
		if took := flow.recovered(o.good()); took > within {
			t.Errorf("the keys of the new place counted only %v later", took)
		}
		flow.run(6 * time.Second)
	})
}
