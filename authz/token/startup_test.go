package token_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// tenant is one of many authorization servers, with a resource of its own.
type tenant struct {
	*authztest.Issuer
	issuer *token.Issuer
	at     string
	fault  string
}

func (n *tenant) good(at string) string { return n.Mint(object{"aud": at}) }

// TestStartWithEveryIssuerDown: A-23, D-09: fifty authorization servers of as many tenants are down when we start, each in a
// way of its own. Each has been asked within 5 s, which is all that readiness waits for. A request without a token gets its
// challenge, a token of a dead server 503 within the deadline, and the one server that is well does not notice: not at its own
// resource, not at one that names all of them. When they are back, each is within 12 s, without a restart.
func TestStartWithEveryIssuerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 50
		hosts := map[string]http.Handler{}
		network := pipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hosts[r.Host].ServeHTTP(w, r) }))
		tenants := make([]*tenant, many+1) // the last is well
		for n := range tenants {
			host := fmt.Sprintf("as-%02d.example", n)
			tenants[n] = &tenant{Issuer: authztest.NewIssuerWithKey("https://"+host, named("key-1", ecKey())), at: fmt.Sprintf("https://mcp.example.com/of-%02d", n)}
			hosts[host] = tenants[n]
		}
		down, well := tenants[:many], tenants[many]
		var ways []fault
		for _, f := range faults() {
			if f.strikes("both") {
				ways = append(ways, f)
			}
		}
		for n, d := range down {
			d.fault = ways[n%len(ways)].name
			d.FailAll(ways[n%len(ways)].what)
		}

		start := time.Now()
		var resources []authz.ProtectedResource
		var all []*token.Issuer
		for n, d := range tenants {
			d.issuer = run(t, token.Config{
				Name: fmt.Sprint("as-", n), Issuer: d.URL(), Leeway: leeway, RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour,
				CacheEntries: 100, Transport: network,
			})
			all = append(all, d.issuer)
			resources = append(resources, resource(t, fmt.Sprint("of-", n), place{id: d.at}, token.NewVerifier(d.issuer)))
		}
		const shared = "https://mcp.example.com/shared"
		server := newServer(t, append(resources, resource(t, "shared", place{id: shared}, token.NewVerifier(all...)))...)

		traffic := func() {
			var answered sync.WaitGroup
			for _, d := range down {
				answered.Go(func() { tokenless(t, server, d.at) })
				for range 3 {
					answered.Go(func() { judged(t, checkAt(t, server, d.at, d.good(d.at), authztest.RawForm), authz.KeysUnavailable) })
				}
				answered.Go(func() {
					judged(t, checkAt(t, server, shared, d.good(shared), authztest.RawForm), authz.KeysUnavailable)
				})
			}
			for _, at := range []string{well.at, shared} {
				began := time.Now()
				judged(t, checkAt(t, server, at, well.good(at), authztest.RawForm), authz.Allowed)
				if took := time.Since(began); took != 0 {
					t.Errorf("a token of the one that is well waited %v at %s", took, at)
				}
			}
			began := time.Now()
			answered.Wait()
			if took := time.Since(began); took > checkDeadline {
				t.Errorf("a check took %v", took)
			}
		}
		<-well.issuer.Attempted()
		traffic()
		for _, d := range down {
			<-d.issuer.Attempted()
		}
		if took := time.Since(start); took > token.FetchTimeout {
			t.Errorf("it took %v until all had been asked", took)
		}
		for range 10 {
			traffic()
			pass(5 * time.Second)
		}

		for _, d := range down {
			d.FailAll(authztest.Fault{})
		}
		took := make([]time.Duration, many)
		var recovered sync.WaitGroup
		for n, d := range down {
			recovered.Go(func() {
				began := time.Now()
				for !checkAt(t, server, d.at, d.good(d.at), authztest.RawForm).Allowed && took[n] < time.Minute {
					pass(10 * time.Millisecond)
					took[n] = time.Since(began)
				}
				took[n] = time.Since(began)
			})
		}
		recovered.Wait()
		worst := time.Duration(0)
		for n, d := range down {
			worst = max(worst, took[n])
			if took[n] > within {
				t.Errorf("%s (%s) is back only after %v", d.URL(), d.fault, took[n])
			}
			judged(t, checkAt(t, server, shared, d.good(shared), authztest.RawForm), authz.Allowed)
		}
		t.Logf("all %d are back after %v", many, worst)
	})
}

// tokenless is a request without a token: 401 and a challenge without an error, at once.
func tokenless(t *testing.T, server *extauthz.Server, at string) {
	t.Helper()
	start := time.Now()
	r := authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: at[len("https://mcp.example.com"):]}
	out, err := server.Check(t.Context(), r.CheckRequest(authztest.RawForm))
	if err != nil {
		t.Error(err)
	}
	v := authztest.ReadVerdict(out)
	c, err := authztest.ParseChallenge(v.Get("www-authenticate"))
	if err != nil || v.Allowed || v.Status != http.StatusUnauthorized || c.Has("error") || time.Since(start) != 0 {
		t.Errorf("a request without a token: %v (%v)", v, err)
	}
}
