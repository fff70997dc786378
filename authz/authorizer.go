package authz

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// Authorizer decides about requests by the Snapshot in force. The zero value refuses everything until Use is called.
type Authorizer struct {
	Observer Observer         // may be nil
	Now      func() time.Time // the clock that tokens are judged by; nil: time.Now

	snapshot atomic.Pointer[Snapshot]
	checks   atomic.Int64 // in flight, but for those that wait for a network
}

// Snapshot is a whole configuration, compiled. It is never changed once in use.
type Snapshot struct {
	Resources *Table
	Limits    Limits
}

// Limits bound what one request, and all together, may cost.
type Limits struct {
	TokenBytes       int           // longest token, before it is parsed
	ConcurrentChecks int           // in flight at once; those that wait for keys do not count
	CheckDeadline    time.Duration // for one decision
}

// DeadlineMargin is how long before the gateway's own deadline a decision is made at the latest.
const DeadlineMargin = 50 * time.Millisecond

// Observer is told every decision, once, with the context that Authorize got. It must be safe for concurrent use and must not
// block.
type Observer interface {
	Observe(ctx context.Context, r *Request, d Decision, took time.Duration)
}

// Use puts a snapshot in force. Decisions under way finish on the one they began with.
func (a *Authorizer) Use(s *Snapshot) { a.snapshot.Store(s) }

// Configured reports whether a snapshot is in force.
func (a *Authorizer) Configured() bool { return a.snapshot.Load() != nil }

// Metadata looks a metadata URL up by the host and path of a request, as received, for the companion listener.
func (a *Authorizer) Metadata(host, path string) metadata.Found {
	s := a.snapshot.Load()
	if s == nil {
		return metadata.Found{Unusable: true}
	}
	to, ok := canonicalTarget(host, path)
	if !ok {
		return metadata.Found{NotCanonical: true}
	}
	found, _ := s.Resources.metadata(to)
	return found
}

// Authorize decides about one request. It always returns a decision, whatever happens: what could not be decided is refused
// with 503, by us, because the gateway must not decide in our place.
func (a *Authorizer) Authorize(ctx context.Context, r *Request) (d Decision) {
	start := time.Now()
	defer func() {
		if recover() != nil {
			d = refuse(Panicked, &Request{})
		}
		d = a.observe(ctx, r, d, time.Since(start))
	}()
	s := a.snapshot.Load()
	if s == nil {
		return refuse(NotConfigured, r)
	}
	defer a.checks.Add(-1)
	if a.checks.Add(1) > int64(s.Limits.ConcurrentChecks) {
		return refuse(Overloaded, r)
	}
	return a.decide(ctx, s, r, start)
}

// observe tells the Observer. What it cannot be told is refused: nothing passes unseen, and its panic ends here.
func (a *Authorizer) observe(ctx context.Context, r *Request, d Decision, took time.Duration) (told Decision) {
	defer func() {
		if recover() != nil {
			told = refuse(Panicked, &Request{})
		}
	}()
	if a.Observer != nil {
		a.Observer.Observe(ctx, r, d, took)
	}
	return d
}

// decide is the whole decision, in order. See docs/architecture.md.
func (a *Authorizer) decide(ctx context.Context, s *Snapshot, r *Request, start time.Time) Decision {
	to, ok := canonicalize(r) // 1
	if !ok {
		return refuse(NotCanonical, r)
	}
	if found, ok := s.Resources.metadata(to); ok { // 2
		return document(found.Answer(r.Method, r.Header("if-none-match")))
	}
	m, reason := s.Resources.find(to) // 3
	switch {
	case m.resource == nil:
		return refuse(reason, r)
	case r.Pinned && r.Pin != m.ID.String():
		return refuse(ResourceMismatch, r)
	case r.Routed && !m.leadsHere(r.Route):
		return refuse(RouteMismatch, r)
	case reason != Allowed:
		return m.refuse(reason, r, "")
	}
	origin := r.Header("origin")
	if _, lines := r.header("origin"); lines > 0 {
		if ok, _ := m.admits(origin); !ok {
			return m.refuse(OriginNotAllowed, r, "")
		}
	}
	if isPreflight(r, origin) {
		return m.preflight(r, origin)
	}
	token, reason := credential(r, s.Limits.TokenBytes) // 4
	if reason != Allowed {
		return m.refuse(reason, r, "")
	}
	claims, reason := a.verify(ctx, s, m, token, start) // 5
	if reason != Allowed {
		return m.refuse(reason, r, "")
	}
	good := func(d Decision) Decision { // who it is, for the log: the token was good
		d.Claims = claims
		return d
	}
	if r.Header("upgrade") != "" {
		return good(m.refuse(UpgradeRefused, r, ""))
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
	default:
		return good(m.refuse(MethodNotAllowed, r, ""))
	}
	if ok, ask := m.Policy.Permit(claims); !ok { // 7
		return good(m.refuse(InsufficientScope, r, ask))
	}
	if ctx.Err() != nil { // 8
		return good(m.refuse(Canceled, r, ""))
	}
	d := Decision{Reason: Allowed, ID: decisionID(), Resource: m.Name, Claims: claims, Upstream: m.upstream(r, claims)} // 9
	if origin != "" {
		d.ResponseHeader = m.readable(origin)
	}
	return d
}

// verify is step 5. A verdict that hangs on a network is waited for, within the deadline and without a slot of the checks.
func (a *Authorizer) verify(ctx context.Context, s *Snapshot, m match, token string, start time.Time) (Claims, Reason) {
	expect := m.expectation()
	for waits := 0; ; waits++ {
		claims, err := m.Verifier.Verify(token, expect, a.now())
		if err == nil {
			return claims, Allowed
		}
		var pending *Pending
		if !errors.As(err, &pending) {
			return Claims{}, refusing(err, VerifierFailed)
		}
		if waits == 2 { // first keys, then an unknown one among them: nothing else is worth a third wait
			return Claims{}, KeysUnavailable
		}
		if err := a.wait(ctx, s, pending, start); err != nil {
			return Claims{}, refusing(err, KeysUnavailable)
		}
	}
}

// refusing is the Reason that an error of a verifier is, or else the given one. No error lets anything through, nor is it
// answered as if something had gone well.
func refusing(err error, otherwise Reason) Reason {
	var reason Reason
	if !errors.As(err, &reason) {
		return otherwise
	}
	if reason.Status() < http.StatusBadRequest {
		return VerifierFailed
	}
	return reason
}

func (a *Authorizer) wait(ctx context.Context, s *Snapshot, p *Pending, start time.Time) error {
	deadline := start.Add(s.Limits.CheckDeadline)
	if caller, ok := ctx.Deadline(); ok {
		if caller = caller.Add(-DeadlineMargin); caller.Before(deadline) {
			deadline = caller
		}
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	a.checks.Add(-1)
	defer a.checks.Add(1)
	return p.Wait(ctx)
}

func (a *Authorizer) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}
