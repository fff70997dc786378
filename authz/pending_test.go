package authz_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// pending says that a verdict is not there yet, and that waiting for it comes to err.
func pending(err error) error {
	return &authz.Pending{Wait: func(context.Context) error { return err }}
}

// hanging is a verdict that never comes.
func hanging() error {
	return &authz.Pending{Wait: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
}

// inTurn is a Verifier that says one thing after another, and the last one from then on. No error is an allow.
type inTurn struct {
	mu    sync.Mutex
	says  []error
	asked int
}

func (v *inTurn) Verify(string, authz.Expectation, time.Time) (authz.Claims, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.says[min(v.asked, len(v.says)-1)]
	v.asked++
	return alice(), err
}

// What a verdict that was waited for comes to: the verifier is asked again, and if it still does not know, nobody does.
func TestPending(t *testing.T) {
	for _, c := range []struct {
		rule string
		says []error
		want authz.Reason
	}{
		{"then good", []error{pending(nil), nil}, authz.Allowed},
		{"then pending, then good", []error{pending(nil), pending(nil), nil}, authz.Allowed},
		{"then good, wrapped", []error{fmt.Errorf("wrapped: %w", pending(nil)), nil}, authz.Allowed},
		{"then bad", []error{pending(nil), authz.TokenSignature}, authz.TokenSignature},
		{"waiting finds out that it is bad", []error{pending(authz.TokenKeyUnknown), nil}, authz.TokenKeyUnknown},
		{"no keys", []error{pending(authz.KeysUnavailable), nil}, authz.KeysUnavailable},
		{"waiting fails for a reason of its own", []error{pending(errors.New("dial tcp: refused")), nil}, authz.KeysUnavailable},
		{"waiting breaks its contract", []error{pending(authz.Allowed), nil}, authz.VerifierFailed},
		{"A-23 twice: nobody knows", []error{pending(nil)}, authz.KeysUnavailable},
		{"a pending that cannot be waited for", []error{&authz.Pending{}, nil}, authz.Panicked},
		{"a pending that is none", []error{(*authz.Pending)(nil), nil}, authz.Panicked},
	} {
		a := deciding(t, declare(t, github, verifier(&inTurn{says: c.says})))
		if d := judge(t, a, withToken()); d.Reason != c.want || d.Allowed() != (c.want == authz.Allowed) {
			t.Errorf("%s: %v, want %v", c.rule, d.Reason, c.want)
		}
	}
}

// Invariant 7: with a hanging issuer, a check is answered by its own deadline or shortly before the gateway's, whichever comes
// first; waiting twice takes no longer.
func TestPendingDeadline(t *testing.T) {
	half := &authz.Pending{Wait: func(context.Context) error { <-time.After(600 * time.Millisecond); return nil }}
	for _, c := range []struct {
		rule         string
		says         []error
		caller, want time.Duration // caller: of the gateway, 0 for none
	}{
		{"its own", []error{hanging()}, 0, time.Second},
		{"the gateway's is later", []error{hanging()}, time.Minute, time.Second},
		{"the gateway's is sooner", []error{hanging()}, 500 * time.Millisecond, 450 * time.Millisecond},
		{"only the margin is left", []error{hanging()}, 50 * time.Millisecond, 0},
		{"less than the margin is left", []error{hanging()}, 10 * time.Millisecond, 0},
		{"the second wait ends with the first one's deadline", []error{half, hanging()}, 0, time.Second},
	} {
		t.Run(c.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.caller)
					defer cancel()
				}
				a := bounded(t, 1, verifier(&inTurn{says: c.says}))
				start := time.Now()
				d := a.Authorize(ctx, withToken())
				if took := time.Since(start); took != c.want || d.Reason != authz.KeysUnavailable || d.Answer().Status != 503 {
					t.Errorf("%v after %v, want it after %v", d.Reason, took, c.want)
				}
			})
		})
	}
	// The gateway gives up while a check waits: whatever comes of the wait, nothing is allowed (I-21).
	ctx, cancel := context.WithCancel(t.Context())
	stubborn := &authz.Pending{Wait: func(context.Context) error { cancel(); return nil }}
	if d := bounded(t, 1, verifier(&inTurn{says: []error{stubborn, nil}})).Authorize(ctx, withToken()); d.Reason != authz.Canceled {
		t.Errorf("canceled while waiting: %v", d.Reason)
	}
}

// bounded is an Authorizer with this many slots for checks and a second for each.
func bounded(t testing.TB, slots int, edits ...func(*authz.ProtectedResource)) *authz.Authorizer {
	t.Helper()
	table, err := authz.NewTable([]authz.ProtectedResource{declare(t, github, edits...)})
	if err != nil {
		t.Fatal(err)
	}
	a := &authz.Authorizer{}
	a.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 99, ConcurrentChecks: slots, CheckDeadline: time.Second}})
	return a
}

// byToken is a Verifier that does what its token says.
type byToken map[string]func() error

func (v byToken) Verify(token string, _ authz.Expectation, _ time.Time) (authz.Claims, error) {
	return alice(), v[token]()
}

// Those who wait for a network hold no slot: everybody else is judged meanwhile. Those who are being judged do, and the next one
// is refused, by us; no outcome of a check, a panic included, ever keeps a slot or gives one back twice.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, release := make(chan struct{}), make(chan struct{})
		a := bounded(t, 1, verifier(byToken{
			"good":     func() error { return nil },
			"bad":      func() error { return authz.TokenExpired },
			"panic":    func() error { panic("a defect") },
			"busy":     func() error { close(busy); <-release; return nil },
			"hanging":  hanging,
			"worse":    func() error { return &authz.Pending{Wait: func(context.Context) error { panic("a defect") }} },
			"hopeless": func() error { return pending(authz.TokenKeyUnknown) },
		}))
		ask := func(token string) authz.Reason {
			return a.Authorize(t.Context(), request("POST", github, "authorization", "Bearer "+token)).Reason
		}
		reasons := make(chan authz.Reason)
		for range 3 {
			go func() { reasons <- ask("hanging") }()
			synctest.Wait() // until it waits
		}
		if got := ask("good"); got != authz.Allowed {
			t.Errorf("while others wait for a network: %v", got)
		}
		for range 3 { // they come back at the same moment, and are refused for want of keys, not for want of slots
			if got := <-reasons; got != authz.KeysUnavailable {
				t.Errorf("a hanging issuer: %v", got)
			}
		}
		for token, want := range map[string]authz.Reason{
			"bad": authz.TokenExpired, "panic": authz.Panicked, "worse": authz.Panicked, "hanging": authz.KeysUnavailable, "hopeless": authz.TokenKeyUnknown,
		} {
			if got := ask(token); got != want {
				t.Errorf("%s: %v, want %v", token, got, want)
			}
			if got := ask("good"); got != authz.Allowed {
				t.Errorf("after %s, a good token: %v", token, got)
			}
		}
		go func() { reasons <- ask("busy") }()
		<-busy
		for range 2 { // a refusal for want of slots holds none either
			if got := ask("good"); got != authz.Overloaded {
				t.Errorf("all slots are taken: %v", got)
			}
		}
		close(release)
		if got := <-reasons; got != authz.Allowed {
			t.Errorf("the one that took it: %v", got)
		}
		if got := ask("good"); got != authz.Allowed {
			t.Errorf("in the end: %v", got)
		}
	})
}
