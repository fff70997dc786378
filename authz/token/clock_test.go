package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestClocksThatDiffer: B-17, B-19: an authorization server whose clock is wrong by no more than the leeway is as good as any,
// a rotation included (D-08).
func TestClocksThatDiffer(t *testing.T) {
	for _, ahead := range []time.Duration{leeway, leeway / 2, -leeway / 2, -leeway} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, brief)
				o.SetClock(ahead)
				flow := newTraffic(o)
				flow.run(12 * time.Second)
				flow.rotate()
				flow.run(24 * time.Second)
				if took := flow.recovered(o.good()); took > 0 {
					t.Errorf("a token of the new key was let in only %v later", took)
				}
			})
		})
	}
}

// TestClocksThatDifferTooMuch: B-17, B-19: beyond the leeway a token is judged by our clock: not yet valid, or expired. When the
// server's clock is set right, its next token passes.
func TestClocksThatDifferTooMuch(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		lives time.Duration
		want  authz.Reason
	}{
		{leeway, time.Hour, authz.Allowed},
		{leeway + time.Second, time.Hour, authz.TokenNotYetValid},
		{time.Hour, time.Hour, authz.TokenNotYetValid},
		{-leeway - 59*time.Second, time.Minute, authz.Allowed},
		{-leeway - time.Minute, time.Minute, authz.TokenExpired},
		{-time.Hour, time.Minute, authz.TokenExpired},
		{-30 * time.Minute, time.Hour, authz.Allowed}, // half of its life is gone
	} {
		synctest.Test(t, func(t *testing.T) {
			o := ready(t, direct)
			made := func() string {
				d := o.Token(object{"aud": places()["github"].id})
				d.Claims["exp"] = d.Claims["iat"].(int64) + int64(c.lives/time.Second)
				return d.Compact()
			}
			o.SetClock(c.ahead)
			for range 3 {
				o.check(made(), c.want)
				pass(time.Minute)
			}
			o.SetClock(0)
			o.check(made(), authz.Allowed)
		})
	}
}
