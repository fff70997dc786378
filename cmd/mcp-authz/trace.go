package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// spanFlush is for the spans that wait, at the end of the process; it is part of stopDeadline.
const spanFlush = 5 * time.Second

// tracing exports the spans of checks. One that is off is nil.
type tracing struct {
	provider *sdktrace.TracerProvider
	protocol string
	log      *slog.Logger
}

// newTracing does what the OTEL_* variables want; none of them, and nothing is installed.
func newTracing(env func(string) string, log *slog.Logger) (*tracing, error) {
	protocol, err := tracesProtocol(env)
	if err != nil || protocol == "" {
		return nil, err
	}
	otel.SetLogger(logr.Discard()) // it would write text to standard error
	otel.SetErrorHandler(newTraceFaults(log))
	ctx := context.Background()
	var to sdktrace.SpanExporter
	if protocol == otlpGRPC {
		to, err = otlptracegrpc.New(ctx)
	} else {
		to, err = otlptracehttp.New(ctx)
	}
	if err != nil {
		return nil, errors.New("OTEL_EXPORTER_OTLP_*: no exporter can be made of these variables; certificates want an endpoint of https")
	}
	v, _, _ := buildVersion()
	of, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("mcp-authz"), semconv.ServiceVersion(v)), resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME: no resource can be made of these variables")
	}
	return &tracing{
		provider: sdktrace.NewTracerProvider(sdktrace.WithResource(of), sdktrace.WithBatcher(&exporter{SpanExporter: to, log: log})),
		protocol: protocol, log: log,
	}, nil
}

// tracerProvider is for the server; nil if tracing is off.
func (t *tracing) tracerProvider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// String says how spans are exported.
func (t *tracing) String() string {
	if t == nil {
		return "off"
	}
	return t.protocol
}

// stop exports the spans that wait, as far as that goes within spanFlush.
func (t *tracing) stop(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, spanFlush)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("spans that waited were not exported before the end")
	}
}

// exporter tells of a collector that fails, and of one that is back, once each. The error ends here: its text may be the
// collector's.
type exporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing bool // exports come one after the other
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing:
		e.log.Warn("spans cannot be exported", "cause", exportCause(err))
	case err == nil && e.failing:
		e.log.Info("spans are exported again")
	}
	e.failing = err != nil
	return nil
}

func exportCause(err error) string {
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.As(err, &certificate):
		return "a certificate of no authority that is trusted, or of another name: OTEL_EXPORTER_OTLP_CERTIFICATE may name the authority"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network):
		return "no answer, or not in time"
	}
	return "the collector refused them, or some of them"
}

// traceFaults are what the OpenTelemetry library complains of, beside exports. Its text stays here.
type traceFaults struct {
	log  *slog.Logger
	once sync.Once
}

func newTraceFaults(log *slog.Logger) *traceFaults { return &traceFaults{log: log} }

// Handle implements otel.ErrorHandler.
func (f *traceFaults) Handle(error) {
	f.once.Do(func() { f.log.Warn("the OpenTelemetry library reported a fault; spans may be missing") })
}
