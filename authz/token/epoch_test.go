package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/mcp-authz/mcp-authz/authz"
)

// interrupted is ES256, with something that happens in the middle of a verification: the key was chosen, nothing is remembered.
type interrupted struct {
	jwt.SigningMethod
	happens func()
}

func (i interrupted) Verify(signed string, signature []byte, key any) error {
	i.happens()
	return i.SigningMethod.Verify(signed, signature, key)
}

// interrupt lets something happen in the middle of the next verification, and of no other.
func interrupt(t *testing.T, happens func()) {
	restore := func() {
		jwt.RegisterSigningMethod("ES256", func() jwt.SigningMethod { return jwt.SigningMethodES256 })
	}
	t.Cleanup(restore)
	jwt.RegisterSigningMethod("ES256", func() jwt.SigningMethod {
		return interrupted{jwt.SigningMethodES256, func() { restore(); happens() }}
	})
}

// TestVerdictAcrossAKeyChange: B-37, D-08: while a signature is verified, its key is withdrawn and the set without it arrives.
// The verdict is that of the old keys, and it is stored under their epoch: from then on the token is refused, whatever comes.
func TestVerdictAcrossAKeyChange(t *testing.T) {
	for name, change := range map[string]func(*outlet){
		"another key":       func(o *outlet) { o.Rotate(); o.Evict(); pass(time.Minute) },
		"a second change":   func(o *outlet) { o.Rotate(); o.Evict(); pass(time.Minute); o.Rotate(); pass(time.Minute) },
		"none for a minute": func(o *outlet) { o.SetJWKS(none["no key"]); pass(3 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, brief)
				old, before := o.good(), o.issuer.Status().LastSuccess
				changed := false
				interrupt(t, func() { change(o); changed = true })
				if got := reasonOf(o.verifier.Verify(old, places()["github"].expectation(), time.Now())); got != authz.Allowed || !changed {
					t.Fatalf("%v, interrupted %v", got, changed)
				}
				if s := o.issuer.Status(); !s.LastSuccess.After(before) && s.Keys != 0 {
					t.Fatalf("the keys did not change: %+v", s)
				}
				for range 3 {
					if v := checkAt(t, o.server, places()["github"].id, old, 0); v.Allowed {
						t.Error("a token of a withdrawn key passes")
					}
					pass(time.Second)
				}
			})
		})
	}
}

// TestVerdictAfterKeysReturn: keys that come back have a new epoch. A verdict of their first time, even one that was stored when
// they were gone, is not used again; the signature is computed anew.
func TestVerdictAfterKeysReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, brief)
		old, first := o.good(), o.KeySet()
		interrupt(t, func() { o.Rotate(); o.Evict(); pass(time.Minute) })
		if _, err := o.verifier.Verify(old, places()["github"].expectation(), time.Now()); err != nil {
			t.Fatal(err)
		}
		o.check(old, authz.TokenKeyUnknown)
		o.SetJWKS(first)
		pass(time.Minute)
		verified, hits := o.issuer.Status().Verified, o.issuer.Status().CacheHits
		o.check(old, authz.Allowed)
		o.check(old, authz.Allowed)
		if s := o.issuer.Status(); s.Verified != verified+1 || s.CacheHits != hits+1 {
			t.Errorf("%d signatures and %d hits, want one each", s.Verified-verified, s.CacheHits-hits)
		}
	})
}

// TestVerdictOfTheNewKeys: a token of the new key, verified while yet another set arrives that still has its key: it passes then,
// and later.
func TestVerdictOfTheNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, brief)
		good := o.good()
		interrupt(t, func() { o.Rotate(); pass(time.Minute) })
		for range 3 {
			if got := reasonOf(o.verifier.Verify(good, places()["github"].expectation(), time.Now())); got != authz.Allowed {
				t.Errorf("%v", got)
			}
		}
		if s := o.issuer.Status(); s.Verified != 2 || s.CacheHits != 1 { // the first verdict is of an epoch that has passed
			t.Errorf("%d signatures and %d hits", s.Verified, s.CacheHits)
		}
	})
}
