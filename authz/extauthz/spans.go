package extauthz

import (
	"context"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// spans makes one server span of every Check, as a child of the span that the gateway's call names in its metadata. Nothing of
// the request stands in it; what the decision was may be added by whoever observes it (authz.Observer), from the context.
type spans struct{ stats.Handler }

func newSpans(provider trace.TracerProvider) stats.Handler {
	return spans{otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(provider),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(parent{}),
		// Not only health is left out: the name of a method that does not exist is text of the caller's choice.
		otelgrpc.WithFilter(func(call *stats.RPCTagInfo) bool {
			return call.FullMethodName == authv3.Authorization_Check_FullMethodName
		}),
	)}
}

// HandleRPC implements stats.Handler. The status of a span has the code of an error and never its text, which is a library's
// and may quote what it could not read.
func (s spans) HandleRPC(ctx context.Context, what stats.RPCStats) {
	if end, ok := what.(*stats.End); ok && end.Error != nil {
		quiet := *end
		quiet.Error = status.New(status.Code(end.Error), "").Err()
		what = &quiet
	}
	s.Handler.HandleRPC(ctx, what)
}

// parent takes the parent of a span from a call: the traceparent of W3C Trace Context §3.2 alone. A tracestate would be
// exported with the span, and gateways pass on what the client wrote there; baggage is text of its choice as well.
type parent struct{ propagation.TraceContext }

// Extract implements propagation.TextMapPropagator.
func (p parent) Extract(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	return p.TraceContext.Extract(ctx, traceparent{from})
}

type traceparent struct{ propagation.TextMapCarrier }

func (c traceparent) Get(key string) string {
	if key != "traceparent" {
		return ""
	}
	return c.TextMapCarrier.Get(key)
}
