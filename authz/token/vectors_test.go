package token_test

import (
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// vector is a good token of corp for "github" with edits, and what is to become of it.
type vector struct {
	name  string
	want  authz.Reason
	edits []edit
}

func allow(name string, edits ...edit) vector { return vector{name, authz.Allowed, edits} }

func deny(name string, want authz.Reason, edits ...edit) vector { return vector{name, want, edits} }

func vectors() []vector {
	return slices.Concat(algorithmVectors(), headerVectors(), formVectors(), issuerVectors(), audienceVectors(), timeVectors(),
		scopeVectors(), kindVectors(), keyVectors(), dialectVectors(), edgeVectors())
}

// TestVectors puts every vector through both entry points, each with a cold cache and then a warm one. Whatever fails is 401
// with invalid_token and a challenge; no answer depends on the cache (B-01).
func TestVectors(t *testing.T) {
	alone, whole := newWorld(t), newWorld(t)
	seen := map[string]bool{}
	for _, v := range vectors() {
		if seen[v.name] || !regexp.MustCompile(`^[A-Z]-\d\d `).MatchString(v.name) {
			t.Errorf("%q stands twice or cites no requirement", v.name)
		}
		seen[v.name] = true
		t.Run(v.name, func(t *testing.T) {
			d := newDraft(v.edits...)
			at, compact := d.mint()
			for _, cache := range []string{"cold", "warm"} {
				if got := alone.verify(at, compact); got != v.want {
					t.Errorf("Verify, %s: %v, want %v", cache, got, v.want)
				}
			}
			want := v.want
			if d.ofCheck != authz.Undecided {
				want = d.ofCheck
			}
			for range 2 {
				for _, encoding := range authztest.Encodings() {
					judged(t, whole.check(t, at, compact, encoding), want)
				}
			}
		})
	}
}

// judged compares a verdict of the whole check.
func judged(t *testing.T, v authztest.Verdict, want authz.Reason) {
	t.Helper()
	if v.Reason != want.String() || v.Allowed != (want == authz.Allowed) {
		t.Errorf("Check: %s, allowed %v, want %v", v.Reason, v.Allowed, want)
	}
	if v.Allowed {
		return
	}
	status, code := http.StatusUnauthorized, "invalid_token"
	switch want {
	case authz.InsufficientScope:
		status, code = http.StatusForbidden, "insufficient_scope"
	case authz.MultipleCredentials:
		status, code = http.StatusBadRequest, "invalid_request"
	case authz.KeysUnavailable:
		if v.Status != http.StatusServiceUnavailable || v.Get("www-authenticate") != "" || v.Get("retry-after") == "" {
			t.Errorf("not a plain 503 but %v", v)
		}
		return
	default: // a token that is not good
	}
	c, err := authztest.ParseChallenge(v.Get("www-authenticate"))
	if err != nil || v.Status != status || c.Get("error") != code {
		t.Errorf("%d with error %q, want %d with %s (%v)", v.Status, c.Get("error"), status, code, err)
	}
}

// TestFirstFaultNamesTheReason combines every two faults of a token: the one that is judged first is the reason.
func TestFirstFaultNamesTheReason(t *testing.T) {
	w := newWorld(t)
	faults := []vector{
		deny("form", authz.TokenMalformed, sent(func(s string) string { return s + "." })),
		deny("type", authz.TokenType, header("typ", "dpop+jwt")),
		deny("algorithm", authz.TokenAlgorithm, header("alg", "HS256")),
		deny("critical", authz.TokenCritical, header("crit", []string{"b64"})),
		deny("issuer", authz.TokenIssuer, claim("iss", "https://elsewhere.example.com")),
		deny("claims", authz.TokenClaims, claim("sub", 7)),
		deny("expired", authz.TokenExpired, claim("exp", 1000)),
		deny("not yet valid", authz.TokenNotYetValid, claim("nbf", 9999999999)),
		deny("audience", authz.TokenAudience, audience("https://elsewhere.example.com")),
		deny("key", authz.TokenKeyUnknown, kid("elsewhere")),
		deny("signature", authz.TokenSignature, signature(func([]byte) []byte { return make([]byte, 256) })),
		deny("kind", authz.TokenKind, claim("token_use", "id")),
		deny("bound", authz.TokenBound, claim("cnf", object{"jkt": "x"})),
	}
	for i, one := range faults {
		for _, two := range faults[i:] {
			at, compact := newDraft(append(slices.Clone(two.edits), one.edits...)...).mint()
			if got := w.verify(at, compact); got != one.want {
				t.Errorf("%s and %s: %v", one.name, two.name, got)
			}
			judged(t, w.check(t, at, compact, authztest.RawForm), one.want)
		}
	}
}

// TestIdentities: B-21: the same subject of two issuers is two identities upstream.
func TestIdentities(t *testing.T) {
	w := newWorld(t)
	identity := func(edits ...edit) [2]string {
		t.Helper()
		at, compact := newDraft(append(edits, on("both"), claim("sub", "alice"))...).mint()
		v := w.check(t, at, compact, authztest.RawForm)
		judged(t, v, authz.Allowed)
		issuer, _ := v.Upstream(authz.HeaderIssuer)
		subject, _ := v.Upstream(authz.HeaderSubject)
		return [2]string{issuer, subject}
	}
	if got, want := identity(), [2]string{corpURL, "alice"}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := identity(fromOther), [2]string{otherURL, "alice"}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
