package token_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// remembering is an issuer with its keys inline and a cache of that size, and a way to show it tokens.
func remembering(t *testing.T, entries, bytes int) (*token.Issuer, func(compact string, want authz.Reason)) {
	t.Helper()
	i := run(t, token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(edKey().JWK(nil)), Leeway: leeway, CacheEntries: entries, CacheBytes: bytes})
	v := token.NewVerifier(i)
	return i, func(compact string, want authz.Reason) {
		t.Helper()
		if got := reasonOf(v.Verify(compact, places()["github"].expectation(), time.Now())); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// sized is the n-th of many good tokens, with a claim of that many bytes.
func sized(n, bytes int) string {
	return mint(by(edKey()), claim("sub", fmt.Sprintf("user-%d", n)), claim("padding", strings.Repeat("x", bytes)))
}

// TestCacheBounds: the cache is bounded in entries and in bytes, whichever is reached first, and says how full it is.
func TestCacheBounds(t *testing.T) {
	tokens := map[int][]string{}
	for n := range 600 {
		for _, bytes := range []int{10, 8 << 10} {
			tokens[bytes] = append(tokens[bytes], sized(n, bytes))
		}
	}
	for _, c := range []struct {
		name           string
		entries, bytes int
		of             int // bytes of each token's claim
		least, most    int // entries in the end
	}{
		{"entries", 100, 10 << 20, 10, 80, 100},
		{"bytes", 10000, 256 << 10, 10, 150, 256 << 10 / 900},
		{"bytes, large tokens", 10000, 256 << 10, 8 << 10, 20, 32},
		{"both", 100, 100 * 2 << 10, 10, 80, 100},
		{"one", 1, 64 << 10, 10, 1, 1},
		{"too small for any", 10, 1000, 10, 0, 0},
		{"without a size", 50, 0, 10, 40, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, show := remembering(t, c.entries, c.bytes)
			for _, compact := range tokens[c.of] {
				show(compact, authz.Allowed)
			}
			eventually(t, func() bool { // the cache tidies up beside us
				s := i.Status()
				return s.CachedTokens >= c.least && s.CachedTokens <= c.most && (c.bytes == 0 || s.CachedBytes <= uint64(c.bytes))
			})
		})
	}
}

// TestCacheBytesAreHonest: what the cache says it takes is what it takes, within a third, for tokens of every shape.
func TestCacheBytesAreHonest(t *testing.T) {
	many := make([]string, 1000)
	for n := range many {
		many[n] = fmt.Sprint(n)
	}
	for name, shape := range map[string][]edit{
		"small":        {},
		"large":        {claim("padding", strings.Repeat("x", 8<<10))},
		"many scopes":  {claim("scope", many)},
		"one scope":    {claim("scope", strings.Repeat("s", 4<<10))},
		"many in aud":  {audience(append([]string{places()["github"].id}, many...))},
		"long subject": {claim("sub", strings.Repeat("s", 4<<10))},
	} {
		i, show := remembering(t, 1<<22, 1<<30)
		tokens := make([]string, 200)
		for n := range tokens {
			tokens[n] = mint(append([]edit{by(edKey()), claim("jti", n)}, shape...)...)
		}
		before := heap()
		for _, compact := range tokens {
			show(compact, authz.Allowed)
		}
		grown := heap() - before
		said := int64(i.Status().CachedBytes)
		t.Logf("%s: says %d bytes for each, takes %d", name, said/200, grown/200)
		if i.Status().CachedTokens != 200 || grown > said*4/3 {
			t.Errorf("%s: %d tokens take %d bytes, the cache says %d", name, i.Status().CachedTokens, grown, said)
		}
		runtime.KeepAlive(tokens)
	}
}

// heap is what is in use, after everything unused was collected.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCacheResized: a cache that must make room does, and one that gets some uses it.
func TestCacheResized(t *testing.T) {
	i, show := remembering(t, 1000, 1<<20)
	tokens := make([]string, 300)
	for n := range tokens {
		tokens[n] = sized(n, 10)
	}
	fill := func() {
		for _, compact := range tokens {
			show(compact, authz.Allowed)
		}
	}
	fill()
	eventually(t, func() bool { return i.Status().CachedTokens == len(tokens) })
	i.ResizeCache(64 << 10)
	eventually(t, func() bool { s := i.Status(); return s.CachedBytes <= 64<<10 && s.CachedTokens > 20 })
	i.ResizeCache(1 << 20)
	fill()
	eventually(t, func() bool { return i.Status().CachedTokens == len(tokens) })
}

// TestOnlyVerifiedTokensAreRemembered: whatever does not verify leaves no trace, and whatever does costs one signature.
func TestOnlyVerifiedTokensAreRemembered(t *testing.T) {
	i, show := remembering(t, 10, 0)
	good := sized(0, 10)
	for range 5 {
		show(good, authz.Allowed)
	}
	show(good[:len(good)-6]+"AAAAAA", authz.TokenSignature)
	show(mint(by(edKey()), kid("nobody's")), authz.TokenKeyUnknown)
	show(mint(by(edKey()), without("exp")), authz.TokenClaims)
	show("garbage", authz.TokenMalformed)
	s := i.Status()
	if s.CachedTokens != 1 || s.CacheHits != 4 || s.Verified != 2 {
		t.Errorf("%d tokens, %d hits, %d signatures; want 1, 4, 2", s.CachedTokens, s.CacheHits, s.Verified)
	}
}
