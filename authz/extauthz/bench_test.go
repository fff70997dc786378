package extauthz_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// BenchmarkCheck sends each Check over a loopback connection, in turn to a server that always allows and to ours, and reports
// the ratio of their median times: "x-always-allow".
func BenchmarkCheck(b *testing.B) {
	cases := []struct {
		name  string
		key   *authztest.Key
		token func(*authztest.Issuer) func() string
	}{
		{"cached", signingKey(), one},
		{"first-sight-RS256", signingKey(), fresh},
		{"first-sight-ES256", curveKey(), fresh},
		{"no-token", signingKey(), func(*authztest.Issuer) func() string { return func() string { return "" } }},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			issuer := authztest.NewIssuerWithKey(issuerCorp, c.key)
			next := c.token(issuer)
			ours := dial(b, extauthz.NewServer(extauthz.Config{Authorizer: benchAuthorizer(b, issuer, 1), MessageBytes: 4 << 20}).Serve)
			plain := grpc.NewServer()
			authv3.RegisterAuthorizationServer(plain, alwaysAllow{})
			theirs := dial(b, plain.Serve)
			var mine, other []time.Duration
			for b.Loop() {
				in := benchRequest(next())
				other = append(other, timed(b, theirs, in))
				mine = append(mine, timed(b, ours, in))
			}
			b.ReportMetric(float64(median(mine))/float64(median(other)), "x-always-allow")
			b.ReportMetric(float64(median(mine)), "median-ns")
		})
	}
}

// BenchmarkDecision is the decision alone, without any transport, on the hot path: a cached token. The number of declared
// resources makes no difference.
func BenchmarkDecision(b *testing.B) {
	for _, n := range []int{1, 1000, 100000} {
		b.Run(fmt.Sprintf("cached/resources=%d", n), func(b *testing.B) {
			issuer := authztest.NewIssuerWithKey(issuerCorp, signingKey())
			a := benchAuthorizer(b, issuer, n)
			r := benchNeutral(issuer.Mint(map[string]any{"aud": "https://mcp.example.com/server-0/mcp", "scope": "mcp:use"}))
			b.ReportAllocs()
			for b.Loop() {
				if d := a.Authorize(b.Context(), r); !d.Allowed() {
					b.Fatal(d.Reason)
				}
			}
		})
	}
	b.Run("no-token", func(b *testing.B) {
		a := benchAuthorizer(b, authztest.NewIssuerWithKey(issuerCorp, signingKey()), 1)
		r := benchNeutral("")
		r.Headers = r.Headers[:len(r.Headers)-1]
		b.ReportAllocs()
		for b.Loop() {
			if d := a.Authorize(b.Context(), r); d.Reason != authz.NoCredential {
				b.Fatal(d.Reason)
			}
		}
	})
}

func one(i *authztest.Issuer) func() string {
	t := i.Mint(map[string]any{"aud": "https://mcp.example.com/server-0/mcp", "scope": "mcp:use"})
	return func() string { return t }
}

func fresh(i *authztest.Issuer) func() string {
	return func() string {
		return i.Mint(map[string]any{"aud": "https://mcp.example.com/server-0/mcp", "scope": "mcp:use"})
	}
}

func benchAuthorizer(b *testing.B, i *authztest.Issuer, resources int) *authz.Authorizer {
	issuer, err := token.NewIssuer(token.Config{Name: "corp", Issuer: i.URL(), JWKS: i.KeySet(), CacheEntries: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	var all []authz.ProtectedResource
	for n := range resources {
		id, err := metadata.ParseIdentifier(fmt.Sprintf("https://mcp.example.com/server-%d/mcp", n), metadata.IdentifierRules{})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, authz.ProtectedResource{
			Name: fmt.Sprintf("server-%d", n), ID: id, Verifier: token.NewVerifier(issuer), Policy: authz.NewPolicy([]string{"mcp:use"}, nil),
		})
	}
	table, err := authz.NewTable(all)
	if err != nil {
		b.Fatal(err)
	}
	a := &authz.Authorizer{}
	a.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 16 << 10, ConcurrentChecks: 1024, CheckDeadline: time.Second}})
	return a
}

const benchBody = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`

func benchHTTP(token string) authztest.HTTP {
	r := authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: "/server-0/mcp", Body: benchBody, Header: [][2]string{
		{"content-type", "application/json"}, {"accept", "application/json, text/event-stream"}, {"user-agent", "node"},
		{"mcp-protocol-version", "2025-06-18"}, {"mcp-session-id", "5f0c2b1e-7f0e-4f3a-9d0a-0123456789ab"},
		{"accept-encoding", "gzip, deflate"}, {"x-request-id", "0c2b1e5f-0e7f-3a4f-0a9d-0123456789ab"}, {"x-forwarded-proto", "https"},
	}}
	if token != "" {
		r.Header = append(r.Header, [2]string{"authorization", "Bearer " + token})
	}
	return r
}

func benchRequest(token string) *authv3.CheckRequest {
	return benchHTTP(token).CheckRequest(authztest.RawForm)
}

func benchNeutral(token string) *authz.Request {
	in := benchHTTP("")
	r := &authz.Request{Method: in.Method, Host: in.Host, Path: in.Path, Body: []byte(in.Body)}
	for _, h := range in.Header {
		r.Headers = append(r.Headers, authz.Header{Name: h[0], Value: h[1]})
	}
	r.Headers = append(r.Headers, authz.Header{Name: "authorization", Value: "Bearer " + token})
	return r
}

type alwaysAllow struct {
	authv3.UnimplementedAuthorizationServer
}

func (alwaysAllow) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{Status: &rpcstatus.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}}, nil
}

// dial serves on a loopback port and connects to it.
func dial(tb testing.TB, serve func(net.Listener) error) authv3.AuthorizationClient {
	tb.Helper()
	return authv3.NewAuthorizationClient(connect(tb, serve))
}

func connect(tb testing.TB, serve func(net.Listener) error, options ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(l) // ends when the listener is closed
	}()
	conn, err := grpc.NewClient(l.Addr().String(), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		conn.Close()
		l.Close()
		<-done
	})
	return conn
}

func timed(b *testing.B, c authv3.AuthorizationClient, in *authv3.CheckRequest) time.Duration {
	start := time.Now()
	if _, err := c.Check(b.Context(), in); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
