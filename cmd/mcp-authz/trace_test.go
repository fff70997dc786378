package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestWhatASpanIsTold: exactly the documented attributes, whatever else is known of a request and of who sent it (invariant 4,
// B-38).
func TestWhatASpanIsTold(t *testing.T) {
	marked := func(headers ...authz.Header) *authz.Request {
		return &authz.Request{Method: "MARKER", Host: "MARKER", Path: "/MARKER?MARKER", Body: []byte("MARKER"), Headers: append(headers, authz.Header{Name: "authorization", Value: "Bearer MARKER"})}
	}
	who := authz.Claims{Issuer: "MARKER", Subject: "MARKER", ClientID: "MARKER"}
	long := strings.Repeat("ü", 1000)
	for _, c := range []struct {
		what string
		r    *authz.Request
		d    authz.Decision
		want map[string]string
	}{
		{"an allow", marked(), authz.Decision{Reason: authz.Allowed, ID: "id", Resource: "github", Claims: who}, map[string]string{
			attrDecision: "id", attrOutcome: outcomeAllow, attrReason: "allowed", attrStatus: "200", attrResource: "github",
		}},
		{"a refusal", marked(), authz.Decision{Reason: authz.InsufficientScope, ID: "id", Resource: "github", Claims: who}, map[string]string{
			attrDecision: "id", attrOutcome: outcomeDeny, attrReason: "insufficient_scope", attrStatus: "403", attrResource: "github",
		}},
		{"no resource", marked(), authz.Decision{Reason: authz.ResourceUnknown, ID: "id"}, map[string]string{
			attrDecision: "id", attrOutcome: outcomeDeny, attrReason: "resource_unknown", attrStatus: "404",
		}},
		{"claims of the client's, cut", marked(authz.Header{Name: "mcp-method", Value: "tools/call"}, authz.Header{Name: "mcp-name", Value: long}), authz.Decision{Reason: authz.Allowed, ID: "id"}, map[string]string{
			attrDecision: "id", attrOutcome: outcomeAllow, attrReason: "allowed", attrStatus: "200", attrMCPMethod: "tools/call", attrMCPName: cut(long),
		}},
		// One byte that is not UTF-8 would make the whole batch of spans unfit to send, those of all others included.
		{"claims that are not UTF-8", marked(authz.Header{Name: "mcp-method", Value: "\xff"}, authz.Header{Name: "mcp-name", Value: "a\xc3b"}), authz.Decision{Reason: authz.Allowed, ID: "id"}, map[string]string{
			attrDecision: "id", attrOutcome: outcomeAllow, attrReason: "allowed", attrStatus: "200", attrMCPMethod: "\uFFFD", attrMCPName: "a\uFFFDb",
		}},
	} {
		recorder := tracetest.NewSpanRecorder()
		ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test").Start(t.Context(), "check")
		o := newObserver(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		o.setLines("none") // the span does not depend on the line
		o.traced = true
		o.Observe(ctx, c.r, c.d, 0)
		span.End()
		got := map[string]string{}
		for _, a := range recorder.Ended()[0].Attributes() {
			got[string(a.Key)] = a.Value.String()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
		if n := len(recorder.Ended()[0].Events()); n > 0 {
			t.Errorf("%s: %d events", c.what, n)
		}
	}
}

// The line names the trace where somebody records it, and only there; without tracing nobody asks.
func TestTraceInTheLine(t *testing.T) {
	line := func(traced bool, ctx context.Context) string {
		var out bytes.Buffer
		o := newObserver(slog.New(slog.NewJSONHandler(&out, nil)), prometheus.NewRegistry())
		o.traced = traced
		o.Observe(ctx, &authz.Request{}, authz.Decision{Reason: authz.Allowed}, 0)
		return out.String()
	}
	start := func(sampler sdktrace.Sampler) (context.Context, string) {
		ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer("test").Start(t.Context(), "check")
		return ctx, fmt.Sprintf(`"trace_id":"%s"`, span.SpanContext().TraceID())
	}
	recorded, id := start(sdktrace.AlwaysSample())
	if got := line(true, recorded); !strings.Contains(got, id) {
		t.Errorf("recorded: %s", got)
	}
	if got := line(false, recorded); strings.Contains(got, fieldTraceID) {
		t.Errorf("without tracing: %s", got)
	}
	dropped, _ := start(sdktrace.NeverSample())
	if got := line(true, dropped); strings.Contains(got, fieldTraceID) {
		t.Errorf("not recorded: %s", got)
	}
	if got := line(true, t.Context()); strings.Contains(got, fieldTraceID) {
		t.Errorf("no span: %s", got)
	}
}

func TestOperationsListsTheAttributes(t *testing.T) {
	code := append(constants(t, "attr"), "rpc.system.name", "rpc.method", "rpc.response.status_code", "server.address", "server.port")
	var documented []string
	for _, r := range table(t, "### What a span holds") {
		documented = append(documented, strings.Split(r[0], ", ")...)
	}
	same(t, "attributes", code, documented)
}

// sending is an exporter.
type sending func() error

func (f sending) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return f() }

func (f sending) Shutdown(context.Context) error { return nil }

// A collector that fails is told once, and once that it is back, in our words; the library is told that all is well, or it
// would say more.
func TestExportsThatFail(t *testing.T) {
	var out bytes.Buffer
	var next error
	e := &exporter{SpanExporter: sending(func() error { return next }), log: slog.New(slog.NewJSONHandler(&out, nil))}
	refused := fmt.Errorf("MARKER: %w", errors.New("MARKER"))
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""}, {refused, `"spans cannot be exported","cause":"the collector refused them, or some of them"`}, {refused, ""}, {nil, `"spans are exported again"`}, {nil, ""},
		{fmt.Errorf("MARKER: %w", context.DeadlineExceeded), `"cause":"no answer, or not in time"`}, {refused, ""}, {nil, `"spans are exported again"`},
		{&net.OpError{Op: "dial", Err: io.EOF}, `"cause":"no answer, or not in time"`}, {nil, `"spans are exported again"`},
		{&tls.CertificateVerificationError{Err: errors.New("MARKER")}, `"cause":"a certificate of no authority that is trusted`}, {nil, `"spans are exported again"`},
	} {
		out.Reset()
		next = c.err
		if err := e.ExportSpans(t.Context(), nil); err != nil {
			t.Errorf("%v comes out as %v", c.err, err)
		}
		if got := out.String(); !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "MARKER") {
			t.Errorf("after %v: %q, want %q", c.err, got, c.want)
		}
	}
}

// Whatever else the library complains of is told once, without its words.
func TestFaultsOfTheTraceLibrary(t *testing.T) {
	var out bytes.Buffer
	faults := newTraceFaults(slog.New(slog.NewJSONHandler(&out, nil)))
	faults.Handle(errors.New("MARKER"))
	faults.Handle(errors.New("MARKER"))
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "MARKER") {
		t.Errorf("%q", got)
	}
}
