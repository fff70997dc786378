package extauthz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// BenchmarkGoodTokensInAFlood sends Checks with a good token over a loopback connection, in turn alone and while 10,000 tokens a
// second with unknown key ids pour in over another, to the issuer of the good tokens or to another one. For comparison: as many
// requests without a token, which cost little but their transport. "x-alone" is the ratio of the median times, "x-alone-p90" and
// "x-alone-p99" those of the percentiles, in which a machine without an idle core shows first; "flood/s" is what really came in.
func BenchmarkGoodTokensInAFlood(b *testing.B) {
	for _, c := range []struct {
		name, good string
		next       func(*authztest.Issuer) func() string
		tokenless  bool
	}{
		{"cached", "server-0", one, false},
		{"first-sight-ES256", "server-0", fresh, false},
		{"cached/of-another-issuer", "server-1", one, false},
		{"cached/beside-no-tokens", "server-0", one, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			issuers := map[string]*authztest.Issuer{}
			var resources []authz.ProtectedResource
			for _, name := range []string{"server-0", "server-1"} {
				issuers[name] = authztest.NewIssuerWithKey("https://"+name+".example.com", curveKey())
				resources = append(resources, benchResource(b, name, issuers[name]))
			}
			table, err := authz.NewTable(resources)
			if err != nil {
				b.Fatal(err)
			}
			a := &authz.Authorizer{}
			a.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 16 << 10, ConcurrentChecks: 1024, CheckDeadline: time.Second}})
			server := extauthz.NewServer(extauthz.Config{Authorizer: a, MessageBytes: 4 << 20})
			ours, theirs := dial(b, server.Serve), dial(b, server.Serve)

			at := func(name, compact string) *authv3.CheckRequest {
				r := benchHTTP(compact)
				r.Path = "/" + name + "/mcp"
				return r.CheckRequest(authztest.RawForm)
			}
			good := func(compact string) time.Duration { return timed(b, ours, at(c.good, compact)) }
			next := c.next(issuers[c.good])
			if c.good != "server-0" {
				compact := issuers[c.good].Mint(map[string]any{"aud": "https://mcp.example.com/" + c.good + "/mcp", "scope": "mcp:use"})
				next = func() string { return compact }
			}
			unknown := unknownKeys(b, issuers["server-0"])
			if c.tokenless {
				unknown = func(string) string { return "" }
			}
			// Turns are long enough to be a flood, and short enough that both see the same machine.
			const turn = 200 * time.Millisecond
			var alone, flooded []time.Duration
			var sent int
			var flooding time.Duration
			for b.Loop() {
				for end := time.Now().Add(turn); time.Now().Before(end); {
					alone = append(alone, good(next()))
				}
				start := time.Now()
				stop := pour(b, theirs, func(id string) *authv3.CheckRequest { return at("server-0", unknown(id)) })
				for end := time.Now().Add(turn); time.Now().Before(end); {
					flooded = append(flooded, good(next()))
				}
				sent += stop()
				flooding += time.Since(start)
			}
			b.ReportMetric(float64(median(flooded))/float64(median(alone)), "x-alone")
			b.ReportMetric(float64(percentile(flooded, 90))/float64(percentile(alone, 90)), "x-alone-p90")
			b.ReportMetric(float64(percentile(flooded, 99))/float64(percentile(alone, 99)), "x-alone-p99")
			b.ReportMetric(float64(median(flooded)), "median-ns")
			b.ReportMetric(float64(sent)/flooding.Seconds(), "flood/s")
			b.ReportMetric(float64(issuers["server-0"].Fetches(authztest.JWKS)), "fetches")
		})
	}
}

// unknownKeys makes tokens that are good but for the id of a key.
func unknownKeys(b *testing.B, i *authztest.Issuer) func(id string) string {
	b.Helper()
	claims, err := json.Marshal(i.Token(map[string]any{"aud": "https://mcp.example.com/server-0/mcp", "scope": "mcp:use"}).Claims)
	if err != nil {
		b.Fatal(err)
	}
	signature := make([]byte, 64)
	return func(id string) string {
		return authztest.Token{
			RawHeader: fmt.Appendf(nil, `{"typ":"at+jwt","alg":"ES256","kid":"%s"}`, id), RawPayload: claims, Sign: func([]byte) []byte { return signature },
		}.Compact()
	}
}

// pour sends ten requests every millisecond, each with an id of its own, until stop, which says how many came to be sent. Of what a
// busy machine misses a little is made up for.
func pour(b *testing.B, to authv3.AuthorizationClient, request func(id string) *authv3.CheckRequest) (stop func() int) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	sent, began, done := 0, time.Now().UnixNano(), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			due := min(100, int(time.Since(last)/(100*time.Microsecond)))
			last = time.Now()
			for range due {
				in := request(fmt.Sprint(began, "-", sent))
				all.Go(func() { _, _ = to.Check(ctx, in) })
				sent++
			}
		}
	}()
	return func() int {
		cancel()
		<-done
		all.Wait()
		return sent
	}
}

// benchResource is a resource whose authorization server is a real one, on loopback.
func benchResource(b *testing.B, name string, i *authztest.Issuer) authz.ProtectedResource {
	b.Helper()
	served := httptest.NewServer(i)
	b.Cleanup(served.Close)
	issuer, err := token.NewIssuer(token.Config{
		Name: name, Issuer: i.URL(), JWKSURL: served.URL + authztest.JWKS, RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour,
		CacheEntries: 1 << 20, Transport: http.DefaultTransport,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		issuer.Run(ctx)
	}()
	b.Cleanup(func() { stop(); <-done })
	<-issuer.Attempted()
	id, err := metadata.ParseIdentifier("https://mcp.example.com/"+name+"/mcp", metadata.IdentifierRules{})
	if err != nil {
		b.Fatal(err)
	}
	return authz.ProtectedResource{Name: name, ID: id, Verifier: token.NewVerifier(issuer), Policy: authz.NewPolicy([]string{"mcp:use"}, nil)}
}

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}
