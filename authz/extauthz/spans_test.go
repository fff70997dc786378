package extauthz_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
)

// The span of a gateway's call.
const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
	sampled  = "00-" + traceID + "-" + parentID + "-01"
	dropped  = "00-" + traceID + "-" + parentID + "-00"
)

// traced is a server whose checks may have spans.
type traced struct {
	server   *extauthz.Server
	conn     *grpc.ClientConn
	recorder *tracetest.SpanRecorder
	observed spanWitness
}

// spanWitness remembers the span that each decision could be told.
type spanWitness chan witnessed

type witnessed struct {
	trace.SpanContext
	recording bool
}

func (w spanWitness) Observe(ctx context.Context, _ *authz.Request, _ authz.Decision, _ time.Duration) {
	span := trace.SpanFromContext(ctx)
	w <- witnessed{span.SpanContext(), span.IsRecording()}
}

func serveTraced(t *testing.T, on bool) *traced {
	t.Helper()
	s := &traced{recorder: tracetest.NewSpanRecorder(), observed: make(spanWitness, 9)}
	c := extauthz.Config{Authorizer: &authz.Authorizer{Observer: s.observed}, MessageBytes: 4 << 10}
	if on {
		c.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.recorder))
	}
	s.server = extauthz.NewServer(c)
	s.conn = connect(t, s.server.Serve)
	return s
}

// with is a call's metadata.
func outgoing(t *testing.T, fields ...string) context.Context {
	return metadata.NewOutgoingContext(t.Context(), metadata.Pairs(fields...))
}

// check asks once. The answer is a refusal: nothing is configured.
func (s *traced) check(t *testing.T, fields ...string) witnessed {
	t.Helper()
	in := benchRequest("MARKER")
	in.Attributes.Request.Http.Path = "/MARKER?access_token=MARKER"
	out, err := authv3.NewAuthorizationClient(s.conn).Check(outgoing(t, fields...), in)
	if err != nil || out.GetStatus().GetCode() == int32(codes.OK) {
		t.Fatalf("%v, %v", out, err)
	}
	return <-s.observed
}

// ended are the spans, once no call is in flight any more.
func (s *traced) ended(t *testing.T) []sdktrace.ReadOnlySpan {
	t.Helper()
	s.server.Stop(t.Context())
	return s.recorder.Ended()
}

func spanAttributes(s sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes() {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

// TestSpan: a check has one span, the child of the span that the gateway's call names, and whoever observes the decision can
// find it. What stands in it is known beforehand: nothing of the request (invariant 4, B-38).
func TestSpan(t *testing.T) {
	s := serveTraced(t, true)
	observed := s.check(t, "traceparent", sampled, "tracestate", "vendor=MARKER", "baggage", "who=MARKER", "authorization", "Bearer MARKER")
	spans := s.ended(t)
	if len(spans) != 1 {
		t.Fatalf("%d spans for one check", len(spans))
	}
	span := spans[0]
	if got := span.Parent(); got.TraceID().String() != traceID || got.SpanID().String() != parentID || !got.IsRemote() {
		t.Errorf("the parent is %s of %s", got.SpanID(), got.TraceID())
	}
	if observed.SpanID() != span.SpanContext().SpanID() {
		t.Error("the observer is told of another span")
	}
	if span.Name() != "envoy.service.auth.v3.Authorization/Check" || span.SpanKind() != trace.SpanKindServer {
		t.Errorf("%s, %s", span.Name(), span.SpanKind())
	}
	got := spanAttributes(span)
	if got["server.port"] == "" {
		t.Error("no server.port")
	}
	delete(got, "server.port")
	want := map[string]string{
		"rpc.system.name": "grpc", "rpc.method": "envoy.service.auth.v3.Authorization/Check", "rpc.response.status_code": "OK", "server.address": "127.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if len(span.Events())+len(span.Links()) > 0 || span.SpanContext().TraceState().Len() > 0 || span.Status() != (sdktrace.Status{}) {
		t.Errorf("events %v, links %v, tracestate %q, status %v", span.Events(), span.Links(), span.SpanContext().TraceState(), span.Status())
	}
	if all := fmt.Sprintf("%+v", tracetest.SpanStubsFromReadOnlySpans(spans)); strings.Contains(all, "MARKER") {
		t.Errorf("something of the request: %s", all)
	}
}

// Without a parent a check begins a trace of its own; where the gateway decided not to record, nothing is recorded here, and
// where no provider is given nothing is there to record with.
func TestWhichChecksAreRecorded(t *testing.T) {
	for _, c := range []struct {
		what   string
		on     bool
		fields []string
		spans  int
	}{
		{"no parent", true, nil, 1},
		{"a parent that is none", true, []string{"traceparent", "MARKER"}, 1},
		{"a parent that is recorded", true, []string{"traceparent", sampled}, 1},
		{"a parent that is not recorded", true, []string{"traceparent", dropped}, 0},
		{"off", false, []string{"traceparent", sampled}, 0},
	} {
		s := serveTraced(t, c.on)
		observed := s.check(t, c.fields...)
		spans := s.ended(t)
		if len(spans) != c.spans || observed.recording != (c.spans > 0) {
			t.Errorf("%s: %d spans, the observer's records: %v", c.what, len(spans), observed.recording)
		}
		if !c.on && observed.IsValid() {
			t.Errorf("%s: the observer is told of a span", c.what)
		}
		if c.spans > 0 && len(c.fields) == 0 && spans[0].Parent().IsValid() {
			t.Errorf("%s: there is one", c.what)
		}
	}
}

// Health checks have no spans, nor have calls of what does not exist: their names are text of the caller's choice.
func TestWhatHasNoSpan(t *testing.T) {
	s := serveTraced(t, true)
	if _, err := healthv1.NewHealthClient(s.conn).Check(outgoing(t, "traceparent", sampled), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"/MARKER.Service/MARKER", "/envoy.service.auth.v3.Authorization/MARKER", "/MARKER"} {
		if err := s.conn.Invoke(outgoing(t, "traceparent", sampled), method, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", method, err)
		}
	}
	for _, span := range s.ended(t) {
		t.Errorf("a span of %s", span.Name())
	}
}

// A call that fails below us, as no gateway's does, has a span with the code of the error and without its text, which is a
// library's (invariant 4).
func TestSpanOfAnError(t *testing.T) {
	s := serveTraced(t, true)
	for body, want := range map[string]codes.Code{"MARKER": codes.Internal, strings.Repeat("MARKER", 1<<10): codes.ResourceExhausted} {
		err := s.conn.Invoke(outgoing(t, "traceparent", sampled), authv3.Authorization_Check_FullMethodName, wrapperspb.String(body), &emptypb.Empty{})
		if status.Code(err) != want || len(status.Convert(err).Message()) < 10 {
			t.Fatalf("%v, want %s and a text", err, want)
		}
	}
	spans := s.ended(t)
	got := map[string]bool{}
	for _, span := range spans {
		got[spanAttributes(span)["rpc.response.status_code"]] = true
		if span.Status().Description != "" || len(span.Events()) > 0 {
			t.Errorf("%q, %v", span.Status().Description, span.Events())
		}
	}
	if diff := cmp.Diff(map[string]bool{"INTERNAL": true, "RESOURCE_EXHAUSTED": true}, got); diff != "" || len(spans) != 2 {
		t.Errorf("%d spans (-want +got):\n%s", len(spans), diff)
	}
}
