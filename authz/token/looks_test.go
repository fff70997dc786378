package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestALookThatFails: A-23: a check that waits for a fetch gets its 503 when the fetch fails, not when its own time is over; so does
// one whose signature a known key did not make.
func TestALookThatFails(t *testing.T) {
	for name, strange := range map[string]bool{"an unknown key": true, "a bad signature": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, direct)
				o.FailAll(authztest.Fault{Kind: authztest.Status500})
				pass(token.MinRefreshGap + time.Second)
				compact := o.strange()
				if !strange {
					d := o.Token(object{"aud": github})
					d.Key = stranger()
					compact = d.Compact()
				}
				start := time.Now()
				o.check(compact, authz.KeysUnavailable)
				if took := time.Since(start); took != 0 {
					t.Errorf("it waited %v", took)
				}
				if n := len(o.fetches()); n != 2 {
					t.Errorf("%d fetches", n)
				}
			})
		})
	}
}

// TestALookThatBeganBefore: A-23: what a fetch that began before a token was seen says, or that it failed, is no word about the token.
func TestALookThatBeganBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		o.FailAll(authztest.Fault{Kind: authztest.Hang})
		pass(token.MinRefreshGap)
		o.check(o.strange(), authz.KeysUnavailable) // it has made the fetch begin that hangs
		o.Rotate()
		_, err := o.verifier.Verify(o.good(), places()["github"].expectation(), time.Now())
		pending, ok := err.(*authz.Pending) //nolint:errorlint // a verifier's errors are what they are
		if !ok {
			t.Fatalf("%v, want to wait", err)
		}
		o.FailAll(authztest.Fault{}) // for the next one
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := pending.Wait(ctx); err != nil {
			t.Errorf("%v, although the next fetch has the key", err)
		}
		o.check(o.good(), authz.Allowed)
	})
}

// TestALookThatTakesTime: D-08: a token of an unknown key is 401 by the fetch that it waited for, however long that took.
func TestALookThatTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		pass(token.MinRefreshGap)
		o.FailAll(authztest.Fault{Kind: authztest.Hang})
		go func() {
			pass(checkDeadline / 2)
			o.Release()
		}()
		o.check(o.strange(), authz.TokenKeyUnknown)
	})
}

// TestTheSameKeysAgain: B-37: a refresh that brings the keys that were there makes nobody verify anew.
func TestTheSameKeysAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, func(c *token.Config, i *authztest.Issuer) {
			direct(c, i)
			c.RefreshInterval = 10 * time.Second
		})
		good := o.good()
		for range 10 {
			o.check(good, authz.Allowed)
			pass(10 * time.Second)
		}
		if s := o.issuer.Status(); s.Verified != 1 || len(o.fetches()) < 10 {
			t.Errorf("verified %d times in %d fetches", s.Verified, len(o.fetches()))
		}
	})
}

// TestTheLastMoment: B-17, B-19, B-20: the leeway is exact: a token is good from leeway before nbf and iat on, and until leeway after exp.
func TestTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := run(t, token.Config{Name: "corp", Issuer: corpURL, JWKS: corpKeys(), Leeway: leeway, InsecureClientIDAudience: []string{""}})
		v := token.NewVerifier(i)
		now := time.Now().Truncate(time.Second)
		at := func(edits ...edit) authz.Reason {
			return reasonOf(v.Verify(mint(append(edits, by(ecKey()))...), authz.Expectation{Resource: github}, now))
		}
		for name, c := range map[string]struct{ got, want authz.Reason }{
			"nbf":          {at(audience(github), claim("nbf", now.Add(leeway).Unix())), authz.Allowed},
			"nbf, a later": {at(audience(github), claim("nbf", now.Add(leeway).Unix()+1)), authz.TokenNotYetValid},
			"iat":          {at(audience(github), claim("iat", now.Add(leeway).Unix())), authz.Allowed},
			"iat, a later": {at(audience(github), claim("iat", now.Add(leeway).Unix()+1)), authz.TokenNotYetValid},
			"exp":          {at(audience(github), claim("exp", now.Add(-leeway).Unix()+1)), authz.Allowed},
			"exp, earlier": {at(audience(github), claim("exp", now.Add(-leeway).Unix())), authz.TokenExpired},
			"B-13 no client is no listed client, whatever the list says": {at(audience(nil), without("aud"), without("client_id")), authz.TokenAudience},
		} {
			if c.got != c.want {
				t.Errorf("%s: %v, want %v", name, c.got, c.want)
			}
		}
	})
}
