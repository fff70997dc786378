package authz_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
)

// Invariant 1: whatever a Decision is, and however it came about, it is an allow or it has an answer that refuses.
func TestEveryDecisionRefuses(t *testing.T) {
	if d := (authz.Decision{}); d.Allowed() || d.Answer().Status != 503 || field(d.Answer(), "retry-after") == "" {
		t.Errorf("the zero value: %+v", d.Answer())
	}
	for _, reason := range append(authz.Reasons(), authz.Reason(len(authz.Reasons())), 255) {
		d := authz.Decision{Reason: reason}
		want := reason.Status()
		if want < 400 { // an answer without the row's own content
			want = 503
		}
		if answer := d.Answer(); answer.Status != want || len(answer.Body) == 0 || d.Allowed() != (reason == authz.Allowed) || field(answer, "www-authenticate") != "" {
			t.Errorf("%v: %+v", reason, answer)
		}
		readRefusal(t, d.Answer())
		if listed := answers()[reason].status; listed != 0 && listed != want {
			t.Errorf("%v: %d, the table says %d", reason, want, listed)
		}
	}
	names := map[string]authz.Reason{}
	for _, reason := range authz.Reasons() {
		if other, taken := names[reason.String()]; taken || reason.String() == "" || reason.Error() != reason.String() {
			t.Errorf("%d and %d are both called %q", reason, other, reason)
		}
		names[reason.String()] = reason
	}
}

// A verifier that breaks its contract lets nobody through, and its words reach nobody (invariant 4).
func TestVerifierContract(t *testing.T) {
	for _, c := range []struct {
		rule string
		err  error
		want authz.Reason
	}{
		{"an allow as an error", authz.Allowed, authz.VerifierFailed},
		{"a document as an error", authz.Metadata, authz.VerifierFailed},
		{"a preflight as an error", authz.Preflight, authz.VerifierFailed},
		{"an allow, wrapped", fmt.Errorf("wrapped: %w", authz.Allowed), authz.VerifierFailed},
		{"an allow beside a refusal", errors.Join(authz.Allowed, authz.TokenExpired), authz.VerifierFailed},
		{"an error of its own", errors.New("kid k-1 of https://keys.internal"), authz.VerifierFailed},
		{"an end of some context", context.DeadlineExceeded, authz.VerifierFailed},
		{"no decision", authz.Undecided, authz.Undecided},
		{"a reason, wrapped", fmt.Errorf("wrapped: %w", authz.TokenExpired), authz.TokenExpired},
	} {
		// The claims that come along say that all is well.
		d := judge(t, deciding(t, declare(t, github, verifier(verifying(func() (authz.Claims, error) { return alice(), c.err })))), withToken())
		if d.Reason != c.want || d.Allowed() || d.Answer().Status < 400 || d.Claims.Subject != "" {
			t.Errorf("%s: %v, %d, %+v", c.rule, d.Reason, d.Answer().Status, d.Claims)
		}
	}
	// What is out of the table is not even a reason.
	if d := judge(t, deciding(t, declare(t, github, verifier(failing(255)))), withToken()); d.Allowed() || d.Answer().Status != 503 {
		t.Errorf("an unknown reason: %v, %d", d.Reason, d.Answer().Status)
	}
}

// witness is an Observer that remembers, and may break.
type witness struct {
	told   []authz.Decision
	of     []*authz.Request
	breaks bool
}

func (w *witness) Observe(_ context.Context, r *authz.Request, d authz.Decision, took time.Duration) {
	w.told, w.of = append(w.told, d), append(w.of, r)
	if w.breaks || took < 0 {
		panic("a defect of the observer")
	}
}

// Whatever happens, the answer is a decision of ours, and the Observer is told it: once, and the very one. What it cannot be told
// does not pass.
func TestObserved(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	panicking := verifier(verifying(func() (authz.Claims, error) { panic("a defect") }))
	none := &authz.Authorizer{}
	full := deciding(t, declare(t, github))
	table, _ := authz.NewTable([]authz.ProtectedResource{declare(t, github)})
	full.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 9, CheckDeadline: time.Second}})
	for _, c := range []struct {
		rule string
		a    *authz.Authorizer
		ctx  context.Context
		r    *authz.Request
		want authz.Reason
	}{
		{"an allow", deciding(t, declare(t, github)), t.Context(), withToken(), authz.Allowed},
		{"a refusal", deciding(t, declare(t, github)), t.Context(), request("POST", github), authz.NoCredential},
		{"a document", deciding(t, declare(t, github)), t.Context(), request("GET", github+segment), authz.Metadata},
		{"a preflight", deciding(t, declare(t, github)), t.Context(), request("OPTIONS", github, "origin", "https://mcp.example.com", "access-control-request-method", "GET"), authz.Preflight},
		{"I-21 canceled", deciding(t, declare(t, github)), over, withToken(), authz.Canceled},
		{"a panic", deciding(t, declare(t, github, panicking)), t.Context(), withToken(), authz.Panicked},
		{"no request", deciding(t, declare(t, github)), t.Context(), nil, authz.Panicked},
		{"no resources", deciding(t), t.Context(), withToken(), authz.ResourceUnknown},
		{"no configuration", none, t.Context(), withToken(), authz.NotConfigured},
		{"no slot", full, t.Context(), withToken(), authz.Overloaded},
	} {
		d := c.a.Authorize(c.ctx, c.r) // without an Observer
		if d.Reason != c.want || len(d.ID) != 16 || c.want != authz.Allowed && d.Allowed() {
			t.Errorf("%s: %v of %q, want %v", c.rule, d.Reason, d.ID, c.want)
		}
		if want, refuses := answers()[c.want]; refuses && c.want.Status() >= 400 && d.Answer().Status != want.status {
			t.Errorf("%s: %d", c.rule, d.Answer().Status)
		}
		var sane, broken witness
		c.a.Observer = &sane
		d = c.a.Authorize(c.ctx, c.r)
		if len(sane.told) != 1 || sane.of[0] != c.r || cmp.Diff(d, sane.told[0], cmp.AllowUnexported(authz.Decision{})) != "" || d.Reason != c.want {
			t.Errorf("%s: decided %v, told %+v", c.rule, d.Reason, sane.told)
		}
		broken.breaks = true
		c.a.Observer = &broken
		d = c.a.Authorize(c.ctx, c.r)
		if d.Reason != authz.Panicked || d.Answer().Status != 503 || len(broken.told) != 1 || len(d.Upstream.Set) > 0 {
			t.Errorf("%s: the observer broke: %v, told %d times", c.rule, d.Reason, len(broken.told))
		}
	}
	if none.Configured() || !full.Configured() {
		t.Error("configured, or not")
	}
}

// Methods and upgrades are refused only to those whose token is good: a stranger is asked to log in, whatever he sends (A-01,
// E-32), and learns nothing else.
func TestMethods(t *testing.T) {
	a := deciding(t, declare(t, github))
	for _, c := range []struct {
		rule, method string
		header       []string
		want         authz.Reason
		status       int
	}{
		{"", "GET", nil, authz.Allowed, 0},
		{"", "HEAD", nil, authz.Allowed, 0},
		{"", "POST", nil, authz.Allowed, 0},
		{"", "DELETE", nil, authz.Allowed, 0},
		{"", "OPTIONS", nil, authz.Allowed, 0},
		{"no upgrade", "GET", []string{"connection", "upgrade", "x-upgrade", "h2c"}, authz.Allowed, 0},
		{"", "PUT", nil, authz.MethodNotAllowed, 405},
		{"", "PATCH", nil, authz.MethodNotAllowed, 405},
		{"", "TRACE", nil, authz.MethodNotAllowed, 405},
		{"", "PROPFIND", nil, authz.MethodNotAllowed, 405},
		{"in lower case", "post", nil, authz.MethodNotAllowed, 405},
		{"with a blank", "POST ", nil, authz.MethodNotAllowed, 405},
		{"web socket", "GET", []string{"upgrade", "websocket"}, authz.UpgradeRefused, 400},
		{"h2c", "POST", []string{"upgrade", "h2c"}, authz.UpgradeRefused, 400},
		{"two upgrades", "POST", []string{"upgrade", "", "upgrade", "h2c"}, authz.UpgradeRefused, 400},
		{"both", "PUT", []string{"upgrade", "h2c"}, authz.UpgradeRefused, 400},
	} {
		for token, want := range map[string]authz.Reason{"": authz.NoCredential, "Bearer other": authz.TokenAudience, "Bearer T": c.want} {
			d := judge(t, a, request(c.method, github, append(c.header, "authorization", token)...))
			if d.Reason != want {
				t.Errorf("%s %s with %q: %v, want %v", c.method, c.rule, token, d.Reason, want)
			}
			if d.Reason == c.want && !d.Allowed() {
				expectSaid(t, d, answers()[c.want])
			}
			if d.Reason == authz.MethodNotAllowed != (field(d.Answer(), "allow") != "") {
				t.Errorf("%s with %q: %v", c.method, token, d.Answer().Header)
			}
		}
	}
}

// A path that the gateway wrote down otherwise than it routes by is nobody's (invariant 10): where bytes cannot be told, "!"
// stands for them.
func TestPathField(t *testing.T) {
	a := deciding(t, declare(t, github))
	for sent, want := range map[string]authz.Reason{
		"/github/mcp": authz.Allowed, "/github/mcp?x": authz.NotCanonical, "/github/mcp/": authz.NotCanonical, "/slack/mcp": authz.NotCanonical, "": authz.NotCanonical,
	} {
		if d := judge(t, a, withToken(":path", sent)); d.Reason != want {
			t.Errorf("path field %q: %v", sent, d.Reason)
		}
	}
	marked := request("POST", github+"/!", "authorization", "Bearer T", ":path", "/github/mcp/\xff")
	if d := judge(t, a, marked); d.Reason != authz.NotCanonical {
		t.Errorf("a byte that was rewritten: %v", d.Reason)
	}
}

// Requests in flight finish on the snapshot that they began with (§7 of the design), and tokens are judged by the clock given.
func TestSnapshotAndClock(t *testing.T) {
	var a *authz.Authorizer
	swap := verifying(func() (authz.Claims, error) {
		table, err := authz.NewTable(nil)
		if err != nil {
			t.Error(err)
		}
		a.Use(&authz.Snapshot{Resources: table, Limits: limits()})
		return alice(), nil
	})
	a = deciding(t, declare(t, github, verifier(swap)))
	if d := judge(t, a, withToken()); !d.Allowed() || d.Resource != github {
		t.Errorf("on the old snapshot: %v", d.Reason)
	}
	if d := judge(t, a, withToken()); d.Reason != authz.ResourceUnknown {
		t.Errorf("on the new one: %v", d.Reason)
	}
	ripe := grant(github)
	ripe.expires = noon.Add(time.Second)
	b := deciding(t, declare(t, github, verifier(tokens{"T": ripe})))
	for after, want := range map[time.Duration]authz.Reason{0: authz.Allowed, time.Second: authz.TokenExpired} { // B-17, B-01
		b.Now = func() time.Time { return noon.Add(after) }
		if d := judge(t, b, withToken()); d.Reason != want {
			t.Errorf("%v later: %v", after, d.Reason)
		}
	}
	wall := deciding(t, declare(t, github, verifier(tokens{
		"old":   {claims: ripe.claims, expires: time.Now().Add(-time.Hour)},
		"young": {claims: ripe.claims, expires: time.Now().Add(time.Hour)},
	})))
	wall.Now = nil // the clock on the wall
	for token, want := range map[string]authz.Reason{"old": authz.TokenExpired, "young": authz.Allowed} {
		if d := judge(t, wall, request("POST", github, "authorization", "Bearer "+token)); d.Reason != want {
			t.Errorf("by the clock on the wall, the %s token: %v", token, d.Reason)
		}
	}
}
