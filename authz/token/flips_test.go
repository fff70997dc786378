package token_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// small is a good token with little in it, for tests that try every bit.
func small(k *authztest.Key) string {
	return mint(by(k), without("jti"), without("client_id"), without("iat"), without("sub"))
}

// TestEveryBit: B-03, invariant 5: no bit of a token can be changed, be it in the parts or in the letters that carry them, while
// the token itself is known to the cache.
func TestEveryBit(t *testing.T) {
	for _, k := range []*authztest.Key{rsaKey(), ecKey(), edKey()} {
		t.Run(k.Algorithm(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			good := small(k)
			refused := func(what string, n, bit int, compact string) {
				if got := w.verify("github", compact); got == authz.Allowed || got == authz.Undecided {
					t.Errorf("%s, byte %d, bit %d: %v", what, n, bit, got)
				}
			}
			if got := w.verify("github", good); got != authz.Allowed {
				t.Fatal(got)
			}
			for n := range len(good) {
				for bit := range 8 {
					b := []byte(good)
					b[n] ^= 1 << bit
					refused("letters", n, bit, string(b))
				}
			}
			parts := strings.Split(good, ".")
			for p, name := range []string{"header", "payload", "signature"} {
				raw, err := base64.RawURLEncoding.DecodeString(parts[p])
				if err != nil {
					t.Fatal(err)
				}
				for n := range raw {
					for bit := range 8 {
						raw[n] ^= 1 << bit
						changed := append([]string{}, parts...)
						changed[p] = base64.RawURLEncoding.EncodeToString(raw)
						raw[n] ^= 1 << bit
						refused(name, n, bit, strings.Join(changed, "."))
					}
				}
			}
			for n := range len(good) {
				refused("cut", n, 0, good[:n])
			}
			if got := w.verify("github", good); got != authz.Allowed {
				t.Errorf("the token itself: %v", got)
			}
		})
	}
}

// TestBitsThroughCheck takes one bit of every byte through the whole check.
func TestBitsThroughCheck(t *testing.T) {
	w := newWorld(t)
	good := small(ecKey())
	judged(t, w.check(t, "github", good, authztest.RawForm), authz.Allowed)
	for n := range len(good) {
		b := []byte(good)
		b[n] ^= 1 << (n % 7)
		if v := w.check(t, "github", string(b), authztest.Encodings()[n%2]); v.Allowed || v.Status < 400 {
			t.Errorf("byte %d: %s", n, v)
		}
	}
}

// TestRandomBytes: invariant 5: neither random bytes nor random signatures verify.
func TestRandomBytes(t *testing.T) {
	w := newWorld(t)
	random := rand.NewChaCha8([32]byte{})
	bytes := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	header, rest, _ := strings.Cut(small(ecKey()), ".")
	payload, _, _ := strings.Cut(rest, ".")
	for n := range 300 {
		text := base64.RawURLEncoding.EncodeToString
		for _, compact := range []string{
			string(bytes(n)), text(bytes(n)), text(bytes(n)) + "." + text(bytes(n)) + "." + text(bytes(n)),
			header + "." + text(bytes(n)) + "." + text(bytes(64)), header + "." + payload + "." + text(bytes(n)),
			header + "." + payload + "." + text(bytes(64)),
		} {
			if got := w.verify("github", compact); got == authz.Allowed || got == authz.Undecided {
				t.Errorf("%q: %v", compact, got)
			}
		}
	}
}
