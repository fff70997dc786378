package token_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestKeysAtTheirLimits: B-36, D-06: RSA keys of 2048 to 8192 bits, and ids of 256 bytes that are texts: a key beyond that is left
// out, whole, and does not come back as one without an id.
func TestKeysAtTheirLimits(t *testing.T) {
	bits := func(n uint) any {
		modulus := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), n-1), 0, 1)
		return rsaKey().JWK(object{"n": base64.RawURLEncoding.EncodeToString(modulus.Bytes())})
	}
	for _, c := range []struct {
		name string
		key  any
		ok   bool
	}{
		{"2047 bits", bits(2047), false},
		{"2048 bits", bits(2048), true},
		{"8192 bits", bits(8192), true},
		{"8193 bits", bits(8193), false},
		{"an id of 256 bytes", named(strings.Repeat("k", 256), ecKey()).JWK(nil), true},
		{"an id of 257 bytes", named(strings.Repeat("k", 257), ecKey()).JWK(nil), false},
		{"a number as id", ecKey().JWK(object{"kid": 7}), false},
		{"a list as alg", ecKey().JWK(object{"alg": []string{"ES256"}}), false},
		{"a text as key_ops", ecKey().JWK(object{"key_ops": "verify"}), false},
	} {
		i, err := token.NewIssuer(token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(c.key)})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			stop(i)
		}
	}
	long := named(strings.Repeat("k", 256), ecKey())
	v := newVerifier(t, place{issuers: []token.Config{{Name: "corp", Issuer: corpURL, JWKS: keySet(long.JWK(nil)), Leeway: leeway}}})
	if got := reasonOf(v.Verify(mint(by(long), audience(github)), authz.Expectation{Resource: github}, time.Now())); got != authz.Allowed {
		t.Errorf("a token that names the longest id: %v", got)
	}
}

// TestCurveOfAnAlgorithm: B-06, RFC 7518 §3.4: ES512 is of P-521 alone; by a key of another curve, whoever holds it, nothing is
// signed with ES512.
func TestCurveOfAnAlgorithm(t *testing.T) {
	w := newWorld(t)
	wide := signature(func(input []byte) []byte {
		digest := sha512.Sum512(input)
		r, s, err := ecdsa.Sign(rand.Reader, ecKey().Private.(*ecdsa.PrivateKey), digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 66)), s.FillBytes(make([]byte, 66))...)
	})
	if got := w.verify("github", mint(by(ecKey()), algorithm("ES512"), wide)); got != authz.TokenKeyUnknown {
		t.Errorf("%v", got)
	}
}

// TestPrivateKeysAmongOthers: D-07: that a private key was published is told whatever stands around it, and of a symmetric key it is
// not said.
func TestPrivateKeysAmongOthers(t *testing.T) {
	good, private, secret := ecKey().JWK(nil), rsaKey().JWK(object{"d": "AQAB"}), object{"kty": "oct", "k": "AQAB", "kid": "oct"}
	for name, c := range map[string]struct {
		keys []any
		told bool
	}{
		"first": {[]any{private, secret, good}, true}, "last": {[]any{good, secret, private}, true},
		"a secret": {[]any{secret, good}, false}, "neither": {[]any{good}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := ready(t, func(c2 *token.Config, i *authztest.Issuer) {
					direct(c2, i)
					i.SetJWKS(keySet(c.keys...))
				})
				if told := strings.Contains(o.logged.String(), "publishes a private key"); told != c.told {
					t.Errorf("told: %v", told)
				}
			})
		})
	}
}

// TestTokensAreNotKept: of a token that verified the cache keeps the claims, not the token: nobody who reads the memory finds one to
// use. What it keeps is measured, where the token itself is somebody else's to free.
func TestTokensAreNotKept(t *testing.T) {
	i, show := remembering(t, 1<<20, 1<<30)
	tokens := make([]string, 200)
	for n := range tokens {
		tokens[n] = sized(n, 8<<10)
	}
	before := heap()
	for _, compact := range tokens {
		show(strings.Clone(compact), authz.Allowed)
	}
	grown := (heap() - before) / int64(len(tokens))
	t.Logf("%d bytes for a token of %d", grown, len(tokens[0]))
	if payload := int64(len(tokens[0]) * 3 / 4); grown > payload*3/2 || i.Status().CachedTokens != len(tokens) {
		t.Errorf("%d bytes for claims of %d", grown, payload)
	}
	runtime.KeepAlive(tokens)
}
