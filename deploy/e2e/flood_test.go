package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// garbage is how many tokens that nobody made are shown, each another one.
const garbage = 1_000_000

// TestGarbageEvictsNothing: a million distinct tokens of no worth, of every kind, push no good token out of the cache, leave
// nothing in it, make no memory grow and hardly any request to the authorization server (D-08).
func TestGarbageEvictsNothing(t *testing.T) {
	issuer := authztest.NewIssuer("")
	stop, err := issuer.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	const id = "https://mcp.example.com/github/mcp"
	f := serve(t, "log: {decisions: none}\nauthorizationServers:\n- {name: corp, issuer: \""+issuer.URL()+"\"}\nresources:\n"+
		"- {name: github, resource: \""+id+"\", authorizationServers: [corp]}\n")
	checks := checking(t, f.grpc, "/github/mcp")

	good := make([]string, 500)
	for n := range good {
		good[n] = issuer.Mint(map[string]any{"aud": id, "jti": n})
	}
	allowed := func() {
		for _, compact := range good {
			if v := checks(compact); !v.Allowed {
				t.Fatalf("a good token is refused: %+v", v)
			}
		}
	}
	allowed()
	before := f.metrics(t)
	flood := newFlood(issuer, id)
	var wg sync.WaitGroup
	var next, passed, other atomic.Int64
	for range 32 {
		wg.Go(func() {
			for n := next.Add(1); n <= garbage; n = next.Add(1) {
				switch v := checks(flood.token(int(n))); {
				case v.Allowed:
					passed.Add(1)
				case v.Status != http.StatusUnauthorized:
					other.Add(1)
				}
			}
		})
	}
	wg.Wait()
	during := f.metrics(t)
	allowed()
	after := f.metrics(t)

	if passed.Load() > 0 || other.Load() > 0 {
		t.Errorf("%d of the garbage passed, %d were not answered 401", passed.Load(), other.Load())
	}
	const server = `{authorization_server="corp"}`
	for name, want := range map[string]float64{
		"mcp_authz_token_cache_entries": 0, "mcp_authz_token_cache_bytes": 0, "mcp_authz_token_cache_hits_total": 0,
		"mcp_authz_token_signatures_total": float64(flood.signed()),
	} {
		if got := during[name+server] - before[name+server]; got != want {
			t.Errorf("%s moved by %v in the flood, want %v", name, got, want)
		}
	}
	if got := after["mcp_authz_token_cache_hits_total"+server] - during["mcp_authz_token_cache_hits_total"+server]; got != float64(len(good)) {
		t.Errorf("%v of %d good tokens were still known", got, len(good))
	}
	series := func(m map[string]float64) (n int) {
		for name := range m {
			if strings.HasPrefix(name, "mcp_authz_") {
				n++
			}
		}
		return n
	}
	if a, b := series(before), series(after); b > a+flood.reasons() {
		t.Errorf("%d series became %d", a, b)
	}
	for _, name := range []string{"go_memstats_heap_alloc_bytes", "process_resident_memory_bytes", "go_goroutines"} {
		t.Logf("%s: %.0f before, %.0f after", name, before[name], after[name])
	}
	// A million entries of the least size would be 640 MB. The heap is what was not collected yet, too.
	if grown := after["go_memstats_heap_alloc_bytes"] - before["go_memstats_heap_alloc_bytes"]; grown > 64<<20 {
		t.Errorf("the heap grew by %.0f bytes", grown)
	}
	t.Logf("key set fetched %d times", issuer.Fetches(authztest.JWKS))
}

// flood makes tokens without a signature of anybody, cheaply.
type flood struct {
	kinds []kind
}

// kind is a header and a payload, up to a number that makes each token another one.
type kind struct {
	header, payload, signature string
	signed                     bool // gets as far as a signature check
}

func newFlood(issuer *authztest.Issuer, id string) flood {
	now := time.Now().Unix()
	encode := base64.RawURLEncoding.EncodeToString
	header := func(kid string) string { return encode([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `"}`)) }
	claims := func(iss, aud string, iat, exp int64) string {
		return fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"user-1","iat":%d,"exp":%d,"jti":"`, iss, aud, iat, exp)
	}
	known := issuer.Current().ID
	signature := encode(make([]byte, 256))
	f := flood{}
	for range 3 {
		f.kinds = append(f.kinds,
			kind{header(known), claims(issuer.URL(), "https://elsewhere.example", now, now+3600), signature, false},
			kind{header(known), claims("https://nobody.example", id, now, now+3600), signature, false},
			kind{header(known), claims(issuer.URL(), id, now-7200, now-3600), signature, false},
			kind{header("unknown"), claims(issuer.URL(), id, now-3600, now+3600), signature, false},
			kind{"bm90IGEgaGVhZGVy", claims(issuer.URL(), id, now, now+3600), signature, false},
		)
	}
	f.kinds = append(f.kinds, kind{header(known), claims(issuer.URL(), id, now-3600, now+3600), signature, true})
	return f
}

func (f flood) token(n int) string {
	k := f.kinds[n%len(f.kinds)]
	return k.header + "." + base64.RawURLEncoding.EncodeToString([]byte(k.payload+strconv.Itoa(n)+`"}`)) + "." + k.signature
}

// signed is how many of the flood make us compute a signature.
func (f flood) signed() (n int) {
	for i := 1; i <= garbage; i++ {
		if f.kinds[i%len(f.kinds)].signed {
			n++
		}
	}
	return n
}

// reasons bounds the series that the flood may add: one for each reason.
func (f flood) reasons() int { return len(f.kinds) }

// checking asks a running mcp-authz about tokens for a path of mcp.example.com as a gateway does, by gRPC.
func checking(t testing.TB, addr, path string) func(compact string) authztest.Verdict {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := authv3.NewAuthorizationClient(conn)
	return func(compact string) authztest.Verdict {
		r := authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: path, Header: [][2]string{{"Authorization", "Bearer " + compact}}}
		out, err := client.Check(t.Context(), r.CheckRequest(authztest.RawForm))
		if err != nil {
			t.Errorf("an RPC error lets failure_mode_allow decide: %v", err)
			return authztest.Verdict{}
		}
		return authztest.ReadVerdict(out)
	}
}
