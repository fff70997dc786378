package token_test

import (
	"context"
	"errors"
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

// flood is what somebody sends who has no key: tokens that are good but for a key id, another in each, that nobody published.
type flood struct {
	*outlet
	tokens  []string
	next    chan int
	answers sync.Map // reason → *atomic.Int64
	all     sync.WaitGroup
}

// newFlood makes the tokens, now, so that for as long as the leeway no fetch can have known their keys; and those who send them,
// more than may wait. Every hundredth is sent to the whole check, the others to the verifier, as the check would.
func newFlood(o *outlet, ids int) *flood {
	f := &flood{outlet: o, next: make(chan int)}
	d := o.Token(object{"aud": places()["github"].id, "sub": authztest.Omit, "client_id": authztest.Omit, "jti": authztest.Omit})
	d.Sign = func([]byte) []byte { return make([]byte, 64) }
	for n := range ids {
		d.Header["kid"] = fmt.Sprint("unheard-of-", n)
		f.tokens = append(f.tokens, d.Compact())
	}
	for range 2 * token.MaxWaiters {
		f.all.Go(func() {
			for n := range f.next {
				start, reason := time.Now(), ""
				if n%100 == 0 {
					reason = checkAt(f.t, f.server, places()["github"].id, f.tokens[n], authztest.RawForm).Reason
				} else {
					reason = f.verify(f.tokens[n]).String()
				}
				if took := time.Since(start); took > checkDeadline {
					f.t.Errorf("an answer took %v", took)
				}
				count, _ := f.answers.LoadOrStore(reason, new(atomic.Int64))
				count.(*atomic.Int64).Add(1)
			}
		})
	}
	return f
}

// verify waits as the check does.
func (f *flood) verify(compact string) authz.Reason {
	expected := places()["github"].expectation()
	claims, err := f.verifier.Verify(compact, expected, time.Now())
	var pending *authz.Pending
	if errors.As(err, &pending) {
		ctx, cancel := context.WithTimeout(f.t.Context(), checkDeadline)
		defer cancel()
		if err = pending.Wait(ctx); err == nil {
			claims, err = f.verifier.Verify(compact, expected, time.Now())
		}
	}
	return reasonOf(claims, err)
}

// send sends some of them, and waits for no answer.
func (f *flood) send(from, to int) {
	for n := from; n < to; n++ {
		f.next <- n
	}
}

// count is how often a reason was the answer.
func (f *flood) count(r authz.Reason) int64 {
	n, ok := f.answers.Load(r.String())
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// ended waits for the last answers, which are 401 or 503, and for the fetches, of which there was at most one in 10 s.
func (f *flood) ended(sent int64) {
	f.t.Helper()
	close(f.next)
	f.all.Wait()
	synctest.Wait()
	unknown, unavailable := f.count(authz.TokenKeyUnknown), f.count(authz.KeysUnavailable)
	if unknown+unavailable != sent {
		f.t.Errorf("of %d tokens of unknown keys %d were called unknown, and for %d there were no keys", sent, unknown, unavailable)
	}
	all := f.fetches()
	for n := 1; n < len(all); n++ {
		if gap := all[n] - all[n-1]; gap < token.MinRefreshGap {
			f.t.Errorf("%v between two fetches", gap)
		}
	}
	f.t.Logf("%d tokens of unknown keys: %d times 401, %d times 503; fetches after %v", sent, unknown, unavailable, all)
}

// TestFloodOfUnknownKeys: D-08: 10,000 unknown key ids a second: the key server is asked once in 10 s at most, and
// the good tokens among them, whether seen before or not, wait for nothing.
func TestFloodOfUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seconds, perSecond, burst = 11, 10_000, 500
		o := ready(t, direct)
		f, cached := newFlood(o, perSecond), o.good()
		good := func(compact string) {
			start := time.Now()
			o.check(compact, authz.Allowed)
			if took := time.Since(start); took != 0 {
				t.Errorf("a good token waited %v", took)
			}
		}
		for range seconds {
			for n := 0; n < perSecond; n += burst {
				f.send(n, n+burst)
				good(cached)
				good(o.good())
				pass(time.Second * burst / perSecond)
			}
		}
		f.ended(seconds * perSecond)
		if n := len(f.fetches()); n > 1+seconds/10 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestFloodDuringARotation: D-08, A-23: the key is rotated while unknown ids pour in and all who may wait do. A token of the new
// key is 200 or 503, never 401; 200 for good as soon as the one fetch of these 10 s has come back. The old key's tokens pass as long
// as it is published.
func TestFloodDuringARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seconds, perSecond, burst = 25, 1000, 50
		o := ready(t, direct)
		f, old := newFlood(o, perSecond), o.good()
		var rotated time.Time
		for second := range seconds {
			if second == 12 {
				rotated = time.Now()
				o.Rotate()
			}
			for n := 0; n < perSecond; n += burst {
				f.send(n, n+burst)
				o.check(old, authz.Allowed)
				if !rotated.IsZero() {
					go func() {
						known := o.issuer.Status().LastSuccess.After(rotated)
						v := checkAt(t, o.server, places()["github"].id, o.good(), authztest.RawForm)
						if known || v.Allowed {
							judged(t, v, authz.Allowed)
						} else {
							judged(t, v, authz.KeysUnavailable)
						}
					}()
				}
				pass(time.Second * burst / perSecond)
			}
		}
		pass(checkDeadline)
		f.ended(seconds * perSecond)
		o.check(o.good(), authz.Allowed)
		o.Evict()
		pass(10 * time.Minute)
		o.check(old, authz.TokenKeyUnknown)
	})
}
