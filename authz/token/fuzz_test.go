package token_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// noon is when fuzzed claims are judged: what was found once must not age.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// FuzzVerify: invariant 5: whatever text is sent, without a signature of ours it does not verify.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors() {
		if v.want != authz.Allowed {
			_, compact := newDraft(v.edits...).mint()
			if len(compact) < 4<<10 {
				f.Add(compact)
			}
		}
	}
	p := places()["both"]
	issuers := []*token.Issuer{}
	for _, c := range p.issuers {
		issuers = append(issuers, run(f, c))
	}
	verifier := token.NewVerifier(issuers...)
	f.Fuzz(func(t *testing.T, compact string) {
		claims, err := verifier.Verify(compact, p.expectation(), time.Now())
		if reason := reasonOf(claims, err); reason == authz.Allowed || reason == authz.Undecided {
			t.Errorf("%q: %v", compact, err)
		}
		if claims.Issuer != "" || claims.Payload != nil {
			t.Error("a refusal came with claims")
		}
	})
}

// FuzzClaims signs whatever claims there are: those that pass say by encoding/json, which shares no code with the judge, what
// they were accepted for (invariant 2).
func FuzzClaims(f *testing.F) {
	good := text(object{
		"iss": corpURL, "aud": places()["github"].id, "exp": noon.Add(time.Hour).Unix(), "sub": "alice", "scope": "a b", "azp": "c",
	})
	f.Add(good)
	for _, member := range []string{
		`"nbf":1.5`, `"iat":1e9`, `"aud":["x"]`, `"\u0061ud":"x"`, `"scp":["a",""]`, `"client_id":""`, `"cnf":null`, `"x":"\ud83d\ude00"`, `"x":"\ud800"`,
		`"Exp":1`, `"typ":"bearer"`, `"token_use":"access"`,
	} {
		f.Add(last(member)(good))
	}
	f.Add(replaced(`"exp":`, `"exp":-`)(good))
	f.Add(replaced(`/github/`, `/\u0067ithub/`)(good))
	f.Add(replaced(`"alice"`, `"\u0000\/\n\ud83d\ude00"`)(good))
	p := places()["github"]
	verifier := token.NewVerifier(run(f, p.issuers[0]))
	f.Fuzz(func(t *testing.T, payload []byte) {
		compact := authztest.Token{Header: object{"alg": "EdDSA", "kid": "ed"}, RawPayload: append([]byte{}, payload...), Key: edKey()}.Compact()
		claims, err := verifier.Verify(compact, p.expectation(), noon)
		again, err2 := verifier.Verify(compact, p.expectation(), noon)
		if reasonOf(claims, err) != reasonOf(again, err2) || claims.Subject != again.Subject {
			t.Errorf("the cache changed the verdict from %v to %v", err, err2)
		}
		if err != nil {
			return
		}
		var read map[string]any
		if err := json.Unmarshal(payload, &read); err != nil {
			t.Fatalf("encoding/json cannot read what was accepted: %v", err)
		}
		exp, _ := read["exp"].(float64)
		sub, _ := read["sub"].(string)
		_, bound := read["cnf"]
		switch {
		case read["iss"] != corpURL || claims.Issuer != corpURL:
			t.Errorf("issuer %v", read["iss"])
		case exp+leeway.Seconds() <= float64(noon.Unix()):
			t.Errorf("expired at %v", exp)
		case sub != claims.Subject:
			t.Errorf("subject %q, %q", sub, claims.Subject)
		case bound:
			t.Error("bound to a key")
		case !meant(read["aud"], p):
			t.Errorf("audience %v", read["aud"])
		case string(claims.Payload) != string(payload):
			t.Error("the payload changed")
		}
	})
}

// meant says of an "aud" as encoding/json reads it whether it names the place.
func meant(aud any, p place) bool {
	list, _ := aud.([]any)
	if one, ok := aud.(string); ok {
		list = []any{one}
	}
	for _, a := range list {
		s, _ := a.(string)
		for _, declared := range p.audiences {
			if s == declared {
				return true
			}
		}
		s = strings.TrimSuffix(s, "/")
		path := strings.TrimPrefix(p.id, "https://mcp.example.com")
		if origin, ok := strings.CutSuffix(s, path); ok && strings.EqualFold(origin, "https://mcp.example.com") {
			return true
		}
	}
	return false
}

// FuzzKeySet: B-36, D-06: whatever an authorization server publishes, reading it and judging by it ends well, and no symmetric
// or absent signature verifies.
func FuzzKeySet(f *testing.F) {
	f.Add(corpKeys())
	f.Add(oddKeys())
	f.Add(keySet(object{"kty": "RSA", "n": "AQAB", "e": "____________", "kid": "k"}))
	f.Add(keySet(object{"kty": "EC", "crv": "P-256", "x": strings.Repeat("_", 44), "y": "AA"}))
	f.Add([]byte(`{"keys":null}`))
	r := places()["github"].id
	claims := func(alg string) string {
		b64 := base64.RawURLEncoding.EncodeToString
		head := text(object{"alg": alg, "kid": "k"})
		body := text(object{"iss": corpURL, "aud": r, "exp": noon.Add(time.Hour).Unix()})
		return b64(head) + "." + b64(body) + "." + b64(make([]byte, 64))
	}
	all := []string{}
	for _, alg := range append(token.Algorithms(), "none", "HS256") {
		all = append(all, claims(alg))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		i, err := token.NewIssuer(token.Config{Issuer: corpURL, JWKS: append([]byte{}, document...), CacheEntries: 1})
		if err != nil {
			return
		}
		defer stop(i)
		if s := i.Status(); s.Keys < 1 || s.Keys > token.MaxKeys {
			t.Errorf("%d keys", s.Keys)
		}
		for _, compact := range all {
			if got := reasonOf(token.NewVerifier(i).Verify(compact, authz.Expectation{Resource: r}, noon)); got == authz.Allowed || got == authz.Undecided {
				t.Errorf("%s: %v", compact, got)
			}
		}
	})
}
