package token_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

func direct(c *token.Config, i *authztest.Issuer) { c.JWKSURL = i.JWKSURL() }

// TestRetries: D-09: a failed fetch is tried again after 1, 2, 4, 8 and then every 10 seconds, whatever the interval is and
// however many tokens wait; once it works the interval counts again.
func TestRetries(t *testing.T) {
	for _, flood := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := open(t, func(c *token.Config, i *authztest.Issuer) {
				direct(c, i)
				i.FailAll(authztest.Fault{Kind: authztest.Status500})
			})
			for range 45 {
				if flood {
					for range 10 {
						go o.check(o.strange(), authz.KeysUnavailable)
					}
				}
				pass(time.Second)
			}
			want := []time.Duration{0, 1, 3, 7, 15, 25, 35, 45}
			for n := range want {
				want[n] *= time.Second
			}
			synctest.Wait()
			if diff := cmp.Diff(want, o.fetches()); diff != "" {
				t.Errorf("flood %v (-want +got):\n%s", flood, diff)
			}
			if !o.issuer.Status().Failing {
				t.Error("the status does not say that fetches fail")
			}
			o.FailAll(authztest.Fault{})
			pass(11 * time.Second)
			o.check(o.good(), authz.Allowed)
			pass(8 * time.Minute)
			if n := len(o.fetches()); n != len(want)+1 {
				t.Errorf("%d fetches after all was well again, want 1", n-len(want))
			}
		})
	}
}

// TestInterval: D-08: keys are refreshed within the interval, at times that differ by up to a tenth of it.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		pass(10 * time.Hour)
		synctest.Wait()
		all, gaps := o.fetches(), map[time.Duration]bool{}
		for n := 1; n < len(all); n++ {
			gap := all[n] - all[n-1]
			gaps[gap] = true
			if gap < 9*time.Minute || gap > 10*time.Minute {
				t.Errorf("%v between two fetches", gap)
			}
		}
		if len(all) < 60 || len(gaps) < 30 {
			t.Errorf("%d fetches at %d different distances", len(all), len(gaps))
		}
	})
}

// TestUnknownKeys: D-08: a flood of unknown key ids makes at most one fetch in 10 seconds and delays no good token.
func TestUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		good := o.good()
		for range 60 {
			for range 50 {
				go checkAt(t, o.server, places()["github"].id, o.strange(), authztest.RawForm)
			}
			start := time.Now()
			o.check(good, authz.Allowed)
			o.check(o.good(), authz.Allowed)
			if took := time.Since(start); took != 0 {
				t.Errorf("a good token waited %v", took)
			}
			pass(time.Second)
		}
		synctest.Wait()
		all := o.fetches()
		for n := 1; n < len(all); n++ {
			if gap := all[n] - all[n-1]; gap < token.MinRefreshGap {
				t.Errorf("%v between two fetches", gap)
			}
		}
		if len(all) < 6 || len(all) > 7 {
			t.Errorf("%d fetches in a minute: %v", len(all), all)
		}
	})
}

// TestUnknownKeyIsNotJudgedTooEarly: A-23, D-08: 401 needs a fetch that began after the token was made and came back without its
// key. Until then nobody knows.
func TestUnknownKeyIsNotJudgedTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		pass(time.Second)
		o.check(o.strange(), authz.KeysUnavailable) // the next fetch may begin at 10 s, the check ends before
		pass(7500 * time.Millisecond)
		token := o.strange()
		o.check(token, authz.TokenKeyUnknown) // at 9.5 s: waits for the fetch of 10 s
		if diff := cmp.Diff([]time.Duration{0, 10 * time.Second}, o.fetches()); diff != "" {
			t.Error(diff)
		}
		d := o.Token(object{"aud": places()["github"].id, "iat": time.Now().Add(-time.Hour).Unix()})
		d.Header["kid"] = "stranger"
		o.check(d.Compact(), authz.TokenKeyUnknown) // an old token: the fetch of 10 s has spoken
		if n := len(o.fetches()); n != 2 {
			t.Errorf("an old token with an unknown key made a fetch: %v", o.fetches())
		}
		o.FailAll(authztest.Fault{Kind: authztest.Status500})
		pass(12 * time.Second)
		o.check(o.strange(), authz.KeysUnavailable) // the fetch that it causes fails
		o.check(o.strange(), authz.KeysUnavailable)
	})
}

// TestWaiters: 32 checks may wait for one issuer; the next is answered at once, and another issuer is not concerned.
func TestWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(_ *token.Config, i *authztest.Issuer) { i.FailAll(authztest.Fault{Kind: authztest.Hang}) })
		wait := func() error {
			_, err := o.verifier.Verify(o.good(), places()["github"].expectation(), time.Now())
			pending, ok := err.(*authz.Pending) //nolint:errorlint // a verifier's errors are what they are
			if !ok {
				t.Errorf("%v, want to wait", err)
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return pending.Wait(ctx)
		}
		var waiting, ended atomic.Int32
		for range token.MaxWaiters {
			go func() {
				waiting.Add(1)
				if err := wait(); reasonOf(authz.Claims{}, err) != authz.KeysUnavailable {
					t.Errorf("%v", err)
				}
				ended.Add(1)
			}()
		}
		synctest.Wait()
		if waiting.Load() != token.MaxWaiters || ended.Load() != 0 {
			t.Fatalf("%d wait, %d ended", waiting.Load(), ended.Load())
		}
		start := time.Now()
		o.check(o.good(), authz.KeysUnavailable)
		if took := time.Since(start); took != 0 {
			t.Errorf("one too many waited %v", took)
		}
		other := ready(t, nil)
		other.check(other.good(), authz.Allowed)
		pass(time.Second)
		synctest.Wait()
		if ended.Load() != token.MaxWaiters {
			t.Errorf("%d ended", ended.Load())
		}
		go func() { pass(time.Second / 2); o.FailAll(authztest.Fault{}); o.Release() }()
		if err := wait(); err != nil { // there is room again, and the keys arrive while it waits
			t.Errorf("%v", err)
		}
		o.check(o.good(), authz.Allowed)
	})
}

// TestNobodyIsTooMuchWhoNeedNotWait: however many wait for a key that is unknown, a check whose keys have come since goes on.
func TestNobodyIsTooMuchWhoNeedNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(c *token.Config, i *authztest.Issuer) {
			direct(c, i)
			i.FailAll(authztest.Fault{Kind: authztest.Hang})
		})
		_, err := o.verifier.Verify(o.good(), places()["github"].expectation(), time.Now())
		early, ok := err.(*authz.Pending) //nolint:errorlint // a verifier's errors are what they are
		if !ok {
			t.Fatalf("%v, want to wait", err)
		}
		o.FailAll(authztest.Fault{})
		o.Release()
		<-o.issuer.Attempted()
		pass(time.Second)
		for range token.MaxWaiters {
			go o.check(o.strange(), authz.KeysUnavailable) // until its deadline: no fetch may begin before 10 s
		}
		synctest.Wait()
		if err := early.Wait(t.Context()); err != nil {
			t.Errorf("%v, although the keys are there", err)
		}
		pass(2 * time.Second)
	})
}

// TestBadSignature: a signature that fails under a known key id causes one fetch per interval (some servers reuse an id), and
// is 401 when the keys are the same.
func TestBadSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		forged := func() string {
			d := o.Token(object{"aud": places()["github"].id})
			d.Key = stranger()
			return d.Compact()
		}
		for range 30 { // B-03
			o.check(forged(), authz.TokenSignature)
			pass(time.Second)
		}
		if diff := cmp.Diff([]time.Duration{0, 10 * time.Second, 20 * time.Second}, o.fetches()); diff != "" {
			t.Error(diff)
		}
		// The same id, another key: whoever has a token of it gets in.
		reused := named("key-1", stranger())
		o.AddKey(reused)
		o.Evict()
		pass(10 * time.Second)
		o.check(o.good(), authz.Allowed)
	})
}

// TestBadSignatureInAnOutage: A-23: where nobody can look whether a key id was reused, a token that is younger than the keys is not
// judged: 503. One that the keys were fetched after is 401 as ever.
func TestBadSignatureInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		forged := func() string {
			d := o.Token(object{"aud": places()["github"].id, "iat": time.Now().Unix()})
			d.Key = stranger()
			return d.Compact()
		}
		pass(time.Minute)
		before := forged()
		pass(9 * time.Minute) // a refresh that succeeds
		o.FailAll(authztest.Fault{Kind: authztest.Status500})
		pass(10 * time.Minute)
		if !o.issuer.Status().Failing {
			t.Fatal("no fetch failed")
		}
		o.check(before, authz.TokenSignature)
		o.check(forged(), authz.KeysUnavailable)
		o.check(o.good(), authz.Allowed)
		o.FailAll(authztest.Fault{})
		pass(11 * time.Second)
		o.check(forged(), authz.TokenSignature)
	})
}

// TestReusedIDWhileNobodyKnows: A-23: while the first fetch of an outage hangs, a token of a new key under an old id is not called
// bad: 503 from the first to the last moment.
func TestReusedIDWhileNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		old := o.good()
		o.AddKey(named("key-1", stranger()))
		o.Evict()
		o.FailAll(authztest.Fault{Kind: authztest.Hang})
		pass(time.Minute)
		for range 20 {
			o.check(o.Mint(object{"aud": places()["github"].id, "iat": time.Now().Unix()}), authz.KeysUnavailable)
			o.check(old, authz.Allowed)
			pass(time.Second)
		}
		o.FailAll(authztest.Fault{})
		o.Release()
		pass(11 * time.Second)
		o.check(o.good(), authz.Allowed)
	})
}

// TestRotation: D-08: a new key is accepted as soon as it is published, after one fetch and without a 401 in between; a key that
// is withdrawn stops at the next refresh, tokens in the cache included (B-37).
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		old := o.good()
		o.check(old, authz.Allowed)
		pass(20 * time.Second)

		o.Rotate()
		o.check(o.good(), authz.Allowed)
		o.check(old, authz.Allowed)
		if diff := cmp.Diff([]time.Duration{0, 20 * time.Second}, o.fetches()); diff != "" {
			t.Error(diff)
		}
		pass(time.Second)
		o.Rotate() // too soon for a fetch: 503, and then let in
		newest := o.good()
		o.check(newest, authz.KeysUnavailable)
		pass(8 * time.Second)
		o.check(newest, authz.Allowed)
		if diff := cmp.Diff([]time.Duration{0, 20 * time.Second, 30 * time.Second}, o.fetches()); diff != "" {
			t.Error(diff)
		}

		o.check(old, authz.Allowed)
		o.Evict()
		pass(10 * time.Minute)
		old2 := o.Token(object{"aud": places()["github"].id})
		old2.Key, old2.Header["kid"] = named("key-1", ecKey()), "key-1"
		for _, withdrawn := range []string{old, old2.Compact()} {
			v := checkAt(t, o.server, places()["github"].id, withdrawn, authztest.RawForm)
			if v.Allowed {
				t.Error("a withdrawn key still verifies")
			}
		}
		o.check(newest, authz.Allowed)
	})
}

// TestStaleness: D-09: the last good keys serve through an outage up to maxStaleness, then nobody knows.
func TestStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		long := o.Mint(object{"aud": places()["github"].id, "exp": time.Now().Add(100 * time.Hour).Unix()})
		o.check(long, authz.Allowed)
		o.FailAll(authztest.Fault{Kind: authztest.Status500})
		pass(23*time.Hour + 59*time.Minute)
		o.check(long, authz.Allowed)
		o.check(o.good(), authz.Allowed)
		pass(time.Minute + time.Millisecond)
		o.check(long, authz.KeysUnavailable)
		o.check(o.good(), authz.KeysUnavailable)
		if s := o.issuer.Status(); s.Keys != 0 || s.LastSuccess.IsZero() {
			t.Errorf("%d keys serve, it says, and the last good ones are of %v", s.Keys, s.LastSuccess)
		}
		o.FailAll(authztest.Fault{})
		pass(11 * time.Second)
		o.check(long, authz.Allowed)
	})
}
