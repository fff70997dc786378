package token_test

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestOddKeysCostNothing: D-06, D-07, B-36: a set full of keys that no verifier may use, RSA of 16384 bits among them, has one that
// is good: its tokens pass. A token in the name of an odd key is refused before any signature is computed.
func TestOddKeysCostNothing(t *testing.T) {
	for _, good := range []*authztest.Key{ecKey(), ec384(), edKey(), rsaKey()} {
		issuer := authztest.NewIssuerWithKey(corpURL, good)
		odd := good.OddJWKs()
		all := make([]any, 0, len(odd)+1)
		for _, jwk := range odd {
			all = append(all, jwk)
		}
		i := run(t, token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(append(all, good.JWK(nil))...), Leeway: leeway, CacheEntries: 100})
		at := place{id: places()["github"].id}
		server := newServer(t, resource(t, "github", at, token.NewVerifier(i)))
		for _, jwk := range odd {
			id, _ := jwk["kid"].(string)
			before := i.Status().Verified
			d := issuer.Token(object{"aud": at.id})
			d.Header["kid"] = id
			want, signatures := authz.TokenKeyUnknown, uint64(0)
			if id == "rsa-even" { // nothing shows what it is but that it verifies nothing
				want, signatures = authz.TokenSignature, 1
			}
			v := checkAt(t, server, at.id, d.Compact(), authztest.RawForm)
			if v.Reason != want.String() || i.Status().Verified != before+signatures {
				t.Errorf("%s beside %s: %s, %d signatures computed", id, good.ID, v.Reason, i.Status().Verified-before)
			}
		}
		judged(t, checkAt(t, server, at.id, issuer.Mint(object{"aud": at.id}), authztest.RawForm), authz.Allowed)
	}
}

// TestManyKeysOfOneID: a key id that stands several times names all of them, up to MaxTwins: a token of any passes, one of the next
// does not, and neither does a forged one.
func TestManyKeysOfOneID(t *testing.T) {
	twins := make([]*authztest.Key, token.MaxTwins+1)
	all := make([]any, len(twins))
	for n := range twins {
		twins[n] = authztest.GenerateEC("same", elliptic.P256())
		all[n] = twins[n].JWK(nil)
	}
	i := run(t, token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(all...), Leeway: leeway, CacheEntries: 100})
	v := token.NewVerifier(i)
	ask := func(k *authztest.Key) authz.Reason {
		return reasonOf(v.Verify(mint(by(k)), places()["github"].expectation(), time.Now()))
	}
	for n, k := range twins {
		want := authz.Allowed
		if n == token.MaxTwins {
			want = authz.TokenSignature
		}
		if got := ask(k); got != want {
			t.Errorf("key %d of one id: %v, want %v", n+1, got, want)
		}
	}
	if got := ask(named("same", stranger())); got != authz.TokenSignature {
		t.Errorf("a forged token: %v", got)
	}

	// A key that may not verify does not, in whatever company.
	for _, extra := range []object{{"use": "enc"}, {"d": "AQAB"}, {"key_ops": []string{"sign"}}, {"alg": "ES384"}} {
		odd, good := named("same", stranger()), twins[0]
		i := run(t, token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(odd.JWK(extra), good.JWK(nil), twins[1].JWK(nil)), Leeway: leeway, CacheEntries: 100})
		v = token.NewVerifier(i)
		if a, b := ask(odd), ask(good); a != authz.TokenSignature || b != authz.Allowed {
			t.Errorf("%v: %v, and the good one %v", extra, a, b)
		}
	}
}

// endless is a document that begins like a good one and then goes on, and how much of it was read.
type endless struct {
	begin io.Reader
	more  func() []byte
	rest  []byte
	n     int
}

func (e *endless) Read(b []byte) (int, error) {
	if n, err := e.begin.Read(b); err == nil {
		e.n += n
		return n, nil
	}
	if len(e.rest) == 0 {
		e.rest = e.more()
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	e.n += n
	return n, nil
}

// TestDocumentsWithoutMeasure: D-12: whatever a key server or a metadata document holds, no more of it is read than the limit and
// a buffer, no more memory is asked for than a few times that, no signature is computed, and there are no keys. The good key
// stands first in each.
func TestDocumentsWithoutMeasure(t *testing.T) {
	const as = "https://as.example"
	good := string(bytes.TrimSuffix(keySet(ecKey().JWK(nil)), []byte("]}")))
	odd := func(n int) string {
		return fmt.Sprintf(`,{"kty":"RSA","kid":"%d","e":"AQAB","n":"%s"}`, n, strings.Repeat("-", 1<<15))
	}
	fixed := func(s string) func() []byte { return func() []byte { return []byte(s) } }
	count := 0
	numbered := func() []byte { count++; return []byte(odd(count)) }
	repeated := func(s string, n int) string { return strings.Repeat(s, n) }
	for _, c := range []struct {
		name        string
		begin       string        // of the document at /keys
		more        func() []byte // nil: that is all of it
		metadata    bool          // it is the metadata instead
		limit       int
		cause       string
		allocations uint64
	}{
		{"keys without end", good, fixed(`,{"kty":"unheard-of"}`), false, token.MaxKeysBytes, "a document over the size limit", 4 << 20},
		{"large keys without end", good, numbered, false, token.MaxKeysBytes, "a document over the size limit", 4 << 20},
		{"one string without end", good[:len(good)-1] + `,"x5c":["`, fixed(repeated("A", 1<<12)), false, token.MaxKeysBytes, "a document over the size limit", 4 << 20},
		{"metadata without end", `{"issuer":"` + as + `","jwks_uri":"` + as + `/keys","x":["`, fixed(repeated("A", 1<<12)), true, token.MaxMetadataBytes, "a document over the size limit", 16 << 20},
		{"65 keys", good + repeated(`,{"kty":"unheard-of"}`, token.MaxKeys) + "]}", nil, false, token.MaxKeysBytes, "the key set has more than 64 keys or 256 KiB", 4 << 20},
		{"10,000 keys of two bytes", good + repeated(`,{}`, 10_000) + "]}", nil, false, token.MaxKeysBytes, "the key set has more than 64 keys or 256 KiB", 8 << 20},
		{"brackets in brackets", `{"keys":` + repeated("[", 250<<10), nil, false, token.MaxKeysBytes, "the key set is not a JSON object with a list of keys", 16 << 20},
		{"64 keys", good + repeated(`,{"kty":"unheard-of"}`, token.MaxKeys-1) + "]}", nil, false, token.MaxKeysBytes, "", 4 << 20},
		{"a modulus of 190 KiB", good + `,{"kty":"RSA","kid":"long","e":"AQAB","n":"` + repeated("_", 250<<10) + `"}]}`, nil, false, token.MaxKeysBytes, "", 8 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				document := &endless{begin: strings.NewReader(c.begin), more: c.more}
				at, config := as+"/keys", token.Config{
					Name: "as", Issuer: as, JWKSURL: as + "/keys", RefreshInterval: time.Hour, MaxStaleness: time.Hour, CacheEntries: 10,
				}
				if c.metadata {
					at, config.JWKSURL = as+"/.well-known/oauth-authorization-server", ""
				}
				var stream io.Reader = document
				if c.more == nil {
					stream = document.begin
				}
				config.Transport = &site{documents: map[string]found{at: {stream: stream}}}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				i := run(t, config)
				<-i.Attempted()
				runtime.ReadMemStats(&after)
				if took := after.TotalAlloc - before.TotalAlloc; took > c.allocations {
					t.Errorf("%d bytes of memory asked for", took)
				}
				if document.n > c.limit+64<<10 {
					t.Errorf("%d bytes read of a document that may have %d", document.n, c.limit)
				}
				if s := i.Status(); s.Cause != c.cause || s.Verified != 0 || (s.Keys == 1) != (c.cause == "") {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
