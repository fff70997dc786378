package extauthz_test

import (
	"context"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/metadata"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
)

// BenchmarkSpans sends each Check of a cached token in turn to a server without traces and to one with them, over a loopback
// connection, and reports the ratio of their median times: "x-off".
func BenchmarkSpans(b *testing.B) {
	for name, parent := range map[string]string{"dropped": dropped, "recorded": sampled} {
		b.Run(name, func(b *testing.B) {
			issuer := authztest.NewIssuerWithKey(issuerCorp, signingKey())
			provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
			defer provider.Shutdown(context.Background())
			c := extauthz.Config{Authorizer: benchAuthorizer(b, issuer, 1), MessageBytes: 4 << 20}
			off := dial(b, extauthz.NewServer(c).Serve)
			c.TracerProvider = provider
			on := dial(b, extauthz.NewServer(c).Serve)
			in, ctx := benchRequest(one(issuer)()), metadata.AppendToOutgoingContext(b.Context(), "traceparent", parent)
			ask := func(c authv3.AuthorizationClient) time.Duration {
				start := time.Now()
				if _, err := c.Check(ctx, in); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			var without, with []time.Duration
			for b.Loop() {
				without = append(without, ask(off))
				with = append(with, ask(on))
			}
			b.ReportMetric(float64(median(with))/float64(median(without)), "x-off")
			b.ReportMetric(float64(median(with)-median(without)), "more-ns")
		})
	}
}

// nowhere is an exporter.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }

func (nowhere) Shutdown(context.Context) error { return nil }
