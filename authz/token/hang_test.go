package token_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// hanging are the faults that take as long as they are let.
func hanging() []fault {
	var out []fault
	for _, f := range faults() {
		switch f.what.Kind {
		case authztest.Hang, authztest.SlowDrip, authztest.SlowHeader:
			out = append(out, f)
		default:
		}
	}
	return out
}

// TestHangingIssuer: invariant 7: with an issuer that hangs a check is answered within its own deadline, and 50 ms before the
// gateway's where that is sooner; with known keys at once, whatever it is.
func TestHangingIssuer(t *testing.T) {
	const none, margin = 0, 50 * time.Millisecond
	ask := func(o *outlet, caller time.Duration) (authztest.Verdict, time.Duration) {
		ctx := o.t.Context()
		if caller != none {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, caller)
			defer cancel()
		}
		r := authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: "/github/mcp", Header: [][2]string{{"Authorization", "Bearer " + o.good()}}}
		start := time.Now()
		out, err := o.server.Check(ctx, r.CheckRequest(authztest.RawForm))
		if err != nil {
			o.t.Error(err)
		}
		return authztest.ReadVerdict(out), time.Since(start)
	}
	for _, f := range hanging() {
		for place, strike := range struck {
			for caller, most := range map[time.Duration]time.Duration{
				none: checkDeadline, time.Minute: checkDeadline, checkDeadline + margin: checkDeadline,
				checkDeadline: checkDeadline - margin, 250 * time.Millisecond: 200 * time.Millisecond,
				margin + 1: 1, margin: 0, time.Millisecond: 0,
			} {
				t.Run(fmt.Sprintf("%s/%s/%v", f.name, place, caller), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := open(t, func(_ *token.Config, i *authztest.Issuer) { strike(i, f.what) })
						v, took := ask(o, caller)
						judged(t, v, authz.KeysUnavailable)
						if took != most { // the fetch takes 5 s; nothing else could end the wait
							t.Errorf("without keys: %v, want %v", took, most)
						}
					})
					synctest.Test(t, func(t *testing.T) {
						o := ready(t, brief)
						strike(o.Issuer, f.what)
						for range 10 {
							pass(6 * time.Second)
							v, took := ask(o, caller)
							judged(t, v, authz.Allowed)
							if took != 0 {
								t.Errorf("with keys: %v", took)
							}
						}
						if !o.issuer.Status().Failing {
							t.Error("no fetch failed")
						}
					})
				})
			}
		}
	}
}

// TestWaitersHoldNoSlot: a check that waits for keys takes no place from those that are judged: with room for one at a time, all
// who may wait do, and others pass.
func TestWaitersHoldNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := open(t, func(_ *token.Config, i *authztest.Issuer) { i.FailAll(authztest.Fault{Kind: authztest.Hang}) })
		well := run(t, token.Config{Name: "other", Issuer: otherURL, JWKS: keySet(foreignEC().JWK(nil)), Leeway: leeway, CacheEntries: 1000})
		both := places()["both"]
		server := newServerFor(t, 1, resource(t, "both", both, token.NewVerifier(hung.issuer, well)))
		var all sync.WaitGroup
		for range token.MaxWaiters {
			all.Go(func() {
				judged(t, checkAt(t, server, both.id, hung.Mint(object{"aud": both.id}), authztest.RawForm), authz.KeysUnavailable)
			})
			synctest.Wait() // it waits for the keys
			judged(t, checkAt(t, server, both.id, mint(on("both"), fromOther), authztest.RawForm), authz.Allowed)
		}
		judged(t, checkAt(t, server, both.id, hung.Mint(object{"aud": both.id}), authztest.RawForm), authz.KeysUnavailable)
		all.Wait()
	})
}

// TestGarbageForAHangingIssuer: while an issuer hangs, whoever likes can send tokens that only its keys could refuse. So many of
// them wait as may, and not for long; every other is answered at once, none holds a place that others need, and the tokens of
// another issuer do not notice.
func TestGarbageForAHangingIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := open(t, func(_ *token.Config, i *authztest.Issuer) { i.FailAll(authztest.Fault{Kind: authztest.Hang}) })
		well := run(t, token.Config{Name: "other", Issuer: otherURL, JWKS: keySet(foreignEC().JWK(nil)), Leeway: leeway, CacheEntries: 1000})
		both := places()["both"]
		server := newServer(t, resource(t, "both", both, token.NewVerifier(hung.issuer, well)))
		good := func() string { return mint(on("both"), fromOther) }
		d := hung.Token(object{"aud": both.id})
		d.Sign = func([]byte) []byte { return make([]byte, 64) }
		garbage := func(n int) string {
			d.Header["kid"] = fmt.Sprint("garbage-", n)
			return d.Compact()
		}
		ask := func(compact string) (reason string, took time.Duration) {
			start := time.Now()
			v := checkAt(t, server, both.id, compact, authztest.RawForm)
			return v.Reason, time.Since(start)
		}
		const many = 2000 // more than may be judged at once
		for round := range 3 {
			var atOnce, waited, otherwise atomic.Int32
			for n := range many {
				compact := garbage(n)
				go func() {
					switch reason, took := ask(compact); {
					case reason != authz.KeysUnavailable.String():
						otherwise.Add(1)
					case took == 0:
						atOnce.Add(1)
					case took == checkDeadline:
						waited.Add(1)
					}
				}()
				if n%100 == 0 {
					if reason, took := ask(good()); reason != authz.Allowed.String() || took != 0 {
						t.Errorf("a good token of another issuer: %s after %v", reason, took)
					}
				}
			}
			synctest.Wait()
			if n := atOnce.Load(); n != many-token.MaxWaiters {
				t.Errorf("round %d: %d of %d answered at once", round, n, many)
			}
			pass(checkDeadline)
			synctest.Wait()
			if waited.Load() != token.MaxWaiters || otherwise.Load() != 0 {
				t.Errorf("round %d: %d waited, %d were answered otherwise", round, waited.Load(), otherwise.Load())
			}
		}
	})
}
