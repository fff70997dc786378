package token_test

import (
	"sync"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// traffic is what clients send to one resource whatever becomes of its authorization server, good and bad, and what the
// answers may be at each moment. The server rotates its key once, at any time, and withdraws the old one at once.
type traffic struct {
	*outlet
	old     *authztest.Key // signs before the rotation
	first   string         // a token of old that comes again and again: from the cache, once it was verified
	rotated time.Time      // zero before it
	ticks   int
}

func newTraffic(o *outlet) *traffic {
	return &traffic{outlet: o, old: o.Current(), first: o.good()}
}

// rotate gives the server another key. Tokens of the old one are good until its withdrawal was fetched.
func (f *traffic) rotate() {
	pass(time.Millisecond) // so that no fetch began at this very moment
	f.rotated = time.Now()
	f.Rotate()
	f.Evict()
	pass(time.Millisecond)
}

// knowledge is what the issuer's keys, as fetched, make known.
type knowledge struct {
	keys     bool // some
	rotation bool // those after the rotation
}

func (f *traffic) knowledge() knowledge {
	last := f.issuer.Status().LastSuccess
	return knowledge{!last.IsZero(), !f.rotated.IsZero() && last.After(f.rotated)}
}

// signed is a token by any key under any id.
func (f *traffic) signed(by *authztest.Key, id string, claims object) string {
	d := f.Token(object{"aud": places()["github"].id})
	for name, value := range claims {
		d.Claims[name] = value
	}
	d.Key, d.Header["alg"], d.Header["kid"] = by, by.Algorithm(), id
	return d.Compact()
}

// Answers to tokens that are good, to one of the key after the rotation, and to ones that never are.
func goodUntilRotated(k knowledge) []authz.Reason {
	switch {
	case k.rotation:
		return []authz.Reason{authz.TokenKeyUnknown, authz.KeysUnavailable}
	case k.keys:
		return []authz.Reason{authz.Allowed}
	}
	return []authz.Reason{authz.KeysUnavailable}
}

func goodOnceRotated(k knowledge) []authz.Reason {
	if k.rotation {
		return []authz.Reason{authz.Allowed}
	}
	return []authz.Reason{authz.KeysUnavailable}
}

func never(knowledge) []authz.Reason {
	return []authz.Reason{authz.TokenSignature, authz.TokenKeyUnknown, authz.KeysUnavailable}
}

func always(r authz.Reason) func(knowledge) []authz.Reason {
	return func(knowledge) []authz.Reason { return []authz.Reason{r} }
}

// tick sends one request of every kind, all at the same time, and returns when all are answered.
func (f *traffic) tick() {
	f.t.Helper()
	var all sync.WaitGroup
	ask := func(what, compact string, may func(knowledge) []authz.Reason) {
		all.Go(func() { f.judge(what, compact, may) })
	}
	past := object{"iat": time.Now().Add(-2 * time.Hour).Unix(), "exp": time.Now().Add(-time.Hour).Unix()}
	ask("a token seen before", f.first, goodUntilRotated)
	ask("a token seen first", f.signed(f.old, f.old.ID, nil), goodUntilRotated)
	if !f.rotated.IsZero() {
		ask("a token of the new key", f.good(), goodOnceRotated)
	}
	ask("a forged token", f.signed(stranger(), f.Current().ID, nil), never)
	ask("a token of a key that never was", f.strange(), never)
	odd := f.Current().OddJWKs()
	id, _ := odd[f.ticks%len(odd)]["kid"].(string)
	ask("a token in the name of the odd key "+id, f.signed(f.Current(), id, nil), never)
	ask("an expired token", f.signed(f.old, f.old.ID, past), always(authz.TokenExpired))
	ask("a token of another server", f.signed(f.old, f.old.ID, object{"iss": otherURL}), always(authz.TokenIssuer))
	all.Go(func() { tokenless(f.t, f.server, places()["github"].id) })
	all.Wait()
	f.ticks++
}

// run is traffic every three seconds, for so long.
func (f *traffic) run(d time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		next := time.Now().Add(3 * time.Second)
		f.tick()
		pass(time.Until(next))
	}
}

// judge asks for one check. Its answer is one of those that the keys allow that were there when it began, or when it ended.
// A token that is good by keys that are there waits for nothing, and nothing waits longer than a check may take.
func (f *traffic) judge(what, compact string, may func(knowledge) []authz.Reason) {
	before, start := f.knowledge(), time.Now()
	v := checkAt(f.t, f.server, places()["github"].id, compact, authztest.RawForm)
	took, after := time.Since(start), f.knowledge()
	if took > checkDeadline || took > 0 && may(before)[0] == authz.Allowed {
		f.t.Errorf("%v after the start: %s waited %v", time.Since(f.began), what, took)
	}
	allowed := append(may(before), may(after)...)
	for _, reason := range allowed {
		if v.Reason == reason.String() {
			judged(f.t, v, reason)
			return
		}
	}
	f.t.Errorf("%v after the start, with %+v: %s: %s, want one of %v", time.Since(f.began), after, what, v.Reason, allowed)
}

// recovered asks with a good token, again and again, until it is let in, and returns how long that took. Until then the answer
// is 503.
func (f *traffic) recovered(good string) time.Duration {
	f.t.Helper()
	for start := time.Now(); ; pass(10 * time.Millisecond) {
		v := checkAt(f.t, f.server, places()["github"].id, good, authztest.RawForm)
		took := time.Since(start)
		if v.Allowed {
			return took
		}
		judged(f.t, v, authz.KeysUnavailable)
		if took > time.Minute {
			f.t.Fatalf("a good token is still not let in after %v", took)
		}
	}
}

// struck says what of an issuer a fault strikes.
var struck = map[string]func(*authztest.Issuer, authztest.Fault){
	"metadata": (*authztest.Issuer).FailMetadata,
	"keys":     func(i *authztest.Issuer, f authztest.Fault) { i.Fail(authztest.JWKS, f) },
	"both":     (*authztest.Issuer).FailAll,
}

// brief makes intervals so short that a fault of a minute is noticed.
func brief(c *token.Config, _ *authztest.Issuer) { c.RefreshInterval = 30 * time.Second }

// fault is one of the kit's, and on which documents it is one: elsewhere it changes nothing, or nothing of importance.
type fault struct {
	name           string
	what           authztest.Fault
	metadata, keys bool
}

func (f fault) strikes(place string) bool {
	return f.metadata && place != "keys" || f.keys && place != "metadata"
}

// faults are all of the kit's.
func faults() []fault {
	k := func(k authztest.FaultKind) authztest.Fault { return authztest.Fault{Kind: k} }
	return []fault{
		{"hang", k(authztest.Hang), true, true},
		{"refuse", k(authztest.Refuse), true, true},
		{"500", k(authztest.Status500), true, true},
		{"404", k(authztest.NotFound), true, true},
		{"garbage", k(authztest.Garbage), true, true},
		{"slow drip", k(authztest.SlowDrip), true, true},
		{"slow header", k(authztest.SlowHeader), true, true},
		{"huge", k(authztest.Huge), true, true},
		{"huge header", k(authztest.HugeHeader), true, true},
		{"redirect elsewhere", authztest.Fault{Kind: authztest.Redirect, Location: otherURL + authztest.JWKS}, true, true},
		{"redirect loop", k(authztest.RedirectLoop), true, true},
		{"wrong content type", k(authztest.WrongContentType), true, false},
		{"empty", k(authztest.Empty), true, true},
		{"truncated", k(authztest.Truncated), true, true},
		{"cut off", k(authztest.CutOff), true, true},
		{"wrong issuer", k(authztest.WrongIssuer), true, false},
		{"no keys", k(authztest.NoKeys), false, true},
		{"10,000 keys", k(authztest.TooManyKeys), false, true},
		{"changing", k(authztest.Changing), false, false},
		{"duplicate kid", k(authztest.DuplicateKID), false, false},
		{"odd keys", k(authztest.OddKeys), false, false},
	}
}
