package token

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// Verifier judges tokens for a protected resource by the issuers that it names, each on its own: a token is tried against
// the one whose issuer equals its "iss", never against another's keys. It implements authz.Verifier.
type Verifier struct{ issuers []*Issuer }

// NewVerifier makes a verifier. Without issuers it refuses every token.
func NewVerifier(issuers ...*Issuer) *Verifier { return &Verifier{slices.Clone(issuers)} }

// Verify implements authz.Verifier.
func (v *Verifier) Verify(token string, e authz.Expectation, now time.Time) (authz.Claims, error) {
	d := digest(sha256.Sum256([]byte(token)))
	for _, i := range v.issuers {
		ks := i.current()
		if ks == nil {
			continue
		}
		if c := i.remembered(d, ks.epoch); c != nil {
			return i.finish(c, e, now)
		}
	}
	return v.firstSight(token, d, e, now)
}

// firstSight judges a token that no cache knows.
func (v *Verifier) firstSight(token string, d digest, e authz.Expectation, now time.Time) (authz.Claims, error) {
	c, ok := parse(token, "")
	if !ok {
		return authz.Claims{}, authz.TokenMalformed
	}
	i := v.issuer(c.iss)
	if i != nil && i.ScopeClaim != "" {
		c, _ = parse(token, i.ScopeClaim)
	}
	if err := i.judge(c, e, now); err != nil {
		return authz.Claims{}, err
	}
	ks := i.current()
	if ks == nil {
		return authz.Claims{}, &authz.Pending{Wait: i.anyKeys}
	}
	keys, ok := ks.find(c)
	if !ok {
		return authz.Claims{}, i.unknownKey(c, ks)
	}
	i.cache.misses.Add(1)
	if !verifies(c, keys) {
		return authz.Claims{}, i.badSignature(c, ks)
	}
	claims, err := accept(c)
	if err != nil {
		return authz.Claims{}, err
	}
	i.remember(d, c, ks.epoch)
	return claims, nil
}

func (v *Verifier) issuer(iss string) *Issuer {
	for _, i := range v.issuers {
		if iss != "" && i.Issuer == iss {
			return i
		}
	}
	return nil
}

// finish judges a token again whose signature is known to be good.
func (i *Issuer) finish(c *compact, e authz.Expectation, now time.Time) (authz.Claims, error) {
	if err := i.judge(c, e, now); err != nil {
		return authz.Claims{}, err
	}
	return accept(c)
}

// judge checks everything that needs no keys. A nil Issuer is that of a token whose "iss" nobody here declares.
func (i *Issuer) judge(c *compact, e authz.Expectation, now time.Time) error {
	seconds, leeway := float64(now.UnixMilli())/1000, 0.0
	algorithms := Algorithms()
	if i != nil {
		algorithms, leeway = i.Algorithms, i.Leeway.Seconds()
	}
	switch {
	case !typeAccepted(c.typ, i != nil && i.RequireATJWT): // RFC 9068 §4, RFC 8725 §3.11
		return authz.TokenType
	case !slices.Contains(algorithms, c.alg): // RFC 8725 §3.1
		return authz.TokenAlgorithm
	case c.crit: // RFC 7515 §4.1.11
		return authz.TokenCritical
	case i == nil || i.Issuer != c.iss: // RFC 9068 §4
		return authz.TokenIssuer
	case c.exp == nil || c.faulty: // RFC 9068 §2.2
		return authz.TokenClaims
	case seconds >= *c.exp+leeway: // RFC 7519 §4.1.4
		return authz.TokenExpired
	case c.nbf != nil && seconds < *c.nbf-leeway, c.iat != nil && seconds < *c.iat-leeway: // RFC 7519 §4.1.5, §4.1.6
		return authz.TokenNotYetValid
	case !i.meantFor(c, e): // RFC 9068 §4, RFC 8725 §3.9
		return authz.TokenAudience
	}
	return nil
}

// typeAccepted compares the header's "typ", a media type whose "application/" may be left away (RFC 7515 §4.1.9).
func typeAccepted(typ string, requireATJWT bool) bool {
	const application = "application/"
	if len(typ) > len(application) && strings.EqualFold(typ[:len(application)], application) {
		typ = typ[len(application):]
	}
	return strings.EqualFold(typ, "at+jwt") || !requireATJWT && (typ == "" || strings.EqualFold(typ, "jwt"))
}

func (i *Issuer) meantFor(c *compact, e authz.Expectation) bool {
	if c.noAudience {
		return c.claims.ClientID != "" && slices.Contains(i.InsecureClientIDAudience, c.claims.ClientID)
	}
	return slices.ContainsFunc(c.aud, e.Accepts)
}

// accept is the last step: tokens of another kind, and tokens bound to a key that nobody asked for, are no bearer tokens.
func accept(c *compact) (authz.Claims, error) {
	switch {
	case c.otherKind():
		return authz.Claims{}, authz.TokenKind
	case c.bound: // RFC 9449 §7.2, RFC 8705 §3: any "cnf"
		return authz.Claims{}, authz.TokenBound
	}
	return c.claims, nil
}

// otherKind tells ID, refresh and logout tokens where they can be told (RFC 8725 §3.12). A "typ" of at+jwt settles it, and
// so does Keycloak's own claim, whose access tokens may carry a nonce.
func (c *compact) otherKind() bool {
	if c.payloadType != "" && !strings.EqualFold(c.payloadType, "bearer") || c.use != "" && c.use != "access" {
		return true
	}
	return c.idToken && !typeAccepted(c.typ, true) && c.payloadType == ""
}

// anyKeys waits until there are keys at all.
func (i *Issuer) anyKeys(ctx context.Context) error {
	if i.refresh.wait(ctx, time.Time{}) != nil || i.current() == nil {
		return authz.KeysUnavailable
	}
	return nil
}

// unknownKey answers for a token whose key is not in the set. It is a 401 only once a fetch that began after the token was
// made, or was first seen, came back without the key; until then nobody knows.
func (i *Issuer) unknownKey(c *compact, ks *keySet) error {
	since := i.since(c)
	if ks.static || !ks.began.Before(since) {
		return authz.TokenKeyUnknown
	}
	return &authz.Pending{Wait: func(ctx context.Context) error {
		if i.refresh.wait(ctx, since) != nil {
			return authz.KeysUnavailable
		}
		if ks := i.current(); ks == nil {
			return authz.KeysUnavailable
		} else if _, known := ks.find(c); !known {
			return authz.TokenKeyUnknown
		}
		return nil
	}}
}

// since is when a fetch must have begun, at the earliest, to know the key that made a token: when the token was made, or now.
func (i *Issuer) since(c *compact) time.Time {
	now := time.Now()
	if c.iat != nil {
		if made := time.UnixMilli(int64(*c.iat * 1000)).Add(i.Leeway); made.Before(now) {
			return made
		}
	}
	return now
}

// badSignature answers for a signature that a known key did not make. Some servers reuse a kid for a new key, so once per
// interval it is a reason to look; and while a look fails, or has not ended, a token that is younger than the keys is not judged.
func (i *Issuer) badSignature(c *compact, ks *keySet) error {
	now := time.Now()
	if !ks.static && i.refresh.unsettled() && ks.began.Before(i.since(c)) {
		return authz.KeysUnavailable
	}
	if ks.static || !i.refresh.due(now) {
		return authz.TokenSignature
	}
	return &authz.Pending{Wait: func(ctx context.Context) error {
		if i.refresh.wait(ctx, now) != nil {
			return authz.KeysUnavailable
		}
		if fresh := i.current(); fresh != nil && fresh.epoch == ks.epoch {
			return authz.TokenSignature
		}
		return nil
	}}
}
