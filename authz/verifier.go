package authz

import (
	"context"
	"strings"
	"time"
)

// Verifier judges access tokens for one protected resource: form, issuer, time, audience, signature and kind, in the order
// of cost, and all of it on every call whatever a cache knows.
//
// On success the error is nil. Otherwise it is a Reason, or a *Pending if the verdict hangs on a network; anything else
// counts as VerifierFailed. Verify itself never waits.
type Verifier interface {
	Verify(token string, e Expectation, now time.Time) (Claims, error)
}

// Expectation is what a token must be meant for.
type Expectation struct {
	Resource  string   // identifier of the protected resource, as this request reached it
	Audiences []string // further audiences that it declares; compared exactly
}

// Accepts reports whether an audience names the resource: its identifier, where scheme and host may be in any case and one
// trailing slash more or less is forgiven, or exactly one of the declared audiences (RFC 8707 §2, RFC 9068 §4).
func (e Expectation) Accepts(audience string) bool {
	if audience == "" {
		return false
	}
	for _, a := range e.Audiences {
		if a == audience {
			return true
		}
	}
	if audience == e.Resource {
		return true
	}
	audience, _ = strings.CutSuffix(audience, "/")
	i := strings.Index(e.Resource, "://")
	if i < 0 || len(audience) != len(e.Resource) {
		return false
	}
	end := strings.IndexByte(e.Resource[i+3:], '/')
	if end < 0 {
		end = len(e.Resource)
	} else {
		end += i + 3
	}
	return equalFoldASCII(audience[:end], e.Resource[:end]) && audience[end:] == e.Resource[end:]
}

func equalFoldASCII(a, b string) bool {
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// Claims is what a verified token says. Nothing unverified ever gets this type.
type Claims struct {
	Issuer   string
	Subject  string // "sub"; meaningful only together with Issuer (RFC 8725 §3.8)
	ClientID string // "client_id", else "azp"
	Audience []string
	Scopes   []string // granted, in the token's order, not interpreted
	Payload  []byte   // the claims as JSON, for those that a declaration names; not to be changed
}

// Pending says that a verdict cannot be had at once. Wait blocks until asking again may help, and returns a Reason if it
// will not: the keys are unavailable, too many are waiting already, or ctx ended.
type Pending struct {
	Wait func(ctx context.Context) error
}

// Error implements error.
func (*Pending) Error() string { return "the verdict waits for the authorization server" }
